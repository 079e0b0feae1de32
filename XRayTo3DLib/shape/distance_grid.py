"""Signed distances from the points of a grid to a closed surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import boundary_edges


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
    """Distance to a closed surface, negative inside, exact up to ``clip_mm`` and clipped there.

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
    near = _within(inside, spacing_mm, clip_mm)
    indices = np.argwhere(near)
    points = np.asarray(origin, dtype=np.float64) + spacing_mm * indices[:, ::-1]
    distances = np.full(shape, clip_mm, dtype=np.float32)
    distances[near] = np.minimum(closest_points(surface, points).distances, clip_mm)
    return sign * distances


def _within(inside: NDArray[np.bool_], spacing_mm: float, clip_mm: float) -> NDArray[np.bool_]:
    """Points that may lie within ``clip_mm`` of the surface: those near a change from inside to outside."""
    if inside.all() or not inside.any():
        return np.ones_like(inside)
    # A point's distance to the surface and to the nearest point of the other side differ by less than a diagonal.
    reach = clip_mm + 2.0 * spacing_mm
    to_other = np.where(inside, distance_transform_edt(inside), distance_transform_edt(~inside))
    return to_other * spacing_mm <= reach
