"""Signed-distance models: shares and slopes in closed form, spheres and eggs known exactly, pictures against theirs."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_intensity_cases import Egg, egg_attenuation, egg_picture, egg_population, egg_surface, three_cameras

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.projection.point_mass_drr import PointMassView, like_footprints
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.refine import refine_steps
from XRayTo3DLib.shape import signed_distance_model
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed
from XRayTo3DLib.shape.signed_distance_building import BuiltDistances, build_signed_distance_model
from XRayTo3DLib.shape.signed_distance_model import SignedDistanceModel, filled_share
from XRayTo3DLib.shape.surface_distance import surface_distance

RADII = np.array([9.0, 10.0, 11.0, 12.0, 13.0])
MU = 0.05
BOX = ([-18.0] * 3, [18.0] * 3)


@functools.cache
def balls() -> SignedDistanceModel:
    """Spheres of five radii about 11 mm, all of one attenuation: one mode, all distances the same everywhere."""
    return build_signed_distance_model(
        lambda person, points: np.linalg.norm(points, axis=1) - RADII[person],
        lambda person, points: np.where(np.linalg.norm(points, axis=1) < RADII[person], MU, 0.0),
        [RigidPose.identity()] * len(RADII),
        BOX,
        clip_mm=100.0,
        density_modes=1,
        label="ball",
    ).model


@functools.cache
def built_eggs() -> BuiltDistances:
    """Sixteen ellipsoids of three radii and two densities, each lying elsewhere, in the model's frame by its pose."""
    people = egg_population(16, seed=3)
    poses = [RigidPose.from_rotation([3.0 * n, -2.0 * n, n], [n, -n, 2.0 * n]) for n in range(len(people))]

    def own(person: int, points: np.ndarray) -> np.ndarray:
        return poses[person].inverse().apply(points)

    return build_signed_distance_model(
        lambda person, points: egg_distances(people[person], own(person, points)),
        lambda person, points: egg_attenuation(people[person], own(person, points)),
        poses,
        ([-24.0, -32.0, -44.0], [24.0, 32.0, 44.0]),
        density_modes=2,
        label="egg",
    )


def eggs() -> SignedDistanceModel:
    """Their model."""
    return built_eggs().model


def egg_distances(person: Egg, points: np.ndarray) -> np.ndarray:
    """Signed distances to an ellipsoid, right to the second order near its surface, mm."""
    radii = np.asarray(person.radii)
    size = np.linalg.norm(points / radii, axis=1)
    return size * (size - 1.0) / np.maximum(np.linalg.norm(points / radii**2, axis=1), 1e-9)


def test_one_number_tells_spheres_apart() -> None:
    model = balls()
    assert model.size == 1 and np.abs(model.modes) == pytest.approx(RADII.std(ddof=1), abs=1e-4)
    sign = -np.sign(model.modes[0, 0, 0, 0])
    for radius in (8.5, 11.0, 14.0):
        theta = [sign * (radius - 11.0) / RADII.std(ddof=1)]
        carried = np.linalg.norm(model.surface_points(theta), axis=1)
        assert carried == pytest.approx(radius, abs=0.02)
        # Distances to a sphere bend between lattice points 2 mm apart: by (2 mm)^2 / (8 radius) along an edge.
        assert np.linalg.norm(points_of(model.surface(theta)), axis=1) == pytest.approx(radius, abs=0.5 / radius + 0.01)
        moves = model.surface_moves(theta)[0] * sign
        outward = model.surface_points(theta) / carried[:, None]
        assert moves == pytest.approx(RADII.std(ddof=1) * outward, abs=0.04 * RADII.std(ddof=1))
        # A surface blurred by a hat holds (edge / radius)^2 / 2 more: 3 % of the smallest.
        wanted = MU * 4 / 3 * np.pi * radius**3
        assert model.instance(theta).masses.sum() == pytest.approx(wanted, rel=0.06)
        assert model.coefficients(model.distances(theta)) == pytest.approx(theta, abs=1e-5)


