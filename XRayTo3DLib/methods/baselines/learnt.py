"""Exposures that baselines are fitted to, all at once in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of

MOST_BYTES = 1_000_000_000
"""Distances that are kept at once, up to three times that while components are found: fine grids get fewer."""


def learnt(
    data: DataConfiguration, part: Part, seed: int, stage: str, exposures: int, device: str = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """(N, views, n, n) images and (N, bones, D, H, W) signed distances, mm, of people held at random.

    Args:
        data: Which images and distances.
        part: Of whom.
        seed: Of the exposures.
        stage: Its name; others give other exposures.
        exposures: Of each person; fewer, but one, where MOST_BYTES are full.
        device: Where exposures are rendered.
    """
    each = 2 * len(data.labels) * data.grid.size**3
    count = max(len(part), min(exposures * len(part), MOST_BYTES // each))
    drawn = exposures_of(data, part, seed, device)
    images = np.empty((count, len(data.views), data.image.size, data.image.size), dtype=np.float32)
    distances = np.empty((count, len(data.labels), *[data.grid.size] * 3), dtype=np.float16)
    for item in range(count):
        sample = drawn.sample(stage, [item], distances=True)
        assert sample.distances is not None  # asked for
        images[item], distances[item] = sample.images[0].cpu().numpy(), sample.distances[0].cpu().numpy()
    return images, distances
