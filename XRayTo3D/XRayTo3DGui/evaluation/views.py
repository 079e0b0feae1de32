"""How an evaluation is looked at: layouts with table and histogram, and where the reference is shown."""

from __future__ import annotations

from enum import Enum
from typing import Any

import slicer

from XRayTo3DGui.scene import layouts

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
        self._planes: list[Any] = []

    @property
    def shown(self) -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and FIRST_LAYOUT_ID < manager.layout <= FIRST_LAYOUT_ID + 3

    def show(self, tables: bool, sideBySide: bool, maps: list[Any]) -> None:
        """The layout with these parts; with neither, the one before ours.

        Entered, it shows the maps large and without the radiographs' planes, which come back when it is left.
        """
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if not tables and not sideBySide:
            if self.shown:
                manager.setLayout(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
                for node in self._planes:
                    node.SetSliceVisible(True)
            return
        number = FIRST_LAYOUT_ID + tables + 2 * sideBySide
        layoutNode = manager.layoutLogic().GetLayoutNode()
        if not layoutNode.IsLayoutDescription(number):
            layoutNode.AddLayoutDescription(number, layoutXml(tables, sideBySide))
        entered = not self.shown
        if entered:
            self._before, self._planes = manager.layout, layouts.hidePlanes()
        manager.setLayout(number)
        if entered:
            layouts.lookAt(maps)


def showInTableAndPlot(tableNode: Any, chartNode: Any) -> None:
    """Select them in all table and plot views."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    selection.SetActiveTableID(tableNode.GetID() if tableNode is not None else None)
    selection.SetActivePlotChartID(chartNode.GetID() if chartNode is not None else None)
    logic.PropagateTableSelection()
    logic.PropagatePlotChartSelection()


class ReferenceDisplay:
    """Hides, fades or moves references to a view of their own, hides what stands before the color maps, and gives all
    back as it was."""

    def __init__(self) -> None:
        self._before: dict[Any, tuple[int, float, list[str]]] = {}

    @property
    def nodes(self) -> list[Any]:
        """The models whose display is ours for now."""
        return list(self._before)

    def apply(self, references: list[Any], maps: list[Any], view: ReferenceView, others: list[Any]) -> None:
        """Show the references beside the color maps in that way and hide the other bones, once: who shows one of them
        again keeps it. Those of before are given back."""
        self.restore(keep=[*references, *others] if maps else references)
        if not maps:
            return
        for node in others:
            if node not in self._before and node.GetDisplayNode() is not None:
                self._before[node] = _state(node)
                node.GetDisplayNode().SetVisibility(False)
        apart = view is ReferenceView.SIDE_BY_SIDE
        for node in references:
            display = node.GetDisplayNode()
            if display is None:
                continue
            self._before.setdefault(node, _state(node))
            with slicer.util.NodeModify(display):
                display.SetVisibility(view is not ReferenceView.HIDDEN)
                display.SetOpacity(OVERLAY_OPACITY if view is ReferenceView.OVERLAY else 1.0)
                display.SetViewNodeIDs(_viewIds(REFERENCE_VIEW) if apart else [])
        for node in maps:
            node.GetDisplayNode().SetViewNodeIDs(_viewIds(MAP_VIEW) if apart else [])
            legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
            if legend is not None:
                legend.SetViewNodeIDs(_viewIds(MAP_VIEW) if apart else [])

    def restore(self, keep: list[Any] | None = None) -> None:
        """Give the references' displays back as they were, but for those to keep."""
        for node, (visible, opacity, views) in list(self._before.items()):
            if node in (keep or []) and node.GetScene() is not None:
                continue
            del self._before[node]
            display = node.GetDisplayNode() if node.GetScene() is not None else None
            if display is not None:
                display.SetVisibility(visible)
                display.SetOpacity(opacity)
                display.SetViewNodeIDs(views)


def _state(node: Any) -> tuple[int, float, list[str]]:
    display = node.GetDisplayNode()
    return display.GetVisibility(), display.GetOpacity(), list(display.GetViewNodeIDs())


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
