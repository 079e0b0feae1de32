"""TL-net as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, people_of
from XRayTo3DLib.methods.finish import finished_model, mean_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor, mean_shape
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.methods.tl_net.networks import make_networks
from XRayTo3DLib.methods.tl_net.predictor import TlNetPredictor
from XRayTo3DLib.methods.tl_net.task import TlNetTask
from XRayTo3DLib.networks.loading import loaded_networks

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
    mean = mean_shape(settings.data, arrays)
    networks = loaded_networks(lambda: make_networks(settings), NEEDED, weights)
    return GridReconstructor(settings.method, settings.data, TlNetPredictor(settings, networks), mean)


def _finished(configuration: TlNetConfiguration, people: People, task: TlNetTask, device: str) -> TrainedModel:
    return finished_model(
        configuration,
        people,
        TlNetPredictor(configuration, task.networks),
        mean_of(configuration, people, device),
        device,
        networks={name: task.networks[name].state_dict() for name in NEEDED},
        summary={"updates": {stage.name: stage.steps for stage in task.stages}},
        sources=("Girdhar et al., ECCV 2016", "Shiode et al., Scientific Reports 2021, 11:15249"),
    )
