"""From values on a grid (probabilities, signed distances) to a surface, and surfaces cut to a box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkBox, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkClipPolyData, vtkFlyingEdges3D, vtkPolyDataConnectivityFilter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of, triangulated


def surface_from_field(values: NDArray[np.floating], voxel_to_frame: FloatArray, level: float = 0.5) -> vtkPolyData:
    """Largest connected surface where ``values`` cross ``level``, interpolated between voxels; large is inside.

    Where the structure runs out of the grid the surface is open, as a bone cut by a field of view is.

    Args:
        values: (slices, rows, columns); probabilities (``level`` 0.5), or minus signed distances (``level`` 0).
        voxel_to_frame: (4, 4), takes (column, row, slice, 1) to mm.
        level: The value at the surface.

    Returns:
        Triangles facing outward, without points where nothing crosses the level: ask ``GetNumberOfPoints()``.

    Raises:
        InputError: Not a grid of two or more finite values along each axis.
    """
    grid = np.ascontiguousarray(values, dtype=np.float32)
    if grid.ndim != 3 or min(grid.shape) < 2 or not np.isfinite(grid).all():
        raise InputError("a surface needs finite values on a grid of at least 2 x 2 x 2 voxels.")
    contour = largest_part(_contour(grid, level))
    if contour.GetNumberOfPoints() == 0:
        return contour
    triangles = triangles_of(contour)
    # Flying edges turns triangles towards falling values; a mirroring matrix turns them round.
    turned = triangles if np.linalg.det(np.asarray(voxel_to_frame)[:3, :3]) > 0 else triangles[:, ::-1]
    return make_surface(apply_matrix(np.asarray(voxel_to_frame, dtype=np.float64), points_of(contour)), turned)


def largest_part(surface: vtkPolyData) -> vtkPolyData:
    """The connected part with most triangles; specks of a network's noise go."""
    if surface.GetNumberOfCells() == 0:
        return surface
    parts = vtkPolyDataConnectivityFilter()
    parts.SetInputData(surface)
    parts.SetExtractionModeToLargestRegion()
    parts.Update()
    return triangulated(parts.GetOutput())


def clipped_to_box(surface: vtkPolyData, low: FloatArray, high: FloatArray) -> vtkPolyData:
    """What lies inside an axis-aligned box, mm in the surface's own frame; open where the box cuts it.

    Raises:
        InputError: Nothing of it lies inside.
    """
    box = vtkBox()
    box.SetBounds(*np.stack([low, high], axis=1).ravel())
    clip = vtkClipPolyData()
    clip.SetInputData(surface)
    clip.SetClipFunction(box)
    clip.InsideOutOn()
    clip.Update()
    inside = triangulated(clip.GetOutput())
    if inside.GetNumberOfCells() == 0:
        raise InputError("nothing of the surface lies inside the field of view; check its frame and unit.")
    return inside


def _contour(grid: NDArray[np.float32], level: float) -> vtkPolyData:
    """Surface in voxel coordinates (column, row, slice)."""
    image = vtkImageData()
    image.SetDimensions(*grid.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(grid.ravel(), deep=True))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, level)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return edges.GetOutput()
