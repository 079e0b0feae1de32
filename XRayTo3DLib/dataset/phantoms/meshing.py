"""Closed triangle meshes straight from the implicit surfaces (no label map in between)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import (
    vtkAppendPolyData,
    vtkFlyingEdges3D,
    vtkPolyDataConnectivityFilter,
    vtkPolyDataNormals,
)

from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import Field
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.shape.surfaces import set_field_text


def mesh_field(field: Field, low: FloatArray, high: FloatArray, spacing: float) -> vtkPolyData:
    """Triangulate the zero level of ``field``.

    Args:
        field: Negative inside, in LPS mm.
        low: (3,) lower corner of the box that holds the bone; a longer bone is cut flat there and closed.
        high: (3,) upper corner, mm.
        spacing: Sampling of the field, mm.

    Returns:
        Closed triangles in LPS mm with outward point normals, marked synthetic in the field data.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    start = low - 1.5 * spacing
    counts = [int(count) for count in np.ceil((high - start) / spacing) + 2]
    x, y, z = (start[axis] + spacing * np.arange(counts[axis]) for axis in range(3))
    values = field(x[None, None, :], y[None, :, None], z[:, None, None])
    ends = np.maximum(low[2] - z, z - high[2])[:, None, None]
    image = vtkImageData()
    image.SetDimensions(counts)
    image.SetOrigin(start)
    image.SetSpacing(spacing, spacing, spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(np.maximum(values, ends).astype(np.float32).ravel(), deep=True))
    return _mark_synthetic(_contour(image))


def mesh_parts(parts: Sequence[Part], mirror: float, spacing: float) -> dict[str, vtkPolyData]:
    """One closed mesh per label of bones given for the right side.

    Args:
        parts: The bones in the frame of the right side.
        mirror: +1 for a right limb, -1 for a left one.
        spacing: Sampling, mm.
    """
    sign = np.array([mirror, 1.0, 1.0])
    grouped: dict[str, list[vtkPolyData]] = {}
    for part in parts:
        low, high = np.sort([part.low * sign, part.high * sign], axis=0)
        grouped.setdefault(part.label, []).append(mesh_field(_mirrored(part.field, mirror), low, high, spacing))
    return {label: join_meshes(meshes) for label, meshes in grouped.items()}


def _mirrored(field: Field, sign: float) -> Field:
    return lambda x, y, z: field(sign * x, y, z)


def join_meshes(meshes: list[vtkPolyData]) -> vtkPolyData:
    """One mesh of several bones, marked synthetic."""
    if len(meshes) == 1:
        return meshes[0]
    append = vtkAppendPolyData()
    for mesh in meshes:
        append.AddInputData(mesh)
    append.Update()
    return _mark_synthetic(append.GetOutput())


def _contour(image: vtkImageData) -> vtkPolyData:
    """The largest closed surface of the zero level, normals outward."""
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    largest = vtkPolyDataConnectivityFilter()
    largest.SetInputConnection(contour.GetOutputPort())
    largest.SetExtractionModeToLargestRegion()
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(largest.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()


def _mark_synthetic(mesh: vtkPolyData) -> vtkPolyData:
    set_field_text(mesh, "synthetic", "true")
    set_field_text(mesh, "unit", "mm")
    return mesh
