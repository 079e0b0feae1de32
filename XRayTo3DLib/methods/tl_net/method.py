"""TL-net as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, exposures_of, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.methods.tl_net.networks import make_networks
from XRayTo3DLib.methods.tl_net.predictor import TlNetPredictor
from XRayTo3DLib.methods.tl_net.task import TlNetTask
from XRayTo3DLib.methods.validation import surface_errors

MEAN_EXPOSURES = 400
"""Exposures of training people that the mean shape is taken over."""
NEEDED = ("predictor", "decoder")


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(TlNetConfiguration, content)
    people = people_of(configuration.data, near)
    task = TlNetTask(configuration, people, device)
    return TrainingRun(plain(configuration), task, partial(_finished, configuration, people, task, device))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """A trained TL-net."""
    settings = parsed(TlNetConfiguration, configuration)
    networks = make_networks(settings)
    for name in NEEDED:
        networks[name].load_state_dict({key: value.float() for key, value in weights(name).items()})
    return GridReconstructor(
        settings.method, settings.data, TlNetPredictor(settings, networks), np.float32(arrays("mean_distances"))
    )


def _finished(configuration: TlNetConfiguration, people: People, task: TlNetTask, device: str) -> TrainedModel:
    predictor = TlNetPredictor(configuration, task.networks)
    training = exposures_of(configuration.data, people.training, configuration.seed, device)
    return TrainedModel(
        networks={name: task.networks[name].state_dict() for name in NEEDED},
        arrays={"mean_distances": _mean_distances(training)},
        labels=configuration.data.labels,
        views=tuple(asdict(view) for view in configuration.data.canonical_views),
        grid=configuration.data.voxels.to_dict(),
        metrics=_tested(configuration, people, predictor, device),
        summary={
            "people": {name: len(getattr(people, name)) for name in ("training", "validation", "test")},
            "updates": {stage.name: stage.steps for stage in task.stages},
        },
        synthetic=people.synthetic,
        limitations=_limitations(configuration),
        sources=("Girdhar et al., ECCV 2016", "Shiode et al., Scientific Reports 2021, 11:15249"),
    )


def _mean_distances(exposures: Exposures) -> NDArray[np.float16]:
    """(bones, D, H, W) mean over exposures, one at a time: at the paper's size all of them take 7 GB."""
    total = torch.zeros(())
    for item in range(MEAN_EXPOSURES):
        found = exposures.sample("mean", [item], images=False, distances=True).distances
        assert found is not None  # asked for
        total = total.to(found.device) + found[0]
    return np.asarray((total / MEAN_EXPOSURES).cpu(), dtype=np.float16)


def _limitations(configuration: TlNetConfiguration) -> tuple[str, ...]:
    pose = configuration.data.pose
    spread = "standard deviations" if pose.distribution == "normal" else "limits"
    turns, shifts = (", ".join(f"{value:g}" for value in each) for each in (pose.rotation_deg, pose.translation_mm))
    limits = [
        f"It knows bones turned against the views by {turns} degrees about x, y, z and shifted by {shifts} mm "
        f"({spread}).",
        "Radiographs must show bones only: translate actual ones first.",
    ]
    if len(configuration.data.views) == 1:
        limits.append("One view does not show how deep bones lie, nor how much they tilt towards the tube.")
    return tuple(limits)


def _tested(
    configuration: TlNetConfiguration, people: People, predictor: TlNetPredictor, device: str
) -> dict[str, float]:
    """Mean surface errors on the test people, one exposure each."""
    exposures = exposures_of(configuration.data, people.test, configuration.seed, device)
    sample = exposures.sample("test", range(len(people.test)))
    with torch.inference_mode():
        fields = predictor.predict(sample.images.cpu().numpy())
    cases = [people.test.cases[index] for index in sample.case_index]
    return surface_errors(fields, cases, sample.poses, configuration.data.labels)
