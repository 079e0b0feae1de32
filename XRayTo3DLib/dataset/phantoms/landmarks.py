"""Anatomical landmarks of the synthetic forearm, found on its meshes."""

from __future__ import annotations

from typing import Any

import numpy as np

from XRayTo3DLib.dataset.phantoms.radius import Radius
from XRayTo3DLib.dataset.phantoms.ulna import Ulna
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.forearm import resting_ruler

ON_SURFACE = (
    "radial styloid tip",
    "ulnar styloid tip",
    "volar sigmoid notch",
    "dorsal sigmoid notch",
    "Lister's tubercle",
    "articular centre",
    "volar rim",
    "dorsal rim",
)
"""Landmarks that lie on a bone's surface; the others are points of axes or centres."""


def find_landmarks(radius: Radius, ulna: Ulna, points: dict[str, FloatArray], length: float) -> dict[str, FloatArray]:
    """Landmarks (3,) of a RIGHT forearm, mm.

    Args:
        radius: The radius.
        ulna: The ulna.
        points: Mesh vertices (N, 3) of "radius" and "ulna" in the frame of a right forearm.
        length: Length of the bones proximal of the joint, mm.
    """
    bone, corner = points["radius"], radius.surface.rim(radius.surface.ulnar_x, 0.0)
    half = radius.surface.half_depth
    lunate = bone[np.abs(bone[:, 0] - 0.5 * radius.surface.ulnar_x) < 1.0]
    volar, dorsal = lip_points(lunate)
    edge = bone[(bone[:, 2] > corner - 6.0) & (bone[:, 0] < 0.6 * radius.surface.ulnar_x)]
    back = bone[(bone[:, 2] > -16.0) & (bone[:, 2] < -3.0) & (np.abs(bone[:, 0] - 1.8) < 3.5)]
    near, far = -0.40 * length, -0.85 * length
    return {
        "radial styloid tip": bone[np.argmax(bone[:, 2])],
        "ulnar styloid tip": points["ulna"][np.argmax(points["ulna"][:, 2])],
        "volar sigmoid notch": _extreme(edge[edge[:, 1] < 0.2 * half], (-0.6, -0.55, 0.6)),
        "dorsal sigmoid notch": _extreme(edge[edge[:, 1] > -0.2 * half], (-0.6, 0.55, 0.6)),
        "Lister's tubercle": _extreme(back, (0.0, 1.0, 0.0)),
        "articular centre": np.zeros(3),
        "volar rim": volar,
        "dorsal rim": dorsal,
        "radial shaft distal": np.array([*map(float, radius.sides.axis_at(near)), near]),
        "radial shaft proximal": np.array([*map(float, radius.sides.axis_at(far)), far]),
        "ulnar head centre": ulna.head,
    }


def lip_points(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Volar and dorsal lip (3,) of a sagittal slab (N, 3) of the radius: where a ruler laid on the joint rests.

    The ruler is the longest edge of the upper convex hull in the y-z plane, as drawn on a lateral radiograph.
    """
    volar, dorsal = resting_ruler(points[:, 1], points[:, 2])
    return points[volar], points[dorsal]


def _extreme(points: FloatArray, direction: Any) -> FloatArray:
    return points[np.argmax(points @ np.asarray(direction))]
