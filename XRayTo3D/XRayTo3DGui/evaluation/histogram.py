"""How a comparison's distances spread, as the corners of two step lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.evaluation.comparison import Comparison
from XRayTo3DLib.geometry.frames import FloatArray

BINS = 50


@dataclass(frozen=True)
class DirectionHistogram:
    """``distance (n,)`` in mm and, for either direction, the share of the area in percent ``(n,)``."""

    distance: FloatArray
    shares: tuple[FloatArray, FloatArray]


def histogram(comparison: Comparison, maximum: float) -> DirectionHistogram:
    """From zero to ``maximum`` mm, or to the largest distance where that is less (not below a tenth of it)."""
    area = comparison.area
    top = float(np.clip(1.05 * area.hd, 0.1 * maximum, maximum))
    edges = np.linspace(0, top, BINS + 1)
    shares = [_steps(d.distances, edges) for d in (area.reference_to_result, area.result_to_reference)]
    return DirectionHistogram(np.repeat(edges, 2), (shares[0], shares[1]))


def _steps(distances: FloatArray, edges: FloatArray) -> FloatArray:
    """A step line that starts and ends at zero."""
    share = 100 * np.histogram(distances, edges)[0] / len(distances)
    return np.concatenate([[0.0], np.repeat(share, 2), [0.0]])
