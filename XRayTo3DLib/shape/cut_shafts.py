"""Bones that a scan cut through: their shafts go on straight past the cut, and are closed there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def prolonged(
    points: FloatArray, triangles: IntArray, beyond_mm: float
) -> tuple[FloatArray, IntArray, NDArray[np.bool_]]:
    """A surface whose open ends go on straight and are closed by a lid; a closed one stays as it is.

    Each loop of open edges goes on along the normal of the plane through it, away from the bone's middle.

    Args:
        points: (n, 3) vertices, mm.
        triangles: (m, 3), facing outward.
        beyond_mm: How far; 0 only closes.

    Returns:
        Vertices, the given ones first; triangles, the given ones first; and which triangles are the bone's wall, not a
        lid.
    """
    wall, lids = [triangles], []
    vertices = points
    edges = open_edges(triangles)
    for rim in _loops(edges, len(points)):
        ends = points[rim[:, 0]]
        down = beyond_mm * _outward(ends, points)
        ring = np.full(len(points), -1)
        ring[rim[:, 0]] = len(vertices) + np.arange(len(rim))
        start, end = rim.T
        middle = np.full(len(rim), len(vertices) + len(rim))
        wall += [np.stack([end, start, ring[start]], axis=1), np.stack([end, ring[start], ring[end]], axis=1)]
        lids.append(np.stack([ring[end], ring[start], middle], axis=1))
        vertices = np.concatenate([vertices, ends + down, (ends + down).mean(axis=0)[None]])
    walls = np.concatenate(wall)
    faces = np.concatenate([walls, *lids]) if lids else walls
    return vertices, faces, np.arange(len(faces)) < len(walls)


def open_edges(triangles: IntArray) -> IntArray:
    """(e, 2) directed edges that only one triangle has, as that triangle runs through them."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, inverse, counts = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(edges[counts[np.ravel(inverse)] == 1])


def cut_normals(points: FloatArray, triangles: IntArray) -> FloatArray:
    """(c, 3) unit normals of the planes through the loops of open edges, away from the bone."""
    loops = _loops(open_edges(triangles), len(points))
    return np.array([_outward(points[rim[:, 0]], points) for rim in loops]).reshape(-1, 3)


def _loops(edges: IntArray, count: int) -> list[IntArray]:
    """Open edges loop by loop."""
    if not len(edges):
        return []
    linked = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    labels = connected_components(linked, directed=False)[1][edges[:, 0]]
    return [edges[labels == each] for each in np.unique(labels)]


def _outward(rim: FloatArray, points: FloatArray) -> FloatArray:
    """Unit normal (3,) of the plane through a rim, away from the bone."""
    middle = rim.mean(axis=0)
    normal = np.linalg.svd(rim - middle)[2][2]
    return np.asarray(-normal * np.sign(normal @ (points.mean(axis=0) - middle)))
