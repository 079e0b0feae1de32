"""Fast DRRs on the CPU: a separable shear-warp, compiled by numba. No gradients but the exact pose derivative.

As in Joseph's method (``drr``) the volume is cut into the slices across which the beam runs most directly. Seen from
the source, every slice reaches a reference plane by one scale and one shift (Lacroute, Levoy, SIGGRAPH 1994), so slices
are added on a lattice of that plane in two one-dimensional passes per slice (``shear_warp_sums``), empty blocks of rows
being left out; then one warp takes the lattice to the detector, with the path length of each ray per slice
(``shear_warp_lattice``). The lattice is finer than the voxels by ``oversampling``.

Pictures are smooth in the pose: lattice nodes are fixed in the volume, the volume fades out over a layer of air, and
where the best axis changes (45 degrees) two axes share the picture and hand over smoothly.

What a shear-warp cannot do goes to the torch engine, call by call: a source inside or close beside the slab, anything
not wholly between source and detector, rays flatter than 63 degrees to the axis, poses with gradients.

Memory: the volume's filled part once more in float32 for every axis looked along, three at most (768 MB at 400^3), plus
the caller's own volume, which is kept, not copied, when it is a float32 array. Where volume and copies would pass
``MEMORY_BYTES``, copies not needed now are given up and made again when they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import matrix
from XRayTo3DLib.projection import shear_warp_lattice as lattices
from XRayTo3DLib.projection import shear_warp_views as views
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.projection.shear_warp_slabs import Slab, filled_box, make_slab, order_of
from XRayTo3DLib.projection.shear_warp_sums import sums
from XRayTo3DLib.projection.shear_warp_threads import share
from XRayTo3DLib.projection.splines import FILTER, REACH

OVERSAMPLING = 2.0
"""Agrees with the torch engine to 0.3 % on sharp bones in 0.8 mm voxels; 1.5 to 0.5 %, in 3/4 of the time."""
MEMORY_BYTES = 1_000_000_000
"""What copies of the volume may take before those not needed now are given up."""
TILE_ROWS, TILE_COLUMNS = 64, 1024
"""Lattice nodes summed at a time; with slopes half as many rows. They fit the second-level cache."""


WORTH_SHARING = 20_000_000
"""Nodes times slices from which several threads are faster than one; ten such pictures take about 10 ms."""
ROWS_AT_ONCE = 32
"""Rows of a picture that a thread takes at a time."""


class ShearWarpProjector:
    """Projects one volume under any camera and pose; the interface of :class:`DrrProjector`, for the CPU.

    Args:
        mu: (slices, rows, columns) linear attenuation, 1/mm; array or tensor without gradients. Not to be changed
            afterwards.
        voxel_to_lps: (4, 4) voxel centres (column, row, slice, 1) to CT points, LPS mm.
        oversampling: Lattice nodes per voxel and direction, 1 to 4. More is slower and nearer to the torch engine.

    Work is shared among as many threads as torch is set to take (``torch.get_num_threads``).

    Raises:
        InputError: ``mu`` is not a volume, not finite, empty (nothing but air) or wants gradients.
    """

    def __init__(self, mu: Any, voxel_to_lps: Any, oversampling: float = OVERSAMPLING) -> None:
        if not 1 <= oversampling <= 4:
            raise InputError(f"oversampling of a projector is 1 to 4, not {oversampling}.")
        self.device = torch.device("cpu")
        self._given, self._voxel_to_lps = _as_volume(mu), matrix(voxel_to_lps, (4, 4), "voxel_to_lps")
        box = filled_box(self._given)
        if box is None:
            raise InputError("the attenuation volume is empty, nothing but air to project; check the CT and the label.")
        self._volume = self._given[box]
        # Voxel coordinates count from the layer of air round the filled box.
        shift = np.eye(4)
        shift[:3, 3] = [part.start - 1 for part in reversed(box)]
        self._lps_to_voxel = np.linalg.inv(self._voxel_to_lps @ shift)
        self._pitch = 1.0 / oversampling
        self._middle = views.middle_of(self._volume.shape)
        self._slabs: dict[int, Slab] = {}
        self._torch: DrrProjector | None = None
        self.fallbacks = 0
        """How many pictures the torch engine had to make."""

    def __call__(self, camera: XRayCamera, pose: Any) -> Tensor:
        """DRR under one pose or a batch.

        Args:
            camera: The exposure.
            pose: CT-to-world as :class:`RigidPose`, (4, 4) or (B, 4, 4).

        Returns:
            (rows, columns) or (B, rows, columns) float32 line integrals, dimensionless.

        Raises:
            InputError: A pose that is not finite or of another shape.
        """
        if isinstance(pose, Tensor) and pose.requires_grad and torch.is_grad_enabled():
            return self._fallback()(camera, pose)
        poses = _as_poses(pose)
        if poses.ndim == 2:
            return self._project(camera, poses)
        return torch.stack([self._project(camera, single) for single in poses])

    def with_jacobian(self, camera: XRayCamera, pose: Any, motion: Any) -> tuple[Tensor, Tensor]:
        """A DRR and its exact derivative with respect to rigid-motion parameters.

        Args:
            camera: The exposure.
            pose: (4, 4) CT-to-world.
            motion: Function from a zero tensor (P,) of parameters to a (4, 4) world motion applied after the pose.

        Returns:
            (rows, columns) line integrals and (P, rows, columns) derivatives per unit of each parameter.
        """
        base = _as_poses(pose)
        if base.ndim != 2:
            raise InputError(f"derivatives are of one pose at a time, (4, 4), not shape {base.shape}.")
        view = views.VoxelView.of(camera, base, self._lps_to_voxel)
        plan = views.plan_of(view, self._volume.shape, self._pitch, camera.size)
        if plan is None:
            return self._fallback().with_jacobian(camera, base.copy(), motion)
        window, weights = plan
        tangents = views.Tangents.of(camera, base, motion, self._lps_to_voxel, self._middle - view.source)
        columns, rows = camera.size
        image = np.zeros((rows, columns), np.float32)
        derivatives = np.zeros((len(tangents.sources), rows, columns), np.float32)
        if window is not None:
            for axis, weight in weights.items():
                moved = tangents.ordered(axis, order_of(axis))
                self._draw(axis, view, window, weight, image, (moved, derivatives))
        return torch.from_numpy(image), torch.from_numpy(derivatives)

    # ---- one pose -----------------------------------------------------------------------------------------

    def _project(self, camera: XRayCamera, pose: NDArray[np.float64]) -> Tensor:
        view = views.VoxelView.of(camera, pose, self._lps_to_voxel)
        plan = views.plan_of(view, self._volume.shape, self._pitch, camera.size)
        if plan is None:
            with torch.no_grad():
                return self._fallback()(camera, pose.copy())
        window, weights = plan
        image = np.zeros(camera.size[::-1], np.float32)
        if window is not None:
            for axis, weight in weights.items():
                self._draw(axis, view, window, weight, image, None)
        return torch.from_numpy(image)

    def _draw(
        self,
        axis: int,
        view: views.VoxelView,
        window: views.Window,
        weight: float,
        image: NDArray[np.float32],
        jacobian: tuple[NDArray[np.float64], NDArray[np.float32]] | None,
    ) -> None:
        """Add ``weight`` times the picture by slices along ``axis``, and its derivatives (tangents, where to)."""
        slab, view, plane = self._slab(axis), view.ordered(order_of(axis)), float(self._middle[axis])
        lattice = views.lattice_of(slab.ranges, view, plane, self._pitch, window)
        if lattice is None:
            return
        nodes = np.empty((1 if jacobian is None else 3, lattice.rows, lattice.columns), np.float32)
        place = (view.source, plane, self._pitch, lattice.corner)
        stored = (slab.blocks, slab.filled, slab.ranges, slab.columns)
        geometry = (lattice.corner, self._pitch, view.source, plane, view.rays, view.rays_mm, tuple(window))

        def finish(first: int, last: int) -> None:
            if jacobian is None:
                lattices.warp(nodes, *geometry, first, last, weight, image)
            else:
                lattices.warp_with_tangents(nodes, *geometry, first, last, weight, jacobian[0], image, jacobian[1])

        slices = int(np.count_nonzero(slab.ranges[:, 1]))
        count = torch.get_num_threads() if lattice.rows * lattice.columns * slices > WORTH_SHARING else 1
        tile = _tile(lattice, jacobian is not None, count)
        tiles = -(-lattice.rows // tile[0])
        share(count, tiles, 1, lambda first, last: sums(*stored, *place, tile, (first, last), nodes))
        _to_coefficients(nodes, count)
        share(count, window.height, ROWS_AT_ONCE, finish)

    # ---- what is kept -------------------------------------------------------------------------------------

    def _slab(self, axis: int) -> Slab:
        if axis not in self._slabs:
            self._make_room()
            self._slabs[axis] = make_slab(self._volume, axis)
        return self._slabs[axis]

    def _fallback(self) -> DrrProjector:
        """The torch engine, for what a shear-warp cannot do."""
        self.fallbacks += 1
        if self._torch is None:
            self._make_room()
            self._torch = DrrProjector(torch.from_numpy(self._given), self._voxel_to_lps, self.device)
        return self._torch

    def _make_room(self) -> None:
        """Give up all copies if one more, and the torch engine's own (two and more), might be too much."""
        kept = len(self._slabs) + (4 if self._torch is not None else 0)
        if (kept + 1) * self._volume.nbytes > MEMORY_BYTES:
            self._slabs.clear()
            self._torch = None


