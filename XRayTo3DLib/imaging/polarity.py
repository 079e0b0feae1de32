"""What the picture alone tells: is bone dark (transmitted beam) or bright (attenuation), and what surrounds the field.

A surround is the unexposed area of a collimator or image intensifier. It is even, touches the picture's border, holds
its corners or whole sides, and leaves a convex field; a saturated bone that leaves the picture does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORKING_SIZE = 256
EXTREME = 0.2
"""Share of the grey range at either end that counts as "dark" or "bright"."""
LOWEST = 0.05
"""Share of the grey range within which corners count as empty."""
FRAME_SHARE = 0.35
"""Largest share of the picture that a surround around a convex field may fill."""
CORNERS = 3
"""Picture corners that a surround holds at least, where it neither lies along most of the border nor on a side."""
BORDER_SHARE = 0.6
WHOLE_SIDE = 0.98
FLAT_SHARE, FLAT_WIDTH = 0.8, 0.03
"""Share of an area that lies within this part of the end value around the area's median."""
HULL_SIZE = 512


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
        self.lowest = _touching_border(small < LOWEST)
        self.corners = _corners_held(self.lowest)


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
    framed = float(corner.lowest.mean()) < FRAME_SHARE and _solidity(~corner.lowest) > 0.9 and deep < 3
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
    down, across = (max(1, min(factor, size // 2)) for size in values.shape)  # a strip keeps two blocks across
    rows, columns = values.shape[0] // down, values.shape[1] // across
    blocks = values[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return blocks.mean(axis=(1, 3), dtype=np.float64)


def _unit_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.percentile(values, [0.5, 99.5])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return np.clip((values - low) / max(high - low, 1e-12), 0.0, 1.0)


# ---- the surround -----------------------------------------------------------------------------------------------


def surround_mask(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the surround lies at the upper end of the values (rows, columns); all False without one.

    Args:
        values: Line integrals (no radiation is the highest), or any picture whose surround is its brightest part.
    """
    end = float(values.max())
    nothing = np.zeros(values.shape, dtype=bool)
    if end <= 0 or float(values.min()) >= 0.9 * end:
        return nothing
    even = _flat_parts(values, _touching_border(values >= 0.9 * end), end)
    border = np.concatenate([even[0], even[-1], even[:, 0], even[:, -1]])
    side = max(float(line.mean()) for line in (even[0], even[-1], even[:, 0], even[:, -1]))
    if _corners_held(even) < CORNERS and border.mean() < BORDER_SHARE and side < WHOLE_SIDE:
        return nothing
    return even & ~_inside_the_field(even)


def _touching_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that touch the picture's border."""
    from scipy.ndimage import label

    parts, _ = label(mask)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.isin(parts, border[border > 0])


def _corners_held(mask: NDArray[np.bool_]) -> int:
    """How many of the picture's four corners a mask fills (more than 70 % of a patch there)."""
    patch = max(2, min(mask.shape) // 32)
    ends = slice(None, patch), slice(-patch, None)
    return sum(float(mask[row, column].mean()) > 0.7 for row in ends for column in ends)


def _solidity(mask: NDArray[np.bool_]) -> float:
    """Area of a mask over that of its convex hull, specks aside."""
    from scipy.ndimage import binary_opening
    from scipy.spatial import ConvexHull, QhullError

    points = np.argwhere(binary_opening(mask, iterations=3))
    try:
        return len(points) / max(ConvexHull(points).volume, 1.0)
    except (QhullError, ValueError):  # too few points, or all in a line
        return 0.0


def _flat_parts(values: NDArray[np.floating], mask: NDArray[np.bool_], end: float) -> NDArray[np.bool_]:
    """The parts of a mask, of at least 0.1 % of the picture each, that have nearly one value."""
    from scipy.ndimage import label

    parts, count = label(mask)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    flat = []
    for part in np.flatnonzero(sizes >= 0.001 * values.size):
        inside = values[parts == part] if part else values[:0]
        if part and np.mean(np.abs(inside - np.median(inside)) <= FLAT_WIDTH * end) >= FLAT_SHARE:
            flat.append(part)
    return np.isin(parts, flat)


def _inside_the_field(surround: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thick parts of a supposed surround that lie inside the convex hull of the rest: bone that reaches it."""
    from scipy.ndimage import binary_opening, label
    from scipy.spatial import ConvexHull, QhullError

    step = max(1, max(surround.shape) // HULL_SIZE)
    parts, count = label(binary_opening(~surround[::step, ::step], iterations=2))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    large = np.flatnonzero(sizes >= 0.01 * parts.size)
    points = step * np.argwhere(np.isin(parts, large[large > 0]))
    try:
        facets = ConvexHull(points).equations
    except (QhullError, ValueError):  # nothing is left of the field
        return np.ones_like(surround)
    rows, columns = np.nonzero(surround)
    inside = np.ones(len(rows), dtype=bool)
    for down, across, offset in facets:
        inside &= down * rows + across * columns + offset <= 0
    found = np.zeros_like(surround)
    found[rows[inside], columns[inside]] = True
    return binary_opening(found, iterations=max(2, min(surround.shape) // 100))
