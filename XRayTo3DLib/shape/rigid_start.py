"""A first rigid placing of one surface on another that may lie anywhere and any way round. LPS mm."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from XRayTo3DLib.shape.procrustes import Similarity, similarity_between

FloatArray = NDArray[np.float64]

_ALIKE = 1.3
"""Two axes whose spreads differ by less than this factor may be each other's."""


def rigid_start(source: FloatArray, target: FloatArray, rounds: int = 25, keep_share: float = 0.9) -> Similarity:
    """The rigid motion that lays ``source (m, 3)`` on ``target (n, 3)``, both spread evenly over surfaces, mm.

    Principal axes laid on each other in every way that makes sense (and the way they lie already), each improved by a
    few rounds of closest points from both sides (iterative closest points, Besl and McKay 1992, trimmed), the best
    one then to the end. A few hundred points each are enough.
    """
    starts = [_placing(source, target, turn) for turn in [np.eye(3), *_turns(source, target)]]
    tree = cKDTree(target)
    tried = [_improved(source, target, tree, start, 8, keep_share) for start in starts]
    best = min(tried, key=lambda pose: _misfit(pose.apply(source), target, tree, keep_share))
    return _improved(source, target, tree, best, rounds, keep_share)


def _placing(source: FloatArray, target: FloatArray, turn: FloatArray) -> Similarity:
    return Similarity(1.0, turn, target.mean(axis=0) - turn @ source.mean(axis=0))


def _turns(source: FloatArray, target: FloatArray) -> list[FloatArray]:
    """Rotations that lay principal axes on principal axes: 4, more where two axes are about as long."""
    spread_a, axes_a = np.linalg.eigh(np.cov(source.T))
    spread_b, axes_b = np.linalg.eigh(np.cov(target.T))
    turns = []
    for order in itertools.permutations(range(3)):
        ratio = np.sqrt(spread_a[list(order)] / np.maximum(spread_a, 1e-12))
        if np.any(np.maximum(ratio, 1 / ratio) > _ALIKE):
            continue
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = (axes_b[:, list(order)] * signs) @ axes_a.T
            if np.linalg.det(turn) > 0:
                turns.append(turn)
    return turns


def _improved(
    source: FloatArray, target: FloatArray, tree: cKDTree, pose: Similarity, rounds: int, keep_share: float
) -> Similarity:
    for _ in range(rounds):
        moved = pose.apply(source)
        to, near = tree.query(moved)
        back, found = cKDTree(moved).query(target)
        a, b = np.vstack([source, source[found]]), np.vstack([target[near], target])
        distance = np.concatenate([to, back])
        kept = distance <= np.quantile(distance, keep_share)
        pose = similarity_between(a[kept], b[kept])
    return pose


def _misfit(moved: FloatArray, target: FloatArray, tree: cKDTree, keep_share: float) -> float:
    distances = np.sort(np.concatenate([tree.query(moved)[0], cKDTree(moved).query(target)[0]]))
    return float(distances[: int(keep_share * len(distances))].mean())
