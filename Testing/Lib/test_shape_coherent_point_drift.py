"""Bayesian coherent point drift against pycpd, against its own formulas written out, and against known bendings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from scipy.special import digamma
from solids import vtk_sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.coherent_point_drift import DriftOptions, coherent_point_drift
from XRayTo3DLib.shape.coherent_point_drift_kernel import gaussian_kernel, geodesic_kernel, spread_out
from XRayTo3DLib.shape.coherent_point_drift_matches import _dense, _sparse, soft_matches
from XRayTo3DLib.shape.geodesic_distance import geodesic_distances, nearest_source, surface_graph
from XRayTo3DLib.shape.meshes import points_of, triangles_of


def ball(count: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return 20.0 * points / np.linalg.norm(points, axis=1, keepdims=True) * (1.0, 0.7, 1.6)


def bent(points: np.ndarray) -> np.ndarray:
    """A smooth bending of a few mm."""
    x, y, z = points.T / 20.0
    return points + 3.0 * np.stack([np.sin(z), 0.5 * np.cos(x + z), 0.4 * np.sin(2 * y)], axis=1)


def sphere_mesh(levels: int = 24) -> tuple[np.ndarray, np.ndarray]:
    surface = vtk_sphere(10.0, 2 * levels, levels)
    return points_of(surface), triangles_of(surface)


def test_a_known_bending_is_found_as_well_as_by_pycpd() -> None:
    pycpd = pytest.importorskip("pycpd")
    source = ball(300)
    truth = bent(source)
    target = truth[np.random.default_rng(1).permutation(300)]
    peer, _ = pycpd.DeformableRegistration(X=target, Y=source, alpha=2, beta=20.0, max_iterations=100).register()
    peer_error = np.linalg.norm(peer - truth, axis=1).mean()
    options = DriftOptions(width=1.5, stiffness=2.0, outliers=0.01, rigid=False, start=0.3)
    found = coherent_point_drift(source, target, options)
    error = np.linalg.norm(found.points - truth, axis=1).mean()
    assert peer_error < 0.5  # the bending is one that pycpd recovers
    assert error < 0.3 and error <= peer_error + 0.1
    assert np.linalg.norm(found.points - peer, axis=1).mean() < 0.5


def test_turn_scale_and_place_are_found_with_outliers() -> None:
    source = ball(250)
    source = source + 4 * np.maximum(source[:, [0]] / 20, 0) ** 2 * (0.3, 1.0, 0.5)  # nothing symmetric
    turn = Rotation.from_rotvec([10, -20, 15], degrees=True).as_matrix()
    target = 1.2 * source @ turn.T + (30, -40, 500)
    noise = np.random.default_rng(3).uniform(target.min(axis=0), target.max(axis=0), (40, 3))
    options = DriftOptions(width=2.0, stiffness=500, outliers=0.15, start=0.5)
    found = coherent_point_drift(source, np.vstack([noise, target]), options)
    assert np.linalg.norm(found.points - target, axis=1).mean() < 0.5
    assert found.scale == pytest.approx(1.2, rel=0.03)
    again = found.scale * (source + found.displacement) @ found.rotation.T + found.translation
    assert np.allclose(again, found.points, atol=1e-9)
    assert found.matched.sum() < len(target) + 20  # the outliers were not taken for the shape


def test_trusted_place_is_kept_and_the_coefficients_move_further_points() -> None:
    source = ball(400)
    kernel = gaussian_kernel(source, 25.0)
    options = DriftOptions(stiffness=2.0, outliers=0.01, rigid=False, start=0.3)
    found = coherent_point_drift(source[::2], bent(source), options, kernel[::2])
    assert np.array_equal(found.rotation, np.eye(3)) and found.scale == 1.0
    assert np.allclose(found.translation, 0.0, atol=1e-9)
    assert np.allclose(kernel[::2] @ found.coefficients, found.displacement)
    matched = np.linalg.norm(found.points - bent(source)[::2], axis=1).mean()
    between = source[1::2] + kernel[1::2] @ found.coefficients
    assert np.linalg.norm(between - bent(source)[1::2], axis=1).mean() < 1.3 * matched + 0.1 < 1.2


@pytest.mark.parametrize("kappa", [np.inf, 1.0])
def test_mixing_weights_may_differ(kappa: float) -> None:
    source = ball(150)
    found = coherent_point_drift(
        source, bent(source), DriftOptions(width=1.5, stiffness=2.0, rigid=False, start=0.3, kappa=kappa)
    )
    assert np.linalg.norm(found.points - bent(source), axis=1).mean() < 0.6


def test_matches_are_the_formula_written_out() -> None:
    moved, target = ball(40, 1), ball(50, 2)
    weights = np.random.default_rng(0).normal(size=40)
    variance = 9.0
    chance = np.exp(weights[:, None] - cdist(moved, target) ** 2 / (2 * variance))
    matches = chance / (1 + chance.sum(axis=0))
    tree = cKDTree(target)
    for found in (
        _dense(moved, target, variance, weights),
        _sparse(cKDTree(moved), target, tree, 200.0, variance, weights),
        soft_matches(moved, target, tree, variance, weights),
    ):
        assert np.allclose(found.source, matches.sum(axis=1), atol=1e-4)
        assert np.allclose(found.target, matches.sum(axis=0), atol=1e-5)
        assert np.allclose(found.weighted, matches @ target, atol=1e-3)


def written_out(y: np.ndarray, x: np.ndarray, kernel: np.ndarray, options: DriftOptions) -> tuple:
    """Hirose 2021, figure 2, line by line with full matrices; y has its middle at 0 and a size of 1."""
    m, identity = len(y), np.eye(len(y))
    share, scale, rotation, shift = np.full(m, 1 / m), 1.0, np.eye(3), np.zeros(3)
    moved, sigma_diagonal = y, np.zeros(m)
    variance = options.start**2 * (cdist(y, x) ** 2).mean() / 3
    outside = 1 / np.prod(np.ptp(x, axis=0))
    for _ in range(options.iterations):
        chance = np.exp(-(cdist(moved, x) ** 2) / (2 * variance)) / (2 * np.pi * variance) ** 1.5
        chance *= ((1 - options.outliers) * share * np.exp(-1.5 * scale**2 / variance * sigma_diagonal))[:, None]
        p = chance / (options.outliers * outside + chance.sum(axis=0))
        nu, nu_x, total = p.sum(axis=1), p.sum(axis=0), p.sum()
        matched = p @ x / nu[:, None]
        ratio = scale**2 / variance
        sigma = kernel / options.stiffness @ np.linalg.inv(identity + ratio * nu[:, None] * kernel / options.stiffness)
        bend = ratio * sigma @ (nu[:, None] * ((matched - shift) @ rotation / scale - y))
        sigma_diagonal = np.diag(sigma)
        share = np.exp(digamma(options.kappa + nu) - digamma(options.kappa * m + total))
        mean_x, mean_u = nu @ matched / total, nu @ (y + bend) / total
        mean_sigma = nu @ sigma_diagonal / total
        s_xu = sum(w * np.outer(a - mean_x, b - mean_u) for w, a, b in zip(nu, matched, y + bend, strict=True)) / total
        s_uu = nu @ ((y + bend - mean_u) ** 2).sum(axis=1) / total + 3 * mean_sigma
        left, _, right = np.linalg.svd(s_xu)
        rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
        scale = np.trace(rotation.T @ s_xu) / s_uu
        shift = mean_x - scale * rotation @ mean_u
        moved = scale * (y + bend) @ rotation.T + shift
        squares = nu_x @ (x**2).sum(axis=1) - 2 * np.sum(p @ x * moved) + nu @ (moved**2).sum(axis=1)
        variance = squares / (3 * total) + scale**2 * mean_sigma
    return moved, scale, variance


@pytest.mark.parametrize("kappa", [0.5, 50.0])
def test_iterations_are_those_of_the_paper_written_out(kappa: float) -> None:
    source = ball(60)
    source = (source - source.mean(axis=0)) / np.sqrt(source.var(axis=0).mean())
    target = bent(20 * source)[:45] / 20 @ Rotation.from_rotvec([5, 9, -7], degrees=True).as_matrix().T * 1.1
    target = target - target.mean(axis=0)
    options = DriftOptions(stiffness=3.0, outliers=0.1, start=0.5, kappa=kappa, iterations=6, tolerance=0.0)
    kernel = np.exp(-0.5 * (cdist(source, source) / 0.7) ** 2)
    values, vectors = np.linalg.eigh(kernel)
    moved, scale, variance = written_out(source, target, kernel, options)
    found = coherent_point_drift(source, target, options, vectors * np.sqrt(np.maximum(values, 0)))
    assert found.iterations == 6
    assert np.allclose(found.points, moved, atol=1e-4)
    assert found.scale == pytest.approx(scale, abs=1e-4)
    assert found.residual_mm == pytest.approx(np.sqrt(variance), abs=1e-4)


def test_the_factor_gives_the_kernel() -> None:
    points = ball(200)
    factor = gaussian_kernel(points, 15.0, rank=200, landmarks=200)
    assert np.abs(factor @ factor.T - np.exp(-0.5 * (cdist(points, points) / 15.0) ** 2)).max() < 1e-4
    fewer = gaussian_kernel(points, 15.0, rank=40, landmarks=80)
    assert fewer.shape[1] == 40
    assert np.abs(fewer @ fewer.T - factor @ factor.T).max() < 0.05


def test_geodesic_distances_on_a_sphere_are_great_circles() -> None:
    points, triangles = sphere_mesh()
    graph = surface_graph(points, triangles)
    distances = geodesic_distances(graph, np.array([0, 100]))
    for row, source in zip(distances, (0, 100), strict=True):
        arc = 10.0 * np.arccos(np.clip(points @ points[source] / 100.0, -1, 1))
        far = arc > 3
        assert np.all(row[far] > 0.985 * arc[far]) and np.all(row[far] < 1.09 * arc[far])
        assert np.mean(row[far] / arc[far]) < 1.05
    nearest, which = nearest_source(graph, np.array([0, 100]))
    assert np.allclose(nearest, distances.min(axis=0))
    assert np.array_equal(distances[which, np.arange(len(points))], nearest)


def test_geodesic_kernel_tells_the_two_sides_of_a_sheet_apart() -> None:
    points, triangles = sphere_mesh()
    flat = points * (1.0, 1.0, 0.05)
    top, bottom = np.argmax(flat[:, 2]), np.argmin(flat[:, 2])
    straight = gaussian_kernel(flat, 4.0)
    along = geodesic_kernel(flat, triangles, 4.0, share=1.0)
    assert straight[top] @ straight[bottom] > 0.95
    assert along[top] @ along[bottom] < 0.2
    assert np.allclose(geodesic_kernel(flat, triangles, 4.0, share=0.0), straight)


def test_points_far_apart_are_chosen() -> None:
    points = ball(500)
    chosen = spread_out(points, 50)
    assert len(np.unique(chosen)) == 50
    gap = np.sort(cdist(points[chosen], points[chosen]) + 1e3 * np.eye(50), axis=1)[:, 0].min()
    assert cKDTree(points[chosen]).query(points)[0].max() <= gap + 1e-9  # what farthest point sampling promises
    assert len(spread_out(points, 900)) == 500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": np.zeros((2, 3))}, "at least 4 points"),
        ({"target": np.full((9, 3), np.nan)}, "not finite"),
        ({"source": np.ones((9, 3))}, "same place"),
        ({"options": DriftOptions(outliers=1.0)}, "outliers"),
        ({"options": DriftOptions(stiffness=0.0)}, "stiffness"),
        ({"options": DriftOptions(iterations=0)}, "iteration"),
        ({"options": DriftOptions(width=-1.0)}, "width"),
        ({"target": ball(30) + 500, "options": DriftOptions(start=1e-3, rigid=False)}, "lost the target"),
        ({"kernel": np.ones((3, 2))}, "kernel is for 3 points"),
    ],
)
def test_what_cannot_be_matched_is_refused(change: dict, message: str) -> None:
    given = {"source": ball(30), "target": ball(30), "options": None, "kernel": None} | change
    with pytest.raises(InputError, match=message):
        coherent_point_drift(**given)
