"""What a target could show: which points of a model lie in the field of view it was measured in.

A clip is a function from points (m, 3), world mm, to a mask (m,): True where the target would show the bone if it
were there. Points outside look for no target point, so that the unseen end of a bone is not dragged to the cut
(3DDX, Gu et al. 2024: ``clip`` in equation (5)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import unit, vector3
from XRayTo3DLib.shape.meshes import boundary_edges, points_of

Clip = Callable[[Any], NDArray[np.bool_]]


def frustum_clip(camera: XRayCamera, margin_px: float = 0.0) -> Clip:
    """Points whose shadow falls on the detector, ``margin_px`` pixels or more inside its edge."""
    columns, rows = camera.size

    def shown(points: Any) -> NDArray[np.bool_]:
        pixel = camera.project(points)
        low, high = margin_px - 0.5, np.array([columns, rows]) - 0.5 - margin_px
        # Behind the source the projection is NaN, and every comparison with NaN is False.
        return np.all((pixel >= low) & (pixel <= high), axis=1)

    return shown


def box_clip(low: Any, high: Any) -> Clip:
    """Points in the box from ``low`` (3,) to ``high`` (3,), LPS mm.

    Raises:
        InputError: A corner of ``low`` lies above ``high``.
    """
    low, high = vector3(low, "box"), vector3(high, "box")
    if np.any(low >= high):
        raise InputError(f"box: low {low} must lie below high {high} along every axis.")
    return lambda points: np.all((np.asarray(points) >= low) & (np.asarray(points) <= high), axis=1)


def plane_clip(point: Any, normal: Any) -> Clip:
    """Points on the side of the plane through ``point`` (3,) that ``normal`` (3,) shows to, LPS mm."""
    point, normal = vector3(point, "plane point"), unit(normal, "plane normal")
    return lambda points: (np.asarray(points) - point) @ normal >= 0


def edge_clip(surface: vtkPolyData, margin_mm: float = 0.0) -> Clip:
    """Points whose nearest vertex of an open ``surface`` does not lie on its open edge (or within ``margin_mm``).

    For targets that were cut where nobody says: what lies beyond the cut is nearest to the cut's edge.
    """
    vertices = points_of(surface)
    tree = cKDTree(vertices)
    rim = np.zeros(len(vertices), dtype=bool)
    edges = np.unique(boundary_edges(surface))
    rim[edges] = True
    if margin_mm > 0 and len(edges):
        rim |= cKDTree(vertices[edges]).query(vertices, distance_upper_bound=margin_mm)[0] <= margin_mm
    return lambda points: ~rim[tree.query(np.asarray(points))[1]]


def every_clip(*clips: Clip) -> Clip:
    """Points that every one of ``clips`` shows."""
    return lambda points: np.logical_and.reduce([clip(points) for clip in clips])
