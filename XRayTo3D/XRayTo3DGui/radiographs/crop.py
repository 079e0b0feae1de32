"""The crop group: a box drawn in the views, or numbers; the camera stays exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.radiograph_changes import cropOf
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.crop import Window, box_of_window, window_of_box

THICKNESS_MM = 20.0
"""Of a drawn box, across the detector: its handles can be grasped in 3D."""


def boxCorners(box: Any) -> np.ndarray:
    """(8, 3) LPS mm, in the world, of a markups ROI."""
    half = np.array(box.GetSize()) / 2
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1], indexing="ij")).reshape(3, 8).T
    toWorld = mrml.toNumpy(box.GetObjectToWorldMatrix())
    return mrml.lpsFromRas((signs * half) @ toWorld[:3, :3].T + toWorld[:3, 3])


def drawBox(node: Any, window: Window, box: Any = None) -> Any:
    """A markups ROI that lies on a radiograph's window; ``box`` is moved there if given."""
    camera = radiographs.cameraFromNode(node)
    corners = box_of_window(camera, window)
    if box is None:
        box = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", f"{node.GetName()} crop")
        box.CreateDefaultDisplayNodes()
        display = box.GetDisplayNode()
        display.SetFillOpacity(0.08)
        display.SetHandlesInteractive(True)
        display.SetPropertiesLabelVisibility(False)
    for setColour in (box.GetDisplayNode().SetColor, box.GetDisplayNode().SetSelectedColor):
        setColour(*radiographs.colourOf(node))
    axes = np.eye(4)
    axes[:3, :3] = mrml.rasFromLps(np.stack([camera.column_direction, camera.row_direction, camera.normal])).T
    axes[:3, 3] = mrml.rasFromLps(corners.mean(axis=0))
    across, down = camera.spacing[0] * window.columns, camera.spacing[1] * window.rows
    with slicer.util.NodeModify(box):
        box.SetAndObserveObjectToNodeMatrix(mrml.toVtk(np.linalg.inv(mrml.parentToWorld(box)) @ axes))
        box.SetSize(across, down, THICKNESS_MM)
    box.GetDisplayNode().SetVisibility(True)
    return box


class CropFields:
    """Four numbers that follow a box while it is dragged.

    Args:
        ui: The panel's widgets.
        say: Shows a sentence; takes a colour too.
        onChanged: Called when the window is another one.
    """

    def __init__(self, ui: Any, say: Callable[..., None], onChanged: Callable[[], None]) -> None:
        self.ui, self._say, self._onChanged = ui, say, onChanged
        self.node: Any = None
        self.problem = ""
        self._box: Any = None
        self._tag: int | None = None
        self._filling = False
        self._follow = Throttle(self._fromBox, 60)
        self._spins = (ui.cropLeftSpin, ui.cropRightSpin, ui.cropTopSpin, ui.cropBottomSpin)
        for spin in self._spins:
            spin.connect("valueChanged(int)", self._onNumber)

    def show(self, node: Any) -> None:
        """Numbers for a radiograph: all of it, or what the box covers."""
        self.node = node
        if node is None:
            return
        columns, rows = radiographs.cameraFromNode(node).size
        for spin, most in zip(self._spins, (columns, columns, rows, rows), strict=True):
            blocked = spin.blockSignals(True)
            spin.maximum = most
            spin.blockSignals(blocked)
        self.setWindow(Window.whole((columns, rows)))
        if self._box is not None and self._box.GetDisplayNode() and self._box.GetDisplayNode().GetVisibility():
            self._fromBox()

    def window(self) -> Window:
        """What the numbers say; the panel counts from 1 and includes the last."""
        left, right, top, bottom = (spin.value for spin in self._spins)
        return Window(left - 1, top - 1, right - left + 1, bottom - top + 1)

    def setWindow(self, window: Window) -> None:
        """Show a window."""
        ends = (window.column + 1, window.column + window.columns, window.row + 1, window.row + window.rows)
        self._filling = True
        try:
            for spin, value in zip(self._spins, ends, strict=True):
                spin.value = value
        finally:
            self._filling = False
        self.problem = ""
        self._onChanged()

    def missing(self) -> str:
        """Why it cannot be cropped, "" where it can."""
        if self.node is None:
            return _("Select a radiograph in the table first")
        if self.problem:
            return self.problem
        window = self.window()
        if min(window.columns, window.rows) < 16:
            return _("The crop must be at least 16 × 16 pixels: the first column and row come before the last")
        if window == Window.whole(radiographs.cameraFromNode(self.node).size):
            return _("Draw a box, type other numbers, or press 'Exposed field' first")
        return ""

    def drawBox(self, box: Any) -> Any:
        """Put the box (a new one for None) where the numbers are; where they are all, on the middle half."""
        window = self.window()
        columns, rows = radiographs.cameraFromNode(self.node).size
        if window == Window.whole((columns, rows)):
            window = Window(columns // 4, rows // 4, columns // 2, rows // 2)
        return drawBox(self.node, window, box)

    def follow(self, box: Any) -> None:
        """Let the numbers follow another box, or none."""
        if box is self._box:
            return
        if self._box is not None:
            self._box.RemoveObserver(self._tag)
        self._box, self._tag = box, None
        if box is not None:
            self._tag = box.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow.request)
            self._follow.request()

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self.follow(None)
        self._follow.stop()

    def cropped(self) -> bool:
        """Whether the radiograph can be uncropped."""
        return self.node is not None and cropOf(self.node) is not None

    def _onNumber(self, _value: int) -> None:
        if not self._filling:
            self.problem = ""
            self._onChanged()

    def _fromBox(self) -> None:
        """The box moved; one that was just made and not yet drawn covers nothing."""
        if self.node is None or self._box is None or min(self._box.GetSize()) <= 0:
            return
        try:
            self.setWindow(window_of_box(radiographs.cameraFromNode(self.node), boxCorners(self._box)))
        except InputError as error:
            self.problem = str(error)
            self._onChanged()
