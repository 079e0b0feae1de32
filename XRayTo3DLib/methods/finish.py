"""What every system on a grid leaves when it is trained: a model, its mean shape, test errors and known limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.data import DataConfiguration, People, exposures_of
from XRayTo3DLib.methods.registry import TrainedModel
from XRayTo3DLib.methods.types import ShapePredictor, Shapes
from XRayTo3DLib.methods.validation import TESTED_AT_ONCE, errors_of

MEAN_EXPOSURES, MEAN_EACH = 400, 8
"""Exposures that the mean shape is taken over at most, in all and of each training person."""


def mean_exposures(people: int) -> int:
    """How many exposures the mean shape of so many training people is taken over."""
    return min(MEAN_EXPOSURES, MEAN_EACH * people)


def mean_distances(exposures: Exposures) -> NDArray[np.float16]:
    """(bones, D, H, W) mean over exposures, one at a time: at the paper's size all of them take 7 GB."""
    total = torch.zeros(())
    count = mean_exposures(len(exposures))
    for item in range(count):
        found = exposures.sample("mean", [item], images=False, distances=True).distances
        assert found is not None  # asked for
        total = total.to(found.device) + found[0]
    return np.asarray((total / count).cpu(), dtype=np.float16)


def tested(
    data: DataConfiguration, seed: int, people: People, predictor: ShapePredictor, device: str = "cpu"
) -> dict[str, float]:
    """Mean surface errors on the test people, mm, one exposure each, and how many bones were lost."""
    exposures = exposures_of(data, people.test, seed, device)
    return errors_of(_answers(exposures, people.test.cases, predictor), data.labels, data.voxels)


def _answers(
    exposures: Exposures, cases: Sequence[DatasetCase], predictor: ShapePredictor
) -> Iterator[tuple[Shapes, DatasetCase, FloatArray]]:
    """What the system makes of everybody's exposure, of whom, and how they are held; a few at a time."""
    for begin in range(0, len(exposures), TESTED_AT_ONCE):
        sample = exposures.sample("test", range(begin, min(begin + TESTED_AT_ONCE, len(exposures))))
        with torch.inference_mode():
            found = predictor.predict(sample.images.cpu().numpy(), sample.cameras)
        yield from zip(found, [cases[index] for index in sample.case_index], sample.poses, strict=True)


def limitations(data: DataConfiguration) -> tuple[str, ...]:
    """Known limits of a system trained on bone-only exposures, one sentence each."""
    pose = data.pose
    spread = "standard deviations" if pose.distribution == "normal" else "limits"
    turns, shifts = (", ".join(f"{value:g}" for value in each) for each in (pose.rotation_deg, pose.translation_mm))
    limits = [
        f"It knows bones turned against the views by {turns} degrees about x, y, z and shifted by {shifts} mm "
        f"({spread}).",
        "Radiographs must show bones only: translate actual ones first.",
    ]
    if len(data.views) == 1:
        limits.append("One view does not show how deep bones lie, nor how much they tilt towards the tube.")
    return tuple(limits)


class Configured(Protocol):
    """A configuration of a system on a grid."""

    @property
    def data(self) -> DataConfiguration: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def mean_of(configuration: Configured, people: People, device: str = "cpu") -> NDArray[np.float16]:
    """(bones, D, H, W) mean signed distances of the training people, held as they are in training, mm."""
    return mean_distances(exposures_of(configuration.data, people.training, configuration.seed, device))


def finished_model(
    configuration: Configured,
    people: People,
    predictor: ShapePredictor,
    mean: NDArray[np.float16],
    device: str = "cpu",
    *,
    networks: Mapping[str, Mapping[str, Any]] | None = None,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    summary: Mapping[str, Any] | None = None,
    limits: Sequence[str] = (),
    sources: tuple[str, ...] = (),
) -> TrainedModel:
    """The model of a bundle, judged on the test people.

    Args:
        configuration: It was trained with.
        people: It was trained and is tested on.
        predictor: The system, as a bundle will hold it.
        mean: From :func:`mean_of`.
        device: Where test people are exposed.
        networks: Its weights.
        arrays: What it needs besides the mean distances.
        summary: What it was made of, besides numbers of people.
        limits: Its own, after those that every system has.
        sources: Papers it builds on.
    """
    data = configuration.data
    return TrainedModel(
        networks=networks or {},
        arrays={"mean_distances": mean, **(arrays or {})},
        labels=data.labels,
        views=tuple(asdict(view) for view in data.canonical_views),
        grid=data.voxels.to_dict(),
        metrics=tested(data, configuration.seed, people, predictor, device),
        summary={
            "people": {name: len(getattr(people, name)) for name in ("training", "validation", "test")},
            **(summary or {}),
        },
        synthetic=people.synthetic,
        limitations=(*limitations(data), *limits),
        sources=sources,
    )
