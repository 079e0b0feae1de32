"""What an evaluation leaves in the scene: coloured copy, color map, legend, statistics, histogram, in one folder."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.evaluation.histogram import DirectionHistogram, histogram
from XRayTo3DGui.evaluation.sources import BonePair
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, SIGNED_ARRAY, Comparison
from XRayTo3DLib.evaluation.scene_colours import BONE, colour_points

ROLE, RESULT = "XRayTo3D.Evaluation", "XRayTo3D.Result"
MAP, STATISTICS, HISTOGRAM, CHART = "map", "statistics", "histogram", "chart"
REFERENCE, SUMMARY = "reference", "summary"
"""A segment's surface; the table with a row per bone, of a whole reconstruction."""
SUMMARY_KEYS = ("assd", "hd95", "rms", "hd", "nsd_1mm", "vertices_asd")
SERIES = ("reference to result", "result to reference")
SERIES_COLORS = ((0.76, 0.35, 0.0), (0.08, 0.31, 0.49))
FOLDER = "XRayTo3D – Evaluation"
TABLE_COLUMNS = ("Metric", "Value", "Unit", "Group", "Definition", "Key")
LEGEND_SIZE = (0.04, 0.5)  # shares of the view; the texts follow the width


# ---- from the scene --------------------------------------------------------------------------------------------------


def find(role: str, resultNode: Any) -> Any:
    """The node that an evaluation of ``resultNode`` left in that role, or None."""
    if resultNode is None:
        return None
    for kind in ("vtkMRMLModelNode", "vtkMRMLTableNode", "vtkMRMLPlotSeriesNode", "vtkMRMLPlotChartNode"):
        for node in slicer.util.getNodesByClass(kind):
            if node.GetAttribute(ROLE) == role and node.GetNodeReference(RESULT) is resultNode:
                return node
    return None


# ---- into the scene --------------------------------------------------------------------------------------------------


def showMap(comparison: Comparison, resultNode: Any, maximum: float, signed: bool) -> Any:
    """Put a comparison's colored surface into the scene, into the node of the last one of the same result.

    It is not shown yet: see :func:`showOnly`.
    """
    name = _("{name} distance").format(name=resultNode.GetName())
    model = _node("vtkMRMLModelNode", MAP, resultNode, name)
    mrml.surfaceToScene(comparison.distance_map, name, model)
    model.SetAttribute(mrml.SYNTHETIC, "1" if comparison.synthetic else "0")
    color(model, maximum, signed)
    _file(model)
    return model


def showNumbers(comparison: Comparison, resultNode: Any, maximum: float) -> None:
    """Put its numbers and its histogram (up to ``maximum`` mm) into the scene, into the nodes of the last one."""
    name = _("{name} distance").format(name=resultNode.GetName())
    statistics = _node("vtkMRMLTableNode", STATISTICS, resultNode, _("{name} statistics").format(name=name))
    statistics.SetAndObserveTable(_statisticsTable(comparison))
    statistics.SetUseColumnTitleAsColumnHeader(True)
    plots = _showHistogram(histogram(comparison, maximum), comparison, resultNode, name)
    for each in (statistics, *plots):
        _file(each)


def color(model: Any, maximum: float, signed: bool) -> None:
    """Show the signed or the unsigned map up to ``maximum`` mm, with its legend."""
    low = -maximum if signed else 0.0
    display = model.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetAndObserveColorNodeID(_colors(low, maximum).GetID())
        display.SetActiveScalar(SIGNED_ARRAY if signed else DISTANCE_ARRAY, vtk.vtkAssignAttribute.POINT_DATA)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
        display.SetScalarRange(low, maximum)
        display.SetScalarVisibility(True)
        display.SetVisibility2D(True)
    _showLegend(model, maximum, signed)


def _colors(low: float, high: float) -> Any:
    """The module's color map, one for signed and one for unsigned distances: all maps in a scene share their scale."""
    role = "signed colors" if low < 0 else "colors"
    found = [n for n in slicer.util.getNodesByClass("vtkMRMLProceduralColorNode") if n.GetAttribute(ROLE) == role]
    node = found[0] if found else slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode")
    node.SetName(_("Signed surface distance (mm)") if low < 0 else _("Surface distance (mm)"))
    node.SetAttribute(ROLE, role)
    node.SetAttribute("Category", "XRayTo3D")
    node.SetHideFromEditors(False)  # else it is not saved
    function = vtk.vtkColorTransferFunction()
    for point in colour_points(low, high):
        function.AddRGBPoint(*point)
    node.SetAndObserveColorTransferFunction(function)
    return node


def showOnly(models: list[Any]) -> None:
    """Show these maps with one legend for all, and hide others': they lie in the same place."""
    for other in slicer.util.getNodesByClass("vtkMRMLModelNode"):
        if other.GetAttribute(ROLE) == MAP and other.GetDisplayNode() is not None:
            other.GetDisplayNode().SetVisibility(other in models)
            legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(other)
            if legend is not None:
                legend.SetVisibility(bool(models) and other is models[0])


