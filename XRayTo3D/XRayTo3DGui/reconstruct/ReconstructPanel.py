"""Section 5: choose a model and the radiographs, reconstruct, judge what came out, export it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, GOOD, explaining, showStatus
from XRayTo3DGui.parameters import SHOWN_DRR, SHOWN_OUTLINES, SHOWN_RESIDUAL
from XRayTo3DGui.reconstruct import display, nodes, tables
from XRayTo3DGui.reconstruct.export import exportResult
from XRayTo3DGui.reconstruct.inputs import ReconstructInputs
from XRayTo3DGui.reconstruct.manage import ManageModels
from XRayTo3DGui.reconstruct.outlines import BoneOutlines
from XRayTo3DGui.reconstruct.run import ReconstructRun
from XRayTo3DGui.scene import layouts
from XRayTo3DLib.errors import InputError, XRayTo3DError

EXPORT_SETTING = "XRayTo3D/ReconstructionFolder"


class ReconstructPanel:
    """The panel: wiring between the scene and its parts, each in a file of its own."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.parameters: Any = None
        self.outlines = BoneOutlines()
        self._binding: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._markTags: list[tuple[Any, int]] = []
        self._marked: list[Any] = []
        self._shown: tuple[Any, ...] | None = None
        self._settingUp = True
        self._sync = Throttle(self.sync, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Reconstruct.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.run = ReconstructRun(self)
        self.inputs = ReconstructInputs(self)
        self.manage = ManageModels(self)
        self.ui.removeResultButton.connect("clicked(bool)", self.onRemove)
        self.ui.exportButton.connect("clicked(bool)", self.onExport)
        self.say("")
        self._settingUp = False
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; a worker that runs is left to run, unless its scene closes."""
        if self.parameters is not None:
            self.run.leave(closing=bool(slicer.mrmlScene.IsClosing()))
            self._binding.disconnect()
        self._unobserve()
        self.outlines.hide()  # nobody would move them along any more
        self.parameters, self._shown = node, None
        if node is not None:
            self._binding = GuiBinding(node, self.ui)
            scene = slicer.mrmlScene
            watched = [(node.parameterNode, vtk.vtkCommand.ModifiedEvent)]
            watched += [(scene, event) for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent)]
            self._tags = [(subject, subject.AddObserver(event, self._sync.request)) for subject, event in watched]
            self.run.attach()
        self.sync()

    def cleanup(self) -> None:
        """Nothing of ours may run later; a worker goes on, and is found again by the scene."""
        if self.parameters is not None:
            self.run.leave(closing=False)
        self._sync.stop()
        self._unobserve()
        self.outlines.clear()

    def _unobserve(self) -> None:
        for subject, tag in [*self._tags, *self._markTags]:
            subject.RemoveObserver(tag)
        self._tags, self._markTags, self._marked = [], [], []
        self._sync.stop()

    # ---- following the scene -------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Everything shown as parameters and scene have it now."""
        self._sync.stop()
        if self._settingUp:
            return
        if self.parameters is not None:
            self.inputs.sync()
            self._observeMarks()
            self._showResult()
        self.updateButtons()

    def _observeMarks(self) -> None:
        """A joint that is marked or moved is shown at once; outlines follow bones and radiographs that are moved."""
        marks, result = self.inputs.originNodes(), self._result()
        moved = [*nodes.parts(result, nodes.BONE), *nodes.parts(result, nodes.VIEW)]
        if [*marks, *moved] == self._marked:
            return
        for subject, tag in self._markTags:
            subject.RemoveObserver(tag)
        events = (slicer.vtkMRMLMarkupsNode.PointModifiedEvent, slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent)
        self._markTags = [(each, each.AddObserver(event, self._sync.request)) for each in marks for event in events]
        event = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._markTags += [(each, each.AddObserver(event, self._onMoved)) for each in moved]
        self._marked = [*marks, *moved]

    def _onMoved(self, *_: Any) -> None:
        self._shown = None
        self._sync.request()

    def updateButtons(self) -> None:
        """Enable what can be done; the tooltip of what cannot says what is missing."""
        if self._settingUp:
            return
        self.run.updateButton(self.inputs.problem())
        self.manage.update()
        button = self.ui.removeResultButton
        button.enabled = self._result() is not None and not self.run.running
        ready = _("Remove this reconstruction from the scene: its bones, computed radiographs and tables")
        busy = _("Wait for the end of the reconstruction, or cancel it")
        button.toolTip = ready if button.enabled else busy if self.run.running else _("Choose a result first")

    def say(self, text: str, colour: str = "") -> None:
        """One sentence in the panel."""
        showStatus(self.ui.reconstructStatusLabel, text, colour)

    def explaining(self) -> Any:
        """Context: what a person can mend is said in the panel, anything else in Slicer's error window."""
        return explaining(self.say)

    # ---- the result ----------------------------------------------------------------------------------------------

    def _result(self) -> Any:
        return self.parameters.reconstructResult if self.parameters is not None else None

    def onResult(self, result: Any) -> None:
        """A reconstruction was taken in: show it, in the radiographs' views too."""
        self.parameters.reconstructResult = result
        self._offerEvaluation(result)
        self.showLayout()
        self.sync()
        layouts.lookAt(nodes.parts(result, nodes.BONE))

    def _offerEvaluation(self, result: Any) -> None:
        """Chosen in section 6, with the case's CT bones as reference, where nobody has chosen anything there."""
        parameters = self.parameters
        if parameters.evaluationResult is None:
            parameters.evaluationResult = result
        if parameters.evaluationReference is None and parameters.segmentation is not None:
            parameters.evaluationReference = parameters.segmentation

    def showLayout(self) -> None:
        """One view per radiograph, if it is not shown already."""
        layout = self.widget.radiographs.layout
        if not layout.shown:
            layout.show()
            self.widget.radiographs.refresh()
            self._shown = None

    def _showResult(self) -> None:
        """Display and tables, when what they depend on has changed."""
        parameters, result, ui = self.parameters, self._result(), self.ui
        record = nodes.recordOf(result)
        ui.resultWidget.setVisible(bool(nodes.resultNodes()))
        ui.shownWidget.setVisible(result is not None)
        state = (
            result.GetID() if result is not None else None,
            len(nodes.parts(result, nodes.BONE)),
            len(nodes.resultNodes()),
            parameters.reconstructOverlay,
            parameters.reconstructBlend,
            parameters.reconstructColour,
        )
        if state == self._shown or self.run.running:
            return
        chosen, self._shown = self._shown is not None, state
        display.showResult(parameters, again=chosen)
        self.outlines.show(result if parameters.reconstructOverlay == SHOWN_OUTLINES else None)
        if result is None:
            return
        showStatus(ui.summaryLabel, tables.summaryText(record))
        showStatus(ui.warningsLabel, tables.warningsText(record))
        tables.fillMeasurements(ui.measurementTable, record)
        tables.fillLikeness(ui.likenessTable, record)
        coloured, pictured = nodes.hasUncertainty(result), bool(nodes.pictureKinds(result))
        blended = pictured and parameters.reconstructOverlay in (SHOWN_DRR, SHOWN_RESIDUAL)
        ui.colourCheckBox.setVisible(coloured)
        for name, there in (("overlayCombo", True), ("blendSlider", blended)):
            getattr(ui, name).setVisible(there)
            getattr(ui, f"{name}Label").setVisible(there)
        self._limitOverlays(pictured)

    def _limitOverlays(self, pictured: bool) -> None:
        """Computed radiographs are offered where there are any; the tooltip says why not."""
        combo = self.ui.overlayCombo
        for index in (1, 2):
            combo.model().item(index).setEnabled(pictured)
        ready = _("Drawn over each radiograph: outlines, the radiograph computed from the bones, the difference")
        without = _("Outlines or nothing: only a refined reconstruction has computed radiographs")
        combo.toolTip = ready if pictured else without

    def onRemove(self, *_args: Any) -> None:
        """Remove the shown reconstruction and show the newest of the others."""
        result = self._result()
        if result is None:
            return
        name = result.GetName()
        nodes.removeResult(result)
        others = nodes.resultNodes()
        self.parameters.reconstructResult = others[-1] if others else None
        self.sync()
        self.say(_("{name} removed.").format(name=name))

    def onExport(self, *_args: Any) -> None:
        """Ask for a folder and write the shown reconstruction into it."""
        settings = slicer.app.settings()
        chosen = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the reconstruction"), settings.value(EXPORT_SETTING) or ""
        )
        if not chosen or self._result() is None:
            return
        settings.setValue(EXPORT_SETTING, chosen)
        try:
            with slicer.util.WaitCursor():
                paths = exportResult(self._result(), Path(chosen), self.parameters.reconstructExport)
        except (InputError, XRayTo3DError, OSError) as error:
            self.say(str(error), BAD)
            return
        names = ", ".join(path.name for path in paths)
        self.say(_("Written to {folder}: {names}.").format(folder=chosen, names=names), GOOD)
