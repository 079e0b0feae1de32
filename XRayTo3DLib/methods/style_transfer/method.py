"""Style transfer as the registry offers it: prepare a training, judge the result, load a trained one."""

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
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, split_pairs, translation_metrics
from XRayTo3DLib.methods.image_translation.translator import Translator
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun
from XRayTo3DLib.methods.style_transfer.configuration import StyleTransferConfiguration
from XRayTo3DLib.methods.style_transfer.task import CycleGanTask, make_generator
from XRayTo3DLib.methods.style_transfer.unpaired import unpaired
from XRayTo3DLib.networks.loading import loaded_networks


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the pictures and make the task.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    configuration = parsed(StyleTransferConfiguration, content)
    pairs = split_pairs(configuration.data, near)
    task = CycleGanTask(configuration, pairs, device)
    return TrainingRun(plain(configuration), task, partial(_finished, configuration, pairs, task))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> Translator:
    """A trained translator."""
    del arrays
    settings = parsed(StyleTransferConfiguration, configuration)
    networks = loaded_networks(lambda: nn.ModuleDict({"to_drr": make_generator(settings)}), ("to_drr",), weights)
    return Translator(settings, networks["to_drr"])


def _finished(configuration: StyleTransferConfiguration, pairs: SplitPairs, task: CycleGanTask) -> TrainedModel:
    translator = Translator(configuration, task.networks["to_drr"])
    people = unpaired(pairs.training)
    return TrainedModel(
        networks={"to_drr": task.networks["to_drr"].state_dict()},
        arrays={},
        labels=pairs.training.cases[0].labels,
        views=tuple(asdict(view) for view in configuration.data.canonical_views),
        grid={},
        metrics=translation_metrics(translator, pairs.test),
        summary={
            "radiographs of": len(people.radiograph_patients),
            "DRRs of": len(people.drr_patients),
            "pairs to judge by": {name: len(getattr(pairs, name)) for name in ("validation", "test")},
            "updates": {stage.name: stage.steps for stage in task.stages},
        },
        synthetic=pairs.synthetic,
        limitations=(
            "It makes what it was trained to see: bones it does not know may look as those it knows.",
            "It learnt without pairs: bones may come out moved, or be taken for soft tissue.",
        ),
        sources=("Zhu et al., ICCV 2017", "Kasten et al., arXiv 2004.00871"),
    )
