"""Two round bones as prepared cases whose distances and line integrals are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phantoms_analytic import Ellipsoid, Shape, centred_grid, voxelised

from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame

SIZE = (90, 70, 100)
"""Voxels (columns, rows, slices)."""
MIDDLE = (-8.0, 0.0, -26.0)


@dataclass(frozen=True)
class Ball:
    """A bone: centre (3,) and radius, mm."""

    centre: tuple[float, float, float]
    radius: float
    value: float = 0.06

    def shape(self) -> Shape:
        return Ellipsoid(self.centre, (self.radius,) * 3, (0, 0, 0), self.value)

    def distances(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.linalg.norm(points - np.array(self.centre), axis=-1) - self.radius

    def posed(self, pose: RigidPose) -> Ball:
        return Ball(tuple(pose.apply(self.centre)), self.radius, self.value)


def balls_of(number: int) -> tuple[Ball, Ball]:
    """A "radius" and a smaller "ulna"; cases of other numbers have other sizes."""
    return Ball((4.0, 2.0, -20.0), 11.0 + number % 5), Ball((-24.0, -3.0, -30.0 - number % 3), 7.0)


def ball_case(number: int = 0) -> PreparedCase:
    """The balls of a number as a prepared case, 1 mm voxels."""
    balls = balls_of(number)
    grid = centred_grid(SIZE, 1.0, centre=MIDDLE)
    axes = [grid[axis, 3] + np.arange(count) for axis, count in enumerate(SIZE)]
    z, y, x = np.meshgrid(*reversed(axes), indexing="ij")
    distances = [np.clip(ball.distances(np.stack([x, y, z], axis=-1)), -6, 6) for ball in balls]
    mu = voxelised([ball.shape() for ball in balls], SIZE, grid)
    return PreparedCase(
        f"case-{number}",
        mu.astype(np.float16),
        np.stack(distances).astype(np.float16),
        1.0,
        grid[:3, 3],
        ("radius", "ulna"),
        True,
        f"person-{number}",
        AnatomicalFrame(np.eye(4), False),
    )
