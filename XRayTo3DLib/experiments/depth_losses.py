"""Table 1 of Gu et al. 2024 (3DDX) on any data set: faces, losses, aggregation, resolution, pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.depth_figures import DepthPicture
from XRayTo3DLib.evaluation.depth_measures import POINTS, DepthOutcome
from XRayTo3DLib.evaluation.depth_tables import DepthModel
from XRayTo3DLib.experiments.depth_trials import (
    DepthReconstructor,
    DepthTrials,
    Report,
    as_seen,
    depth_trials,
    judge_depth,
    pictures_of,
)
from XRayTo3DLib.methods.dual_face_depth.configuration import DepthDataConfiguration, DualFaceConfiguration


@dataclass(frozen=True, eq=False)
class DepthLossesExperiment:
    """Outcomes of all models on the same radiographs.

    Attributes:
        models: Rows of the table.
        outcomes: Per radiograph, model, bone and alignment.
        pictures: Best, median and worst radiograph of ``shown``.
        shown: The last model.
        synthetic: Whether the people, or those that a model learnt from, are made up.
    """

    models: list[DepthModel]
    outcomes: list[DepthOutcome]
    pictures: list[DepthPicture]
    shown: str
    synthetic: bool


def run_depth_losses(
    models: Mapping[str, DepthReconstructor],
    folder: Path,
    *,
    points: int = POINTS,
    seed: int = 0,
    most: int | None = None,
    report: Report = lambda text: None,
) -> DepthLossesExperiment:
    """All models on the test people's radiographs, each in its own geometry.

    Args:
        models: By name, in the order of the table.
        folder: The data set.
        points: Of each surface for EMD and CD-l2.
        seed: Of these points.
        most: Radiographs of one person's case; all if ``None``.
        report: Told what is being done.

    Raises:
        InputError: No model, models that were trained on each other's test people, or a data set that cannot be used.
    """
    if not models:
        raise InputError("there is no model to ask; give at least one.")
    require_same_split({name: model.configuration.data for name, model in models.items()})
    outcomes: list[DepthOutcome] = []
    asked: dict[DepthDataConfiguration, DepthTrials] = {}
    for name, model in models.items():
        data = model.configuration.data
        report(f"{name}: reading the radiographs")
        trials = asked[data] = asked.get(data) or depth_trials(data, folder, most)
        outcomes += judge_depth(model, {name: partial(as_seen, model)}, trials, points=points, seed=seed, report=report)
    report(f"{name}: pictures")
    synthetic = any(each.synthetic for each in (*asked.values(), *models.values()))
    rows = [described(each, model.configuration) for each, model in models.items()]
    pictures = pictures_of(model, partial(as_seen, model), name, trials, outcomes)
    return DepthLossesExperiment(rows, outcomes, pictures, name, synthetic)


def described(name: str, configuration: DualFaceConfiguration) -> DepthModel:
    """A model as a row of the table."""
    pretraining = configuration.stages.pretraining
    return DepthModel(
        name,
        str(configuration.data.geometry.size),
        configuration.faces,
        configuration.loss.kind.upper(),
        configuration.loss.aggregate,
        "yes" if pretraining.steps or pretraining.epochs else "no",
    )


def require_same_split(data: Mapping[str, DepthDataConfiguration]) -> None:
    """Refuse models of which one was trained on people whom another is tested on."""
    splits = {name: (each.folds, each.fold if each.folds else 0) for name, each in data.items()}
    if len(set(splits.values())) > 1:
        told = "; ".join(f"{name}: fold {fold} of {folds}" for name, (folds, fold) in splits.items())
        raise InputError(f"the models were trained on different people ({told}); compare models of the same fold.")
