"""The parameters of the synthetic forearm, their spread in people and where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from XRayTo3DLib.errors import InputError

SIDES = ("right", "left")
SEXES = ("female", "male")
SIZE = {"female": 0.935, "male": 1.065}
"""Mean size of each sex relative to the mean of both (approximate: distal radius width about 29 and 33 mm)."""
SIZE_SD = 0.045


@dataclass(frozen=True)
class Parameter:
    """How one number varies: mean and SD over both sexes, accepted range, and its source.

    ``follows_size`` says whether it is a length that grows with the person.
    """

    mean: float
    sd: float
    low: float
    high: float
    unit: str
    follows_size: bool
    source: str


@dataclass(frozen=True)
class PersonShape:
    """One synthetic person's numbers for one region; base of the shapes, which add a field per parameter.

    Attributes:
        side: "right" or "left" (the left is the right one mirrored).
        sex: "female", "male" or "" (only recorded; sizes are in the numbers).

    Raises:
        InputError: An unknown side or sex, or a value outside its range in ``population``.
    """

    region: ClassVar[str]
    population: ClassVar[dict[str, Parameter]]

    side: str = "right"
    sex: str = ""

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise InputError(f"{self.region} side {self.side!r} is not known; use right or left.")
        if self.sex not in ("", *SEXES):
            raise InputError(f"{self.region} sex {self.sex!r} is not known; use female, male or leave it empty.")
        for name, parameter in self.population.items():
            value = getattr(self, name)
            if not parameter.low <= value <= parameter.high:
                limits = f"{parameter.low:g} to {parameter.high:g}"
                raise InputError(f"{self.region} {name} = {value:g} {parameter.unit} is outside {limits}.")

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def sample(cls, rng: np.random.Generator, sex: str | None = None, side: str | None = None) -> Self:
        """Draw a person: one size factor for all lengths, independent variation on top, clipped at 2.5 SD.

        Args:
            rng: Source of randomness; the same state gives the same person.
            sex: "female", "male" or ``None`` to draw it.
            side: "right", "left" or ``None`` to draw it.
        """
        drawn_sex, drawn_side = str(rng.choice(SEXES)), str(rng.choice(SIDES))
        sex, side = sex or drawn_sex, side or drawn_side
        if sex not in SEXES:
            raise InputError(f"{cls.region} sex {sex!r} is not known; use female or male.")
        size = SIZE[sex] + SIZE_SD * float(np.clip(rng.standard_normal(), -2.0, 2.0))
        values = {}
        for name, parameter in cls.population.items():
            mean = parameter.mean * (size if parameter.follows_size else 1.0)
            draw = mean + parameter.sd * float(np.clip(rng.standard_normal(), -2.5, 2.5))
            values[name] = round(float(np.clip(draw, parameter.low, parameter.high)), 4)
        return cls(side=side, sex=sex, **values)


POPULATION: dict[str, Parameter] = {
    "volar_tilt": Parameter(11.0, 4.0, -25.0, 28.0, "deg", False, "Gartland & Werley 1951; Friberg & Lundstrom 1976"),
    "radial_inclination": Parameter(23.0, 2.5, 5.0, 33.0, "deg", False, "Gartland & Werley 1951; Schuind et al. 1992"),
    "distal_width": Parameter(31.0, 1.0, 22.0, 40.0, "mm", True, "approximate"),
    "distal_depth": Parameter(20.5, 0.8, 14.0, 28.0, "mm", True, "approximate"),
    "ulnar_variance": Parameter(-0.3, 1.4, -5.0, 5.0, "mm", False, "Schuind et al. 1992; Mann et al. 1992"),
    "fossa_depth": Parameter(2.0, 0.3, 0.8, 3.5, "mm", True, "approximate"),
    "ridge_height": Parameter(0.7, 0.2, 0.0, 1.8, "mm", False, "approximate"),
    "lister_height": Parameter(2.5, 0.6, 0.5, 5.0, "mm", False, "Clement et al. 2008 (2-3 mm, approximate)"),
    "shaft_width": Parameter(15.2, 0.8, 10.0, 21.0, "mm", True, "approximate"),
    "shaft_depth": Parameter(11.8, 0.6, 8.0, 17.0, "mm", True, "approximate"),
    "flare_length": Parameter(1.0, 0.07, 0.75, 1.3, "ratio", False, "approximate"),
    "radial_bow": Parameter(1.0, 0.4, -1.0, 3.0, "mm", False, "approximate, distal third only"),
    "cortex": Parameter(2.8, 0.4, 1.0, 5.0, "mm", True, "approximate, diaphysis"),
    "metaphyseal_cortex": Parameter(0.9, 0.15, 0.4, 2.0, "mm", False, "approximate"),
    "ulna_head_diameter": Parameter(16.0, 0.7, 11.0, 22.0, "mm", True, "approximate"),
    "ulna_shaft_diameter": Parameter(11.2, 0.6, 8.0, 16.0, "mm", True, "approximate"),
    "ulnar_styloid_length": Parameter(5.5, 0.9, 2.0, 9.0, "mm", True, "approximate"),
    "wrist_fat": Parameter(3.0, 0.9, 1.0, 8.0, "mm", False, "approximate"),
    "trabecular_hu": Parameter(270.0, 45.0, 60.0, 450.0, "HU", False, "approximate"),
}
"""Spread of every parameter. "approximate" marks a value chosen to look right, not taken from one publication."""


@dataclass(frozen=True)
class ForearmShape(PersonShape):
    """One synthetic person's distal forearm. SYNTHETIC: no real anatomy is behind it.

    Lengths in mm, angles in degrees. Means and standard deviations for adults; those marked ~ are approximate
    values chosen to look right, the others are rounded from the cited work (see also docs/phantoms.md).

    Attributes:
        side: "right" or "left" (the left is the right one mirrored).
        sex: "female", "male" or "" (only recorded; sizes are in the numbers).
        volar_tilt: 11 +- 4 deg, dorsal rim distal to the volar rim (Gartland & Werley 1951, JBJS 33-A;
            Friberg & Lundstrom 1976, Acta Radiol Diagn 17). Negative is dorsal tilt, as after a Colles fracture.
        radial_inclination: 23 +- 2.5 deg (Gartland & Werley 1951; Schuind et al. 1992, JBJS 74-A).
        distal_width: Radio-ulnar width of the radius at the joint, 31 mm, ~29 in women and ~33 in men.
        distal_depth: Dorso-volar depth of the radius at the joint, ~20.5 mm.
        ulnar_variance: Ulnar head beyond the radius' ulnar corner, -0.3 +- 1.4 mm (Schuind et al. 1992;
            Mann, Wilson & Gilula 1992, Radiology 184).
        fossa_depth: Depth of the scaphoid and lunate fossae below their rims, ~2 mm.
        ridge_height: Ridge between the two fossae, ~0.7 mm.
        lister_height: Lister's tubercle above the dorsal cortex, 2-3 mm (Clement et al. 2008, J Hand Surg Am 33).
        shaft_width: Radius shaft, radio-ulnar, ~15.2 mm.
        shaft_depth: Radius shaft, dorso-volar, ~11.8 mm.
        flare_length: Stretches the metaphyseal flare along the bone, ~1.
        radial_bow: Sagitta of the shaft's bow over the distal 110 mm, convex radially, ~1 mm.
        cortex: Thickness of the diaphyseal cortex, ~2.8 mm.
        metaphyseal_cortex: Thickness of the metaphyseal cortex, ~0.9 mm.
        ulna_head_diameter: ~16 mm.
        ulna_shaft_diameter: ~11.2 mm.
        ulnar_styloid_length: Styloid beyond the dome of the head, ~5.5 mm.
        wrist_fat: Subcutaneous fat, ~3 mm.
        trabecular_hu: Mean of the metaphyseal trabecular bone, ~270 HU (osteoporotic ~100).

    Raises:
        InputError: An unknown side or sex, or a value outside its range in :data:`POPULATION`.
    """

    region: ClassVar[str] = "forearm"
    population: ClassVar[dict[str, Parameter]] = POPULATION

    volar_tilt: float = 11.0
    radial_inclination: float = 23.0
    distal_width: float = 31.0
    distal_depth: float = 20.5
    ulnar_variance: float = -0.3
    fossa_depth: float = 2.0
    ridge_height: float = 0.7
    lister_height: float = 2.5
    shaft_width: float = 15.2
    shaft_depth: float = 11.8
    flare_length: float = 1.0
    radial_bow: float = 1.0
    cortex: float = 2.8
    metaphyseal_cortex: float = 0.9
    ulna_head_diameter: float = 16.0
    ulna_shaft_diameter: float = 11.2
    ulnar_styloid_length: float = 5.5
    wrist_fat: float = 3.0
    trabecular_hu: float = 270.0

    @property
    def size(self) -> float:
        """Size relative to the mean adult, from the width of the radius."""
        return self.distal_width / POPULATION["distal_width"].mean
