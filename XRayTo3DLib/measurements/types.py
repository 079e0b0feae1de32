"""What a measurement is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from XRayTo3DLib.errors import InputError

Unit = Literal["deg", "mm"]


@dataclass(frozen=True)
class Definition:
    """What is measured, in words.

    Attributes:
        unit: "deg" or "mm".
        text: How it is taken, for people to read.
        source: Where the definition comes from.
    """

    unit: Unit
    text: str
    source: str


@dataclass(frozen=True)
class Measurement:
    """One measurement of a bone, with how far it may be off.

    Attributes:
        name: "volar_tilt"; with the side of a bone that is there twice: "neck_shaft_angle_left".
        value: In ``unit``.
        sd: Standard deviation, both sources below together; None where one of them is not known.
        unit: "deg" or "mm".
        interval_95: Where the true value lies with 95 % probability (low, high); None where ``sd`` is.
        definition: How it is taken and who defined it.
        sd_of_shape: What the reconstructed shape's uncertainty alone makes; None where it is not known.
        sd_of_landmarks: What the carried landmarks' own errors alone make; None where they are not known.

    Raises:
        InputError: Another unit, or an interval whose ends are the wrong way round.
    """

    name: str
    value: float
    sd: float | None
    unit: Unit
    interval_95: tuple[float, float] | None
    definition: str
    sd_of_shape: float | None = None
    sd_of_landmarks: float | None = None

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InputError(f'measurement {self.name}: unit "{self.unit}" is not known; give deg or mm.')
        if self.interval_95 is not None and not self.interval_95[0] <= self.interval_95[1]:
            raise InputError(
                f"measurement {self.name}: its interval {self.interval_95} has its ends the wrong way round."
            )

    def __str__(self) -> str:
        """ "volar_tilt 11.2 deg (SD 0.8, 95 % 9.7 to 12.8)"."""
        what = f"{self.name} {self.value:.1f} {self.unit}"
        if self.sd is None or self.interval_95 is None:
            return what
        return f"{what} (SD {self.sd:.1f}, 95 % {self.interval_95[0]:.1f} to {self.interval_95[1]:.1f})"
