"""Section "Evaluation": how far a result's surface is from a reference, as numbers, colors and a report."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from XRayTo3DGui.evaluation import nodes, views
from XRayTo3DGui.evaluation.table import fillTable
from XRayTo3DGui.panel import BAD, UNSURE, connectGui, showStatus
from XRayTo3DLib.errors import XRayTo3DError
from XRayTo3DLib.evaluation.comparison import Comparison, compare

FOLDER_SETTING = "XRayTo3D/EvaluationFolder"
PRESETS = (1, 2, 5, 10)
# What the library says to users of the command line, in the words of the module.
WORDS = (
    ("give --unit m (or multiply by 1000)", "scale it by 1000 (module Transforms)"),
    ("give --result-unit m (or multiply by 1000)", "scale it by 1000 (module Transforms)"),
    ("divide the coordinates by 1000", "scale it by 0.001 (module Transforms)"),
    ("Give the unit of each (--unit, --result-unit)", "Scale one of them (module Transforms)"),
    ("Export it again in LPS, or write SPACE=RAS into its header", "Load it again with the other coordinate system"),
)
NOTE = (
    "Millimeters, in world coordinates: transforms of the models are applied, and they are not aligned to each other "
    "here. The result is hidden while its color map is shown; your models stay as they are."
)


class EvaluationPanel(VTKObservationMixin):
    """Measures two models and shows where they differ. Works on the parameter node's ``evaluation...`` fields."""

    def __init__(self, widget: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.widget = widget
        self.ui: Any = None
        self.comparison: Comparison | None = None
        self._node: Any = None
        self._guiTag: Any = None
        self._watched: list[Any] = []
        self._measured: tuple[Any, ...] | None = None
        self._choices: tuple[Any, ...] | None = None
        self._reference = views.ReferenceDisplay()
        self._layout = views.EvaluationLayout()

    def setup(self) -> Any:
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Evaluation.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.evaluationMeasureButton.connect("clicked(bool)", self.onMeasure)
        self.ui.evaluationTablesButton.connect("toggled(bool)", self.onLayout)
        self.ui.evaluationReportButton.connect("clicked(bool)", self.onReport)
        self.ui.evaluationReferenceView.connect("currentIndexChanged(int)", self.onReferenceView)
        for value in PRESETS:
            button = getattr(self.ui, f"evaluationPreset{value}Button")
            button.connect("clicked(bool)", lambda _checked=False, value=value: self._setMaximum(value))
        self.ui.evaluationNotesLabel.text = _(NOTE)
        showStatus(self.ui.evaluationStatusLabel, "")
        self._update()
        return uiWidget

    def cleanup(self) -> None:
        self.setParameterNode(None)
        self.removeObservers()

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; None while the scene closes or the module is left."""
        if self._node is not None:
            self._node.disconnectGui(self._guiTag)
            self.removeObservers()
        self._node, self._guiTag, self._watched, self._choices = node, None, [], None
        if node is not None:
            self._guiTag = connectGui(node, self.ui)
            self.addObserver(node.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameters)
        if self.ui is not None:
            self._update()

    # ---- what happens --------------------------------------------------------------------------------------------

    def onParameters(self, _caller: Any = None, _event: str = "") -> None:
        """The parameter node changed; most of its changes are other panels'."""
        choices = (*self._inputs(), self._node.evaluationMaximum, self._node.evaluationSigned)
        if choices == self._choices:
            return
        self._choices = choices
        model = self._map()
        if model is not None:
            nodes.color(model, self._node.evaluationMaximum, self._node.evaluationSigned)
            if self._chosen() != self._watched:
                nodes.showOnly(model)
        if self._reference.node not in self._chosen():
            self._reference.restore()
        self._update()

    def onMeasure(self, _checked: bool = False) -> None:
        with slicer.util.tryWithErrorDisplay(_("The surfaces could not be measured."), waitCursor=True):
            try:
                self.measure()
            except XRayTo3DError as error:
                self._forget()
                self._update()
                self._say(inPanelWords(str(error)), BAD)

    def measure(self) -> Comparison:
        """Compare the two models and show the outcome.

        Raises:
            InputError: Models that cannot be compared, in one sentence.
        """
        node = self._node
        reference, result = node.evaluationReference, node.evaluationResult
        first = nodes.find(nodes.MAP, result) is None
        comparison = compare(
            nodes.surfaceOf(reference),
            nodes.surfaceOf(result),
            ignore_boundary=node.evaluationIgnoreBoundary,
            synthetic=nodes.isSynthetic(reference) or nodes.isSynthetic(result),
            names=(reference.GetName(), result.GetName()),
        )
        nodes.show(comparison, result, node.evaluationMaximum, node.evaluationSigned)
        if result.GetDisplayNode() is not None:
            result.GetDisplayNode().SetVisibility(False)
        self.comparison, self._measured = comparison, self._inputs()
        self.onReferenceView()
        if first:
            views.centerOnce()
        self._update()
        self._say(" ".join(comparison.warnings), UNSURE)
        return comparison

    def onInputMoved(self, _caller: Any, _event: str) -> None:
        """A model was edited or moved: its numbers are those of before."""
        self._forget()
        self._update()

    def onLayout(self, _checked: bool = False) -> None:
        """Table and histogram, and a second 3D view for side by side."""
        sideBySide = self._referenceView() is views.ReferenceView.SIDE_BY_SIDE and self._map() is not None
        self._layout.show(self.ui.evaluationTablesButton.checked, sideBySide)
        self._fillViews()

    def onReferenceView(self, _index: int = 0) -> None:
        if self._node is None:
            return
        self.onLayout()
        self._reference.apply(self._node.evaluationReference, self._map(), self._referenceView())
        if self._referenceView() is views.ReferenceView.SIDE_BY_SIDE and self._map() is not None:
            views.linkCameras()

    def onReport(self, _checked: bool = False) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the report"), slicer.app.settings().value(FOLDER_SETTING) or ""
        )
        if folder:
            slicer.app.settings().setValue(FOLDER_SETTING, folder)
            self.writeReport(Path(folder))

    def writeReport(self, folder: Path) -> None:
        """metrics.json, distance.vtp, distance.png and report.html into ``folder``."""
        from XRayTo3DLib.evaluation.comparison_files import write_comparison

        with slicer.util.tryWithErrorDisplay(_("The report could not be written."), waitCursor=True):
            try:
                paths = write_comparison(self.comparison, folder, range_mm=self._node.evaluationMaximum)
            except ModuleNotFoundError as error:
                text = _("The report needs the Python package {name}: slicer.util.pip_install('{name}')")
                self._say(text.format(name=error.name), BAD)
                return
            except (XRayTo3DError, OSError) as error:
                self._say(str(error), BAD)
                return
        link = f'<a href="{paths["report"].as_uri()}">{escape(paths["report"].name)}</a>'
        label = self.ui.evaluationStatusLabel
        showStatus(label, _("Report written to {folder}: {link}").format(folder=escape(str(folder)), link=link))

    # ---- what is shown -------------------------------------------------------------------------------------------

    def _setMaximum(self, value: float) -> None:
        if self._node is not None:
            self._node.evaluationMaximum = float(value)

    def _update(self) -> None:
        """Everything that depends on the inputs: buttons, table, status."""
        missing = self._missing()
        button = self.ui.evaluationMeasureButton
        button.enabled = not missing
        button.toolTip = missing or _("Measure both ways, color the result and fill the table (a few seconds)")
        self._watch()
        self._showNumbers()

    def _missing(self) -> str:
        if self._node is None:
            return _("Enter the module first")
        reference, result = self._node.evaluationReference, self._node.evaluationResult
        if reference is None:
            return _("Choose the reference: the true surface")
        if result is None:
            return _("Choose the result: the surface to judge")
        if reference is result:
            return _("Reference and result are the same model: choose two")
        return ""

    def _showNumbers(self) -> None:
        statistics = nodes.find(nodes.STATISTICS, self._node.evaluationResult) if self._node is not None else None
        shown = statistics is not None
        current = shown and self._measured is not None and self._measured == self._inputs()
        fillTable(self.ui.evaluationResultTable, statistics if shown else None)
        self.ui.evaluationResultTable.enabled = current
        for control in (self.ui.evaluationReferenceView, self.ui.evaluationTablesButton):
            control.enabled = shown
        report = self.ui.evaluationReportButton
        report.enabled = current
        report.toolTip = (
            _("Write metrics.json, distance.vtp, distance.png and report.html into a folder")
            if current
            else _("Measure first: the report is made from the numbers of this session")
        )
        stale = shown and not current
        self._say(_("These numbers are of an earlier measurement: press Measure.") if stale else "", UNSURE)

    def _fillViews(self) -> None:
        result = self._node.evaluationResult if self._node is not None else None
        statistics, chart = nodes.find(nodes.STATISTICS, result), nodes.find(nodes.CHART, result)
        if self.ui.evaluationTablesButton.checked and statistics is not None:
            views.showInTableAndPlot(statistics, chart)

    def _say(self, text: str, color: str) -> None:
        showStatus(self.ui.evaluationStatusLabel, escape(text), color)

    # ---- inputs --------------------------------------------------------------------------------------------------

    def _map(self) -> Any:
        return nodes.find(nodes.MAP, self._node.evaluationResult) if self._node is not None else None

    def _referenceView(self) -> views.ReferenceView:
        return views.ReferenceView(max(0, self.ui.evaluationReferenceView.currentIndex))

    def _inputs(self) -> tuple[Any, ...]:
        node = self._node
        return node.evaluationReference, node.evaluationResult, node.evaluationIgnoreBoundary

    def _forget(self) -> None:
        self.comparison = self._measured = None

    def _chosen(self) -> list[Any]:
        """The chosen models, each once."""
        both = [] if self._node is None else [self._node.evaluationReference, self._node.evaluationResult]
        return [node for number, node in enumerate(both) if node is not None and node not in both[:number]]

    def _watch(self) -> None:
        """Observe the chosen models, and only them."""
        chosen = self._chosen()
        if chosen == self._watched:
            return
        events = (slicer.vtkMRMLModelNode.PolyDataModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent)
        for event in events:
            for node in self._watched:
                self.removeObserver(node, event, self.onInputMoved)
            for node in chosen:
                self.addObserver(node, event, self.onInputMoved)
        self._watched = chosen


def inPanelWords(sentence: str) -> str:
    """The library's sentence without the command line's options."""
    for said, meant in WORDS:
        sentence = sentence.replace(said, _(meant))
    return sentence
