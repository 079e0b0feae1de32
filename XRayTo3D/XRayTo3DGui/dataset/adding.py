"""The form "Add cases": from the scene, from two files, or from a table of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.dataset import collect, work
from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD, GOOD, explaining, showStatus
from XRayTo3DGui.parameters import CASE_SIDES, SPLIT_WORDS
from XRayTo3DLib.dataset.dataset_folder import CaseEntry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name

PATHS = {"ctPath": "datasetCtFile", "labelsPath": "datasetLabelsFile", "tablePath": "datasetTableFile"}


class AddCasesBox:
    """Id, side, split and person of a new case, and the three ways to its files."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._filling = False
        self._last = ""
        self._steps = StepRunner(self._onStep, self._onDone, self._onFailed, self._onCancelled)
        self.say("")
        for name in PATHS:
            widget = getattr(self.ui, name)
            widget.connect("currentPathChanged(QString)", self._onPath)
            widget.connect("validInputChanged(bool)", self._onPath)
        self.ui.addSceneButton.connect("clicked(bool)", self.onAddScene)
        self.ui.importButton.connect("clicked(bool)", self.onImport)
        self.ui.importTableButton.connect("clicked(bool)", self.onImportTable)

    @property
    def running(self) -> bool:
        """Whether the scene's case is being written."""
        return self._steps.running

    def stop(self) -> None:
        """Nothing of ours may run later."""
        self._steps.cancel()

    def say(self, text: str, colour: str = "") -> None:
        """One sentence under the buttons."""
        showStatus(self.ui.addStatusLabel, text, colour)

    def _onPath(self, *_args: Any) -> None:
        if self._filling or self.panel.parameters is None:
            return
        for name, field in PATHS.items():
            setattr(self.panel.parameters, field, str(getattr(self.ui, name).currentPath).strip())

    # ---- following -----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """As parameters and scene have it."""
        parameters, ui = self.panel.parameters, self.ui
        self._filling = True
        try:
            for name, field in PATHS.items():
                widget, text = getattr(ui, name), getattr(parameters, field)
                if str(widget.currentPath).strip() != text:
                    widget.currentPath = text
        finally:
            self._filling = False
        ui.caseIdEdit.placeholderText = self.caseId(suggested=True)
        text = collect.sceneText(parameters)
        ui.sceneLabel.text = text
        ui.sceneLabel.setVisible(bool(text))

    def caseId(self, suggested: bool = False) -> str:
        """What a person wrote, or the suggestion."""
        typed = self.panel.parameters.datasetCaseId.strip()
        if typed and not suggested:
            return typed
        return work.suggestedId([row.id for row in self.panel.rows])

    def entry(self) -> CaseEntry:
        """The new case's line of ``dataset.json``."""
        parameters, caseId = self.panel.parameters, self.caseId()
        person = parameters.datasetCasePerson.strip() or caseId
        side, split = CASE_SIDES[parameters.datasetCaseSide], SPLIT_WORDS[parameters.datasetCaseSplit]
        return CaseEntry(caseId, person, split, side)

    def updateButtons(self) -> None:
        """Greyed with what is missing; the first button cancels while it works."""
        ui, general = self.ui, self._general()
        scene = general or self._idProblem() or collect.sceneProblem(self.panel.parameters, self.panel.bones)
        files = general or self._idProblem() or self._filesProblem()
        table = general or self._fileProblem(self.panel.parameters.datasetTableFile, _("the table"))
        text = _("Write CT, segmentation and ticked radiographs, with pose and review where they are registered")
        _set(ui.addSceneButton, scene, text)
        if self.running:
            writing = self._last.startswith(collect.writingText(""))
            stop, wait = _("Stop; nothing is added"), _("The files are being written: a moment")
            ui.addSceneButton.enabled, ui.addSceneButton.toolTip = not writing, wait if writing else stop
        ui.addSceneButton.text = _("Cancel") if self.running else _("Add the scene's case")
        _set(ui.importButton, files, _("Read both in a process of its own and add them as a case"))
        _set(ui.importTableButton, table, _("Add every case of the table, in a process of its own"))

    def _general(self) -> str:
        if self.panel.about is None:
            return _("Choose or make a data set first")
        return self.panel.job.busy or (_("Wait until the scene's case is written") if self.running else "")

    def _idProblem(self) -> str:
        caseId = self.caseId()
        if safe_file_name(caseId) != caseId or caseId.startswith("."):
            return _("Name the case with letters, digits, dash and underscore only")
        if caseId.lower() in {row.id.lower() for row in self.panel.rows}:
            return _("There is a case {id} already: take another name").format(id=caseId)
        return ""

    def _filesProblem(self) -> str:
        parameters = self.panel.parameters
        return self._fileProblem(parameters.datasetCtFile, _("the CT")) or self._fileProblem(
            parameters.datasetLabelsFile, _("the segmentation")
        )

    def _fileProblem(self, text: str, what: str) -> str:
        if not text:
            return _("Choose {what} first").format(what=what)
        there = Path(text).expanduser().exists()
        return "" if there else _("There is no file {path}").format(path=text)

    # ---- what a person presses -------------------------------------------------------------------------------------

    def onAddScene(self, *_args: Any) -> None:
        """Write the scene's case; pressed again, stop."""
        if self.running:
            self._steps.cancel()
            return
        with explaining(self.say):
            self._steps.start(
                collect.addSteps(self.panel.parameters.datasetFolder, self.entry(), self.panel.parameters)
            )
        self.panel.updateButtons()

    def onImport(self, *_args: Any) -> None:
        """Two files, in a job."""
        parameters, entry = self.panel.parameters, self.entry()
        files = (parameters.datasetCtFile, parameters.datasetLabelsFile)
        ct, labels = (str(Path(text).expanduser().absolute()) for text in files)
        row = {"id": entry.id, "ct": ct, "labels": labels, "side": entry.side}
        with explaining(self.say):
            self._start(work.importOptions([{**row, "split": entry.split, "patient": entry.patient}]))

    def onImportTable(self, *_args: Any) -> None:
        """All lines of a table, in a job."""
        with explaining(self.say):
            self._start(work.importOptions(self.panel.parameters.datasetTableFile))

    def _start(self, options: dict[str, Any]) -> None:
        self.panel.job.start(self.panel.parameters.datasetFolder, work.IMPORT, options)
        self.panel.parameters.datasetCaseId = self.panel.parameters.datasetCasePerson = ""

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _onStep(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self.say(text)
            self.updateButtons()

    def _onDone(self) -> None:
        self.panel.parameters.datasetCaseId = self.panel.parameters.datasetCasePerson = ""
        self.say(self._last, GOOD)
        self.panel.refresh()

    def _onFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            slicer.util.errorDisplay(_("The case could not be added."), detailedText=repr(error))
        self.say(str(error), BAD)
        self.panel.refresh()

    def _onCancelled(self) -> None:
        self.say(_("Cancelled."))
        self.panel.refresh()


def _set(button: Any, problem: str, ready: str) -> None:
    button.enabled, button.toolTip = not problem, problem or ready
