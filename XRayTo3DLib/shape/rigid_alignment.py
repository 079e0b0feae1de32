"""One surface laid on another rigidly, for measuring shape without place. LPS mm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import transformed
from XRayTo3DLib.shape.procrustes import similarity_between
from XRayTo3DLib.shape.rigid_start import Spread, rigid_start, spread_over

FloatArray = NDArray[np.float64]
_START_POINTS = 600
_RESTING_MM = 1e-3
"""A round that moves the points by less (root mean square) is the last."""


def rigid_alignment(
    source: vtkPolyData, target: vtkPolyData, *, samples: int = 2000, rounds: int = 60, keep_share: float = 0.95
) -> FloatArray:
    """The rigid motion that lays ``source`` on ``target``: iterative closest points on the triangles, from both sides.

    Starts as :func:`XRayTo3DLib.shape.rigid_start.rigid_start` does, so it finds a bone that lies anywhere. What is
    nearest to an open edge is left out, for a shaft cut shorter says nothing of the pose. Never a mirror image.

    Source: Besl and McKay, TPAMI 14(2), 1992; trimmed as Chetverikov et al., ICPR 2002.

    Args:
        source: Triangles to move, LPS mm.
        target: Where to, LPS mm.
        samples: Points spread over each.
        rounds: At most.
        keep_share: Share of the pairs kept, the farthest left out.

    Returns:
        ``(4, 4)`` from source to where it lies on the target.

    Raises:
        InputError: A surface without area.
    """
    mine, yours = spread_over(source, samples), spread_over(target, samples)
    matrix = rigid_start(mine.few(_START_POINTS), yours.few(_START_POINTS)).matrix
    for _ in range(rounds):
        a, b = _pairs(source, mine, target, yours, matrix, keep_share)
        change = similarity_between(a, b).matrix
        matrix = change @ matrix
        if np.sqrt(((a @ change[:3, :3].T + change[:3, 3] - a) ** 2).sum(axis=1).mean()) < _RESTING_MM:
            break
    return matrix


def _pairs(
    source: vtkPolyData, mine: Spread, target: vtkPolyData, yours: Spread, matrix: FloatArray, keep_share: float
) -> tuple[FloatArray, FloatArray]:
    """Points of the moved source and of the target that belong together, neither at an open edge nor far off."""
    moved = transformed(source, matrix)
    ahead = closest_points(target, mine.moved(matrix).points)
    back = closest_points(moved, yours.points)
    here, there = np.vstack([ahead.queries, back.points]), np.vstack([ahead.points, back.queries])
    distance = np.concatenate([ahead.distances, back.distances])
    inside = ~np.concatenate([mine.rim, yours.rim])
    kept = inside & (distance <= np.quantile(distance[inside], keep_share)) if inside.any() else inside | True
    return here[kept], there[kept]
