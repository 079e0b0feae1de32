"""How sure a found pose is, one number for each degree of freedom. What makes it is in ``curvature``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray

NAMES = ("turn about columns", "turn about rows", "turn about the beam", "along columns", "along rows", "depth")
"""Degrees of freedom: rotation vector (degrees) and displacement (mm) along the first view's picture axes and beam."""


@dataclass(frozen=True, eq=False)
class PoseUncertainty:
    """Standard deviations and covariance of a pose.

    Attributes:
        axes: (3, 3) columns: directions of increasing column and row of the first picture, and its beam, in the world.
        covariance: (6, 6) of rotation vector (degrees) about and displacement (mm) of the bone's centre along ``axes``.
    """

    axes: FloatArray
    covariance: FloatArray

    @property
    def deviations(self) -> FloatArray:
        """(6,) standard deviations: degrees, then mm; see :data:`NAMES`."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    def error_of(self, pose: RigidPose, truth: RigidPose, centre: FloatArray) -> FloatArray:
        """(6,) by how much ``pose`` differs from ``truth``, along the same degrees of freedom."""
        turn, _ = (pose @ truth.inverse()).parameters()
        shift = pose.apply(centre) - truth.apply(centre)
        return np.concatenate([self.axes.T @ turn, self.axes.T @ shift])

    def about(self, shift: FloatArray) -> PoseUncertainty:
        """The same, of the displacement of another centre, ``shift`` (3,) mm in the world from this one."""
        x, y, z = self.axes.T @ shift
        change = np.eye(6)
        change[3:, :3] = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]]) * np.pi / 180
        return PoseUncertainty(self.axes, change @ self.covariance @ change.T)

    def target_deviation(self, points: FloatArray, centre: FloatArray, across: bool = False) -> float:
        """Root mean square displacement, mm, that this uncertainty gives world points (N, 3) about ``centre``.

        With ``across`` only what is seen across the first view's beam.
        """
        seen = np.diag([1.0, 1.0, 0.0 if across else 1.0])
        local = (points - centre) @ self.axes
        total = 0.0
        for point in local:
            cross = np.array([[0, point[2], -point[1]], [-point[2], 0, point[0]], [point[1], -point[0], 0]])
            slope = np.hstack([cross * np.pi / 180, np.eye(3)])
            total += float(np.trace(seen @ slope @ self.covariance @ slope.T))
        return float(np.sqrt(total / len(local)))

    def in_words(self) -> str:
        """One line: what lies within 95 % (1.96 standard deviations), by degree of freedom."""
        turns, shifts = np.split(1.96 * self.deviations, 2)
        return (
            f"95 % uncertainty: across the first picture {max(shifts[:2]):.2g} mm, depth {shifts[2]:.2g} mm, "
            f"turns {', '.join(f'{turn:.2g}' for turn in turns)} degrees"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "standard_deviation": {
                name: round(float(value), 4) for name, value in zip(NAMES, self.deviations, strict=True)
            },
            "unit": "degrees for turns, mm for the others",
            "axes_world": self.axes.T.tolist(),
            "covariance": self.covariance.tolist(),
        }
