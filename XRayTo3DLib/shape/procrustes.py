"""Shapes laid on one another: the similarity between two (Umeyama 1991) and among many (Gower 1975). LPS mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Similarity:
    """scale x rotation @ point + translation.

    Attributes:
        scale: Above 0.
        rotation: ``(3, 3)``, determinant 1.
        translation: ``(3,)`` mm.
    """

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """Moved ``points (n, 3)`` mm."""
        return self.scale * np.asarray(points) @ self.rotation.T + self.translation

    @property
    def matrix(self) -> FloatArray:
        """``(4, 4)`` homogeneous matrix."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.scale * self.rotation, self.translation
        return matrix


@dataclass(frozen=True, eq=False)
class Aligned:
    """Shapes in one frame.

    Attributes:
        shapes: ``(N, n, 3)`` mm.
        mean: ``(n, 3)`` mm, their mean, centred on 0 and turned as the first shape was.
        poses: From each shape as it was to the shared frame.
        iterations: Rounds it took.
    """

    shapes: FloatArray
    mean: FloatArray
    poses: tuple[Similarity, ...]
    iterations: int


def similarity_between(
    a: FloatArray, b: FloatArray, scaling: bool = False, weights: FloatArray | None = None
) -> Similarity:
    """The similarity (rigid without ``scaling``) that lays ``a (n, 3)`` on ``b (n, 3)`` with least squares.

    Never a mirror image. Source: Umeyama, TPAMI 13(4), 1991, equations (40) to (43).

    Args:
        a: Points to move, mm.
        b: Where each should go, mm.
        scaling: Estimate a scale too.
        weights: ``(n,)`` of each pair, None: equal.

    Raises:
        InputError: Different shapes, fewer than 3 points, or weights that are negative or all 0.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3 or len(a) < 3:
        raise InputError(f"Shapes of {a.shape} and {b.shape} cannot be aligned: give the same n >= 3 points twice.")
    weights = np.ones(len(a)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(a),) or not (weights >= 0).all() or not weights.sum() > 0:
        raise InputError(f"Give one weight of 0 or more per point ({len(a)}), and one above 0.")
    weights = weights / weights.sum()
    mean_a, mean_b = weights @ a, weights @ b
    from_a, from_b = a - mean_a, b - mean_b
    left, strength, right = np.linalg.svd(from_b.T @ (weights[:, None] * from_a))
    sign = np.array([1.0, 1.0, 1.0 if np.linalg.det(left @ right) > 0 else -1.0])
    rotation = (left * sign) @ right
    spread = float(weights @ (from_a**2).sum(axis=1))
    scale = float(strength @ sign) / spread if scaling and spread > 0 else 1.0
    return Similarity(scale, rotation, mean_b - scale * rotation @ mean_a)


def aligned_shapes(
    shapes: FloatArray, scaling: bool = False, iterations: int = 50, tolerance_mm: float = 1e-6
) -> Aligned:
    """Generalised Procrustes alignment: every shape laid on the mean, the mean made again, until it rests.

    Source: Gower, Psychometrika 40, 1975. With ``scaling`` the mean keeps the shapes' mean size, so nothing shrinks.

    Args:
        shapes: ``(N, n, 3)`` mm, in correspondence.
        scaling: Remove size too.
        iterations: At most.
        tolerance_mm: The mean rests when its points move by less (root mean square).

    Raises:
        InputError: No shapes, fewer than 3 points, or points that are not finite.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    if shapes.ndim != 3 or shapes.shape[0] < 1 or shapes.shape[1] < 3 or shapes.shape[2] != 3:
        raise InputError(f"Shapes of {shapes.shape} cannot be aligned: give (N, n, 3), N >= 1, n >= 3.")
    if not np.isfinite(shapes).all():
        raise InputError("Some shapes have points that are not finite numbers (NaN or infinite).")
    size = float(np.mean([_size(shape) for shape in shapes]))
    mean = shapes[0] - shapes[0].mean(axis=0)
    count, change = 0, np.inf
    while count < iterations and change >= tolerance_mm:
        count += 1
        poses = tuple(similarity_between(shape, mean, scaling) for shape in shapes)
        moved = np.stack([pose.apply(shape) for pose, shape in zip(poses, shapes, strict=True)])
        new = _like(moved.mean(axis=0), shapes[0], size if scaling else None)
        change = float(np.sqrt(((new - mean) ** 2).sum(axis=1).mean()))
        mean = new
    poses = tuple(similarity_between(shape, mean, scaling) for shape in shapes)
    moved = np.stack([pose.apply(shape) for pose, shape in zip(poses, shapes, strict=True)])
    return Aligned(moved, moved.mean(axis=0), poses, count)


def _size(shape: FloatArray) -> float:
    return float(np.sqrt(((shape - shape.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _like(mean: FloatArray, first: FloatArray, size: float | None) -> FloatArray:
    """The mean, centred, turned as the first shape lies (so that it cannot drift) and, if asked, of ``size``."""
    mean = mean - mean.mean(axis=0)
    mean = mean @ similarity_between(mean, first - first.mean(axis=0)).rotation.T
    return mean if size is None else mean * (size / _size(mean))
