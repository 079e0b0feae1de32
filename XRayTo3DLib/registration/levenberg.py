"""Levenberg-Marquardt on the similarity's Gauss-Newton system: a few exact steps instead of hundreds of trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.registration.levels import Level, Poses

LARGEST_STEP_DEG = 5.0
LARGEST_STEP_MM = 10.0
TRIALS_PER_STEP = 5
STIFFNESS = 2e-3
"""Of a leash, in squared residuals per mm^2: 10 mm beyond its end cost 0.05 of similarity."""


@dataclass(frozen=True)
class Leash:
    """How far bodies may go from where they were looked for; beyond, the similarity pays.

    From one view the depth of a blurred bone can run away by decimetres for a gain of nothing.

    Attributes:
        anchors: A pose for each body.
        lengths: Free displacement of each body's centre, mm.
    """

    anchors: Poses
    lengths: tuple[float, ...]

    def cost(self, level: Level, poses: Poses) -> float:
        """What the similarity pays."""
        return sum(0.25 * STIFFNESS * self._beyond(level, poses, index)[0] ** 2 for index in range(len(poses)))

    def add_to(self, level: Level, poses: Poses, active: Sequence[int], square: NDArray, gradient: NDArray) -> None:
        """Its part of J^T J and J^T r, in place."""
        for place, index in enumerate(active):
            beyond, direction = self._beyond(level, poses, index)
            if beyond > 0:
                part = slice(6 * place + 3, 6 * place + 6)
                square[part, part] += STIFFNESS * np.outer(direction, direction)
                gradient[part] += STIFFNESS * beyond * direction

    def _beyond(self, level: Level, poses: Poses, index: int) -> tuple[float, NDArray]:
        """How much longer than the leash the way is, mm (0: not), and its direction."""
        centre = level.bodies[index].centre
        way = poses[index].apply(centre) - self.anchors[index].apply(centre)
        length = float(np.linalg.norm(way))
        return max(0.0, length - self.lengths[index]), way / max(length, 1e-9)


class Iterate(NamedTuple):
    """Poses, their mean similarity and the length of the last step (largest of degrees and mm)."""

    poses: Poses
    similarity: float
    step: float


def climb(
    level: Level,
    poses: Poses,
    iterations: int,
    tolerance: float = 0.01,
    active: Sequence[int] = (0,),
    leash: Leash | None = None,
) -> Iterator[Iterate]:
    """Refine poses; yields after every accepted step and ends at a maximum of the similarity.

    Args:
        level: What to compare at which resolution.
        poses: Start, CT-to-world, one for each body.
        iterations: At most so many accepted steps.
        tolerance: Stop when no parameter moves by more than this (degrees and mm).
        active: Indices of the bodies that move; the others stay.
        leash: How far they may go.
    """

    def height_of(candidate: Poses) -> float:
        return level.similarity(candidate) - (leash.cost(level, candidate) if leash else 0.0)

    damping = 1e-2
    height = height_of(poses)
    for _ in range(iterations):
        _, square, gradient, motions = level.normal_equations(poses, active)
        if leash:
            leash.add_to(level, poses, active, square, gradient)
        accepted = False
        for _ in range(TRIALS_PER_STEP):
            step = _damped_step(square, gradient, damping)
            moved = {
                index: motion.pose(part, poses[index])
                for index, motion, part in zip(active, motions, step.reshape(-1, 6), strict=True)
            }
            candidate = tuple(moved.get(index, pose) for index, pose in enumerate(poses))
            similarity = height_of(candidate)
            if similarity > height:
                accepted = True
                damping = max(damping * 0.3, 1e-5)
                break
            damping *= 6.0
        if not accepted:
            return
        poses, height = candidate, similarity
        length = float(np.abs(step).max())
        yield Iterate(poses, height, length)
        if length < tolerance:
            return


def _damped_step(square: NDArray, gradient: NDArray, damping: float) -> NDArray:
    """Solve (A + damping diag A) step = -b, shortened to the largest trusted step."""
    scale = np.diag(square) + 1e-12 * np.trace(square) + 1e-15
    step = -np.linalg.solve(square + damping * np.diag(scale) + 1e-15 * np.eye(len(square)), gradient)
    parts = np.abs(step).reshape(-1, 2, 3)
    excess = max(parts[:, 0].max() / LARGEST_STEP_DEG, parts[:, 1].max() / LARGEST_STEP_MM, 1.0)
    return step / excess
