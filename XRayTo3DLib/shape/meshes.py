"""Triangle meshes in memory: numpy views, area, volume, open edges, sampling. Every point is (x, y, z) in LPS mm.

A surface is a ``vtkPolyData`` of triangles, because Slicer shows it as it is; numbers are computed on the arrays
that :func:`points_of` and :func:`triangles_of` return.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkIdList, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkStaticCleanPolyData, vtkTriangleFilter

from XRayTo3DLib.errors import InputError

_EDGE_BASE = 1 << 32


def points_of(surface: vtkPolyData) -> np.ndarray:
    """Vertex positions ``(n, 3)`` float64, LPS mm (a copy)."""
    if surface.GetNumberOfPoints() == 0:
        return np.empty((0, 3))
    return vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)


def triangles_of(surface: vtkPolyData) -> np.ndarray:
    """Vertex numbers of every triangle ``(m, 3)`` int64 (a copy).

    Raises:
        InputError: A face is not a triangle (:func:`triangulated` mends that).
    """
    offsets = vtk_to_numpy(surface.GetPolys().GetOffsetsArray())
    if not np.all(np.diff(offsets) == 3):
        raise InputError("The surface has faces that are not triangles: triangulate it first.")
    return vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).astype(np.int64).reshape(-1, 3)


def make_surface(
    points: np.ndarray, triangles: np.ndarray, point_arrays: Mapping[str, np.ndarray] | None = None
) -> vtkPolyData:
    """Build a surface.

    Args:
        points: ``(n, 3)`` LPS mm; float32 stays float32, everything else becomes float64.
        triangles: ``(m, 3)`` vertex numbers, counter-clockwise seen from outside.
        point_arrays: Values per vertex, each ``(n,)`` or ``(n, c)``, by name.

    Raises:
        InputError: A triangle names a vertex that does not exist, or an array has another length.
    """
    points = np.ascontiguousarray(points, dtype=None if np.asarray(points).dtype == np.float32 else np.float64)
    triangles = np.ascontiguousarray(triangles, dtype=np.int64).reshape(-1, 3)
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(points)):
        raise InputError(f"A triangle names vertex {triangles.max()}, but there are only {len(points)} vertices.")
    vtk_points = vtkPoints()
    vtk_points.SetData(numpy_to_vtk(points, deep=True))
    surface = vtkPolyData()
    surface.SetPoints(vtk_points)
    surface.SetPolys(cell_array(np.arange(0, triangles.size + 1, 3), triangles.ravel()))
    for name, values in (point_arrays or {}).items():
        set_point_array(surface, name, values)
    return surface


def cell_array(offsets: np.ndarray, connectivity: np.ndarray) -> vtkCellArray:
    """VTK cells from ``offsets (m + 1,)`` into ``connectivity``."""
    cells = vtkCellArray()
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.asarray(offsets, dtype=np.int64), deep=True),
        numpy_to_vtkIdTypeArray(np.asarray(connectivity, dtype=np.int64), deep=True),
    )
    return cells


def set_point_array(surface: vtkPolyData, name: str, values: np.ndarray) -> None:
    """Attach ``values`` ``(n,)`` or ``(n, c)`` to the vertices of ``surface`` under ``name``."""
    values = np.asarray(values)
    if len(values) != surface.GetNumberOfPoints():
        raise InputError(f"{name} has {len(values)} values for {surface.GetNumberOfPoints()} vertices.")
    array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
    array.SetName(name)
    surface.GetPointData().AddArray(array)


def point_array(surface: vtkPolyData, name: str) -> np.ndarray:
    """Values ``(n,)`` or ``(n, c)`` of the point array ``name`` (a copy).

    Raises:
        InputError: There is no such array.
    """
    array = surface.GetPointData().GetArray(name)
    if array is None:
        raise InputError(f'The surface has no values named "{name}" on its points.')
    return vtk_to_numpy(array).copy()


def triangulated(surface: vtkPolyData, merge_points: bool = True) -> vtkPolyData:
    """Triangles only, point arrays kept; no lines, no stray points, no cell arrays.

    Args:
        surface: Any polygons or strips.
        merge_points: Join vertices at exactly the same place and drop unused ones, so that neighbouring triangles
            share vertices (STL files repeat them). False keeps the number and order of vertices.
    """
    triangles = vtkTriangleFilter()
    triangles.SetInputData(surface)
    triangles.PassLinesOff()
    triangles.PassVertsOff()
    triangles.Update()
    output = _merged(triangles.GetOutput()) if merge_points else triangles.GetOutput()
    clean = vtkPolyData()
    clean.SetPoints(output.GetPoints())
    clean.SetPolys(output.GetPolys())
    clean.GetPointData().ShallowCopy(output.GetPointData())
    clean.GetFieldData().ShallowCopy(surface.GetFieldData())
    return clean


def _merged(surface: vtkPolyData) -> vtkPolyData:
    """Vertices at one place joined, in the order in which the triangles name them; unused ones dropped."""
    cleaner = vtkStaticCleanPolyData()  # vtkCleanPolyData never gives 8 bytes a vertex back (VTK 9.6)
    cleaner.SetInputData(surface)
    cleaner.ToleranceIsAbsoluteOn()
    cleaner.SetAbsoluteTolerance(0.0)
    cleaner.RemoveUnusedPointsOn()
    cleaner.Update()
    found = cleaner.GetOutput()
    if found.GetNumberOfCells() == 0:
        return found
    corners = triangles_of(found).ravel()
    order = corners[np.sort(np.unique(corners, return_index=True)[1])]
    number = np.empty(found.GetNumberOfPoints(), dtype=np.int64)
    number[order] = np.arange(len(order))
    points = vtkPoints()
    points.SetData(numpy_to_vtk(vtk_to_numpy(found.GetPoints().GetData())[order], deep=True))
    merged = vtkPolyData()
    merged.SetPoints(points)
    merged.SetPolys(cell_array(np.arange(0, corners.size + 1, 3), number[corners]))
    if found.GetPointData().GetNumberOfArrays():
        merged.GetPointData().CopyAllocate(found.GetPointData(), len(order))
        merged.GetPointData().CopyData(found.GetPointData(), _id_list(order), _id_list(np.arange(len(order))))
    return merged


def _id_list(numbers: np.ndarray) -> vtkIdList:
    ids = vtkIdList()
    ids.SetNumberOfIds(len(numbers))
    for place, number in enumerate(numbers.tolist()):
        ids.SetId(place, number)
    return ids


def transformed(surface: vtkPolyData, matrix: np.ndarray) -> vtkPolyData:
    """A copy of ``surface`` moved by the affine ``matrix (4, 4)``; mirroring keeps outward normals outward.

    Point arrays and field data are kept, except normals, which would be wrong.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    triangles = triangles_of(surface)
    if np.linalg.det(matrix[:3, :3]) < 0:
        triangles = triangles[:, ::-1]
    moved = make_surface(points_of(surface) @ matrix[:3, :3].T + matrix[:3, 3], triangles)
    moved.GetPointData().ShallowCopy(surface.GetPointData())
    if surface.GetPointData().GetNormals() is not None:
        moved.GetPointData().RemoveArray(surface.GetPointData().GetNormals().GetName())
    moved.GetFieldData().ShallowCopy(surface.GetFieldData())
    return moved


