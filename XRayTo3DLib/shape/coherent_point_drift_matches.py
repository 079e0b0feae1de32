"""Soft matches between moved source points and target points: the E-step of Bayesian coherent point drift.

Source: Hirose, TPAMI 43(7), 2021, doi:10.1109/TPAMI.2020.2971687, figure 2, "update P". Dense while the search is
wide; near the end only pairs within a few SD are looked at (KD-tree), the rest of the exponential being nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]

REACH_SD = 6.0
"""Pairs farther apart than this many SD are left out near the end: exp(-18) = 1.5e-8."""
_SPARSE_SHARE = 0.02
_COLUMNS = 512


@dataclass(frozen=True, eq=False)
class Matches:
    """Sums over the match probabilities P ``(m, n)``.

    Attributes:
        source: How many target points each source point stands for, ``(m,)`` (nu).
        target: How surely each target point has a match, ``(n,)`` (nu').
        weighted: P X, the sum of matched target points, ``(m, 3)``.
    """

    source: FloatArray
    target: FloatArray
    weighted: FloatArray


def soft_matches(
    moved: FloatArray, target: FloatArray, tree: cKDTree, variance: float, log_weights: FloatArray
) -> Matches:
    """Matches of ``moved (m, 3)`` with ``target (n, 3)``.

    Args:
        moved: Source points in place.
        target: Points to explain.
        tree: Of ``target``.
        variance: sigma^2 of the Gaussians, per coordinate.
        log_weights: ``(m,)`` logarithm of each Gaussian's weight over that of the outliers' uniform density.
    """
    reach = REACH_SD * np.sqrt(variance)
    moved_tree = cKDTree(moved)
    if moved_tree.count_neighbors(tree, reach) < _SPARSE_SHARE * len(moved) * len(target):
        return _sparse(moved_tree, target, tree, reach, variance, log_weights)
    return _dense(moved, target, variance, log_weights)


def _dense(moved: FloatArray, target: FloatArray, variance: float, log_weights: FloatArray) -> Matches:
    """All pairs in float32, some hundred targets at a time (cache); one product gives the whole exponent."""
    ones = np.ones(len(moved))
    left = np.column_stack([moved / variance, log_weights - (moved**2).sum(axis=1) / (2 * variance), ones])
    right = np.column_stack([target, np.ones(len(target)), -(target**2).sum(axis=1) / (2 * variance)])
    left, right = left.astype(np.float32), right.astype(np.float32)
    values = np.column_stack([target, np.ones(len(target))]).astype(np.float32)
    sums, explained = np.zeros((len(moved), 4)), np.empty(len(target))
    for start in range(0, len(target), _COLUMNS):
        part = slice(start, start + _COLUMNS)
        chance = left @ right[part].T
        np.exp(np.minimum(chance, 80.0, out=chance), out=chance)
        total = chance.sum(axis=0)
        explained[part] = total / (1 + total)
        sums += chance @ (values[part] / (1 + total)[:, None])
    return Matches(sums[:, 3], explained, sums[:, :3])


def _sparse(
    moved_tree: cKDTree, target: FloatArray, tree: cKDTree, reach: float, variance: float, log_weights: FloatArray
) -> Matches:
    pairs = moved_tree.sparse_distance_matrix(tree, reach, output_type="ndarray")
    i, j = pairs["i"], pairs["j"]
    chance = np.exp(np.minimum(log_weights[i] - pairs["v"] ** 2 / (2 * variance), 80.0))
    total = np.bincount(j, weights=chance, minlength=len(target))
    chance /= 1 + total[j]
    matrix = csr_matrix((chance, (i, j)), shape=(moved_tree.n, len(target)))
    return Matches(np.asarray(matrix.sum(axis=1)).ravel(), total / (1 + total), matrix @ target)
