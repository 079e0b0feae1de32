"""Registration judged by its errors: SYNTHETIC trials with a known truth, wrong starts, and what was found.

The words and measures are the field's (van de Kraats et al., IEEE TMI 24:1177, 2005): mTRE over points of the bone,
its part in the picture's plane, success rates under 1, 2 and 5 mm, capture range.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.metal import Metal
from XRayTo3DLib.dataset.simulate import SimulatedLimb, expose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume, Radiograph

TARGETS = 200
"""Points of the bone over which the target registration error is averaged."""
LAID_DEG, LAID_MM = 10.0, 10.0
"""How a limb lies before the cameras: turned about and shifted along each axis, at most so much."""
METAL_REACH_MM = 35.0
"""How far from the bone's centre metal lies, along each axis, mm."""


@dataclass(frozen=True)
class Difficulty:
    """What makes a picture hard.

    Attributes:
        name: "easy" or "hard".
        own_deg: The bone's own rotation against everything else, up to so much about each axis, degrees.
        own_mm: Its own displacement along each axis, mm.
        metal: Whether beads and a wire lie round the bone.
        photons: Photons per pixel of the open beam.
        gain: Range of the unknown gain of the line integrals.
        offset: Range of their unknown offset, -offset to offset.
    """

    name: str
    own_deg: float = 0.0
    own_mm: float = 0.0
    metal: bool = False
    photons: float = 8000.0
    gain: tuple[float, float] = (0.7, 1.4)
    offset: float = 0.3

    @property
    def alone(self) -> bool:
        """Whether the bone moves by itself."""
        return self.own_deg > 0 or self.own_mm > 0


EASY = Difficulty("easy")
HARD = Difficulty("hard", own_deg=8.0, own_mm=5.0, metal=True, photons=1500.0)
DIFFICULTIES = {each.name: each for each in (EASY, HARD)}


@dataclass(frozen=True)
class Reach:
    """How wrong a start may be, drawn evenly per axis of the first view: degrees, mm in its plane, mm in depth.

    Raises:
        InputError: A number below zero or not finite.
    """

    degrees: float = 10.0
    plane_mm: float = 10.0
    depth_mm: float = 20.0

    def __post_init__(self) -> None:
        limits = (self.degrees, self.plane_mm, self.depth_mm)
        if not np.isfinite(limits).all() or min(limits) < 0:
            raise InputError(f"the reach of wrong starts must be 0 or more (degrees, mm), not {limits}.")

    def times(self, factor: float) -> Reach:
        """``factor`` times as far along every axis."""
        return Reach(self.degrees * factor, self.plane_mm * factor, self.depth_mm * factor)


@dataclass(frozen=True, eq=False)
class Trial:
    """One registration problem and its answer; poses are CT to world, LPS mm.

    Attributes:
        views: SYNTHETIC radiographs.
        start: The wrong pose to start from.
        truth: The bone's pose.
        targets: (N, 3) points of the bone in the CT, mm, over which errors are averaged.
        neighbours: True poses of the CT's other labels.
        seed: What it was made from.
        reach: How wrong the start may be: what a person would tell a search.
    """

    views: tuple[Radiograph, ...]
    start: RigidPose
    truth: RigidPose
    targets: FloatArray
    neighbours: dict[str, RigidPose]
    seed: int = 0
    reach: Reach = Reach()

    def errors(self, pose: RigidPose) -> TrialErrors:
        """How far ``pose`` is from the truth; see :func:`errors_of`."""
        return errors_of(pose, self.truth, self.targets, self.views[0].camera)


@dataclass(frozen=True)
class TrialErrors:
    """How far a pose is from the truth.

    Attributes:
        mtre_mm: Mean target registration error over the bone's points, mm.
        plane_mm: Its part across the first view's rays (for one view: what its picture can tell).
        rotation_deg: Angle between the poses.
        projection_mm: Mean projection distance (mPD) on the first view's detector, mm; infinite where a point lies
            behind the source.
    """

    mtre_mm: float
    plane_mm: float
    rotation_deg: float
    projection_mm: float


NO_RESULT = TrialErrors(*[math.inf] * 4)
"""The errors of a registration that found nothing."""


