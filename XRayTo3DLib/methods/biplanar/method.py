"""The biplanar network as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.biplanar.configuration import BiplanarConfiguration
from XRayTo3DLib.methods.biplanar.networks import VOLUME, make_networks
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.biplanar.task import BiplanarTask
from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.data import People, people_of
from XRayTo3DLib.methods.finish import finished_model, mean_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor, array_of, mean_shape
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.networks.loading import loaded_networks

ATTENUATION, LIKENESS = "bone_attenuation", "likeness_of_true_bones"


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the data set and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(BiplanarConfiguration, content)
    people = people_of(configuration.data, near)
    task = BiplanarTask(configuration, people, device)
    return TrainingRun(plain(configuration), task, partial(_finished, configuration, people, task, device))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> GridReconstructor:
    """A trained biplanar network."""
    settings = parsed(BiplanarConfiguration, configuration)
    mean, bones = mean_shape(settings.data, arrays), len(settings.data.labels)
    attenuation, likeness = array_of(arrays, ATTENUATION, (bones, 2)), array_of(arrays, LIKENESS, (1,))
    networks = loaded_networks(lambda: make_networks(settings), (VOLUME,), weights)
    predictor = BiplanarPredictor(settings, networks, np.float32(attenuation), float(likeness[0]))
    return GridReconstructor(settings.method, settings.data, predictor, mean)


def _finished(configuration: BiplanarConfiguration, people: People, task: BiplanarTask, device: str) -> TrainedModel:
    return finished_model(
        configuration,
        people,
        BiplanarPredictor(configuration, task.networks, task.attenuation, task.likeness),
        mean_of(configuration, people, device),
        device,
        networks={VOLUME: task.networks[VOLUME].state_dict()},
        arrays={ATTENUATION: task.attenuation, LIKENESS: np.array([task.likeness], dtype=np.float32)},
        summary={"updates": {stage.name: stage.steps for stage in task.stages}},
        limits=(_about_cameras(configuration),),
        sources=("Kasten et al., arXiv 2004.00871, 2020", "Milletari et al., 3DV 2016"),
    )


def _about_cameras(configuration: BiplanarConfiguration) -> str:
    if configuration.network.lift == "replicated":
        return "It takes its views for parallel and fixed: a view from another angle deforms the bones."
    turn = configuration.data.view_turn_deg
    learnt = f"within {turn:g} degrees of the canonical ones" if turn else "at the canonical angles only"
    return f"It must be told the cameras, and has learnt from views {learnt}."
