"""Measure a distal forearm from its meshes as a radiologist does on PA and lateral radiographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.phantoms.landmarks import lip_points
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.shape.meshes import points_of

AXIS_LEVELS = (0.40, 0.85)
"""Where the shaft's midpoints are taken, as fractions of the visible length proximal of the joint."""


def measure_forearm(meshes: Mapping[str, vtkPolyData], landmarks: Mapping[str, Any]) -> dict[str, float]:
    """Radiographic measurements of a forearm in the phantom's frame (LPS mm, +z distal, -y volar).

    The shaft's axis joins the midpoints of the shaft's outline at two levels of each view. Definitions: Medoff,
    "Essential radiographic evaluation for distal radius fractures", Hand Clin 21 (2005): the ulnar corner is the
    central reference point, midway between the volar and the dorsal end of the sigmoid notch.

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
    corner = 0.5 * (points["volar sigmoid notch"] + points["dorsal sigmoid notch"])
    frontal, sagittal = _shaft_direction(radius, 0), _shaft_direction(radius, 1)
    radius_pa, radius_lat = _along(radius, frontal, 0), _along(radius, sagittal, 1)
    corner_pa = _along(corner, frontal, 0)
    tip = radius_pa[np.argmax(radius_pa[:, 1])]
    rise = tip - corner_pa
    volar, dorsal = _lips(radius, radius_lat, corner, tip)
    slope = dorsal - volar
    dome = _dome(ulna, points["ulnar head centre"])
    end = radius_pa[:, 1] > corner_pa[1] - 12.0
    lateral_end = (radius_lat[:, 1] > corner_pa[1] - 8.0) & (radius[:, 0] < 0.5 * (corner[0]))
    return {
        "radial_inclination": float(np.rad2deg(np.arctan2(rise[1], rise[0]))),
        "volar_tilt": float(np.rad2deg(np.arctan2(slope[1], slope[0]))),
        "radial_height": float(rise[1]),
        "ulnar_variance": float(_along(dome, frontal, 0)[1] - corner_pa[1]),
        "distal_width": float(np.ptp(radius_pa[end, 0])),
        "distal_depth": float(np.ptp(radius_lat[lateral_end, 0])),
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


def _shaft_direction(radius: FloatArray, axis: int) -> FloatArray:
    """Unit direction (across, distal) of the shaft in the view that shows ``axis`` (0 PA, 1 lateral)."""
    bottom = radius[:, 2].min()
    middles = []
    for level in AXIS_LEVELS:
        z = level * bottom
        outline = radius[np.abs(radius[:, 2] - z) < 1.0, axis]
        middles.append(np.array([0.5 * (outline.min() + outline.max()), z]))
    step = middles[0] - middles[1]
    return step / np.linalg.norm(step)


def _along(points: FloatArray, direction: FloatArray, axis: int) -> FloatArray:
    """Points (..., 2) of the view that shows ``axis``: across the shaft, along the shaft, mm."""
    across, up = points[..., axis], points[..., 2]
    return np.stack([across * direction[1] - up * direction[0], across * direction[0] + up * direction[1]], axis=-1)


def _lips(
    radius: FloatArray, lateral: FloatArray, corner: FloatArray, tip: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Volar and dorsal lip (2,) of the lunate fossa in the lateral view."""
    middle = corner[0] + 0.28 * (tip[0] - corner[0])
    slab = np.abs(radius[:, 0] - middle) < 1.0
    flat = np.column_stack([np.zeros(int(slab.sum())), lateral[slab]])
    volar, dorsal = lip_points(flat)
    return volar[1:], dorsal[1:]


def _dome(ulna: FloatArray, centre: FloatArray) -> FloatArray:
    """Most distal point (3,) of the ulnar head on the side of the radius, away from the styloid."""
    head = ulna[(ulna[:, 2] > centre[2] - 5.0) & (ulna[:, 0] > centre[0]) & (ulna[:, 1] < centre[1] + 2.0)]
    return head[np.argmax(head[:, 2])]
