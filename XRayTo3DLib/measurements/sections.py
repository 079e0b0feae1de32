"""Where surfaces cut a bone (planes, spheres), and the sphere a joint's head is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from XRayTo3DLib.geometry.frames import FloatArray

HEAD_RADIUS_MM = (14.0, 33.0)
"""Of femoral heads, from small adults to large ones."""
SAMPLES, TRIES, NEIGHBOURS_MM, ON_SPHERE_MM = 4000, 400, 25.0, 0.5
SHARE_ON_HEAD = 0.04
"""Least share of a bone's points that lie on its head: in a whole femur a head has about 8 % of the surface."""


def curves(points: FloatArray, triangles: NDArray[np.int64], values: FloatArray) -> list[tuple[FloatArray, float]]:
    """Middle (3,) and length, mm, of every curve on a surface where ``values`` (n,) of its vertices cross 0.

    The middle is the centroid of the curve itself, so how finely the surface is meshed does not matter. Longest first.
    """
    above = values > 0
    crossing = triangles[above[triangles].any(axis=1) & ~above[triangles].all(axis=1)]
    if len(crossing) == 0:
        return []
    sides = crossing[:, [[0, 1], [1, 2], [2, 0]]]
    ends = np.sort(sides[above[sides[..., 0]] != above[sides[..., 1]]].reshape(-1, 2, 2), axis=2)
    low, high = values[ends[..., 0]], values[ends[..., 1]]
    share = (low / (low - high))[..., None]
    places = points[ends[..., 0]] * (1 - share) + points[ends[..., 1]] * share
    lengths = np.linalg.norm(places[:, 1] - places[:, 0], axis=1)
    _, edge = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    pairs = edge.reshape(-1, 2)
    count = int(pairs.max()) + 1
    part = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=(count, count)), directed=False)[1]
    owner, middles = part[pairs[:, 0]], places.mean(axis=1)
    found = [(owner == each, lengths[owner == each]) for each in np.unique(owner)]
    whole = [(middles[mine].T @ length / length.sum(), float(length.sum())) for mine, length in found if length.sum()]
    return sorted(whole, key=lambda each: -each[1])


def fitted_sphere(points: FloatArray) -> tuple[FloatArray, float]:
    """Centre (3,) and radius of the sphere through points (N, 3), mm; outliers are dropped in five rounds."""
    kept, solution = points, np.zeros(4)
    for _ in range(5):
        system = np.concatenate([2.0 * kept, np.ones((len(kept), 1))], axis=1)
        solution = np.linalg.lstsq(system, np.sum(kept**2, axis=1), rcond=None)[0]
        radius = np.sqrt(solution[3] + solution[:3] @ solution[:3])
        misses = np.abs(np.linalg.norm(points - solution[:3], axis=1) - radius)
        kept = points[misses < max(0.5, float(np.median(misses)))]
    return solution[:3], float(radius)


def on_head(points: FloatArray, seed: int = 0) -> NDArray[np.bool_] | None:
    """Which points (n,) of a bone (n, 3), mm, lie on the ball at its end: the sphere that most of them lie on.

    Spheres through four points near each other are tried, as many times as find a femoral head in a whole femur (random
    sample consensus; Fischler and Bolles, Commun ACM 24 (1981)).

    Args:
        points: Spread about evenly over the surface.
        seed: Of the tries.

    Returns:
        None where no sphere of a femoral head's size has as many of the points on it as a head has.
    """
    rng = np.random.default_rng(seed)
    some = points if len(points) <= SAMPLES else points[rng.choice(len(points), SAMPLES, replace=False)]
    best, centre, radius = 0, np.zeros(3), 0.0
    for _ in range(TRIES):
        near = some[np.linalg.norm(some - some[rng.integers(len(some))], axis=1) < NEIGHBOURS_MM]
        if len(near) < 4:
            continue
        four = near[rng.choice(len(near), 4, replace=False)]
        system = np.concatenate([2 * four, np.ones((4, 1))], axis=1)
        if abs(np.linalg.det(system)) < 1e-3:
            continue
        found = np.linalg.solve(system, np.sum(four**2, axis=1))
        squared = found[3] + found[:3] @ found[:3]
        if not HEAD_RADIUS_MM[0] ** 2 < squared < HEAD_RADIUS_MM[1] ** 2:
            continue
        count = np.count_nonzero(_off(some, found[:3], squared**0.5) < ON_SPHERE_MM)
        if count > best:
            best, centre, radius = int(count), found[:3], float(squared**0.5)
    if best < len(some) * SHARE_ON_HEAD:
        return None
    return _off(points, centre, radius) < 2 * ON_SPHERE_MM


def _off(points: FloatArray, centre: FloatArray, radius: float) -> FloatArray:
    return np.abs(np.linalg.norm(points - centre, axis=1) - radius)
