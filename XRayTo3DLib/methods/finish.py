"""What every system on a grid leaves when it is trained: mean shape, errors on the test people, known limits."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.methods.data import DataConfiguration, People, exposures_of
from XRayTo3DLib.methods.types import ShapePredictor
from XRayTo3DLib.methods.validation import surface_errors

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
    sample = exposures_of(data, people.test, seed, device).sample("test", range(len(people.test)))
    with torch.inference_mode():
        found = predictor.predict(sample.images.cpu().numpy(), sample.cameras)
    cases = [people.test.cases[index] for index in sample.case_index]
    return surface_errors(found, cases, sample.poses, data.labels, data.voxels)


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
