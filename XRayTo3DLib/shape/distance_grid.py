"""Signed distances from the points of a grid to a closed surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import boundary_edges, points_of, sample_surface, surface_area

EXACT_MM = 2.0
SAMPLES_PER_MM2 = 4.0


def inside_grid(
    surface: vtkPolyData, origin: Sequence[float], spacing_mm: float, shape: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Which points of a grid lie inside a closed surface, bool (slices, rows, columns).

    Args:
        surface: Closed, in the grid's frame, mm.
        origin: (x, y, z) of the first point, mm.
        spacing_mm: Between points.
        shape: (slices, rows, columns).
    """
    stencil = vtkPolyDataToImageStencil()
    stencil.SetInputData(surface)
    stencil.SetTolerance(0.0)
    stencil.SetOutputOrigin(*map(float, origin))
    stencil.SetOutputSpacing(spacing_mm, spacing_mm, spacing_mm)
    stencil.SetOutputWholeExtent(0, shape[2] - 1, 0, shape[1] - 1, 0, shape[0] - 1)
    image = vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetOutputScalarTypeToUnsignedChar()
    image.SetInsideValue(1)
    image.SetOutsideValue(0)
    image.Update()
    return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(shape).astype(bool)


def signed_distance_grid(
    surface: vtkPolyData, origin: Sequence[float], spacing_mm: float, shape: tuple[int, int, int], clip_mm: float
) -> NDArray[np.float32]:
    """Distance to a closed surface, negative inside, clipped at ``clip_mm``.

    Exact up to :data:`EXACT_MM`; beyond, the distance to a dense set of points on the surface (0.05 mm too far at most,
    several times quicker).

    Args:
        surface: Closed triangles in the grid's frame, mm.
        origin: (x, y, z) of the first point, mm.
        spacing_mm: Between points.
        shape: (slices, rows, columns).
        clip_mm: Largest distance of interest.

    Returns:
        (slices, rows, columns) float32, mm.

    Raises:
        InputError: The surface is open, so that it has no inside.
    """
    if len(boundary_edges(surface)):
        raise InputError("the surface has open edges, so it has no inside; close its holes first.")
    inside = inside_grid(surface, origin, spacing_mm, shape)
    sign = np.where(inside, np.float32(-1.0), np.float32(1.0))
    away = _to_other_side(inside) * spacing_mm
    distances = np.full(shape, clip_mm, dtype=np.float32)
    exact = away <= EXACT_MM + spacing_mm
    distances[exact] = closest_points(surface, _points(exact, origin, spacing_mm)).distances
    # The nearest point of the other side is a voxel or so behind the surface.
    rest = ~exact & (away <= clip_mm + spacing_mm)
    samples = np.concatenate([points_of(surface), sample_surface(surface, _sample_count(surface))[0]])
    distances[rest] = cKDTree(samples).query(_points(rest, origin, spacing_mm), distance_upper_bound=clip_mm)[0]
    distances = np.minimum(distances, np.float32(clip_mm))
    return sign * distances


def _to_other_side(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance in voxels to the nearest point that lies on the other side of the surface; 0 if none does."""
    if inside.all() or not inside.any():
        return np.zeros(inside.shape)
    return np.where(inside, distance_transform_edt(inside), distance_transform_edt(~inside))


def _points(chosen: NDArray[np.bool_], origin: Sequence[float], spacing_mm: float) -> NDArray[np.float64]:
    return np.asarray(origin, dtype=np.float64) + spacing_mm * np.argwhere(chosen)[:, ::-1]


def _sample_count(surface: vtkPolyData) -> int:
    return max(1, int(surface_area(surface) * SAMPLES_PER_MM2))
