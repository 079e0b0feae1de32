"""A surface again with fewer, evenly spread vertices: for templates of shape models. LPS mm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersModeling import vtkLinearSubdivisionFilter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.geodesic_distance import nearest_source, surface_graph
from XRayTo3DLib.shape.meshes import (
    boundary_edges,
    make_surface,
    points_of,
    sample_surface,
    triangles_of,
    triangulated,
    vertex_areas,
)

_DENSE = 12
"""How many vertices of the fine surface a new vertex stands for, at least, so that its cell is a disc."""


def even_surface(surface: vtkPolyData, vertices: int, rounds: int = 12, seed: int = 0) -> vtkPolyData:
    """About ``vertices`` vertices, evenly spread, with triangles near equilateral; open edges stay open.

    The surface is cut into cells of equal reach (geodesic Voronoi cells, Lloyd's rounds); a new vertex is its cell's
    centre put back on the surface, and a triangle joins three cells that meet. Source: Valette and Chassery,
    Eurographics 2004 (clustering); here with distances along the surface, so that thin wings keep two sides.

    Args:
        surface: Triangles.
        vertices: At least 12.
        rounds: Of Lloyd's relaxation.
        seed: Of the first vertices.

    Raises:
        InputError: Too few vertices asked for.
    """
    if vertices < 12:
        raise InputError(f"{vertices} vertices cannot hold a bone's shape; give at least 12.")
    fine = _fine(triangulated(surface), vertices)
    points, triangles = points_of(fine), triangles_of(fine)
    areas, graph = vertex_areas(fine), surface_graph(points, triangles)
    places = closest_vertices(points, sample_surface(fine, vertices, seed)[0])
    for _ in range(rounds):
        _, cell = nearest_source(graph, places)
        places = closest_vertices(points, _centres(points, areas, cell, len(places)))
    _, cell = nearest_source(graph, places)
    return _joined(fine, cell, _centres(points, areas, cell, len(places)))


def closest_vertices(points: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers of the vertices nearest to ``queries``, each once, in rising order."""
    return np.unique(cKDTree(points).query(queries)[1])


def _fine(surface: vtkPolyData, vertices: int) -> vtkPolyData:
    """The surface with its triangles split in four until there are vertices enough."""
    while surface.GetNumberOfPoints() < _DENSE * vertices:
        filter_ = vtkLinearSubdivisionFilter()
        filter_.SetInputData(surface)
        filter_.Update()
        surface = triangulated(filter_.GetOutput())
    return surface


def _centres(points: NDArray, areas: NDArray, cell: NDArray, count: int) -> NDArray[np.float64]:
    known = cell >= 0
    weight = np.bincount(cell[known], weights=areas[known], minlength=count)
    sums = [np.bincount(cell[known], weights=areas[known] * points[known, k], minlength=count) for k in range(3)]
    full = weight > 0
    return np.stack(sums, axis=1)[full] / weight[full, None]


def _joined(fine: vtkPolyData, cell: NDArray[np.int64], centres: NDArray[np.float64]) -> vtkPolyData:
    corners = cell[triangles_of(fine)]
    meeting = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    corners = corners[meeting & (corners >= 0).all(axis=1)]
    corners = corners[_single(corners)]
    placed = closest_points(fine, centres).points
    coarse = triangulated(make_surface(placed, corners))
    return _border_out(coarse, fine)


def _single(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the triangles to keep: one of each, none where the same three face both ways (a fold without area)."""
    ordered = np.sort(corners, axis=1)
    start = np.argmin(corners, axis=1)
    rows = np.arange(len(corners))
    facing = np.where(corners[rows, (start + 1) % 3] < corners[rows, (start + 2) % 3], 1, -1)
    _, first, which = np.unique(ordered, axis=0, return_index=True, return_inverse=True)
    return np.sort(first[np.bincount(which.ravel(), weights=facing) != 0])


def _border_out(coarse: vtkPolyData, fine: vtkPolyData) -> vtkPolyData:
    """Vertices on the new open edge moved out to the old one, from which their cells' centres had drawn back."""
    border, edges = np.unique(boundary_edges(coarse)), boundary_edges(fine)
    if not len(border) or not len(edges):
        return coarse
    points, rim = points_of(coarse), points_of(fine)[np.unique(edges)]
    points[border] = rim[cKDTree(rim).query(points[border])[1]]
    return make_surface(points, triangles_of(coarse))
