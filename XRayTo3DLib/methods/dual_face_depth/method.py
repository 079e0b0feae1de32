"""Dual-face depth as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.dual_face_depth.completion import model_arrays, models_from, shape_models
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.methods.dual_face_depth.measures import depth_errors, dice
from XRayTo3DLib.methods.dual_face_depth.networks import DEPTH, SEGMENTATION, make_networks, make_trained_networks
from XRayTo3DLib.methods.dual_face_depth.predictor import DualFacePredictor
from XRayTo3DLib.methods.dual_face_depth.reconstruct import DualFaceReconstructor
from XRayTo3DLib.methods.dual_face_depth.statistics import ViewStatistics, statistics_of
from XRayTo3DLib.methods.dual_face_depth.task import DualFaceTask
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.networks.loading import loaded_networks
from XRayTo3DLib.networks.nfnet import folded
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

TESTED_VIEWS = 64
"""Views of test people that a training is judged on at its end; the experiments look at all of them."""


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    from XRayTo3DLib.methods.dual_face_depth.data import TrainingViews, split_views, unlabelled_pictures

    del device
    configuration = parsed(DualFaceConfiguration, content)
    data = configuration.data
    views = split_views(data, near)
    training, validation = (
        TrainingViews(part.views, data.labels, data.scale) for part in (views.training, views.validation)
    )
    statistics = statistics_of(training, configuration.outputs)
    networks = make_trained_networks(configuration, near)
    pictures = unlabelled_pictures(data, near) if configuration.stages.pretraining.trained else []
    task = DualFaceTask(configuration, networks, training, validation, statistics, pictures)
    finish = partial(_finished, configuration, views, task, statistics)
    return TrainingRun(plain(_without_places(configuration)), task, finish)


def _without_places(configuration: DualFaceConfiguration) -> DualFaceConfiguration:
    """Files by their names alone: bundles say nothing of the machine they were made on."""
    data, network = configuration.data, configuration.network
    names = {"weights": Path(network.weights).name, "segmentation_weights": Path(network.segmentation_weights).name}
    return replace(
        configuration,
        data=replace(data, unlabelled=Path(data.unlabelled).name),
        network=replace(network, **names),
    )


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> DualFaceReconstructor:
    """A trained model."""
    settings = parsed(DualFaceConfiguration, configuration)
    if not settings.stages.depth.trained:
        raise InputError("this bundle holds a segmentation network alone; train a depth network with it first.")
    networks = loaded_networks(lambda: make_networks(settings), (DEPTH, SEGMENTATION), weights)
    networks[DEPTH] = folded(networks[DEPTH])
    statistics = ViewStatistics.from_arrays(arrays)
    models = models_from(arrays, settings.data.labels) if settings.completion.people else {}
    return DualFaceReconstructor(DualFacePredictor(settings, networks, statistics), models)


def _finished(
    configuration: DualFaceConfiguration, views: Any, task: DualFaceTask, statistics: ViewStatistics
) -> TrainedModel:
    predictor = DualFacePredictor(configuration, task.networks, statistics)
    geometry = configuration.data.geometry
    parts = ("training", "validation", "test")
    kept = (DEPTH, SEGMENTATION) if configuration.stages.depth.trained else (SEGMENTATION,)
    metrics = tested(predictor, views.test.views)
    return TrainedModel(
        networks={name: task.networks[name].state_dict() for name in kept},
        arrays={**statistics.to_arrays(), **model_arrays(_models(configuration, views))},
        labels=configuration.data.labels,
        views=(geometry.to_dict(),),
        grid={},
        metrics={name: value for name, value in metrics.items() if name == "dice" or DEPTH in kept},
        summary={
            "people": {name: len({case.patient for case in getattr(views, name).cases}) for name in parts},
            "views": {name: len(getattr(views, name).views) for name in parts},
            "updates": {stage.name: stage.steps for stage in task.stages},
        },
        synthetic=views.synthetic,
        limitations=_limitations(configuration),
        sources=("Gu et al. (3DDX), MICCAI 2024",),
    )


def _models(configuration: DualFaceConfiguration, views: Any) -> dict[str, ShapeModel]:
    completion = configuration.completion
    if not completion.people:
        return {}
    data = configuration.data
    return shape_models(views.training.cases, data.labels, completion, data.geometry.view)


def tested(predictor: DualFacePredictor, views: Any) -> dict[str, float]:
    """Mean Dice of the masks, and depth errors in mm where found and true masks meet, over (at most 64) views."""
    count = min(len(views), TESTED_VIEWS)
    found: dict[str, list[float]] = {"dice": [], "depth_mae_mm": [], "depth_mae_aligned_mm": []}
    labels = list(predictor.configuration.data.labels)
    for number in range(count):
        view = views[number * len(views) // count]
        order = [view.labels.index(label) for label in labels]
        guess = predictor.predict_depth(view.image, view.camera)
        pairs = [(guess.front_mm, view.front_mm[order]), (guess.back_mm, view.back_mm[order])]
        depths, wanted = zip(*((a, b) for a, b in pairs if a is not None), strict=True)
        depth, truth = (torch.from_numpy(np.concatenate(each))[None] for each in (depths, wanted))
        errors = depth_errors(depth, truth, depth.isfinite() & truth.isfinite())
        masks = (torch.from_numpy(each)[None] for each in (guess.mask, np.isfinite(view.front_mm[order])))
        for name, value in {"dice": dice(*masks), **errors}.items():
            found[name].append(value)
    return {name: float(np.nanmean(values)) if values else float("nan") for name, values in found.items()}


def _limitations(configuration: DualFaceConfiguration) -> tuple[str, ...]:
    limits = ["It knows radiographs in its standard geometry only: the same view, distance and field."]
    if configuration.loss.kind == "casi":
        limits.append(
            "How far the bones are from the detector is not estimated: they are put where the training people's were."
        )
    if not configuration.stages.depth.trained:
        limits.append("It holds a segmentation network alone, for other trainings to take over.")
    if configuration.faces == "single":
        limits.append("It sees the bones' faces towards the source only.")
    return tuple(limits)
