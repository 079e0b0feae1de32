"""Levenberg-Marquardt on the similarity's Gauss-Newton system: a few exact steps instead of hundreds of trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.levels import Level

LARGEST_STEP_DEG = 5.0
LARGEST_STEP_MM = 5.0
TRIALS_PER_STEP = 5


class Iterate(NamedTuple):
    """A pose, its mean similarity and the length of the last step (largest of degrees and mm)."""

    pose: RigidPose
    similarity: float
    step: float


def climb(level: Level, pose: RigidPose, iterations: int, tolerance: float = 0.01) -> Iterator[Iterate]:
    """Refine ``pose``; yields after every accepted step and ends at a maximum of the similarity.

    Args:
        level: What to compare at which resolution.
        pose: Start, CT-to-world.
        iterations: At most so many accepted steps.
        tolerance: Stop when no parameter moves by more than this (degrees and mm).
    """
    damping = 1e-2
    height = level.similarity(pose)
    for _ in range(iterations):
        _, square, gradient, motion = level.normal_equations(pose)
        accepted = False
        for _ in range(TRIALS_PER_STEP):
            step = _damped_step(square, gradient, damping)
            candidate = motion.pose(step, pose)
            similarity = level.similarity(candidate)
            if similarity > height:
                accepted = True
                damping = max(damping * 0.3, 1e-5)
                break
            damping *= 6.0
        if not accepted:
            return
        pose, height = candidate, similarity
        length = float(np.abs(step).max())
        yield Iterate(pose, height, length)
        if length < tolerance:
            return


def _damped_step(square: NDArray, gradient: NDArray, damping: float) -> NDArray:
    """Solve (A + damping diag A) step = -b, shortened to the largest trusted step."""
    scale = np.diag(square) + 1e-12 * np.trace(square) + 1e-15
    step = -np.linalg.solve(square + damping * np.diag(scale) + 1e-15 * np.eye(6), gradient)
    excess = max(np.abs(step[:3]).max() / LARGEST_STEP_DEG, np.abs(step[3:]).max() / LARGEST_STEP_MM, 1.0)
    return step / excess
