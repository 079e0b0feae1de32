"""Exact nearest points on a triangle surface, on which side a point lies, and whether that is the open edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vtkmodules.vtkCommonCore import reference
from vtkmodules.vtkCommonDataModel import (
    vtkCellArray,
    vtkGenericCell,
    vtkPolyData,
    vtkStaticCellLocator,
)
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals

from XRayTo3DLib.shape.meshes import (
    boundary_edges,
    edge_numbers,
    enclosed_volume,
    make_surface,
    points_of,
    triangles_of,
)

# Nearest points this close to an edge or corner (as a share of the triangle) belong to that edge or corner.
_CORNER = 1e-7
# How far off the open edge, as a share of the surface's size, rounding may put a point that lies on it.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ClosestPoints:
    """Where queries meet a surface.

    Attributes:
        queries: The points asked about, ``(n, 3)`` LPS mm.
        points: The nearest point of the surface to each, ``(n, 3)`` LPS mm.
        distances: How far that is, ``(n,)`` mm.
        triangles: The triangle it lies on, ``(n,)``.
    """

    queries: np.ndarray
    points: np.ndarray
    distances: np.ndarray
    triangles: np.ndarray


def closest_points(surface: vtkPolyData, queries: np.ndarray) -> ClosestPoints:
    """Nearest point on the triangles (not only the vertices) of ``surface`` to each of ``queries (n, 3)``, LPS mm."""
    locator = vtkStaticCellLocator()
    locator.SetDataSet(surface)
    locator.BuildLocator()
    count = len(queries)
    points, triangles = np.empty((count, 3)), np.empty(count, dtype=np.int64)
    cell, nearest, number, part, squared = vtkGenericCell(), [0.0] * 3, reference(0), reference(0), reference(0.0)
    for i, query in enumerate(np.asarray(queries, dtype=np.float64).tolist()):
        locator.FindClosestPoint(query, nearest, cell, number, part, squared)
        points[i] = nearest
        triangles[i] = number.get()
    distances = np.linalg.norm(points - queries, axis=1)
    return ClosestPoints(np.asarray(queries), points, distances, triangles)


def on_boundary(surface: vtkPolyData, points: np.ndarray, margin_mm: float = 0.0) -> np.ndarray:
    """Which of ``points (n, 3)`` lie on (within ``margin_mm`` of) the open edge of ``surface``; bool ``(n,)``."""
    from scipy.spatial import cKDTree  # late: SciPy takes long to load, and panels load this file

    edges = boundary_edges(surface)
    if len(edges) == 0 or len(points) == 0:
        return np.zeros(len(points), dtype=bool)
    lines = vtkCellArray()
    for a, b in edges.tolist():
        lines.InsertNextCell(2, (a, b))
    border = vtkPolyData()
    border.SetPoints(surface.GetPoints())
    border.SetLines(lines)
    rounding = _ROUNDING * float(np.ptp(points_of(surface), axis=0).max())
    vertices = points_of(surface)
    longest = float(np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).max())
    reach = margin_mm + rounding
    # A point within reach of an edge is within reach and half the edge of one of its ends: few are left to look at.
    ends = cKDTree(vertices[np.unique(edges)])
    near = ends.query(points, distance_upper_bound=1.001 * (reach + longest / 2))[0] < np.inf
    touching = np.zeros(len(points), dtype=bool)
    touching[near] = closest_points(border, np.asarray(points)[near]).distances <= reach
    return touching


def oriented(surface: vtkPolyData) -> vtkPolyData:
    """The surface with all its triangles facing outward (for an open one: away from its inside as best known)."""
    normals = vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.ConsistencyOn()
    normals.SplittingOff()
    normals.ComputePointNormalsOff()
    normals.Update()
    output = normals.GetOutput()
    if enclosed_volume(output) < 0:
        output = make_surface(points_of(output), triangles_of(output)[:, ::-1])
    return output


def outside_signs(surface: vtkPolyData, closest: ClosestPoints) -> np.ndarray:
    """+1 for queries outside ``surface``, -1 inside, ``(n,)``.

    The sign of (query - nearest point) . pseudo-normal, where the pseudo-normal is the triangle's normal inside a
    triangle, the sum of both normals on an edge, and the angle-weighted sum at a corner: exact for closed surfaces
    (Baerentzen and Aanaes, IEEE TVCG 2005), a local "which side" for open ones.

    Args:
        surface: Facing outward, as from :func:`oriented`.
        closest: From :func:`closest_points` on that very surface.
    """
    vertices, triangles = points_of(surface), triangles_of(surface)
    chosen = triangles[closest.triangles]
    weights = barycentric(vertices[chosen], closest.points)
    touched = weights > _CORNER
    face_normals = _unit_normals(vertices, triangles)
    normal = face_normals[closest.triangles]
    edge_normals = _edge_normals(triangles, face_normals)
    corner_normals = _corner_normals(vertices, triangles, face_normals)
    on_edge = touched.sum(axis=1) == 2
    opposite = np.argmin(touched, axis=1)
    normal[on_edge] = edge_normals[closest.triangles[on_edge], opposite[on_edge]]
    at_corner = touched.sum(axis=1) == 1
    corner = np.argmax(touched, axis=1)
    normal[at_corner] = corner_normals[chosen[at_corner, corner[at_corner]]]
    side = np.einsum("nd,nd->n", closest.queries - closest.points, normal)
    return np.where(side < 0, -1.0, 1.0)


def _unit_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def barycentric(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Weights ``(n, 3)`` of ``points`` in triangles ``corners (n, 3, 3)``; a flat one gives its nearest corner."""
    u, v, w = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    uu, uv, vv = (np.einsum("nd,nd->n", *pair) for pair in ((u, u), (u, v), (v, v)))
    wu, wv = np.einsum("nd,nd->n", w, u), np.einsum("nd,nd->n", w, v)
    area = uu * vv - uv * uv
    flat = area <= 1e-14 * np.maximum(uu * vv, 1e-300)
    area = np.where(flat, 1.0, area)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    weights = np.stack([1 - second - third, second, third], axis=1)
    if flat.any():
        nearest = np.argmin(np.linalg.norm(corners[flat] - points[flat, None], axis=2), axis=1)
        weights[flat] = np.eye(3)[nearest]
    return weights


