"""Shape and intensity models as the registry offers them: make them, judge them, load them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, exposures_of, people_of
from XRayTo3DLib.methods.finish import limitations, mean_distances, tested
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.making import built_models, bundle_arrays, models_from
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor

SOURCES = ("Klima et al. 2015 (as Kasten et al., arXiv:2004.00871 compare with it); an equivalent, not their program",)


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set; nothing is trained by gradient.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(ShapeIntensityConfiguration, content)
    people = people_of(configuration.data, near)
    return TrainingRun(plain(configuration), None, partial(_finished, configuration, people, device))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """Models of a bundle, ready to be fitted."""
    settings = parsed(ShapeIntensityConfiguration, configuration)
    predictor = ShapeIntensityPredictor(settings, models_from(arrays, settings.data.labels))
    return GridReconstructor(settings.method, settings.data, predictor, np.float32(arrays("mean_distances")))


def _finished(configuration: ShapeIntensityConfiguration, people: People, device: str) -> TrainedModel:
    data = configuration.data
    models = built_models(people.training, data.labels, configuration.model)
    predictor = ShapeIntensityPredictor(configuration, models)
    made_of = {label: built.model.shape.people for label, built in models.items()}
    return TrainedModel(
        networks={},
        arrays={
            "mean_distances": mean_distances(exposures_of(data, people.training, configuration.seed, device)),
            **bundle_arrays(models),
        },
        labels=data.labels,
        views=tuple(asdict(view) for view in data.canonical_views),
        grid=data.voxels.to_dict(),
        metrics=tested(data, configuration.seed, people, predictor, device),
        summary={
            "people": {name: len(getattr(people, name)) for name in ("training", "validation", "test")},
            "people of each model": made_of,
            "shape modes": {label: built.model.shape.size for label, built in models.items()},
        },
        synthetic=people.synthetic,
        limitations=limitations(data),
        sources=SOURCES,
    )