def referenceModel(pair: BonePair, surface: vtk.vtkPolyData) -> Any:
    """The model of a reference: its own, or one made of a segment's surface (LPS mm) for this result."""
    if pair.reference.isModel:
        return pair.reference.node
    name = _("{name} reference").format(name=pair.reference.name)
    model = _node("vtkMRMLModelNode", REFERENCE, pair.result.node, name)
    made = model.GetPolyData() is None
    mrml.surfaceToScene(surface, name, model)
    model.SetAttribute(mrml.SYNTHETIC, pair.reference.node.GetAttribute(mrml.SYNTHETIC) or "0")
    if made:
        model.GetDisplayNode().SetColor(*BONE)
        model.GetDisplayNode().SetVisibility(False)
    _file(model)
    return model


def shownReference(pair: BonePair) -> Any:
    """The model that shows a pair's reference; None for a segment that was not measured yet."""
    return pair.reference.node if pair.reference.isModel else find(REFERENCE, pair.result.node)


def showSummary(result: Any, comparisons: dict[str, Comparison]) -> Any:
    """The table with a row per bone of a reconstruction, for Slicer's Tables module; returns its node."""
    name = _("{name} evaluation").format(name=result.GetName())
    node = _node("vtkMRMLTableNode", SUMMARY, result, name)
    table = vtk.vtkTable()
    bones = vtk.vtkStringArray()
    bones.SetName("Bone")
    for bone in comparisons:
        bones.InsertNextValue(bone)
    table.AddColumn(bones)
    for key in SUMMARY_KEYS:
        column = vtk.vtkDoubleArray()
        column.SetName(f"{key} (%)" if key.startswith("nsd") else f"{key} (mm)")
        for comparison in comparisons.values():
            column.InsertNextValue(round(comparison.value(key), 4))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.SetUseColumnTitleAsColumnHeader(True)
    _file(node)
    return node


def _showLegend(model: Any, maximum: float, signed: bool) -> None:
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(model)
    legend.SetTitleText(_("Surface distance (mm)"))
    legend.SetNumberOfLabels(5 if signed else 6)
    legend.SetLabelFormat("%.1f" if maximum >= 0.5 else "%.2f")
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(*LEGEND_SIZE)
    legend.SetVisibility2D(False)
    legend.GetLabelTextProperty().SetFontFamilyAsString("Arial")


def _statisticsTable(comparison: Comparison) -> vtk.vtkTable:
    rows = comparison.rows
    texts = {
        "Metric": [row.name for row in rows],
        "Unit": [row.unit for row in rows],
        "Group": [row.group for row in rows],
        "Definition": [row.definition for row in rows],
        "Key": [row.key for row in rows],
    }
    table = vtk.vtkTable()
    for name in TABLE_COLUMNS:
        numbers = name == "Value"
        column = vtk.vtkDoubleArray() if numbers else vtk.vtkStringArray()
        column.SetName(name)
        for value in [round(row.value, 4) for row in rows] if numbers else texts[name]:
            column.InsertNextValue(value)
        table.AddColumn(column)
    return table


def _showHistogram(shares: DirectionHistogram, comparison: Comparison, resultNode: Any, name: str) -> list[Any]:
    """Table, one line per direction, and the chart."""
    table = _node("vtkMRMLTableNode", HISTOGRAM, resultNode, _("{name} histogram").format(name=name))
    content = vtk.vtkTable()
    for title, values in ((_("Distance (mm)"), shares.distance), *zip(SERIES, shares.shares, strict=True)):
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float(value))
        content.AddColumn(column)
    table.SetAndObserveTable(content)
    chart = _node("vtkMRMLPlotChartNode", CHART, resultNode, _("{name} chart").format(name=name))
    chart.RemoveAllPlotSeriesNodeIDs()
    directions = (comparison.area.reference_to_result, comparison.area.result_to_reference)
    for title, rgb, direction in zip(SERIES, SERIES_COLORS, directions, strict=True):
        series = _node("vtkMRMLPlotSeriesNode", title, resultNode, f"{title}: {direction.mean:.2f} mm")
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(_("Distance (mm)"))
        series.SetYColumnName(title)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineWidth(2)
        series.SetColor(*rgb)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    title = _("ASSD {assd:.2f} mm, HD95 {hd95:.2f} mm").format(assd=comparison.area.assd, hd95=comparison.area.hd95)
    aligned = comparison.alignment is not None
    chart.SetTitle(_("{title}, after alignment").format(title=title) if aligned else title)
    chart.SetXAxisTitle(_("Distance (mm)"))
    chart.SetYAxisTitle(_("Share of area (%)"))
    chart.SetLegendVisibility(True)
    return [table, chart]


# ---- nodes and folder ------------------------------------------------------------------------------------------------


def _node(kind: str, role: str, resultNode: Any, name: str) -> Any:
    node = find(role, resultNode)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
        node.SetAttribute(ROLE, role)
        node.SetNodeReferenceID(RESULT, resultNode.GetID())
    node.SetName(name)
    return node


def _file(node: Any) -> None:
    """Into the evaluation's subject hierarchy folder."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), FOLDER)
    folder = folder or hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), FOLDER)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)
