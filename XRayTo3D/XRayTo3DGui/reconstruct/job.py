"""The worker process of a reconstruction: started, looked at, stopped. PyTorch is loaded there, never in Slicer."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import slicer

from XRayTo3DGui.job_watch import startCommand
from XRayTo3DGui.reconstruct.request import REQUEST_FILE, RESULT_FOLDER, Request, commandOf
from XRayTo3DGui.setup.packages import torchProblem
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.run import kill_worker
from XRayTo3DLib.jobs.state import JobState

KIND = "reconstruction"
KEPT_S = 24 * 3600.0
"""A job of a Slicer that was killed is swept away after a day: it holds radiographs."""


def jobsFolder() -> Path:
    """Where the jobs of this computer's Slicer are."""
    return Path(slicer.app.temporaryPath) / "XRayTo3D-jobs"


def workerProblem() -> str:
    """One sentence where the worker would lack PyTorch, else empty. Slicer's own process does not load it."""
    return torchProblem()


def createJob(request: Request) -> JobFolder:
    """A new job folder; what a Slicer that was killed has left is swept away."""
    sweep()
    folder = jobsFolder() / f"{KIND}-{uuid.uuid4().hex[:8]}"
    return JobFolder.create(folder, KIND, {"bundle": request.bundle.name, "side": request.side})


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
    """End the worker at once, if it lives, and remove the folder with the radiographs in it."""
    kill_worker(job)
    shutil.rmtree(job.path, ignore_errors=True)


def sweep() -> None:
    """Remove ended jobs that nobody came back for."""
    for path in jobsFolder().glob(f"{KIND}-*"):
        old = time.time() - path.stat().st_mtime > KEPT_S
        if old and (not (path / "job.json").exists() or JobFolder(path).state().status.ended):
            shutil.rmtree(path, ignore_errors=True)
