"""Outlines of shadows as polylines, for drawing a bone over its radiograph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGE_SHARE = 0.12
"""Share of a DRR's largest value taken as the bone's edge: its faded rim (one voxel and the blur) lies outside."""


def drr_outline(image: Any, level: float | None = None) -> list[NDArray[np.float64]]:
    """Contour lines of a picture at ``level``.

    Args:
        image: (rows, columns), for instance a bone's DRR or a silhouette mask.
        level: Value to follow; ``None`` takes 12 % of the picture's largest value, where the eye sees a bone's edge.

    Returns:
        Polylines (n, 2) as (column, row) in pixel coordinates, sub-pixel; closed ones repeat their first point.
        Empty when nothing rises above the level.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges2D, vtkStripper

    # A frame of background closes outlines that leave the picture.
    values = np.pad(np.asarray(image, dtype=np.float32), 1)
    peak = float(values.max())
    if peak <= 0:
        return []
    picture = vtkImageData()
    picture.SetDimensions(values.shape[1], values.shape[0], 1)
    picture.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True))
    edges = vtkFlyingEdges2D()
    edges.SetInputData(picture)
    edges.SetValue(0, EDGE_SHARE * peak if level is None else level)
    lines = vtkStripper()
    lines.SetInputConnection(edges.GetOutputPort())
    lines.JoinContiguousSegmentsOn()
    lines.SetMaximumLength(values.size)
    lines.Update()
    result = lines.GetOutput()
    if result.GetNumberOfPoints() == 0:
        return []
    points = vtk_to_numpy(result.GetPoints().GetData())[:, :2].astype(np.float64) - 1.0
    cells = result.GetLines()
    offsets = vtk_to_numpy(cells.GetOffsetsArray())
    connectivity = vtk_to_numpy(cells.GetConnectivityArray())
    return [points[connectivity[a:b]] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