def _edge_normals(triangles: np.ndarray, face_normals: np.ndarray) -> np.ndarray:
    """Sum of the normals at the edge opposite each corner, ``(m, 3 corners, 3)``."""
    _, edge = np.unique(edge_numbers(triangles[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2)), return_inverse=True)
    edge = edge.ravel()
    owner = np.repeat(np.arange(len(triangles)), 3)
    sums = np.stack([np.bincount(edge, weights=face_normals[owner, k]) for k in range(3)], axis=1)
    return sums[edge].reshape(len(triangles), 3, 3)


def _corner_normals(vertices: np.ndarray, triangles: np.ndarray, face_normals: np.ndarray) -> np.ndarray:
    """Angle-weighted sum of the normals around every vertex, ``(n, 3)``."""
    corners = vertices[triangles]
    forward = np.roll(corners, -1, axis=1) - corners
    backward = np.roll(corners, 1, axis=1) - corners
    lengths = np.linalg.norm(forward, axis=2) * np.linalg.norm(backward, axis=2)
    cosine = np.einsum("mkd,mkd->mk", forward, backward) / np.where(lengths > 0, lengths, 1.0)
    angles = np.where(lengths > 0, np.arccos(np.clip(cosine, -1.0, 1.0)), 0.0)
    weighted = angles[:, :, None] * face_normals[:, None, :]
    flat = triangles.ravel()
    return np.stack(
        [np.bincount(flat, weights=weighted[:, :, k].ravel(), minlength=len(vertices)) for k in range(3)], axis=1
    )
