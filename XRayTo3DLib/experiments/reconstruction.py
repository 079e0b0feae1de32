"""Experiment 2 of Shiode et al. 2021: which input images make which reconstruction errors; and what baselines make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture, pick_cases
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.trials import Judged, Trials, judge
from XRayTo3DLib.methods.baselines.learnt import learnt
from XRayTo3DLib.methods.baselines.mean_shape import MeanShape
from XRayTo3DLib.methods.baselines.ridge import ImageRidge
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, in_folder, people_of
from XRayTo3DLib.methods.image_translation.histograms import HistogramMatching
from XRayTo3DLib.methods.image_translation.pairs import Pairs, SplitPairs, split_pairs
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import ImageTranslator, common_pictures, require_same_fold

MEAN, RIDGE, CT_DRR = "mean shape", "ridge", "CT-DRR"
RAW, MATCHED, GAN, REGISTRATION = "raw radiograph", "histogram-matched", "GAN-DRR", "registration-DRR"
BASELINES = (MEAN, RIDGE)
RIDGE_EXPOSURES = 4
"""Exposures of every training person that the baselines learn from."""
Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class ReconstructionExperiment:
    """Outcomes of all methods, and pictures of one of them.

    Attributes:
        outcomes: Per person, method and bone.
        cases: Best, median and worst person of ``shown``.
        shown: The method whose cases are shown.
        synthetic: Whether the people, or those that a model learnt from, are made up.
    """

    outcomes: list[ReconstructionOutcome]
    cases: list[CasePicture]
    shown: str
    synthetic: bool


def run_reconstruction(
    reconstructor: GridReconstructor,
    folder: Path,
    translators: Mapping[str, ImageTranslator] | None = None,
    seed: int = 0,
    report: Report = lambda text: None,
) -> ReconstructionExperiment:
    """Baselines and the model on the test people's DRRs; with translators, also on their actual radiographs.

    Args:
        reconstructor: The model.
        folder: The data set; its test people are asked.
        translators: By name, from actual radiographs to bone-only DRRs; the data set then needs radiographs with
            registrations. Cases of the first are shown.
        seed: Of the exposures.
        report: Told what is being done.

    Raises:
        InputError: A data set that cannot be used, or a translator of other images than the model's.
    """
    data, translators = reconstructor.data, translators or {}
    for translator in translators.values():
        translator.require_for(data)
        require_same_fold(data, translator.configuration.data)
    people = people_of(in_folder(data, folder), Path())
    report("exposing the test people")
    trials = test_trials(data, people.test, seed)
    report("fitting the baselines")
    mean, ridge = baselines(data, people.training, people.validation, seed)
    judged = {}
    for name, predictor in ((MEAN, mean), (RIDGE, ridge), (CT_DRR, reconstructor.predictor)):
        report(name)
        judged[name] = judge(name, predictor, reconstructor, trials)
    shown, shown_trials = CT_DRR, trials
    if translators:
        pictures = replace(common_pictures(translators.values()), view=data.views[0])
        pairs = split_pairs(in_folder(pictures, folder), Path())
        shown, shown_trials = next(iter(translators)), pair_trials(pairs.test)
        for name, images in translated(pairs, translators).items():
            report(name)
            judged[name] = judge(name, reconstructor.predictor, reconstructor, shown_trials, images[:, None])
    outcomes = [outcome for each in judged.values() for outcome in each.outcomes]
    synthetic = people.synthetic or reconstructor.synthetic or any(each.synthetic for each in translators.values())
    return ReconstructionExperiment(outcomes, case_pictures(judged[shown], shown_trials, shown), shown, synthetic)


def test_trials(data: DataConfiguration, part: Part, seed: int) -> Trials:
    """One random exposure of everybody; of each the pictures alone are kept, for labels would fill the memory."""
    exposures = exposures_of(data, part, seed)
    cases, images, poses, cameras = [], [], [], []
    for item in range(len(part)):
        sample = exposures.sample("test", [item])
        cases.append(part.cases[int(sample.case_index[0])])
        images.append(sample.images[0].cpu().numpy())
        poses.append(sample.poses[0])
        cameras += sample.cameras
    return Trials(cases, np.stack(images), np.stack(poses), cameras)


def pair_trials(pairs: Pairs) -> Trials:
    """Actual radiographs, held as they were exposed."""
    return Trials(pairs.cases, pairs.radiographs[:, None], np.stack([pose.matrix for pose in pairs.poses]))


def baselines(data: DataConfiguration, training: Part, validation: Part, seed: int) -> tuple[MeanShape, ImageRidge]:
    """Mean shape and ridge regression, from the same people and exposures."""
    exposed = learnt(data, training, seed, "baselines", RIDGE_EXPOSURES)
    judged_by = learnt(data, validation, seed, "validation", RIDGE_EXPOSURES)
    return MeanShape(exposed[1], data.voxels), ImageRidge(*exposed, data.voxels, judged_by)


def translated(pairs: SplitPairs, translators: Mapping[str, ImageTranslator]) -> dict[str, NDArray[np.float32]]:
    """The test radiographs as every input that the papers compare, (N, n, n) each.

    Raises:
        InputError: A translator has the name of another input.
    """
    taken = {RAW, MATCHED, REGISTRATION} & set(translators)
    if taken:
        raise InputError(f"a translation cannot be called {taken.pop()!r}: that row is there already.")
    return {
        RAW: pairs.test.radiographs,
        MATCHED: HistogramMatching(pairs.training).matched(pairs.test),
        **{name: each.translate(pairs.test.radiographs) for name, each in translators.items()},
        REGISTRATION: pairs.test.drrs,
    }


def case_pictures(judged: Judged, trials: Trials, method: str) -> list[CasePicture]:
    """Best, median and worst case of a method."""
    number = {case.id: index for index, case in enumerate(trials.cases)}
    rows = []
    for title, case in pick_cases(judged.outcomes, method).items():
        outcomes = [outcome for outcome in judged.outcomes if outcome.case == case]
        rows.append(CasePicture(title, case, trials.truth(number[case]), judged.meshes[case], outcomes))
    return rows
