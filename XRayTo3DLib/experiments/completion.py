"""Completion by shape models (Gu et al. 2024, 3DDX): as seen, directional, bidirectional; healthy and diseased."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from XRayTo3DLib.evaluation.depth_figures import DepthPicture
from XRayTo3DLib.evaluation.depth_measures import POINTS, DepthOutcome
from XRayTo3DLib.evaluation.depth_tables import BIDIRECTIONAL, DIRECTIONAL, SEEN
from XRayTo3DLib.experiments.depth_trials import (
    DepthReconstructor,
    Report,
    Way,
    as_seen,
    completed,
    depth_trials,
    judge_depth,
    pictures_of,
)
from XRayTo3DLib.methods.dual_face_depth.completion import Direction

DIRECTIONS: dict[str, Direction] = {DIRECTIONAL: "to_model", BIDIRECTIONAL: "both"}


@dataclass(frozen=True, eq=False)
class CompletionExperiment:
    """Outcomes of one model, as seen and completed.

    Attributes:
        outcomes: Per radiograph, way, bone and alignment.
        pictures: Best, median and worst radiograph of ``shown``.
        shown: Which way.
        synthetic: Whether the people, or those that the model learnt from, are made up.
    """

    outcomes: list[DepthOutcome]
    pictures: list[DepthPicture]
    shown: str
    synthetic: bool


def run_completion(
    model: DepthReconstructor,
    folder: Path,
    *,
    points: int = POINTS,
    seed: int = 0,
    most: int | None = 1,
    report: Report = lambda text: None,
) -> CompletionExperiment:
    """What a model sees on the test people's radiographs, and what its shape models make of it.

    Args:
        model: With shape models.
        folder: The data set.
        points: Of each surface for EMD and CD-l2.
        seed: Of these points.
        most: Radiographs of one case; fitting takes seconds each. All if ``None``.
        report: Told what is being done.

    Raises:
        InputError: A data set that cannot be used, or a model without shape models.
    """
    report("reading the radiographs")
    trials = depth_trials(model.configuration.data, folder, most)
    ways: dict[str, Way] = {SEEN: partial(as_seen, model)}
    ways |= {name: partial(completed, model, direction) for name, direction in DIRECTIONS.items()}
    outcomes = judge_depth(model, ways, trials, points=points, seed=seed, whole=True, report=report)
    report("pictures")
    pictures = pictures_of(model, ways[BIDIRECTIONAL], BIDIRECTIONAL, trials, outcomes)
    return CompletionExperiment(outcomes, pictures, BIDIRECTIONAL, trials.synthetic or model.synthetic)
