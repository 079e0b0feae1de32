"""Models from surfaces alone: smooth modes against the kernel they come from, fillings against solids known in closed
form, cut shafts against cylinders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from solids import vtk_sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.attenuation import bone_attenuation, water_attenuation
from XRayTo3DLib.shape.cut_shafts import cut_normals, open_edges, prolonged
from XRayTo3DLib.shape.meshes import enclosed_volume, make_surface, points_of, triangles_of
from XRayTo3DLib.shape.model_curves import nearest_shape
from XRayTo3DLib.shape.shape_intensity_of_surfaces import (
    Filling,
    depths_inside,
    filled_model,
    shaft_share,
    shape_intensity_of_surfaces,
)
from XRayTo3DLib.shape.smooth_modes import beside_modes, missed_by_others, with_smooth_modes
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

WATER, BONE = water_attenuation(60.0), bone_attenuation(60.0)


def ball(radius=20.0, steps=24):
    surface = vtk_sphere(radius, steps, steps, double=True)
    return points_of(surface), triangles_of(surface)


def tube(radius=10.0, length=60.0, around=48, along=13):
    """An open tube along z, facing outward."""
    angles = 2 * np.pi * np.arange(around) / around
    heights = np.linspace(0, length, along)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius
    points = np.concatenate([np.column_stack([ring, np.full(around, z)]) for z in heights])
    a = (np.arange(along - 1)[:, None] * around + np.arange(around)).ravel()
    b = (np.arange(along - 1)[:, None] * around + (np.arange(around) + 1) % around).ravel()
    return points, np.concatenate([np.stack([a, b, b + around], axis=1), np.stack([a, b + around, a + around], axis=1)])


def people(count=6, seed=0):
    """Balls stretched along the axes, and moved smoothly."""
    points, triangles = ball()
    random = np.random.default_rng(seed)
    stretched = np.stack([points * random.normal(1.0, 0.08, size=3) for _ in range(count)])
    waves = random.normal(size=(count, 3)) @ np.eye(3)
    return stretched + np.sin(points / 9.0)[None] * waves[:, None], triangles


# ---- smooth modes -----------------------------------------------------------------------------------------------


def test_smooth_modes_have_the_covariance_of_the_kernel_but_for_motions_of_the_whole():
    points, triangles = ball(20.0, 14)
    tiny = np.zeros((1, *points.shape))
    tiny[0, 0, 0] = 1.0
    model = with_smooth_modes(ShapeModel(points, tiny, np.array([1e-6]), triangles), 1.5, 12.0, 600)
    basis = model.modes.reshape(model.size, -1) * model.deviations[:, None]
    kernel = 1.5**2 * np.exp(-np.sum((points[:, None] - points[None]) ** 2, axis=2) / (2 * 12.0**2))
    full = np.kron(kernel, np.eye(3))
    shifts = np.tile(np.eye(3), (len(points), 1))
    turns = np.cross(np.eye(3)[:, None], points[None]).reshape(3, -1).T
    rigid = np.linalg.qr(np.concatenate([shifts, turns], axis=1))[0]
    keep = np.eye(len(rigid)) - rigid @ rigid.T
    np.testing.assert_allclose(basis.T @ basis, keep @ full @ keep, atol=0.02)


def test_people_s_own_ways_to_differ_stay_in_the_model_with_smooth_modes():
    shapes, triangles = people()
    model = build_shape_model(shapes, triangles)
    richer = with_smooth_modes(model, 0.5, 15.0, 40)
    wanted = model.shape([1.0, -1.5, 0.7])
    np.testing.assert_allclose(richer.projected(wanted), wanted, atol=0.05)
    assert richer.size == 40
    assert np.sum(richer.deviations**2) > np.sum(model.deviations**2)


def test_a_smooth_move_that_nobody_has_is_nearer_with_smooth_modes():
    shapes, triangles = people()
    model = build_shape_model(shapes, triangles)
    bump = np.exp(-np.sum((model.mean - model.mean[50]) ** 2, axis=1) / (2 * 12.0**2))[:, None] * [2.0, 0, 0]
    person = model.mean + bump
    richer = with_smooth_modes(model, 1.0, 12.0, 60)
    pairs = (nearest_shape(each, person) for each in (model, richer))
    before, after = (np.linalg.norm(truth - nearest, axis=1).mean() for truth, nearest in pairs)
    assert after < 0.3 * before


def test_smooth_modes_beside_people_s_own_leave_those_as_they_are():
    shapes, triangles = people()
    model = build_shape_model(shapes, triangles)
    more = beside_modes(model, 0.5, 15.0, 20)
    assert more.size == model.size + 20
    np.testing.assert_array_equal(more.modes[: model.size], model.modes)
    np.testing.assert_array_equal(more.deviations[: model.size], model.deviations)
    flat = more.modes.reshape(more.size, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(more.size), atol=1e-9)


def test_what_others_miss_is_measured():
    points, triangles = ball(30.0, 16)
    random = np.random.default_rng(0)
    kernel = 0.8**2 * np.exp(-np.sum((points[:, None] - points[None]) ** 2, axis=2) / (2 * 8.0**2))
    root = np.linalg.cholesky(kernel + 1e-6 * np.eye(len(points)))
    shapes = points + np.stack([root @ random.normal(size=points.shape) for _ in range(12)])
    sd, reach = missed_by_others(shapes)
    # One is missed against the mean of eleven others, whose plane holds a little of everything.
    assert sd == pytest.approx(0.8, rel=0.15)
    assert reach == pytest.approx(8.0, rel=0.35)


@pytest.mark.parametrize("numbers", [(0.0, 5.0, 10), (1.0, -1.0, 10), (1.0, np.nan, 10), (1.0, 5.0, 0)])
def test_smooth_modes_of_senseless_size_are_refused(numbers):
    shapes, triangles = people(4)
    with pytest.raises(InputError, match="above 0"):
        with_smooth_modes(build_shape_model(shapes, triangles), *numbers)


def test_people_who_are_all_alike_or_too_few_are_refused():
    shapes, _ = people(4)
    with pytest.raises(InputError, match="three people"):
        missed_by_others(shapes[:2])
    with pytest.raises(InputError, match="miss nothing"):
        missed_by_others(np.stack([shapes[0]] * 4))


# ---- cut shafts -------------------------------------------------------------------------------------------------


def test_a_cut_tube_goes_on_straight_and_is_closed():
    points, triangles = tube(10.0, 60.0)
    vertices, faces, wall = prolonged(points, triangles, 15.0)
    surface = make_surface(vertices, faces)
    assert len(open_edges(faces)) == 0
    area = 48 / 2 * 10.0**2 * np.sin(2 * np.pi / 48)
    assert enclosed_volume(surface) == pytest.approx(area * 90.0)
    lid = vertices[faces[~wall]][:, :, 2]
    np.testing.assert_allclose(np.unique(np.round(lid, 9)), [-15.0, 75.0])
    np.testing.assert_array_equal(vertices[: len(points)], points)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_cuts_turn_with_the_bone(seed):
    points, triangles = tube()
    turn = Rotation.random(random_state=seed).as_matrix()
    normals = cut_normals(points @ turn.T + 5.0, triangles)
    np.testing.assert_allclose(sorted((normals @ turn)[:, 2]), [-1.0, 1.0], atol=1e-9)


def test_a_closed_surface_stays_as_it_is():
    points, triangles = ball()
    vertices, faces, wall = prolonged(points, triangles, 10.0)
    np.testing.assert_array_equal(vertices, points)
    np.testing.assert_array_equal(faces, triangles)
    assert wall.all()


# ---- fillings ---------------------------------------------------------------------------------------------------


def test_slabs_average_the_layers():
    filling = Filling(shaft_mm=4.0, ends_mm=1.0, cortex=1.0, spongy=0.5, marrow=0.0)
    depths = np.array([-2.0, 0.0, 2.0, 4.0, 10.0])
    shaft = filling.attenuation(depths, np.ones(5), 2.0)
    np.testing.assert_allclose(shaft, [0.0, BONE / 2, BONE, (BONE + WATER) / 2, WATER])
    ends = filling.attenuation(depths, np.zeros(5), 2.0)
    np.testing.assert_allclose(ends[1:3], [BONE / 2, (WATER + BONE) / 2])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 8.0), st.floats(0.0, 1.0), st.floats(0.2, 5.0))
def test_slabs_hold_what_the_layers_hold(thickness, shaft, edge):
    filling = Filling(shaft_mm=thickness, ends_mm=thickness, cortex=0.9, spongy=0.3, marrow=0.0)
    depths = np.arange(-10 * edge, 40.0, edge)
    total = filling.attenuation(depths, np.full(len(depths), shaft), edge).sum() * edge
    end = depths[-1] + edge / 2
    inner = WATER + (BONE - WATER) * 0.3 * (1 - shaft)
    assert total == pytest.approx((WATER + (BONE - WATER) * 0.9) * thickness + inner * (end - thickness))


def test_a_filled_ball_weighs_what_its_shell_and_core_weigh():
    points, triangles = ball(20.0, 48)
    tiny = np.zeros((1, *points.shape))
    tiny[0, 0, 0] = 1.0
    filling = Filling(shaft_mm=3.0, ends_mm=3.0, cortex=1.0, spongy=0.2, marrow=0.2)
    model = filled_model(ShapeModel(points, tiny, np.array([1e-6]), triangles), filling, 2.0)
    inner = WATER + 0.2 * (BONE - WATER)
    wanted = 4 / 3 * np.pi * (BONE * (20.0**3 - 17.0**3) + inner * 17.0**3)
    assert float(model.density.sum()) * 2.0**3 == pytest.approx(wanted, rel=0.02)


def test_soft_tissue_that_a_bone_displaces_is_taken_off():
    filling = Filling(around=WATER)
    assert filling.attenuation(np.array([30.0]), np.ones(1), 1.0)[0] == pytest.approx(0.02 * (BONE - WATER))


def test_depths_are_those_of_a_ball_and_cuts_are_no_surface():
    points, triangles = ball(20.0, 64)
    places, depths = depths_inside(points, triangles, 4.0)
    np.testing.assert_allclose(depths, 20.0 - np.linalg.norm(places, axis=1), atol=0.06)
    points, triangles = tube(10.0, 60.0)
    places, depths = depths_inside(points, triangles, 2.0)
    near_cut = (np.abs(places[:, 2]) < 1.1) & (np.linalg.norm(places[:, :2], axis=1) < 1.5)
    assert near_cut.any()
    assert depths[near_cut & (places[:, 2] >= 0)].min() > 8.0


def test_the_shaft_is_where_the_bone_is_narrow_and_tips_are_none():
    points, triangles = tube(10.0, 120.0, along=61)
    flare = 1 + 1.5 / (1 + np.exp(-(points[:, 2] - 90) / 4))
    points[:, :2] *= flare[:, None]
    share = shaft_share(points, triangles)
    np.testing.assert_allclose(share(np.array([[0, 0, 30.0], [0, 0, 60.0]])), 1.0, atol=0.01)
    assert share(np.array([[0, 0, 118.0]]))[0] == 0.0
    ellipsoid, triangles = ball(20.0, 40)
    ellipsoid = ellipsoid * [0.5, 0.5, 3.0]
    shares = shaft_share(ellipsoid, triangles)(np.array([[0, 0, z] for z in (-59.0, 0.0, 59.0)]))
    # All of it is about as wide as its widest part, for a tip that narrows is taken to be as wide as before.
    np.testing.assert_allclose(shares, shares[0])


# ---- models -----------------------------------------------------------------------------------------------------


def test_a_model_of_surfaces_alone_shows_denser_bones_when_told():
    shapes, triangles = people()
    built = shape_intensity_of_surfaces(
        shapes, triangles, spacing_mm=2.5, shape_modes=12, density_modes=3, label="ball"
    )
    model = built.model
    assert (model.shape.size, len(model.density_modes), model.shape.label) == (12, 3, "ball")
    masses = [model.instance((), phi).masses.sum() for phi in ([-1.0], [0.0], [1.0])]
    assert abs(masses[2] - masses[0]) > 0.05 * masses[1]
    # The volume follows the shape: the mean's is that of the mean surface.
    inside = Filling(spread=0.0, cortex=1.0, spongy=1.0, marrow=1.0)
    solid = filled_model(model.shape, inside, 2.5)
    for theta in ([0.0], [1.0], [-1.0]):
        volume = solid.instance(theta).masses.sum() / BONE
        assert volume == pytest.approx(enclosed_volume(model.shape.surface(theta)), rel=0.03)


def test_without_smooth_modes_the_people_s_own_are_all_there_are():
    shapes, triangles = people(5)
    built = shape_intensity_of_surfaces(shapes, triangles, spacing_mm=4.0, smooth=False)
    assert built.model.shape.size == 4


@pytest.mark.parametrize("wrong", [{"shaft_mm": 0.0}, {"cortex": 1.2}, {"spread": -1.0}])
def test_senseless_fillings_are_refused(wrong):
    with pytest.raises(InputError, match="filling"):
        Filling(**wrong)
