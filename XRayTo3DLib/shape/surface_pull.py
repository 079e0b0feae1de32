"""Vertices of a template already near another surface pulled onto it, smoothly. LPS mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.closest_points import closest_points, on_boundary
from XRayTo3DLib.shape.meshes import boundary_edges, points_of, triangles_of

FloatArray = NDArray[np.float64]

FACING = 0.3
"""Least cosine between a vertex' normal and that of the place it is pulled to: not to the other side of a thin wing."""


@dataclass(frozen=True, eq=False)
class Pulled:
    """Where the vertices came to lie.

    Attributes:
        points: ``(n, 3)`` mm; on the surface where ``seen``.
        distance_mm: ``(n,)`` how far each was before the last step put it on the surface.
        seen: ``(n,)`` False: beyond the surface's open edge, its place only carried on from its neighbours.
    """

    points: FloatArray
    distance_mm: FloatArray
    seen: NDArray[np.bool_]


def pull_onto(
    surface: vtkPolyData,
    points: FloatArray,
    triangles: NDArray[np.int64],
    softness: tuple[float, ...] = (50.0, 10.0, 2.0),
) -> Pulled:
    """Draw ``points`` to their closest points on ``surface``, the moves smoothed over the template's edges.

    Args:
        surface: Facing outward.
        points: ``(n, 3)`` mm, near it.
        triangles: ``(m, 3)`` of the template, facing outward.
        softness: How strongly neighbours move alike, one round each.
    """
    roughness = _laplacian(triangles, len(points))
    target_normals = _normals(points_of(surface), triangles_of(surface))
    is_open = len(boundary_edges(surface)) > 0
    for weight in softness:
        aim, _, trusted = _aims(surface, target_normals, points, triangles, is_open)
        matrix = (diags(trusted.astype(float) + 1e-6) + weight * roughness).tocsc()
        points = points + splu(matrix).solve(trusted[:, None] * (aim - points))
    closest = closest_points(surface, points)
    beyond = _beyond(surface, closest.points, closest.queries, is_open)
    placed = np.where(beyond[:, None], points, closest.points)
    return Pulled(placed, closest.distances, ~beyond)


def vertex_normals(points: FloatArray, triangles: NDArray[np.int64]) -> FloatArray:
    """Unit normals ``(n, 3)``, the triangles' weighted by area; 0 where no triangle is."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], np.cross(b - a, c - a))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _aims(
    surface: vtkPolyData, target_normals: FloatArray, points: FloatArray, triangles: NDArray[np.int64], is_open: bool
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    closest = closest_points(surface, points)
    facing = np.einsum("nd,nd->n", vertex_normals(points, triangles), target_normals[closest.triangles])
    trusted = (facing > FACING) & ~_beyond(surface, closest.points, points, is_open)
    return closest.points, closest.distances, trusted


def _beyond(surface: vtkPolyData, nearest: FloatArray, points: FloatArray, is_open: bool) -> NDArray[np.bool_]:
    """Which points are past the open edge: their nearest point lies on it, and they are off it."""
    if not is_open:
        return np.zeros(len(points), dtype=bool)
    return on_boundary(surface, nearest) & (np.linalg.norm(points - nearest, axis=1) > 1e-3)


def _normals(points: FloatArray, triangles: NDArray[np.int64]) -> FloatArray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _laplacian(triangles: NDArray[np.int64], count: int) -> csr_matrix:
    """Graph Laplacian over the edges, each row divided by nothing: sum of squared differences of neighbours."""
    pairs = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
    return (diags(np.asarray(links.sum(axis=1)).ravel()) - links).tocsr()
