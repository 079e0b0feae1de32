"""``slicer.app.layoutManager()``: the real layout logic and node; a view for each view node in the scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import slicer
import vtk

from slicerhost.charts import PlotView
from slicerhost.signals import SignalSource
from slicerhost.views import SliceView, ThreeDView
from slicerhost.viewwidgets import PlotWidget, SliceWidget, TableWidget, ThreeDWidget

WIDGET_MAKERS = {
    "vtkMRMLSliceNode": lambda node: SliceWidget(SliceView(node)),
    "vtkMRMLViewNode": lambda node: ThreeDWidget(ThreeDView(node)),
    "vtkMRMLTableViewNode": TableWidget,
    "vtkMRMLPlotViewNode": lambda node: PlotWidget(PlotView(node)),
}


class LayoutManager(SignalSource):
    """qSlicerLayoutManager. As in Slicer, a view exists for every view node, shown by the layout or not."""

    SIGNALS = ("layoutChanged(int)",)

    def __init__(self, scene: Any, application_logic: Any) -> None:
        super().__init__()
        self._scene = scene
        self._widgets: dict[str, dict[str, Any]] = {name: {} for name in WIDGET_MAKERS}
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._last = -1
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_node)
        node = self._logic.GetLayoutNode()
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_layout)
        for index in range(scene.GetNumberOfNodes()):
            self._make_view(scene.GetNthNode(index))
        self.setLayout(node.SlicerLayoutFourUpView)

    def _on_node(self, _caller: Any, _event: str, node: Any) -> None:
        self._make_view(node)

    _on_node.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def _make_view(self, node: Any) -> None:
        made = self._widgets.get(node.GetClassName())
        if made is not None and node.GetLayoutName() not in made:
            made[node.GetLayoutName()] = WIDGET_MAKERS[node.GetClassName()](node)

    def _on_layout(self, node: Any, _event: str) -> None:
        if node.GetViewArrangement() != self._last:
            self._last = node.GetViewArrangement()
            self.emit("layoutChanged(int)", self._last)

    @contextmanager
    def detached(self) -> Iterator[None]:
        """Host only: views that look away while a scene is read.

        A displayable manager that asks for a node's folder before the subject hierarchy is resolved never returns.
        """
        rendered = [*self._widgets["vtkMRMLSliceNode"].values(), *self._widgets["vtkMRMLViewNode"].values()]
        for widget in rendered:
            widget.view.look_at(None)
        try:
            yield
        finally:
            for widget in rendered:
                widget.view.look_at(widget.view.node)

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def layoutLogic(self) -> Any:
        """The real vtkMRMLLayoutLogic."""
        return self._logic

    @property
    def layout(self) -> int:
        """The current layout's number."""
        return self._logic.GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        """Show a layout; its view nodes are made when they are missing."""
        self._logic.GetLayoutNode().SetViewArrangement(int(layout))

    def layout_root(self) -> vtk.vtkXMLDataElement:
        """Host only: the current layout's parsed XML."""
        return self._logic.GetLayoutNode().GetLayoutRootElement()

    def widget_for(self, element: vtk.vtkXMLDataElement) -> Any:
        """Host only: the widget of a <view> element of the layout."""
        node = self._logic.GetViewFromElement(element)
        return self._widgets[node.GetClassName()][node.GetLayoutName()]

    def sliceViewNames(self) -> list[str]:
        """Names of all slice views."""
        return list(self._widgets["vtkMRMLSliceNode"])

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """A slice view's widget, None when there is no such view."""
        return self._widgets["vtkMRMLSliceNode"].get(name)

    def mrmlSliceLogics(self) -> Any:
        """Collection of slice logics."""
        return slicer.app.applicationLogic().GetSliceLogics()

    def _nth(self, class_name: str, index: int | str) -> Any:
        widgets = self._widgets[class_name]
        if isinstance(index, str):
            return widgets.get(index)
        return list(widgets.values())[index] if 0 <= index < len(widgets) else None

    @property
    def threeDViewCount(self) -> int:
        """Number of 3D views."""
        return len(self._widgets["vtkMRMLViewNode"])

    def threeDWidget(self, index: int | str) -> ThreeDWidget | None:
        """A 3D view's widget by number or name."""
        return self._nth("vtkMRMLViewNode", index)

    @property
    def tableViewCount(self) -> int:
        """Number of table views."""
        return len(self._widgets["vtkMRMLTableViewNode"])

    def tableWidget(self, index: int | str) -> TableWidget | None:
        """A table view's widget by number or name."""
        return self._nth("vtkMRMLTableViewNode", index)

    @property
    def plotViewCount(self) -> int:
        """Number of plot views."""
        return len(self._widgets["vtkMRMLPlotViewNode"])

    def plotWidget(self, index: int | str) -> PlotWidget | None:
        """A plot view's widget by number or name."""
        return self._nth("vtkMRMLPlotViewNode", index)

    def resetThreeDViews(self) -> None:
        """Centre all 3D cameras and show everything."""
        for widget in self._widgets["vtkMRMLViewNode"].values():
            widget.view.fit()

    def resetSliceViews(self) -> None:
        """Fit all slice views to their backgrounds."""
        for widget in self._widgets["vtkMRMLSliceNode"].values():
            widget.view.fit()
