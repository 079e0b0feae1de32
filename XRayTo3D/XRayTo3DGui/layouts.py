"""A layout with one slice view per radiograph and a 3D view, and the way back to the layout before."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import slicer

from XRayTo3DGui import mrml
from XRayTo3DGui import mrml_radiographs as radiographs

FIRST_LAYOUT_ID = 20700
"""Ours are this plus the number of views; Slicer's own end below 100, extensions mostly use some hundreds."""


def viewName(letter: str) -> str:
    """Singleton tag of the slice view of radiograph ``letter``."""
    return f"XRay{letter}"


def sliceNode(letter: str) -> Any:
    """The view's slice node; None before the layout was first shown."""
    return slicer.mrmlScene.GetSingletonNode(viewName(letter), "vtkMRMLSliceNode")


def layoutXml(letters: list[str]) -> str:
    """One or two radiographs side by side, more in two rows, 3D to their right."""
    views = [_sliceXml(letter) for letter in letters]
    if len(views) > 2:
        middle = (len(views) + 1) // 2
        columns = [_column("vertical", pair) for pair in zip(views[:middle], [*views[middle:], None], strict=False)]
    else:
        columns = views
    scene = '<view class="vtkMRMLViewNode" singletontag="1"><property name="viewlabel" action="default">1</property>'
    return _column("horizontal", [*columns, f"{scene}</view>"])


def _column(kind: str, parts: Any) -> str:
    items = "".join(f"<item>{part}</item>" for part in parts if part)
    return f'<layout type="{kind}" split="true">{items}</layout>'


def _sliceXml(letter: str) -> str:
    red, green, blue = (round(255 * value) for value in radiographs.COLOURS[radiographs.LETTERS.index(letter)])
    properties = (
        ("orientation", "Axial"),
        ("viewlabel", letter),
        ("viewcolor", f"#{red:02X}{green:02X}{blue:02X}"),
    )
    inside = "".join(f'<property name="{name}" action="default">{value}</property>' for name, value in properties)
    return f'<view class="vtkMRMLSliceNode" singletontag={quoteattr(viewName(letter))}>{inside}</view>'


class XRayLayout:
    """Shows and leaves the X-ray layout; everything is a no-op where Slicer has no layout manager."""

    def __init__(self) -> None:
        self._before: int | None = None

    @property
    def shown(self) -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and FIRST_LAYOUT_ID < manager.layout <= FIRST_LAYOUT_ID + 2**radiographs.MOST_VIEWS

    def show(self) -> None:
        """One view per radiograph, aligned and fitted; the CT and other slices are left alone."""
        manager = slicer.app.layoutManager()
        nodes = radiographs.radiographNodes()
        if manager is None or not nodes:
            return
        letters = sorted({radiographs.viewLetter(node) for node in nodes})
        number = FIRST_LAYOUT_ID + sum(1 << radiographs.LETTERS.index(letter) for letter in letters)
        layoutNode = manager.layoutLogic().GetLayoutNode()
        xml = layoutXml(letters)
        if not layoutNode.IsLayoutDescription(number):
            layoutNode.AddLayoutDescription(number, xml)
        if not self.shown:
            self._before = manager.layout
        manager.setLayout(number)
        for node in nodes:
            showInView(node)
        self.fit3D()

    def back(self) -> None:
        """The layout that was shown before, Slicer's default where that is not known."""
        manager = slicer.app.layoutManager()
        if manager is None or not self.shown:
            return
        for letter in radiographs.LETTERS:
            node = sliceNode(letter)
            if node is not None:
                node.SetSliceVisible(False)
        manager.setLayout(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def fit3D(self) -> None:
        """Show everything in the 3D view once."""
        manager = slicer.app.layoutManager()
        widget = manager.threeDWidget(0) if manager is not None and manager.threeDViewCount else None
        if widget is not None:
            widget.threeDView().resetFocalPoint()
            widget.threeDView().resetCamera()


def showInView(node: Any) -> None:
    """Put a radiograph into its slice view: upright, as its file has it, and into 3D as a textured plane."""
    view = sliceNode(radiographs.viewLetter(node))
    logic = slicer.app.applicationLogic().GetSliceLogic(view) if view is not None else None
    if logic is None:
        return
    composite = logic.GetSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(node.GetID())
    alignView(view, node)
    logic.FitSliceToBackground()
    alignView(view, node)
    view.SetSliceResolutionMode(view.SliceResolutionMatchVolumes)
    view.SetSliceVisible(True)


def alignView(view: Any, node: Any) -> None:
    """The slice lies on the radiograph, its columns to the right and its rows down.

    Not RotateToVolumePlane: that chooses among a quarter of turns and flips the one nearest to the present view.
    """
    columns, rows, _slices = node.GetImageData().GetDimensions()
    toRas = mrml.LPS_TO_RAS @ mrml.ijkToLps(node, world=True)
    axes = toRas[:3, :3] / np.linalg.norm(toRas[:3, :3], axis=0)
    matrix = np.eye(4)
    matrix[:3, :3] = axes * (1, -1, 1)
    matrix[:3, 3] = (toRas @ [(columns - 1) / 2, (rows - 1) / 2, 0, 1])[:3]
    with slicer.util.NodeModify(view):
        view.GetSliceToRAS().DeepCopy(mrml.toVtk(matrix))
        view.UpdateMatrices()
