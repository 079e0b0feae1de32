"""Before two surfaces are compared: do they share unit and frame, or is one in centimetres or in RAS?"""

from __future__ import annotations

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.meshes import points_of

# Extents must all agree with the same power of ten to this share before a unit is blamed.
_UNIT_TOLERANCE = 0.2
# Boxes further apart than this share of the reference's size lie in different places.
_SLACK = 0.1
_POOR_OVERLAP, _GOOD_OVERLAP = 0.25, 0.6


def check_same_space(reference: vtkPolyData, result: vtkPolyData) -> tuple[str, ...]:
    """Refuse surfaces that cannot lie in the same space, and warn of ones that probably do not.

    Args:
        reference: LPS mm.
        result: Supposed to be in the same frame and unit.

    Returns:
        Warnings: the boxes overlap poorly as they are and well with x and y flipped.

    Raises:
        InputError: One is 10, 100 or 1000 times larger, or the bounding boxes are clearly apart; the message says
            whether flipping x and y (LPS/RAS) would bring them together.
    """
    first, second = _box(reference), _box(result)
    _check_scale(first, second)
    flipped = _flip(second)
    now, after = _overlap(first, second), _overlap(first, flipped)
    gap, slack = _gap(first, second), _SLACK * float(np.ptp(first, axis=0).max())
    if gap > slack:
        if _gap(first, flipped) <= slack:
            raise InputError(
                f"The two surfaces are {gap:.0f} mm apart, but flipping x and y brings them together: one is in RAS "
                f"and the other in LPS. Export it again in LPS, or write SPACE=RAS into its header."
            )
        raise InputError(
            f"The two surfaces are {gap:.0f} mm apart (their bounding boxes do not touch): "
            f"they are in different frames or not registered. Align them first."
        )
    if now < _POOR_OVERLAP and after > _GOOD_OVERLAP:
        return (
            f"The bounding boxes overlap by {100 * now:.0f} %, with x and y of the result flipped by "
            f"{100 * after:.0f} %: one surface may be in RAS, the other in LPS.",
        )
    return ()


def _box(surface: vtkPolyData) -> np.ndarray:
    points = points_of(surface)
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _flip(box: np.ndarray) -> np.ndarray:
    flipped = box * (-1.0, -1.0, 1.0)
    return np.sort(flipped, axis=0)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between two boxes, mm; 0 when they touch."""
    return float(np.linalg.norm(np.maximum(0.0, np.maximum(a[0] - b[1], b[0] - a[1]))))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Common volume as a share of the volume of both boxes together."""
    common = np.prod(np.maximum(0.0, np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])))
    both = np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0)) - common
    return float(common / both) if both > 0 else 0.0


def _check_scale(reference: np.ndarray, result: np.ndarray) -> None:
    extents = np.sort(np.ptp(reference, axis=0)), np.sort(np.ptp(result, axis=0))
    if np.any(extents[0] <= 0) or np.any(extents[1] <= 0):
        return
    ratios = extents[1] / extents[0]
    for factor in (10.0, 100.0, 1000.0):
        for name, ratio in (("result", ratios), ("reference", 1 / ratios)):
            if np.all(np.abs(ratio / factor - 1) < _UNIT_TOLERANCE):
                raise InputError(
                    f"The {name} is {factor:.0f} times larger than the other surface in every direction: "
                    f"their units differ (mm, cm, m). Give the unit of each (--unit, --result-unit)."
                )
