"""Hounsfield units of the synthetic forearm, tissue by tissue, and the implicit-surface primitives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm, tissue
from XRayTo3DLib.dataset.phantoms.fields import cone, ellipsoid, smooth_max, smooth_min


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    return make_forearm(spacing=0.8, mesh_spacing=1.0, length_mm=90)


def slab(case: PhantomCase, low: float, high: float) -> np.ndarray:
    """Voxels with z (mm) from low to high."""
    z = case.ct.voxel_points(np.array([[0, 0, k] for k in range(case.ct.size[2])]))[:, 2]
    return ((z >= low) & (z <= high))[:, None, None] & np.ones(case.ct.hu.shape, dtype=bool)


def test_everything_is_labelled_synthetic(case: PhantomCase) -> None:
    assert case.synthetic and case.ct.synthetic
    assert "SYNTHETIC" in case.ct.notes[0]
    assert case.ct.label_names == {"radius": 1, "ulna": 2, "carpals": 3}


def test_diaphysis_has_a_hard_cortex_around_marrow(case: PhantomCase) -> None:
    shaft = case.ct.label_mask("radius") & slab(case, -85, -65)
    hu = case.ct.hu[shaft]
    assert 1400 < np.percentile(hu, 90) < 1800
    assert -60 < np.percentile(hu, 3) < 60
    assert 0.4 < np.mean(hu > 1000) < 0.9  # most of the section is cortex


def test_metaphysis_is_trabecular_inside_a_thin_shell(case: PhantomCase) -> None:
    radius, level = case.ct.label_mask("radius"), slab(case, -14, -8)
    core = binary_erosion(radius, iterations=4) & level
    assert 150 < case.ct.hu[core].mean() < 450
    assert case.ct.hu[core].std() > 30  # texture
    shell = radius & ~binary_erosion(radius) & level
    assert case.ct.hu[shell].mean() > case.ct.hu[core].mean() + 150


def test_soft_tissue_lies_between_skin_and_bone(case: PhantomCase) -> None:
    soft = (case.ct.labels == 0) & (case.ct.hu > -900)
    hu = case.ct.hu[soft]
    assert 0.05 < np.mean((hu > -100) & (hu < -85)) < 0.5  # fat
    assert np.mean((hu > 5) & (hu < 75)) > 0.4  # muscle and tendon
    assert case.ct.hu[0, 0, 0] == -1000 and case.ct.hu[-1, -1, -1] == -1000
    bone = case.ct.labels > 0
    sides = case.ct.hu[:, [0, -1], :], case.ct.hu[:, :, [0, -1]]
    assert not bone[:, :, [0, -1]].any() and all(np.mean(side > -900) < 0.02 for side in sides)


def test_bones_in_air() -> None:
    bare = make_forearm(spacing=2.0, mesh_spacing=1.5, length_mm=60, soft_tissue=False, carpals=False)
    far = bare.ct.labels == 0
    assert np.mean(bare.ct.hu[far] == -1000) > 0.97  # the rest is partial volume
    assert set(bare.meshes) == {"radius", "ulna"} and "carpals" not in bare.ct.label_names


def test_fatter_people_have_more_fat() -> None:
    thin, fat = (
        make_forearm(ForearmShape(wrist_fat=value), spacing=2.0, mesh_spacing=1.5, length_mm=60, carpals=False)
        for value in (1.5, 6.0)
    )
    share = [np.mean((case.ct.hu > -110) & (case.ct.hu < -80)) for case in (thin, fat)]
    assert share[1] > 2 * share[0]


def test_edges_are_partial_volumes() -> None:
    """A voxel whose centre lies on the surface is half covered."""
    inside = tissue.coverage(np.array([-2.0, -0.5, 0.0, 0.25, 2.0]), 1.0)
    assert inside == pytest.approx([1, 1, 0.5, 0.25, 0])


def test_texture_is_band_limited_and_of_unit_variance() -> None:
    texture = tissue.Texture(np.random.default_rng(1), (2.0, 4.0), (6.0, 12.0), 64)
    step = 0.5
    x, y, z = (np.arange(size, dtype=np.float32) * step for size in (60, 60, 96))
    values = texture(x[None, None, :], y[None, :, None], z[:, None, None])
    assert abs(values.mean()) < 0.1 and values.std() == pytest.approx(1.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(values[:, 30, 30] * np.hanning(96))) ** 2
    wavelength = 1 / np.fft.rfftfreq(96, step)[1:]
    assert spectrum[1:][(wavelength > 5) & (wavelength < 16)].sum() > 0.9 * spectrum[1:].sum()


radii = st.floats(3.0, 15.0)


@given(radii, radii, radii, st.integers(0, 1000))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_superellipsoid_is_nearly_a_distance_at_its_surface(a: float, b: float, c: float, seed: int) -> None:
    field = ellipsoid((1.0, 2.0, 3.0), (a, b, c))
    direction = np.random.default_rng(seed).standard_normal((50, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    surface = np.array([1.0, 2.0, 3.0]) + direction * np.array([a, b, c])
    assert np.abs(field(*surface.T)).max() < 1e-6
    normal = direction / np.array([a, b, c])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert field(*(surface + 0.05 * normal).T) == pytest.approx(0.05, abs=0.01)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.2, 5.0))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_smooth_blends_bound_the_sharp_ones(first: float, second: float, radius: float) -> None:
    high, low = smooth_max(first, second, radius), smooth_min(first, second, radius)
    assert max(first, second) - 1e-9 <= high <= max(first, second) + radius / 4 + 1e-9
    assert min(first, second) - radius / 4 - 1e-9 <= low <= min(first, second) + 1e-9


def test_cone_has_its_radii() -> None:
    field = cone((0, 0, 0), (0, 0, 10), 3.0, 1.0)
    assert field(3.0, 0.0, 0.0) == pytest.approx(0.0)
    assert field(2.0, 0.0, 5.0) == pytest.approx(0.0)
    assert field(0.0, 0.0, 12.0) == pytest.approx(1.0)
