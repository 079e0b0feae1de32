"""The nearest training shape as the registry offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.methods.baselines.configuration import NearestConfiguration
from XRayTo3DLib.methods.baselines.nearest_shape import NearestShape, simple_surface, surface_arrays
from XRayTo3DLib.methods.baselines.runs import Fitted, baseline_run, reconstructor_of
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People, exposures_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import TrainingRun

ARRAYS = ("images", "case", "poses", "points", "points_begin", "triangles", "triangles_begin")
NOTHING = torch.zeros(0)
"""Instead of labels, which would fill the memory."""


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set; people are exposed when the run is finished.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(NearestConfiguration, content)
    data = configuration.data

    def fit(people: People, mean: NDArray[np.float16]) -> Fitted:
        del mean
        training = people.training
        drawn = exposures_of(data, training, configuration.seed, device)
        count = configuration.exposures * len(training)
        samples = [replace(drawn.sample("nearest", [item]), soft_labels=NOTHING) for item in range(count)]
        surfaces = [
            simple_surface(case, number, configuration.vertices)
            for case in training.prepared
            for number in range(len(data.labels))
        ]
        arrays = {
            "images": np.concatenate([sample.images.cpu().numpy() for sample in samples]).astype(np.float16),
            "case": np.concatenate([sample.case_index.numpy() for sample in samples]).astype(np.int32),
            "poses": np.concatenate([sample.poses for sample in samples]).astype(np.float32),
            **surface_arrays(surfaces),
        }
        held = (
            f"It holds bones and pictures of {len(training)} training people as they are: hand it on only where you "
            f"may hand on their data."
        )
        return Fitted(NearestShape(arrays, data.labels, data.voxels), arrays, {"exposures": count}, (held,))

    return baseline_run(configuration, near, device, fit)


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """The training people of a bundle."""
    del weights
    settings = parsed(NearestConfiguration, configuration)
    predictor = NearestShape({name: arrays(name) for name in ARRAYS}, settings.data.labels, settings.data.voxels)
    return reconstructor_of(settings, predictor, arrays)
