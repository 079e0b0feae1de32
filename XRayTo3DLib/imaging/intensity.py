"""Stored grey values to line integrals of attenuation: -ln(I / I0), bone bright."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.polarity import PolarityGuess, guess_polarity
from XRayTo3DLib.imaging.types import IntensityNote

MODES = ("auto", "transmitted", "attenuation", "line-integral")
FULL_RANGE = 2.0
"""Line integral given to the full grey range of a picture whose scale is arbitrary."""
BACKGROUND_PERCENTILE = 99.0
AIR_PERCENTILE = 10.0
SATURATED_SHARE = 0.02
WEAK = "The evidence is weak"
"""How the sentence begins that is added where bone may be dark or bright."""


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """One picture as a file holds it, before any meaning is given to its values.

    Attributes:
        values: (rows, columns) float64 stored values, rescaled, as a monitor shows them (higher is brighter).
        lowest: Smallest value the file can hold.
        highest: Largest value the file can hold.
        step: One grey level (0 where there are none: floating point).
        declared: Mode the file itself states, or "" where it does not.
        why: Sentence part on how the file states it.
        linear: The file states that values are proportional to the beam's intensity.
        expected: Mode to take where the picture gives no clear evidence, "" for none.
        notes: What reading had to do, one sentence each.
        padding: (rows, columns) True where the file filled the picture up (PixelPaddingValue), or ``None``. Padding is
            left out of everything that is taken from the values, and gets the picture's highest line integral, as a
            surround has (no radiation is known to have arrived there).
    """

    values: NDArray[np.float64]
    lowest: float
    highest: float
    step: float
    declared: str = ""
    why: str = ""
    linear: bool = False
    expected: str = ""
    notes: tuple[str, ...] = ()
    padding: NDArray[np.bool_] | None = None

    @property
    def measured(self) -> NDArray[np.float64]:
        """The values that are no padding: (rows, columns) without any, else (n,)."""
        return self.values if self.padding is None else self.values[~self.padding]

    def filled(self) -> NDArray[np.float64]:
        """(rows, columns) values with padding replaced by the nearest value that is none."""
        if self.padding is None:
            return self.values
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(self.padding, return_distances=False, return_indices=True)
        return self.values[tuple(nearest)]

    def inverted(self) -> StoredPicture:
        """The picture with bright and dark exchanged over its storable range."""
        return replace(self, values=self.lowest + self.highest - self.values)


def check_values(values: NDArray[np.floating], name: str) -> None:
    """Refuse pictures that hold nothing; ``values`` are the measured ones.

    Raises:
        InputError: No value at all, not finite, or the same value everywhere.
    """
    if values.size == 0:
        raise InputError(f"radiograph {name}: every pixel is padding (PixelPaddingValue); it shows nothing.")
    if not np.all(np.isfinite(values)):
        count = int(np.sum(~np.isfinite(values)))
        raise InputError(f"radiograph {name}: {count} pixels are not finite (NaN or infinite); export it again.")
    if values.min() == values.max():
        raise InputError(f"radiograph {name}: every pixel has the value {values.min():g}; it shows nothing.")


def choose_mode(picture: StoredPicture) -> PolarityGuess:
    """How ``intensity="auto"`` reads the picture: what the file states, else what the picture looks like."""
    if picture.declared:
        return PolarityGuess(picture.declared, True, picture.why)
    guess = guess_polarity(picture.filled())
    if not guess.confident and picture.expected and picture.expected != guess.mode:
        return PolarityGuess(picture.expected, False, f"{picture.why}; the picture itself is not clear: {guess.reason}")
    return guess


def to_line_integrals(
    picture: StoredPicture, mode: str = "auto", i0: float | None = None
) -> tuple[NDArray[np.float32], IntensityNote]:
    """Line integrals (rows, columns), dimensionless, bone bright, and how they were obtained.

    Args:
        picture: The stored picture.
        mode: One of :data:`MODES`. Of the picture as displayed: ``transmitted`` has dark bones, ``attenuation``
            bright ones on an arbitrary scale, ``line-integral`` is taken as it is.
        i0: Stored value of the unattenuated beam (``transmitted``) or of air (``attenuation``).

    Raises:
        InputError: Unknown mode, unusable ``i0``, or an empty picture.
    """
    if mode not in MODES:
        raise InputError(f"intensity {mode!r} is not known; use one of {', '.join(MODES)} (--intensity).")
    check_values(picture.measured, "picture")
    reason = ""
    if mode == "auto":
        guess = choose_mode(picture)
        mode = guess.mode
        doubt = "" if guess.confident else f" {WEAK}: check that bone is bright, else set --intensity."
        reason = f" Chosen automatically: {guess.reason}.{doubt}"
    convert = {"transmitted": _from_transmitted, "attenuation": _from_attenuation, "line-integral": _as_is}[mode]
    pixels, note = convert(picture, i0)
    if picture.padding is not None:
        pixels = np.where(picture.padding, pixels[~picture.padding].max(), pixels)
    return pixels.astype(np.float32), replace(note, how=note.how + reason)


def _from_transmitted(picture: StoredPicture, i0: float | None) -> tuple[NDArray[np.float64], IntensityNote]:
    """-ln(I / I0); I is kept at least one grey level above zero, negative results (noise in air) become 0."""
    beam, how_beam, saturated = _unattenuated(picture, i0)
    floor = picture.step if picture.step > 0 else beam * 1e-5
    low = int(np.sum(picture.measured < floor))
    pixels = np.maximum(-np.log(np.maximum(picture.values, floor) / beam), 0.0)
    share = 100 * low / picture.measured.size
    clamped = f" {low} pixels ({share:.1f} %) below one grey level were raised to it." if low else ""
    absolute = (picture.linear or i0 is not None) and not saturated
    how = f"Transmitted beam (bone dark): line integral = -ln(I / I0) with I0 = {beam:g}, {how_beam}.{clamped}"
    return pixels, IntensityNote("transmitted", beam, absolute, how)


def _unattenuated(picture: StoredPicture, i0: float | None) -> tuple[float, str, bool]:
    """I0, how it was found, and whether the background is saturated (I0 then only a lower limit)."""
    if i0 is not None:
        if not np.isfinite(i0) or i0 <= 0:
            raise InputError(f"I0 must be greater than zero, not {i0:g} (--i0).")
        return float(i0), "as given", False
    top = float(picture.measured.max())
    saturated = float(np.mean(picture.measured >= top))
    if picture.step > 0 and saturated > SATURATED_SHARE:
        return top, f"the saturated background ({100 * saturated:.0f} % of the picture), so the true I0 is higher", True
    beam = float(np.percentile(picture.measured, BACKGROUND_PERCENTILE))
    if beam <= 0:
        raise InputError("the picture has no positive background to take I0 from; give it (--i0) or --intensity.")
    return beam, f"percentile {BACKGROUND_PERCENTILE:g} of the picture (air)", False


def _from_attenuation(picture: StoredPicture, i0: float | None) -> tuple[NDArray[np.float64], IntensityNote]:
    """(value - air) x 2 / full range: an arbitrary scale, but the same for every picture of that bit depth."""
    air = _background(picture) if i0 is None else float(i0)
    factor = FULL_RANGE / _full_range(picture)
    pixels = np.maximum((picture.values - air) * factor, 0.0)
    how = (
        f"Attenuation picture (bone bright): line integral = (value - {air:g}) x {factor:.3g}; air at {air:g} "
        f"{'as given' if i0 is not None else 'found in the picture'}, the scale is arbitrary "
        f"(full grey range = {FULL_RANGE:g})."
    )
    return pixels, IntensityNote("attenuation", air, False, how)


def _background(picture: StoredPicture) -> float:
    """Grey value of air: the darkest value where much of the picture has it, else a low percentile of the others.

    Rather too low than too high: too high would cut off soft tissue.
    """
    values = picture.measured
    darkest = float(values.min())
    others = values[values > darkest]
    if others.size < 0.9 * values.size:
        return darkest
    return float(np.percentile(others, AIR_PERCENTILE))


def _full_range(picture: StoredPicture) -> float:
    """The grey range in use: the smallest 2^k - 1 (k >= 8) above the largest value, or the values' own range."""
    largest = float(picture.measured.max())
    if picture.step <= 0 or picture.lowest < 0 or largest <= 0:
        return float(np.percentile(picture.measured, 99.9) - picture.measured.min())
    levels = 2.0 ** max(8, int(np.ceil(np.log2(largest / picture.step + 1)))) - 1
    return float(levels * picture.step)


def _as_is(picture: StoredPicture, i0: float | None) -> tuple[NDArray[np.float64], IntensityNote]:
    if i0 is not None:
        raise InputError("line integrals have no I0; leave out --i0 or choose another --intensity.")
    return picture.values, IntensityNote("line-integral", None, True, "Line integrals, taken as stored.")
