"""Ways to differ that nobody in a small population happens to show: smooth moves beside its principal components.

A model of five people knows four ways to differ, and a sixth person differs in more. Luethi, Gerig, Jud and Vetter
(Gaussian process morphable models, IEEE TPAMI 40(8):1860, 2018, section 4.2) add to the covariance that people show one
of smooth moves, here a squared exponential of distance, the same in every direction. How large they are is no guess:
it is what the people miss when each is left out in turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.coherent_point_drift_kernel import spread_out
from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
CENTRES = 500
"""Vertices that the kernel is decomposed on (Nystroem's approximation carries it to all)."""
PAIRED = 400
"""Vertices whose misses are compared with one another."""
BINS = 24
"""Of distance, up to half the bone."""


def missed_by_others(shapes: Any) -> tuple[float, float]:
    """What models of all others miss of a person, each left out in turn: how much, and over what distance alike.

    Args:
        shapes: (N, n, 3) mm, in correspondence, N >= 3.

    Returns:
        Standard deviation of a vertex' miss along one axis, mm; and the reach in mm of the squared exponential of
        distance that is most like the correlation of two vertices' misses.

    Raises:
        InputError: Fewer than three people, or people of whom nothing is missed.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    if shapes.ndim != 3 or len(shapes) < 3:
        raise InputError(f"what others miss needs three people (N, n, 3) or more, not {shapes.shape}.")
    shapes = aligned_shapes(shapes).shapes
    missed = np.stack([_missed(np.delete(shapes, one, axis=0), shapes[one]) for one in range(len(shapes))])
    sd = float(np.sqrt(np.mean(missed**2)))
    if sd < 1e-9:
        raise InputError("models of the others miss nothing of anybody: no smooth modes are needed.")
    chosen = spread_out(shapes[0], min(PAIRED, shapes.shape[1]))
    apart = cdist(*[shapes.mean(axis=0)[chosen]] * 2)
    products = np.einsum("Nid,Njd->ij", missed[:, chosen], missed[:, chosen])
    own = np.sqrt(np.maximum(np.diag(products), 1e-300))
    return sd, _reach(apart, products / np.outer(own, own))


def with_smooth_modes(model: ShapeModel, sd_mm: float, reach_mm: float, modes: int) -> ShapeModel:
    """A model that may also differ smoothly, as nobody in it does.

    Covariances add: the new modes are the leading ones of both together. Moves that turn or shift the whole bone are
    taken out of the smooth ones, since its pose is that.

    Args:
        model: What people show.
        sd_mm: Of the smooth moves of a vertex along each axis, mm.
        reach_mm: Of the kernel exp(-distance^2 / (2 reach^2)), mm.
        modes: How many to keep of all.

    Raises:
        InputError: Sizes that are not above zero.
    """
    _require(sd_mm, reach_mm, modes)
    moves = _smooth_moves(model.mean, sd_mm, reach_mm, modes)
    both = np.concatenate([model.modes.reshape(model.size, -1) * model.deviations[:, None], moves])
    directions, values = _leading(both, modes)
    return replace(model, modes=directions.reshape(-1, *model.mean.shape), deviations=values)


def beside_modes(model: ShapeModel, sd_mm: float, reach_mm: float, modes: int) -> ShapeModel:
    """As :func:`with_smooth_modes`, but people's modes stay as they are and ``modes`` smooth ones follow them.

    For models whose coefficients something else already knows (a joint prior). What people's modes can do is taken out
    of the smooth ones; arguments and errors are the same.
    """
    _require(sd_mm, reach_mm, modes)
    moves = _smooth_moves(model.mean, sd_mm, reach_mm, modes)
    own = model.modes.reshape(model.size, -1)
    directions, values = _leading(moves - (moves @ own.T) @ own, modes)
    more = directions.reshape(-1, *model.mean.shape)
    return replace(
        model, modes=np.concatenate([model.modes, more]), deviations=np.concatenate([model.deviations, values])
    )


def _require(sd_mm: float, reach_mm: float, modes: int) -> None:
    if not (np.isfinite([sd_mm, reach_mm]).all() and min(sd_mm, reach_mm) > 0 and modes > 0):
        raise InputError("smooth modes: their number, standard deviation and reach (mm) must be above 0.")


def _smooth_moves(mean: FloatArray, sd_mm: float, reach_mm: float, count: int) -> FloatArray:
    """(c, 3n) factors of the covariance of smooth moves of vertices (n, 3), without motions of the whole; mm."""
    smooth = _kernel_modes(mean, reach_mm, count) * sd_mm
    moves = np.einsum("nk,cd->kcnd", smooth, np.eye(3)).reshape(-1, mean.size)
    rigid = _rigid(mean)
    return np.asarray(moves - (moves @ rigid.T) @ rigid)


def _leading(factors: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The first principal directions (k, d) of a covariance given by factors (c, d), and their deviations (k,)."""
    _, values, directions = np.linalg.svd(factors, full_matrices=False)
    kept = min(count, int(np.count_nonzero(values > 1e-6 * values[0])))
    return directions[:kept], values[:kept]


def _missed(others: FloatArray, person: FloatArray) -> FloatArray:
    """(n, 3) what is left of a person after the nearest shape of the others' plane, laid rigidly on it."""
    mean = others.mean(axis=0)
    plane = np.linalg.svd((others - mean).reshape(len(others), -1), full_matrices=False)[2][: len(others) - 1]
    nearest = mean
    for _ in range(5):
        person = similarity_between(person, nearest).apply(person)
        nearest = mean + (((person - mean).ravel() @ plane.T) @ plane).reshape(mean.shape)
    return person - nearest


def _reach(apart: FloatArray, alike: FloatArray) -> float:
    """The reach in mm of the squared exponential that is nearest to correlations (n, n) of points ``apart`` mm."""
    largest = float(apart.max())
    bins = np.linspace(0, largest / 2, BINS + 1)
    number = np.digitize(apart.ravel(), bins) - 1
    counts, sums, places = (np.bincount(number, each, BINS + 1)[:BINS] for each in (None, alike.ravel(), apart.ravel()))
    met = counts > 0
    curve, places = sums[met] / counts[met], places[met] / counts[met]
    tried = np.geomspace(largest / 200, largest / 2, 200)
    off = [np.sum((curve - np.exp(-(places**2) / (2 * each**2))) ** 2) for each in tried]
    return float(tried[int(np.argmin(off))])


def _kernel_modes(points: FloatArray, reach_mm: float, count: int) -> FloatArray:
    """(n, k) leading factors of the kernel between points: their product with themselves is about the kernel."""
    centres = points[spread_out(points, min(CENTRES, len(points)))]
    values, vectors = np.linalg.eigh(np.exp(-(cdist(centres, centres) ** 2) / (2 * reach_mm**2)))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    kept = values > 1e-6 * values[0]
    across = np.exp(-(cdist(points, centres) ** 2) / (2 * reach_mm**2))
    return across @ (vectors[:, kept] / np.sqrt(values[kept]))


def _rigid(points: FloatArray) -> FloatArray:
    """(6, 3n) orthonormal moves that shift and turn all points as one, to first order."""
    arms = points - points.mean(axis=0)
    shifts = [np.tile(axis, (len(points), 1)) for axis in np.eye(3)]
    turns = [np.cross(axis, arms) for axis in np.eye(3)]
    return np.linalg.qr(np.stack(shifts + turns).reshape(6, -1).T)[0].T
