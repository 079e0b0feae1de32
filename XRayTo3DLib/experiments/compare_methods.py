"""Which methods take part in a comparison, and with which settings: one place for all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.depth_views import trusted_views
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange
from XRayTo3DLib.dataset.prepared import Preparation, preparation_of
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.compare_recipes import RECIPES, SIZES, Size, depth_recipe
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.registry import METHODS
from XRayTo3DLib.methods.translation import TRANSLATIONS

DEPTH = "dual-face-depth"
VIEWS = {"wrist": ("PA", "LAT"), "lps": ("AP", "LAT")}
MARGIN = 1.1
"""Pictures show so much more than the grid, along each side."""
LOOKED_AT = 6
"""Training people that size and brightness are taken from."""


@dataclass(frozen=True)
class Candidate:
    """A row of the comparison, before anything was computed.

    Attributes:
        name: Of the row and of its folder.
        method: Name in the registry.
        configuration: To train with; empty where a bundle is given or it does not take part.
        bundle: A finished model, instead of training.
        why_not: Why it does not take part; empty if it does.
    """

    name: str
    method: str
    configuration: Mapping[str, Any]
    bundle: Path | None = None
    why_not: str = ""


def candidates(dataset: DatasetFolder, names: list[str], bundles: Mapping[str, Path], size: Size) -> list[Candidate]:
    """The rows: methods to train in the order asked for, then bundles under names of their own.

    Args:
        dataset: What is compared on.
        names: Of the registry; empty for all that reconstruct.
        bundles: Finished models by the name of their row; one named as a method stands in for its training.
        size: Of what is trained.

    Raises:
        InputError: An unknown method.
    """
    known = [*RECIPES, *(name for name in METHODS if name not in RECIPES)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"method {unknown[0]!r} is not known; choose among {', '.join(known)}.")
    wanted = names or [name for name in known if name not in TRANSLATIONS]
    shared = data_part(dataset, size)
    rows = [
        _given(name, bundles[name]) if name in bundles else _trained(dataset, name, shared, size) for name in wanted
    ]
    return rows + [_given(name, bundle) for name, bundle in bundles.items() if name not in wanted]


def _given(name: str, bundle: Path) -> Candidate:
    from XRayTo3DLib.models.bundle import load_bundle

    method = load_bundle(bundle).bundle.method
    why = _reconstructs_nothing(method) if method in TRANSLATIONS else ""
    return Candidate(name, method, {}, bundle, why)


def _trained(dataset: DatasetFolder, name: str, shared: Mapping[str, Any], size: Size) -> Candidate:
    method, why = RECIPES[name][0] if name in RECIPES else name, why_not(dataset, name)
    return Candidate(name, method, {} if why else default_configuration(dataset, name, shared, size), None, why)


def why_not(dataset: DatasetFolder, name: str) -> str:
    """Why a method cannot take part with a data set; empty if it can."""
    if name in TRANSLATIONS:
        return _reconstructs_nothing(name)
    if name == DEPTH:
        having = [case for case in dataset.cases("train") if trusted_views(case, "AP")]
        if not having:
            return (
                "it needs AP radiographs in standard geometry with accepted registrations (cases/*/views/ap-*); "
                "this data set has none"
            )
        return ""
    return "" if name in RECIPES else "the comparison has no settings to train it with; give a bundle with --models"


def _reconstructs_nothing(method: str) -> str:
    return f"{method} translates pictures and reconstructs nothing; give its bundle with --translation"


def default_configuration(dataset: DatasetFolder, name: str, shared: Mapping[str, Any], size: Size) -> dict[str, Any]:
    """What a method is trained with on a data set, as the content of a training configuration.

    Args:
        dataset: The data set.
        name: Of a row that takes part, see :func:`why_not`.
        shared: Of :func:`data_part`.
        size: "tiny" to see that all runs, "small" to learn something on two CPU cores.

    Raises:
        InputError: A method without settings.
    """
    if name == DEPTH:
        method, own = name, depth_recipe(dataset, size)
    elif name in RECIPES:
        method, own = RECIPES[name][0], RECIPES[name][1](shared, size)
    else:
        raise InputError(f"the comparison has no settings for {name}.")
    about = {"format": FORMAT, "method": method, "name": f"{name}, {size}", "anatomy": dataset.anatomy, "seed": 0}
    return {**about, **own}


# ---- what all methods on a grid share -------------------------------------------------------------------------


def data_part(dataset: DatasetFolder, size: Size) -> dict[str, Any]:
    """Views, grid, pictures and poses for a data set: the same cube and the same people for every method."""
    if size not in SIZES:
        raise InputError(f"size {size!r} is not known; choose {' or '.join(SIZES)}.")
    wrist = dataset.frame == "wrist"
    centre, half = _field(dataset)
    voxels, pixels = SIZES[size].voxels, SIZES[size].pixels
    image: dict[str, Any] = {"size": pixels, "pixel_mm": _round(MARGIN * 2 * half / pixels)}
    image["source_mm"] = 955.0 if wrist else 1040.0
    pose = (
        {"rotation_deg": [1.5, 5.0, 5.0], "translation_mm": [1.0, 1.0, 1.0], "distribution": "normal"}
        if wrist
        else {"rotation_deg": [3.0, 4.0, 5.0], "translation_mm": [4.0, 4.0, 4.0], "distribution": "normal"}
    )
    part = {
        "folder": "",
        "labels": list(dataset.labels),
        "views": list(VIEWS[dataset.frame]),
        "grid": {"size": voxels, "spacing_mm": _round(2 * half / voxels), "centre_mm": [_round(x) for x in centre]},
        "image": image,
        "pose": pose,
        "validation_share": 0.1,
        "noise": 0.02,
    }
    image["scale"] = _brightest(dataset, part)
    return part


def _round(value: float) -> float:
    """Four significant digits: configurations are read by people."""
    return float(f"{value:.4g}")


def _field(dataset: DatasetFolder) -> tuple[np.ndarray, float]:
    """Centre (3,) and half edge of the cube to reconstruct, mm."""
    cases = dataset.cases("train")
    known = preparation_of(cases[0])
    if dataset.frame == "wrist" or "field_mm" in dataset.preparation:
        return np.array(known.centre_mm), float(known.field_mm)
    boxes = []
    for case in cases[:LOOKED_AT]:
        prepared = read_prepared(prepared_file(case))
        pad = prepared.clip_mm + 2 * Preparation().spacing_mm
        extent = (np.array(prepared.mu.shape[::-1]) - 1) * prepared.spacing_mm
        boxes.append((prepared.origin + pad, prepared.origin + extent - pad))
    low, high = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    return (low + high) / 2, float(math.ceil((high - low).max() / 2))


def _brightest(dataset: DatasetFolder, part: Mapping[str, Any]) -> float:
    """Largest line integral of a few training people, rounded up to a half."""
    image, centre = part["image"], tuple(part["grid"]["centre_mm"])
    views = [
        CanonicalView(name, image["size"], image["pixel_mm"], image["source_mm"], centre) for name in part["views"]
    ]
    grid = VoxelGrid(2, part["grid"]["size"] * part["grid"]["spacing_mm"] / 2, centre)
    people = [read_prepared(prepared_file(case)) for case in dataset.cases("train")[:LOOKED_AT]]
    exposures = Exposures(people, views, grid, PoseRange(0.0, 0.0), 0)
    stay = RigidPose.identity()
    brightest = max(float(exposures.exposed(number, [stay]).images.max()) for number in range(len(people)))
    return math.ceil(2 * brightest) / 2
