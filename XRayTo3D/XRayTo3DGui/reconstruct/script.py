"""Reconstructing from a script: the same worker, waited for while Slicer goes on drawing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.reconstruct import job as jobs
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.reconstruct.bundles import readEntry, refinerOf
from XRayTo3DGui.reconstruct.request import Request, prepareSteps
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.state import JobStatus

LOOK_S = 0.05


def requestOf(
    model: str | Path,
    radiographs: list[Any],
    side: str,
    origins: list[tuple[float, float]] | None,
    frameTransform: Any,
    **options: Any,
) -> Request:
    """The request of a script; see ``XRayTo3DLogic.reconstruct`` for what each argument is.

    Raises:
        InputError: No such bundle, a damaged one, or a transform that is not rigid.
    """
    from XRayTo3DLib.models.find import bundle_path

    entry = readEntry(bundle_path(model))
    if entry.bundle is None:
        raise InputError(_("{model}: {problem}").format(model=model, problem=entry.problem))
    refiner = refinerOf(entry) if options.pop("refine", True) else None
    options["refineWith"] = str(refiner.path) if refiner is not None else ""
    pose = mrml.poseFromNode(frameTransform) if frameTransform is not None else None
    marks = list(origins or [])
    options["checksum"] = entry.checksum
    return Request(entry.path, list(radiographs), side, marks, pose, shapeModels=entry.anyViews, **options)


def run(request: Request) -> Any:
    """Reconstruct and wait; returns the text node of the result.

    Raises:
        InputError: What the panel would say: something cannot be used, or the worker failed.
    """
    problem = jobs.workerProblem()
    if problem:
        raise InputError(problem)
    job = jobs.createJob(request)
    steps: list[Any] = []
    try:
        for _name in prepareSteps(request, job.path):
            slicer.app.processEvents()
        jobs.startWorker(job, request)
        while not job.state().status.ended:
            slicer.app.processEvents()
            time.sleep(LOOK_S)
        state = job.state()
        if state.status is not JobStatus.FINISHED:
            raise InputError(state.message or _("The reconstruction was stopped."))
        for result in nodes.importSteps(jobs.resultFolder(job), jobs.requestOf(job)):
            steps.append(result)
            slicer.app.processEvents()
    finally:
        jobs.discard(job)
    return steps[-1]
