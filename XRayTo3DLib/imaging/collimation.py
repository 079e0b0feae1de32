"""Which part of a radiograph was exposed: inside the collimator's straight blades and the surround.

A blade lets nothing but scatter through: beyond a straight line along a side everything is more opaque than what lies
before it. Scatter makes the shadow uneven, so that it is found by its edge, not by its value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.types import Radiograph

SHARES = (60, 40)
"""Percentage of an edge's length that may be hidden by other blades, tried one after the other."""
LEAST_STEP = 0.03
"""Of the picture's contrast: how much darker (more transparent) it must get from a blade's shadow into the field."""
BEFORE, BEYOND = 64, 5
"""Pixels inside and outside of an edge that are compared; inside at most :data:`REACH` of a small picture."""
REACH = 0.4
"""Of a picture's length: farther in there may be the opposite blade."""
MARGIN = 0.025
"""Of the picture's shorter side: left out beside an edge, whose gradient is the strongest of all."""


def usable_field(radiograph: Radiograph) -> NDArray[np.bool_]:
    """Mask (rows, columns) of what a comparison may use: exposed, and not at the shadow of a blade."""
    return exposed_field(radiograph) & inside_blades(radiograph.pixels)


def inside_blades(pixels: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask (rows, columns) of what lies inside straight blades parallel to the sides; all true without any.

    Args:
        pixels: (rows, columns) line integrals: the more opaque the larger.
    """
    rows, columns = pixels.shape
    top, bottom, left, right = 0, rows, 0, columns
    for hidden in SHARES:
        part = pixels[top:bottom, left:right]
        first, last = _covered(part, hidden)
        before, after = _covered(part.T, hidden)
        top, bottom, left, right = top + first, bottom - last, left + before, right - after
    margin = max(2, round(MARGIN * min(rows, columns)))
    mask = np.zeros((rows, columns), dtype=bool)
    across = slice(left + margin * (left > 0), right - margin * (right < columns))
    mask[top + margin * (top > 0) : bottom - margin * (bottom < rows), across] = True
    return mask if mask.any() else np.ones_like(mask)


def _covered(pixels: NDArray[np.floating], hidden: float) -> tuple[int, int]:
    """Rows that blades cover from the top and from the bottom."""
    from scipy.ndimage import gaussian_filter1d  # late: SciPy takes long to load, and panels load this file

    smooth = gaussian_filter1d(np.asarray(pixels, dtype=np.float64), 1.0, axis=0)
    contrast = float(np.percentile(smooth, 95) - np.percentile(smooth, 5))
    return _from_top(smooth, hidden, contrast), _from_top(smooth[::-1], hidden, contrast)


def _from_top(lines: NDArray[np.float64], hidden: float, contrast: float) -> int:
    if len(lines) < 4 or contrast <= 0:
        return 0
    drops = -np.diff(lines, axis=0)
    drop = np.percentile(drops[: len(drops) // 2], hidden, axis=1)
    edge = int(np.argmax(drop))
    if drop[edge] <= LEAST_STEP * contrast:
        return 0
    lies = drops[max(0, edge - 2) : edge + 3].max(axis=0) > LEAST_STEP * contrast
    outside = lines[max(0, edge - BEYOND) : max(1, edge - 1)][:, lies]
    within = lines[edge + 4 : edge + min(BEFORE, round(REACH * len(lines)))][:, lies]
    if within.size == 0 or np.percentile(outside, 10) <= np.percentile(within, 95):  # no shadow
        return 0
    # A blade's shadow goes on to the picture's side; beside a straight shaft lies less than bone on either side.
    on = edge <= max(1, MARGIN * len(lines)) or np.percentile(lines[: edge - 1][:, lies], 10) > np.median(within)
    return edge + 1 if on else 0
