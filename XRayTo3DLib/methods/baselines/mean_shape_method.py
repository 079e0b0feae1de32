"""The mean shape as the registry offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.baselines.configuration import BaselineConfiguration
from XRayTo3DLib.methods.baselines.mean_shape import MeanShape
from XRayTo3DLib.methods.baselines.runs import Fitted, baseline_run, reconstructor_of
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People
from XRayTo3DLib.methods.finish import mean_exposures
from XRayTo3DLib.methods.reconstruct import GridReconstructor, mean_shape
from XRayTo3DLib.methods.registry import TrainingRun


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set; the mean is taken when the run is finished.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(BaselineConfiguration, content)

    def fit(people: People, mean: NDArray[np.float16]) -> Fitted:
        exposures = mean_exposures(len(people.training))
        return Fitted(_of_mean(mean, configuration), {}, {"exposures": exposures})

    return baseline_run(configuration, near, device, fit)


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """The mean shape of a bundle."""
    del weights
    settings = parsed(BaselineConfiguration, configuration)
    return reconstructor_of(settings, _of_mean(mean_shape(settings.data, arrays), settings), arrays)


def _of_mean(mean: NDArray[Any], configuration: BaselineConfiguration) -> MeanShape:
    return MeanShape(np.float32(mean)[None], configuration.data.voxels)
