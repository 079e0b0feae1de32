"""The synthetic knee and hip against real anatomy: outlines level by level, sizes and proportions."""

from __future__ import annotations

import numpy as np
import pytest

from XRayTo3DLib.dataset.phantoms import make_hip, make_knee, measure_hip
from XRayTo3DLib.dataset.phantoms.leg_morphometry import fitted_sphere, neck_of
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data

FEMUR_LEVELS = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90)
TIBIA_LEVELS = (0, 5, 10, 20, 30, 40, 50, 60, 70)


@pytest.fixture(scope="module")
def knee():
    meshes = make_knee(spacing=5.0, soft_tissue=False, mesh_spacing=1.0).meshes
    return {bone: points_of(mesh) for bone, mesh in meshes.items()}


def profile(points: np.ndarray, levels: tuple, start: float, sign: int) -> np.ndarray:
    """Width and depth (L, 2) of the outline at distances from ``start`` along z, mm."""
    slabs = [points[np.abs((points[:, 2] - start) * sign - level) < 1.5] for level in levels]
    return np.array([np.ptp(slab[:, :2], axis=0) for slab in slabs])


def plateau_of(tibia: np.ndarray) -> float:
    """Level where the tibia is widest."""
    heights = np.arange(tibia[:, 2].max() - 25, tibia[:, 2].max())
    return heights[np.argmax([np.ptp(tibia[np.abs(tibia[:, 2] - height) < 1][:, 0]) for height in heights])]


def real_knees(data_dir, bone: str) -> np.ndarray:
    """Vertices (50, N, 3) of fifty knees drawn from a shape model of real ones; x across, y to the front, z up."""
    folder = data_dir / "knee_ssm_instances_clouthier"
    return np.load(folder / f"{bone}_50x.npz")["vertices"].astype(float)


def test_distal_femur_has_the_outline_of_real_ones_at_every_level(data_dir, knee) -> None:
    real = np.array([profile(one, FEMUR_LEVELS, one[:, 2].min(), 1) for one in real_knees(data_dir, "femur")])
    made = profile(knee["femur"], FEMUR_LEVELS, knee["femur"][:, 2].min(), 1)
    assert np.abs(made - real.mean(axis=0)).max() < 6.0
    assert np.abs(made - real.mean(axis=0)).mean() < 2.5


def test_proximal_tibia_has_the_outline_of_real_ones_at_every_level(data_dir, knee) -> None:
    real = np.array([profile(one, TIBIA_LEVELS, plateau_of(one), -1) for one in real_knees(data_dir, "tibia")])
    made = profile(knee["tibia"], TIBIA_LEVELS, plateau_of(knee["tibia"]), -1)
    assert np.abs(made - real.mean(axis=0)).max() < 6.0
    assert np.abs(made - real.mean(axis=0)).mean() < 2.5


def test_patella_has_the_size_of_real_ones(data_dir, knee) -> None:
    real = np.ptp(real_knees(data_dir, "patella"), axis=1).mean(axis=0)
    assert np.ptp(knee["patella"], axis=0) == pytest.approx(real, abs=2.5)


def test_femoral_neck_has_the_proportion_of_real_ones(data_dir) -> None:
    """Neck width over head diameter in ten real proximal femora (0.745 on average)."""
    shares = []
    for path in sorted((data_dir / "femur_proximal_population").glob("femur_*.ply")):
        points = points_of(read_surface(path))
        centre, radius = sphere_in(points[::4])
        near = np.linalg.norm(points - centre, axis=1)
        centre, radius = fitted_sphere(points[near < 1.02 * radius])
        _, width = neck_of(points, centre, radius, points[near > 2 * radius].mean(axis=0))
        shares.append(width / (2 * radius))
    made = measure_hip(make_hip(spacing=5.0, soft_tissue=False, mesh_spacing=1.2).meshes)
    assert len(shares) == 10
    assert made["neck_width"] / made["head_diameter"] == pytest.approx(np.mean(shares), abs=0.05)


def sphere_in(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The sphere (18 to 30 mm) through four neighbouring vertices that most vertices lie on."""
    rng, best = np.random.default_rng(0), (0, np.zeros(3), 0.0)
    for _ in range(500):
        near = points[np.linalg.norm(points - points[rng.integers(len(points))], axis=1) < 25]
        four = near[rng.choice(len(near), 4, replace=False)]
        system = np.c_[2 * four, np.ones(4)]
        if abs(np.linalg.det(system)) < 1e-3:
            continue
        found = np.linalg.solve(system, (four**2).sum(axis=1))
        squared = found[3] + found[:3] @ found[:3]
        if 18**2 < squared < 30**2:
            count = int(np.sum(np.abs(np.linalg.norm(points - found[:3], axis=1) - squared**0.5) < 0.4))
            best = max(best, (count, found[:3], float(squared**0.5)), key=lambda one: one[0])
    return best[1], best[2]
