"""Femur: neck-shaft angle, anteversion, offset and width, from landmarks; and the landmarks from a surface.

Anteversion is geometric (after Murphy et al., J Bone Joint Surg Am 69 (1987) 1169-1176): about the long axis, which
joins the knee's centre and the base of the neck, the angle between the neck and the line that touches both condyles
from behind. The neck's axis is three-dimensional: from the head's centre (of its fitted sphere) to the middle of the
curve in which a sphere 40 % larger cuts the neck (method 5 of the comparison in J Exp Orthop 10 (2023) 141).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.forearm import resting_ruler
from XRayTo3DLib.measurements.sections import curves, fitted_sphere, on_head
from XRayTo3DLib.measurements.types import Definition

MURPHY = "Murphy et al., J Bone Joint Surg Am 69 (1987) 1169-1176"
NECK_AXIS = "neck axis: method 5 of J Exp Orthop 10 (2023) 141"
HEAD, NECK = "femoral head centre", "femoral neck centre"
SHAFT = ("femoral shaft proximal", "femoral shaft distal")
CONDYLES = ("medial posterior condyle", "lateral posterior condyle")
KNEE = "knee centre"
EPICONDYLES = ("medial epicondyle", "lateral epicondyle")
DEFINITIONS = {
    "neck_shaft_angle": Definition(
        "deg", "in space, between the neck's axis and the axis of the shaft below the lesser trochanter", NECK_AXIS
    ),
    "femoral_anteversion": Definition(
        "deg",
        "seen along the long axis (knee centre to base of neck): neck against the line touching both condyles from "
        "behind; positive when the head lies in front",
        f"{MURPHY}; {NECK_AXIS}",
    ),
    "femoral_offset": Definition("mm", "from the head's centre to the shaft's axis", "as on an AP radiograph"),
    "epicondylar_width": Definition(
        "mm", "between the most prominent points of both epicondyles", "anatomical transepicondylar line"
    ),
}
NECK_SPHERE = 1.4
"""Radius of the sphere that cuts the neck, in radii of the head."""
SHAFT_FROM, SHAFT_TO = 3.5, 7.0
"""Of the shaft's axis, below the head's centre, in radii of the head: past the lesser trochanter."""
LEAST_SHAFT_MM = 40.0
"""A shorter piece of the shaft gives no direction: its axis may be several degrees off."""
WHOLE = 12.0
"""A femur that reaches so many head radii below the head's centre has its condyles."""
CONDYLES_MM, STEP_MM = 40.0, 5.0
ROUNDS, SETTLED = 8, np.cos(np.deg2rad(0.02))
"""Axes are found again in the sections across what was found, until they turn less than 0.02 degrees."""


def femur_measures(landmarks: Mapping[str, Any]) -> dict[str, float]:
    """What the landmarks at hand allow of :data:`DEFINITIONS`; degrees and mm.

    Args:
        landmarks: Name to point (3,), mm, either side, any pose; names as :func:`femur_landmarks` gives.
    """
    points = {name: np.asarray(point, dtype=np.float64) for name, point in landmarks.items()}
    found = {}
    if all(name in points for name in (HEAD, NECK, *SHAFT)):
        neck, shaft = _unit(points[HEAD] - points[NECK]), _unit(points[SHAFT[1]] - points[SHAFT[0]])
        found["neck_shaft_angle"] = float(np.rad2deg(np.arccos(neck @ shaft)))
        found["femoral_offset"] = float(np.linalg.norm(_across(points[HEAD] - points[SHAFT[0]], shaft)))
        if all(name in points for name in (*CONDYLES, KNEE)):
            found["femoral_anteversion"] = _anteversion(points, neck, shaft)
    if all(name in points for name in EPICONDYLES):
        found["epicondylar_width"] = float(np.linalg.norm(points[EPICONDYLES[0]] - points[EPICONDYLES[1]]))
    return {name: found[name] for name in DEFINITIONS if name in found}


def femur_landmarks(points: Any, triangles: Any) -> dict[str, FloatArray]:
    """Landmarks (3,) of a femur by name, found on its surface; either side, any pose, mm.

    Args:
        points: (n, 3) vertices of a whole femur, or of its upper part; spread about evenly.
        triangles: (m, 3) vertex numbers.

    Returns:
        Centres of head and neck; two points of the shaft's axis where enough of it is there; of a whole femur also
        the condyles' hindmost points, the knee's centre and both epicondyles. Nothing without a femoral head.
    """
    return femur_finder(points, triangles)(points)


