"""What a comparison asks of every method: people as in training, and then the same people under harder conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.actual_radiograph import BLADE
from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.metal import Metal
from XRayTo3DLib.dataset.simulate import expose
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

PLAIN, TURNED, SHIFTED, NOISE, METAL, TISSUE = "plain", "turned", "shifted", "noise", "metal", "tissue"
TRANSLATED = "translated"
AIR = 0.05
"""Line integral up to which a pixel shows nothing."""
LATERAL = ("LAT", "LL", "RL")
METAL_BEAD_MM, METAL_WIRE_MM = 5.0, 2.5
"""Radii of the beads and of the pin, mm: as large as a joint's screws and markers."""
METAL_REACH = 0.5
"""How far metal lies from the grid's centre, in halves of the grid's edge."""


@dataclass(frozen=True)
class Condition:
    """One way of exposing the test people.

    Attributes:
        key: Short, for files.
        family: What is varied, one of this module's names.
        column: Title of its column; conditions that share one are averaged in it.
        text: In words, for pictures and notes.
        amount: Degrees, mm, or photons per pixel behind the middle of what is shown.
    """

    key: str
    family: str
    column: str
    text: str
    amount: float = 0.0


AS_TRAINED = Condition(PLAIN, PLAIN, "As trained", "as in training")
CONDITIONS = (
    AS_TRAINED,
    Condition("turned-5", TURNED, "View 5°", "lateral view turned by −5°", -5.0),
    Condition("turned+5", TURNED, "View 5°", "lateral view turned by 5°", 5.0),
    Condition("turned-10", TURNED, "View 10°", "lateral view turned by −10°", -10.0),
    Condition("turned+10", TURNED, "View 10°", "lateral view turned by 10°", 10.0),
    Condition("shifted-5", SHIFTED, "Shift 5 mm", "person 5 mm aside", 5.0),
    Condition("shifted-10", SHIFTED, "Shift 10 mm", "person 10 mm aside", 10.0),
    Condition("noise-100", NOISE, "Noise", "100 photons a pixel", 100.0),
    Condition("noise-25", NOISE, "Strong noise", "25 photons a pixel", 25.0),
    Condition("metal", METAL, "Metal", "metal before the bones", 1.0),
    Condition("tissue", TISSUE, "Soft tissue", "soft tissue in the picture"),
)
"""In the order of the report."""


def translated(name: str) -> Condition:
    """Soft tissue in the picture, taken away by a translator of that name."""
    return Condition(f"translated-{name}", TRANSLATED, f"Soft tissue, {name}", f"soft tissue, translated by {name}")


def shift_of(number: int, length_mm: float, seed: int) -> RigidPose:
    """A translation of ``length_mm`` in a direction drawn for that person, evenly over the sphere."""
    direction = np.random.default_rng([seed, 7, number]).standard_normal(3)
    return RigidPose.from_rotation([0.0, 0.0, 0.0], length_mm * direction / np.linalg.norm(direction))


def turns_of(views: Sequence[CanonicalView], angle_deg: float) -> list[float] | None:
    """By how much each view is turned: the first lateral one by the angle; ``None`` if there is none."""
    numbers = [number for number, view in enumerate(views) if view.view in LATERAL]
    if len(views) < 2 or not numbers:
        return None
    return [angle_deg if number == numbers[0] else 0.0 for number in range(len(views))]


def noisy(
    images: NDArray[np.float32], cameras: Sequence[XRayCamera], photons: float, seeds: Sequence[int]
) -> NDArray[np.float32]:
    """(views, n, n) line integrals as counted photons show them (Poisson).

    Args:
        images: Of one person.
        cameras: One per view.
        photons: Per pixel where a picture is as dense as the median of all that it shows, so that a pelvis is exposed
            longer than a wrist.
        seeds: Of the counts.
    """
    found = [
        expose(image, camera, photons=photons * _dose(image), blur_mm=0.0, scatter=0.0, seed=[*seeds, number]).pixels
        for number, (image, camera) in enumerate(zip(images, cameras, strict=True))
    ]
    return np.stack(found)


def _dose(image: NDArray[np.float32]) -> float:
    """Photons in the open beam for one behind the median of what a picture shows."""
    shown = image[image > AIR]
    return float(np.exp(np.median(shown))) if shown.size else 1.0


def with_metal(
    images: NDArray[np.float32], cameras: Sequence[XRayCamera], centre: FloatArray, half_mm: float, seeds: Sequence[int]
) -> NDArray[np.float32]:
    """(views, n, n) line integrals with four steel beads and a pin near the bones, where every view shows them.

    No detector tells more than :data:`~XRayTo3DLib.dataset.actual_radiograph.BLADE` apart: what is darker stays there.

    Args:
        images: Of one person.
        cameras: One per view, in the reconstruction frame.
        centre: (3,) middle of the bones, mm.
        half_mm: Half the edge of the reconstruction's cube, mm.
        seeds: Of the places.
    """
    metal = Metal.around(np.asarray(centre), METAL_REACH * half_mm, np.random.default_rng([*seeds, 11]))
    metal = replace(metal, bead_radius=METAL_BEAD_MM, wire_radius=METAL_WIRE_MM)
    stay = RigidPose.identity()
    shadows = np.stack([metal.line_integrals(camera, stay) for camera in cameras])
    darkest = np.maximum(images, BLADE)
    return np.minimum(images + shadows, np.where(shadows > 0, darkest, images)).astype(np.float32)


def columns(translators: Sequence[str]) -> dict[str, list[str]]:
    """Keys of the harder conditions by the title of the column that they are averaged in."""
    found: dict[str, list[str]] = {}
    for condition in (*CONDITIONS[1:], *map(translated, translators)):
        found.setdefault(condition.column, []).append(condition.key)
    return found
