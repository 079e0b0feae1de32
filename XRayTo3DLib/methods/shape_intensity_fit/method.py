"""Shape and intensity models as the registry offers them: make them, judge them, load them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, exposures_of, people_of, require_bones_in_grid
from XRayTo3DLib.methods.finish import finished_model, mean_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor, mean_shape
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.landmarks import landmarks_of
from XRayTo3DLib.methods.shape_intensity_fit.making import (
    built_models,
    bundle_arrays,
    models_from,
    prior_from,
    prior_of,
    trust_from,
)
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor

SOURCES = ("Klima et al. 2015 (as Kasten et al., arXiv:2004.00871 compare with it); an equivalent, not their program",)


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set; nothing is trained by gradient.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(ShapeIntensityConfiguration, content)
    people, data = people_of(configuration.data, near), configuration.data
    require_bones_in_grid(exposures_of(data, people.training, configuration.seed, device), data.labels)
    return TrainingRun(plain(configuration), None, partial(_finished, configuration, people, device))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """Models of a bundle, ready to be fitted."""
    settings = parsed(ShapeIntensityConfiguration, configuration)
    models = models_from(arrays, settings.data.labels)
    trust = trust_from(arrays, settings.data.labels)
    predictor = ShapeIntensityPredictor(settings, models, prior_from(arrays, models), trust, landmarks_of(arrays))
    return GridReconstructor(settings.method, settings.data, predictor, mean_shape(settings.data, arrays))


def _finished(configuration: ShapeIntensityConfiguration, people: People, device: str) -> TrainedModel:
    built = built_models(people.training, configuration.data.labels, configuration.model, configuration.anatomy)
    models = built.models
    return finished_model(
        configuration,
        people,
        ShapeIntensityPredictor(configuration, models, prior_of(models)),
        mean_of(configuration, people, device),
        device,
        arrays=bundle_arrays(built),
        summary={
            "people of each model": {label: each.model.shape.people for label, each in models.items()},
            "shape modes": {label: each.model.shape.size for label, each in models.items()},
            "landmarks off by, mm": {label: _rounded(each.sd_mm) for label, each in built.landmarks.items()}
            or f"no landmarks: {built.no_landmarks}",
        },
        sources=SOURCES,
    )


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items() if math.isfinite(value)}
