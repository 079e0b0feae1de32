"""Linear regression from principal components of the images to those of the shapes: seconds to train, hard to beat.

Shapes are signed distances on the grid; their components are fitted to the training exposures, as are those of the
images. The penalty is the one that does best on the validation people. Once fitted, all of it is one linear map from
pixels to shape components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


class LinearShapes:
    """Shapes that are linear in the pixels: a mean, and components weighed by what the image shows.

    Args:
        arrays: image_mean (P,) and image_weights (P, K) of all views' pixels laid end to end; shape_mean (D,) mm;
            reached, (D,) bits packed into bytes, where components are not zero; and shape_axes (K, M) there, mm.
        shape: (bones, D, H, W) that the D distances make up.
        grid: Their grid.
    """

    calibrated = False

    def __init__(self, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...], grid: VoxelGrid) -> None:
        self.grid, self._shape = grid, shape
        self._image_mean, self._weights, self._mean, self._axes = (
            np.float32(arrays[name]) for name in ("image_mean", "image_weights", "shape_mean", "shape_axes")
        )
        self._reached = np.flatnonzero(np.unpackbits(arrays["reached"], count=len(self._mean)))

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        """Shapes of (N, views, rows, columns) canonical images.

        Raises:
            InputError: Not the views, or the size of pictures, that it was fitted to.
        """
        del cameras
        rows = _rows(images)
        if rows.shape[1] != len(self._image_mean):
            raise InputError(
                f"ridge regression was fitted to {len(self._image_mean)} pixels of all views, "
                f"but given {rows.shape[1]}; resample the radiographs to its views."
            )
        return [ShapeFields(-self._field(row), 0.0, self.grid) for row in (rows - self._image_mean) @ self._weights]

    def _field(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = self._mean.copy()
        flat[self._reached] += scores @ self._axes
        return flat.reshape(self._shape)


class ImageRidge(LinearShapes):
    """Shapes from canonical images.

    Args:
        images: (N, views, rows, columns) of training exposures.
        distances: (N, bones, D, H, W) signed distances of the same, mm.
        grid: Their grid.
        validation: The same two of people not trained on; they choose the penalty.
        image_components: How many of the images are kept.
        shape_components: How many of the shapes are kept.
    """

    def __init__(
        self,
        images: NDArray[np.float32],
        distances: NDArray[np.floating],
        grid: VoxelGrid,
        validation: tuple[NDArray[np.float32], NDArray[np.floating]],
        image_components: int = 200,
        shape_components: int = 60,
    ) -> None:
        clipped = _clipped(distances)
        reached = clipped.max(axis=0) > clipped.min(axis=0)
        shown = principal_components(_rows(images), image_components)
        shapes = principal_components(_rows(clipped[:, reached]), shape_components)
        scores, wanted = shown.project(_rows(validation[0])), shapes.project(_clipped(validation[1])[:, reached])
        trials = {penalty: _regression(shown, shapes, penalty) for penalty in PENALTIES}
        losses = {penalty: float(((scores @ weights - wanted) ** 2).sum()) for penalty, weights in trials.items()}
        self.penalty = min(losses, key=losses.__getitem__)
        # Axes in mm per standard deviation: float16 then keeps them to a thousandth of what they can change.
        spread = np.sqrt((shapes.scores**2).mean(axis=0))
        self.arrays: dict[str, NDArray[Any]] = {
            "image_mean": shown.mean,
            "image_weights": (shown.axes.T @ trials[self.penalty] / spread).astype(np.float32),
            "shape_mean": clipped.mean(axis=0, dtype=np.float32),
            "shape_axes": shapes.axes * spread[:, None].astype(np.float32),
            "reached": np.packbits(reached),
        }
        super().__init__(self.arrays, distances.shape[1:], grid)


def _regression(shown: Components, shapes: Components, penalty: float) -> NDArray[np.float64]:
    """(image components, shape components); components are uncorrelated, so each is a division."""
    squares = (shown.scores**2).sum(axis=0)
    return np.asarray((shown.scores.T @ shapes.scores) / (squares + penalty * squares.mean())[:, None])


def _rows(arrays: NDArray[np.floating] | Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    return np.asarray(arrays, dtype=np.float32).reshape(len(arrays), -1)


def _clipped(distances: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, D) rows, in their own type: there may be a gigabyte of them."""
    rows = np.asarray(distances).reshape(len(distances), -1)
    return np.clip(rows, rows.dtype.type(-CLIP_MM), rows.dtype.type(CLIP_MM))
