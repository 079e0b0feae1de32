"""The curves of a training in the scene: tables, series and two charts, and a layout that shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from XRayTo3DGui.scene import mrml
from XRayTo3DLib.training.curves import LOSS, VALIDATION, Curve

KIND, JOB = "XRayTo3D.TrainingPart", "XRayTo3D.TrainingJob"
"""Attributes: what a node is of a training, and of which (its folder's name)."""
COUNT = "XRayTo3D.TrainingPoints"
"""Attribute of a table: points it was made of."""
COLOURS = ((0.08, 0.31, 0.49), (0.76, 0.35, 0.0), (0.18, 0.55, 0.34), (0.53, 0.34, 0.65), (0.70, 0.20, 0.25))
STEPS = "Steps"
LAYOUT_ID = 20810
LOSS_VIEW, VALIDATION_VIEW = "XRayLoss", "XRayValidation"
UNSHOWN = ("gradient_norm", "lost")


def show(curves: Sequence[Curve], job: Path, stage: str = "", log: bool = False) -> None:
    """Draw the curves of a training at once; see :func:`showSteps`."""
    for _step in showSteps(curves, job, stage, log):
        pass


def showSteps(curves: Sequence[Curve], job: Path, stage: str = "", log: bool = False) -> Iterator[None]:
    """Draw the curves of a training, of one stage or of all, a node a step; those of the last time are used again.

    Args:
        curves: As read from its ``metrics.csv``.
        job: Its folder.
        stage: "" for all stages.
        log: Losses on a logarithmic scale.
    """
    chosen = [each for each in curves if stage in ("", each.stage) and each.name.rpartition("/")[2] not in UNSHOWN]
    wanted = set()
    for kind, title, axis in (
        (LOSS, _("Loss"), _("Loss")),
        (VALIDATION, _("Validation: people not learnt from"), _("Figure (distances in mm)")),
    ):
        own = [each for each in chosen if each.kind == kind]
        several = len({each.stage for each in own}) > 1
        if several and kind == LOSS:  # parts of different stages have scales of their own
            own = [each for each in own if each.name.rpartition("/")[2] == "loss"]
        chart = _node("vtkMRMLPlotChartNode", kind, job, f"{job.name} {kind}")
        names, series = list(dict.fromkeys(each.name for each in own)), []
        for number, curve in enumerate(own):
            colour = COLOURS[(number if kind == LOSS else names.index(curve.name)) % len(COLOURS)]
            series.append(_series(curve, colour, job, several))
            yield None
        _setChart(chart, series, f"{title}, {stage}" if stage else title, axis, log and kind == LOSS)
        wanted |= {each.GetID() for each in series} | {each.GetTableNodeID() for each in series}
    for node in partsOf(job):  # of a stage that is not shown now
        if node.GetAttribute(KIND).startswith("curve") and node.GetID() not in wanted:
            slicer.mrmlScene.RemoveNode(node)


def partsOf(job: Path | None) -> list[Any]:
    """Every node of a training's curves; of all trainings for None."""
    kinds = ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")
    found = [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if node.GetAttribute(KIND)]
    return [node for node in found if job is None or node.GetAttribute(JOB) == job.name]


def remove(job: Path) -> None:
    """Take a training's curves out of the scene."""
    for node in partsOf(job):
        slicer.mrmlScene.RemoveNode(node)


def chartOf(kind: str, job: Path) -> Any:
    """The chart of a kind ("loss", "validation"), None before the first figure."""
    return next((node for node in partsOf(job) if node.GetAttribute(KIND) == kind), None)


def _series(curve: Curve, colour: tuple[float, float, float], job: Path, named: bool) -> Any:
    key, name = f"{curve.stage}/{curve.name}", curve.name.replace("_mm", " (mm)").replace("_", " ")
    title = f"{curve.stage}: {name}" if named else name
    table = _node("vtkMRMLTableNode", f"curve table {key}", job, f"{job.name} {key}")
    if table.GetAttribute(COUNT) != str(len(curve.steps)) or table.GetNumberOfColumns() != 2:
        table.SetAndObserveTable(_table(curve, title))
        table.SetAttribute(COUNT, str(len(curve.steps)))
    series = _node("vtkMRMLPlotSeriesNode", f"curve {key}", job, title)
    with slicer.util.NodeModify(series):
        series.SetName(title)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(STEPS)
        series.SetYColumnName(table.GetTable().GetColumnName(1) if table.GetNumberOfColumns() > 1 else title)
        series.SetPlotType(series.PlotTypeScatter)
        few = curve.kind == VALIDATION or len(curve.steps) < 3
        series.SetMarkerStyle(series.MarkerStyleCircle if few else series.MarkerStyleNone)
        series.SetLineWidth(2)
        line = np.isfinite(curve.values).sum() > 1  # VTK complains at every repaint of a line of one point
        series.SetLineStyle(series.LineStyleSolid if line else series.LineStyleNone)
        series.SetColor(*colour)
    return series


def _table(curve: Curve, title: str) -> vtk.vtkTable:
    """Steps and values, as far as they are numbers: a lost bone has no distance."""
    points = np.array([curve.steps, curve.values], dtype=np.float64)
    table = vtk.vtkTable()
    for name, values in zip((STEPS, title), points[:, np.isfinite(points[1])], strict=True):
        column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    return table


def _setChart(chart: Any, series: Sequence[Any], title: str, axis: str, log: bool) -> None:
    now = [chart.GetNthPlotSeriesNodeID(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    with slicer.util.NodeModify(chart):
        if now != [each.GetID() for each in series]:
            chart.RemoveAllPlotSeriesNodeIDs()
            for each in series:
                chart.AddAndObservePlotSeriesNodeID(each.GetID())
        chart.SetTitle(title)
        chart.SetXAxisTitle(_("Steps of all stages"))
        chart.SetYAxisTitle(axis)
        chart.SetYAxisLogScale(log)
        chart.SetLegendVisibility(True)


def _node(className: str, kind: str, job: Path, name: str) -> Any:
    found = [n for n in slicer.util.getNodesByClass(className) if n.GetAttribute(KIND) == kind]
    found = [n for n in found if n.GetAttribute(JOB) == job.name]
    if found:
        return found[0]
    node = slicer.mrmlScene.AddNewNodeByClass(className, name)
    node.SetAttribute(KIND, kind)
    node.SetAttribute(JOB, job.name)
    node.SetAttribute(mrml.SYNTHETIC, "0")
    return node


# ---- layout ----------------------------------------------------------------------------------------------------------


def layoutXml() -> str:
    """A 3D view for the samples, both charts below it."""
    scene = _view("View", "1", "1")
    charts = _row("horizontal", _view("PlotView", LOSS_VIEW, "Loss"), _view("PlotView", VALIDATION_VIEW, "Validation"))
    return _row("vertical", scene, charts)


def _view(kind: str, tag: str, label: str) -> str:
    return (
        f'<view class="vtkMRML{kind}Node" singletontag="{tag}">'
        f'<property name="viewlabel" action="default">{label}</property></view>'
    )


def _row(kind: str, *parts: str) -> str:
    return f'<layout type="{kind}" split="true">{"".join(f"<item>{part}</item>" for part in parts)}</layout>'


class CurvesLayout:
    """Shows and leaves the layout; a no-op where Slicer has no layout manager."""

    def __init__(self) -> None:
        self._before: int | None = None

    @property
    def shown(self) -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and manager.layout == LAYOUT_ID

    def register(self) -> Any:
        """Tell Slicer the layout, so that a scene saved in it opens in it; returns the layout manager or None."""
        manager = slicer.app.layoutManager()
        if manager is not None:
            node = manager.layoutLogic().GetLayoutNode()
            if not node.IsLayoutDescription(LAYOUT_ID):
                node.AddLayoutDescription(LAYOUT_ID, layoutXml())
        return manager

    def show(self, job: Path) -> None:
        """The charts of this training."""
        manager = self.register()
        if manager is None:
            return
        if not self.shown:
            self._before = manager.layout
            manager.setLayout(LAYOUT_ID)
        self.fill(job)

    def fill(self, job: Path) -> None:
        """Put the charts into their views, where these are shown."""
        for tag, kind in ((LOSS_VIEW, LOSS), (VALIDATION_VIEW, VALIDATION)):
            view = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLPlotViewNode")
            chart = chartOf(kind, job)
            if view is not None and chart is not None and view.GetPlotChartNodeID() != chart.GetID():
                view.SetPlotChartNodeID(chart.GetID())

    def back(self) -> None:
        """The layout that was shown before, Slicer's default where that is not known."""
        manager = slicer.app.layoutManager()
        if manager is not None and self.shown:
            manager.setLayout(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
