"""Guess from the picture alone whether bone is dark (transmitted beam) or bright (attenuation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORKING_SIZE = 256
EXTREME = 0.2
"""Share of the grey range at either end that counts as "dark" or "bright"."""


@dataclass(frozen=True)
class PolarityGuess:
    """What the picture looks like.

    Attributes:
        mode: ``transmitted`` (bone dark) or ``attenuation`` (bone bright).
        confident: Whether the evidence is clear.
        reason: Why, in words for the person at the screen.
    """

    mode: str
    confident: bool
    reason: str


def guess_polarity(values: NDArray[np.floating]) -> PolarityGuess:
    """Decide from where the air around the limb is: bright air means a transmitted picture.

    Air is a large, even area at one end of the grey range. If both ends have one, the end that fills the
    picture's corners is the unexposed surround of the collimator or intensifier, and the other is air.

    Args:
        values: (rows, columns) stored values as displayed.
    """
    small = _unit_range(_shrunk(values))
    dark, bright = _Extreme(small, small < EXTREME), _Extreme(small, small > 1 - EXTREME)
    surround = _surround(dark, bright)
    if surround is dark or (surround is bright and _thin_structures(small, bright.inside) > 0.1):
        air_is_bright = surround is dark
        where = "dark" if air_is_bright else "bright"
        other = bright if air_is_bright else dark
        reason = f"the corners are a {where} unexposed surround and an even {_word(air_is_bright)} area (air) fills "
        return _verdict(air_is_bright, True, reason + f"{100 * other.even:.0f} % of the picture")
    return _compared(small, dark, bright)


class _Extreme:
    """One end of the grey range: how much of the picture it fills, how much of that is even, and the corners."""

    def __init__(self, small: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
        step = np.abs(np.gradient(small)[0]) + np.abs(np.gradient(small)[1])
        self.inside = inside
        self.even = float((inside & (step < 0.015)).mean())
        patch = max(2, min(small.shape) // 32)
        corners = [inside[:patch, :patch], inside[:patch, -patch:], inside[-patch:, :patch], inside[-patch:, -patch:]]
        self.corners = sum(float(corner.mean()) > 0.7 for corner in corners)


def _surround(dark: _Extreme, bright: _Extreme) -> _Extreme | None:
    """The end of the range that is an unexposed surround, if there is one and air at the other end."""
    for surround, air, corners in ((dark, bright, 3), (bright, dark, 4)):
        if surround.corners >= corners and air.corners <= 4 - corners and air.even > 0.12 and surround.even > 0.03:
            return surround
    return None


def _compared(small: NDArray[np.float64], dark: _Extreme, bright: _Extreme) -> PolarityGuess:
    """Which end has the larger even area; thin structures (cortices, metal) help when neither has."""
    areas = (bright.even - dark.even) / max(bright.even + dark.even, 0.1)
    thin = _thin_structures(small)
    score = areas - 0.5 * thin
    air_is_bright = score > 0
    reason = (
        f"even bright areas fill {100 * bright.even:.0f} % and even dark areas {100 * dark.even:.0f} % of the picture, "
        f"and its fine structures (cortices, markers) are mostly {'bright' if thin > 0 else 'dark'}"
    )
    one_sided = min(bright.even, dark.even) < 0.05 and max(bright.even, dark.even) > 0.2
    return _verdict(air_is_bright, one_sided and areas * thin < 0 and abs(thin) > 0.1, reason)


def _verdict(air_is_bright: bool, confident: bool, reason: str) -> PolarityGuess:
    return PolarityGuess("transmitted" if air_is_bright else "attenuation", confident, reason)


def _word(bright: bool) -> str:
    return "bright" if bright else "dark"


def _thin_structures(small: NDArray[np.float64], surround: NDArray[np.bool_] | None = None) -> float:
    """-1 (fine structures dark) .. 1 (bright): skewness of the picture minus its blurred self, off the surround."""
    from scipy.ndimage import binary_dilation, binary_opening, gaussian_filter

    detail = gaussian_filter(small, 1.0) - gaussian_filter(small, 4.0)
    used = np.ones(small.shape, dtype=bool)
    if surround is not None:
        used = ~binary_dilation(binary_opening(surround, iterations=4), iterations=8)
    if not used.any():
        return 0.0
    low, high = np.percentile(detail[used], [1, 99])
    return float((high + low) / max(high - low, 1e-6))


def _shrunk(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Block means with at most about WORKING_SIZE pixels along the longer side."""
    factor = max(1, -(-max(values.shape) // WORKING_SIZE))
    rows, columns = (size // factor for size in values.shape)
    if rows < 1 or columns < 1:
        return np.asarray(values, dtype=np.float64)
    blocks = values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float64)


def _unit_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.percentile(values, [0.5, 99.5])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0)
