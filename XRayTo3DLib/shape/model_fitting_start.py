"""Where a fit may start when nobody says: many ways round, a few rigid steps each, the nearest few go on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from XRayTo3DLib.geometry.pose import RigidPose
from XRayTo3DLib.shape.procrustes import similarity_between
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
ROUNDS = ((100, 15, 24), (250, 20, 24))
"""Points of the target that take part, rigid steps, and how many placings go on to the next round."""
STARTS = 8
"""Placings handed out at most."""
APART_DEG = 20.0
"""Placings that are turned by less than this from a better one are the same."""
TRIMMED = 0.85
"""Share of the nearest pairs that a rigid step believes."""


@dataclass(frozen=True, eq=False)
class _Placing:
    """A try: model to world, and how far the target's points lie from the model, mm."""

    rotation: FloatArray
    shift: FloatArray
    misfit: float = np.inf


def found_starts(model: ShapeModel, target: FloatArray) -> list[RigidPose]:
    """Model-to-world poses of the mean shape near ``target`` (q, 3), world mm, the most promising first.

    Tried: the model as it stands, turned onto the target's principal axes (four ways), each with the middles together
    and with either end together along the long axis (for targets that show a part of the bone), and turned by the 60
    rotations of the icosahedron. Each is improved by rigid steps to trimmed nearest points of the model (Chetverikov
    et al. 2002); the ones whose target points end nearest to the model, on average, go on with more points.
    """
    order = np.random.default_rng(0).permutation(len(target))
    tree = cKDTree(model.mean)
    tried = _candidates(model.mean, target)
    for count, steps, kept in ROUNDS:
        asked = target[order[:count]]
        improved = [_improved(each, model.mean, asked, tree, steps) for each in tried]
        tried = sorted(improved, key=lambda each: each.misfit)[:kept]
    return [_pose(each) for each in _different(tried)]


def _different(tried: list[_Placing]) -> list[_Placing]:
    """The first :data:`STARTS` that are turned apart from one another."""
    chosen: list[_Placing] = []
    for each in tried:
        turns = [Rotation.from_matrix(each.rotation.T @ other.rotation).magnitude() for other in chosen]
        if len(chosen) < STARTS and np.all(np.rad2deg(turns) > APART_DEG):
            chosen.append(each)
    return chosen


def _pose(placing: _Placing) -> RigidPose:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = placing.rotation, placing.shift
    return RigidPose(matrix)


def _candidates(mean: FloatArray, target: FloatArray) -> list[_Placing]:
    own, seen = _axes(mean), _axes(target)
    turns = [np.eye(3)]
    for first, second in product((1.0, -1.0), repeat=2):
        turns.append(seen @ np.diag([first, second, first * second]) @ own.T)
    along = seen[:, 0]
    result = []
    for rotation in turns:
        turned = mean @ rotation.T
        middle = target.mean(axis=0) - turned.mean(axis=0)
        ends = [np.quantile(target @ along, q) - np.quantile(turned @ along, q) for q in (0.01, 0.99)]
        shifts = [middle, *(middle + along * (end - middle @ along) for end in ends)]
        result += [_Placing(rotation, shift) for shift in shifts]
    for rotation in Rotation.create_group("I").as_matrix():
        result.append(_Placing(rotation, target.mean(axis=0) - rotation @ mean.mean(axis=0)))
    return result


def _axes(points: FloatArray) -> FloatArray:
    """Principal axes as columns (3, 3), longest first, right-handed."""
    _, _, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    rows[2] *= np.sign(np.linalg.det(rows)) or 1.0
    return rows.T


def _improved(placing: _Placing, mean: FloatArray, asked: FloatArray, tree: cKDTree, steps: int) -> _Placing:
    rotation, shift = placing.rotation, placing.shift
    for _ in range(steps):
        distances, nearest = tree.query((asked - shift) @ rotation)
        kept = distances <= np.quantile(distances, TRIMMED)
        found = similarity_between(mean[nearest[kept]], asked[kept])
        rotation, shift = found.rotation, found.translation
    distances, _ = tree.query((asked - shift) @ rotation)
    return _Placing(rotation, shift, float(np.minimum(distances, np.quantile(distances, 0.95)).mean()))
