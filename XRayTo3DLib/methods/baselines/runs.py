"""What the registry needs of any baseline: a training without steps, judged and packed as a network's is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.baselines.configuration import BaselineConfiguration
from XRayTo3DLib.methods.configuration import plain
from XRayTo3DLib.methods.data import People, exposures_of, people_of, require_bones_in_grid
from XRayTo3DLib.methods.finish import finished_model, mean_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor, mean_shape
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.types import ShapePredictor

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A baseline that has seen the training people.

    Attributes:
        predictor: Ready, and made of ``arrays``: what is judged is what a bundle holds.
        arrays: Everything that it needs, besides the mean distances that every bundle has.
        summary: What it learnt from, for the card.
        limitations: Its own, one sentence each, after those that every method has.
    """

    predictor: ShapePredictor
    arrays: Arrays
    summary: dict[str, Any]
    limitations: tuple[str, ...] = ()


Fit = Callable[[People, NDArray[np.float16]], Fitted]
"""From the people and the mean of their signed distances (bones, D, H, W), mm."""


def baseline_run(configuration: BaselineConfiguration, near: Path, device: str, fit: Fit) -> TrainingRun:
    """A training run that has no steps: everything is done when it is finished.

    Raises:
        InputError: A data set that cannot be used, or bones that are not in the grid.
    """
    people, data = people_of(configuration.data, near), configuration.data
    require_bones_in_grid(exposures_of(data, people.training, configuration.seed, device), data.labels)
    return TrainingRun(plain(configuration), None, partial(_finished, configuration, people, device, fit))


def reconstructor_of(
    configuration: BaselineConfiguration, predictor: ShapePredictor, arrays: Callable[[str], NDArray[np.generic]]
) -> GridReconstructor:
    """A baseline out of a bundle, ready to use."""
    mean = mean_shape(configuration.data, arrays)
    return GridReconstructor(configuration.method, configuration.data, predictor, mean)


def _finished(configuration: BaselineConfiguration, people: People, device: str, fit: Fit) -> TrainedModel:
    mean = mean_of(configuration, people, device)
    fitted = fit(people, mean)
    return finished_model(
        configuration,
        people,
        fitted.predictor,
        mean,
        device,
        arrays=fitted.arrays,
        summary=fitted.summary,
        limits=fitted.limitations,
    )
