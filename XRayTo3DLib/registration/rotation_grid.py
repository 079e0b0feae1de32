"""Rotations spread evenly: over all of SO(3), over a cone about a known view, and closely round one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray

PHI, PSI = np.sqrt(2.0), 1.533751168755204288118041413
"""The two irrational steps of super-Fibonacci spirals; PSI^4 = PSI + 4."""


def super_fibonacci(count: int) -> Rotation:
    """``count`` rotations spread almost evenly over SO(3).

    Super-Fibonacci spirals (Alexa, CVPR 2022, algorithm 1): as even as lattices made by optimisation, for any count.

    Raises:
        InputError: ``count`` is less than 1.
    """
    if count < 1:
        raise InputError("a grid of rotations needs at least one of them.")
    s = np.arange(count) + 0.5
    inner, outer = np.sqrt(s / count), np.sqrt(1 - s / count)
    alpha, beta = 2 * np.pi * s / PHI, 2 * np.pi * s / PSI
    return Rotation.from_quat(
        np.stack([inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], axis=1)
    )


def count_for_spacing(spacing_deg: float) -> int:
    """How many rotations lie about ``spacing_deg`` apart: the volume 8 pi^2 of SO(3) over that of a cube."""
    if not 1.0 <= spacing_deg <= 180.0:
        raise InputError(f"the spacing of rotations must be 1 to 180 degrees, not {spacing_deg:g}.")
    return int(np.ceil(8 * np.pi**2 / np.deg2rad(spacing_deg) ** 3))


def rotation_grid(spacing_deg: float, seed: int = 0, cone_deg: float = 180.0) -> FloatArray:
    """(N, 3, 3) rotation matrices of at most ``cone_deg``, about ``spacing_deg`` apart; the identity first.

    Args:
        spacing_deg: Distance between neighbours, degrees, 1 to 180. From any rotation to the next one of the grid it is
            half of that in the mean, and 0.9 at most.
        seed: Turns the whole grid at random, so that different seeds look at different rotations.
        cone_deg: Largest angle from the identity, degrees; 180 is everything.

    Raises:
        InputError: A spacing out of range.
    """
    grid = super_fibonacci(count_for_spacing(spacing_deg)) * Rotation.random(random_state=seed)
    inside = np.rad2deg(grid.magnitude()) <= cone_deg
    return np.concatenate([np.eye(3)[None], grid[inside].as_matrix()])


def neighbours(radius_deg: float) -> FloatArray:
    """(13, 3, 3) the identity, and turns by ``radius_deg`` about the twelve axes to an icosahedron's corners."""
    golden = (1 + np.sqrt(5)) / 2
    corners = np.array([(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)], dtype=np.float64)
    axes = np.concatenate([np.roll(corners, shift, axis=1) for shift in range(3)])
    turns = Rotation.from_rotvec(axes / np.linalg.norm(axes[0]) * radius_deg, degrees=True)
    return np.concatenate([np.eye(3)[None], turns.as_matrix()])


def top_of_parabola(turns: FloatArray, scores: Sequence[float], limit_deg: float) -> FloatArray:
    """(3, 3) turn at the top of the quadratic in the rotation vector that fits the scores best (least squares).

    Args:
        turns: (N, 3, 3) turns, 10 or more, as of :func:`neighbours`.
        scores: (N,) their scores.
        limit_deg: Largest angle of the answer, degrees. Where the quadratic has no top, its steepest way up so far.
    """
    vectors = Rotation.from_matrix(turns).as_rotvec(degrees=True)
    x, y, z = vectors.T
    design = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=1)
    c = np.linalg.lstsq(design, np.asarray(scores, dtype=np.float64), rcond=None)[0]
    slope = c[1:4]
    curvature = np.array([[2 * c[4], c[7], c[8]], [c[7], 2 * c[5], c[9]], [c[8], c[9], 2 * c[6]]])
    if np.linalg.eigvalsh(curvature).max() < -1e-12:
        step = -np.linalg.solve(curvature, slope)
    else:
        step = slope / max(float(np.linalg.norm(slope)), 1e-12) * limit_deg
    step = step * min(1.0, limit_deg / max(float(np.linalg.norm(step)), 1e-12))
    return Rotation.from_rotvec(step, degrees=True).as_matrix()
