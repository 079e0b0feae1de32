"""A small bundle for tests, and what is said of one that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.models import Bundle, load_bundle, save_bundle
from XRayTo3DLib.models.checksums import content_sha256

NETWORKS = {"predictor": {"weight": torch.arange(6.0).reshape(2, 3) / 7, "steps": torch.tensor(3)}}


def a_bundle(**changes: Any) -> Bundle:
    content: dict[str, Any] = {
        "method": "tl-net",
        "configuration": {"latent": 64, "lr": 1e-4},
        "anatomy": "distal forearm",
        "labels": ("radius", "ulna"),
        "views": ({"view": "PA", "size": 64, "pixel_mm": 1.5},),
        "grid": {"size": 48, "spacing_mm": 1.667, "centre_mm": (0.0, 0.0, -26.0)},
        "training": {"people": 200},
        "metrics": {"radius_mm": 0.84, "ulna_mm": None},
        "intended_use": "To try XRayTo3D.",
        "licence": "Apache-2.0",
        "synthetic": True,
    }
    return Bundle(**{**content, **changes})


def wrist_bundle(folder: Path) -> Path:
    """Written into ``folder``, with an array."""
    return save_bundle(folder, a_bundle(), NETWORKS, {"mean": np.ones((2, 3), np.float16)})


def description(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "bundle.json").read_text(encoding="utf-8"))


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """As somebody would who knows how checksums are made."""
    content = description(folder)
    change(content)
    content["checksum"] = content_sha256(content)
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")


def refused(folder: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message
