"""Ridge regression as the registry offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.baselines.configuration import RidgeConfiguration
from XRayTo3DLib.methods.baselines.learnt import learnt
from XRayTo3DLib.methods.baselines.ridge import ImageRidge, LinearShapes
from XRayTo3DLib.methods.baselines.runs import Arrays, Fitted, baseline_run, reconstructor_of
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import TrainingRun

IN_HALF = ("shape_mean", "shape_axes")
ARRAYS = ("image_mean", "image_weights", "shape_mean", "shape_axes", "reached")


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set; the regression is done when the run is finished.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(RidgeConfiguration, content)
    data, seed = configuration.data, configuration.seed

    def fit(people: People, mean: NDArray[np.float16]) -> Fitted:
        del mean
        training = learnt(data, people.training, seed, "baselines", configuration.exposures, device)
        judges = learnt(data, people.validation, seed, "validation", configuration.exposures, device)
        components = configuration.image_components, configuration.shape_components
        ridge = ImageRidge(*training, data.voxels, judges, *components)
        half = {name: ridge.arrays[name].astype(np.float16) for name in IN_HALF}
        arrays = {**ridge.arrays, **half}
        return Fitted(_of(arrays, configuration), arrays, {"exposures": len(training[0]), "penalty": ridge.penalty})

    return baseline_run(configuration, near, device, fit)


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """The ridge regression of a bundle."""
    del weights
    settings = parsed(RidgeConfiguration, configuration)
    return reconstructor_of(settings, _of({name: arrays(name) for name in ARRAYS}, settings), arrays)


def _of(arrays: Arrays, configuration: RidgeConfiguration) -> LinearShapes:
    data = configuration.data
    return LinearShapes(arrays, (len(data.labels), *[data.grid.size] * 3), data.voxels)
