"""Anatomical landmarks of the synthetic knee and hip, found on their meshes, and what they measure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from XRayTo3DLib.geometry.frames import FloatArray


def knee_landmarks(points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Landmarks (3,) of a RIGHT knee, LPS mm, from the vertices (N, 3) of its bones."""
    femur, tibia = points["femur"], points["tibia"]
    block = femur[femur[:, 2] < 45.0]
    front = tibia[(tibia[:, 2] < -26.0) & (tibia[:, 2] > -50.0)]
    middle = tibia[np.abs(tibia[:, 0]) < 12.0]
    return {
        "lateral epicondyle": _extreme(block, (-1.0, 0.0, 0.0)),
        "medial epicondyle": _extreme(block, (1.0, 0.0, 0.0)),
        "lateral femoral condyle": _extreme(block[block[:, 0] < 0], (0.0, 0.0, -1.0)),
        "medial femoral condyle": _extreme(block[block[:, 0] > 0], (0.0, 0.0, -1.0)),
        "lateral plateau": _extreme(tibia, (-1.0, 0.0, 0.1)),
        "medial plateau": _extreme(tibia, (1.0, 0.0, 0.1)),
        "medial tibial spine": _extreme(middle[middle[:, 0] > 0], (0.0, 0.0, 1.0)),
        "tibial tuberosity": _extreme(front, (0.0, -1.0, 0.0)),
        "patella apex": _extreme(points["patella"], (0.0, 0.0, -1.0)),
        "patella base": _extreme(points["patella"], (0.0, 0.0, 1.0)),
        "fibula styloid": _extreme(points["fibula"], (0.0, 0.0, 1.0)),
    }


def hip_landmarks(points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Landmarks (3,) of a RIGHT hip, LPS mm, from the vertices (N, 3) of its bones."""
    femur, pelvis = points["femur"], points["pelvis"]
    outer = femur[femur[:, 0] < 0.7 * femur[:, 0].min()]
    inner = femur[(femur[:, 2] < -42.0) & (femur[:, 2] > -80.0)]
    return {
        "femoral head centre": np.zeros(3),
        "greater trochanter": _extreme(outer, (0.0, 0.0, 1.0)),
        "lesser trochanter": _extreme(inner, (0.7, 0.7, 0.0)),
        "anterior superior iliac spine": _extreme(pelvis[pelvis[:, 2] < 85.0], (-0.2, -1.0, 0.1)),
        "posterior superior iliac spine": _extreme(pelvis, (0.0, 1.0, 0.0)),
        "iliac crest": _extreme(pelvis, (0.0, 0.0, 1.0)),
        "pubic symphysis": _extreme(pelvis[pelvis[:, 2] < 0.0], (1.0, 0.0, 0.0)),
        "ischial tuberosity": _extreme(pelvis, (0.0, 0.2, -1.0)),
    }


def _extreme(points: FloatArray, direction: tuple[float, float, float]) -> FloatArray:
    return points[np.argmax(points @ np.asarray(direction))]
