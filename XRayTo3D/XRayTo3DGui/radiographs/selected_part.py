"""The lower half of section 1: the selected radiograph's checks, geometry, crop and notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, GOOD, UNSURE, allow, explaining
from XRayTo3DGui.radiographs.crop import CropFields
from XRayTo3DGui.radiographs.findings import FindingsList
from XRayTo3DGui.radiographs.geometry import GeometryFields
from XRayTo3DGui.radiographs.sources import awaited
from XRayTo3DGui.radiographs.table import detailsText, inPanelWords
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.crop import Window, exposed_window


class SelectedPart:
    """Works on one radiograph; every button calls the logic's function for scripts.

    Args:
        panel: The radiographs panel: its ``ui``, ``widget``, ``parameters`` and ``say``.
        onChanged: Called when the radiograph is another one in size or place, so that views follow.
    """

    def __init__(self, panel: Any, onChanged: Callable[[], None]) -> None:
        self._panel, self._onChanged = panel, onChanged
        self.ui = ui = panel.ui
        self.node: Any = None
        self._filling = True
        self.geometry = GeometryFields(ui, self.updateButtons)
        self.crop = CropFields(ui, panel.say, self.updateButtons)
        self.findings = FindingsList(ui.findingsLabel, self._onCheckFailed)
        ui.cropGroup.collapsed = ui.notesBox.collapsed = True
        ui.applyGeometryButton.connect("clicked(bool)", self.onApply)
        ui.resetGeometryButton.connect("clicked(bool)", self.onReset)
        ui.mirrorButton.connect("clicked(bool)", self.onMirror)
        ui.drawBoxButton.connect("clicked(bool)", self.onDraw)
        ui.exposedButton.connect("clicked(bool)", self.onExposed)
        ui.cropButton.connect("clicked(bool)", self.onCrop)
        ui.uncropButton.connect("clicked(bool)", self.onUncrop)
        ui.exportCameraButton.connect("clicked(bool)", self.onExport)
        ui.cropBoxSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onBox)
        self.show(None)

    def show(self, node: Any) -> None:
        """Another radiograph, the same one changed, or none."""
        another = node is not self.node
        self.node, self._filling = node, True
        readable = node is not None and node.GetImageData() is not None and radiographs.sourceNode(node) is not None
        self.ui.selectedWidget.setVisible(node is not None)
        self.ui.detailLabel.text = detailsText(node) if node is not None else ""
        self.geometry.show(node if readable else None)
        self.findings.show(node if readable else None, self.geometry.radiograph)
        if another or not readable or self._sizeChanged():
            self.crop.show(node if readable else None)
        self._filling = False
        self.updateButtons()

    def _sizeChanged(self) -> bool:
        columns, rows = radiographs.cameraFromNode(self.node).size
        return (columns, rows) != (self.ui.cropRightSpin.maximum, self.ui.cropBottomSpin.maximum)

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self.findings.cleanup()
        self.crop.cleanup()

    def updateButtons(self) -> None:
        """Each says what is missing."""
        if self._filling:
            return
        ui, geometry, crop = self.ui, self.geometry, self.crop
        select = "" if self.node is not None else _("Select a radiograph in the table first")
        unreadable = select or ("" if crop.node is not None else _("It has no pixels or no source"))
        problems = (
            (ui.applyGeometryButton, geometry.problem()),
            (ui.resetGeometryButton, geometry.resetProblem()),
            (ui.mirrorButton, geometry.mirrorProblem()),
            (ui.drawBoxButton, unreadable),
            (ui.exposedButton, unreadable),
            (ui.cropButton, unreadable or crop.missing()),
            (ui.uncropButton, "" if crop.cropped() else _("It is not cropped: crop it first")),
            (ui.exportCameraButton, unreadable),
            (ui.removeButton, select),
        )
        for button, problem in problems:
            allow(button, inPanelWords(problem))
        ui.geometryMagnification.text = geometry.magnificationText()

    # ---- geometry ------------------------------------------------------------------------------------------------

    def onApply(self, *_args: Any) -> None:
        """What was typed becomes the radiograph's geometry."""
        with explaining(self._panel.say):
            self._panel.widget.logic.editGeometry(self.node, **self.geometry.changes())
            self._panel.say(_("Geometry of {name} changed.").format(name=self.node.GetName()), GOOD)
            self._done()

    def onReset(self, *_args: Any) -> None:
        """What the file said; what was typed is dropped."""
        with explaining(self._panel.say):
            self._panel.widget.logic.resetGeometry(self.node)
            self.geometry.forget()
            self._panel.say(_("{name} is as it was loaded.").format(name=self.node.GetName()), GOOD)
            self._done()

    def onMirror(self, *_args: Any) -> None:
        """Left and right exchanged."""
        with explaining(self._panel.say):
            self._panel.widget.logic.mirrorRadiograph(self.node)
            self._panel.say(_("{name} mirrored: check its marker.").format(name=self.node.GetName()), GOOD)
            self._done()

    # ---- crop ----------------------------------------------------------------------------------------------------

    def _onBox(self, box: Any) -> None:
        self.crop.follow(box)

    def onDraw(self, *_args: Any) -> None:
        """A box in the radiograph's view; a chosen one is moved onto it."""
        with explaining(self._panel.say):
            box = self.crop.drawBox(self._panel.parameters.cropBox)
            self._panel.parameters.cropBox = box
            self.crop.follow(box)
            if not self._panel.layout.shown:
                self._panel.say(_("The box is on the radiograph; the X-ray layout shows it."))

    def onExposed(self, *_args: Any) -> None:
        """The numbers of the exposed field; 'Crop' keeps it."""
        with explaining(self._panel.say):
            radiograph = radiographs.radiographFromNode(self.node)
            self._panel.say(_("Looking for the exposed field…"))
            window = awaited(lambda: exposed_window(radiograph))
            self._panel.say("")
            if window == Window.whole(radiograph.camera.size):
                self._panel.say(_("No collimation was found: all of the picture was exposed."))
                return
            self.crop.setWindow(window)
            if self._panel.parameters.cropBox is not None:
                self.crop.drawBox(self._panel.parameters.cropBox)

    def onCrop(self, *_args: Any) -> None:
        """Keep the window."""
        with explaining(self._panel.say):
            window = self.crop.window()
            columns = (window.column, window.column + window.columns)
            self._panel.widget.logic.cropRadiograph(self.node, columns, (window.row, window.row + window.rows))
            self._hideBox()
            text = _("{name} cropped to {columns} × {rows} pixels.")
            name = self.node.GetName()
            self._panel.say(text.format(name=name, columns=window.columns, rows=window.rows), GOOD)
            self._done()

    def onUncrop(self, *_args: Any) -> None:
        """All of it again."""
        with explaining(self._panel.say):
            self._panel.widget.logic.uncropRadiograph(self.node)
            self._panel.say(_("{name} is whole again.").format(name=self.node.GetName()), GOOD)
            self._done()

    def _hideBox(self) -> None:
        box = self._panel.parameters.cropBox
        if box is not None and box.GetDisplayNode() is not None:
            box.GetDisplayNode().SetVisibility(False)

    def _done(self) -> None:
        self.crop.show(self.node)
        self._onChanged()

    # ---- export, checks ------------------------------------------------------------------------------------------

    def onExport(self, *_args: Any) -> None:
        """Ask for a file and write the selected radiograph's camera as the scene has it now."""
        suggested = str(Path.home() / "camera.json")
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export camera"), suggested, _("Camera (*.json)")
        )
        if not chosen or self.node is None:
            return
        try:
            path = self._panel.widget.logic.exportCamera(self.node, chosen)
        except (InputError, OSError) as error:
            self._panel.say(str(error), BAD)
            return
        self._panel.say(_("Camera written to {path}.").format(path=path), GOOD)

    def _onCheckFailed(self, error: Exception) -> None:
        self._panel.say(_("The picture could not be checked: {error}").format(error=error), UNSURE)
