"""The encoder-decoder as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, people_of
from XRayTo3DLib.methods.encoder_decoder.configuration import EncoderDecoderConfiguration
from XRayTo3DLib.methods.encoder_decoder.predictor import EncoderDecoderPredictor, made_network
from XRayTo3DLib.methods.encoder_decoder.task import NETWORK, EncoderDecoderTask
from XRayTo3DLib.methods.finish import finished_model, mean_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor, mean_shape
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.networks.loading import loaded_networks

SOURCES = (
    "Chen and Fang, ICBHI 2019, IFMBE Proceedings 74 (2020)",
    "Layers: xrayto3D benchmark (OneDConcat), 2023",
)


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(EncoderDecoderConfiguration, content)
    people = people_of(configuration.data, near)
    task = EncoderDecoderTask(configuration, people, device)
    return TrainingRun(plain(configuration), task, partial(_finished, configuration, people, task, device))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """A trained encoder-decoder."""
    settings = parsed(EncoderDecoderConfiguration, configuration)
    mean = mean_shape(settings.data, arrays)
    networks = loaded_networks(lambda: nn.ModuleDict({NETWORK: made_network(settings)}), (NETWORK,), weights)
    predictor = EncoderDecoderPredictor(settings, networks[NETWORK])
    return GridReconstructor(settings.method, settings.data, predictor, mean)


def _finished(
    configuration: EncoderDecoderConfiguration, people: People, task: EncoderDecoderTask, device: str
) -> TrainedModel:
    network = task.networks[NETWORK]
    return finished_model(
        configuration,
        people,
        EncoderDecoderPredictor(configuration, network),
        mean_of(configuration, people, device),
        device,
        networks={NETWORK: network.state_dict()},
        summary={"updates": {stage.name: stage.steps for stage in task.stages}},
        sources=SOURCES,
    )
