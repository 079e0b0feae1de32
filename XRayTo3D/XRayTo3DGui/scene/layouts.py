"""A layout with one slice view per radiograph and a 3D view, and the way back to the layout before."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import slicer
import vtk

from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs

ABOVE, DISTANCE = 0.25, 3.5
"""Where the 3D camera starts: so much above the beams, and this many times the detectors' reach away."""
FILL_DISTANCE = 2.6
"""Of the 3D camera from what it looks at, in diagonals of its box."""
ORIENTATION = "Radiograph"
ZOOM_SHARE = 0.7
"""How much of a zoomed view the bone's outline takes."""
FIRST_LAYOUT_ID = 20700
"""Ours are this plus the number of views; Slicer's own end below 100, extensions mostly use some hundreds."""


def viewName(letter: str) -> str:
    """Singleton tag of the slice view of radiograph ``letter``."""
    return f"XRay{letter}"


def sliceNode(letter: str) -> Any:
    """The view's slice node; None before the layout was first shown."""
    return slicer.mrmlScene.GetSingletonNode(viewName(letter), "vtkMRMLSliceNode")


def layoutXml(letters: list[str]) -> str:
    """Radiographs to the left, one below the other (more than two in two columns), 3D to their right."""
    views = [_sliceXml(letter) for letter in letters]
    columns = [_column("vertical", views[first : first + 2]) for first in range(0, len(views), 2)]
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
        self._turned = False
        self._inViews: set[str] = set()

    def register(self) -> None:
        """Tell Slicer all our layouts, so that a scene saved in one of them opens in it."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        layoutNode = manager.layoutLogic().GetLayoutNode()
        for mask in range(1, 2**radiographs.MOST_VIEWS):
            letters = [letter for index, letter in enumerate(radiographs.LETTERS) if mask >> index & 1]
            if not layoutNode.IsLayoutDescription(FIRST_LAYOUT_ID + mask):
                layoutNode.AddLayoutDescription(FIRST_LAYOUT_ID + mask, layoutXml(letters))

    @property
    def shown(self) -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and 0 < manager.layout - FIRST_LAYOUT_ID < 2**radiographs.MOST_VIEWS

    def show(self) -> None:
        """One view per radiograph, aligned and fitted; the CT and other slices are left alone."""
        manager = slicer.app.layoutManager()
        nodes = _placed()
        if manager is None or not nodes:
            return
        letters = sorted({radiographs.viewLetter(node) for node in nodes})
        number = FIRST_LAYOUT_ID + sum(1 << radiographs.LETTERS.index(letter) for letter in letters)
        self.register()
        if not self.shown:
            self._before = manager.layout
        manager.setLayout(number)
        for node in nodes:
            showInView(node)
        self._inViews = {node.GetID() for node in nodes}
        if not self._turned:
            self.turn3D()

    def follow(self) -> None:
        """Radiographs that came while the layout is shown get their views; those that went are forgotten.

        A radiograph that was put into its view before is left alone: a person may show something else there.
        """
        there = {node.GetID(): node for node in _placed()}
        self._inViews &= set(there)
        new = [node for key, node in there.items() if key not in self._inViews]
        if self.shown and not all(map(isInView, new)):
            self.show()

    def turn3D(self) -> None:
        """Look at bone and radiographs from the sources' side; done by itself only the first time."""
        self._turned = True
        lookFromSources(_placed())

    def back(self) -> None:
        """The layout that was shown before, Slicer's default where that is not known."""
        manager = slicer.app.layoutManager()
        if manager is None or not self.shown:
            return
        hidePlanes()
        manager.setLayout(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)


def _placed() -> list[Any]:
    """The radiographs that can be shown; one whose file was not found when the scene was opened has no pixels."""
    return [
        node
        for node in radiographs.radiographNodes()
        if node.GetImageData() is not None and radiographs.sourceNode(node) is not None
    ]


