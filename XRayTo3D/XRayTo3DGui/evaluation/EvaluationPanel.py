"""Section 6: how far bones are from a reference, as numbers, colors, outlines on the radiographs and a report."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.evaluation import nodes, views
from XRayTo3DGui.evaluation.batch import BatchPart
from XRayTo3DGui.evaluation.inputs import EvaluationInputs
from XRayTo3DGui.evaluation.measure import Evaluation
from XRayTo3DGui.evaluation.outlines import REFERENCE_COLOUR, RESULT_COLOUR, PairOutlines, hexColour
from XRayTo3DGui.evaluation.run import EvaluationRun
from XRayTo3DGui.evaluation.sources import otherBones
from XRayTo3DGui.evaluation.table import fillBones, fillTable, statistics
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, GOOD, UNSURE, showStatus
from XRayTo3DGui.parameters import REFERENCE_SHOWN

FOLDER_SETTING = "XRayTo3D/EvaluationFolder"
PRESETS = (1, 2, 5, 10)
NOTE = (
    "Millimeters, in world coordinates: transforms are applied. The result is hidden while its color map is shown; "
    "your models stay as they are."
)


class EvaluationPanel(VTKObservationMixin):
    """Measures bones and shows where they differ. Works on the parameter node's ``evaluation...`` fields."""

    def __init__(self, widget: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.widget = widget
        self.ui: Any = None
        self.parameters: Any = None
        self.outlines = PairOutlines()
        self._binding: Any = None
        self._watched: list[Any] = []
        self._measured: tuple[Any, ...] | None = None
        self._problems: list[str] = []
        self._choices: tuple[Any, ...] | None = None
        self._drawn: tuple[Any, ...] = ()
        self._reference = views.ReferenceDisplay()
        self._layout = views.EvaluationLayout()
        self._sceneChanged = Throttle(self.onParameters, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Evaluation.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.inputs, self.run, self.batch = EvaluationInputs(self), EvaluationRun(self), BatchPart(self)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.evaluationTablesButton.connect("toggled(bool)", self.onLayout)
        self.ui.evaluationReportButton.connect("clicked(bool)", self.onReport)
        self.ui.evaluationBonesTable.connect("cellClicked(int,int)", self.onBone)
        for value in PRESETS:
            button = getattr(self.ui, f"evaluationPreset{value}Button")
            button.connect("clicked(bool)", lambda _checked=False, value=value: self._setMaximum(value))
        self.ui.evaluationNotesLabel.text = _(NOTE)
        names = ((_("reference"), REFERENCE_COLOUR), (_("result"), RESULT_COLOUR))
        marks = (f'<span style="color:{hexColour(colour)}">━━</span> {escape(name)}' for name, colour in names)
        self.ui.evaluationOutlinesLabel.text = "&nbsp;&nbsp; ".join(marks)
        self.say("")
        self.update()
        return uiWidget

    def cleanup(self) -> None:
        self.setParameterNode(None)
        self.removeObservers()
        self.outlines.clear()

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; None while the scene closes or the module is left."""
        self._sceneChanged.stop()
        if self.parameters is not None:
            self.run.cancel()
            self.batch.leave()
            self._binding.disconnect()
            self.removeObservers()
        self.outlines.clear()
        self.parameters, self._binding, self._watched, self._choices, self._drawn = node, None, [], None, ()
        if node is not None:
            self._binding = GuiBinding(node, self.ui)
            self.addObserver(node.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameters)
            for event in (slicer.mrmlScene.NodeAddedEvent, slicer.mrmlScene.NodeRemovedEvent):
                self.addObserver(slicer.mrmlScene, event, self._sceneChanged.request)
            if self.ui is not None:
                self.batch.attach()
                self.onParameters()
        if self.ui is not None:
            self.update()

    # ---- following the scene -------------------------------------------------------------------------------------

    def onParameters(self, _caller: Any = None, _event: str = "") -> None:
        """The parameter node or the scene changed; most of their changes are other panels'."""
        node = self.parameters
        if node is None:
            return
        looks = (node.evaluationMaximum, node.evaluationSigned, node.evaluationReferenceShown, node.evaluationOutlines)
        chosen = (*self.inputs.state(), *looks, node.evaluationBone, self.maps())
        if chosen == self._choices or self.run.running:
            return
        self._choices = chosen
        self.inputs.sync()
        self.show()
        self.update()

    def onInputMoved(self, _caller: Any, _event: str) -> None:
        """A bone was edited or moved: its numbers are those of before."""
        if not self.run.running:
            self._measured, self._drawn = None, ()
            self.run.forget()
            self.showOutlines()
            self.update()

    def show(self) -> None:
        """Colors, the reference and the outlines as the parameters have them."""
        node, maps = self.parameters, self.maps()
        for model in maps:
            nodes.color(model, node.evaluationMaximum, node.evaluationSigned)
        if maps:
            nodes.showOnly(maps)
        self.onLayout()  # first: it makes the view that the reference may be shown in
        self._reference.apply(self.references(), maps, self._referenceView(), otherBones(self.inputs.bones()))
        if maps and self._referenceView() is views.ReferenceView.SIDE_BY_SIDE:
            views.linkCameras()
        self.showOutlines()

    def showOutlines(self) -> None:
        """Draw them where wanted and something they depend on has changed."""
        references, maps = self.references(), self.maps()
        wanted = self.parameters is not None and self.parameters.evaluationOutlines and bool(maps)
        state = tuple(each.GetID() for each in (*references, *maps)) if wanted else ()
        if state == self._drawn:
            return
        self._drawn = state
        if wanted:
            self.widget.reconstruct.showLayout()
            self.outlines.show(references, maps)
        else:
            self.outlines.clear()

    def maps(self) -> list[Any]:
        """The color maps of the chosen result's bones, as far as they were measured."""
        found = [nodes.find(nodes.MAP, bone.node) for bone in self.inputs.bones()]
        return [model for model in found if model is not None]

    def references(self) -> list[Any]:
        """The models that show the references."""
        found = [nodes.shownReference(pair) for pair in self.inputs.pairs()]
        return list(dict.fromkeys(model for model in found if model is not None))

    def _referenceView(self) -> views.ReferenceView:
        return views.ReferenceView(REFERENCE_SHOWN.index(self.parameters.evaluationReferenceShown))

    # ---- what happens --------------------------------------------------------------------------------------------

    def onMeasured(self, found: Evaluation) -> None:
        """A measurement ended: show it."""
        for bone in self.inputs.bones():
            if bone.name in found.comparisons and bone.node.GetDisplayNode() is not None:
                bone.node.GetDisplayNode().SetVisibility(False)
        if self.parameters.evaluationBone not in found.comparisons:
            self.parameters.evaluationBone = next(iter(found.comparisons))
        self._measured, self._drawn = self.inputs.state(), ()
        self.show()
        self._problems = found.problems
        self.update()

    def onBone(self, row: int, _column: int = 0) -> None:
        """Show all numbers of the bone in that row."""
        bones = self.inputs.bones()
        if self.parameters is not None and row < len(bones):
            self.parameters.evaluationBone = bones[row].name
            self.update()

    def onLayout(self, _checked: bool = False) -> None:
        """Table and histogram, and a second 3D view for side by side."""
        if self.parameters is None:
            return
        sideBySide = self._referenceView() is views.ReferenceView.SIDE_BY_SIDE and bool(self.maps())
        self._layout.show(self.ui.evaluationTablesButton.checked, sideBySide, self.maps())
        self._fillViews()

    def onReport(self, _checked: bool = False) -> None:
        settings = slicer.app.settings()
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the report"), settings.value(FOLDER_SETTING) or ""
        )
        if folder:
            settings.setValue(FOLDER_SETTING, folder)
            self.run.writeReport(Path(folder))

    def onReportWritten(self, page: Path) -> None:
        """The report's files are there."""
        link = f'<a href="{page.as_uri()}">{escape(page.name)}</a>'
        text = _("Report written to {folder}: {link}").format(folder=escape(str(page.parent)), link=link)
        showStatus(self.ui.evaluationStatusLabel, text, GOOD)

    def onFailed(self, text: str) -> None:
        """Nothing could be measured, or written."""
        self.update()
        self.say(text, BAD)

    # ---- what is shown -------------------------------------------------------------------------------------------

    def _setMaximum(self, value: float) -> None:
        if self.parameters is not None:
            self.parameters.evaluationMaximum = float(value)

    def update(self) -> None:
        """Everything that depends on the inputs: buttons, tables, status."""
        if self.ui is None or self.run.running:
            return
        self.run.updateButton(self.inputs.problem())
        self._watch()
        self._showNumbers()
        self.batch.update()

    def _showNumbers(self) -> None:
        bones = self.inputs.bones()
        found = {bone.name: nodes.find(nodes.STATISTICS, bone.node) for bone in bones}
        detail = found.get(self.shownBone())
        shown = any(each is not None for each in found.values())
        current = shown and self._measured is not None and self._measured == self.inputs.state()
        rows = [(name, statistics(each)) for name, each in found.items()] if shown else []
        fillBones(self.ui.evaluationBonesTable, rows, self.shownBone())
        fillTable(self.ui.evaluationResultTable, detail)
        self.ui.evaluationResultTable.enabled = current
        self.ui.evaluationTablesButton.enabled = shown
        self.ui.evaluationShownWidget.setVisible(shown)
        self.ui.evaluationOutlinesLabel.setVisible(shown and self.parameters.evaluationOutlines)
        report = self.ui.evaluationReportButton
        report.enabled = bool(current and self.run.comparisons)
        report.toolTip = (
            _("Write metrics.json, distance.vtp, distance.png and report.html into a folder")
            if report.enabled
            else _("Measure first: the report is made from the numbers of this session")
        )
        stale = shown and not current
        shownNow = self.run.comparisons.get(self.shownBone()) if current else None
        notes = [*self._problems, *shownNow.warnings] if shownNow is not None else []
        old = _("These numbers are of an earlier measurement: press Measure.")
        self.say(old if stale else " ".join(notes), UNSURE)
        self._fillViews()

    def shownBone(self) -> str:
        """The bone whose numbers are shown in full."""
        names = [bone.name for bone in self.inputs.bones()]
        chosen = self.parameters.evaluationBone if self.parameters is not None else ""
        return chosen if chosen in names else next(iter(names), "")

    def _fillViews(self) -> None:
        bone = next((each for each in self.inputs.bones() if each.name == self.shownBone()), None)
        if bone is None or not self.ui.evaluationTablesButton.checked:
            return
        table, chart = nodes.find(nodes.STATISTICS, bone.node), nodes.find(nodes.CHART, bone.node)
        if table is not None:
            views.showInTableAndPlot(table, chart)

    def say(self, text: str, colour: str = "") -> None:
        """One sentence in the panel."""
        showStatus(self.ui.evaluationStatusLabel, escape(text), colour)

    def _watch(self) -> None:
        """Observe the chosen bones, and only them."""
        chosen = self.inputs.watched()
        if chosen == self._watched:
            return
        events = {
            "vtkMRMLModelNode": (slicer.vtkMRMLModelNode.PolyDataModifiedEvent,),
            "vtkMRMLSegmentationNode": (slicer.vtkSegmentation.SourceRepresentationModified,),
        }
        for old, subjects in ((True, self._watched), (False, chosen)):
            for node in subjects:
                for event in (
                    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                    *events.get(node.GetClassName(), ()),
                ):
                    (self.removeObserver if old else self.addObserver)(node, event, self.onInputMoved)
        self._watched = chosen
