"""Guess from the picture alone whether bone is dark (transmitted beam) or bright (attenuation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.imaging.surround import CORNERS, corners_held, solidity, touching_border

WORKING_SIZE = 256
EXTREME = 0.2
"""Share of the grey range at either end that counts as "dark" or "bright"."""
LOWEST = 0.05
"""Share of the grey range within which corners count as empty."""
FRAME_SHARE = 0.35
"""Largest share of the picture that a surround around a convex field may fill."""


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

    What fills the corners is either air or the unexposed surround of a collimator or image intensifier. A surround
    leaves a convex field with air near its edge; from air it goes through soft tissue to the other end of the grey
    range, which lies deepest. Where the corners differ, the end of the range with the larger even area is air.

    Args:
        values: (rows, columns) stored values as displayed.
    """
    from scipy.ndimage import gaussian_filter

    small = _unit_range(gaussian_filter(_shrunk(values), 0.7))
    dark, bright = _Extreme(small), _Extreme(1 - small)
    for corner, other, name in ((dark, bright, "dark"), (bright, dark, "bright")):
        if corner.corners >= CORNERS and corner.lowest.sum() > 0.25 * corner.inside.sum():
            return _from_corners(corner, other, name)
    return _from_areas(small, dark, bright)


class _Extreme:
    """The low end of the grey range: where it is, how much of the picture is even there, what fills the corners."""

    def __init__(self, small: NDArray[np.float64]) -> None:
        down, across = np.gradient(small)
        self.inside = small < EXTREME
        self.even = float((self.inside & (np.abs(down) + np.abs(across) < 0.015)).mean())
        self.lowest = touching_border(small < LOWEST)
        self.corners = corners_held(self.lowest)


def _from_corners(corner: _Extreme, other: _Extreme, name: str) -> PolarityGuess:
    """Surround or air, by the shape of the field and by how deep the other end of the range lies in it."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(~corner.lowest)
    between = ~corner.lowest & ~other.inside & ~corner.inside
    deep = (
        float(depth[other.inside].mean() / max(depth[between].mean(), 1.0))
        if other.inside.any() and between.any()
        else 2
    )
    framed = float(corner.lowest.mean()) < FRAME_SHARE and solidity(~corner.lowest) > 0.9 and deep < 3
    if other.even > 0.05 and (deep < 0.9 or framed):
        reason = f"the {name} corners are an unexposed surround; air fills {100 * other.even:.0f} % of the picture"
        return PolarityGuess(_mode(name == "dark"), other.even > 0.1, reason)
    reason = f"the {name} corners go over into the limb by degrees, so they are air"
    return PolarityGuess(_mode(name == "bright"), deep > 1.5 and corner.even > 0.05, reason)


def _from_areas(small: NDArray[np.float64], dark: _Extreme, bright: _Extreme) -> PolarityGuess:
    """Which end has the larger even area; thin structures (cortices, metal) help when neither has."""
    areas = (bright.even - dark.even) / max(bright.even + dark.even, 0.1)
    thin = _thin_structures(small)
    air_is_bright = areas - 0.5 * thin > 0
    one_sided = min(bright.even, dark.even) < 0.05 and max(bright.even, dark.even) > 0.2
    reason = (
        f"even bright areas fill {100 * bright.even:.0f} % and even dark areas {100 * dark.even:.0f} % of the picture, "
        f"and its fine structures (cortices, markers) are mostly {'bright' if thin > 0 else 'dark'}"
    )
    return PolarityGuess(_mode(air_is_bright), one_sided and areas * thin < -0.05 * abs(areas), reason)


def _mode(air_is_bright: bool) -> str:
    return "transmitted" if air_is_bright else "attenuation"


def _thin_structures(small: NDArray[np.float64]) -> float:
    """-1 (fine structures dark) .. 1 (bright): skewness of the picture minus its blurred self."""
    from scipy.ndimage import gaussian_filter

    detail = gaussian_filter(small, 1.0) - gaussian_filter(small, 4.0)
    low, high = np.percentile(detail, [1, 99])
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