def triangle_areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area of every triangle ``(m,)``, mm^2."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def vertex_areas(surface: vtkPolyData) -> np.ndarray:
    """A third of the area of the triangles around every vertex ``(n,)``, mm^2; the sum is the surface's area.

    A mean of vertex values with these weights is exactly the integral of the linearly interpolated values.
    """
    points, triangles = points_of(surface), triangles_of(surface)
    thirds = np.repeat(triangle_areas(points, triangles) / 3.0, 3)
    return np.bincount(triangles.ravel(), weights=thirds, minlength=len(points))


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals ``(n, 3)`` of the vertices, area-weighted over their triangles; zero where there is none."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces, corners = np.repeat(np.cross(b - a, c - a), 3, axis=0), triangles.ravel()
    sums = np.stack([np.bincount(corners, weights=faces[:, k], minlength=len(points)) for k in range(3)], axis=1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)


def surface_area(surface: vtkPolyData) -> float:
    """Area in mm^2."""
    return float(triangle_areas(points_of(surface), triangles_of(surface)).sum())


def enclosed_volume(surface: vtkPolyData) -> float:
    """Volume in mm^3 by the divergence theorem, positive when triangles face outward.

    On an open surface it is the volume of the cone from the open edge to the mean vertex: a rough number whose sign
    still tells which way the triangles face.
    """
    points, triangles = points_of(surface), triangles_of(surface)
    points = points - points.mean(axis=0)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def boundary_edges(surface: vtkPolyData) -> np.ndarray:
    """Edges that belong to one triangle only, as vertex numbers ``(e, 2)``; empty for a closed surface."""
    triangles = triangles_of(surface)
    numbers, counts = np.unique(edge_numbers(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)), return_counts=True)
    return np.stack(np.divmod(numbers[counts == 1], _EDGE_BASE), axis=1)


