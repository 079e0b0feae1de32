"""Closed triangle meshes straight from the implicit surfaces (no label map in between)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.dataset.phantoms.fields import Field
from XRayTo3DLib.geometry.frames import FloatArray

if TYPE_CHECKING:
    import vtk


def mesh_field(field: Field, low: FloatArray, high: FloatArray, spacing: float) -> vtk.vtkPolyData:
    """Triangulate the zero level of ``field``.

    Args:
        field: Negative inside, in LPS mm.
        low: (3,) lower corner of the box that holds the bone; the bone is cut flat and closed at low z.
        high: (3,) upper corner, mm.
        spacing: Sampling of the field, mm.

    Returns:
        Closed triangles in LPS mm with outward point normals, marked synthetic in the field data.
    """
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    start = np.asarray(low, dtype=np.float64) - [0.0, 0.0, 1.5 * spacing]
    counts = [int(count) for count in np.ceil((np.asarray(high) - start) / spacing) + 2]
    x, y, z = (start[axis] + spacing * np.arange(counts[axis]) for axis in range(3))
    values = field(x[None, None, :], y[None, :, None], z[:, None, None])
    values = np.maximum(values, (low[2] - z)[:, None, None]).astype(np.float32)
    image = vtk.vtkImageData()
    image.SetDimensions(counts)
    image.SetOrigin(start)
    image.SetSpacing(spacing, spacing, spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True))
    return _mark_synthetic(_outward(_contour(image)))


def mesh_points(mesh: vtk.vtkPolyData) -> FloatArray:
    """(N, 3) vertices of ``mesh``."""
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64)


def _contour(image: vtk.vtkImageData) -> vtk.vtkPolyData:
    import vtk

    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    largest = vtk.vtkPolyDataConnectivityFilter()
    largest.SetInputConnection(contour.GetOutputPort())
    largest.SetExtractionModeToLargestRegion()
    clean = vtk.vtkCleanPolyData()
    clean.SetInputConnection(largest.GetOutputPort())
    clean.PointMergingOff()
    clean.Update()
    return clean.GetOutput()


def _outward(mesh: vtk.vtkPolyData) -> vtk.vtkPolyData:
    import vtk

    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(mesh)
    normals.SplittingOff()
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()


def _mark_synthetic(mesh: vtk.vtkPolyData) -> vtk.vtkPolyData:
    import vtk

    for name, text in (("synthetic", "true"), ("frame", "LPS"), ("unit", "mm")):
        note = vtk.vtkStringArray()
        note.SetName(name)
        note.InsertNextValue(text)
        mesh.GetFieldData().AddArray(note)
    return mesh
