"""Shapes whose line integrals are known in closed form, and their voxel versions on any grid. LPS mm, 1/mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import erf

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.types import CtVolume

Array = NDArray[np.float64]
SUBSAMPLES = 3
"""Per axis and voxel, at the edge of sharp shapes."""


@dataclass(frozen=True)
class Shape:
    """A shape of constant or falling attenuation ``value``.

    Attributes:
        centre: (3,) mm.
        radii: Semi-axes, half edges or standard deviations, mm.
        turn_deg: Rotation vector, degrees.
        value: Attenuation inside (of a Gaussian: at its centre), 1/mm.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn_deg: tuple[float, float, float]
    value: float

    reach = 1.0
    """Where the shape ends, in units of its radii."""

    def to_unit(self) -> tuple[Array, Array]:
        """(3, 3) and (3,) that take points to the unit shape: A p + b."""
        rotation = Rotation.from_rotvec(self.turn_deg, degrees=True).as_matrix()
        a = rotation.T / np.array(self.radii)[:, None]
        return a, -a @ np.array(self.centre)

    def along(self, start: Array, direction: Array) -> Array:
        """Integral over t from 0 to 1 of the unit shape on start (3,) + t direction (N, 3)."""
        raise NotImplementedError

    def fraction(self, local: Array) -> Array:
        """The unit shape (...,) at unit points (..., 3)."""
        raise NotImplementedError

    def integral(self, camera: XRayCamera, pose: RigidPose) -> Array:
        """(rows, columns) line integrals from source to detector of the posed shape."""
        columns, rows = camera.size
        row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        pixels = camera.pixel_to_world(np.stack([column.ravel(), row.ravel()], axis=1))
        source, to_pixel = pose.inverse().apply(camera.source), pose.inverse().apply(pixels)
        a, b = self.to_unit()
        length = np.linalg.norm(to_pixel - source, axis=1)
        return (self.value * length * self.along(a @ source + b, (to_pixel - source) @ a.T)).reshape(rows, columns)


@dataclass(frozen=True)
class Ellipsoid(Shape):
    def along(self, start: Array, direction: Array) -> Array:
        square = (direction**2).sum(axis=1)
        half = direction @ start
        root = np.sqrt(np.maximum(half**2 - square * (start @ start - 1), 0))
        return _clipped((-half - root) / square, (-half + root) / square)

    def fraction(self, local: Array) -> Array:
        return ((local**2).sum(axis=-1) <= 1).astype(np.float64)


@dataclass(frozen=True)
class Box(Shape):
    def along(self, start: Array, direction: Array) -> Array:
        with np.errstate(divide="ignore"):
            ends = (np.array([[-1.0], [1.0]])[..., None] - start) / direction
        return _clipped(ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1))

    def fraction(self, local: Array) -> Array:
        return (np.abs(local).max(axis=-1) <= 1).astype(np.float64)


@dataclass(frozen=True)
class Gaussian(Shape):
    reach = 6.0

    def along(self, start: Array, direction: Array) -> Array:
        square = (direction**2).sum(axis=1)
        nearest = -(direction @ start) / square
        distance2 = start @ start - nearest**2 * square
        root = np.sqrt(square / 2)
        part = erf((1 - nearest) * root) - erf(-nearest * root)
        return np.exp(-0.5 * distance2) * np.sqrt(np.pi / 2 / square) * part

    def fraction(self, local: Array) -> Array:
        return np.exp(-0.5 * (local**2).sum(axis=-1))


def _clipped(enter: Array, leave: Array) -> Array:
    return np.maximum(np.clip(leave, 0, 1) - np.clip(enter, 0, 1), 0)


def line_integrals(shapes: Sequence[Shape], camera: XRayCamera, pose: RigidPose | None = None) -> Array:
    """(rows, columns) sums over shapes, of what lies between source and detector."""
    return np.sum([shape.integral(camera, pose or RigidPose.identity()) for shape in shapes], axis=0)


