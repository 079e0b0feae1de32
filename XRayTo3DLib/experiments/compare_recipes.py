"""Settings that a comparison trains its methods with: networks and stages of a size that two CPU cores can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from XRayTo3DLib.dataset.dataset_folder import DatasetFolder

Size = Literal["tiny", "small"]
Shared = Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        voxels: Along each edge of the grid.
        pixels: Along each edge of the pictures.
        hard: Test people who are asked under the harder conditions, too.
        samples: Points that surfaces are measured from.
    """

    voxels: int
    pixels: int
    hard: int
    samples: int


SIZES: dict[str, Scale] = {"tiny": Scale(32, 32, 2, 2000), "small": Scale(64, 64, 10, 4000)}


def _stages(**steps: tuple[int, int, float]) -> dict[str, dict[str, Any]]:
    """Stages by name from (steps, batch, learning rate)."""
    return {
        name: {"steps": count, "batch": batch, "lr": lr, "schedule": "one-cycle", "validate_every": 0}
        for name, (count, batch, lr) in steps.items()
    }


def tl_net(shared: Shared, size: Size) -> dict[str, Any]:
    """As ``wrist_pa_lat_small.yaml``, with a grid of 48 voxels."""
    tiny = size == "tiny"
    voxels = 24 if tiny else 48
    grid = shared["grid"]
    spacing = float(f"{grid['size'] * grid['spacing_mm'] / voxels:.4g}")
    network = {
        "latent": 8 if tiny else 32,
        "channels": 4 if tiny else 8,
        "depth": 0,
        "up_sampling": "resize",
        "head": "sub-voxel",
        "norm": "group",
        "predictor": "resnet",
        "width": 8 if tiny else 16,
        "stem_stride": 2,
        "pooled": 2,
    }
    stages = (
        _stages(autoencoder=(30, 4, 6e-3), predictor=(30, 4, 3e-3), joint=(10, 4, 5e-4))
        if tiny
        else _stages(autoencoder=(1200, 8, 6e-3), predictor=(2000, 8, 3e-3), joint=(600, 8, 5e-4))
    )
    return {
        "data": {**shared, "grid": {**grid, "size": voxels, "spacing_mm": spacing}},
        "network": network,
        "loss": {"code": 1e-4, "latent": 1e-4, "latent_of": "formula", "squared": True, "noise": 0.02},
        "stages": stages,
    }


def biplanar(shared: Shared, size: Size) -> dict[str, Any]:
    """As ``knee_ap_lat_small.yaml``: told the cameras, trained on views that are swung."""
    return _biplanar({**shared, "view_turn_deg": 12.0}, "calibrated", size)


def biplanar_replicated(shared: Shared, size: Size) -> dict[str, Any]:
    """The same as the paper lifts pictures: blind to the cameras."""
    return _biplanar(shared, "replicated", size)


def _biplanar(data: Shared, lift: str, size: Size) -> dict[str, Any]:
    tiny = size == "tiny"
    channels, convolutions = ([8, 16], [1, 1]) if tiny else ([16, 32, 64, 128], [1, 2, 2, 2])
    network = {"channels": channels, "convolutions": convolutions, "norm": "group", "folded": True}
    return {
        "data": data,
        "network": {"lift": lift, **network},
        "loss": {"surface": 4.0, "surface_mm": 4.0, "projection": 0.0},
        "training": _stages(all=(40, 2, 3e-3) if tiny else (3000, 2, 3e-3))["all"],
    }


def encoder_decoder(shared: Shared, size: Size) -> dict[str, Any]:
    """As ``knee_encoder_decoder_small.yaml``."""
    tiny = size == "tiny"
    return {
        "data": shared,
        "network": {"channels": 4 if tiny else 8, "code": 32 if tiny else 256, "norm": "batch", "dropout": 0.0},
        "loss": {"cross_entropy": 1.0, "dice": 0.3},
        "training": _stages(all=(40, 4, 4e-3) if tiny else (1000, 8, 6e-3))["all"],
    }


def shape_intensity_fit(shared: Shared, size: Size) -> dict[str, Any]:
    """As ``knee_shape_fit_small.yaml``."""
    model = {"people": 5, "vertices": 200, "shape_modes": 3, "density_modes": 1} if size == "tiny" else {}
    return {"data": shared, "model": model}


def learnt_at_once(shared: Shared, size: Size) -> dict[str, Any]:
    """Methods without gradients, with the settings that they have by themselves."""
    del size
    return {"data": shared}


RECIPES: dict[str, tuple[str, Callable[[Shared, Size], dict[str, Any]]]] = {
    "biplanar": ("biplanar", biplanar),
    "biplanar-replicated": ("biplanar", biplanar_replicated),
    "tl-net": ("tl-net", tl_net),
    "encoder-decoder": ("encoder-decoder", encoder_decoder),
    "shape-intensity-fit": ("shape-intensity-fit", shape_intensity_fit),
    "ridge": ("ridge", learnt_at_once),
    "nearest-shape": ("nearest-shape", learnt_at_once),
    "mean-shape": ("mean-shape", learnt_at_once),
}
"""By the name of the row: the method in the registry, and its settings. The order is that of the report."""


def depth_recipe(dataset: DatasetFolder, size: Size) -> dict[str, Any]:
    """Dual-face depth as ``hips_ap_small.yaml``: one AP radiograph in its standard geometry."""
    tiny = size == "tiny"
    steps = {"segmentation": (20, 4, 4e-3), "depth": (20, 4, 2e-3)}
    if not tiny:
        steps = {"segmentation": (600, 8, 4e-3), "depth": (2500, 8, 2e-3)}
    return {
        "data": {
            "folder": "",
            "labels": list(dataset.labels),
            "geometry": {"size": 64 if tiny else 128, "field_mm": 400.0, "sdd_mm": 1000.0, "view": "AP"},
            "scale": 4.0,
            "validation_share": 0.1,
        },
        "faces": "dual",
        "network": {"encoder": "tiny", "channels": 16 if tiny else 32, "segmentation": "tiny"},
        "loss": {"kind": "casi", "aggregate": "independent"},
        "augmentation": {"operations": 2, "magnitude": 0.5, "mirror": True, "rotation_deg": 4.0},
        "stages": _stages(**steps),
        "completion": {"people": 8 if tiny else 40, "modes": 5 if tiny else 20, "points": 400 if tiny else 1500},
    }


MINUTES: dict[str, tuple[float, float]] = {
    "biplanar": (0.3, 25.0),
    "biplanar-replicated": (0.3, 25.0),
    "tl-net": (0.3, 12.0),
    "encoder-decoder": (0.3, 10.0),
    "shape-intensity-fit": (0.7, 6.0),
    "dual-face-depth": (0.7, 15.0),
}
"""About how long the training of each size takes on two CPU cores: for the estimate of what is left."""


def minutes(name: str, size: Size) -> float:
    """About how long training takes."""
    tiny, small = MINUTES.get(name, (0.3, 1.5))
    return tiny if size == "tiny" else small
