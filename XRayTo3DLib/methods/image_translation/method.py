"""Image translation as the registry offers it: prepare a training, judge the result, load a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, split_pairs, translation_metrics
from XRayTo3DLib.methods.image_translation.task import Pix2PixTask, make_generator
from XRayTo3DLib.methods.image_translation.translator import Translator
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.networks.loading import loaded_networks


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the pairs and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(ImageTranslationConfiguration, content)
    pairs = split_pairs(configuration.data, near)
    task = Pix2PixTask(configuration, pairs, device)
    return TrainingRun(plain(configuration), task, partial(_finished, configuration, pairs, task))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> Translator:
    """A trained translator."""
    del arrays
    settings = parsed(ImageTranslationConfiguration, configuration)
    networks = loaded_networks(lambda: nn.ModuleDict({"generator": make_generator(settings)}), ("generator",), weights)
    return Translator(settings, networks["generator"])


def _finished(configuration: ImageTranslationConfiguration, pairs: SplitPairs, task: Pix2PixTask) -> TrainedModel:
    translator = Translator(configuration, task.networks["generator"])
    return TrainedModel(
        networks={"generator": task.networks["generator"].state_dict()},
        arrays={},
        labels=pairs.training.cases[0].labels,
        views=tuple(asdict(view) for view in configuration.data.canonical_views),
        grid={},
        metrics=translation_metrics(translator, pairs.test),
        summary={
            "pairs": {name: len(getattr(pairs, name)) for name in ("training", "validation", "test")},
            "updates": {stage.name: stage.steps for stage in task.stages},
        },
        synthetic=pairs.synthetic,
        limitations=("It makes what it was trained to see: bones it does not know may look as those it knows.",),
        sources=("Isola et al., CVPR 2017", "Shiode et al., Scientific Reports 2021, 11:15249"),
    )
