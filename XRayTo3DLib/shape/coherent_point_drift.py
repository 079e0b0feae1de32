"""Bayesian coherent point drift (BCPD): one set of points bent smoothly onto another, and turned and scaled with it.

Source: O. Hirose, "A Bayesian formulation of coherent point drift", TPAMI 43(7), 2021,
doi:10.1109/TPAMI.2020.2971687 (figure 2), and its geodesic kernel, TPAMI 2022, doi:10.1109/TPAMI.2022.3214191.
Model: a target point is x = s R (y + v) + t + noise, or an outlier; v has the prior N(0, G / lambda). With the kernel
as a factor G = F F^T the posterior of v costs m k^2 (Woodbury) instead of m^3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.spatial import cKDTree
from scipy.special import digamma

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.coherent_point_drift_kernel import gaussian_kernel
from XRayTo3DLib.shape.coherent_point_drift_matches import Matches, soft_matches

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DriftOptions:
    """How points drift. Lengths are in sizes of the source: 1 is its root mean square spread per axis.

    Attributes:
        width: SD of the kernel (beta): how far apart points still move together.
        stiffness: lambda: larger bends less.
        outliers: omega, 0 to 1: share of target points that match nothing.
        start: gamma: factor on the first sigma; below 1 trusts the start more.
        kappa: Dirichlet parameter of the mixing weights; inf keeps them equal.
        rigid: Estimate R and t (False trusts the given alignment).
        scaled: Estimate s too (only with ``rigid``).
        rank: Columns of the kernel's factor, when :func:`coherent_point_drift` makes it.
        iterations: At most.
        tolerance: Ends when sigma and points change by less, relatively.
    """

    width: float = 0.7
    stiffness: float = 20.0
    outliers: float = 0.05
    start: float = 1.0
    kappa: float = np.inf
    rigid: bool = True
    scaled: bool = True
    rank: int = 200
    iterations: int = 150
    tolerance: float = 1e-3


@dataclass(frozen=True, eq=False)
class Drift:
    """Where the source points went.

    Attributes:
        points: ``(m, 3)`` mm: scale x rotation @ (source + displacement) + translation.
        scale: s.
        rotation: ``(3, 3)``.
        translation: ``(3,)`` mm.
        displacement: v, ``(m, 3)`` mm, in the source's own frame.
        coefficients: ``(k, 3)`` mm with displacement = factor @ coefficients: moves further points of the same kernel.
        matched: How many target points each source point stands for, ``(m,)``.
        residual_mm: sigma at the end.
        iterations: How many it took.
    """

    points: FloatArray
    scale: float
    rotation: FloatArray
    translation: FloatArray
    displacement: FloatArray
    coefficients: FloatArray
    matched: FloatArray
    residual_mm: float
    iterations: int


@dataclass
class _State:
    scale: float
    rotation: FloatArray
    translation: FloatArray
    displacement: FloatArray
    coefficients: FloatArray
    spread: FloatArray  # posterior variance of each displacement, per axis
    log_share: FloatArray  # log of the mixing weights
    variance: float

    def placed(self, source: FloatArray) -> FloatArray:
        return self.scale * (source + self.displacement) @ self.rotation.T + self.translation


def coherent_point_drift(
    source: FloatArray, target: FloatArray, options: DriftOptions | None = None, kernel: FloatArray | None = None
) -> Drift:
    """Move ``source`` onto ``target``; no pairs are known.

    Args:
        source: ``(m, 3)`` mm.
        target: ``(n, 3)`` mm.
        options: How.
        kernel: Factor ``(m, k)`` of the kernel, as :mod:`coherent_point_drift_kernel` makes it (then ``width`` and
            ``rank`` are not used); None makes a Gaussian one.

    Raises:
        InputError: Too few or not finite points, an option out of range, a kernel of another length, or a start so
            trusted that nothing lies near.
    """
    options = options or DriftOptions()
    source, target = _checked(source, "source"), _checked(target, "target")
    _check_options(options)
    centre, size = source.mean(axis=0), float(np.sqrt(source.var(axis=0).mean()))
    middle = target.mean(axis=0) if options.rigid else centre
    y, x = (source - centre) / size, (target - middle) / size
    factor = gaussian_kernel(y, options.width, options.rank) if kernel is None else np.asarray(kernel, np.float64)
    if factor.shape[0] != len(y):
        raise InputError(f"The kernel is for {factor.shape[0]} points, but the source has {len(y)}.")
    state, matches, iterations = _iterate(y, x, factor / np.sqrt(options.stiffness), options)
    points = state.placed(y) * size + middle
    translation = state.translation * size + middle - state.scale * state.rotation @ centre
    return Drift(
        points,
        state.scale,
        state.rotation,
        translation,
        state.displacement * size,
        state.coefficients * size / np.sqrt(options.stiffness),
        matches.source,
        float(np.sqrt(state.variance) * size),
        iterations,
    )


def _iterate(y: FloatArray, x: FloatArray, prior: FloatArray, options: DriftOptions) -> tuple[_State, Matches, int]:
    state, tree = _first(y, x, prior, options), cKDTree(x)
    outlier_density = 1.0 / float(np.prod(np.maximum(np.ptp(x, axis=0), 1e-3)))
    odds = np.log1p(-options.outliers) - np.log(max(options.outliers, 1e-12) * outlier_density)
    placed = state.placed(y)
    iterations = 0
    while iterations < options.iterations:
        iterations += 1
        log_weights = odds + state.log_share - 1.5 * np.log(2 * np.pi * state.variance)
        log_weights -= 1.5 * state.scale**2 * state.spread / state.variance
        matches = soft_matches(placed, x, tree, state.variance, log_weights)
        if matches.source.sum() < 1e-9:
            raise InputError("The drift lost the target: no point of it lies near the source; give a larger start.")
        before, variance = placed, state.variance
        _bend(state, y, prior, matches, options.kappa)
        if options.rigid:
            _turn(state, y, matches, options.scaled)
        placed = state.placed(y)
        state.variance = _variance(state, x, placed, matches)
        moved = float(np.sqrt(((placed - before) ** 2).sum(axis=1).mean()))
        if abs(variance - state.variance) < options.tolerance * variance and moved < options.tolerance * 0.1:
            break
    return state, matches, iterations


def _first(y: FloatArray, x: FloatArray, prior: FloatArray, options: DriftOptions) -> _State:
    mean_square = x.var(axis=0).sum() + y.var(axis=0).sum() + ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    log_share = np.full(len(y), -np.log(len(y)))
    coefficients, spread = np.zeros((prior.shape[1], 3)), np.zeros(len(y))
    variance = options.start**2 * mean_square / 3
    return _State(1.0, np.eye(3), np.zeros(3), np.zeros_like(y), coefficients, spread, log_share, variance)


def _bend(state: _State, y: FloatArray, prior: FloatArray, matches: Matches, kappa: float) -> None:
    """Posterior of the displacements (Sigma, v) and the mixing weights (alpha)."""
    precision = state.scale**2 / state.variance
    pulled = (matches.weighted - matches.source[:, None] * state.translation) @ state.rotation / state.scale
    pull = pulled - matches.source[:, None] * y  # nu (T^-1(x) - y), without dividing by nu
    inner = np.eye(prior.shape[1]) + precision * prior.T @ (matches.source[:, None] * prior)
    lower = np.linalg.cholesky(inner)
    half = solve_triangular(lower, prior.T, lower=True, check_finite=False)
    state.spread = (half**2).sum(axis=0)
    right = solve_triangular(lower, precision * (prior.T @ pull), lower=True, check_finite=False)
    state.coefficients = solve_triangular(lower, right, lower=True, trans="T", check_finite=False)
    state.displacement = prior @ state.coefficients
    if np.isfinite(kappa):
        count = len(y)
        state.log_share = digamma(kappa + matches.source) - digamma(kappa * count + matches.source.sum())


def _turn(state: _State, y: FloatArray, matches: Matches, scaled: bool) -> None:
    """Rotation, scale and translation that fit the bent points best (weighted, Umeyama 1991)."""
    weights, total = matches.source, matches.source.sum()
    bent = y + state.displacement
    mean_x, mean_u = matches.weighted.sum(axis=0) / total, weights @ bent / total
    spread = float(weights @ state.spread / total)
    cross = matches.weighted.T @ bent / total - np.outer(mean_x, mean_u)
    own = np.einsum("m,md,md->", weights, bent - mean_u, bent - mean_u) / total + 3 * spread
    left, _, right = np.linalg.svd(cross)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    state.rotation = left @ sign @ right
    state.scale = float(np.trace(state.rotation.T @ cross) / own) if scaled else 1.0
    state.translation = mean_x - state.scale * state.rotation @ mean_u


def _variance(state: _State, x: FloatArray, placed: FloatArray, matches: Matches) -> float:
    total = matches.source.sum()
    squares = matches.target @ (x**2).sum(axis=1) + matches.source @ (placed**2).sum(axis=1)
    residual = (squares - 2 * np.einsum("md,md->", matches.weighted, placed)) / (3 * total)
    spread = state.scale**2 * float(matches.source @ state.spread / total)
    return max(float(residual), 0.0) + spread + 1e-12


def _checked(points: FloatArray, name: str) -> FloatArray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4:
        raise InputError(f"The {name} has the shape {points.shape}; give at least 4 points (n, 3).")
    if not np.isfinite(points).all():
        raise InputError(f"The {name} has points that are not finite numbers (NaN or infinite).")
    if np.ptp(points, axis=0).max() == 0:
        raise InputError(f"All points of the {name} are in the same place.")
    return points


def _check_options(options: DriftOptions) -> None:
    if not 0 <= options.outliers < 1:
        raise InputError(f"The share of outliers is {options.outliers:g}; give a number from 0 to below 1.")
    for name in ("stiffness", "start", "kappa", "width"):
        if not getattr(options, name) > 0:
            raise InputError(f"The drift's {name} is {getattr(options, name):g}; give a number above 0.")
    if options.iterations < 1 or options.rank < 1:
        raise InputError("The drift needs at least one iteration and a kernel of at least rank one.")
