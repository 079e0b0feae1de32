"""The Reconstruct button: a worker process is started, watched and taken in, piece by piece; Cancel at any moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import JobWatch
from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD, GOOD, UNSURE, showMissing
from XRayTo3DGui.reconstruct import job as jobs
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.reconstruct.bundles import plain
from XRayTo3DGui.reconstruct.request import Request, prepareSteps, requestFrom
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus

LOG_MENTIONED, LOG_LINES = "log.txt has the rest.", 60
OUT_OF_MEMORY = ("memoryerror", "out of memory", "not enough memory", "allocate memory")
INPUTS = ("bundleCombo", "addBundleButton", "inputsWidget", "uncalibratedCheckBox", "reconstructAdvancedSection")


class ReconstructRun:
    """One reconstruction at a time. The parameter node knows its folder, so that it is found again after a restart."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._job: JobFolder | None = None
        self._request: Request | None = None
        self._result: Any = None
        self._began = 0.0
        self._steps = StepRunner(self._onStep, self._onStepsDone, self._onStepsFailed)
        self._watch = JobWatch(self._onLook, lambda _records: None, self._onEnded)
        self.ui.reconstructProgressBar.setVisible(False)
        self.ui.reconstructButton.connect("clicked(bool)", self.onButton)

    @property
    def running(self) -> bool:
        return self._job is not None

    def onButton(self, *_args: Any) -> None:
        """Reconstruct, or Cancel while it runs."""
        if self.running:
            self.cancel()
            return
        problem = jobs.workerProblem()
        if problem:
            self.panel.say(problem, BAD)
            return
        with self.panel.explaining():
            self._start()

    def _start(self) -> None:
        inputs = self.panel.inputs
        request = requestFrom(self.panel.parameters, inputs.entry, inputs.translation)
        self._take(jobs.createJob(request))
        self._request, self._result = request, None
        self.panel.say(_("Preparing the radiographs…"))
        self._steps.start(prepareSteps(request, self._job.path))

    def _take(self, job: JobFolder) -> None:
        self._job, self._began = job, time.monotonic()
        self.panel.parameters.reconstructJob = str(job.path)
        self._showRunning(True)

    # ---- stopping ------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop now; nothing of it stays."""
        if self._job is None:
            return
        job, result = self._job, self._result
        self._end()
        jobs.discard(job)
        if result is not None and result.GetScene() is not None:
            nodes.removeResult(result)
        self.panel.say(_("Cancelled; nothing was added to the scene."))

    def leave(self, closing: bool) -> None:
        """The module is left, the scene or Slicer closes: the worker goes on, and is found again by the saved scene."""
        job, preparing, result = self._job, self._request is not None, self._result
        if job is None:
            return
        self._release()
        if result is not None and not closing:  # half taken in: it is taken in anew when somebody comes back
            nodes.removeResult(result)
        if preparing:
            self.panel.parameters.reconstructJob = ""
            jobs.discard(job)

    def attach(self) -> None:
        """Find the reconstruction again that the parameter node tells of, or one that a killed Slicer has left."""
        if self.running:
            return
        path, left = self.panel.parameters.reconstructJob, jobs.orphan()
        if not path and left is None:
            return
        try:
            job = jobs.opened(Path(path)) if path or left is None else left
            jobs.claim(job)
        except InputError:
            self.panel.parameters.reconstructJob = ""
            self.panel.say(_("The reconstruction that was running is gone; run it again."), UNSURE)
            return
        self._take(job)
        self._watch.watch(job)

    # ---- the worker ----------------------------------------------------------------------------------------------

    def _onEnded(self, state: JobState) -> None:
        """The worker has ended, one way or another."""
        if state.status is JobStatus.FINISHED:
            self.panel.say(_("Taking in the bones…"))
            self._steps.start(self._importSteps())
        elif state.stopped:
            self.cancel()
        elif state.status is JobStatus.DEAD:
            text = _("The reconstruction's process ended unexpectedly; was there enough memory? {said}")
            self._fail(text.format(said=self._job.log_end(1)))
        else:
            self._fail(self._inWords(state.message))

    def _inWords(self, message: str) -> str:
        """The worker's sentence. What nobody expected goes to Slicer's log whole, before the folder is removed."""
        if any(words in message.lower() for words in OUT_OF_MEMORY):
            logging.error("Reconstruction ran out of memory:\n%s", self._job.log_end(LOG_LINES))
            return _("There was not enough memory. Close other programs, or take a smaller model or fewer radiographs.")
        if LOG_MENTIONED in message:
            logging.error("Reconstruction failed:\n%s", self._job.log_end(LOG_LINES))
            message = message.replace(LOG_MENTIONED, _("Slicer's error log has the rest."))
        return message[:1].upper() + message[1:]

    def _onLook(self, state: JobState) -> None:
        fraction, bar = jobs.lastFraction(state), self.ui.reconstructProgressBar
        bar.maximum = 100 if fraction is not None else 0
        bar.setValue(round(100 * fraction) if fraction is not None else 0)
        doing = jobs.lastText(state) or _("starting")
        text = _("{doing} ({seconds:.0f} s)").format(doing=doing, seconds=time.monotonic() - self._began)
        self.panel.say(text[:1].upper() + text[1:])

    def _importSteps(self) -> Iterator[Any]:
        try:
            request = jobs.requestOf(self._job)
        except (OSError, ValueError) as error:
            raise InputError(_("What the reconstruction was made from cannot be read; run it again.")) from error
        yield from nodes.importSteps(jobs.resultFolder(self._job), request)

    # ---- steps: writing the radiographs, taking in the result -------------------------------------------------------

    def _onStep(self, item: Any) -> None:
        if self._request is None:
            self._result = item

    def _onStepsDone(self) -> None:
        if self._request is not None:
            request, self._request = self._request, None
            try:
                jobs.startWorker(self._job, request)
            except InputError as error:
                self._fail(str(error))
                return
            self._watch.watch(self._job)
            return
        result, job, seconds = self._result, self._job, time.monotonic() - self._began
        self._end()
        jobs.discard(job)
        self.panel.onResult(result)
        self.panel.say(_("Reconstructed in {seconds:.0f} s.").format(seconds=seconds), GOOD)

    def _onStepsFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            slicer.util.errorDisplay(_("The reconstruction failed."), detailedText=repr(error))
        self._fail(str(error))

    def _fail(self, text: str) -> None:
        job, result = self._job, self._result
        self._end()
        jobs.discard(job)
        if result is not None and result.GetScene() is not None:
            nodes.removeResult(result)
        self.panel.say(text, BAD)

    # ---- end -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Nothing runs any more; the scene forgets the job."""
        self._release()
        if self.panel.parameters is not None:
            self.panel.parameters.reconstructJob = ""
        self._showRunning(False)

    def _release(self) -> None:
        self._watch.letGo()
        job, self._job = self._job, None
        self._steps.cancel()
        self._request = self._result = None
        if job is not None:
            self._showRunning(False)

    def _showRunning(self, running: bool) -> None:
        self.ui.reconstructProgressBar.setVisible(running)
        self.ui.reconstructProgressBar.maximum = 0
        for name in INPUTS:
            getattr(self.ui, name).enabled = not running
        self.panel.updateButtons()

    def updateButton(self, problem: str) -> None:
        """Reconstruct, Cancel, or greyed with what is missing."""
        button = self.ui.reconstructButton
        button.text = _("Cancel") if self.running else _("Reconstruct")
        button.enabled = self.running or not problem
        ready = _("Make the bones from these radiographs, in a process of its own. {cost}")
        ready = ready.format(cost=self.panel.inputs.cost)
        button.toolTip = _("Stop; nothing is added to the scene") if self.running else plain(problem or ready)
        showMissing(self.ui.reconstructHint, "" if self.running else problem)