def femur_finder(points: Any, triangles: Any) -> Callable[[Any], dict[str, FloatArray]]:
    """:func:`femur_landmarks` for many shapes with the same vertices: the head is looked for once, on the first."""
    triangles = np.asarray(triangles, dtype=np.int64)
    head = on_head(np.asarray(points, dtype=np.float64))

    def find(points: Any) -> dict[str, FloatArray]:
        if head is None:
            return {}
        points = np.asarray(points, dtype=np.float64)
        centre, radius = fitted_sphere(points[head])
        cuts = curves(points, triangles, np.linalg.norm(points - centre, axis=1) - NECK_SPHERE * radius)
        if not cuts:
            return {}
        found = {HEAD: centre, NECK: cuts[0][0]}
        axis = _shaft(points, triangles, centre, radius)
        if axis is None:
            return found
        found.update(zip(SHAFT, axis, strict=True))
        if np.max((points - centre) @ _unit(axis[1] - axis[0])) > WHOLE * radius:
            found.update(_distal(points, triangles, found))
        return found

    return find


def base_of_neck(points: Mapping[str, FloatArray], neck: FloatArray, shaft: FloatArray) -> FloatArray:
    """Where the shaft's axis comes nearest the neck's (3,), mm; ``neck`` and ``shaft`` are their unit directions."""
    between = points[NECK] - points[SHAFT[0]]
    both = neck @ shaft
    along = (between @ shaft - both * (between @ neck)) / (1.0 - both**2)
    return points[SHAFT[0]] + along * shaft


def _anteversion(points: Mapping[str, FloatArray], neck: FloatArray, shaft: FloatArray) -> float:
    up = _unit(base_of_neck(points, neck, shaft) - points[KNEE])
    medial = _unit(_across(points[CONDYLES[0]] - points[CONDYLES[1]], up))
    back = _across(0.5 * (points[CONDYLES[0]] + points[CONDYLES[1]]) - points[KNEE], up)
    front = -_unit(back - (back @ medial) * medial)
    return float(np.rad2deg(np.arctan2(neck @ front, neck @ medial)))


def _shaft(
    points: FloatArray, triangles: NDArray[np.int64], centre: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray] | None:
    """Upper and lower point of the proximal shaft's axis: a line through the middles of sections across it."""
    down = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
    down = down if (points.mean(axis=0) - centre) @ down > 0 else -down
    for _ in range(ROUNDS):
        height = (points - centre) @ down
        low, high = SHAFT_FROM * radius, min(SHAFT_TO * radius, float(height.max()) - STEP_MM)
        if high - low < LEAST_SHAFT_MM:
            return None
        cuts = [curves(points, triangles, height - level) for level in np.arange(low, high, STEP_MM)]
        middles = np.array([each[0][0] for each in cuts if each])
        middle = middles.mean(axis=0)
        line = np.linalg.svd(middles - middle, full_matrices=False)[2][0]
        line = line if line @ down > 0 else -line
        settled, down = line @ down > SETTLED, line
        if settled:
            break
    half = 0.5 * (high - low) * down
    return middle - half, middle + half


def _distal(points: FloatArray, triangles: NDArray[np.int64], found: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Condyles, knee centre and epicondyles of a whole femur."""
    shaft = _unit(found[SHAFT[1]] - found[SHAFT[0]])
    upper = base_of_neck(found, _unit(found[HEAD] - found[NECK]), shaft)
    knee = points[np.argmax((points - upper) @ shaft)]
    condyles = np.empty((2, 3))
    for _ in range(ROUNDS):
        down = _unit(knee - upper)
        height = (points - upper) @ down
        end = points[height > height.max() - CONDYLES_MM]
        sideways = _unit(_across(found[HEAD] - upper, down))
        before = np.cross(down, sideways)
        # Seen along the bone, a ruler laid on the end from behind rests on both condyles; its groove in front is
        # narrower, so the longer of both rulers tells which side is the back.
        flat = end @ np.stack([sideways, before], axis=1)
        rulers = [resting_ruler(flat[:, 0], sign * flat[:, 1]) for sign in (1.0, -1.0)]
        longer = max(rulers, key=lambda each: abs(flat[each[1], 0] - flat[each[0], 0]))
        condyles = end[list(longer)]
        level = float(np.mean((condyles - upper) @ down))
        cuts = curves(points, triangles, height - level)
        lengths = np.array([length for _, length in cuts])
        knee = np.array([middle for middle, _ in cuts]).T @ lengths / lengths.sum()
        if _unit(knee - upper) @ down > SETTLED:
            break
    if (condyles[0] - condyles[1]) @ sideways < 0:
        condyles = condyles[::-1]
    line = _unit(_across(condyles[0] - condyles[1], down))
    across = end @ line
    outer = (end[np.argmax(across)], end[np.argmin(across)])
    return {**dict(zip(CONDYLES, condyles, strict=True)), KNEE: knee, **dict(zip(EPICONDYLES, outer, strict=True))}


def _across(vector: FloatArray, axis: FloatArray) -> FloatArray:
    """What is left of ``vector`` perpendicular to the unit ``axis``."""
    return vector - (vector @ axis) * axis


def _unit(vector: FloatArray) -> FloatArray:
    return vector / np.linalg.norm(vector)
