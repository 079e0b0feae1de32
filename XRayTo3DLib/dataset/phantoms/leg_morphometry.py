"""Measure knees and hips from their meshes, in the phantoms' frame (LPS mm, +z up); works on real bones too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.sections import fitted_sphere
from XRayTo3DLib.shape.meshes import points_of

SLAB = 2.0
"""Half thickness of the slabs in which outlines are measured, mm."""


def measure_knee(meshes: Mapping[str, vtkPolyData]) -> dict[str, float]:
    """Dimensions of a knee in its frame (joint line at z = 0), either side.

    Args:
        meshes: "femur", "tibia", "patella" and "fibula".

    Returns:
        epicondylar_width, condyle_depth, notch_width (14 mm behind the epicondyles), plateau_width, plateau_depth,
        spine_height, patella_width, patella_length, patella_thickness, fibula_head_width (its longest horizontal
        extent), femur_shaft_width and tibia_shaft_width (12 cm from the joint), all mm; femur_valgus and
        plateau_slope (medial), deg.

    Raises:
        InputError: A bone is missing.
    """
    femur, tibia, patella, fibula = (_points(meshes, bone) for bone in ("femur", "tibia", "patella", "fibula"))
    medial = -np.sign(np.mean(fibula[:, 0]))
    block, plateau = femur[femur[:, 2] < 45.0], tibia[tibia[:, 2] > -13.0]
    thigh, head = femur[femur[:, 2] > 90.0], fibula[fibula[:, 2] > -32.0]
    slope, height = _medial_plateau(tibia * [medial, 1.0, 1.0])
    lean = (_middle(thigh, thigh[:, 2].max() - 4.0) - _middle(thigh, 94.0))[[0, 2]]
    return {
        "epicondylar_width": float(np.ptp(block[:, 0])),
        "condyle_depth": float(np.ptp(block[:, 1])),
        "notch_width": _notch_width(femur),
        "plateau_width": float(np.ptp(plateau[:, 0])),
        "plateau_depth": float(np.ptp(plateau[:, 1])),
        "plateau_slope": slope,
        "spine_height": float(tibia[:, 2].max() - height),
        "patella_width": float(np.ptp(patella[:, 0])),
        "patella_thickness": float(np.ptp(patella[:, 1])),
        "patella_length": float(np.ptp(patella[:, 2])),
        "fibula_head_width": float(max(np.ptp(head[:, 0]), np.ptp(head[:, 1]))),
        "femur_shaft_width": float(np.ptp(_slab(femur, 120.0)[:, 0])),
        "tibia_shaft_width": float(np.ptp(_slab(tibia, -120.0)[:, 0])),
        "femur_valgus": float(np.rad2deg(np.arctan2(-medial * lean[0], lean[1]))),
    }


def measure_hip(meshes: Mapping[str, vtkPolyData]) -> dict[str, float]:
    """Dimensions of a hip in its frame (femoral head's centre at the origin), either side.

    Args:
        meshes: "femur" and "pelvis".

    Returns:
        head_diameter, femoral_offset, neck_width (where it is narrowest), trochanter_height, femur_shaft_width
        (12 cm below the head), half_pelvis (to the symphysis' bone), pelvis_height, pelvis_depth, all mm;
        neck_shaft_angle and anteversion (against the frontal plane), adduction, deg.

    Raises:
        InputError: A bone is missing.
    """
    femur, pelvis = _points(meshes, "femur"), _points(meshes, "pelvis")
    medial = float(np.sign(pelvis[np.argmax(np.abs(pelvis[:, 0])), 0]))
    mirror = np.array([medial, 1.0, 1.0])
    femur, pelvis = femur * mirror, pelvis * mirror
    centre, radius = fitted_sphere(femur[femur[:, 0] > 0.0])
    low, high = _middle(femur, femur[:, 2].min() + 6.0), _middle(femur, -100.0)
    shaft = (high - low) / np.linalg.norm(high - low)
    away = centre - low - ((centre - low) @ shaft) * shaft
    axis, width = neck_of(femur, centre, radius, low + ((centre - low) @ shaft - radius) * shaft)
    outer = femur[femur[:, 0] < centre[0] - np.linalg.norm(away)]
    return {
        "head_diameter": 2.0 * radius,
        "femoral_offset": float(np.linalg.norm(away)),
        "neck_shaft_angle": float(np.rad2deg(np.arccos(axis @ shaft))),
        "anteversion": float(np.rad2deg(np.arctan2(axis[1], -axis[0]))),
        "neck_width": width,
        "trochanter_height": float(outer[:, 2].max() - centre[2]),
        "femur_shaft_width": float(np.ptp(_slab(femur, -120.0)[:, 0])),
        "adduction": float(np.rad2deg(np.arctan2(-shaft[0], shaft[2]))),
        "half_pelvis": float(pelvis[:, 0].max() - centre[0]),
        "pelvis_height": float(np.ptp(pelvis[:, 2])),
        "pelvis_depth": float(np.ptp(pelvis[:, 1])),
    }


def neck_of(points: FloatArray, centre: FloatArray, radius: float, towards: FloatArray) -> tuple[FloatArray, float]:
    """Femoral neck: direction (3,) from the head's centre down the neck, and its largest width where narrowest, mm.

    Args:
        points: (N, 3) vertices of the proximal femur.
        centre: (3,) of the head.
        radius: Of the head, mm.
        towards: (3,) a point near the other end of the neck.
    """
    axis = (towards - centre) / np.linalg.norm(towards - centre)
    for _ in range(6):
        middles = [_section(points, centre, axis, radius, share).mean(axis=0) for share in (0.95, 1.05, 1.15, 1.25)]
        axis = np.mean(middles, axis=0) - centre
        axis /= np.linalg.norm(axis)
    widths = []
    for share in np.arange(0.9, 1.5, 0.1):
        ring = _section(points, centre, axis, radius, share)
        across = ring - ring.mean(axis=0)
        first = np.linalg.svd(across - np.outer(across @ axis, axis), full_matrices=False)[2][0]
        widths.append(float(np.ptp(across @ first)))
    return axis, min(widths)


def _section(points: FloatArray, centre: FloatArray, axis: FloatArray, radius: float, share: float) -> FloatArray:
    """Vertices around the neck ``share`` head radii from the head's centre."""
    along = (points - centre) @ axis
    away = np.linalg.norm(points - centre - np.outer(along, axis), axis=1)
    return points[(np.abs(along - share * radius) < SLAB) & (away < 1.1 * radius)]


def _points(meshes: Mapping[str, vtkPolyData], bone: str) -> FloatArray:
    if bone not in meshes:
        raise InputError(f"cannot measure: the mesh of the {bone} is missing.")
    return points_of(meshes[bone])


def _slab(points: FloatArray, level: float) -> FloatArray:
    return points[np.abs(points[:, 2] - level) < SLAB]


def _middle(points: FloatArray, level: float) -> FloatArray:
    """Middle (3,) of the outline's box at a level, mm."""
    slab = _slab(points, level)
    return np.array([*(0.5 * (slab[:, :2].min(axis=0) + slab[:, :2].max(axis=0))), level])


def _notch_width(femur: FloatArray) -> float:
    """Gap between both condyles 14 mm behind the origin, 10 to 16 mm above the joint line."""
    slab = femur[(np.abs(femur[:, 1] - 14.0) < SLAB) & (np.abs(femur[:, 2] - 13.0) < 3.0)]
    inner = slab[np.abs(slab[:, 0]) < 24.0]
    return float(inner[inner[:, 0] > 0, 0].min() - inner[inner[:, 0] < 0, 0].max())


def _medial_plateau(tibia: FloatArray) -> tuple[float, float]:
    """Posterior slope (deg) and height (mm) of the medial plateau: a plane through its upper vertices."""
    centre = 0.5 * np.array([tibia[:, 0].max(), 4.0, 0.0])
    near = (np.abs(tibia[:, 0] - centre[0]) < 7.0) & (np.abs(tibia[:, 1] - centre[1]) < 11.0) & (tibia[:, 2] > -14.0)
    top = tibia[near]
    slope, height = np.polyfit(top[:, 1], top[:, 2], 1)
    return float(np.rad2deg(np.arctan(-slope))), float(height)
