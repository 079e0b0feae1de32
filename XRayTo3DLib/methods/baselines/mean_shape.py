"""The mean of the training people's signed distances: the answer that looks at no radiograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.methods.types import ShapeFields


class MeanShape:
    """Predicts the same bones for everybody.

    Args:
        distances: (N, bones, D, H, W) signed distances of training exposures, mm, negative inside.
        grid: Their grid.
    """

    calibrated = False

    def __init__(self, distances: NDArray[np.floating], grid: VoxelGrid) -> None:
        self.distances: NDArray[np.float32] = distances.mean(axis=0, dtype=np.float32)
        self.grid = grid

    @property
    def fields(self) -> ShapeFields:
        """The mean, largest inside."""
        return ShapeFields(-self.distances, 0.0, self.grid)

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        """The mean, as often as there are images."""
        del cameras
        return [self.fields] * len(images)
