"""Section 1: load radiographs with their X-ray geometry, see what was decided, look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, GOOD, connectGui, rememberPath, showStatus
from XRayTo3DGui.radiographs.form import RadiographForm
from XRayTo3DGui.radiographs.table import RadiographTable, detailsText
from XRayTo3DGui.radiographs.waiting import WaitingFiles
from XRayTo3DGui.registration.bone import torchProblem
from XRayTo3DGui.scene import folders
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.dicom_study import fileUnderStudy
from XRayTo3DGui.scene.layouts import XRayLayout
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph


class RadiographsPanel:
    """The panel; ``layout`` and the scene's radiographs are shared with the registration panel."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.layout = XRayLayout()
        self._parameters: Any = None
        self._guiTag: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._geometryTags: list[tuple[Any, int]] = []
        self._refresh = Throttle(self.refresh, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Radiographs.ui"))
        self.ui = ui = slicer.util.childWidgetVariables(uiWidget)
        self.form = RadiographForm(ui)
        self.waiting = WaitingFiles(self._showFile, lambda: ui.radiographPath.currentPath)
        ui.moreBox.collapsed = True
        # ctkPathLineEdit brings the last session's path back; a file and its camera are chosen anew.
        ui.radiographPath.currentPath = ui.cameraPath.currentPath = ""
        self.table = RadiographTable(ui.loadedTable, self._onSelection, self._onTick)
        for spinBox in (ui.spacingColumnSpinBox, ui.spacingRowSpinBox, ui.sddSpinBox, ui.magnificationSpinBox):
            spinBox.connect("valueChanged(double)", self._onAnswer)
        ui.sourceIsocentreSpinBox.connect("valueChanged(double)", self._onAnswer)
        ui.viewCombo.connect("currentIndexChanged(int)", self._onAnswer)
        ui.spacingKindCombo.connect("currentIndexChanged(int)", self._onAnswer)
        ui.radiographPath.connect("currentPathChanged(QString)", self.onPath)
        ui.cameraPath.connect("currentPathChanged(QString)", self._onAnswer)
        # A real ctkPathLineEdit tells of paths that may be right, and of an emptied one only thus.
        ui.radiographPath.connect("validInputChanged(bool)", self._onPathValid)
        ui.cameraPath.connect("validInputChanged(bool)", self._onAnswer)
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.removeButton.connect("clicked(bool)", self.onRemove)
        ui.exportCameraButton.connect("clicked(bool)", self.onExportCamera)
        ui.showLayoutButton.connect("clicked(bool)", self.onShowLayout)
        ui.backLayoutButton.connect("clicked(bool)", self.onPreviousLayout)
        ui.exampleButton.connect("clicked(bool)", self.onExample)
        ui.showBeamsCheckBox.connect("toggled(bool)", self._refresh.request)
        self.layout.register()
        self.form.inspect("")
        self._updateLoadButton()
        showStatus(ui.statusLabel, "")
        self.refresh()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node, and the radiographs of the scene with it."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
        self._unobserve()
        self._parameters = node
        if node is not None:
            self._guiTag = connectGui(node, self.ui)
            scene = slicer.mrmlScene
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
                self._tags.append((scene, scene.AddObserver(event, self._refresh.request)))
        self.refresh()

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self._refresh.stop()
        self._unobserve()

    def _unobserve(self) -> None:
        for observed, tag in [*self._tags, *self._geometryTags]:
            observed.RemoveObserver(tag)
        self._tags, self._geometryTags = [], []

    def _observeGeometry(self, nodes: list[Any]) -> None:
        """A source or a radiograph moved by hand changes its camera: beam, table and overlay follow."""
        for observed, tag in self._geometryTags:
            observed.RemoveObserver(tag)
        watched = [(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent) for node in nodes]
        sources = [radiographs.sourceNode(node) for node in nodes]
        watched += [(source, source.PointModifiedEvent) for source in sources if source is not None]
        self._geometryTags = [(node, node.AddObserver(event, self._onGeometry)) for node, event in watched]

    def _onGeometry(self, *_: Any) -> None:
        self._refresh.request()
        self.widget.registration.overlay.request()

    # ---- loading -------------------------------------------------------------------------------------------------

    def onPath(self, path: str) -> None:
        """Another file: its facts, and fields for what it does not say."""
        self.form.clear()
        self.form.inspect(path)
        showStatus(self.ui.statusLabel, self.form.problem, BAD)
        self._updateLoadButton()

    def _onPathValid(self, valid: bool) -> None:
        if not valid:
            self.onPath("")

    def _onAnswer(self, *_: Any) -> None:
        self._updateLoadButton()

    def _updateLoadButton(self) -> None:
        """Greyed with the reason while something is missing."""
        missing = self.form.missing()
        self.form.markMissing()
        button = self.ui.loadButton
        button.enabled = self.form.info is not None and not missing
        if self.form.info is None:
            button.toolTip = self.form.problem or _("Choose a radiograph file first")
        elif missing:
            button.toolTip = _("Still needed: {fields}").format(fields=", ".join(missing))
            showStatus(self.ui.statusLabel, _("Still needed: {fields}.").format(fields=", ".join(missing)))
        else:
            button.toolTip = _("Load the radiograph into the scene, where its detector was")
            showStatus(self.ui.statusLabel, "")

    def onLoad(self, *_args: Any) -> None:
        """Read the file and place the radiograph in the scene; what a person can mend is said in the panel."""
        path = Path(self.ui.radiographPath.currentPath).expanduser()
        with slicer.util.tryWithErrorDisplay(_("The radiograph could not be loaded."), waitCursor=True):
            try:
                node = radiographs.radiographToScene(read_radiograph(path, **self.form.arguments()))
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                return
            if not fileUnderStudy(node, path):
                folders.fileRadiograph(node, self._caseName())
            rememberPath(self.ui.radiographPath)
            self.refresh()
            self.table.select(node)
            showStatus(self.ui.statusLabel, _("{name} loaded.").format(name=node.GetName()), GOOD)
            if self.layout.shown:
                self.layout.show()
            self.waiting.done(str(path))

    def askFor(self, path: str) -> None:
        """The DICOM plug-in's way in: show the form of a file that does not say all of its geometry.

        Several come one after the other; the next is shown when the one before was loaded.
        """
        self.waiting.add(path)

    def _showFile(self, path: str) -> None:
        self.widget.ui.radiographsSection.collapsed = False
        self.ui.radiographPath.currentPath = path

    def onExample(self, *_args: Any) -> None:
        """The synthetic wrist, and the layout to see it in: here a person asked for something to look at."""
        with slicer.util.tryWithErrorDisplay(_("The example could not be made."), waitCursor=True):
            try:
                self.widget.logic.loadExample()
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                return
            except ModuleNotFoundError:
                if not torchProblem():
                    raise
                showStatus(self.ui.statusLabel, torchProblem(), BAD)
                return
            self.widget.registration.onBoneModel()
            self.refresh()
            self.layout.show()
            self._updateLayoutButtons()
            text = _("Synthetic wrist loaded. The CT is not yet where it was exposed: register it in section 2.")
            showStatus(self.ui.statusLabel, text, GOOD)

    def _caseName(self) -> str:
        return self._parameters.caseName if self._parameters is not None else ""

    # ---- the table -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Table, beams and buttons as the scene has them now."""
        self._refresh.stop()
        nodes = radiographs.radiographNodes() if self._parameters is not None else []
        self.table.fill(nodes)
        self._updateBeams(nodes)
        self._observeGeometry(nodes)
        self._updateLayoutButtons()
        self._onSelection()

    def _onTick(self, node: Any, ticked: bool) -> None:
        node.SetAttribute(radiographs.SHOW_BEAM, "1" if ticked else "0")
        self._updateBeams([node])

    def _updateBeams(self, nodes: list[Any]) -> None:
        wanted = self._parameters is not None and self._parameters.showBeams
        for node in nodes:
            try:
                radiographs.updateBeam(node)
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                continue
            radiographs.showBeam(node, wanted and node.GetAttribute(radiographs.SHOW_BEAM) != "0")

    def _onSelection(self) -> None:
        node = self.table.selected()
        self.ui.removeButton.enabled = self.ui.exportCameraButton.enabled = node is not None
        self.ui.detailLabel.setVisible(node is not None)
        self.ui.detailLabel.text = detailsText(node) if node is not None else ""

    def onRemove(self, *_args: Any) -> None:
        """Remove the selected radiograph; the layout follows if it is shown."""
        node = self.table.selected()
        if node is None:
            return
        name = node.GetName()
        radiographs.removeRadiograph(node)
        self.refresh()
        showStatus(self.ui.statusLabel, _("{name} removed.").format(name=name))
        if self.layout.shown:
            self.layout.show() if self.table.rows else self.layout.back()

    def onExportCamera(self, *_args: Any) -> None:
        """Ask for a file and write the selected radiograph's camera as the scene has it now."""
        node = self.table.selected()
        suggested = str(Path.home() / "camera.json")
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export camera"), suggested, _("Camera (*.json)")
        )
        if not chosen or node is None:
            return
        try:
            radiographs.cameraFromNode(node).save(Path(chosen).with_suffix(".json"))
        except (InputError, OSError) as error:
            showStatus(self.ui.statusLabel, str(error), BAD)
            return
        showStatus(self.ui.statusLabel, _("Camera written to {path}.").format(path=chosen), GOOD)

    # ---- layout --------------------------------------------------------------------------------------------------

    def onShowLayout(self, *_args: Any) -> None:
        """One view per radiograph."""
        self.layout.show()
        self._updateLayoutButtons()

    def onPreviousLayout(self, *_args: Any) -> None:
        """As it was."""
        self.layout.back()
        self._updateLayoutButtons()

    def _updateLayoutButtons(self) -> None:
        self.ui.showLayoutButton.enabled = bool(self.table.rows)
        self.ui.backLayoutButton.enabled = self.layout.shown
