"""Where the rays of one exposure run in a slab: what a shear-warp can do, which axes it takes, and its lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.projection.splines import REACH
from XRayTo3DLib.projection.threads import torch_threads

Array = NDArray[np.float64]

BLEND = 0.1
"""Two axes share a picture while the beam runs along them equally fast within this (logarithm): 45 +- 2.9 degrees."""
SLOPE_MAX = 2.0
"""Voxels that a ray may step sideways per slice: 63 degrees to the axis."""
NEARNESS_MAX = 0.5
"""Largest distance of a slice from the reference plane, in units of the plane's distance from the source."""
WEIGHT_MIN = 1e-9


class Window(NamedTuple):
    """Pixels [row : row + height, column : column + width]."""

    column: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class VoxelView:
    """An exposure in voxel coordinates: source (3,) and ray matrix (3, 3) with rays @ (column, row, 1) = ray."""

    source: Array
    rays: Array
    rays_mm: Array

    @classmethod
    def of(cls, camera: XRayCamera, pose: Array, lps_to_voxel: Array) -> VoxelView:
        """The exposure of a volume under ``pose`` (4, 4) CT to world."""
        to_voxel = lps_to_voxel[:3, :3] @ pose[:3, :3].T
        rays_mm = camera.ray_matrix
        source = to_voxel @ (camera.source - pose[:3, 3]) + lps_to_voxel[:3, 3]
        return cls(source, to_voxel @ rays_mm, rays_mm)

    def ordered(self, order: list[int]) -> VoxelView:
        """With voxel axes in another order."""
        return VoxelView(self.source[order], np.ascontiguousarray(self.rays[order]), self.rays_mm)

    def project(self, points: Array) -> Array:
        """(N, 3) column, row and depth (0 at the source, 1 on the detector) of voxel points (N, 3)."""
        found = np.linalg.solve(self.rays, (points - self.source).T).T
        with np.errstate(divide="ignore", invalid="ignore"):
            found[:, :2] /= found[:, 2:]
        return found

    def through(self, window: Window) -> Array:
        """(4, 3) rays through the corners of a window."""
        column, row, width, height = window
        corners = [[c, r, 1.0] for c in (column, column + width - 1) for r in (row, row + height - 1)]
        return np.array(corners) @ self.rays.T


def moved_views(camera: XRayCamera, pose: Array, by_parameter: Array, lps_to_voxel: Array) -> tuple[Array, Array]:
    """Derivatives of source (P, 3) and rays (P, 3, 3) of a voxel view by parameters, from the pose's (P, 4, 4)."""
    scale = lps_to_voxel[:3, :3]
    turns = scale @ by_parameter[:, :3, :3].transpose(0, 2, 1)
    sources = turns @ (camera.source - pose[:3, 3]) - by_parameter[:, :3, 3] @ (scale @ pose[:3, :3].T).T
    return sources, turns @ camera.ray_matrix


def pose_derivatives(motion: Any, pose: Array) -> Array:
    """(P, 4, 4) derivatives of motion(parameters) @ pose at zero.

    A motion may offer them itself as ``tangents()`` (P, 4, 4), those of the motion alone; otherwise torch finds them.
    """
    if hasattr(motion, "tangents"):
        return np.asarray(motion.tangents(), dtype=np.float64) @ pose
    zero = torch.zeros(int(getattr(motion, "parameter_count", 6)), dtype=torch.float64)
    with torch_threads(1):  # idle torch threads keep turning for a while and would be in the way of ours
        return torch.func.jacfwd(motion)(zero).permute(2, 0, 1).detach().numpy() @ pose


@dataclass(frozen=True)
class Tangents:
    """Derivatives by P parameters: of source (P, 3) and rays (P, 3, 3) of a voxel view, of the axes' shares (P, 3)."""

    sources: Array
    rays: Array
    shares: Array

    @classmethod
    def of(cls, camera: XRayCamera, pose: Array, motion: Any, lps_to_voxel: Array, towards: Array) -> Tangents:
        """Those of a motion after the pose; ``towards``: from the source to the volume's middle, in voxels."""
        sources, rays = moved_views(camera, pose, pose_derivatives(motion, pose), lps_to_voxel)
        return cls(sources, rays, weight_derivatives(towards, -sources))

    def ordered(self, axis: int, order: list[int]) -> Array:
        """(P, 13) for one marching axis: source (3) and rays (9) with voxel axes in another order, and the share."""
        parts = [self.sources[:, order], self.rays[:, order].reshape(-1, 9), self.shares[:, axis, None]]
        return np.concatenate(parts, axis=1)


# ---- which pixels, which axes -----------------------------------------------------------------------------------


def corners_of(shape: tuple[int, ...], margin: float = 0.0) -> Array:
    """(8, 3) corners (column, row, slice) of a volume (slices, rows, columns) in a layer of air, and ``margin``."""
    ends = [(-margin, n + 1 + margin) for n in reversed(shape)]
    return np.array([[i, j, k] for i in ends[0] for j in ends[1] for k in ends[2]])


