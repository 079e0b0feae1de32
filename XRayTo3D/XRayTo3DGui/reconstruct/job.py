"""The worker process of a reconstruction: started, looked at, stopped. PyTorch is loaded there, never in Slicer."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import forget, recent, remember, startCommand
from XRayTo3DGui.reconstruct.request import REQUEST_FILE, RESULT_FOLDER, Request, commandOf
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.setup.packages import torchProblem
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.run import kill_worker
from XRayTo3DLib.jobs.state import JobState, JobStatus

KIND, SLICER_FILE, JOBS = "reconstruction", "slicer.json", "XRayTo3D-jobs"
KEPT_S = 24 * 3600.0
"""A job of a Slicer that was killed is swept away after a day: it holds radiographs."""


def jobsFolder() -> Path:
    """Where the jobs of this computer's Slicer are."""
    return Path(slicer.app.temporaryPath) / JOBS


def workerProblem() -> str:
    """One sentence where the worker would lack PyTorch, else empty. Slicer's own process does not load it."""
    return torchProblem()


def createJob(request: Request) -> JobFolder:
    """A new job folder; what a Slicer that was killed has left is swept away."""
    sweep()
    folder = jobsFolder() / f"{KIND}-{uuid.uuid4().hex[:8]}"
    job = JobFolder.create(folder, KIND, {"bundle": request.bundle.name, "side": request.side})
    claim(job)
    remember(KIND, job.path)
    return job


def opened(path: Path) -> JobFolder:
    """The job that a scene tells of. Its folder is removed in the end: one that is not ours is not touched.

    Raises:
        InputError: No reconstruction of this computer's Slicer.
    """
    if not isOwn(path):
        raise InputError(_("{path} is no reconstruction of this Slicer.").format(path=path))
    return JobFolder.open(path)


def isOwn(path: Path) -> bool:
    """Whether a folder is one of :func:`createJob`, by its place and name; a scene from elsewhere may name any.

    Slicer's folder for temporary files may have been another one then.
    """
    real = path.resolve()
    return real.parent.name == JOBS and real.name.startswith(f"{KIND}-") and not path.is_symlink()


def claim(job: JobFolder) -> None:
    """This Slicer takes the result in: no other one looks for it while this one lives."""
    ProcessMark.of(os.getpid()).save(job.path / SLICER_FILE)


def orphan() -> JobFolder | None:
    """The newest reconstruction whose Slicer ended before it was taken in, if it can belong to this scene.

    A scene with other radiographs is another person's, perhaps: no bones come into that by themselves.
    """
    there = {node.GetName().removesuffix(mrml.SYNTHETIC_MARK) for node in radiographs.radiographNodes()}
    for folder in recent(KIND):
        job = JobFolder(folder)
        try:
            left = ProcessMark.load(job.path / SLICER_FILE).alive() is False
            begun, names = job.state().status is not JobStatus.WAITING, set(requestOf(job)["names"])
        except (InputError, OSError, ValueError, KeyError):
            continue
        if left and begun and (not there or there & names):
            return job
    return None


def startWorker(job: JobFolder, request: Request) -> None:
    """Start the worker on the inputs that ``prepareSteps`` has written.

    Raises:
        InputError: Python cannot be started.
    """
    startCommand(job, commandOf(request, job.path))


def resultFolder(job: JobFolder) -> Path:
    """Where the worker puts the bones."""
    return job.path / RESULT_FOLDER


def requestOf(job: JobFolder) -> dict[str, Any]:
    """What was asked: names and node IDs of the radiographs, bundle, case."""
    return json.loads((job.path / REQUEST_FILE).read_text(encoding="utf-8"))


def lastText(state: JobState) -> str:
    """What the worker is doing now, in its own words."""
    return str((state.progress or {}).get("text", ""))


def lastFraction(state: JobState) -> float | None:
    """How much of it is done (0..1), where the worker knows."""
    fraction = (state.progress or {}).get("fraction")
    return float(fraction) if isinstance(fraction, int | float) else None


def discard(job: JobFolder) -> None:
    """End the worker at once, if it works, and remove the folder with the radiographs in it, if it is our own."""
    forget(KIND, job.path)
    if not isOwn(job.path):
        return
    if not (job.path / "result.json").exists():  # else it ends by itself; waiting for it would keep Qt waiting
        kill_worker(job)
    shutil.rmtree(job.path, ignore_errors=True)


def sweep() -> None:
    """Remove ended jobs that nobody came back for."""
    for path in jobsFolder().glob(f"{KIND}-*"):
        old = time.time() - path.stat().st_mtime > KEPT_S
        if old and (not (path / "job.json").exists() or JobFolder(path).state().status.ended):
            shutil.rmtree(path, ignore_errors=True)
