"""Dual-face depth in a comparison: it looks at the test people's own AP radiographs, in its standard geometry."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.depth_views import DepthView
from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.evaluation.compare_results import ALIGNED, Measured
from XRayTo3DLib.evaluation.depth_measures import ALIGNED as MOVED
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments import compare_conditions as conditions
from XRayTo3DLib.experiments.compare_conditions import AS_TRAINED, Condition
from XRayTo3DLib.experiments.compare_files import Task
from XRayTo3DLib.experiments.compare_measure import BoneJudge, Watcher, keep_shown
from XRayTo3DLib.experiments.depth_trials import DepthTrials, depth_trials, placed
from XRayTo3DLib.experiments.peak_memory import peak_memory_mb
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.types import DepthPrediction
from XRayTo3DLib.methods.validation import reaches
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.models.ready import ready_model
from XRayTo3DLib.shape.meshes import transformed

REFUSED = {
    conditions.TURNED: "it looks at one AP radiograph",
    conditions.SHIFTED: "its people stand as their radiographs show them",
    conditions.TISSUE: "its radiographs show soft tissue anyway",
    conditions.TRANSLATED: "its radiographs show soft tissue anyway",
}


def measured_depth(task: Task, folder: Path, watcher: Watcher, known: Measured | None = None) -> Measured:
    """Measure a model of dual-face depth on the first AP radiograph of every test person.

    Bones are completed by its shape models where it has some, and stay where it puts them; with its depth aligned to
    the truth they are measured, too, as ``compare_results.ALIGNED``. Arguments and errors as
    :func:`~XRayTo3DLib.experiments.compare_measure.measured`.
    """
    before = peak_memory_mb()
    began = time.perf_counter()
    loaded = load_bundle(task.bundle)
    model = ready_model(loaded)
    loading = time.perf_counter() - began
    trials = _trials(model, task)
    first = trials.views[0]
    _bones(model, model.predict_depth(first.image, first.camera))
    memory = peak_memory_mb()
    found = Measured(
        views=(model.configuration.data.geometry.view,),
        calibrated=True,
        outcomes={} if known is None else dict(known.outcomes),
        refused={each.key: REFUSED[each.family] for each in conditions.CONDITIONS if each.family in REFUSED},
        seconds=() if known is None else known.seconds,
        loading_s=loading,
        memory_mb=math.nan if memory is None else memory,
        before_mb=math.nan if before is None else before,
        bundle_mb=loaded.size / 1e6,
        synthetic=loaded.bundle.synthetic,
    )
    for condition in conditions.CONDITIONS:
        if condition.family not in REFUSED and condition.key not in found.outcomes:
            found = _asked(condition, _DepthJudge(task, folder, model, trials), watcher, found)
            watcher.keep(found)
    return found


def _trials(model: Any, task: Task) -> DepthTrials:
    """The first radiograph of every test person who is asked."""
    trials = depth_trials(model.configuration.data, task.dataset, 1)
    asked = {case.id for case in DatasetFolder.open(task.dataset).cases("test")[: task.people]}
    views = [view for view in trials.views if view.case in asked]
    if not views:
        raise InputError("none of the people asked has a radiograph with an accepted registration.")
    return replace(trials, views=views)


def _asked(condition: Condition, judge: _DepthJudge, watcher: Watcher, found: Measured) -> Measured:
    """``found`` with one more condition; the first one also tells the time and how well the shape is met."""
    plain = condition == AS_TRAINED
    views = judge.trials.views if plain else judge.trials.views[: judge.task.hard]
    outcomes: dict[str, list[ReconstructionOutcome]] = {condition.key: []} | ({ALIGNED: []} if plain else {})
    for number, view in enumerate(views):
        if watcher.stopped():
            raise Cancelled(f"{judge.task.name}: stopped; compare again to go on.")
        watcher.told(f"{judge.task.name}: {condition.text}", number / len(views))
        for key, own in judge.judged(condition, number, view).items():
            outcomes[key] += own
    done = {**found.outcomes, **{key: tuple(own) for key, own in outcomes.items()}}
    return replace(found, outcomes=done, seconds=tuple(judge.seconds) if plain else found.seconds)


def _bones(model: Any, prediction: DepthPrediction) -> dict[str, vtkPolyData]:
    """Whole bones where the model has shape models, else what was seen; LPS mm in the camera's world."""
    return model.complete(prediction) if model.models else model.seen(prediction)


class _DepthJudge:
    """Reconstructs radiographs and measures them in the frame of their CT."""

    def __init__(self, task: Task, folder: Path, model: Any, trials: DepthTrials) -> None:
        self.task, self.trials = task, trials
        self._folder, self._model, self._judge = folder, model, BoneJudge(task)
        self.seconds: list[float] = []

    def judged(self, condition: Condition, number: int, view: DepthView) -> dict[str, list[ReconstructionOutcome]]:
        """One outcome per bone that the radiograph shows; as it is, and of the plain condition also aligned."""
        case = self.trials.cases[view.case]
        to_ct = RigidPose.load(case.folder / "views" / view.view / "pose.tfm").inverse().matrix
        image = self._image(condition, number, view, to_ct)
        began = time.perf_counter()
        prediction = self._model.predict_depth(image, view.camera)
        bones = _bones(self._model, prediction)
        seconds = time.perf_counter() - began
        self.seconds.append(seconds)
        truth = {bone: transformed(mesh, to_ct) for bone, mesh in self.trials.truth(view).items()}
        truth = {bone: mesh for bone, mesh in truth.items() if reaches(mesh, *self._judge.box)}
        own = self._in_ct(bones, truth, to_ct)
        found = {
            condition.key: self._judge.outcomes(case, truth, own, seconds=seconds, overlap=condition == AS_TRAINED)
        }
        if condition == AS_TRAINED:
            keep_shown(self.task, self._folder, case.id, own)
            moved = self._in_ct(_bones(self._model, placed(prediction, view)[MOVED][1]), truth, to_ct)
            found[ALIGNED] = self._judge.outcomes(case, truth, moved, seconds=seconds)
        return found

    @staticmethod
    def _in_ct(
        bones: Mapping[str, vtkPolyData], truth: Mapping[str, vtkPolyData], to_ct: NDArray[np.float64]
    ) -> dict[str, vtkPolyData]:
        return {bone: transformed(mesh, to_ct) for bone, mesh in bones.items() if bone in truth}

    def _image(
        self, condition: Condition, number: int, view: DepthView, to_ct: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        seeds, images, cameras = [self.task.seed, number], view.image[None], [view.camera]
        if condition.family == conditions.PLAIN:
            return view.image
        if condition.family == conditions.NOISE:
            return conditions.noisy(images, cameras, condition.amount, seeds)[0]
        if condition.family == conditions.METAL:
            grid = self.task.grid
            centre = np.linalg.inv(to_ct) @ np.array([*grid.centre_mm, 1.0])
            return conditions.with_metal(images, cameras, centre[:3], 0.5 * grid.extent_mm, seeds)[0]
        raise InputError(f"dual-face depth is not asked under {condition.key}.")
