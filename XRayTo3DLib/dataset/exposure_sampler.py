"""Training samples made on the fly: a person in a random pose, DRRs in the canonical views, soft labels of the bones.

Every sample follows from (seed, stage, item) alone: whatever the order, the batches or the ranks of a distributed
training, item 17 of a stage is the same sample, on one machine to the last bit.
"""

from __future__ import annotations

import functools
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.exposure_ranges import PictureNoise, PoseRange
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid, soft_labels
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.projection.engines import Engine, make_projector

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.prepared import PreparedCase

__all__ = ["Exposures", "PictureNoise", "PoseRange", "Sample"]

Box = tuple[slice, slice, slice]
POSE, ORDER = 0, 1
"""What random numbers are for: a pose and its noise, or the order of the cases."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A batch of exposures and what they show.

    Attributes:
        images: (B, views, N, N) float32 line integrals of the bones' attenuation, dimensionless; no pixels if not
            asked for.
        soft_labels: (B, labels, Z, Y, X) float32 share of each voxel that a bone fills, 0 to 1.
        case_index: (B,) which of the cases each sample shows.
        poses: (B, 4, 4) anatomical to reconstruction frame, mm.
        distances: (B, labels, Z, Y, X) signed distances to the bones, mm, clipped as the cases' are; if asked for.
        cameras: Per sample the cameras of its pictures, in the reconstruction frame, mm.
    """

    images: Tensor
    soft_labels: Tensor
    case_index: Tensor
    poses: FloatArray
    distances: Tensor | None = None
    cameras: tuple[tuple[XRayCamera, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class _Bones:
    """A case ready to be exposed.

    Attributes:
        project: Its projector.
        distances: (labels, Z, Y, X) distances less what they are clipped to, mm, so that outside they are 0.
        clip_mm: What they are clipped to.
        frame_to_voxel: (4, 4) from the anatomical frame to their voxels (column, row, slice).
        near: The box [z, y, x] of them outside which no label is.
        bytes: What all this takes.
    """

    project: Callable[..., Tensor]
    distances: Tensor
    clip_mm: float
    frame_to_voxel: FloatArray
    near: Box
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
        subpixels: Rays across a pixel, averaged, as a real picture's are. Two cost 0.1 ms a picture more than one.
        engine: Of the projector; "auto" is numba on a CPU where it is installed (7 times as fast as torch there).
        memory_mb: What ready cases may take (about 4 MB each).
        view_turn_deg: How far each view's camera is swung about z at random, uniform within these limits, degrees: for
            systems that are told their cameras.

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
        memory_mb: float = 2048.0,
        view_turn_deg: float = 0.0,
    ) -> None:
        if len(cases) == 0 or len(views) == 0:
            raise InputError(f"{len(cases)} cases and {len(views)} views to expose; at least one of each is needed.")
        if len({view.size for view in views}) > 1:
            raise InputError("all views of a training need the same size in pixels.")
        if seed < 0 or subpixels < 1 or (prerendered is not None and prerendered < 1):
            raise InputError("seed must be 0 or more, subpixels and the number of pre-rendered poses 1 or more.")
        if not 0.0 <= view_turn_deg <= 45.0:
            raise InputError(f"views are swung by 0 to 45 degrees at random, not by {view_turn_deg:g}.")
        self.cases, self.views, self.grid, self.pose, self.seed = cases, tuple(views), grid, pose, int(seed)
        self.device = torch.device(device)
        self.noise = noise or PictureNoise()
        self.prerendered = prerendered
        self._subpixels, self._engine, self._memory = subpixels, engine, memory_mb * 2**20
        self._turn = float(view_turn_deg)
        self._ready: OrderedDict[int, _Bones] = OrderedDict()
        self._order = functools.lru_cache(maxsize=8)(self._draw_order)
        self._axes = [torch.as_tensor(axis, dtype=torch.float64, device=self.device) for axis in grid.axes()]

    def __len__(self) -> int:
        """Number of cases: one epoch's items."""
        return len(self.cases)

    def sample(self, stage: str, items: Sequence[int], *, images: bool = True, distances: bool = False) -> Sample:
        """The samples with these numbers of a stage. Every ``len(self)`` items show every case once, shuffled.

        Args:
            stage: Name of the training stage; others give other samples.
            items: Numbers, 0 or more.
            images: Whether pictures are wanted.
            distances: Whether signed distances are wanted.

        Raises:
            InputError: No item, a number below zero, or a case that cannot be exposed.
        """
        if len(items) == 0 or min(items) < 0:
            raise InputError(f"items to sample of stage {stage!r} must be numbers of 0 or more, at least one.")
        parts, cases, poses, turns = [], [], [], []
        for item in items:
            case, rng = self._drawn(stage, int(item))
            pose = self.pose.draw(rng)
            turn = rng.uniform(-self._turn, self._turn, len(self.views)) if self._turn else np.zeros(len(self.views))
            pictures, *shapes = self._expose(case, pose, images, distances, turn)
            parts.append((self.noise.apply(pictures, rng) if images else pictures, *shapes))
            cases.append(case)
            poses.append(pose.matrix)
            turns.append(turn)
        return replace(_batch(parts, cases, poses), cameras=tuple(self._cameras(turn) for turn in turns))

    def exposed(
        self, case: int, poses: Sequence[RigidPose], *, distances: bool = False, turns_deg: Sequence[float] = ()
    ) -> Sample:
        """A case in given poses (anatomical to reconstruction frame, mm), without noise.

        Args:
            case: Which.
            poses: How it is held.
            distances: Whether signed distances are wanted.
            turns_deg: How far each view's camera is swung about z through its centre, degrees; none if empty.
        """
        turns = np.asarray(turns_deg if len(turns_deg) else np.zeros(len(self.views)), dtype=np.float64)
        parts = [self._expose(case, pose, True, distances, turns) for pose in poses]
        batch = _batch(parts, [case] * len(poses), [pose.matrix for pose in poses])
        return replace(batch, cameras=(self._cameras(turns),) * len(poses))

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

    def _cameras(self, turns: FloatArray, subpixels: int = 1) -> tuple[XRayCamera, ...]:
        """The views' cameras, each swung by its turn."""
        cameras = ((view.camera(subpixels), view.centre_mm, turn) for view, turn in zip(self.views, turns, strict=True))
        return tuple(turned_camera(*each) if each[2] else each[0] for each in cameras)

    def _expose(
        self, case: int, pose: RigidPose, images: bool, distances: bool, turns: FloatArray
    ) -> tuple[Tensor, ...]:
        """(views, N, N) pictures, (labels, Z, Y, X) soft labels and, if asked for, distances."""
        bones = self._bones(case)
        with torch.no_grad():
            pictures = self._pictures(bones, pose, turns) if images else torch.zeros((len(self.views), 0, 0))
            return pictures.to(self.device), *self._shapes(bones, pose, distances)

    def _pictures(self, bones: _Bones, pose: RigidPose, turns: FloatArray) -> Tensor:
        """(views, N, N) line integrals, each pixel the mean of its rays."""
        fine = torch.stack([bones.project(camera, pose) for camera in self._cameras(turns, self._subpixels)])
        return functional.avg_pool2d(fine[:, None], self._subpixels)[:, 0]

    def _shapes(self, bones: _Bones, pose: RigidPose, distances: bool) -> tuple[Tensor, ...]:
        """(labels, Z, Y, X) soft labels, then distances if asked for; only voxels that they reach are looked at."""
        to_voxel = bones.frame_to_voxel @ pose.inverse().matrix
        shape = bones.distances.shape[1:]
        labels = torch.zeros((len(bones.distances), *[self.grid.size] * 3), device=self.device)
        far = [torch.full_like(labels, bones.clip_mm)] if distances else []
        within = tuple(slice(0, count) for count in shape) if distances else bones.near
        box = _reached(np.linalg.inv(to_voxel), within, self.grid)
        if box is not None:
            where = self._sampling_grid(to_voxel, shape, box)
            sampled = functional.grid_sample(bones.distances[None], where[None], align_corners=True)[0] + bones.clip_mm
            for result in far:
                result[(slice(None), *box)] = sampled
            labels[(slice(None), *box)] = soft_labels(sampled, self.grid.spacing_mm)
        return labels, *far

    def _sampling_grid(self, to_voxel: FloatArray, shape: Any, box: Box) -> Tensor:
        """(Z, Y, X, 3) where the box's voxels lie in a volume of ``shape``, -1 to 1; the same bits in any batch."""
        z, y, x = (axis[part] for axis, part in zip(reversed(self._axes), box, strict=True))
        where = []
        for row, count in zip(to_voxel[:3], reversed(shape), strict=True):
            scale = 2.0 / (count - 1)
            a, b, c, d = (row * scale).tolist()
            along = [(a * x)[None, None, :], (b * y)[None, :, None], (c * z + (d - 1.0))[:, None, None]]
            where.append((along[0].float() + along[1].float()) + along[2].float())
        return torch.stack(where).permute(1, 2, 3, 0)

    # ---- what is kept -------------------------------------------------------------------------------------

    def _bones(self, case: int) -> _Bones:
        if case not in self._ready:
            self._ready[case] = self._made_ready(self.cases[case])
            while len(self._ready) > 1 and sum(each.bytes for each in self._ready.values()) > self._memory:
                self._ready.popitem(last=False)
        self._ready.move_to_end(case)
        return self._ready[case]

    def _made_ready(self, case: PreparedCase) -> _Bones:
        known = _box_of((case.distances < case.clip_mm).any(axis=0), f"case {case.id}: its bones have no voxel")
        filled = _box_of(case.mu != 0, f"case {case.id} attenuates nothing")
        kept = case.distances[(slice(None), *known)]
        near = _box_of((kept < 0.5 * self.grid.spacing_mm).any(axis=0), f"case {case.id}: its bones have no voxel")
        project = make_projector(case.mu[filled].astype(np.float32), _from_box(case, filled), self.device, self._engine)
        size = 4 * kept.size + 12 * int(np.prod([part.stop - part.start for part in filled]))
        distances = torch.as_tensor(kept, device=self.device).float() - case.clip_mm
        return _Bones(project, distances, case.clip_mm, np.linalg.inv(_from_box(case, known)), near, size)


def _number(text: str) -> int:
    """The same number for a name, on every machine."""
    return zlib.crc32(text.encode())


def _batch(parts: list[tuple[Tensor, ...]], cases: list[int], poses: list[FloatArray]) -> Sample:
    images, labels, *far = (torch.stack(each) for each in zip(*parts, strict=True))
    return Sample(images, labels, torch.tensor(cases), np.stack(poses), *far)


def _from_box(case: PreparedCase, box: Box) -> FloatArray:
    """(4, 4) from voxels (column, row, slice) of a box of a prepared case to the anatomical frame, mm."""
    shift = np.eye(4)
    shift[:3, 3] = [part.start for part in reversed(box)]
    return case.voxel_to_frame @ shift


def _box_of(filled: Any, otherwise: str) -> Box:
    """The box (slices, rows, columns) round what is true, one voxel wider where the volume goes on."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(filled.any(axis=tuple(other for other in range(3) if other != axis)))
        if len(inside) == 0:
            raise InputError(f"{otherwise}; prepare it again or leave it out.")
        box.append(slice(max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 2, filled.shape[axis])))
    return box[0], box[1], box[2]


def _reached(voxel_to_frame: FloatArray, within: Box, grid: VoxelGrid) -> Box | None:
    """Voxels [z, y, x] of the grid inside the posed box ``within`` of a volume, one voxel wider; None if none are."""
    ends = [(part.start - 1, part.stop) for part in reversed(within)]
    corners = np.array([[i, j, k, 1.0] for i in ends[0] for j in ends[1] for k in ends[2]]) @ voxel_to_frame.T
    first = grid.voxel_to_frame[:3, 3]
    low = np.maximum(np.floor((corners[:, :3].min(axis=0) - first) / grid.spacing_mm).astype(int), 0)
    high = np.minimum(np.ceil((corners[:, :3].max(axis=0) - first) / grid.spacing_mm).astype(int) + 1, grid.size)
    if np.any(high <= low):
        return None
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
