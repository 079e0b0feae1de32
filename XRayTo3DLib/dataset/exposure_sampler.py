"""Training samples made on the fly: a person in a random pose, DRRs in the canonical views, soft labels of the bones.

Every sample follows from (seed, stage, item) alone: whatever the order, the batches or the ranks of a distributed
training, item 17 of a stage is the same sample, on one machine to the last bit.
"""

from __future__ import annotations

import functools
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid, soft_labels
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray, vector3
from XRayTo3DLib.projection.engines import Engine, make_projector

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.prepared import PreparedCase

FAR_MM = 6.0
"""Distance given to what lies outside a prepared case, mm: nothing is known to be there."""
NORMAL_LIMIT = 3.0
"""Normally distributed poses are kept within this many standard deviations."""
POSE, ORDER = 0, 1
"""What random numbers are for: a pose and its noise, or the order of the cases."""


@dataclass(frozen=True)
class PoseRange:
    """How differently people are held before the detector.

    The rotation vector's and the translation's three components are drawn independently; the rotation is about
    ``centre_mm``.

    Attributes:
        rotation_deg: One number or one per axis (x, y, z), degrees: half the range if uniform, else standard deviation.
        translation_mm: The same in mm. Shiode et al. (Sci Rep 11:15249, 2021): uniform within 30 degrees and 30 mm.
        distribution: "uniform" or "normal" (cut at :data:`NORMAL_LIMIT` standard deviations).
        centre_mm: (3,) centre of rotation in the anatomical frame, mm.

    Raises:
        InputError: Ranges below zero, or another distribution.
    """

    rotation_deg: float | tuple[float, float, float] = 30.0
    translation_mm: float | tuple[float, float, float] = 30.0
    distribution: str = "uniform"
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.distribution not in ("uniform", "normal"):
            raise InputError(f"poses are distributed uniform or normal, not {self.distribution!r}.")
        for name in ("rotation_deg", "translation_mm"):
            widths = vector3(np.broadcast_to(np.asarray(getattr(self, name), dtype=float), 3), f"pose range {name}")
            if np.any(widths < 0):
                raise InputError(f"pose range {name} must be 0 or more, not {widths.tolist()}.")

    def draw(self, rng: np.random.Generator) -> RigidPose:
        """One pose, from the anatomical to the reconstruction frame, mm."""
        if self.distribution == "uniform":
            units = rng.uniform(-1.0, 1.0, (2, 3))
        else:
            units = np.clip(rng.standard_normal((2, 3)), -NORMAL_LIMIT, NORMAL_LIMIT)
        return RigidPose.from_rotation(
            units[0] * np.asarray(self.rotation_deg), units[1] * np.asarray(self.translation_mm), self.centre_mm
        )


