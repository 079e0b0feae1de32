"""Colours of a Slicer scene: bones, and the two distance maps as points in mm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.distance_colours import DISTANCE_COLOURS
from XRayTo3DLib.files import write_text

Colour = tuple[float, float, float]
ColourPoint = tuple[float, float, float, float]

BONE: Colour = (0.945, 0.839, 0.569)
"""Slicer's own colour of bone: for a reference."""
RESULT: Colour = (0.27, 0.71, 0.80)
"""Cyan, tells a result from the bone it is compared with."""

# Blue: the result lies inside the reference. Ivory: they agree. Red: it lies outside. Lightness falls evenly both ways.
SIGNED_COLOURS: tuple[ColourPoint, ...] = (
    (0.000, 0.086, 0.212, 0.435),
    (0.125, 0.133, 0.380, 0.588),
    (0.250, 0.310, 0.576, 0.718),
    (0.375, 0.624, 0.780, 0.820),
    (0.500, 0.965, 0.949, 0.902),
    (0.625, 0.973, 0.773, 0.588),
    (0.750, 0.910, 0.553, 0.392),
    (0.875, 0.761, 0.302, 0.251),
    (1.000, 0.494, 0.094, 0.145),
)


def colour_points(low: float, high: float) -> tuple[ColourPoint, ...]:
    """The map for values from ``low`` to ``high`` as (value, red, green, blue), in the values' own unit.

    Below zero allowed: blue, ivory, red. Otherwise the report's ivory to purple.

    Raises:
        InputError: The range is empty or not finite.
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"The colour range {low:g} to {high:g} is empty; give a smaller and a larger number.")
    table = SIGNED_COLOURS if low < 0 else DISTANCE_COLOURS
    return tuple((low + share * (high - low), *rgb) for share, *rgb in table)  # type: ignore[misc]


def write_colour_points(points: tuple[ColourPoint, ...], path: Path | str) -> None:
    """Write a map as the text file that Slicer's procedural colour node reads."""
    lines = ["# Color procedural file", f"# {len(points)} points", "# position R G B"]
    lines += [" ".join(f"{number:g}" for number in point) for point in points]
    write_text(path, "\n".join(lines) + "\n")
