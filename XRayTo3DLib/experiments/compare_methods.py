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
from XRayTo3DLib.dataset.prepared import preparation_of, truth_meshes
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.compare_recipes import RECIPES, SIZES, Size, depth_recipe
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.registry import METHODS
from XRayTo3DLib.methods.translation import TRANSLATIONS
from XRayTo3DLib.shape.meshes import points_of

DEPTH = "dual-face-depth"
VIEWS = {"wrist": ("PA", "LAT"), "lps": ("AP", "LAT")}
MARGIN = {"wrist": 1.2, "lps": 1.1}
"""How much more pictures show than the grid; a wrist's are those that translators are trained for."""
LARGEST_MB = 120.0
"""Prepared people that are larger make training on a grid hopeless on a CPU."""
ROOM = 1.08
"""How much larger than the bones of those few people the cube is: others are larger, and held aside."""
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
    reasons = {name: why_not(dataset, name) for name in wanted if name not in bundles}
    shared = data_part(dataset, size) if any(not why and name in RECIPES for name, why in reasons.items()) else {}
    rows = []
    for name in wanted:
        if name in bundles:
            rows.append(_given(dataset, name, bundles[name]))
            continue
        configuration = {} if reasons[name] else default_configuration(dataset, name, shared, size)
        rows.append(Candidate(name, method_of(name), configuration, None, reasons[name]))
    return rows + [_given(dataset, name, bundle) for name, bundle in bundles.items() if name not in wanted]


def method_of(name: str) -> str:
    """The method in the registry of a row that is trained."""
    return RECIPES[name][0] if name in RECIPES else name


def _given(dataset: DatasetFolder, name: str, bundle: Path) -> Candidate:
    from XRayTo3DLib.models.bundle import load_bundle

    found = load_bundle(bundle).bundle
    why = ""
    if found.method in TRANSLATIONS:
        why = _reconstructs_nothing(found.method)
    elif found.labels != dataset.labels:
        why = f"it was made for other bones ({', '.join(found.labels)})"
    elif found.configuration["data"].get("folds"):
        why = "it was trained on a fold: this data set's test people may have taught it"
    elif found.method != DEPTH:
        why = _too_large(dataset)
    return Candidate(name, found.method, {}, bundle, why)


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
    if name not in RECIPES:
        return "the comparison has no settings to train it with; give a bundle with --models"
    return _too_large(dataset)


def _too_large(dataset: DatasetFolder) -> str:
    size = prepared_mb(dataset)
    if size <= LARGEST_MB:
        return ""
    return (
        f"on a grid every person would take {size:.0f} MB; give dataset.json a coarser preparation, such as "
        '"preparation": {"spacing_mm": 3}'
    )


def prepared_mb(dataset: DatasetFolder) -> float:
    """About how large a prepared person is, MB: attenuation and a distance per bone, two bytes each."""
    case = dataset.cases("train")[0]
    known = preparation_of(case)
    if dataset.frame == "wrist" or not case.mesh_paths():
        return 0.0  # its field of view is small, or how large the bones are is not known yet
    points = np.concatenate([points_of(mesh) for mesh in case.meshes().values()])
    voxels = float(np.prod(np.ptp(points, axis=0) / known.spacing_mm))
    return 2 * voxels * (1 + len(dataset.labels)) / 1e6


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
    centre, half = field_of(dataset)
    voxels, pixels = SIZES[size].voxels, SIZES[size].pixels
    image: dict[str, Any] = {"size": pixels, "pixel_mm": _round(MARGIN[dataset.frame] * 2 * half / pixels)}
    image["source_mm"] = 955.0 if wrist else 1040.0
    part = {
        "folder": "",
        "labels": list(dataset.labels),
        "views": list(VIEWS[dataset.frame]),
        "grid": {"size": voxels, "spacing_mm": _round(2 * half / voxels), "centre_mm": [_round(x) for x in centre]},
        "image": image,
        "pose": pose_of(dataset),
        "validation_share": 0.1,
        "noise": 0.02,
    }
    image["scale"] = _brightest(dataset, part)
    return part


def pose_of(dataset: DatasetFolder) -> dict[str, Any]:
    """How people are held, for training and test: standard deviations, degrees and mm."""
    if dataset.frame == "wrist":
        return {"rotation_deg": [1.5, 5.0, 5.0], "translation_mm": [1.0, 1.0, 1.0], "distribution": "normal"}
    return {"rotation_deg": [3.0, 4.0, 5.0], "translation_mm": [4.0, 4.0, 4.0], "distribution": "normal"}


def _round(value: float) -> float:
    """Four significant digits: configurations are read by people."""
    return float(f"{value:.4g}")


def field_of(dataset: DatasetFolder) -> tuple[np.ndarray, float]:
    """Centre (3,) and half edge of the cube to reconstruct, mm, in the frame of reconstruction.

    The wrist's, or what the data set says, or round the bones of a few training people.
    """
    cases = dataset.cases("train")
    known = preparation_of(cases[0])
    if dataset.frame == "wrist" or "field_mm" in dataset.preparation:
        return np.array(known.centre_mm), float(known.field_mm)
    points = [points_of(mesh) for case in cases[:LOOKED_AT] for mesh in truth_meshes(case).values()]
    low, high = (np.array([getattr(each, end)(axis=0) for each in points]) for end in ("min", "max"))
    low, high = low.min(axis=0), high.max(axis=0)
    return (low + high) / 2, float(math.ceil(ROOM * (high - low).max() / 2))


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