@dataclass(frozen=True)
class PictureNoise:
    """What differs from exposure to exposure of the same bones; all zero leaves line integrals as they are.

    Attributes:
        gain: Standard deviation of the logarithm of a factor on the whole picture (beam hardness).
        offset: Standard deviation of a line integral added to the whole picture.
        noise: Standard deviation of white noise in every pixel, line integral.

    Raises:
        InputError: A value below zero.
    """

    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not min(self.gain, self.offset, self.noise) >= 0:
            raise InputError("gain, offset and noise of training pictures must be 0 or more.")

    def apply(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(views, rows, columns) pictures with this noise; the numbers are drawn on the CPU, whatever the device."""
        count = len(images)
        gain = np.exp(self.gain * rng.standard_normal((count, 1, 1)))
        added = self.offset * rng.standard_normal((count, 1, 1))
        if self.noise > 0:
            added = added + self.noise * rng.standard_normal(tuple(images.shape), dtype=np.float32)
        factor, added = (torch.as_tensor(each, dtype=images.dtype, device=images.device) for each in (gain, added))
        return images * factor + added


@dataclass(frozen=True, eq=False)
class Sample:
    """A batch of exposures and what they show.

    Attributes:
        images: (B, views, N, N) float32 line integrals of the bones' attenuation, dimensionless.
        soft_labels: (B, labels, Z, Y, X) float32 share of each voxel that a bone fills, 0 to 1.
        case_index: (B,) which of the cases each sample shows.
        poses: (B, 4, 4) anatomical to reconstruction frame, mm.
    """

    images: Tensor
    soft_labels: Tensor
    case_index: Tensor
    poses: FloatArray


@dataclass(frozen=True, eq=False)
class _Bones:
    """A case ready to be exposed: its projector, its distances round the bones, and the matrix of those."""

    project: Callable[..., Tensor]
    distances: Tensor
    frame_to_voxel: FloatArray
    bytes: int


class Exposures:
    """Draws exposures of prepared cases.

    The pose moves the bones in the reconstruction frame, where views and grid stay. Labels follow from signed distances
    (trilinear), so they are smooth in the pose.

    Args:
        cases: The people, with the same labels; read one by one, kept ready while memory allows (a lazy sequence
            need not keep them).
        views: What is shown of each.
        grid: Where the labels are wanted.
        pose: How people are held.
        seed: Of all random numbers.
        device: Where to compute: that of the training.
        noise: Differences between exposures.
        prerendered: ``None`` draws a new pose for every item; a number K gives every case K poses for good, as the
            paper's pre-rendered set, gone through one by one.
        subpixels: Rays across a pixel, averaged, as a real picture's are. Two cost 0.1 ms more than one.
        engine: Of the projector; "auto" is numba on a CPU where it is installed (7 times as fast as torch there).
        memory_mb: What ready cases may take (about 4 MB each).

    Raises:
        InputError: No case, no view, or an option out of range.
    """

    def __init__(
        self,
        cases: Sequence[PreparedCase],
        views: Sequence[CanonicalView],
        grid: VoxelGrid,
        pose: PoseRange,
        seed: int,
        device: str | torch.device = "cpu",
        *,
        noise: PictureNoise | None = None,
        prerendered: int | None = None,
        subpixels: int = 2,
        engine: Engine = "auto",
        memory_mb: float = 1024.0,
    ) -> None:
        if len(cases) == 0 or len(views) == 0:
            raise InputError(f"{len(cases)} cases and {len(views)} views to expose; at least one of each is needed.")
        if len({view.size for view in views}) > 1:
            raise InputError("all views of a training need the same size in pixels.")
        if seed < 0 or subpixels < 1 or (prerendered is not None and prerendered < 1):
            raise InputError("seed must be 0 or more, subpixels and the number of pre-rendered poses 1 or more.")
        self.cases, self.views, self.grid, self.pose, self.seed = cases, tuple(views), grid, pose, int(seed)
        self.device = torch.device(device)
        self.noise = noise or PictureNoise()
        self.prerendered = prerendered
        self._subpixels, self._engine, self._memory = subpixels, engine, memory_mb * 2**20
        self._cameras = [view.camera(subpixels) for view in self.views]
        self._ready: OrderedDict[int, _Bones] = OrderedDict()
        self._order = functools.lru_cache(maxsize=8)(self._draw_order)
        self._axes = [torch.as_tensor(axis, dtype=torch.float64, device=self.device) for axis in grid.axes()]

    def __len__(self) -> int:
        """Number of cases: one epoch's items."""
        return len(self.cases)

    def sample(self, stage: str, items: Sequence[int]) -> Sample:
        """The samples with these numbers of a stage. Every ``len(self)`` items show every case once, shuffled.

        Args:
            stage: Name of the training stage; others give other samples.
            items: Numbers, 0 or more.

        Raises:
            InputError: No item, a number below zero, or a case that cannot be exposed.
        """
        if len(items) == 0 or min(items) < 0:
            raise InputError(f"items to sample of stage {stage!r} must be numbers of 0 or more, at least one.")
        parts, cases, poses = [], [], []
        for item in items:
            case, rng = self._drawn(stage, int(item))
            pose = self.pose.draw(rng)
            images, labels = self._expose(case, pose)
            parts.append((self.noise.apply(images, rng), labels))
            cases.append(case)
            poses.append(pose.matrix)
        return _batch(parts, cases, poses)

    def exposed(self, case: int, poses: Sequence[RigidPose]) -> Sample:
        """A case in given poses (anatomical to reconstruction frame, mm), without noise."""
        return _batch(
            [self._expose(case, pose) for pose in poses], [case] * len(poses), [pose.matrix for pose in poses]
        )

    def case_of(self, stage: str, item: int) -> int:
        """Which case an item shows."""
        epoch, place = divmod(item, len(self.cases))
        return int(self._order(stage, epoch)[place])

    # ---- random numbers -----------------------------------------------------------------------------------

    def _drawn(self, stage: str, item: int) -> tuple[int, np.random.Generator]:
        """The case of an item, and the source of its random numbers."""
        case = self.case_of(stage, item)
        if self.prerendered is None:
            return case, np.random.default_rng([self.seed, POSE, _number(stage), item])
        turn = (item // len(self.cases)) % self.prerendered
        return case, np.random.default_rng([self.seed, POSE, _number("pre-rendered"), case, turn])

    def _draw_order(self, stage: str, epoch: int) -> Any:
        return np.random.default_rng([self.seed, ORDER, _number(stage), epoch]).permutation(len(self.cases))

    # ---- one exposure -------------------------------------------------------------------------------------

    def _expose(self, case: int, pose: RigidPose) -> tuple[Tensor, Tensor]:
        """(views, N, N) pictures and (labels, Z, Y, X) soft labels."""
        bones = self._bones(case)
        with torch.no_grad():
            images = torch.stack([bones.project(camera, pose) for camera in self._cameras])
            images = functional.avg_pool2d(images[:, None], self._subpixels)[:, 0]
            return images.to(self.device), self._labels(bones, pose)

    def _labels(self, bones: _Bones, pose: RigidPose) -> Tensor:
        """(labels, Z, Y, X): only the voxels that the box round the bones reaches are looked at."""
        to_voxel = bones.frame_to_voxel @ pose.inverse().matrix
        size = self.grid.size
        result = torch.zeros((len(bones.distances), size, size, size), device=self.device)
        box = _reached(np.linalg.inv(to_voxel), bones.distances.shape[1:], self.grid)
        if box is None:
            return result
        where = self._sampling_grid(to_voxel, bones.distances.shape[1:], box)
        # Zero is what lies outside: sampled are distances less FAR_MM.
        sampled = functional.grid_sample(bones.distances[None], where[None], align_corners=True)[0]
        result[(slice(None), *box)] = soft_labels(sampled + FAR_MM, self.grid.spacing_mm)
        return result

    def _sampling_grid(self, to_voxel: FloatArray, shape: Any, box: tuple[slice, slice, slice]) -> Tensor:
        """(Z, Y, X, 3) where the box's voxels lie in a volume of ``shape``, -1 to 1; the same bits in any batch."""
        z, y, x = (axis[part] for axis, part in zip(reversed(self._axes), box, strict=True))
        where = []
        for row, count in zip(to_voxel[:3], reversed(shape), strict=True):
            scale = 2.0 / (count - 1)
            a, b, c, d = (row * scale).tolist()
            along = [(a * x)[None, None, :], (b * y)[None, :, None], (c * z + (d - 1.0))[:, None, None]]
            where.append((along[0].float() + along[1].float()) + along[2].float())
        return torch.stack(where, dim=-1)

    # ---- what is kept -------------------------------------------------------------------------------------

    def _bones(self, case: int) -> _Bones:
        if case not in self._ready:
            self._ready[case] = self._made_ready(self.cases[case])
            while len(self._ready) > 1 and sum(each.bytes for each in self._ready.values()) > self._memory:
                self._ready.popitem(last=False)
        self._ready.move_to_end(case)
        return self._ready[case]

    def _made_ready(self, case: PreparedCase) -> _Bones:
        spacing = np.broadcast_to(np.asarray(case.spacing_mm, dtype=float), 3)
        mu, distances = np.asarray(case.mu), np.asarray(case.distances)
        reach = 0.5 * self.grid.spacing_mm
        near = _box_of((distances < reach).any(axis=0), f"case {case.id}: its bones have no voxel")
        filled = _box_of(mu != 0, f"case {case.id} attenuates nothing")
        project = make_projector(
            mu[filled].astype(np.float32), _to_frame(spacing, case.origin, filled), self.device, self._engine
        )
        kept = torch.as_tensor(distances[(slice(None), *near)], device=self.device).float() - FAR_MM
        size = kept.element_size() * kept.numel() + 12 * int(np.prod([part.stop - part.start for part in filled]))
        return _Bones(project, kept, np.linalg.inv(_to_frame(spacing, case.origin, near)), size)


def _number(text: str) -> int:
    """The same number for a name, on every machine."""
    return zlib.crc32(text.encode())


def _batch(parts: list[tuple[Tensor, Tensor]], cases: list[int], poses: list[FloatArray]) -> Sample:
    images, labels = (torch.stack(each) for each in zip(*parts, strict=True))
    return Sample(images, labels, torch.tensor(cases), np.stack(poses))


def _to_frame(spacing: FloatArray, origin: Any, box: tuple[slice, slice, slice]) -> FloatArray:
    """(4, 4) from voxels (column, row, slice) of a box of a prepared case to the anatomical frame, mm."""
    result = np.diag([*spacing, 1.0])
    result[:3, 3] = np.asarray(origin, dtype=float) + spacing * [part.start for part in reversed(box)]
    return result


def _box_of(filled: Any, otherwise: str) -> tuple[slice, slice, slice]:
    """The box (slices, rows, columns) round what is true, one voxel wider where the volume goes on."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        if len(inside) == 0:
            raise InputError(f"{otherwise}; prepare it again or leave it out.")
        box.append(slice(max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 2, filled.shape[axis])))
    return box[0], box[1], box[2]


def _reached(voxel_to_frame: FloatArray, shape: Any, grid: VoxelGrid) -> tuple[slice, slice, slice] | None:
    """Voxels [z, y, x] of the grid in the box round a posed volume of ``shape`` (slices, rows, columns), if any."""
    ends = [(-1, count) for count in reversed(shape)]
    corners = np.array([[i, j, k, 1.0] for i in ends[0] for j in ends[1] for k in ends[2]]) @ voxel_to_frame.T
    first = grid.voxel_to_frame[:3, 3]
    low = np.maximum(np.floor((corners[:, :3].min(axis=0) - first) / grid.spacing_mm).astype(int), 0)
    high = np.minimum(np.ceil((corners[:, :3].max(axis=0) - first) / grid.spacing_mm).astype(int) + 1, grid.size)
    if np.any(high <= low):
        return None
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