def voxelised(shapes: Sequence[Shape], size: tuple[int, int, int], voxel_to_lps: Array) -> NDArray[np.float32]:
    """Attenuation (slices, rows, columns) of a grid of ``size`` (columns, rows, slices)."""
    volume = np.zeros(size[::-1], dtype=np.float32)
    for shape in shapes:
        a, b = shape.to_unit()
        steps, first = a @ voxel_to_lps[:3, :3], a @ voxel_to_lps[:3, 3] + b
        middle = np.linalg.solve(steps, -first)
        extent = np.abs(np.linalg.inv(steps)).sum(axis=1) * shape.reach + 1
        low = np.clip(np.floor(middle - extent), 0, size).astype(int)
        high = np.clip(np.ceil(middle + extent) + 1, 0, size).astype(int)
        if np.any(high <= low):
            continue
        part = volume[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        index = [
            np.arange(low[axis], high[axis]).reshape([-1 if 2 - axis == place else 1 for place in range(3)])
            for axis in range(3)
        ]
        local = [
            (sum(steps[r, axis] * index[axis] for axis in range(3)) + first[r]).astype(np.float32) for r in range(3)
        ]
        part += shape.value * _sampled(shape, local, steps)
    return volume


def _sampled(shape: Shape, local: list[NDArray[np.float32]], steps: Array) -> NDArray[np.float32]:
    """The unit shape at voxel centres; edge voxels of sharp shapes are means of sub-voxels."""
    if isinstance(shape, Gaussian):
        return np.exp(-0.5 * sum(part**2 for part in local))
    if isinstance(shape, Box):
        depth = np.maximum(np.maximum(np.abs(local[0]), np.abs(local[1])), np.abs(local[2]))
    else:
        depth = np.sqrt(sum(part**2 for part in local))
    inside = (depth <= 1).astype(np.float32)
    edge = np.nonzero(np.abs(depth - 1) <= 0.5 * np.linalg.norm(steps, axis=0).sum())
    centres = np.stack([part[edge] for part in local], axis=-1).astype(np.float64)
    offsets = (np.arange(SUBSAMPLES) - (SUBSAMPLES - 1) / 2) / SUBSAMPLES
    total = np.zeros(len(centres))
    for shift in np.stack(np.meshgrid(offsets, offsets, offsets), axis=-1).reshape(-1, 3):
        total += shape.fraction(centres + steps @ shift)
    inside[edge] = total / SUBSAMPLES**3
    return inside


def centred_grid(size: tuple[int, int, int], spacing: Any, turn_deg: Any = (0, 0, 0), centre: Any = (0, 0, 0)) -> Array:
    """(4, 4) voxel-to-LPS of a grid whose middle lies at ``centre``, turned by a rotation vector."""
    result = np.eye(4)
    result[:3, :3] = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix() * np.broadcast_to(spacing, 3)
    result[:3, 3] = np.array(centre) - result[:3, :3] @ ((np.array(size) - 1) / 2)
    return result


def looking_camera(
    size: tuple[int, int],
    pixel_mm: float,
    *,
    sdd: float = 1020.0,
    source_centre: float = 700.0,
    turn_deg: Any = (7.0, 11.0, 4.0),
    target: Any = (3.0, -5.0, 2.0),
) -> XRayCamera:
    """A camera with its central ray through ``target``, along +y before it is turned; nothing is aligned."""
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix() @ np.array(
        [[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]
    )
    source = np.array(target) - source_centre * turn[:, 2]
    corner = -0.5 * (np.array(size) - 1) * pixel_mm
    origin = source + turn @ [corner[0], corner[1], sdd]
    return XRayCamera(source, origin, turn[:, 0], turn[:, 1], (pixel_mm, pixel_mm), size)


def relative_rms(image: Any, truth: Any) -> float:
    """Root mean square of the difference over that of the truth."""
    image, truth = np.asarray(image, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    return float(np.sqrt(np.mean((image - truth) ** 2) / np.mean(truth**2)))


LIMB: tuple[Shape, ...] = (
    Ellipsoid((0, 0, 0), (80, 60, 92), (0, 0, 0), 0.004),
    Ellipsoid((12, 5, -30), (14, 13, 60), (10, -8, 5), 0.050),
    Ellipsoid((12, 5, -30), (10, 9, 56), (10, -8, 5), -0.032),
    Ellipsoid((-28, 12, -25), (9, 8, 50), (-6, 12, 0), 0.050),
    Ellipsoid((-28, 12, -25), (6, 5, 46), (-6, 12, 0), -0.032),
    Ellipsoid((5, -2, 42), (30, 24, 20), (15, 20, 25), 0.035),
    Ellipsoid((5, -2, 42), (27, 21, 17), (15, 20, 25), -0.018),
    Ellipsoid((38, -14, 40), (8, 10, 12), (30, 10, 0), 0.045),
    Ellipsoid((-34, -20, 46), (12, 7, 9), (0, 40, 10), 0.045),
    Ellipsoid((-10, -30, 62), (6, 6, 14), (25, 0, 0), 0.040),
)
"""Sharp edges: soft tissue, two hollow shafts, a joint's head, small bones."""
SMOOTH_LIMB: tuple[Shape, ...] = (
    Gaussian((0, 0, 0), (38, 30, 40), (0, 0, 0), 0.010),
    Gaussian((12, 5, -30), (7, 6, 26), (10, -8, 5), 0.050),
    Gaussian((-28, 12, -25), (5, 5, 24), (-6, 12, 0), 0.050),
    Gaussian((5, -2, 42), (14, 12, 10), (15, 20, 25), 0.035),
    Gaussian((38, -14, 40), (4, 5, 6), (30, 10, 0), 0.045),
    Gaussian((-34, -20, 46), (6, 4, 5), (0, 40, 10), 0.045),
)
"""The same without edges. The widest Gaussian is cut by the volume's border, as in the measurement it repeats."""

BONE: tuple[Shape, ...] = (
    Ellipsoid((0, 0, -8), (9, 8, 30), (8, -6, 0), 1.7),
    Ellipsoid((0, 0, -8), (6, 5, 27), (8, -6, 0), -0.6),
    Ellipsoid((4, -3, 20), (16, 11, 10), (0, 20, 25), 1.2),
    Ellipsoid((15, 2, 26), (5, 4, 9), (20, 10, 0), 1.0),
    Ellipsoid((-9, 8, 17), (5, 6, 4), (0, 0, 30), 1.1),
)
"""A crooked bone without any symmetry; values in water units above air (HU + 1000 over 1000)."""
BONE_CAMERAS = {
    view: standard_camera(1000.0, (0.8, 0.9), (110, 120), source_isocentre=900.0, view=view) for view in ("PA", "LAT")
}
"""Two views at right angles; pixels are not square."""


def bone_ct(spacing: Any = 1.4, turn_deg: Any = (0, 0, 0), name: str = "bone") -> CtVolume:
    """The bone in air with its label "bone"; whole Hounsfield units."""
    size = tuple(int(n) for n in np.ceil([64, 56, 96] / np.broadcast_to(spacing, 3)))
    grid = centred_grid(size, spacing, turn_deg, (3, 0, 0))
    filled = voxelised(BONE, size, grid)
    hu = np.round(1000 * filled - 1000).astype(np.float32)
    return CtVolume(hu, grid, (filled > 0.6).astype(np.int32), {"bone": 1}, name)
