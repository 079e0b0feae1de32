"""What dual-face depth makes of validation views while it is trained, as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.training.samples import TrainingSample, as_grey

RADIOGRAPH, FOUND, TRUE = "radiograph", "found", "true"


def mask_samples(images: Tensor, found: Tensor, true: Tensor) -> list[TrainingSample]:
    """How many bones each pixel sees, up to two.

    Args:
        images: (B, N, N) radiographs, line integrals over the scale.
        found: (B, bones, N, N), whether the pixel sees the bone.
        true: The same, the truth.
    """
    counts = [np.asarray(each.sum(dim=1).cpu(), dtype=np.float32) for each in (found, true)]
    return _samples(images, *([as_grey(one, 0.0, 2.0) for one in each] for each in counts))


def front_samples(images: Tensor, found: Tensor, true: Tensor, mask: Tensor) -> list[TrainingSample]:
    """How near the nearest front face is, where there is truth; the nearer the brighter, on the truth's scale.

    Args:
        images: (B, N, N) radiographs, line integrals over the scale.
        found: (B, bones, N, N) depth of the front faces, mm from the source.
        true: The same, the truth.
        mask: The same shape: where it counts.
    """
    nearest = [_nearest(each, mask) for each in (found, true)]
    answers: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = [], []
    for one, truth in zip(*nearest, strict=True):
        low, high = (float(np.nanmin(truth)), float(np.nanmax(truth))) if np.isfinite(truth).any() else (0.0, 1.0)
        for answer, depth in zip(answers, (one, truth), strict=True):
            answer.append(as_grey(-depth, -high - 0.2 * (high - low), -low))
    return _samples(images, *answers)


def _nearest(depth: Tensor, mask: Tensor) -> NDArray[np.float32]:
    """(B, N, N), mm; NaN where no bone is."""
    values = np.where(mask.cpu().numpy(), depth.float().cpu().numpy(), np.inf).min(axis=1)
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def _samples(images: Tensor, found: list[NDArray[np.float32]], true: list[NDArray[np.float32]]) -> list[TrainingSample]:
    pictures = [as_grey(np.asarray(image.cpu()), 0.0, 1.0) for image in images]
    return [
        TrainingSample(f"view {number}", pictures={RADIOGRAPH: picture, FOUND: one, TRUE: truth})
        for number, (picture, one, truth) in enumerate(zip(pictures, found, true, strict=True), start=1)
    ]
