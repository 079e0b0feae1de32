"""A trained model examined on a data set's test people, as a job: ``xrayto3d experiment`` and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import JobWatch, startCommand
from XRayTo3DGui.panel import BAD, GOOD, UNSURE, explaining, showStatus
from XRayTo3DGui.reconstruct import bundles
from XRayTo3DGui.setup.packages import torchProblem
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus
from XRayTo3DLib.methods.catalogue import PICTURES, entry_named

KIND, REPORT = "experiment", "report"
WORDS = {
    "reconstruction": "Surface errors of its bones, beside mean shape and ridge regression, with statistics.",
    "sensitivity": "Surface errors of people who are turned.",
    "biplanar": "Bones in space and their outlines in the pictures, with times.",
    "shape-fit": "Fits of the shape models: error, convergence and time by their start.",
    "image-translation": "How near translated radiographs come to the computed ones of their bones.",
    "depth-losses": "Depth, surfaces and volumes.",
    "completion": "Bones as seen, and completed by shape models.",
}


def kindsOf(entry: bundles.BundleEntry | None) -> tuple[str, ...]:
    """Experiments that suit a model."""
    if entry is None or entry.bundle is None:
        return ()
    method = entry.bundle.method
    if entry_named(method).makes == PICTURES:
        return ("image-translation",)
    if method == "shape-intensity-fit":
        return ("shape-fit",)
    if method == "dual-face-depth":
        return ("completion", "depth-losses")
    return ("biplanar",) if method == "biplanar" else ("reconstruction", "sensitivity")


def commandOf(kind: str, model: Path, data: Path, folder: Path) -> list[str]:
    """The words after ``xrayto3d``; the report lies in the job's folder."""
    option = "--translation" if kind == "image-translation" else "--model"
    named = f"{model.parent.name}={model}" if kind in ("biplanar", "depth-losses") else str(model)
    return ["experiment", kind, option, named, "--data", str(data), "-o", str(folder / REPORT)]


def startExperiment(kind: str, model: Path, data: Path, folder: Path) -> JobFolder:
    """Run an experiment in a process of its own.

    Raises:
        InputError: PyTorch is missing, an unknown kind, or the folder cannot be used.
    """
    if kind not in WORDS:
        raise InputError(_("There is no experiment {kind}: choose {known}.").format(kind=kind, known=", ".join(WORDS)))
    if problem := torchProblem():
        raise InputError(problem)
    job = JobFolder.create(folder, KIND, {"kind": kind, "model": model, "data": data})
    startCommand(job, commandOf(kind, model, data, job.path))
    return job