def _to_coefficients(nodes: NDArray[np.float32], count: int) -> None:
    """Samples (layers, rows, columns) to spline coefficients, in place, by ``count`` threads."""
    layers, rows, columns = nodes.shape
    half = np.zeros((layers, rows + 2 * REACH, columns), np.float32)

    def along(first: int, last: int) -> None:
        for layer in range(layers):
            lattices.filter_along_rows(nodes[layer], FILTER, first, last, half[layer])

    def across(first: int, last: int) -> None:
        for layer in range(layers):
            lattices.filter_across_rows(half[layer], FILTER, first, last, nodes[layer])

    share(count, rows, ROWS_AT_ONCE, along)
    share(count, rows, ROWS_AT_ONCE, across)


def _tile(lattice: views.Lattice, with_slopes: bool, threads: int) -> tuple[int, int]:
    """(rows, columns) of a tile: columns shared out evenly, rows so that no thread has a tile more than another."""
    across = -(-lattice.columns // TILE_COLUMNS)
    down = threads * -(-lattice.rows // (threads * (TILE_ROWS // (2 if with_slopes else 1))))
    return -(-lattice.rows // down), -(-lattice.columns // across)


def _as_volume(mu: Any) -> NDArray[np.float32]:
    if isinstance(mu, Tensor):
        if mu.requires_grad:
            raise InputError("the numba projector has no gradients to voxels; use the torch engine (engine='torch').")
        mu = mu.cpu().numpy()
    volume = np.ascontiguousarray(mu, dtype=np.float32)
    if volume.ndim != 3:
        raise InputError(f"a DRR needs a volume (slices, rows, columns), not shape {volume.shape}.")
    if not np.isfinite(volume).all():
        raise InputError("the attenuation volume holds values that are not finite (NaN); check the CT.")
    return volume


def _as_poses(pose: Any) -> NDArray[np.float64]:
    """(4, 4) or (B, 4, 4)."""
    if isinstance(pose, RigidPose):
        return pose.matrix
    poses = np.asarray(pose.detach().cpu() if isinstance(pose, Tensor) else pose, dtype=np.float64)
    if poses.shape[-2:] != (4, 4) or poses.ndim not in (2, 3):
        raise InputError(f"a pose is a 4 x 4 matrix or a batch of them, not shape {tuple(poses.shape)}.")
    if not np.isfinite(poses).all():
        raise InputError("a pose holds values that are not finite (NaN).")
    return poses
