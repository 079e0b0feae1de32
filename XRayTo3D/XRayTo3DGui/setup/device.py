"""Which device computes: asked of a worker, so that Slicer itself does not load PyTorch."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import startCommand
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.run import kill_worker
from XRayTo3DLib.machine import gigabytes

RESULT = "doctor.json"


def startDoctor(folder: Path | str | None = None) -> JobFolder:
    """Start ``xrayto3d doctor`` as a job; its answer is read by :func:`answerOf`.

    Args:
        folder: Where there should be room on the disk; default the person's own folder.
    """
    path = Path(slicer.app.temporaryPath) / "XRayTo3D-jobs" / f"doctor-{uuid.uuid4().hex[:8]}"
    job = JobFolder.create(path, "doctor", {})
    startCommand(job, ["doctor", "--json", "--output", str(path / RESULT), "--folder", str(folder or Path.home())])
    return job


def answerOf(job: JobFolder) -> dict[str, Any]:
    """What the worker found.

    Raises:
        InputError: It ended without an answer.
    """
    try:
        return json.loads((job.path / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = _("The computer could not be examined; the worker's log says why: {log}")
        raise InputError(text.format(log=job.log)) from error


def discard(job: JobFolder) -> None:
    """End the worker, if it lives, and remove its folder."""
    kill_worker(job)
    shutil.rmtree(job.path, ignore_errors=True)


def deviceSentence(found: dict[str, Any]) -> str:
    """Which device computes, as one sentence; "" where PyTorch cannot be used."""
    device = found["device"]
    if device["problem"]:
        return ""
    if device["kind"] == "cuda":
        text = _("Computes on {name}, {free} of its {whole} free.")
        free, whole = gigabytes(device["memory_free_bytes"]), gigabytes(device["memory_bytes"])
        return text.format(name=device["name"], free=free, whole=whole)
    if device["kind"] == "mps":
        return _("Computes on Apple graphics.")
    return _("Computes on the processor, {cores} cores.").format(cores=found["machine"]["cores"])


def roomSentence(found: dict[str, Any]) -> str:
    """Memory and disk, as one sentence."""
    machine = found["machine"]
    free, whole = gigabytes(machine["memory_free_bytes"]), gigabytes(machine["memory_bytes"])
    text = _("Memory: {free} free of {whole}. Disk: {disk} free.")
    return text.format(free=free, whole=whole, disk=gigabytes(machine["disk_free_bytes"]))
