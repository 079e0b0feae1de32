"""Method, configuration, data set, folder and the few things that matter: controls that follow the parameter node."""

from __future__ import annotations

import importlib.util
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, UNSURE, showStatus
from XRayTo3DGui.train import choice as choices
from XRayTo3DGui.train import job as jobs
from XRayTo3DGui.train.check import DataCheck
from XRayTo3DGui.train.choice import Choice
from XRayTo3DGui.train.settings_table import SettingsTable
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.catalogue import CATALOGUE, MethodEntry, StartConfiguration, entry_named, start_configurations
from XRayTo3DLib.methods.configuration import read_configuration

MATTERING = ("length", "batch", "views", "seed", "threads", "device")


class TrainForm:
    """Everything that is chosen before a training; all of it lives in the parameter node."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.choice: Choice | None = None
        self.check = DataCheck(panel.sync)
        self._error = ""
        self._starts: list[StartConfiguration] = []
        self._listed: str | None = None
        self._filling = False
        ui = self.ui
        self._table = SettingsTable(ui.trainSettingsTable, ui.trainFilterEdit, self.onChange)
        ui.trainMethodCombo.addItems([_("Choose what to train"), *(_(entry.title) for entry in CATALOGUE)])
        ui.trainMethodCombo.connect("currentIndexChanged(int)", self._onMethod)
        ui.trainStartCombo.connect("currentIndexChanged(int)", self._onStart)
        ui.trainStartButton.connect("clicked(bool)", self.onFile)
        ui.trainDataButton.connect("clicked(bool)", lambda _on=False: self._browse("trainData", _("Data set")))
        ui.trainFolderButton.connect("clicked(bool)", lambda _on=False: self._browse("trainFolder", _("New folder")))
        ui.trainLengthSpinBox.connect("valueChanged(int)", self._onLength)
        ui.trainBatchSpinBox.connect("valueChanged(int)", self._onBatch)
        ui.trainSeedSpinBox.connect("valueChanged(int)", lambda value: self.onChange(f"seed={value}"))
        ui.trainViewsEdit.connect("editingFinished()", self._onViews)
        ui.trainResetButton.connect("clicked(bool)", self.onReset)

    # ---- what a person does ----------------------------------------------------------------------------------------

    def _onMethod(self, index: int) -> None:
        if self._filling or self.panel.parameters is None:
            return
        self.setMethod(CATALOGUE[index - 1].name if index > 0 else "")

    def setMethod(self, name: str) -> None:
        """Another method, and the first configuration to start from."""
        starts = start_configurations(name) if name else []
        parameters = self.panel.parameters
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.trainMethod, parameters.trainChanges = name, ""
            parameters.trainStart = starts[0].path.stem if starts else ""
        self.panel.sync()

    def _onStart(self, index: int) -> None:
        if self._filling or self.panel.parameters is None or not 0 <= index < len(self._starts):
            return
        self._setStart(self._starts[index].path.stem)

    def _setStart(self, start: str) -> None:
        parameters = self.panel.parameters
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.trainStart, parameters.trainChanges = start, ""
        self.panel.sync()

    def onFile(self, *_args: Any) -> None:
        """A configuration of the person's own."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Training configuration"), "", _("Configurations (*.yaml *.yml)")
        )
        if path:
            self.setFile(Path(path))

    def setFile(self, path: Path) -> None:
        """Start from that file; its method is chosen with it."""
        with self.panel.explaining():
            method = entry_named(str(read_configuration(path)["method"])).name
            self.panel.parameters.trainMethod = method
            self._setStart(str(path))

    def _browse(self, field: str, title: str) -> None:
        start = getattr(self.panel.parameters, field)
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, start)
        if chosen:
            setattr(self.panel.parameters, field, chosen)

    def _onLength(self, percent: int) -> None:
        if not self._filling and self.panel.parameters is not None:
            choices.setLength(self.panel.parameters, percent)
            self.panel.sync()

    def _onBatch(self, batch: int) -> None:
        if not self._filling and self.choice is not None:
            self.onChange(*(f"{key}={batch}" for key in self.choice.batchKeys))

    def _onViews(self) -> None:
        text = str(self.ui.trainViewsEdit.text)
        if self._filling or self.choice is None or text == self.choice.viewsText:
            return
        try:
            change = self.choice.viewsChange(text)
        except InputError as error:
            self.panel.say(str(error), BAD)
            self.ui.trainViewsEdit.text = self.choice.viewsText
            return
        self.onChange(change)

    def onChange(self, *changes: str) -> None:
        """Change values of the configuration; one that cannot be is said and put back."""
        if self._filling or self.panel.parameters is None:
            return
        with self.panel.explaining():
            choices.setChanges(self.panel.parameters, *changes)
        self._table.fill(self.choice, again=True)
        self.panel.sync()

    def onReset(self, *_args: Any) -> None:
        """The file's own values again."""
        self.panel.parameters.trainChanges = ""
        self.panel.sync()

    # ---- following the parameter node ------------------------------------------------------------------------------

    def sync(self) -> None:
        """As the parameter node has it."""
        parameters = self.panel.parameters
        self.choice, self._error = None, ""
        if importlib.util.find_spec("yaml") is not None:
            try:
                self.choice = choices.choiceOf(parameters)
            except InputError as error:
                self._error = str(error)
        else:
            self._error = _("PyYAML is missing: install it in the section Set-up.")
        self._filling = True
        try:
            self._showMethod(parameters)
            self._showMattering()
        finally:
            self._filling = False
        self._table.fill(self.choice)
        self.check.ask(parameters.trainData, self.choice)
        showStatus(self.ui.trainDataLabel, self.check.text())

    def _showMethod(self, parameters: Any) -> None:
        ui, entry = self.ui, self.entry
        ui.trainMethodCombo.currentIndex = CATALOGUE.index(entry) + 1 if entry is not None else 0
        showStatus(ui.trainMethodLabel, _described(entry) if entry is not None else "")
        if self._listed != (listed := f"{parameters.trainMethod}|{parameters.trainStart}"):
            self._listed = listed
            self._starts = start_configurations(parameters.trainMethod) if parameters.trainMethod else []
            ui.trainStartCombo.clear()
            ui.trainStartCombo.addItems([each.short_title for each in self._starts])
            if Path(parameters.trainStart).is_absolute():
                ui.trainStartCombo.addItem(Path(parameters.trainStart).name)
        names = [each.path.stem for each in self._starts]
        own = len(names) if Path(parameters.trainStart).is_absolute() else -1
        ui.trainStartCombo.currentIndex = names.index(parameters.trainStart) if parameters.trainStart in names else own
        showStatus(ui.trainErrorLabel, self._error, BAD)

    def _showMattering(self) -> None:
        """Only what this method has."""
        ui, choice = self.ui, self.choice
        stepped = choice is not None and bool(choice.lengths)
        there = {
            "Length": stepped,
            "Batch": choice is not None and bool(choice.batchKeys),
            "Views": choice is not None and bool(choice.viewsKey),
            "Seed": choice is not None,
        }
        for name, shown in there.items():
            widget = getattr(ui, f"train{name}Edit" if name == "Views" else f"train{name}SpinBox")
            widget.setVisible(shown)
            getattr(ui, f"train{name}Label").setVisible(shown)
        showStatus(ui.trainStepsLabel, _lengthText(choice) if stepped else "")
        if choice is None:
            return
        ui.trainLengthSpinBox.value = choice.percent
        if choice.batchKeys:
            ui.trainBatchSpinBox.value = choice.value(choice.batchKeys[0])
        ui.trainSeedSpinBox.value = choice.value("seed") or 0
        if not ui.trainViewsEdit.focus:
            ui.trainViewsEdit.text = choice.viewsText
        ui.trainResetButton.enabled = bool(choice.changes)
        none, some = _("Nothing is changed"), _("The configuration file's own values again ({count} changed)")
        ui.trainResetButton.toolTip = some.format(count=len(choice.changes)) if choice.changes else none

    @property
    def entry(self) -> MethodEntry | None:
        """The chosen method."""
        name = self.panel.parameters.trainMethod if self.panel.parameters is not None else ""
        return next((each for each in CATALOGUE if each.name == name), None)

    def problem(self) -> str:
        """What is missing to start, one sentence; empty when nothing is."""
        parameters = self.panel.parameters
        if parameters is None:
            return _("Enter the module first")
        if self.entry is None:
            return _("Choose what to train")
        return (
            self.panel.packagesProblem(self.entry)
            or self._error
            or (_("Choose a configuration to start from") if self.choice is None else "")
            or self.check.problem()
            or jobs.folderProblem(parameters.trainFolder)
        )

    def unsaid(self, problem: str) -> str:
        """A problem that no other line of the form tells already; empty where one does."""
        told = (self._error, *(self.check.report.problems if self.check.report is not None else ()))
        return "" if self.check.running or problem in told else problem


def _described(entry: MethodEntry) -> str:
    """What it is, for which radiographs, and what it costs, as rich text."""
    lines = [
        escape(_(entry.what)),
        _("<b>For:</b> {anatomy}. <b>Views:</b> {views}.").format(
            anatomy=escape(_(entry.anatomy)), views=escape(_(entry.views))
        ),
        escape(_(entry.cost)),
    ]
    if not entry.stepped:
        text = _("It is ready at once: no curves, no samples, nothing to pause.")
        lines.append(f'<span style="color:{UNSURE}">{escape(text)}</span>')
    return "<br>".join(lines)


def _lengthText(choice: Choice) -> str:
    """Steps of every stage."""
    parts = []
    for each in choice.lengths:
        *stage, unit = each.key.split(".")
        name = stage[-1] if stage and stage[0] == "stages" else ""
        parts.append(f"{name} {each.value} {unit}".strip())
    return ", ".join(parts)
