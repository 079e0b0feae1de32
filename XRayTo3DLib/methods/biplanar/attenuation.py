"""How much bones attenuate, inside and in their cortex, learnt from pictures of people whose bones are known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.networks.projection_losses import (
    drrs,
    image_gradients,
    inside_and_cortex,
    projected,
    projection_loss,
    seen_whole,
    usable,
)

EXPOSURES = 8
"""Exposures looked at: two numbers a bone from thousands of pixels need no more."""


def bone_attenuation(exposures: Exposures) -> NDArray[np.float32]:
    """(labels, 2) attenuation of each bone, and what its cortex has more, 1/mm: see ``networks.projection_losses``.

    Least squares: derivatives of the bones' DRRs against those of the pictures, where the grid cut nothing off.
    """
    sides, wanted = [], []
    for item in range(EXPOSURES):
        sample = exposures.sample("attenuation", [item])
        to_frame, shape = exposures.grid.voxel_to_frame, sample.soft_labels.shape[2:]
        parts = inside_and_cortex(sample.soft_labels, exposures.grid.spacing_mm)[0].flatten(0, 1)
        seen = usable(seen_whole(sample.cameras, to_frame, shape, sample.images)[0][:, None]) > 0
        pictures = torch.stack([drrs(part, sample.cameras[0], to_frame) for part in parts])
        chosen = seen.expand(-1, 2, -1, -1)
        sides.append(torch.stack([image_gradients(each[:, None])[chosen] for each in pictures], dim=1))
        wanted.append(image_gradients(sample.images[0][:, None])[chosen])
    left, right = torch.cat(sides).double().cpu().numpy(), torch.cat(wanted).double().cpu().numpy()
    return np.linalg.lstsq(left, right, rcond=1e-6)[0].reshape(-1, 2).astype(np.float32)


def true_likeness(exposures: Exposures, attenuation: NDArray[np.float32]) -> float:
    """NGCC, -1 to 1, that the true bones' DRRs reach in the pictures: one standard deviation below the mean of people.

    What is missing to 1 is what two numbers a bone cannot say. A shape whose DRRs are more like the pictures than this
    may have begun to explain density by form.
    """
    known, found = torch.as_tensor(attenuation, device=exposures.device), []
    for item in range(EXPOSURES):
        sample = exposures.sample("attenuation", [item])
        to_frame = exposures.grid.voxel_to_frame
        seen = seen_whole(sample.cameras, to_frame, sample.soft_labels.shape[2:], sample.images)
        pictures = projected(sample.soft_labels, known, sample.cameras, to_frame)
        found.append(-float(projection_loss(pictures, sample.images, seen)) / len(exposures.views))
    return float(np.mean(found) - np.std(found))