def window_of(view: VoxelView, shape: tuple[int, ...], margin: float, size: tuple[int, int]) -> Window | None:
    """The pixels that can see the volume; None if no pixel does."""
    pixels = view.project(corners_of(shape, margin))
    if pixels[:, 2].min() <= 0:
        return Window(0, 0, *size)
    low = np.clip(np.floor(pixels[:, :2].min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(pixels[:, :2].max(axis=0)) + 1, 0, size).astype(int)
    if np.any(high <= low):
        return None
    return Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def lies_in_beam(view: VoxelView, shape: tuple[int, ...]) -> bool:
    """Whether all of the volume lies between source and detector."""
    depth = view.project(corners_of(shape))[:, 2]
    return bool(depth.min() > 0 and depth.max() < 1)


def axis_weights(towards: Array) -> Array:
    """(..., 3) share of each marching axis, for the way (..., 3) in voxels from the source to the volume's middle.

    One axis takes all but near 45 degrees, where it hands over smoothly (twice differentiable).
    """
    speed = np.log(np.maximum(np.abs(towards), 1e-12))
    lead = np.clip((speed[..., :, None] - speed[..., None, :]) / BLEND, -1, 1)
    share = 0.5 + lead * (15 - 10 * lead**2 + 3 * lead**4) / 16
    share[..., range(3), range(3)] = 1.0
    weights = share.prod(axis=-1)
    return weights / weights.sum(axis=-1, keepdims=True)


def weight_derivatives(towards: Array, by_parameter: Array) -> Array:
    """(P, 3) derivatives of :func:`axis_weights` by parameters that move ``towards`` by ``by_parameter`` (P, 3)."""
    size = np.abs(by_parameter / towards).max()
    if size == 0:
        return np.zeros_like(by_parameter)
    step = 1e-4 * BLEND / size
    after, before = axis_weights(towards + step * by_parameter), axis_weights(towards - step * by_parameter)
    return (after - before) / (2 * step)


def can_march(view: VoxelView, axis: int, shape: tuple[int, ...], window: Window) -> bool:
    """Whether slices along ``axis`` reach the window by scale and shift: slab in front of the source, rays not flat."""
    length = shape[2 - axis]
    depth = 0.5 * (length + 1) - view.source[axis]
    if abs(depth) * NEARNESS_MAX < 0.5 * (length - 1):
        return False
    rays = view.through(window)
    along = rays[:, axis] * np.sign(depth)
    return bool(along.min() > 0 and (np.abs(rays) <= SLOPE_MAX * along[:, None]).all())


class Plan(NamedTuple):
    """Pixels to draw (None: nothing to see) and the share of each marching axis."""

    window: Window | None
    weights: dict[int, float]


def plan_of(view: VoxelView, shape: tuple[int, ...], pitch: float, size: tuple[int, int]) -> Plan | None:
    """How to draw a volume (slices, rows, columns) on a detector of ``size`` (columns, rows), lattices of ``pitch``.

    None where a shear-warp cannot: a source inside or close beside the slab, anything not wholly between source and
    detector, rays too flat.
    """
    if not lies_in_beam(view, shape):
        return None
    # Splines reach a little beyond the voxels: by REACH + 2 nodes, further apart on the slices furthest away.
    window = window_of(view, shape, (REACH + 2) * pitch * (1 + NEARNESS_MAX), size)
    if window is None:
        return Plan(None, {})
    shares = axis_weights(middle_of(shape) - view.source)
    weights = {axis: float(share) for axis, share in enumerate(shares) if share > WEIGHT_MIN}
    if not all(can_march(view, axis, shape, window) for axis in weights):
        return None
    return Plan(window, weights)


def middle_of(shape: tuple[int, ...]) -> Array:
    """(3,) middle (column, row, slice) of a volume (slices, rows, columns) in a layer of air."""
    return 0.5 * (np.array(shape[::-1]) + 1)


# ---- the lattice ------------------------------------------------------------------------------------------------


class Lattice(NamedTuple):
    """Nodes of the reference plane: index (u, v) of the first, how many (rows, columns)."""

    corner: tuple[int, int]
    rows: int
    columns: int


def lattice_of(
    ranges: NDArray[np.integer[Any]], view: VoxelView, plane: float, pitch: float, window: Window
) -> Lattice | None:
    """Nodes whose splines reach the window and that see voxels; None if there are none.

    Nodes lie at whole multiples of ``pitch`` in the volume's own grid, whatever the pose: nothing flickers.
    ``ranges`` (slices, 4): low and high row, low and high column outside which a slice is empty; zeros if it all is.
    """
    k = np.flatnonzero(ranges[:, 1] > ranges[:, 0])
    ratio = (k - view.source[2]) / (plane - view.source[2])
    rays = view.through(window)
    start, end = [], []
    for axis, column in ((0, 2), (1, 0)):
        source = view.source[axis]
        seen = source + (plane - view.source[2]) * rays[:, axis] / rays[:, 2]
        low = source + ((ranges[k, column] - source) / ratio).min()
        high = source + ((ranges[k, column + 1] - source) / ratio).max()
        # A pixel takes 4 nodes round it, a node's coefficient REACH samples to either side.
        first = max(np.floor(low / pitch) - REACH - 2, np.floor(seen.min() / pitch) - REACH - 1)
        last = min(np.ceil(high / pitch) + REACH + 2, np.ceil(seen.max() / pitch) + REACH + 1)
        start.append(int(first))
        end.append(int(last))
    if end[0] - start[0] < 3 or end[1] - start[1] < 3:
        return None
    return Lattice((start[0], start[1]), end[1] - start[1] + 1, end[0] - start[0] + 1)
