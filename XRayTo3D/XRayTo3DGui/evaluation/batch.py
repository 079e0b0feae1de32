"""Many cases against their references: a worker process measures them, table and report are shown at its end."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui import job_watch
from XRayTo3DGui.evaluation.table import fillColumns
from XRayTo3DGui.panel import BAD, GOOD, UNSURE, showStatus
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus

KIND, JOB_FOLDER = "evaluation", "job"
PATHS = {
    "evaluationBatchReferencesPath": "evaluationBatchReferences",
    "evaluationBatchResultsPath": "evaluationBatchResults",
    "evaluationBatchOutputPath": "evaluationBatchOutput",
}
SUMMARY_FORMAT = "xrayto3d.evaluation-batch/1"


def startBatch(references: str, results: str, output: str, *, ignoreBoundary: bool = False, align: bool = False) -> Any:
    """Start the worker; returns its job folder, ``<output>/job``.

    Raises:
        InputError: Something is missing, or a worker runs there already.
    """
    problem = missing(references, results, output)
    if problem:
        raise InputError(problem + ".")
    job = JobFolder.create(Path(output) / JOB_FOLDER, KIND, {"references": Path(references), "align": align})
    command = ["evaluate", "--batch", references, *([] if _isTable(references) else [results]), "--output", output]
    command += ["--ignore-boundary"] if ignoreBoundary else []
    job_watch.startCommand(job, [*command, "--align"] if align else command)
    job_watch.remember(KIND, job.path)
    return job


def missing(references: str, results: str, output: str) -> str:
    """What is still needed, as one sentence; empty when it can start."""
    if not references:
        return _("Choose the references: a folder, or a table of pairs")
    if not Path(references).exists():
        return _("There is no {path}: choose the references again").format(path=references)
    if not _isTable(references):
        if not results:
            return _("Choose the folder of the results")
        if not Path(results).is_dir():
            return _("There is no folder {path}: choose the results again").format(path=results)
    return "" if output else _("Choose the folder to write to")


def readSummary(output: Path | str) -> dict[str, Any]:
    """The statistics that a batch wrote.

    Raises:
        InputError: None there, or of another version.
    """
    from XRayTo3DLib.files import read_json

    return read_json(Path(output) / "summary.json", "batch", SUMMARY_FORMAT)


def _isTable(path: str) -> bool:
    return Path(path).is_file()


class BatchPart:
    """The collapsed part of the section; what is chosen and the job's folder are in the parameter node."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.watch = job_watch.JobWatch(self._onLook, lambda _records: None, self._onEnded)
        self._filling = False
        for name, field in PATHS.items():
            getattr(self.ui, name).connect("currentPathChanged(QString)", lambda path, f=field: self._onPath(f, path))
        self.ui.evaluationBatchButton.connect("clicked(bool)", self.onButton)
        self.ui.evaluationBatchFileButton.connect("clicked(bool)", self.onTable)
        self._showRunning(False)
        showStatus(self.ui.evaluationBatchStatusLabel, "")
        fillColumns(self.ui.evaluationBatchTable, (_("Bone"),), [])

    @property
    def running(self) -> bool:
        return self.watch.watching

    @property
    def _node(self) -> Any:
        return self.panel.parameters

    # ---- following the scene ---------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Show what the parameter node has, and find a batch again that runs or has ended since."""
        self._filling = True
        try:
            for name, field in PATHS.items():
                getattr(self.ui, name).setCurrentPath(getattr(self._node, field))
        finally:
            self._filling = False
        job = self._job()
        if job is not None and not self.running:
            self.ui.evaluationBatchSection.collapsed = False
            self._begin(job)
        self.update()

    def _job(self) -> JobFolder | None:
        """The parameter node's job, else one that a Slicer without a saved scene has left running."""
        path = self._node.evaluationBatchJob
        for folder in [path] if path else job_watch.recent(KIND):
            try:
                job = JobFolder.open(Path(folder))
                if path or job.state().status is JobStatus.RUNNING:
                    return job
            except InputError:
                continue
        if path:
            self._node.evaluationBatchJob = ""
            self.say(_("The batch that was running is gone; measure again."), UNSURE)
        return None

    def leave(self) -> None:
        """The worker goes on, and is found again."""
        self.watch.letGo()
        self._showRunning(False)

    def _onPath(self, field: str, path: str) -> None:
        if not self._filling and self._node is not None:
            setattr(self._node, field, str(path))
            self.update()

    def onTable(self, *_args: Any) -> None:
        """Ask for a table of pairs."""
        chosen = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Table of pairs"), "", "CSV (*.csv)")
        if chosen:
            self.ui.evaluationBatchReferencesPath.setCurrentPath(str(chosen))

    # ---- the worker ------------------------------------------------------------------------------------------------

    def onButton(self, *_args: Any) -> None:
        """Measure all pairs, or Cancel while it runs."""
        if self.running:
            self.watch.cancel()
            self.say(_("Stopping… what was measured is kept."))
            return
        node = self._node
        paths = (node.evaluationBatchReferences, node.evaluationBatchResults, node.evaluationBatchOutput)
        options = {"ignoreBoundary": node.evaluationIgnoreBoundary, "align": node.evaluationAlign}
        try:
            job = startBatch(*paths, **options)
        except (InputError, OSError) as error:
            self.say(escape(str(error)), BAD)
            return
        self._begin(job)

    def _begin(self, job: JobFolder) -> None:
        self._node.evaluationBatchJob = str(job.path)
        self._showRunning(True)
        fillColumns(self.ui.evaluationBatchTable, (_("Bone"),), [])
        self.watch.watch(job)

    def _onLook(self, state: JobState) -> None:
        progress = state.progress or {}
        fraction, bar = progress.get("fraction"), self.ui.evaluationBatchProgressBar
        bar.maximum = 100 if fraction is not None else 0
        bar.setValue(round(100 * fraction) if fraction is not None else 0)
        if not state.cancelling:
            text = str(progress.get("text") or _("starting"))
            self.say(f"{text[:1].upper()}{text[1:]}…")

    def _onEnded(self, state: JobState) -> None:
        job = Path(self._node.evaluationBatchJob or ".")
        self._node.evaluationBatchJob = ""
        self._showRunning(False)
        if state.status is JobStatus.FINISHED:
            self._showSummary(job.parent)
        elif state.stopped:
            self.say(_("Cancelled. What was measured is kept: Measure all pairs goes on from there."), UNSURE)
        elif state.status is JobStatus.DEAD:
            text = _("The worker ended unexpectedly; was there enough memory? Measure all pairs goes on from there.")
            self.say(f"{text} {escape(state.message)}", BAD)
        else:
            self.say(escape(state.message[:1].upper() + state.message[1:]), BAD)
        self.update()

    def _showSummary(self, output: Path) -> None:
        try:
            summary = readSummary(output)
        except InputError as error:
            self.say(escape(str(error)), BAD)
            return
        rows = [
            (bone, str(of["assd"]["n"]), _spread(of["assd"]), _spread(of["hd95"]))
            for bone, of in summary["statistics"].items()
        ]
        fillColumns(self.ui.evaluationBatchTable, (_("Bone"), _("n"), _("ASSD (mm)"), _("HD95 (mm)")), rows)
        link = f'<a href="{(output / "report.html").as_uri()}">report.html</a>'
        text = _("{measured} of {pairs} pairs measured. {link}")
        text = text.format(measured=summary["measured"], pairs=summary["pairs"], link=link)
        bad = [f"{each['pair']}: {each['problem']}" for each in summary["problems"]] + list(summary["unmatched"])
        if bad:
            text += "<br>" + _("Not measured: {first}").format(first=escape(bad[0]))
            text += " " + _("({count} more in the report)").format(count=len(bad) - 1) if len(bad) > 1 else ""
        self.say(text, UNSURE if bad else GOOD)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def say(self, text: str, colour: str = "") -> None:
        showStatus(self.ui.evaluationBatchStatusLabel, text, colour)

    def update(self) -> None:
        """The button says what is missing, or cancels."""
        node, button = self._node, self.ui.evaluationBatchButton
        problem = _("Enter the module first")
        if node is not None:
            problem = missing(node.evaluationBatchReferences, node.evaluationBatchResults, node.evaluationBatchOutput)
        button.text = _("Cancel") if self.running else _("Measure all pairs")
        button.enabled = self.running or not problem
        ready = _("Measure every pair in a process of its own, a second or two each; Slicer stays usable")
        stop = _("Stop after the pair that is being measured; what was measured is kept")
        button.toolTip = stop if self.running else problem or ready
        for name in ("evaluationBatchResultsPath", "evaluationBatchResultsPathLabel"):
            getattr(self.ui, name).enabled = node is None or not _isTable(node.evaluationBatchReferences)

    def _showRunning(self, running: bool) -> None:
        bar = self.ui.evaluationBatchProgressBar
        bar.setVisible(running)
        bar.maximum = 0
        self.ui.evaluationBatchInputs.enabled = not running
        if running:
            self.ui.evaluationBatchButton.text = _("Cancel")
            self.ui.evaluationBatchButton.enabled = True


def _spread(of: dict[str, Any]) -> str:
    """ "mean ± SD"."""
    sd = of.get("sd")
    return f"{of['mean']:.2f}" + (f" ± {sd:.2f}" if sd is not None else "")
