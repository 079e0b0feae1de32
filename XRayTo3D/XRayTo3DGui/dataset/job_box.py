"""The jobs of the data set in the panel: one at a time, watched, cancelled, taken up again, found after a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from XRayTo3DGui import job_watch
from XRayTo3DGui.dataset import work
from XRayTo3DGui.panel import BAD, GOOD, UNSURE, showStatus
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus

RECENT = "dataset"
ENDED_COLOURS = {JobStatus.FINISHED: GOOD, JobStatus.CANCELLED: UNSURE}
FILES = ("datasetCtFile", "datasetLabelsFile")
"""Parameters that name the files of one case that was imported; a table is imported again when it has grown."""


class JobBox:
    """Status, progress and buttons of the data set's job; which one it is lives in the parameter node.

    Args:
        panel: The data set panel.
        onProgress: Called at each look while a job runs.
        onEnded: Called once when it has ended.
    """

    def __init__(self, panel: Any, onProgress: Callable[[], None], onEnded: Callable[[], None]) -> None:
        self.panel, self.ui = panel, panel.ui
        self._onProgress, self._onDone = onProgress, onEnded
        self._watch = job_watch.JobWatch(self._onLook, self._onRecords, self._onEnded)
        self._remaining = work.Remaining()
        self._job: JobFolder | None = None
        self._state: JobState | None = None
        self._attaching = False
        self.ui.cancelJobButton.connect("clicked(bool)", self.onCancel)
        self.ui.resumeJobButton.connect("clicked(bool)", self.onResume)
        self.ui.showJobFolderButton.connect("clicked(bool)", self.onShowFolder)
        self._show()

    @property
    def running(self) -> bool:
        """Whether a worker is at work on this data set."""
        return self._watch.watching

    @property
    def busy(self) -> str:
        """Why nothing else can be started now; empty when something can."""
        return _("Wait for the end of the job below, or cancel it") if self.running else ""

    # ---- from the panel ------------------------------------------------------------------------------------------

    def start(self, dataset: Path | str, kind: str, options: Mapping[str, Any]) -> None:
        """Start a job and follow it.

        Raises:
            InputError: One runs there already, or Python cannot be started.
        """
        job = work.start(dataset, kind, options)
        job_watch.remember(RECENT, job.path)
        self.follow(job)

    def follow(self, job: JobFolder | None) -> None:
        """Show this job from now on, whoever started it; None shows nothing."""
        self._watch.letGo()
        self._job, self._state, self._remaining = job, None, work.Remaining()
        if self.panel.parameters is not None:
            self.panel.parameters.datasetJob = str(job.path) if job is not None else ""
        if job is None:
            self._show()
        elif work.stateOf(job).status.ended:
            self._onEnded(work.stateOf(job))
        else:
            self._attaching = True
            self._watch.watch(job)
            self._attaching = False

    def attach(self, dataset: str) -> None:
        """Find the job again that the scene tells of, or the data set's newest; one that was seen to end stays away."""
        told = self.panel.parameters.datasetJob
        ours = bool(told) and bool(dataset) and work.isJobOf(Path(told), dataset)
        if told and not ours and Path(told).is_dir():
            self.panel.say(_("{folder} is no job of this data set; it is left alone.").format(folder=told), UNSURE)
        jobs = [JobFolder(told)] if ours else []
        newest = work.newestJob(dataset) if dataset else None
        if newest is not None and (not jobs or not work.stateOf(newest).status.ended):
            jobs = [newest]
        self.follow(jobs[0] if jobs else None)

    def leave(self) -> None:
        """Look no more; the worker goes on."""
        self._watch.letGo()

    # ---- what a person presses -----------------------------------------------------------------------------------

    def onCancel(self, *_args: Any) -> None:
        """Ask the worker to stop."""
        self._watch.cancel()
        self._watch.look()

    def onResume(self, *_args: Any) -> None:
        """Go on with a job that was stopped, failed or died."""
        if self._job is None:
            return
        with self.panel.explaining():
            work.resume(self._job)
            job_watch.remember(RECENT, self._job.path)
            self.follow(self._job)

    def onShowFolder(self, *_args: Any) -> None:
        """In the computer's file browser."""
        if self._job is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._job.path)))

    # ---- the watch -----------------------------------------------------------------------------------------------

    def _onRecords(self, records: list[dict[str, Any]]) -> None:
        for record in records[-1:] if self._attaching else records:  # those of before say nothing of the pace now
            self._remaining.note(record.get("fraction"))

    def _onLook(self, state: JobState) -> None:
        self._state = state
        self._show()
        self._onProgress()

    def _onEnded(self, state: JobState) -> None:
        self._state = state
        if self._job is not None:
            work.tidy(self._job, state)
            self._forgetFiles(state)
            job_watch.forget(RECENT, self._job.path)  # seen: a new session need not tell it
        self._show()
        self._onDone()

    def _forgetFiles(self, state: JobState) -> None:
        """What was imported is named in the form no more: a saved scene holds its fields, and files name people."""
        imported = self._job is not None and self._job.path.name.startswith(f"{work.IMPORT}-")
        if imported and state.status is JobStatus.FINISHED and self.panel.parameters is not None:
            for field in FILES:
                setattr(self.panel.parameters, field, "")

    def _show(self) -> None:
        ui, job, state = self.ui, self._job, self._state
        running = self.running and state is not None
        ui.jobWidget.setVisible(job is not None)
        ui.jobProgressBar.setVisible(running)
        ui.cancelJobButton.setVisible(running)
        going = state is not None and state.status in (JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.DEAD)
        ui.resumeJobButton.setVisible(going and not running)
        said = work.printed(job) if job is not None and state is not None and not running else ""
        ui.jobLogText.setVisible(len(said.splitlines()) > 1)  # a single line is in the label already
        if job is None or state is None:
            showStatus(ui.jobStatusLabel, "")
        elif running:
            self._showProgress(job, state)
        else:
            showStatus(ui.jobStatusLabel, work.endText(job, state), self._endColour(state))
            ui.jobLogText.setPlainText(said)
        self.panel.updateButtons()

    def _showProgress(self, job: JobFolder, state: JobState) -> None:
        fraction, bar = (state.progress or {}).get("fraction"), self.ui.jobProgressBar
        known = isinstance(fraction, int | float)
        bar.maximum = 100 if known else 0
        bar.setValue(round(100 * fraction) if known else 0)
        showStatus(self.ui.jobStatusLabel, work.runningText(job, state, self._remaining.seconds()))
        self.ui.cancelJobButton.enabled = not state.cancelling

    def _endColour(self, state: JobState) -> str:
        if state.status is JobStatus.FINISHED and state.result.get("exit_code"):
            return UNSURE
        return ENDED_COLOURS.get(state.status, BAD)


def recentDataset() -> tuple[str, str]:
    """Data set and job of an earlier session that nobody saw end; two empty texts where there is none."""
    folder = next(iter(job_watch.recent(RECENT)), "")
    return (str(work.datasetOf(JobFolder(folder))), folder) if folder else ("", "")