def edge_numbers(edges: np.ndarray) -> np.ndarray:
    """One number ``(e,)`` for each edge ``(e, 2)``, whichever way it runs: sorting those is quick, and no other
    thread has to wait for it.
    """
    return edges.min(axis=1).astype(np.int64) * _EDGE_BASE + edges.max(axis=1)


def boundary_length(surface: vtkPolyData) -> float:
    """Length of all open edges in mm; 0 for a closed surface."""
    ends = points_of(surface)[boundary_edges(surface)]
    return float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum())


def sample_surface(surface: vtkPolyData, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over the area: every mm^2 has the same chance, whatever the triangles' sizes.

    The area is cut into ``count`` equal parts of neighbouring triangles (along a Morton curve) and one uniform point
    is drawn in each: stratified sampling, unbiased and steadier than independent points. Same seed, same points.

    Returns:
        Points ``(count, 3)`` in LPS mm and the triangle of each ``(count,)``.

    Raises:
        InputError: The surface has no area.
    """
    points, triangles = points_of(surface), triangles_of(surface)
    triangles_in_order = _along_curve(points[triangles].mean(axis=1)) if len(triangles) else []
    cumulated = np.cumsum(triangle_areas(points, triangles)[triangles_in_order])
    if not len(cumulated) or cumulated[-1] <= 0:
        raise InputError("The surface has no area, so no points can be spread over it.")
    random = np.random.default_rng(seed)
    position = (np.arange(count) + random.random(count)) / count * cumulated[-1]
    step = np.minimum(np.searchsorted(cumulated, position, side="right"), len(triangles) - 1)
    chosen = triangles_in_order[step]
    # The R2 sequence (Roberts 2018), shifted at random: even also inside triangles that get many points.
    even = (random.random(2) + np.arange(count)[:, None] * (0.7548776662466927, 0.5698402909980532)) % 1.0
    root, share = np.sqrt(even[:, 0]), even[:, 1]
    weights = np.stack([1 - root, root * (1 - share), root * share], axis=1)
    return np.einsum("nk,nkd->nd", weights, points[triangles[chosen]]), chosen


def _along_curve(positions: np.ndarray) -> np.ndarray:
    """Order of ``positions (m, 3)`` along a Morton (Z-order) curve: neighbours in the order are near in space."""
    low, extent = positions.min(axis=0), max(float(np.ptp(positions, axis=0).max()), np.finfo(float).tiny)
    grid = ((positions - low) / extent * 1023).astype(np.int64)
    code = np.zeros(len(positions), dtype=np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((grid[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")
