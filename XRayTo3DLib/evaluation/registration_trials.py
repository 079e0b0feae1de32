"""Registration judged by its errors: SYNTHETIC trials with a known truth, wrong starts, and what was found.

The words and measures are the field's (van de Kraats et al., IEEE TMI 24:1177, 2005): mTRE over points of the bone,
its part in the picture's plane, success rates under 1, 2 and 5 mm, capture range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.dataset.metal import Metal
from XRayTo3DLib.dataset.simulate import SimulatedLimb, expose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume, Radiograph

TARGETS = 200
"""Points of the bone over which the target registration error is meant."""


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


EASY = Difficulty("easy")
HARD = Difficulty("hard", own_deg=8.0, own_mm=5.0, metal=True, photons=1500.0)
DIFFICULTIES = {each.name: each for each in (EASY, HARD)}


@dataclass(frozen=True)
class Reach:
    """How wrong a start may be, drawn evenly per axis of the first view: degrees, mm in its plane, mm in depth."""

    degrees: float = 10.0
    plane_mm: float = 10.0
    depth_mm: float = 20.0

    def times(self, factor: float) -> Reach:
        """``factor`` times as far."""
        return Reach(self.degrees * factor, self.plane_mm * factor, self.depth_mm * factor)


@dataclass(frozen=True, eq=False)
class Trial:
    """One registration problem and its answer: views, start, truth (CT-to-world) and target points (N, 3) of the CT."""

    views: tuple[Radiograph, ...]
    start: RigidPose
    truth: RigidPose
    targets: FloatArray
    neighbours: dict[str, RigidPose]


@dataclass(frozen=True)
class TrialErrors:
    """How far a pose is from the truth.

    Attributes:
        mtre_mm: Mean target registration error over the bone's points, mm.
        plane_mm: Its part across the first view's rays (for one view: what its picture can tell).
        rotation_deg: Angle between the poses.
        projection_mm: Mean projection distance (mPD) on the first view's detector, mm.
    """

    mtre_mm: float
    plane_mm: float
    rotation_deg: float
    projection_mm: float


class TrialMaker:
    """Makes SYNTHETIC trials of one bone of one CT.

    The CT is laid so that the bone's centre is near the world's origin, turned and shifted at random (10 degrees, 10
    mm); cameras look at the origin.

    Args:
        ct: CT with labels.
        label: The bone to find.
        cameras: One camera per view.
        difficulty: Easy: everything moves together. Hard: the bone moves among the others; metal, noise.
        reach: How wrong starts are; :class:`Reach` as it is if ``None``.
        energy_kev: Effective energy of the exposures.

    Raises:
        InputError: No such label.
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
        self._limb = SimulatedLimb(ct, energy_kev)
        mask = ct.label_mask(label)
        self.centre = ct.mask_centre(mask)
        inside = np.argwhere(mask)[:, ::-1]
        chosen = np.random.default_rng(0).choice(len(inside), min(TARGETS, len(inside)), replace=False)
        self.targets = ct.voxel_points(inside[chosen])
        self._others = [name for name in ct.label_names if name != label]

    def make(self, seed: int) -> Trial:
        """The trial of a seed: always the same, and independent of every other seed's."""
        generator = np.random.default_rng([seed, 77])
        rest = RigidPose.from_rotation(generator.uniform(-10, 10, 3)) @ RigidPose.from_rotation([0] * 3, -self.centre)
        rest = RigidPose.from_rotation([0] * 3, generator.uniform(-10, 10, 3)) @ rest
        own_deg, own_mm = self.difficulty.own_deg, self.difficulty.own_mm
        own = RigidPose.from_rotation(
            generator.uniform(-own_deg, own_deg, 3), generator.uniform(-own_mm, own_mm, 3), rest.apply(self.centre)
        )
        truth = own @ rest
        metal = Metal.around(self.centre, 35.0, generator) if self.difficulty.metal else None
        views = tuple(self._view(number, rest, truth, metal, generator, seed) for number in range(len(self.cameras)))
        start = wrong_start(truth, self.centre, self.cameras[0], self.reach, generator)
        return Trial(views, start, truth, self.targets, dict.fromkeys(self._others, rest))

    def _view(
        self,
        number: int,
        rest: RigidPose,
        truth: RigidPose,
        metal: Metal | None,
        generator: np.random.Generator,
        seed: int,
    ) -> Radiograph:
        camera = self.cameras[number]
        alone = self.difficulty.own_deg > 0 or self.difficulty.own_mm > 0
        integrals = self._limb.line_integrals(camera, rest, {self.label: truth} if alone else None)
        if metal is not None:
            integrals = integrals + metal.line_integrals(camera, rest)
        gain = generator.uniform(*self.difficulty.gain)
        offset = generator.uniform(-self.difficulty.offset, self.difficulty.offset)
        picture = expose(
            integrals, camera, photons=self.difficulty.photons, seed=(seed, number), name=f"view {number + 1}"
        )
        pixels = np.float32(gain) * picture.pixels + np.float32(offset)
        return Radiograph(
            pixels, camera, picture.intensity, picture.spacing_source, name=picture.name, notes=picture.notes,
            synthetic=True,
        )  # fmt: skip


def wrong_start(
    truth: RigidPose, centre: FloatArray, camera: XRayCamera, reach: Reach, generator: np.random.Generator
) -> RigidPose:
    """``truth`` turned about the bone's centre and shifted, evenly at random along the camera's three axes."""
    axes = np.stack([camera.column_direction, camera.row_direction, camera.view_direction], axis=1)
    limits = np.array([reach.plane_mm, reach.plane_mm, reach.depth_mm])
    turn = axes @ generator.uniform(-reach.degrees, reach.degrees, 3)
    shift = axes @ (generator.uniform(-1, 1, 3) * limits)
    return RigidPose.from_rotation(turn, shift, truth.apply(centre)) @ truth


def errors_of(pose: RigidPose, truth: RigidPose, targets: FloatArray, camera: XRayCamera) -> TrialErrors:
    """Errors of ``pose`` over CT points ``targets`` (N, 3); in the plane of ``camera``, each point's along its ray left
    out."""
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
        float(np.linalg.norm(projected, axis=1).mean()),
    )
