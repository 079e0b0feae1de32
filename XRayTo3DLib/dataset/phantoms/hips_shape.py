"""The numbers of a synthetic person's both hips: two nearly equal sides, healthy or with osteoarthritis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from XRayTo3DLib.dataset.phantoms.leg_shapes import HIP_POPULATION, HipShape
from XRayTo3DLib.errors import InputError

GROUPS = ("healthy", "osteoarthritis")
ASYMMETRY = {
    "head_diameter": 0.3,
    "neck_shaft_angle": 1.6,
    "anteversion": 3.0,
    "femoral_offset": 1.3,
    "neck_width": 0.4,
    "trochanter_height": 1.2,
    "lesser_trochanter": 0.5,
    "femur_shaft_width": 0.35,
    "adduction": 0.8,
    "joint_space": 0.2,
    "cup_inclination": 1.6,
    "cup_anteversion": 2.0,
}
"""SD of left minus right in one person, in the parameter's unit (approximate)."""
OSTEOARTHRITIS = {
    "joint_space": (2.3, 0.2),
    "head_flattening": (2.6, 0.7),
    "cortex": (6.2, 0.6),
}
"""Mean and SD of what osteoarthritis sets (approximate: made to be told from healthy hips, not measured)."""
VARUS_DEG, VARUS_SD_DEG = 6.0, 2.5
"""By how much osteoarthritis lowers the neck-shaft angle, degrees (approximate)."""


@dataclass(frozen=True)
class HipsShape:
    """One synthetic person's pelvis and both proximal femora, standing. SYNTHETIC: no real anatomy is behind it.

    Attributes:
        right: The right side's numbers; pelvis, soft tissue and bone density are the same on both sides.
        left: The left side's numbers.
        group: "healthy" or "osteoarthritis" (both hips).

    Raises:
        InputError: An unknown group, sides exchanged, or sides that are no one person's.
    """

    region: ClassVar[str] = "hips"
    common: ClassVar[tuple[str, ...]] = ("half_pelvis", "ilium_thickness", "fat", "trabecular_hu")
    """What both sides of a person share."""

    right: HipShape = field(default_factory=HipShape)
    left: HipShape = field(default_factory=lambda: HipShape(side="left"))
    group: str = "healthy"

    def __post_init__(self) -> None:
        for name in ("right", "left"):
            side = getattr(self, name)
            side = HipShape(**side) if isinstance(side, Mapping) else side
            if side.side != name:
                raise InputError(f"hips: the {name} hip is given as a {side.side} one; exchange the sides.")
            object.__setattr__(self, name, side)
        if self.group not in GROUPS:
            raise InputError(f"hips: group {self.group!r} is not known; use {' or '.join(GROUPS)}.")
        if other := [name for name in self.common if getattr(self.right, name) != getattr(self.left, name)]:
            raise InputError(f"hips: {other[0]} differs between right and left; one person has one of it.")

    @property
    def size(self) -> float:
        """Size relative to the mean adult, from the femoral heads."""
        return 0.5 * (self.right.size + self.left.size)

    @property
    def half_pelvis(self) -> float:
        """Hip centre to the midline, mm."""
        return self.right.half_pelvis

    @property
    def fat(self) -> float:
        """Subcutaneous fat, mm."""
        return self.right.fat

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {"right": self.right.to_dict(), "left": self.left.to_dict(), "group": self.group}

    @classmethod
    def sample(cls, rng: np.random.Generator, sex: str | None = None, group: str = "healthy") -> HipsShape:
        """Draw a person: a hip as :meth:`HipShape.sample` draws it, the other a little different.

        Args:
            rng: Source of randomness; the same state gives the same person.
            sex: "female", "male" or ``None`` to draw it.
            group: "healthy" or "osteoarthritis": narrow joint spaces, heads flattened on top with a rim of
                osteophytes, necks in varus.
        """
        right = HipShape.sample(rng, sex, "right")
        draws = {name: sd * float(np.clip(rng.standard_normal(), -2.5, 2.5)) for name, sd in ASYMMETRY.items()}
        left = _changed(right, {name: getattr(right, name) + by for name, by in draws.items()}, side="left")
        if group == "osteoarthritis":
            right, left = _diseased(right, rng), _diseased(left, rng)
        return cls(right, left, group)


def _diseased(shape: HipShape, rng: np.random.Generator) -> HipShape:
    def draw(mean: float, sd: float) -> float:
        return mean + sd * float(np.clip(rng.standard_normal(), -2.5, 2.5))

    values = {name: draw(*spread) for name, spread in OSTEOARTHRITIS.items()}
    values["cortex"] *= shape.size
    values["neck_shaft_angle"] = shape.neck_shaft_angle - draw(VARUS_DEG, VARUS_SD_DEG)
    return _changed(shape, values)


def _changed(shape: HipShape, values: Mapping[str, float], **other: Any) -> HipShape:
    """``shape`` with other numbers, kept within their ranges."""
    kept = {name: round(float(np.clip(value, *_range(name))), 4) for name, value in values.items()}
    return replace(shape, **kept, **other)


def _range(name: str) -> tuple[float, float]:
    return HIP_POPULATION[name].low, HIP_POPULATION[name].high
