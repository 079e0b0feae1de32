"""A training small enough for a test: configurations of both methods on the data set of the ``wrists`` fixture."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FORMAT = "xrayto3d.training/1"
PEOPLE, TESTED = 8, 3
"""People to learn from (two of them for validation), and to test on."""

TL_NET: dict[str, Any] = {
    "format": FORMAT,
    "method": "tl-net",
    "name": "tiny",
    "data": {
        "folder": "wrists",
        "views": ["PA"],
        "grid": {"size": 16, "spacing_mm": 5.0},
        "image": {"size": 32, "pixel_mm": 3.0},
        "pose": {"rotation_deg": [4, 4, 4], "translation_mm": [1, 1, 1], "distribution": "normal"},
        "validation_share": 0.25,
        "noise": 0.02,
    },
    "network": {
        "latent": 6,
        "channels": 4,
        "depth": 0,
        "up_sampling": "resize",
        "norm": "group",
        "width": 4,
        "stem_stride": 2,
    },
    "loss": {"noise": 0.02},
    "stages": {
        "autoencoder": {"steps": 6, "batch": 4, "lr": 3.0e-3, "validate_every": 0},
        "predictor": {"steps": 5, "batch": 4, "lr": 3.0e-3, "validate_every": 0},
        "joint": {"steps": 4, "batch": 4, "lr": 1.0e-3, "validate_every": 0},
    },
}
PIX2PIX: dict[str, Any] = {
    "format": FORMAT,
    "method": "image-translation",
    "name": "tiny pix2pix",
    "data": {"folder": "wrists", "image": {"size": 32, "pixel_mm": 3.0}, "validation_share": 0.25},
    "gan": {"channels": 4, "downs": 5, "layers": 1, "norm": "instance", "steps": 4, "batch": 2, "validate_every": 0},
}
SHAPES: dict[str, Any] = {
    "format": FORMAT,
    "method": "shape-intensity-fit",
    "name": "tiny shapes",
    "anatomy": "wrist",
    "data": {**TL_NET["data"], "views": ["PA", "LAT"], "noise": 0.0},
    "model": {"people": 6, "vertices": 150, "spacing_mm": 3.5, "shape_modes": 3, "density_modes": 1},
}


def changed(content: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """``content`` with other values: ``data={"views": [...]}`` changes one key of ``data`` and keeps the rest."""
    result = copy.deepcopy(dict(content))
    for name, value in changes.items():
        old = result.get(name)
        result[name] = changed(old, **value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return result


def with_steps(content: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """A TL-net's configuration whose stages all have so many steps."""
    return changed(content, stages={name: {"steps": steps} for name in content["stages"]})


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a configuration file."""
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path
