"""How an evaluation is looked at: layouts with table and histogram, and where the reference is shown."""

from __future__ import annotations

from enum import Enum
from typing import Any

import slicer

FIRST_LAYOUT_ID = 20600
OVERLAY_OPACITY = 0.35
MAP_VIEW, REFERENCE_VIEW = "1", "XRayReference"  # singleton tags: Slicer's first 3D view, and one of our own


class ReferenceView(Enum):
    """Where the reference is shown."""

    HIDDEN = 0
    OVERLAY = 1
    SIDE_BY_SIDE = 2


def _view(kind: str, tag: str, label: str) -> str:
    return (
        f'<view class="vtkMRML{kind}Node" singletontag="{tag}">'
        f'<property name="viewlabel" action="default">{label}</property></view>'
    )


def _row(kind: str, *parts: str, sizes: tuple[int, ...] = ()) -> str:
    widths = [f' splitSize="{size}"' for size in sizes] or [""] * len(parts)
    items = "".join(f"<item{width}>{part}</item>" for part, width in zip(parts, widths, strict=True))
    return f'<layout type="{kind}" split="true">{items}</layout>'


def layoutXml(tables: bool, sideBySide: bool) -> str:
    """3D views on top, table and histogram below them."""
    scene = _view("View", MAP_VIEW, "1")
    if sideBySide:
        scene = _row("horizontal", _view("View", REFERENCE_VIEW, "Reference"), scene)
    if not tables:
        return scene if sideBySide else _row("horizontal", scene)
    below = _row("horizontal", _view("TableView", "TableView1", "T"), _view("PlotView", "PlotView1", "P"))
    return _row("vertical", scene, below, sizes=(620, 380))


class EvaluationLayout:
    """Shows and leaves the evaluation's layouts; a no-op where Slicer has no layout manager."""

    def __init__(self) -> None:
        self._before: int | None = None

    @property
    def shown(self) -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and FIRST_LAYOUT_ID < manager.layout <= FIRST_LAYOUT_ID + 3

    def show(self, tables: bool, sideBySide: bool) -> None:
        """The layout with these parts; with neither, the one before ours."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if not tables and not sideBySide:
            if self.shown:
                manager.setLayout(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
            return
        number = FIRST_LAYOUT_ID + tables + 2 * sideBySide
        layoutNode = manager.layoutLogic().GetLayoutNode()
        if not layoutNode.IsLayoutDescription(number):
            layoutNode.AddLayoutDescription(number, layoutXml(tables, sideBySide))
        if not self.shown:
            self._before = manager.layout
        manager.setLayout(number)


def showInTableAndPlot(tableNode: Any, chartNode: Any) -> None:
    """Select them in all table and plot views."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    selection.SetActiveTableID(tableNode.GetID() if tableNode is not None else None)
    selection.SetActivePlotChartID(chartNode.GetID() if chartNode is not None else None)
    logic.PropagateTableSelection()
    logic.PropagatePlotChartSelection()


class ReferenceDisplay:
    """Hides, fades or moves the reference to a view of its own, and gives it back as it was."""

    def __init__(self) -> None:
        self.node: Any = None
        self._before: tuple[int, float, list[str]] | None = None

    def apply(self, referenceNode: Any, mapNode: Any, view: ReferenceView) -> None:
        """Show ``referenceNode`` beside ``mapNode`` in that way."""
        if self.node is not referenceNode:
            self.restore()
            self.node = referenceNode
            self._before = _state(referenceNode)
        display = referenceNode.GetDisplayNode() if referenceNode is not None else None
        if display is None or mapNode is None:
            return
        apart = view is ReferenceView.SIDE_BY_SIDE
        with slicer.util.NodeModify(display):
            display.SetVisibility(view is not ReferenceView.HIDDEN)
            display.SetOpacity(OVERLAY_OPACITY if view is ReferenceView.OVERLAY else 1.0)
            display.SetViewNodeIDs(_viewIds(REFERENCE_VIEW) if apart else [])
        mapNode.GetDisplayNode().SetViewNodeIDs(_viewIds(MAP_VIEW) if apart else [])
        legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(mapNode)
        if legend is not None:
            legend.SetViewNodeIDs(_viewIds(MAP_VIEW) if apart else [])

    def restore(self) -> None:
        """Give the reference's display back as it was."""
        node, before = self.node, self._before
        self.node = self._before = None
        if before is None or node.GetScene() is None or node.GetDisplayNode() is None:
            return
        display = node.GetDisplayNode()
        display.SetVisibility(before[0])
        display.SetOpacity(before[1])
        display.SetViewNodeIDs(before[2])


def _state(node: Any) -> tuple[int, float, list[str]] | None:
    display = node.GetDisplayNode() if node is not None else None
    return None if display is None else (display.GetVisibility(), display.GetOpacity(), list(display.GetViewNodeIDs()))


def _viewIds(tag: str) -> list[str]:
    node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLViewNode")
    return [node.GetID()] if node is not None else []


def linkCameras() -> None:
    """Both 3D views look the same way, and do so from now on."""
    nodes = [slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLViewNode") for tag in (MAP_VIEW, REFERENCE_VIEW)]
    if None in nodes:
        return
    cameras = [slicer.modules.cameras.logic().GetViewActiveCameraNode(node) for node in nodes]
    if None not in cameras:
        first, second = cameras
        second.SetPosition(first.GetPosition())
        second.SetFocalPoint(first.GetFocalPoint())
        second.SetViewUp(first.GetViewUp())
        second.ResetClippingRange()
    nodes[1].SetLayoutLabel("Reference")
    for node in nodes:
        node.SetLinkedControl(True)


def centerOnce() -> None:
    """Look at what the first 3D view shows."""
    manager = slicer.app.layoutManager()
    widget = manager.threeDWidget(0) if manager is not None and manager.threeDViewCount else None
    if widget is not None:
        widget.threeDView().resetFocalPoint()
        widget.threeDView().resetCamera()
