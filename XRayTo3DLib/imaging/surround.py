"""What surrounds the exposed field of a picture: the unexposed area of a collimator or image intensifier.

One idea for every caller: a surround is even, touches the picture's border, holds its corners or whole sides, and
leaves a convex field. A saturated bone that leaves the picture does neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CORNERS = 3
"""Picture corners that a surround holds at least, where it neither lies along most of the border nor on a side."""
BORDER_SHARE = 0.6
WHOLE_SIDE = 0.98
FLAT_SHARE, FLAT_WIDTH = 0.8, 0.03
"""Share of an area that lies within this part of the end value around the area's median."""
HULL_SIZE = 512


def surround_mask(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the surround lies at the upper end of the values (rows, columns); all False without one.

    Args:
        values: Line integrals (no radiation is the highest), or any picture whose surround is its brightest part.
    """
    end = float(values.max())
    nothing = np.zeros(values.shape, dtype=bool)
    if end <= 0 or float(values.min()) >= 0.9 * end:
        return nothing
    even = _flat_parts(values, touching_border(values >= 0.9 * end), end)
    border = np.concatenate([even[0], even[-1], even[:, 0], even[:, -1]])
    side = max(float(line.mean()) for line in (even[0], even[-1], even[:, 0], even[:, -1]))
    if corners_held(even) < CORNERS and border.mean() < BORDER_SHARE and side < WHOLE_SIDE:
        return nothing
    return even & ~_inside_the_field(even)


def touching_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of a mask that touch the picture's border."""
    from scipy.ndimage import label

    parts, _ = label(mask)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.isin(parts, border[border > 0])


def corners_held(mask: NDArray[np.bool_]) -> int:
    """How many of the picture's four corners a mask fills (more than 70 % of a patch there)."""
    patch = max(2, min(mask.shape) // 32)
    ends = slice(None, patch), slice(-patch, None)
    return sum(float(mask[row, column].mean()) > 0.7 for row in ends for column in ends)


def solidity(mask: NDArray[np.bool_]) -> float:
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