def test_masses_grow_as_a_sphere_does() -> None:
    """d(4/3 pi r^3) = 4 pi r^2 dr."""
    model = balls()
    slope = float(model.instance([0.0]).by_shape.sum())
    assert abs(slope) == pytest.approx(MU * 4 * np.pi * 11.0**2 * RADII.std(ddof=1), rel=0.04)


@settings(max_examples=40, deadline=None)
@given(first=st.floats(-1.0, 1.0), length=st.floats(9.0, 12.0))
def test_shares_along_a_line_add_up_to_its_length(first: float, length: float) -> None:
    middles = np.arange(-10.0, 30.0, 2.0)
    distances = np.maximum(first - middles, middles - (first + length))
    assert 2.0 * filled_share(distances, 2.0)[0].sum() == pytest.approx(length)


@settings(max_examples=40, deadline=None)
@given(distance=st.floats(-5.0, 5.0))
def test_slopes_of_shares(distance: float) -> None:
    above, below = (filled_share(np.array(distance + step), 2.0)[0] for step in (1e-5, -1e-5))
    assert filled_share(np.array(distance), 2.0)[1] == pytest.approx((above - below) / 2e-5, abs=1e-4)


def test_slopes_of_masses() -> None:
    model = eggs().thinned(1, 6, 2)
    rng = np.random.default_rng(0)
    theta, phi = rng.normal(size=6), rng.normal(size=2)
    found = model.instance(theta, phi)
    largest = float(np.abs(found.masses).max())
    for step in 1e-2 * np.eye(6):
        slope = (model.instance(theta + step, phi).masses - model.instance(theta - step, phi).masses) / 2e-2
        assert found.by_shape @ (step / 1e-2) == pytest.approx(slope, abs=1e-3 * largest)
    assert model.instance(theta).masses + found.by_density @ phi == pytest.approx(found.masses, abs=1e-5 * largest)


def test_carried_vertices_move_as_their_slopes_say() -> None:
    model = eggs().thinned(1, 4, 0)
    theta = np.array([0.7, -0.5, 0.3, 0.2])
    moves = model.surface_moves(theta)
    normals = moves[0] / np.maximum(np.linalg.norm(moves[0], axis=1, keepdims=True), 1e-9)
    for number, step in enumerate(0.05 * np.eye(4)):
        shift = (model.surface_points(theta + step) - model.surface_points(theta - step)) / 0.1
        along = np.einsum("nd,nd->n", shift - moves[number], normals)
        assert np.percentile(np.abs(along), 95) < 0.05 * np.abs(moves[number]).max() + 0.02


def test_eggs_lie_on_one_another_and_are_shown_again() -> None:
    """People's poses are taken off; a new person's nearest shape, surface and radiograph are nearly that person's."""
    model, person = eggs(), Egg((15.0, 19.0, 33.0), 0.03, 0.04)
    slices, rows, columns = model.mean.shape
    z, y, x = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
    lattice = model.origin + model.spacing_mm * np.stack([x, y, z], axis=-1)
    field = np.clip(egg_distances(person, lattice.reshape(-1, 3)), -6.0, 6.0).reshape(model.mean.shape)
    theta = model.coefficients(field)
    truth = make_surface(*egg_surface(person))
    shown = model.surface(theta), make_surface(model.surface_points(theta), model.triangles)
    for surface in shown:
        assert surface_distance(truth, surface, samples=3000).assd < 0.25
    assert surface_distance(truth, model.surface(), samples=3000).assd > 0.8
    camera, bone = three_cameras()[0], model.instance(theta)
    wanted = like_footprints(egg_picture(camera, [(person, RigidPose.identity())]))
    drawn = PointMassView.of(camera, bone.points).picture(bone.masses)
    assert np.corrcoef(drawn.ravel(), wanted.ravel())[0, 1] > 0.998
    assert drawn.sum() == pytest.approx(wanted.sum(), rel=0.03)


