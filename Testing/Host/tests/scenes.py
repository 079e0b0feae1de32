"""A femur-like test scene: volume, bone model with a scalar map and a legend, points."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk


def add_volume(name: str = "CT") -> Any:
    """A solid with a marrow cavity, 80 x 80 x 96 voxels of 1 x 1 x 2 mm, centred on the origin."""
    import slicer

    k, j, i = np.mgrid[0:96, 0:80, 0:80].astype(float)
    radius = 14 + 8 * np.exp(-(((k - 85) / 12) ** 2)) + 10 * np.exp(-(((k - 8) / 14) ** 2))
    distance = np.hypot(i - 40 - 4 * np.sin(k / 30), j - 40)
    voxels = 1200 / (1 + np.exp((distance - radius) / 1.2)) - 600 * (distance < radius * 0.6)
    matrix = np.diag([1.0, 1.0, 2.0, 1.0])
    matrix[:3, 3] = [-40, -40, -96]
    node = slicer.util.addVolumeFromArray(voxels.astype(np.int16), ijkToRAS=matrix, name=name)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(1500, 400)
    return node


def add_model(name: str = "Bone", radius: float = 25.0) -> Any:
    """A cylinder with a smooth scalar map ``Deviation`` of -2..2 mm and its colour legend."""
    import slicer

    source = vtk.vtkCylinderSource()
    source.SetRadius(radius)
    source.SetHeight(120)
    source.SetResolution(60)
    turn = vtk.vtkTransform()
    turn.RotateX(90)
    turned = vtk.vtkTransformPolyDataFilter()
    turned.SetTransform(turn)
    turned.SetInputConnection(source.GetOutputPort())
    turned.Update()
    model = slicer.modules.models.logic().AddModel(turned.GetOutput())
    model.SetName(name)
    points = slicer.util.arrayFromModelPoints(model)
    values = vtk.vtkDoubleArray()
    values.SetName("Deviation")
    values.SetNumberOfTuples(len(points))
    model.AddPointScalars(values)
    slicer.util.arrayFromModelPointData(model, "Deviation")[:] = 2 * np.sin(points[:, 0] / 8)
    slicer.util.arrayFromModelPointDataModified(model, "Deviation")
    display = model.GetDisplayNode()
    display.SetActiveScalar("Deviation", vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarVisibility(True)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(-2, 2)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeRainbow")
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(3)
    return model


def add_legend(model: Any, title: str = "deviation (mm)") -> Any:
    """The model's colour legend."""
    import slicer

    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(model)
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.1f")
    legend.SetVisibility(True)
    return legend
