"""Where a fit starts when nobody says: principal axes, both ends, a few rigid steps each, the nearest one wins."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from XRayTo3DLib.geometry.pose import RigidPose
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
ASKED = 300
"""Points of the target that take part."""
STEPS = 20
TRIMMED = 0.8
"""Share of the nearest pairs that a rigid step believes."""


def found_start(model: ShapeModel, target: FloatArray) -> RigidPose:
    """Model-to-world pose of the mean shape near ``target`` (q, 3), world mm.

    Tried: the model as it stands and turned onto the target's principal axes (four ways), with the middles together
    and with either end together along the long axis (for targets that show a part of the bone). Each is improved by
    rigid steps to trimmed nearest points (Chetverikov et al. 2002) of the target in the model; the one whose target
    points end nearest to the model, on average, is taken.
    """
    random = np.random.default_rng(0)
    asked = target[random.permutation(len(target))[:ASKED]]
    tree = cKDTree(model.mean)
    found = [_refined(rotation, shift, model.mean, asked, tree) for rotation, shift in _candidates(model.mean, target)]
    _, rotation, shift = min(found, key=lambda each: each[0])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return RigidPose(matrix)


def _candidates(mean: FloatArray, target: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Model-to-world rotations (3, 3) and translations (3,)."""
    own, seen = _axes(mean), _axes(target)
    turns = [np.eye(3)]
    for first, second in product((1.0, -1.0), repeat=2):
        turns.append(seen @ np.diag([first, second, first * second]) @ own.T)
    result = []
    for rotation in turns:
        turned = mean @ rotation.T
        along = seen[:, 0]
        middle = target.mean(axis=0) - turned.mean(axis=0)
        ends = [np.quantile(target @ along, q) - np.quantile(turned @ along, q) for q in (0.01, 0.99)]
        result.append((rotation, middle))
        result += [(rotation, middle + along * (end - middle @ along)) for end in ends]
    return result


def _axes(points: FloatArray) -> FloatArray:
    """Principal axes as columns (3, 3), longest first, right-handed."""
    _, _, rows = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    rows[2] *= np.sign(np.linalg.det(rows)) or 1.0
    return rows.T


def _refined(
    rotation: FloatArray, shift: FloatArray, mean: FloatArray, asked: FloatArray, tree: cKDTree
) -> tuple[float, FloatArray, FloatArray]:
    """Mean distance (mm) after the rigid steps, rotation, translation."""
    for _ in range(STEPS):
        distances, nearest = tree.query((asked - shift) @ rotation)
        kept = distances <= np.quantile(distances, TRIMMED)
        rotation, shift = _kabsch(mean[nearest[kept]], asked[kept])
    distances, _ = tree.query((asked - shift) @ rotation)
    return float(np.minimum(distances, np.quantile(distances, 0.95)).mean()), rotation, shift


def _kabsch(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotation and translation that carry ``source`` (p, 3) nearest to ``target`` (Kabsch 1976)."""
    middle, place = source.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((target - place).T @ (source - middle))
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0]) @ right
    return rotation, place - rotation @ middle
