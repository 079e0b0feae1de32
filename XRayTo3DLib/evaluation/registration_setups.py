"""What registration trials are made of: an anatomy, its cameras, and what is registered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.registration_trials import Difficulty
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.surroundings import in_soft_tissue, surroundings_of
from XRayTo3DLib.imaging.types import CtVolume

SDD_MM, SOURCE_BONE_MM, FIELD_MM, PIXELS = 1020.0, 700.0, 300.0, 512
ANATOMIES = ("wrist", "knee", "hip")
MOVING = ("bone", "limb", "surroundings")
"""What is registered: the labelled bone alone, the whole CT as one body, or the bone with the rest of the CT drawn."""


@dataclass(frozen=True, eq=False)
class TrialAnatomy:
    """A CT and how it is exposed.

    Attributes:
        name: For tables.
        ct: With labels.
        label: The bone to find.
        views: Names of the views, in the order they are used.
        energy_kev: Effective energy.
    """

    name: str
    ct: CtVolume
    label: str
    views: tuple[str, ...] = ("AP", "LAT")
    energy_kev: float = 60.0


def phantom_anatomy(
    name: str, energy_kev: float | None = None, spacing: float | None = None, seed: int = 1
) -> TrialAnatomy:
    """The mean adult's SYNTHETIC wrist (radius, at 38 keV), knee or hip (femur, at 60 keV).

    Args:
        name: One of :data:`ANATOMIES`.
        energy_kev: Effective energy if not the anatomy's own.
        spacing: Voxel size, mm; 0.6 (wrist) or 0.8 if ``None``.
        seed: Of the bone's and muscle's texture.

    Raises:
        InputError: Another name, or a voxel size out of range.
    """
    from XRayTo3DLib.dataset.phantoms import make_forearm, make_hip, make_knee

    if name == "wrist":
        case = make_forearm(spacing=spacing or 0.6, seed=seed)
        return TrialAnatomy(name, case.ct, "radius", ("PA", "LAT"), energy_kev or 38.0)
    makers = {"knee": make_knee, "hip": make_hip}
    if name not in makers:
        raise InputError(f"anatomy {name!r} is not known; choose {', '.join(ANATOMIES)}.")
    return TrialAnatomy(
        name, makers[name](spacing=spacing or 0.8, seed=seed).ct, "femur", energy_kev=energy_kev or 60.0
    )


def trial_cameras(views: Sequence[str], pixels: int = PIXELS) -> list[XRayCamera]:
    """Cameras that look at the origin: detector of 300 x 300 mm, SDD 1020 mm, source to bone 700 mm."""
    pitch = FIELD_MM / pixels
    return [
        standard_camera(SDD_MM, (pitch, pitch), (pixels, pixels), source_isocentre=SOURCE_BONE_MM, view=view)
        for view in views
    ]


def usual_moving(difficulty: Difficulty) -> str:
    """What is registered unless told otherwise: the limb, or the bone in its surroundings where it moves by itself."""
    return "surroundings" if difficulty.alone else "limb"


def registered_parts(
    anatomy: TrialAnatomy, moving: str, difficulty: Difficulty
) -> tuple[Attenuation, Attenuation | None]:
    """The body to register, and what else is drawn.

    Raises:
        InputError: Another ``moving`` than :data:`MOVING`; the limb, in pictures where the bone moves by itself; or
            an energy or label that cannot be used.
    """
    ct, label, energy = anatomy.ct, anatomy.label, anatomy.energy_kev
    if moving not in MOVING:
        raise InputError(f"what is registered must be one of {', '.join(MOVING)}, not {moving!r}.")
    if moving == "limb":
        if difficulty.alone:
            raise InputError(
                f"in {difficulty.name} pictures the bone moves by itself: the limb's pose is not the bone's. "
                f"Register the bone or its surroundings."
            )
        return attenuation_of(ct, None, energy_kev=energy), None
    bone = attenuation_of(ct, label, energy_kev=energy, in_tissue=in_soft_tissue(ct, label))
    return bone, surroundings_of(ct, [label], energy_kev=energy) if moving == "surroundings" else None
