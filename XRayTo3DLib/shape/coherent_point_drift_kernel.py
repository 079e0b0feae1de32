"""How much neighbouring points move together: Gaussian kernels over straight and geodesic distance, of low rank.

The kernel G is kept as a factor F ``(m, k)`` with G = F F^T (Nystrom, Williams and Seeger, NIPS 2000): everything the
drift needs of an m x m matrix, at m x k cost, and never negative in any direction, which a Gaussian of geodesic
distances alone may be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.geodesic_distance import geodesic_distances, surface_graph

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Directions whose share of the largest eigenvalue is below this are rounding, or the geodesic kernel's negative part.
_SMALLEST_EIGENVALUE = 1e-7


def gaussian_kernel(points: FloatArray, width: float, rank: int = 200, landmarks: int = 400) -> FloatArray:
    """Factor ``(m, k <= rank)`` of exp(-|a - b|^2 / (2 width^2)) between ``points (m, 3)``; ``width`` in their unit."""
    _check(width, 0.0)
    chosen = spread_out(points, landmarks)
    return _factor(_gaussian(cdist(points, points[chosen]), width), chosen, rank)


def geodesic_kernel(
    points: FloatArray, triangles: IntArray, width: float, share: float, rank: int = 200, landmarks: int = 400
) -> FloatArray:
    """Factor ``(m, k <= rank)`` of share x Gaussian(geodesic distance) + (1 - share) x Gaussian(straight distance).

    Points near in space but far along the bone (two sides of a thin wing) may then move apart. Source: geodesic-based
    BCPD, Hirose 2022, doi:10.1109/TPAMI.2022.3214191 (there ``share`` is tau, ``width`` beta).

    Args:
        points: ``(m, 3)``.
        triangles: ``(t, 3)``.
        width: SD of both Gaussians, in the points' unit.
        share: 0 to 1.
        rank: Most columns kept, those of the largest eigenvalues.
        landmarks: Points of the Nystrom approximation.
    """
    _check(width, share)
    if share == 0:
        return gaussian_kernel(points, width, rank, landmarks)
    chosen = spread_out(points, landmarks)
    along = geodesic_distances(surface_graph(points, triangles), chosen).T
    straight = cdist(points, points[chosen])
    return _factor(share * _gaussian(along, width) + (1 - share) * _gaussian(straight, width), chosen, rank)


def spread_out(points: FloatArray, count: int) -> IntArray:
    """Numbers of ``count`` points far from each other (farthest point sampling); all of them when there are fewer."""
    if count >= len(points):
        return np.arange(len(points))
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = np.argmax(((points - points.mean(axis=0)) ** 2).sum(axis=1))
    nearest = np.full(len(points), np.inf)
    for i in range(1, count):
        np.minimum(nearest, ((points - points[chosen[i - 1]]) ** 2).sum(axis=1), out=nearest)
        chosen[i] = np.argmax(nearest)
    return chosen


def _gaussian(distances: FloatArray, width: float) -> FloatArray:
    return np.exp(-0.5 * (distances / width) ** 2)


def _factor(columns: FloatArray, chosen: IntArray, rank: int) -> FloatArray:
    """F with F F^T = C W^+ C^T, turned to its main axes and cut at ``rank``."""
    within = columns[chosen]
    values, vectors = np.linalg.eigh(0.5 * (within + within.T))
    kept = values > _SMALLEST_EIGENVALUE * values[-1]
    factor = columns @ (vectors[:, kept] / np.sqrt(values[kept]))
    strength, axes = np.linalg.eigh(factor.T @ factor)
    main = np.argsort(strength)[::-1][:rank]
    return factor @ axes[:, main[strength[main] > _SMALLEST_EIGENVALUE * strength[-1]]]


def _check(width: float, share: float) -> None:
    if not width > 0:
        raise InputError(f"The kernel's width is {width:g}; give a length above 0.")
    if not 0 <= share <= 1:
        raise InputError(f"The geodesic share of the kernel is {share:g}; give a number from 0 to 1.")
