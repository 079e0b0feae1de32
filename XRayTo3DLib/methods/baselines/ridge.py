"""Linear regression from principal components of the images to those of the shapes: seconds to train, hard to beat.

Shapes are signed distances on the grid; their components are fitted to the training exposures, as are those of the
images. The penalty is the one that does best on the validation people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.types import ShapeFields

PENALTIES = tuple(10.0**power for power in range(-6, 3))
"""Tried, as shares of the images' mean variance per component."""
CLIP_MM = 4.0
"""Distances beyond this say nothing about the surface."""
ROUNDING = 1e-6
"""Components of a smaller share of the largest variance are rounding errors of single precision."""


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components: ``mean`` (D,), ``axes`` (K, D) orthonormal, ``scores`` (N, K) of what they were made of."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    scores: NDArray[np.float64]

    def project(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, K) scores of (N, D) rows."""
        return np.asarray((rows - self.mean) @ self.axes.T, dtype=np.float64)


def principal_components(rows: NDArray[np.float32], count: int) -> Components:
    """The first ``count`` components of (N, D) rows, through the N x N matrix of their products.

    Raises:
        InputError: Fewer than two rows, or rows that are not finite.
    """
    if len(rows) < 2 or not np.isfinite(rows).all():
        raise InputError("principal components need two or more finite examples.")
    mean = rows.mean(axis=0)
    centred = rows - mean
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    keep = np.argsort(values)[::-1][: min(count, len(rows) - 1)]
    keep = keep[values[keep] > ROUNDING * values.max()]
    sizes = np.sqrt(values[keep])
    axes = (vectors[:, keep] / sizes).T.astype(np.float32) @ centred
    return Components(mean, axes, vectors[:, keep] * sizes)


class ImageRidge:
    """Shapes from canonical images.

    Args:
        images: (N, views, rows, columns) of training exposures.
        distances: (N, bones, D, H, W) signed distances of the same, mm.
        grid: Their grid.
        validation: The same two of people not trained on; they choose the penalty.
        image_components: How many of the images are kept.
        shape_components: How many of the shapes are kept.
    """

    calibrated = False

    def __init__(
        self,
        images: NDArray[np.float32],
        distances: NDArray[np.floating],
        grid: VoxelGrid,
        validation: tuple[NDArray[np.float32], NDArray[np.floating]],
        image_components: int = 200,
        shape_components: int = 60,
    ) -> None:
        self.grid, self._shape = grid, distances.shape[1:]
        self._images = principal_components(_rows(images), image_components)
        self._shapes = principal_components(_clipped(distances), shape_components)
        wanted = self._shapes.project(_clipped(validation[1]))
        scores = self._images.project(_rows(validation[0]))
        trials = {penalty: self._weights(penalty) for penalty in PENALTIES}
        losses = {penalty: float(((scores @ weights - wanted) ** 2).sum()) for penalty, weights in trials.items()}
        self.penalty = min(losses, key=losses.__getitem__)
        self._regression = trials[self.penalty]

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        """Shapes of (N, views, rows, columns) canonical images."""
        del cameras
        scores = self._images.project(_rows(images)) @ self._regression
        return [ShapeFields(-self._field(row), 0.0, self.grid) for row in scores]

    def _field(self, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        flat = self._shapes.mean + scores.astype(np.float32) @ self._shapes.axes
        return np.asarray(flat.reshape(self._shape), dtype=np.float32)

    def _weights(self, penalty: float) -> NDArray[np.float64]:
        """(image components, shape components); components are uncorrelated, so each is a division."""
        scores = self._images.scores
        squares = (scores**2).sum(axis=0)
        return np.asarray((scores.T @ self._shapes.scores) / (squares + penalty * squares.mean())[:, None])


def _rows(arrays: NDArray[np.floating] | Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    return np.asarray(arrays, dtype=np.float32).reshape(len(arrays), -1)


def _clipped(distances: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.clip(_rows(distances), -CLIP_MM, CLIP_MM)