def test_people_are_told_as_they_are() -> None:
    """Poses are those given; coefficients have SD 1, and each person's shape and density are their own."""
    built = built_eggs()
    model, people = built.model, built.people
    assert people.shape == (16, 6 + model.size + 2)
    turn, shift = RigidPose.from_rotation([6.0, -4.0, 2.0], [2.0, -2.0, 4.0]).parameters(model.middle)
    assert people[2, :6] == pytest.approx(np.concatenate([turn, shift]))
    assert people[:, 6:].mean(axis=0) == pytest.approx(0.0, abs=1e-3)
    assert people[:, 6:].std(axis=0, ddof=1) == pytest.approx(1.0, rel=1e-3)
    cores = [person.core for person in egg_population(16, seed=3)]
    middle = np.argmin(np.linalg.norm(model.points, axis=1))
    shown = [model.instance(each[6:-2], each[-2:]).masses[middle] / model.part_mm**3 for each in people]
    assert np.corrcoef(shown, cores)[0, 1] > 0.97


def test_a_person_is_found_in_radiographs() -> None:
    """By the refiner, from two radiographs in closed form, turned and shifted against the mean."""
    person, pose = Egg((15.0, 19.0, 33.0), 0.03, 0.04), RigidPose.from_rotation([4.0, -5.0, 3.0], [2.0, -2.0, 3.0])
    model = eggs().thinned(1, 4, 2)
    sizes = {"egg": (model.size, model.density_size)}
    anatomy = Anatomy({"egg": model}, {"egg": RigidPose.identity()}, independent(sizes, {"egg": PosePrior()}))
    views = [View(egg_picture(camera, [(person, pose)]), camera) for camera in three_cameras()]
    levels = Level(3.0, 6.0, 1, False, 0, 0, False, 10), Level(3.0, 6.0, 1, False, 10, 10, False, 15)
    bone = list(refine_steps(anatomy, views, RefineOptions(levels=levels, draws=0)))[-1].state.bones["egg"]
    truth = transformed(make_surface(*egg_surface(person)), pose.matrix)
    before = surface_distance(truth, model.surface(), samples=3000).assd
    after = surface_distance(truth, transformed(model.surface(bone.theta), bone.pose.matrix), samples=3000).assd
    assert before > 2.0 and after < 0.4


def test_larger_cubes_hold_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    model = eggs()
    assert model.thinned(2, 2, 1).part_mm == model.part_mm  # 4 mm would leave gaps
    monkeypatch.setattr(signed_distance_model, "COARSEST_MM", 4.0)
    thin = model.thinned(2, 2, 1)
    assert (thin.size, thin.density_size, thin.part_mm) == (2, 1, 2 * model.part_mm)
    theta = [1.0, -0.5]
    whole = model.thinned(1, 2, 1).instance(theta).masses.sum()
    assert thin.instance(theta).masses.sum() == pytest.approx(whole, rel=0.03)
    assert points_of(thin.surface(theta)) == pytest.approx(points_of(model.surface(theta)))
    assert model.middle == pytest.approx([0.0, 0.0, 0.0], abs=0.2)


def test_what_cannot_be() -> None:
    model = balls()
    with pytest.raises(InputError, match="coefficients for 1 modes"):
        model.instance([1.0, 2.0])
    with pytest.raises(InputError, match="do not fit together"):
        replace(model, density=model.density[:-1])
    with pytest.raises(InputError, match="not finite"):
        replace(model, mean=model.mean * np.nan)
    one = {name: getattr(model, name)[..., :1] for name in ("density", "by_depth", "density_modes")}
    with pytest.raises(InputError, match="nothing is left"):
        replace(model, part_mm=1.0, parts=np.array([0]), **one).thinned(3, 1, 1)
    with pytest.raises(InputError, match="two or more"):
        build_signed_distance_model(lambda n, p: p[:, 0], lambda n, p: p[:, 0], [RigidPose.identity()], BOX)
    with pytest.raises(InputError, match="is empty"):
        build_signed_distance_model(lambda n, p: p[:, 0], lambda n, p: p[:, 0], [RigidPose.identity()] * 2, BOX[::-1])
    with pytest.raises(InputError, match="nothing attenuates"):
        build_signed_distance_model(
            lambda n, p: np.linalg.norm(p, axis=1) - 9 - n, lambda n, p: 0 * p[:, 0], [RigidPose.identity()] * 2, BOX
        )
