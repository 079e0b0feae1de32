"""Fits of shape and intensity models from starts by hand and from starts that are off, after Klima et al. 2015."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.evaluation.shape_fit_tables import FitOutcome
from XRayTo3DLib.experiments.reconstruction import MEAN, case_pictures, test_trials
from XRayTo3DLib.experiments.trials import Judged, Trials, judge
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.data import in_folder, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor
from XRayTo3DLib.shape.meshes import transformed
from XRayTo3DLib.shape.shape_intensity_fit import IntensityFit

USUAL, MANUAL, PERTURBED = "where bones usually lie", "placed by hand", "start perturbed"
MANUAL_SD_DEG, MANUAL_SD_MM = 2.0, 2.0
"""Of every bone by itself, per axis: how well mean bones are laid on radiographs by hand. A guess."""
CONVERGED_MM = 2.0
"""A fit has converged when the mean over bones of their Chamfer distance is below this."""
SAMPLES = 4000
"""Points measured from on each surface."""
Starts = Sequence[Mapping[str, RigidPose]]


@dataclass(frozen=True, eq=False)
class ShapeFitExperiment:
    """What became of every start.

    Attributes:
        outcomes: Per person, start and bone; the mean bones as they were started from are among them ("... (start)").
        fits: Per person and start.
        cases: Best, median and worst person of the last row.
        shown: Name of that row.
        synthetic: Whether people or models are made up.
    """

    outcomes: list[ReconstructionOutcome]
    fits: list[FitOutcome]
    cases: list[CasePicture]
    shown: str
    synthetic: bool


class StartedPredictor:
    """Fits that begin where they are told.

    Args:
        predictor: Of the models.
        starts: For each person, model to frame by bone; ``None``: where bones usually lie.
    """

    calibrated = True

    def __init__(self, predictor: ShapeIntensityPredictor, starts: Starts | None) -> None:
        self._predictor, self._starts = predictor, starts
        self.fits: list[IntensityFit] = []
        self.seconds: list[float] = []

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[dict[str, vtkPolyData]]:
        """Bones of everybody, in the order of the starts."""
        found = []
        for number, image in enumerate(images):
            own = self._predictor.canonical_cameras if cameras is None else cameras[number]
            began = time.perf_counter()
            fit = self._predictor.fit(image, own, None if self._starts is None else self._starts[number])
            found.append({label: bone.surface() for label, bone in fit.bones.items()})
            self.seconds.append(time.perf_counter() - began)
            self.fits.append(fit)
        return found


def run_shape_fit(
    model: GridReconstructor,
    folder: Path,
    *,
    people: int = 0,
    repeats: int = 1,
    off_mm: float = 10.0,
    off_deg: float = 10.0,
    seed: int = 0,
    report: Callable[[str], None] = lambda text: None,
) -> ShapeFitExperiment:
    """Fit the test people's bones from three kinds of starts.

    Args:
        model: Of the method shape-intensity-fit.
        folder: The data set.
        people: The first so many test people; 0 for all.
        repeats: Starts of each kind drawn per person.
        off_mm: Length of the perturbation's translation, mm.
        off_deg: Angle of its rotation, degrees, about the bones' middle.
        seed: Of exposures and starts.
        report: Told what is being done.

    Raises:
        InputError: A model of another method, or a data set that cannot be used.
    """
    predictor = model.predictor
    if not isinstance(predictor, ShapeIntensityPredictor):
        raise InputError(f"this experiment is about shape and intensity models, not {model.method}.")
    data = in_folder(model.data, folder)
    asked = people_of(data, Path())
    trials = _first(test_trials(data, asked.test, seed), people)
    rng = np.random.default_rng(seed)
    outcomes: list[ReconstructionOutcome] = []
    fits: list[FitOutcome] = []
    for name in (USUAL, MANUAL, PERTURBED):
        for repeat in range(1 if name == USUAL else repeats):
            report(f"{name}, {repeat + 1} of {repeats}")
            starts = _starts(name, predictor, trials, rng, off_mm, off_deg)
            begun = judge(f"{name} (start)", StandingBones(predictor, starts), model, trials, samples=SAMPLES)
            started = StartedPredictor(predictor, starts)
            judged = judge(name, started, model, trials, samples=SAMPLES)
            outcomes += begun.outcomes + _timed(judged, started, trials)
            fits += _fits(name, trials.cases, begun, judged, started)
    return ShapeFitExperiment(
        outcomes, fits, case_pictures(judged, trials, name), name, asked.synthetic or model.synthetic
    )


class StandingBones:
    """The mean bones, where fits begin."""

    calibrated = True

    def __init__(self, predictor: ShapeIntensityPredictor, starts: Starts | None) -> None:
        self._bones, self._starts = predictor.bones, starts

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[dict[str, vtkPolyData]]:
        """Mean bones at every start."""
        starts = self._starts or [{label: bone.usual for label, bone in self._bones.items()}] * len(images)
        return [
            {label: transformed(self._bones[label].model.surface(), pose.matrix) for label, pose in each.items()}
            for each in starts
        ]


def _first(trials: Trials, people: int) -> Trials:
    """The trials of the first so many people."""
    if not 0 < people < len(trials.cases):
        return trials
    cameras = None if trials.cameras is None else trials.cameras[:people]
    return replace(
        trials, cases=trials.cases[:people], images=trials.images[:people], poses=trials.poses[:people], cameras=cameras
    )


def _starts(
    name: str,
    predictor: ShapeIntensityPredictor,
    trials: Trials,
    rng: np.random.Generator,
    off_mm: float,
    off_deg: float,
) -> Starts | None:
    """Where every bone of every person begins, model to frame."""
    if name == USUAL:
        return None
    starts = []
    for matrix in trials.poses:
        held = RigidPose(np.asarray(matrix))
        placed = {label: held @ bone.usual for label, bone in predictor.bones.items()}
        middles = {label: placed[label].apply(bone.middle) for label, bone in predictor.bones.items()}
        if name == MANUAL:
            moves = {label: _by_hand(rng, middle) for label, middle in middles.items()}
        else:
            together = _perturbation(rng, np.mean(list(middles.values()), axis=0), off_mm, off_deg)
            moves = dict.fromkeys(placed, together)
        starts.append({label: moves[label] @ pose for label, pose in placed.items()})
    return starts


def _by_hand(rng: np.random.Generator, middle: NDArray[np.float64]) -> RigidPose:
    turn, shift = MANUAL_SD_DEG * rng.standard_normal(3), MANUAL_SD_MM * rng.standard_normal(3)
    return RigidPose.from_rotation(turn, shift, middle)


def _perturbation(rng: np.random.Generator, middle: NDArray[np.float64], off_mm: float, off_deg: float) -> RigidPose:
    """So many degrees about any axis and so many mm in any direction."""
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.standard_normal((2, 3)))
    return RigidPose.from_rotation(off_deg * axis, off_mm * direction, middle)


def _timed(judged: Judged, started: StartedPredictor, trials: Trials) -> list[ReconstructionOutcome]:
    """Outcomes with each person's own time."""
    seconds = {case.id: each for case, each in zip(trials.cases, started.seconds, strict=True)}
    return [replace(outcome, seconds=seconds[outcome.case]) for outcome in judged.outcomes]


def _fits(
    name: str, cases: Sequence[DatasetCase], begun: Judged, judged: Judged, started: StartedPredictor
) -> list[FitOutcome]:
    result = []
    for case, fit, seconds in zip(cases, started.fits, started.seconds, strict=True):
        start, end = (
            float(np.mean([each.assd_mm for each in part.outcomes if each.case == case.id])) for part in (begun, judged)
        )
        result.append(
            FitOutcome(case.id, case.patient, name, start, end, end < CONVERGED_MM, fit.misfit, fit.iterations, seconds)
        )
    return result


__all__ = ["MANUAL", "MEAN", "PERTURBED", "USUAL", "ShapeFitExperiment", "run_shape_fit"]
