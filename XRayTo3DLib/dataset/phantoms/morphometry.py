"""Measure a distal forearm from its meshes as a radiologist does on PA and lateral radiographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.forearm import NOTCH, SHAFT, along, found_in_frame, measures_in_frame
from XRayTo3DLib.shape.meshes import points_of

AXIS_LEVELS = (0.40, 0.85)
"""Where the shaft's midpoints are taken, as fractions of the visible length proximal of the joint."""


def measure_forearm(meshes: Mapping[str, vtkPolyData], landmarks: Mapping[str, Any]) -> dict[str, float]:
    """Radiographic measurements of a forearm in the phantom's frame (LPS mm, +z distal, -y volar).

    As :mod:`XRayTo3DLib.measurements.forearm` defines them (Medoff 2005), with the views along the phantom's own axes.
    The shaft's axis joins the midpoints of the shaft's outline at two levels of each view.

    Args:
        meshes: "radius" and "ulna".
        landmarks: "volar sigmoid notch", "dorsal sigmoid notch" and "ulnar head centre", (3,) LPS mm.

    Returns:
        radial_inclination and volar_tilt (deg), radial_height, ulnar_variance (positive: ulna longer),
        distal_width and distal_depth (mm; the depth without Lister's tubercle).

    Raises:
        InputError: A mesh or landmark is missing.
    """
    radius, ulna, points = _right_frame(meshes, landmarks)
    points.update(zip(SHAFT, (_shaft_middle(radius, level) for level in AXIS_LEVELS), strict=True))
    points.update(found_in_frame({"radius": radius, "ulna": ulna}, points))
    return {**measures_in_frame(points), **_size(radius, points)}


def _size(radius: FloatArray, points: Mapping[str, FloatArray]) -> dict[str, float]:
    """Width and depth of the radius' end, mm."""
    corner, step = 0.5 * (points[NOTCH[0]] + points[NOTCH[1]]), points[SHAFT[0]] - points[SHAFT[1]]
    frontal, lateral = (along(radius, step[[axis, 2]] / np.linalg.norm(step[[axis, 2]]), axis) for axis in (0, 1))
    height = along(corner, step[[0, 2]] / np.linalg.norm(step[[0, 2]]), 0)[1]
    end = frontal[:, 1] > height - 12.0
    lateral_end = (lateral[:, 1] > height - 8.0) & (radius[:, 0] < 0.5 * corner[0])
    return {
        "distal_width": float(np.ptp(frontal[end, 0])),
        "distal_depth": float(np.ptp(lateral[lateral_end, 0])),
    }


def _right_frame(
    meshes: Mapping[str, vtkPolyData], landmarks: Mapping[str, Any]
) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
    """Vertices and landmarks mirrored, if need be, so that radial is +x."""
    names = ("volar sigmoid notch", "dorsal sigmoid notch", "ulnar head centre")
    absent = [name for name in ("radius", "ulna") if name not in meshes]
    absent += [name for name in names if name not in landmarks]
    if absent:
        raise InputError(f"cannot measure the forearm: {', '.join(absent)} is missing.")
    radius, ulna = points_of(meshes["radius"]), points_of(meshes["ulna"])
    flip = np.array([np.sign(radius[:, 0].mean() - ulna[:, 0].mean()), 1.0, 1.0])
    return radius * flip, ulna * flip, {name: np.asarray(landmarks[name], dtype=float) * flip for name in names}


def _shaft_middle(radius: FloatArray, level: float) -> FloatArray:
    """Middle (3,) of the shaft's outline in both views at a share of the visible length, mm."""
    z = level * radius[:, 2].min()
    outline = radius[np.abs(radius[:, 2] - z) < 1.0, :2]
    return np.array([*(0.5 * (outline.min(axis=0) + outline.max(axis=0))), z])
