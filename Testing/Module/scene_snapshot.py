"""What is in the scene and what the panels show, as plain values: to compare before and after a scene was reopened.

As a program it is another Slicer: ``python scene_snapshot.py MODULE.py SCENE.mrb`` opens the scene and prints both.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from module_cases import settle, wait_until

KINDS = (
    "vtkMRMLScalarVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTextNode",
    "vtkMRMLTableNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLColorTableNode",
    "vtkMRMLProceduralColorNode",
)
"""Of nodes that hold work; displays are told with their nodes, views and layouts follow from the parameters."""
SHOWN = ("text", "plainText", "currentText", "value", "checked", "currentPath")


def everything(widget: Any) -> dict[str, Any]:
    """Parameters, nodes, and what the sections show; JSON types, numbers rounded to what a scene file keeps."""
    return {
        "parameters": parameters(widget.parameters),
        "nodes": nodes(),
        "shown": {type(panel).__name__: shown(panel.ui) for panel in widget.panels},
    }


def fields() -> list[str]:
    """Names of all parameters."""
    from XRayTo3DGui.parameters import XRayTo3DParameterNode

    return list(XRayTo3DParameterNode.allParameters)


def parameters(node: Any) -> dict[str, Any]:
    """Every field; a node by its name."""
    return {name: _plain(getattr(node, name)) for name in fields()}


def nodes() -> dict[str, Any]:
    """Saved nodes by class and name."""
    import slicer

    found: dict[str, Any] = {}
    for kind in KINDS:
        for node in slicer.util.getNodesByClass(kind):
            if node.GetSaveWithScene() and not node.GetHideFromEditors():
                found[f"{node.GetClassName()} {node.GetName()}"] = _about(node)
    return found


def shown(ui: Any) -> dict[str, Any]:
    """Texts, values and table contents of a panel's named controls; not what is said of the moment."""
    told: dict[str, Any] = {}
    for name, control in vars(ui).items():
        if name.lower().endswith(("statuslabel", "progressbar")):
            continue
        if "Table" in name and hasattr(control, "rowCount"):
            told[name] = _cells(control)
        for attribute in SHOWN:
            value = getattr(control, attribute, None)
            if isinstance(value, str | int | float | bool):
                told[f"{name}.{attribute}"] = _plain(value)
    return told


def at_rest(widget: Any) -> None:
    """Wait for everything that follows a change of the scene."""
    from slicerhost.pythonqt import work_waits

    def busy() -> bool:
        doing = (
            widget.reconstruct.outlines.drawing,
            widget.registration.overlay.busy,
            widget.dataset.cases._reading.running,
            widget.train.run._reading.running,
            widget.radiographs.selected.findings.running,
        )
        return any(doing) or work_waits()

    settle()
    wait_until(lambda: not busy())
    settle()


def look_through(widget: Any) -> dict[str, Any]:
    """Open one section after the other, as a person who looks what is there; then :func:`everything`."""
    at_rest(widget)
    for section in widget.sections:
        section.collapsed = False
        at_rest(widget)
    return everything(widget)


def _plain(value: Any) -> Any:
    if hasattr(value, "GetName"):
        return f"{value.GetClassName()} {value.GetName()}"
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _cells(table: Any) -> list[list[str]]:
    return [
        [item.text() if (item := table.item(row, column)) is not None else "" for column in range(table.columnCount)]
        for row in range(table.rowCount)
    ]


def _about(node: Any) -> dict[str, Any]:
    import slicer
    import vtk

    about: dict[str, Any] = {"attributes": {name: node.GetAttribute(name) for name in node.GetAttributeNames()}}
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    about["references"] = {
        role: [_plain(node.GetNthNodeReference(role, index)) for index in range(node.GetNumberOfNodeReferences(role))]
        for role in sorted(roles)
        if role not in ("display", "storage", "transform", "layout") and node.GetNumberOfNodeReferences(role)
    }
    if isinstance(node, slicer.vtkMRMLTransformableNode):
        about["under"], matrix = _plain(node.GetParentTransformNode()), vtk.vtkMatrix4x4()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, matrix)
        about["world"] = _numbers(matrix)
    if isinstance(node, slicer.vtkMRMLLinearTransformNode):
        matrix = vtk.vtkMatrix4x4()
        node.GetMatrixTransformToParent(matrix)
        about["matrix"] = _numbers(matrix)
    if isinstance(node, slicer.vtkMRMLScalarVolumeNode):
        matrix, pixels = vtk.vtkMatrix4x4(), slicer.util.arrayFromVolume(node)
        node.GetIJKToRASMatrix(matrix)
        about["grid"] = [*_numbers(matrix), *pixels.shape, round(float(pixels.mean()), 3)]
    if isinstance(node, slicer.vtkMRMLModelNode):
        about["points"] = node.GetPolyData().GetNumberOfPoints()
        data = node.GetPolyData().GetPointData()
        about["arrays"] = sorted(str(data.GetArrayName(index)) for index in range(data.GetNumberOfArrays()))
    if isinstance(node, slicer.vtkMRMLMarkupsNode):
        points = range(node.GetNumberOfControlPoints())
        about["control points"] = [
            [node.GetNthControlPointLabel(each), node.GetNthControlPointPositionStatus(each)] for each in points
        ]
        about["places"] = [round(each, 3) for each in slicer.util.arrayFromMarkupsControlPoints(node).ravel().tolist()]
    if isinstance(node, slicer.vtkMRMLSegmentationNode):
        about["segments"] = list(node.GetSegmentation().GetSegmentIDs())
    if isinstance(node, slicer.vtkMRMLTextNode):
        about["text"] = node.GetText()
    if isinstance(node, slicer.vtkMRMLTableNode):
        rows, columns = range(node.GetNumberOfRows()), range(node.GetNumberOfColumns())
        about["cells"] = [[_cell(node.GetCellText(row, column)) for column in columns] for row in rows]
    display = node.GetDisplayNode() if hasattr(node, "GetDisplayNode") else None
    if display is not None and display.GetSaveWithScene():
        about["display"] = {"visible": display.GetVisibility(), "color": [round(c, 2) for c in display.GetColor()]}
        if isinstance(display, slicer.vtkMRMLModelDisplayNode) and display.GetScalarVisibility():
            about["display"] |= {
                "scalars": display.GetActiveScalarName(),
                "range": [round(each, 4) for each in display.GetScalarRange()],
                "colors": _plain(display.GetColorNode()),
            }
        if isinstance(display, slicer.vtkMRMLScalarVolumeDisplayNode):
            about["display"] |= {"window": _plain(display.GetWindow()), "level": _plain(display.GetLevel())}
    return about


def _cell(text: str) -> str:
    try:
        return f"{float(text):.5g}"
    except ValueError:
        return text


def _numbers(matrix: Any) -> list[float]:
    """(16,) of a vtkMatrix4x4."""
    return [round(matrix.GetElement(row, column), 4) + 0.0 for row in range(4) for column in range(4)]


def main(module: str, scene: str) -> None:
    """Another Slicer opens the scene and prints what it has."""
    import slicerhost

    slicerhost.boot()
    import slicer
    from slicerhost import modules

    widget = modules.make_module_widget(modules.load_module(Path(module)))
    modules.enter_module(widget)
    slicer.util.loadScene(scene)
    print("\n" + json.dumps(look_through(widget)))


if __name__ == "__main__":
    main(*sys.argv[1:])
