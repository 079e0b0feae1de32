"""The plot view: a vtkMRMLPlotChartNode drawn by VTK's own charts, as qMRMLPlotView does."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


class PlotView:
    """Draws the chart that the plot view node refers to."""

    def __init__(self, node: Any) -> None:
        self.node = node

    def chart_node(self) -> Any:
        """The chart shown, or None."""
        return self.node.GetPlotChartNode()

    def image(self, width: int, height: int) -> np.ndarray:
        """The chart as (rows, columns, 3) uint8, top row first."""
        view = vtk.vtkContextView()
        view.GetRenderer().SetBackground(1.0, 1.0, 1.0)
        window = view.GetRenderWindow()
        window.SetOffScreenRendering(1)
        window.SetMultiSamples(0)
        window.SetSize(width, height)
        if self.chart_node() is not None:
            view.GetScene().AddItem(make_chart(self.chart_node()))
        window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.Update()
        pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)
        return np.ascontiguousarray(pixels[::-1])


def make_chart(node: Any) -> vtk.vtkChartXY:
    """A VTK chart with the node's titles and series."""
    chart = vtk.vtkChartXY()
    chart.SetShowLegend(bool(node.GetLegendVisibility()))
    if node.GetTitleVisibility():
        chart.SetTitle(node.GetTitle() or "")
    chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(node.GetXAxisTitle() or "")
    chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(node.GetYAxisTitle() or "")
    chart.GetAxis(vtk.vtkAxis.BOTTOM).SetLogScale(bool(node.GetXAxisLogScale()))
    chart.GetAxis(vtk.vtkAxis.LEFT).SetLogScale(bool(node.GetYAxisLogScale()))
    for index in range(node.GetNumberOfPlotSeriesNodes()):
        _add_series(chart, node.GetNthPlotSeriesNode(index))
    return chart


def _add_series(chart: vtk.vtkChartXY, series: Any) -> None:
    table = series.GetTableNode().GetTable() if series.GetTableNode() is not None else None
    if table is None or table.GetColumnByName(series.GetYColumnName() or "") is None:
        return
    plot = chart.AddPlot(_plot_type(series))
    column = series.GetXColumnName()
    if column:
        plot.SetInputData(table, column, series.GetYColumnName())
    else:
        plot.SetUseIndexForXSeries(True)
        plot.SetInputData(table, series.GetYColumnName(), series.GetYColumnName())
    plot.SetColorF(*series.GetColor())
    plot.SetLabel(series.GetName())
    plot.SetWidth(series.GetLineWidth())
    if isinstance(plot, vtk.vtkPlotPoints):  # lines too
        style = series.GetMarkerStyle()
        plot.SetMarkerStyle(vtk.vtkPlotPoints.NONE if style == series.MarkerStyleNone else style)
        plot.SetMarkerSize(series.GetMarkerSize())


def _plot_type(series: Any) -> int:
    bars = (slicer.vtkMRMLPlotSeriesNode.PlotTypeBar, slicer.vtkMRMLPlotSeriesNode.PlotTypeScatterBar)
    if series.GetPlotType() in bars:
        return vtk.vtkChart.BAR
    return vtk.vtkChart.POINTS if series.GetLineStyle() == series.LineStyleNone else vtk.vtkChart.LINE
