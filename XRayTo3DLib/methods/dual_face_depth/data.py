"""The views that dual-face depth learns from: a data set's people split, their depth views at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.depth_view_files import depth_views
from XRayTo3DLib.dataset.depth_views import DepthView, trusted_views
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.methods.data import split_cases
from XRayTo3DLib.methods.dual_face_depth.configuration import DepthDataConfiguration

STEPS = 65_000
"""Depth is kept as whole steps of 0.02 mm, or so much more that these reach the detector; 0 is outside a bone."""
MEMORY_BYTES = 3e9
"""Views that take more are read from disk whenever they are needed."""
WORKERS = 2


class TrainingViews:
    """Depth views as tensors, packed in memory where they fit.

    Args:
        views: Of some people; read once, or whenever needed.
        labels: Bones wanted, in the order of the channels.
        scale: Line integrals are divided by this.
        memory: Bytes they may take.
    """

    def __init__(
        self, views: Sequence[DepthView], labels: Sequence[str], scale: float, memory: float = MEMORY_BYTES
    ) -> None:
        self._views, self._labels, self._scale = views, tuple(labels), scale
        self._step_mm = np.float32(max(0.02, views[0].camera.sdd / STEPS))
        size = views[0].image.size * 2 * (1 + 2 * len(labels)) * len(views)
        self._packed = [self._pack(view) for view in views] if size <= memory else None

    def __len__(self) -> int:
        return len(self._views)

    def item(self, index: int) -> tuple[Tensor, Tensor]:
        """Picture (N, N), line integrals over the scale; depth (2 * bones, N, N), z in mm, NaN outside; all float32."""
        image, steps = self._pack(self._views[index]) if self._packed is None else self._packed[index]
        depth = steps.astype(np.float32) * self._step_mm
        depth[steps == 0] = np.nan
        return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(depth)

    def _pack(self, view: DepthView) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
        order = [view.labels.index(label) for label in self._labels]
        depth = np.concatenate([view.front_mm[order], view.back_mm[order]])
        steps = np.nan_to_num(np.round(depth / self._step_mm), nan=0.0).astype(np.uint16)
        return (view.image / self._scale).astype(np.float16), steps


@dataclass(frozen=True, eq=False)
class ViewPart:
    """People of one part of a split, and their views."""

    cases: tuple[DatasetCase, ...]
    views: Sequence[DepthView]


@dataclass(frozen=True, eq=False)
class SplitViews:
    """A data set's views; no patient is in two parts."""

    training: ViewPart
    validation: ViewPart
    test: ViewPart
    synthetic: bool


def split_views(data: DepthDataConfiguration, near: Path) -> SplitViews:
    """The data set's people split, and their views, made where they are not at hand yet.

    Args:
        data: Which data set, and how it is split.
        near: Folder that a relative ``folder`` starts from.

    Raises:
        InputError: No such data set, a bone that it does not have, a split that leaves nobody, or a part of it without
            any view.
    """
    dataset, parts = split_cases(data.folder, near, data)
    unknown = [label for label in data.labels if label not in dataset.labels]
    if unknown:
        raise InputError(
            f"the data set's bones are {', '.join(dataset.labels)}; the configuration wants {', '.join(unknown)}: "
            f"change data.labels."
        )
    # A data set grows while people review it: those without an accepted view wait.
    reviewed = [tuple(case for case in part if trusted_views(case, data.geometry.view)) for part in parts]
    training, validation, test = (ViewPart(part, depth_views(part, data.geometry, WORKERS)) for part in reviewed)
    for name, part in (("training", training), ("validation", validation)):
        if not len(part.views):
            raise InputError(f"data set {dataset.folder.name}: no view with an accepted registration for {name}.")
    # One made-up view makes the whole made up, whatever the data set says of itself.
    synthetic = dataset.synthetic or any(view.synthetic for view in training.views)
    return SplitViews(training, validation, test, synthetic)


def unlabelled_pictures(data: DepthDataConfiguration, near: Path) -> list[Tensor]:
    """Pictures (N, N), line integrals over the scale, of every radiograph under ``data.unlabelled``; none if "".

    Read are DICOM files (.dcm) and NRRD files with a ``camera.json`` beside them.

    Raises:
        InputError: No such folder, nothing in it, a radiograph that cannot be used, or people of the data set itself.
    """
    if not data.unlabelled:
        return []
    folder, cases = (near / data.unlabelled).resolve(), (near / data.folder / "cases").resolve()
    if folder.is_relative_to(cases) or cases.is_relative_to(folder):
        raise InputError(
            f"configuration: data.unlabelled, {folder}, holds the data set's own people, also those it is tested on; "
            f"its training people are seen anyway, give a folder of others."
        )
    pictures = []
    for path in sorted([*folder.rglob("*.dcm"), *folder.rglob("*.nrrd")]):
        camera = path.with_name("camera.json")
        if path.suffix == ".nrrd" and not camera.exists():
            continue
        radiograph = read_radiograph(path, camera=XRayCamera.load(camera) if camera.exists() else None)
        pictures.append(torch.from_numpy(data.geometry.resampled(radiograph)[0] / np.float32(data.scale)))
    if not pictures:
        raise InputError(f"configuration: data.unlabelled, {folder}, holds no radiograph (.dcm, or .nrrd and camera).")
    return pictures
