"""Every reconstruction system by name; adding one is its folder and a line here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

METHODS = {
    "tl-net": "XRayTo3DLib.methods.tl_net.method",
    "image-translation": "XRayTo3DLib.methods.image_translation.method",
    "style-transfer": "XRayTo3DLib.methods.style_transfer.method",
    "histogram-matching": "XRayTo3DLib.methods.histogram_matching.method",
    "dual-face-depth": "XRayTo3DLib.methods.dual_face_depth.method",
    "encoder-decoder": "XRayTo3DLib.methods.encoder_decoder.method",
    "mean-shape": "XRayTo3DLib.methods.baselines.mean_shape_method",
    "nearest-shape": "XRayTo3DLib.methods.baselines.nearest_shape_method",
    "ridge": "XRayTo3DLib.methods.baselines.ridge_method",
    "biplanar": "XRayTo3DLib.methods.biplanar.method",
    "shape-intensity-fit": "XRayTo3DLib.methods.shape_intensity_fit.method",
}
TRANSLATIONS = ("image-translation", "style-transfer", "histogram-matching")
"""Those that make no bones but pictures of bones alone, see ``methods.translation``."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a finished training leaves: everything a bundle holds, and no path of the machine it ran on.

    Attributes:
        networks: Weights by network, only of those that inference needs.
        arrays: Further numbers, such as the mean shape.
        labels: Bones.
        views: Expected geometry of each view.
        grid: Voxels of the result.
        metrics: On people not trained on.
        summary: What it was trained on, in numbers and words.
        synthetic: Whether any of it was simulated.
        limitations: Known limits, one sentence each.
        sources: Papers and data it builds on.
    """

    networks: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, NDArray[Any]]
    labels: tuple[str, ...]
    views: tuple[dict[str, Any], ...]
    grid: dict[str, Any]
    metrics: dict[str, float]
    summary: dict[str, Any]
    synthetic: bool
    limitations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A training ready to start.

    Attributes:
        configuration: All of it, defaults filled in, as JSON types.
        task: For ``training.loop.train``; ``None`` for a system without weights to train.
        finish: Called afterwards: the model, judged on the test people.
    """

    configuration: dict[str, Any]
    task: Any
    finish: Callable[[], TrainedModel]


class Method(Protocol):
    """What a system's ``method.py`` offers."""

    def prepare_training(self, content: dict[str, Any], near: Path, device: str) -> TrainingRun:
        """From a configuration file's content; paths in it start from ``near``."""
        ...

    def load_model(
        self,
        configuration: dict[str, Any],
        weights: Callable[[str], Mapping[str, Any]],
        arrays: Callable[[str], NDArray[np.generic]],
    ) -> Any:
        """A trained model ready to use, from what a bundle holds."""
        ...


def method_named(name: str) -> Method:
    """The system of that name, imported now.

    Raises:
        InputError: No such system.
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is not known; choose {', '.join(sorted(METHODS))}.")
    return cast(Method, importlib.import_module(METHODS[name]))
