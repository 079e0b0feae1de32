"""Start, Pause and Resume: the worker is started and watched; it goes on when Slicer ends, and is found again."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import JobWatch, forget, recent, remember
from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD, GOOD, UNSURE
from XRayTo3DGui.train import choice as choices
from XRayTo3DGui.train import job as jobs
from XRayTo3DGui.train import progress
from XRayTo3DGui.train.buttons import showButtons
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.run import kill_worker
from XRayTo3DLib.jobs.state import JobState, JobStatus
from XRayTo3DLib.training.curves import CurveReader

REFRESH_S = 2.0
LOG_LINES = 40


class TrainRun:
    """One training at a time is watched. The parameter node knows its folder, so that it is found after a restart."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.job: JobFolder | None = None
        self.state: JobState | None = None
        self.reader: CurveReader | None = None
        self.entry: Any = None
        self._listed: list[str] = []
        self._gone = ""
        self._pace = progress.Pace()
        self._refreshedAt = 0.0
        self._filling = self._again = False
        self._watch = JobWatch(self._onLook, self._onRecords, self._onEnded)
        self._reading = StepRunner(onFinished=self._onRead, onFailed=self._onReadFailed)
        ui = self.ui
        ui.trainButton.connect("clicked(bool)", self.onButton)
        ui.trainForgetButton.connect("clicked(bool)", self.onForget)
        ui.trainJobCombo.connect("currentIndexChanged(int)", self._onJob)
        ui.trainOpenButton.connect("clicked(bool)", self.onOpen)

    # ---- what a person does ----------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a worker is at work, as far as is known."""
        return self.state is not None and not self.state.status.ended

    @property
    def pausing(self) -> bool:
        """Whether it was asked to stop and has not yet."""
        return self.running and bool(self.state.cancelling)

    @property
    def stepped(self) -> bool:
        """Whether the method can pause: one without steps is ready soon, or begun anew."""
        return self.entry is None or self.entry.stepped

    def onButton(self, *_args: Any) -> None:
        """Start, Pause, End now, or Resume: what the button says."""
        with slicer.util.tryWithErrorDisplay(_("The training could not be started.")), self.panel.explaining():
            if self.pausing or (self.running and not self.stepped):
                kill_worker(self.job)
            elif self.running:
                self.job.cancel()
            elif self.job is not None:
                self.take(jobs.resume(self.job.path))
            else:
                self.take(self._started())
        self._watch.look()
        self.panel.sync()

    def _started(self) -> JobFolder:
        problem = self.panel.form.problem()
        if problem:
            raise InputError(problem)
        parameters, choice = self.panel.parameters, self.panel.form.choice
        data, folder = Path(parameters.trainData), Path(parameters.trainFolder)
        return jobs.start(choice.whole, choice.path.parent, data, folder, choices.optionsOf(parameters))

    def onForget(self, *_args: Any) -> None:
        """End the worker and let go of the training, after asking; its folder stays on the disk."""
        if self.job is None:
            return
        stop = (
            _("The worker is ended at once; the steps since the last checkpoint are lost.\n\n") if self.running else ""
        )
        text = _("{stop}The training leaves this panel and the scene. Its folder stays on the disk:\n{folder}")
        title = _("Stop and forget") if self.running else _("Forget")
        if not slicer.util.confirmOkCancelDisplay(text.format(stop=stop, folder=self.job.path), windowTitle=title):
            return
        job = self.job
        kill_worker(job)
        forget(jobs.KIND, job.path)
        self.panel.watching.remove(job.path)
        self.panel.parameters.trainJob = ""
        self.release()
        self.panel.sync()
        self.panel.say(_("Forgotten. The folder stays on the disk: {folder}").format(folder=job.path))

    def _onJob(self, index: int) -> None:
        if self._filling or self.panel.parameters is None or index < 0:
            return
        self.open(self._listed[index - 1] if index else "")

    def onOpen(self, *_args: Any) -> None:
        """Watch a training in any folder, started by whomever."""
        import qt

        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a training"))
        if chosen:
            self.open(chosen)

    def open(self, folder: str) -> None:
        """Watch the training in that folder from now on; none for a new one."""
        if not folder:
            self.panel.parameters.trainJob = ""
            self.release()
            self.panel.say("")
        else:
            with self.panel.explaining():
                self.take(jobs.trainingOf(folder))
                remember(jobs.KIND, folder)
        self.panel.sync()

    # ---- following the job -----------------------------------------------------------------------------------------

    def take(self, job: JobFolder) -> None:
        """Watch it from now on."""
        self.release()
        self.job, self.entry = job, jobs.entryOf(job)
        self.panel.parameters.trainJob = str(job.path)
        self.reader = CurveReader(job.path)
        told = job.path / "progress.jsonl"  # what is past is in the curves
        self._watch.watch(job, told.stat().st_size if told.exists() else 0)

    def release(self) -> None:
        """Look no more; the worker goes on."""
        self._watch.letGo()
        self._reading.cancel()
        self.job = self.state = self.reader = None
        self._gone = ""
        self._pace, self._refreshedAt = progress.Pace(), 0.0
        self.panel.watching.forget()

    def attach(self) -> None:
        """Find the training again that the parameter node tells of: it runs, has ended, or is gone."""
        folder = self.panel.parameters.trainJob
        if not folder or folder == self._gone or (self.job is not None and str(self.job.path) == folder):
            return
        try:
            self.take(jobs.trainingOf(folder))
        except InputError:
            self.release()
            self._gone = folder  # said once
            text = _("The training of this scene is not on this computer: {folder}")
            self.panel.say(text.format(folder=folder), UNSURE)

    def _onRecords(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            self._pace.take(record)

    def _onLook(self, state: JobState) -> None:
        changed = self.state is None or (state.status, state.cancelling) != (self.state.status, self.state.cancelling)
        self.state = state
        text = progress.text(state, self._pace, self.job)
        self.panel.say(_("Pausing: {text}").format(text=text) if self.pausing else text)
        self._showBar(progress.fraction(state))
        if time.monotonic() - self._refreshedAt > REFRESH_S:
            self.refresh()
        if changed:
            self.panel.sync()

    def _onEnded(self, state: JobState) -> None:
        self.state = state
        where = progress.where(state)
        if state.status is JobStatus.FINISHED:
            self.panel.say(_("Trained. Its figures are of people it has not learnt from."), GOOD)
        elif state.status is JobStatus.CANCELLED:
            text = _("Paused {where}; a checkpoint is written, nothing is lost. Resume goes on.") if where else ""
            self.panel.say(text.format(where=where) or _("Paused before its first step. Resume goes on."), UNSURE)
        elif state.status is JobStatus.DEAD:
            text = _(
                "The worker ended without a word {where}: killed, out of memory, or the computer was switched off. "
                "Resume goes on from its last checkpoint."
            )
            self.panel.say(text.format(where=where).replace("  ", " ").replace(" :", ":"), BAD)
        else:
            self.panel.say(state.message[:1].upper() + state.message[1:], BAD)
        self.refresh()
        self.panel.sync()

    # ---- curves and samples ----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read on what the worker has written, in slices."""
        self._refreshedAt = time.monotonic()
        self._again = self._reading.running
        if self.reader is not None and not self._again:
            self._reading.start(self._readOn(self.reader))

    def _readOn(self, reader: CurveReader) -> Iterator[None]:
        while reader.read():
            yield None
        yield from self.panel.watching.updateSteps()

    def _onRead(self) -> None:
        if self.job is not None:
            self.panel.watching.sync()
        if self._again:
            self.refresh()

    def _onReadFailed(self, error: Exception) -> None:
        self.panel.say(_("The curves cannot be read: {error}").format(error=error), BAD)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Which training, and what the button does now."""
        self._showJobs()
        ui, watched = self.ui, self.job is not None
        ui.trainInputsWidget.setVisible(not watched)
        ui.trainAdvancedSection.setVisible(not watched)
        ui.trainJobLabel.setVisible(watched)
        if watched:
            ui.trainJobLabel.text = self._about()
        ui.trainProgressBar.setVisible(self.running)
        broken = self.state is not None and self.state.status in (JobStatus.FAILED, JobStatus.DEAD)
        ui.trainLogSection.setVisible(broken)
        if broken:
            ui.trainLogText.setPlainText(self.job.log_end(LOG_LINES) or _("It said nothing."))
        showButtons(self)

    def _about(self) -> str:
        """Method, name and folder of the watched training, as rich text."""
        try:
            content = jobs.configurationOf(self.job)
        except InputError as error:
            return html.escape(str(error))
        data = Path(str((content.get("data") or {}).get("folder", ""))).name
        lines = [f"<b>{html.escape(str(content.get('name', content['method'])))}</b>"]
        if jobs.isSynthetic(self.job):
            lines[0] += f' <span style="color:{UNSURE}"><b>SYNTHETIC</b></span>'
        lines.append(
            _("Data set {data}, folder {folder}.").format(
                data=html.escape(data), folder=html.escape(self.job.path.name)
            )
        )
        return "<br>".join(lines)

    def _showJobs(self) -> None:
        listed = recent(jobs.KIND)
        if self.job is not None and str(self.job.path) not in listed:
            listed = [str(self.job.path), *listed]
        names = [Path(each).name for each in listed]
        titles = [
            name if names.count(name) == 1 else f"{Path(each).parent.name}/{name}"
            for name, each in zip(names, listed, strict=True)
        ]
        combo = self.ui.trainJobCombo
        self._filling = True
        try:
            if listed != self._listed or combo.count == 0:
                self._listed = listed
                combo.clear()
                combo.addItems([_("New training"), *titles])
            combo.currentIndex = listed.index(str(self.job.path)) + 1 if self.job is not None else 0
        finally:
            self._filling = False

    def _showBar(self, fraction: float | None) -> None:
        bar = self.ui.trainProgressBar
        bar.maximum = 1000 if fraction is not None else 0
        bar.setValue(round(1000 * fraction) if fraction is not None else 0)
