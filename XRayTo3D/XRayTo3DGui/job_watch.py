"""A worker process seen from Slicer: started, watched with a timer, cancelled, found again; Qt never waits for it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.run import kill_worker, start_worker
from XRayTo3DLib.jobs.state import JobState, JobStatus

LOOK_MS = 300
GRACE_S = 20.0
"""A worker that was asked to stop and has not by then is ended by force."""
RECENT, RECENT_KEPT = "XRayTo3D/RecentJobs", 10


def workerPython() -> str:
    """The Python that workers run on: Slicer's, with Slicer's packages."""
    return shutil.which("PythonSlicer") or sys.executable


def startCommand(job: JobFolder, command: Sequence[str]) -> None:
    """Run an ``xrayto3d`` command as that job's worker.

    Args:
        job: Made by ``JobFolder.create``.
        command: As after ``xrayto3d``: ``["dataset", "prepare", folder]``.

    Raises:
        InputError: A worker runs in the folder, or Python cannot be started.
    """
    start_worker(job, ["-m", "XRayTo3DLib.cli.as_job", str(job.path), *command], workerPython())


class JobWatch:
    """Follows one job with a timer, whoever started it and whenever. To let go of it leaves the worker running.

    Args:
        onLook: Called with the ``JobState`` at each look while the job goes on.
        onRecords: Called with the list of new progress records, oldest first, before ``onLook``.
        onEnded: Called once with the last ``JobState``; a broken job folder is told as FAILED with its sentence.
    """

    def __init__(
        self,
        onLook: Callable[[JobState], None],
        onRecords: Callable[[list[dict[str, Any]]], None],
        onEnded: Callable[[JobState], None],
    ) -> None:
        self._onLook, self._onRecords, self._onEnded = onLook, onRecords, onEnded
        self.job: JobFolder | None = None
        self._place = 0
        self._cancelledAt: float | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.connect("timeout()", self.look)

    @property
    def watching(self) -> bool:
        return self.job is not None

    def watch(self, job: JobFolder, since: int = 0) -> None:
        """From now on this one; its records from the first on are told, also of a job that has ended.

        Args:
            job: Started by whomever.
            since: Byte of its progress.jsonl to begin at: a training of days has written a hundred megabytes.
        """
        self.letGo()
        self.job, self._place = job, since
        self._timer.start()
        self.look()

    def letGo(self) -> None:
        """Look no more; the worker goes on."""
        self._timer.stop()
        self.job, self._place, self._cancelledAt = None, 0, None

    def cancel(self) -> None:
        """Ask the worker to stop at its next step; one that does not heed is ended after a while."""
        if self.job is not None:
            self._cancelledAt = self._cancelledAt or time.monotonic()
            with contextlib.suppress(OSError):  # no room for the wish: the worker is ended all the same
                self.job.cancel()

    def look(self) -> None:
        """How the job stands now."""
        job = self.job
        if job is None:
            return
        try:
            state = job.state()  # before the records: those of a job that has ended are all there
            records, self._place = job.tail(self._place)
            if not (job.path / "job.json").exists():
                text = _("its folder {name} is gone: cancelled, taken in by another Slicer, or deleted.")
                state = JobState(JobStatus.FAILED, text.format(name=job.path.name))
        except InputError as error:
            state, records = JobState(JobStatus.FAILED, str(error)), []
        if records:
            self._onRecords(records)
        if job is not self.job:  # let go of by what was told
            return
        if state.status.ended:
            self.letGo()
            self._onEnded(state)
            return
        if self._cancelledAt is not None and time.monotonic() - self._cancelledAt > GRACE_S:
            kill_worker(job)
        self._onLook(state)


# ---- jobs of before: found again after a restart, without a saved scene ----------------------------------------


def remember(kind: str, folder: Path | str) -> None:
    """Put a job's folder at the head of the recent ones of its kind."""
    folders = [str(folder), *(each for each in recent(kind) if each != str(folder))][:RECENT_KEPT]
    slicer.app.settings().setValue(f"{RECENT}/{kind}", ";".join(folders))


def forget(kind: str, folder: Path | str) -> None:
    """Take a job's folder out of the recent ones; nothing on disk is touched."""
    folders = [each for each in recent(kind) if each != str(folder)]
    slicer.app.settings().setValue(f"{RECENT}/{kind}", ";".join(folders))


def recent(kind: str) -> list[str]:
    """Folders of earlier jobs of that kind that are still there, the newest first."""
    text = slicer.app.settings().value(f"{RECENT}/{kind}") or ""
    return [each for each in str(text).split(";") if each and (Path(each) / "job.json").is_file()]