class TrialMaker:
    """Makes SYNTHETIC trials of one bone of one CT.

    The CT is laid so that the bone's centre is near the world's origin, turned and shifted at random (:data:`LAID_DEG`,
    :data:`LAID_MM`); cameras look at the origin.

    Args:
        ct: CT with labels.
        label: The bone to find.
        cameras: One camera per view.
        difficulty: Easy: everything moves together. Hard: the bone moves among the others; metal, noise.
        reach: How wrong starts are; :class:`Reach` as it is if ``None``.
        energy_kev: Effective energy of the exposures.

    Raises:
        InputError: No such label, no camera, or an energy outside the table.
    """

    def __init__(
        self,
        ct: CtVolume,
        label: str,
        cameras: Sequence[XRayCamera],
        difficulty: Difficulty = EASY,
        reach: Reach | None = None,
        energy_kev: float = 60.0,
    ) -> None:
        if not cameras:
            raise InputError("a registration trial needs at least one camera.")
        self.label, self.cameras = label, tuple(cameras)
        self.difficulty, self.reach = difficulty, reach or Reach()
        # Drawn by torch, found with the compiled engine: a fault of one projector does not hide in both.
        self._limb = SimulatedLimb(ct, energy_kev)
        mask = ct.label_mask(label)
        self.centre = ct.mask_centre(mask)
        inside = np.argwhere(mask)[:, ::-1]
        chosen = np.random.default_rng(0).choice(len(inside), min(TARGETS, len(inside)), replace=False)
        self.targets = ct.voxel_points(inside[chosen])
        value = ct.label_value(label)
        self._others = [name for name, number in ct.label_names.items() if number != value]

    def reaching(self, reach: Reach) -> TrialMaker:
        """The same maker with another reach; the volumes are shared."""
        other = copy.copy(self)
        other.reach = reach
        return other

    def make(self, seed: int) -> Trial:
        """The trial of a seed: always the same, and independent of every other seed's.

        The start is drawn last: with another reach a seed has the same pictures, and a start so many times as far.
        """
        generator = np.random.default_rng([seed, 77])
        rest = RigidPose.from_rotation(self._within(generator, LAID_DEG), -self.centre, self.centre)
        rest = RigidPose.from_rotation([0] * 3, self._within(generator, LAID_MM)) @ rest
        turn, shift = (self._within(generator, limit) for limit in (self.difficulty.own_deg, self.difficulty.own_mm))
        truth = RigidPose.from_rotation(turn, shift, rest.apply(self.centre)) @ rest
        metal = Metal.around(self.centre, METAL_REACH_MM, generator) if self.difficulty.metal else None
        views = []
        for number, camera in enumerate(self.cameras):
            integrals = self._line_integrals(camera, rest, truth, metal)
            views.append(self._exposed(integrals, camera, number, seed, generator))
        start = wrong_start(truth, self.centre, self.cameras[0], self.reach, generator)
        return Trial(tuple(views), start, truth, self.targets, dict.fromkeys(self._others, rest), seed, self.reach)

    @staticmethod
    def _within(generator: np.random.Generator, limit: float) -> FloatArray:
        return generator.uniform(-limit, limit, 3)

    def _line_integrals(
        self, camera: XRayCamera, rest: RigidPose, truth: RigidPose, metal: Metal | None
    ) -> NDArray[np.float64]:
        """(rows, columns) of everything at ``rest`` but the bone, which is at ``truth``."""
        integrals = self._limb.line_integrals(camera, rest, {self.label: truth} if self.difficulty.alone else None)
        return integrals if metal is None else integrals + metal.line_integrals(camera, rest)

    def _exposed(
        self,
        integrals: NDArray[np.float64],
        camera: XRayCamera,
        number: int,
        seed: int,
        generator: np.random.Generator,
    ) -> Radiograph:
        """The radiograph of line integrals, with noise, and a gain and an offset that nobody tells."""
        gain = generator.uniform(*self.difficulty.gain)
        offset = generator.uniform(-self.difficulty.offset, self.difficulty.offset)
        name, photons = f"view {number + 1}", self.difficulty.photons
        picture = expose(integrals, camera, photons=photons, seed=(seed, number), name=name)
        return replace(picture, pixels=np.float32(gain) * picture.pixels + np.float32(offset))


def wrong_start(
    truth: RigidPose, centre: FloatArray, camera: XRayCamera, reach: Reach, generator: np.random.Generator
) -> RigidPose:
    """``truth`` turned about the bone's centre and shifted, evenly at random along the camera's three axes.

    Args:
        truth: CT to world.
        centre: (3,) of the bone in the CT, mm.
        camera: Whose columns, rows and depth (source to middle of the detector) are the axes.
        reach: Largest rotation and shift along each axis.
        generator: Draws six numbers.
    """
    axes = _axes(camera)
    limits = np.array([reach.plane_mm, reach.plane_mm, reach.depth_mm])
    turn = axes @ generator.uniform(-reach.degrees, reach.degrees, 3)
    shift = axes @ (generator.uniform(-1, 1, 3) * limits)
    return RigidPose.from_rotation(turn, shift, truth.apply(centre)) @ truth


def _axes(camera: XRayCamera) -> FloatArray:
    """(3, 3) orthonormal columns: across, down, depth; across is as near to the detector's columns as can be."""
    depth = camera.view_direction
    across = camera.column_direction - (camera.column_direction @ depth) * depth
    across = across / np.linalg.norm(across)
    down = np.cross(depth, across)
    return np.stack([across, down if down @ camera.row_direction > 0 else -down, depth], axis=1)


def errors_of(pose: RigidPose, truth: RigidPose, targets: FloatArray, camera: XRayCamera) -> TrialErrors:
    """Errors of ``pose`` over CT points ``targets`` (N, 3), mm.

    In the plane of ``camera``: each point's displacement along its own ray is left out.
    """
    found, right = pose.apply(targets), truth.apply(targets)
    difference = found - right
    rays = right - camera.source
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    across = difference - (difference * rays).sum(axis=1, keepdims=True) * rays
    projected = (camera.project(found) - camera.project(right)) * np.array(camera.spacing)
    rotation, _ = pose.distance_to(truth, targets.mean(axis=0))
    return TrialErrors(
        float(np.linalg.norm(difference, axis=1).mean()),
        float(np.linalg.norm(across, axis=1).mean()),
        rotation,
        float(np.nan_to_num(np.linalg.norm(projected, axis=1), nan=math.inf).mean()),
    )
