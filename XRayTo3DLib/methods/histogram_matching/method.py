"""Histogram matching as the registry offers it: nothing to train by gradient, a template to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.histogram_matching import Template
from XRayTo3DLib.methods.configuration import parsed, plain
from XRayTo3DLib.methods.histogram_matching.configuration import HistogramMatchingConfiguration
from XRayTo3DLib.methods.histogram_matching.translator import HistogramTranslator, template_of
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, split_pairs, translation_metrics
from XRayTo3DLib.methods.registry import TrainedModel, TrainingRun

QUANTILES = "quantiles"


def prepare_training(content: dict[str, Any], near: Path, device: str) -> TrainingRun:
    """Read the pictures.

    Raises:
        InputError: A configuration or data set that cannot be used.
    """
    del device
    configuration = parsed(HistogramMatchingConfiguration, content)
    pairs = split_pairs(configuration.data, near)
    return TrainingRun(plain(configuration), None, partial(_finished, configuration, pairs))


def load_model(
    configuration: dict[str, Any],
    weights: Callable[[str], Mapping[str, Any]],
    arrays: Callable[[str], NDArray[np.generic]],
) -> HistogramTranslator:
    """A translator with its template."""
    del weights
    settings = parsed(HistogramMatchingConfiguration, configuration)
    return HistogramTranslator(settings, Template(np.asarray(arrays(QUANTILES), dtype=np.float64)))


def _finished(configuration: HistogramMatchingConfiguration, pairs: SplitPairs) -> TrainedModel:
    template = template_of(pairs.training.drrs)
    return TrainedModel(
        networks={},
        arrays={QUANTILES: template.quantiles},
        labels=pairs.training.cases[0].labels,
        views=tuple(asdict(view) for view in configuration.data.canonical_views),
        grid={},
        metrics=translation_metrics(HistogramTranslator(configuration, template), pairs.test),
        summary={"pairs": {name: len(getattr(pairs, name)) for name in ("training", "validation", "test")}},
        synthetic=pairs.synthetic,
        limitations=("It does not know bones: the most opaque pixels become bone, soft tissue and collimator too.",),
        sources=("Shiode et al., Scientific Reports 2021, 11:15249 (there inside the bones' mask)",),
    )