def lookFromSources(nodes: list[Any]) -> None:
    """Turn the 3D view once so that all detectors are seen from the front, the bone before them."""
    manager = slicer.app.layoutManager()
    widget = manager.threeDWidget(0) if manager is not None and manager.threeDViewCount else None
    if widget is None or not nodes:
        return
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(widget.mrmlViewNode())
    cameras = [radiographs.cameraFromNode(node) for node in nodes]
    towards = np.sum([each.view_direction for each in cameras], axis=0)
    up = -np.sum([each.row_direction for each in cameras], axis=0)
    if min(np.linalg.norm(towards), np.linalg.norm(up)) < 1e-3:  # opposite views: no common front
        towards, up = cameras[0].view_direction, -cameras[0].row_direction
    towards, up = towards / np.linalg.norm(towards), up / np.linalg.norm(up)
    towards = towards - ABOVE * up
    corners = [each.pixel_to_world([[0, 0], each.size, [0, each.size[1]], [each.size[0], 0]]) for each in cameras]
    middle = np.mean(np.concatenate(corners), axis=0)
    size = np.linalg.norm(np.concatenate(corners) - middle, axis=1).max()
    width, height = widget.threeDView().renderWindow().GetSize()
    size = size / min(1.0, max(0.6, width / max(height, 1)))
    camera.SetFocalPoint(*mrml.rasFromLps(middle))
    camera.SetPosition(*mrml.rasFromLps(middle - towards / np.linalg.norm(towards) * DISTANCE * size))
    camera.SetViewUp(*mrml.rasFromLps(up))
    camera.GetCamera().SetClippingRange(1.0, 20 * size)


def isInView(node: Any) -> bool:
    """Whether the radiograph is what its slice view shows, as in a scene that was saved so."""
    view = sliceNode(radiographs.viewLetter(node))
    logic = slicer.app.applicationLogic().GetSliceLogic(view) if view is not None else None
    return logic is not None and logic.GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()


def lookAt(models: list[Any]) -> None:
    """Fill the first 3D view with these models, from the side it is looked from: once, after they were made."""
    manager = slicer.app.layoutManager()
    widget = manager.threeDWidget(0) if manager is not None and manager.threeDViewCount else None
    if widget is None or not models:
        return
    box = vtk.vtkBoundingBox()
    for model in models:
        bounds = [0.0] * 6
        model.GetRASBounds(bounds)
        box.AddBounds(bounds)
    middle = [0.0] * 3
    box.GetCenter(middle)
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(widget.mrmlViewNode())
    direction = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    direction = direction / (np.linalg.norm(direction) or 1.0)
    camera.SetFocalPoint(middle)
    camera.SetPosition(*(middle + FILL_DISTANCE * box.GetDiagonalLength() * direction))
    camera.ResetClippingRange()


def hidePlanes() -> list[Any]:
    """Take the radiographs out of the 3D views; returns the slice nodes that were shown there, to show again."""
    nodes = [node for node in map(sliceNode, radiographs.LETTERS) if node is not None and node.GetSliceVisible()]
    for node in nodes:
        node.SetSliceVisible(False)
    return nodes


def showInView(node: Any) -> None:
    """Put a radiograph into its slice view: upright, as its file has it, and into 3D as a textured plane."""
    view = sliceNode(radiographs.viewLetter(node))
    logic = slicer.app.applicationLogic().GetSliceLogic(view) if view is not None else None
    if logic is None:
        return
    composite = logic.GetSliceCompositeNode()
    composite.SetLinkedControl(False)
    composite.SetDoPropagateVolumeSelection(False)  # else the next volume that is loaded takes the radiograph's place
    composite.SetBackgroundVolumeID(node.GetID())
    alignView(view, node)
    logic.FitSliceToBackground()
    alignView(view, node)
    view.SetXYZOrigin(0.0, 0.0, 0.0)
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
    preset = vtk.vtkMatrix3x3()
    preset.DeepCopy(matrix[:3, :3].ravel().tolist())
    with slicer.util.NodeModify(view):
        # A preset of its own gives the view's bar a name to show, and a scene saved so opens without complaint.
        if view.HasSliceOrientationPreset(ORIENTATION):
            view.RemoveSliceOrientationPreset(ORIENTATION)
        view.AddSliceOrientationPreset(ORIENTATION, preset)
        view.GetSliceToRAS().DeepCopy(mrml.toVtk(matrix))
        view.SetOrientation(ORIENTATION)
        view.UpdateMatrices()


def zoomTo(node: Any, boundsRas: Any) -> None:
    """Centre a radiograph's view on a box (RAS bounds) and let it fill half of the view."""
    view = sliceNode(radiographs.viewLetter(node))
    if view is None:
        return
    bounds = np.reshape(boundsRas, (3, 2))
    toSlice = np.linalg.inv(mrml.toNumpy(view.GetSliceToRAS()))
    centre = toSlice[:3, :3] @ bounds.mean(axis=1) + toSlice[:3, 3]
    width, height, depth = view.GetFieldOfView()
    scale = np.linalg.norm(bounds[:, 1] - bounds[:, 0]) / ZOOM_SHARE / min(width, height)
    # Panned, not moved: the plane stays whole in 3D.
    view.SetXYZOrigin(centre[0], centre[1], 0.0)
    view.SetFieldOfView(width * scale, height * scale, depth)