class ExperimentBox:
    """The part "Experiment": model, what is measured, data set, report. The parameter node knows its job."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._entries: list[bundles.BundleEntry] = []
        self._kinds: tuple[str, ...] = ()
        self._filling = False
        self.job: JobFolder | None = None
        self._watch = JobWatch(self._onLook, lambda _records: None, self._onEnded)
        ui = self.ui
        ui.experimentSection.connect("contentsCollapsed(bool)", lambda _collapsed: self.sync())
        ui.experimentModelCombo.connect("currentIndexChanged(int)", self._onModel)
        ui.experimentKindCombo.connect("currentIndexChanged(int)", self._onKind)
        ui.experimentDataButton.connect("clicked(bool)", lambda _on=False: self._browse("experimentData"))
        ui.experimentFolderButton.connect("clicked(bool)", lambda _on=False: self._browse("experimentFolder"))
        ui.experimentButton.connect("clicked(bool)", self.onButton)
        ui.experimentReportButton.connect("clicked(bool)", self.onReport)
        ui.experimentProgressBar.setVisible(False)
        self.say("")

    def say(self, text: str, colour: str = "") -> None:
        """One sentence of the experiment."""
        showStatus(self.ui.experimentStatusLabel, text, colour)

    # ---- what a person does ----------------------------------------------------------------------------------------

    def _onModel(self, index: int) -> None:
        if not self._filling and self.panel.parameters is not None and index >= 0:
            self.panel.parameters.experimentModel = str(self._entries[index - 1].path) if index else ""
            self.sync()

    def _onKind(self, index: int) -> None:
        if not self._filling and self.panel.parameters is not None and 0 <= index < len(self._kinds):
            self.panel.parameters.experimentKind = self._kinds[index]
            self.sync()

    def _browse(self, field: str) -> None:
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder"), "")
        if chosen:
            setattr(self.panel.parameters, field, chosen)

    def onButton(self, *_args: Any) -> None:
        """Run, or Cancel while it runs."""
        if self._watch.watching:
            self._watch.cancel()
            return
        parameters = self.panel.parameters
        with slicer.util.tryWithErrorDisplay(_("The experiment could not be started.")), explaining(self.say):
            if problem := self.problem():
                raise InputError(problem)
            paths = (parameters.experimentModel, parameters.experimentData, parameters.experimentFolder)
            job = startExperiment(self.kind, *map(Path, paths))
            parameters.experimentJob = str(job.path)
            self._take(job)
        self.sync()

    def onReport(self, *_args: Any) -> None:
        """In the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.report)))

    # ---- following -------------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Find the experiment again that the parameter node tells of."""
        folder = self.panel.parameters.experimentJob
        if not folder or (self.job is not None and str(self.job.path) == folder):
            return
        try:
            self._take(JobFolder.open(Path(folder)))
        except InputError:
            self.say(_("The experiment of this scene is not on this computer: {folder}").format(folder=folder), UNSURE)

    def release(self) -> None:
        """Look no more; the worker goes on."""
        self._watch.letGo()
        self.job = None

    def _take(self, job: JobFolder) -> None:
        self.job = job
        self._watch.watch(job)

    def _onLook(self, state: JobState) -> None:
        record = state.progress or {}
        text, fraction = str(record.get("text") or _("Starting the worker…")), record.get("fraction")
        bar = self.ui.experimentProgressBar
        bar.maximum = 1000 if isinstance(fraction, int | float) else 0
        bar.setValue(round(1000 * fraction) if isinstance(fraction, int | float) else 0)
        self.say(text[:1].upper() + text[1:])

    def _onEnded(self, state: JobState) -> None:
        if state.status is JobStatus.FINISHED:
            self.say(_("Done: the report is written."), GOOD)
        elif state.status is JobStatus.CANCELLED:
            self.say(_("Cancelled; there is no report."), UNSURE)
        else:
            self.say(state.message[:1].upper() + state.message[1:], BAD)
        self.sync()

    def sync(self) -> None:
        """As the parameter node and the job have it; models are read when the part is opened."""
        ui, parameters = self.ui, self.panel.parameters
        if parameters is None or ui.experimentSection.collapsed:
            return
        self.attach()
        if not self._entries:
            self._entries = [*bundles.bundleEntries(), *bundles.bundleEntries(translations=True)]
        entry = self.entry
        self._kinds = kindsOf(entry)
        self._filling = True
        try:
            _fill(ui.experimentModelCombo, [_("Choose a model"), *(each.title for each in self._entries)])
            ui.experimentModelCombo.currentIndex = self._entries.index(entry) + 1 if entry is not None else 0
            _fill(ui.experimentKindCombo, [each.replace("-", " ") for each in self._kinds])
            ui.experimentKindCombo.currentIndex = self._kinds.index(self.kind) if self.kind else -1
        finally:
            self._filling = False
        ui.experimentKindCombo.enabled = bool(self._kinds)
        showStatus(ui.experimentKindLabel, _(WORDS[self.kind]) if self.kind else "")
        self._showButtons()

    def _showButtons(self) -> None:
        ui, running, problem = self.ui, self._watch.watching, self.problem()
        ui.experimentProgressBar.setVisible(running)
        ui.experimentButton.text = _("Cancel") if running else _("Run experiment")
        ui.experimentButton.enabled = running or not problem
        ready = _("Ask the data set's test people, in a process of its own, and write a report")
        ui.experimentButton.toolTip = _("Stop; there will be no report") if running else problem or ready
        there = self.report is not None
        ui.experimentReportButton.enabled = there
        ui.experimentReportButton.toolTip = _("Show it in the browser") if there else _("Run an experiment first")

    @property
    def entry(self) -> bundles.BundleEntry | None:
        """The chosen model."""
        return bundles.chosenEntry(self._entries, self.panel.parameters.experimentModel)

    @property
    def kind(self) -> str:
        """What is measured: the chosen one where it suits the model, else the first."""
        chosen = self.panel.parameters.experimentKind
        return chosen if chosen in self._kinds else next(iter(self._kinds), "")

    @property
    def report(self) -> Path | None:
        """The report of the experiment, where there is one."""
        path = self.job.path / REPORT / "report.html" if self.job is not None else None
        return path if path is not None and path.is_file() else None

    def problem(self) -> str:
        """What is missing, one sentence; empty when nothing is."""
        parameters = self.panel.parameters
        folder = Path(parameters.experimentFolder)
        if not self.kind:
            return _("Choose the model first")
        if not (Path(parameters.experimentData) / "dataset.json").is_file():
            return _("Choose the data set: the folder with dataset.json")
        if not parameters.experimentFolder.strip() or not folder.is_absolute():
            return _("Choose the folder of the report: new, or empty")
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            return _("The report's folder is not empty: choose a new or an empty one")
        return torchProblem()


def _fill(combo: Any, texts: Sequence[str]) -> None:
    if [combo.itemText(index) for index in range(combo.count)] != list(texts):
        combo.clear()
        combo.addItems(list(texts))
