"""How a radiograph is shown: bone bright, contrast from what the beam reached, the collimator's surround left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.types import Radiograph

WINDOW_PERCENTILES = (0.5, 99.8)
RIM_SHARE_STEPS = 8
"""Width of the rim left out, in 1/128 of the picture."""


@dataclass(frozen=True)
class DisplayRange:
    """Line integrals that are black and white, and those outside of which nothing is drawn (``None``: all is)."""

    low: float
    high: float
    drawn: tuple[float, float] | None


def displayRange(radiograph: Radiograph) -> DisplayRange:
    """Takes a second for a large picture; neither scene nor Qt."""
    field = exposed_field(radiograph)
    low, high = np.percentile(_inner(radiograph.pixels, field), WINDOW_PERCENTILES)
    drawn = None if field.all() else (float(radiograph.pixels.min()), float(radiograph.pixels[field].max()))
    return DisplayRange(float(low), float(max(high, low + 1e-3)), drawn)


def _inner(pixels: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Values well inside the exposed field (a share of all pixels): the rim beside the collimator is half in shade."""
    from scipy.ndimage import binary_erosion  # late: SciPy takes long to load, and panels load this file

    step = max(1, min(pixels.shape) // 128)
    small = field[::step, ::step]
    inside = small if small.all() else binary_erosion(small, iterations=RIM_SHARE_STEPS, border_value=1)
    values = pixels[::step, ::step][inside]
    return values if values.size else pixels


def applyDisplay(node: Any, shown: DisplayRange) -> None:
    """Onto a volume node, its display node made where missing."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(shown.low, shown.high)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetInterpolate(True)
    display.SetApplyThreshold(shown.drawn is not None)
    if shown.drawn is not None:
        display.SetAutoThreshold(False)
        display.SetThreshold(*shown.drawn)
