"""A first placing of one surface on another that may lie anywhere and any way round: rigid, then affine. LPS mm."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.closest_points import on_boundary
from XRayTo3DLib.shape.meshes import sample_surface, surface_area
from XRayTo3DLib.shape.procrustes import Similarity, similarity_between

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]

_ALIKE = 1.3
"""Two axes whose spreads differ by less than this factor may be each other's."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Points spread evenly over a surface.

    Attributes:
        points: ``(n, 3)`` mm.
        rim: ``(n,)`` whether each lies at the surface's open edge: pairs that end there say nothing of the shape.
    """

    points: FloatArray
    rim: NDArray[np.bool_]

    def few(self, count: int) -> Spread:
        """About ``count`` of them."""
        step = max(1, len(self.points) // count)
        return Spread(self.points[::step], self.rim[::step])

    def moved(self, matrix: FloatArray) -> Spread:
        """Moved by the affine ``matrix (4, 4)``."""
        return Spread(self.points @ matrix[:3, :3].T + matrix[:3, 3], self.rim)


def spread_over(surface: vtkPolyData, count: int, seed: int = 0) -> Spread:
    """``count`` points on ``surface``; the rim is as broad as they lie apart."""
    points = sample_surface(surface, count, seed)[0]
    return Spread(points, on_boundary(surface, points, margin_mm=1.5 * np.sqrt(surface_area(surface) / count)))


def rigid_start(source: Spread, target: Spread, rounds: int = 25, keep_share: float = 0.9) -> Similarity:
    """The rigid motion that lays ``source`` on ``target``.

    Principal axes laid on each other in every way that makes sense (and the way they lie already), each improved by a
    few rounds of closest points from both sides (iterative closest points, Besl and McKay 1992, trimmed), the best
    one then to the end. A few hundred points each are enough.

    Args:
        source: Points to move.
        target: Where to.
        rounds: Of the last improvement.
        keep_share: Share of the pairs kept, the farthest left out.
    """
    turns = [np.eye(3), *_turns(source.points, target.points)]
    tree = _tree_of(target.points)
    tried = [_improved(source, target, tree, _placing(source, target, turn), 8, keep_share) for turn in turns]
    best = min(tried, key=lambda pose: _misfit(source.moved(pose.matrix), target, tree, keep_share))
    return _improved(source, target, tree, best, rounds, keep_share)


def affine_start(source: Spread, target: Spread, rounds: int = 40, keep_share: float = 0.95) -> FloatArray:
    """The affine matrix ``(4, 4)`` that lays ``source`` on ``target``, which already lie on one another roughly.

    Length, width and depth are what bones of one kind differ in most; taken out first, the bending that is left is
    small and slides less.

    Args:
        source: Points to move.
        target: Where to.
        rounds: Of closest points.
        keep_share: Share of the pairs kept, the farthest left out.
    """
    tree, matrix = _tree_of(target.points), np.eye(4)
    for _ in range(rounds):
        a, b = _pairs(source, source.moved(matrix), target, tree, keep_share)
        middle = a.mean(axis=0)
        linear = np.linalg.lstsq(a - middle, b - b.mean(axis=0), rcond=None)[0].T
        matrix[:3, :3], matrix[:3, 3] = linear, b.mean(axis=0) - linear @ middle
    return matrix


def similarity_start(source: Spread, target: Spread, rounds: int = 40, keep_share: float = 0.95) -> Similarity:
    """As :func:`affine_start`, with one scale for all directions: a longer bone is a larger one, no more is taken."""
    tree, pose = _tree_of(target.points), Similarity(1.0, np.eye(3), np.zeros(3))
    for _ in range(rounds):
        pose = similarity_between(*_pairs(source, source.moved(pose.matrix), target, tree, keep_share), scaling=True)
    return pose


def looks_mirrored(source: Spread, target: Spread) -> bool:
    """Whether ``target`` looks like the other side's bone: its mirror image fits ``source`` better, by a tenth.

    Args:
        source: Of a bone of known side, a few hundred points.
        target: Of the same bone of another person.
    """
    fits = []
    for across in (1.0, -1.0):
        turned = target.moved(np.diag([across, 1.0, 1.0, 1.0]))
        start = source.moved(rigid_start(source, turned, keep_share=0.9).matrix)
        fits.append(_misfit(start.moved(affine_start(start, turned)), turned, _tree_of(turned.points), 0.9))
    return fits[1] < 0.9 * fits[0]


def _tree_of(points: FloatArray) -> cKDTree:
    """A search tree of ``(n, 3)`` points."""
    from scipy.spatial import cKDTree  # late: SciPy takes long to load, and panels load this file

    return cKDTree(points)


def _placing(source: Spread, target: Spread, turn: FloatArray) -> Similarity:
    return Similarity(1.0, turn, target.points.mean(axis=0) - turn @ source.points.mean(axis=0))


def _turns(source: FloatArray, target: FloatArray) -> list[FloatArray]:
    """Rotations that lay principal axes on principal axes: 4, more where two axes are about as long."""
    spread_a, axes_a = np.linalg.eigh(np.cov(source.T))
    _, axes_b = np.linalg.eigh(np.cov(target.T))
    turns = []
    for order in itertools.permutations(range(3)):
        ratio = np.sqrt(spread_a[list(order)] / np.maximum(spread_a, 1e-12))
        if np.any(np.maximum(ratio, 1 / np.maximum(ratio, 1e-12)) > _ALIKE):
            continue
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = (axes_b[:, list(order)] * signs) @ axes_a.T
            if np.linalg.det(turn) > 0:
                turns.append(turn)
    return turns


def _improved(
    source: Spread, target: Spread, tree: cKDTree, pose: Similarity, rounds: int, keep_share: float
) -> Similarity:
    for _ in range(rounds):
        pose = similarity_between(*_pairs(source, source.moved(pose.matrix), target, tree, keep_share))
    return pose


def _pairs(
    source: Spread, moved: Spread, target: Spread, tree: cKDTree, keep_share: float
) -> tuple[FloatArray, FloatArray]:
    """Source points and the target points they belong to: nearest from both sides, neither at a rim nor far off."""
    to, near = tree.query(moved.points)
    back, found = _tree_of(moved.points).query(target.points)
    distance = np.concatenate([to, back])
    distance[np.concatenate([target.rim[near], source.rim[found]])] = np.inf
    inside = np.isfinite(distance)
    if inside.sum() < 12:  # two open sheets that lie far apart: every nearest point is at a rim
        distance, inside = np.concatenate([to, back]), np.ones(len(distance), dtype=bool)
    kept = distance <= np.quantile(distance[inside], keep_share)
    return np.vstack([source.points, source.points[found]])[kept], np.vstack([target.points[near], target.points])[kept]


def _misfit(moved: Spread, target: Spread, tree: cKDTree, keep_share: float) -> float:
    distances = np.sort(np.concatenate([tree.query(moved.points)[0], _tree_of(moved.points).query(target.points)[0]]))
    return float(distances[: int(keep_share * len(distances))].mean())
