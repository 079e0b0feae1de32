"""Fitting shape models to points, outlines and landmarks of blobs whose shape and pose are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shape_model_cases import blob_model

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.projection.silhouette import mesh_silhouette, overlap
from XRayTo3DLib.shape.field_surface import clipped_to_box
from XRayTo3DLib.shape.meshes import make_surface, point_array, sample_surface, vertex_normals
from XRayTo3DLib.shape.model_fitting import FitOptions, Softness, _surface_evidence, fit_shape_model
from XRayTo3DLib.shape.model_fitting_clip import box_clip, edge_clip, every_clip, frustum_clip, plane_clip
from XRayTo3DLib.shape.model_fitting_contours import Outline, fit_to_contours, outline_of_mask
from XRayTo3DLib.shape.model_fitting_energy import Energy, PlacedModel
from XRayTo3DLib.shape.model_fitting_pulls import Landmarks, Pulls, make_target

MODEL = blob_model()
THETA = np.array([1.5, -1.0, 1.2])
POSE = RigidPose.from_rotation([8, -6, 5], [6, -4, 5])
TRUTH = POSE.apply(MODEL.shape(THETA))
NEAR = RigidPose.identity()


def cloud(count: int = 1200, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    points, _ = sample_surface(make_surface(TRUTH, MODEL.triangles), count, seed)
    return points + np.random.default_rng(seed).normal(size=points.shape) * noise


def error(fitted) -> float:
    return float(np.linalg.norm(fitted.points - TRUTH, axis=1).mean())


def random_pulls(random: np.random.Generator, reach: float = 8.0) -> Pulls:
    def directions():
        vectors = random.normal(size=(30, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    normals = directions()
    blind = np.cross(normals, directions())
    blind /= np.linalg.norm(blind, axis=1, keepdims=True)
    blind[::2] = 0
    shares = random.random((30, 3))
    return Pulls(
        random.integers(0, len(MODEL.mean), (30, 3)),
        shares / shares.sum(axis=1, keepdims=True),
        random.normal(size=(30, 3)) * 20,
        normals,
        blind,
        random.random(30),
        random.random(30),
        np.full(30, reach),
    )


def random_energy(seed: int, scale: bool, reach: float, prior: float = 0.3) -> tuple[Energy, np.ndarray]:
    random = np.random.default_rng(seed)
    pulls = random_pulls(random, reach)
    model = PlacedModel(MODEL)
    placed = model.start(RigidPose.from_rotation(random.normal(size=3) * 40, random.normal(size=3) * 20), 1.1)
    energy = Energy(model, placed, pulls, prior, scale)
    return energy, energy.first() + random.normal(size=len(energy.first()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([8.0, np.inf]))
def test_gradient_is_that_of_finite_differences(seed, scale, reach):
    energy, unknowns = random_energy(seed, scale, reach)
    _, gradient = energy.value(unknowns)
    steps = 1e-5 * np.eye(len(unknowns))
    numeric = [(energy.value(unknowns + step)[0] - energy.value(unknowns - step)[0]) / 2e-5 for step in steps]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-6, abs=1e-6 * np.abs(gradient).max())


def test_energy_is_the_formula_written_out():
    energy, unknowns = random_energy(3, True, 8.0)
    placed = energy.placement(unknowns)
    world = PlacedModel(MODEL).world(placed)
    random = random_pulls(np.random.default_rng(3))
    expected = 0.3 / MODEL.size * np.sum(placed.theta**2)
    for number in range(30):
        offset = random.shares[number] @ world[random.corners[number]] - random.targets[number]
        offset = offset - (offset @ random.blind[number]) * random.blind[number]
        along = offset @ random.normals[number]
        misfit = along**2 + random.sideways[number] * (offset @ offset - along**2)
        expected += random.weights[number] * misfit * 8.0**2 / (8.0**2 + misfit)
    assert energy.value(unknowns)[0] == pytest.approx(expected, rel=1e-9)


def test_hessian_is_that_of_finite_differences_where_every_pull_is_satisfied():
    energy, _ = random_energy(1, True, np.inf)
    at = energy.first()
    model = energy.mean + np.tensordot(at[:3], energy.basis, axes=1)
    energy.targets = energy.placed.scale * model
    steps = 1e-5 * np.eye(len(at))
    numeric = np.array([(energy.value(at + step)[1] - energy.value(at - step)[1]) / 2e-5 for step in steps])
    assert energy.hessian(at) == pytest.approx(numeric, abs=1e-5 * np.abs(numeric).max())


@pytest.mark.parametrize("direction", ["both", "to_model"])
def test_shape_and_pose_are_found_again(direction):
    found = fit_shape_model(MODEL, cloud(), FitOptions(direction=direction, prior=1e-5), NEAR)
    assert error(found) < 0.1
    assert found.theta == pytest.approx(THETA, abs=0.05)
    assert found.pose.distance_to(POSE, [0, 0, 0])[0] < 0.5
    assert found.residual_mm < 0.1
    assert found.pose.apply(found.scale * MODEL.shape(found.theta)) == pytest.approx(found.points)
    assert len(point_array(found.surface(), "uncertainty_mm")) == len(MODEL.mean)


@pytest.mark.parametrize("direction", ["both", "to_model"])
def test_all_pulls_of_a_surface_weigh_one_together_as_the_prior_expects(direction):
    options = FitOptions(direction=direction)
    evidence = _surface_evidence(MODEL, make_target(cloud(300), None, 300), options)
    pulls, _ = evidence(NEAR.apply(MODEL.mean), Softness(1.0, 5.0, 0.01))
    assert pulls.weights.sum() == pytest.approx(1)
    assert pulls.weights[:300].sum() == pytest.approx(0.5 if direction == "both" else 1.0)


def test_size_is_found_when_asked_for():
    mean = MODEL.truncated(0)
    target, _ = sample_surface(make_surface(POSE.apply(1.08 * mean.mean), mean.triangles), 1200)
    found = fit_shape_model(mean, target, FitOptions(scale=True), NEAR)
    assert found.scale == pytest.approx(1.08, abs=4e-3)
    assert fit_shape_model(mean, target, None, NEAR).scale == 1.0


def test_the_start_is_found_from_any_side():
    turned = RigidPose.from_rotation([100, 120, -80], [200, -300, 50])
    found = fit_shape_model(MODEL, turned.apply(cloud()), FitOptions(prior=1e-4))
    assert np.linalg.norm(found.points - turned.apply(TRUTH), axis=1).mean() < 0.2


def test_a_fifth_of_outliers_does_little_and_much_to_plain_squares():
    random = np.random.default_rng(4)
    stray = TRUTH.mean(axis=0) + [35, 30, 0] + random.normal(size=(240, 3)) * 8
    target = np.concatenate([cloud(960), stray])
    robust = fit_shape_model(MODEL, target, FitOptions(direction="to_model"), NEAR)
    plain = fit_shape_model(MODEL, target, FitOptions(direction="to_model", robust_mm=None), NEAR)
    assert error(robust) < 0.2
    assert error(plain) > 1.0


def test_the_clip_keeps_the_unseen_end_from_being_dragged_to_the_cut():
    middle = POSE.apply(np.zeros(3)) + POSE.rotation @ [0, 0, -9]
    clip = plane_clip(middle, POSE.rotation @ [0, 0, 1])
    seen = cloud()[clip(cloud())]
    assert 0.5 < len(seen) / 1200 < 0.7
    clipped = fit_shape_model(MODEL, seen, FitOptions(clip=clip), NEAR)
    blind = fit_shape_model(MODEL, seen, FitOptions(), NEAR)
    assert error(clipped) < 0.5
    assert error(blind) > 2 * error(clipped)
    shown = clip(TRUTH)
    assert clipped.uncertainty_mm[~shown].mean() > 1.3 * clipped.uncertainty_mm[shown].mean()


def test_normals_keep_front_and_back_of_a_thin_bone_apart():
    points, triangle = sample_surface(make_surface(TRUTH, MODEL.triangles), 1200)
    corners = TRUTH[MODEL.triangles[triangle]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = normals[:, 0] > 0
    away = RigidPose.from_rotation([0, 0, 0], [22, 0, 0])
    options = FitOptions(direction="to_model", iterations=40)
    told = fit_shape_model(MODEL, points[front], options, away, normals=normals[front])
    untold = fit_shape_model(MODEL, points[front], options, away)
    assert error(told) < 0.5
    assert error(untold) > 5, "from there the wrong side is nearer"
    assert vertex_normals(TRUTH, MODEL.triangles).shape == TRUTH.shape


def test_a_heavy_prior_keeps_the_mean():
    found = fit_shape_model(MODEL, cloud(), FitOptions(prior=1e6), NEAR)
    assert np.abs(found.theta).max() < 0.01


def test_uncertainty_is_about_the_error_made():
    """Twelve noisy clouds of one shape: the errors' spread against what every fit says about itself."""
    fits = [fit_shape_model(MODEL, cloud(150, 1.0, seed), FitOptions(prior=1e-3), POSE) for seed in range(12)]
    errors = np.sqrt(np.mean([np.sum((fit.points - TRUTH) ** 2, axis=1) for fit in fits]))
    told = np.sqrt(np.mean([fit.uncertainty_mm**2 for fit in fits]))
    assert 0.5 < told / errors < 2


def test_landmarks_pull_where_the_surface_says_nothing():
    ends = np.array([int(np.argmax(MODEL.mean[:, 2])), int(np.argmin(MODEL.mean[:, 2]))])
    points = TRUTH[ends]
    waist = cloud()[np.abs((cloud() - POSE.translation) @ POSE.rotation[:, 2]) < 12]
    around = plane_clip(POSE.translation, [0, 0, 1])
    options = FitOptions(direction="to_model", clip=around)
    alone = fit_shape_model(MODEL, waist, options, NEAR)
    helped = fit_shape_model(MODEL, waist, options, NEAR, landmarks=Landmarks(ends, points))
    missing = fit_shape_model(MODEL, waist, options, NEAR, landmarks=Landmarks(ends, np.full((2, 3), np.nan)))
    assert np.linalg.norm(helped.points[ends] - points, axis=1).max() < 0.5
    assert error(helped) < 0.6 * error(alone)
    assert missing.points == pytest.approx(alone.points)
    with pytest.raises(InputError, match="outside"):
        fit_shape_model(MODEL, waist, None, NEAR, landmarks=Landmarks(np.array([10**6]), points[:1]))


def cameras() -> list:
    return [standard_camera(1000, (0.5, 0.5), (320, 320), source_isocentre=850, view=view) for view in ("AP", "LAT")]


def test_two_outlines_give_shape_and_pose():
    seen = [outline_of_mask(camera, mesh_silhouette(camera, TRUTH, MODEL.triangles)) for camera in cameras()]
    found = fit_to_contours(MODEL, seen, NEAR)
    assert error(found) < 0.5
    assert found.residual_mm < 0.2
    single = fit_to_contours(MODEL, seen[:1], NEAR)
    shadows = [mesh_silhouette(cameras()[0], points, MODEL.triangles) for points in (single.points, TRUTH)]
    assert overlap(*shadows) > 0.97, "what one view shows is met"
    assert single.uncertainty_mm.mean() > 2 * found.uncertainty_mm.mean(), "along the beam only the size tells"


def test_outlines_at_the_pictures_border_do_not_count():
    camera = cameras()[0].cropped(0, 0, 320, 150)
    outline = outline_of_mask(camera, mesh_silhouette(camera, TRUTH, MODEL.triangles))
    assert outline.pixels[:, 1].max() < 149 - 1.5
    assert len(outline.pixels) > 100
    away = outline.pixels - outline.pixels.mean(axis=0)
    assert np.mean(np.einsum("qd,qd->q", away, outline.directions) > 0) > 0.9


def test_clips_are_what_they_say():
    random = np.random.default_rng(0)
    points = random.uniform(-60, 60, (500, 3))
    inside = box_clip([-20, -30, -40], [20, 30, 40])(points)
    assert np.array_equal(inside, np.all(np.abs(points) <= [20, 30, 40], axis=1))
    above = plane_clip([0, 0, 10], [0, 0, 2])(points)
    assert np.array_equal(above, points[:, 2] >= 10)
    both = every_clip(box_clip([-20, -30, -40], [20, 30, 40]), plane_clip([0, 0, 10], [0, 0, 1]))
    assert np.array_equal(both(points), inside & above)
    camera = standard_camera(1000, (1, 1), (100, 80), source_isocentre=800)
    pixel = camera.project(points)
    on = (pixel > -0.5) & (pixel < [99.5, 79.5])
    assert np.array_equal(frustum_clip(camera)(points), on.all(axis=1))
    assert frustum_clip(camera, 5)(points).sum() < on.all(axis=1).sum()
    behind = camera.source + 50 * (camera.source - camera.centre) / camera.sdd
    assert not frustum_clip(camera)(behind[None]).any()
    with pytest.raises(InputError, match="must lie below"):
        box_clip([0, 0, 0], [1, -1, 1])


def test_points_beyond_an_open_edge_are_nearest_to_it():
    whole = make_surface(MODEL.mean, MODEL.triangles)
    part = clipped_to_box(whole, np.array([-100.0, -100, 0]), np.array([100.0, 100, 100]))
    shown = edge_clip(part, 1.0)(MODEL.mean)
    assert not shown[MODEL.mean[:, 2] < -5].any()
    assert shown[MODEL.mean[:, 2] > 8].all()
    assert edge_clip(whole)(MODEL.mean).all(), "a closed surface has no edge"


def test_wrong_input_is_refused():
    good = cloud(50)
    for target, message in (
        (good[:3], "at least 4 points"),
        (good[:, :2], "shape"),
        (np.where(good > 0, np.nan, good), "not finite"),
        (good / 1000, "in mm"),
        (good * 1000, "in mm"),
        (np.ones((9, 3)), "in mm"),
    ):
        with pytest.raises(InputError, match=message):
            fit_shape_model(MODEL, target)
    with pytest.raises(InputError, match="normals of shape"):
        fit_shape_model(MODEL, good, normals=good[1:])
    with pytest.raises(InputError, match="normals that are not finite"):
        fit_shape_model(MODEL, good, normals=np.full_like(good, np.nan))
    for options in ({"direction": "back"}, {"prior": -1}, {"robust_mm": 0}, {"points": 0}):
        with pytest.raises(InputError):
            FitOptions(**options)
    camera = cameras()[0]
    with pytest.raises(InputError, match="at least one outline"):
        fit_to_contours(MODEL, [], NEAR)
    with pytest.raises(InputError, match="at least 4"):
        Outline(camera, np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="mask of shape"):
        outline_of_mask(camera, np.zeros((10, 10)))
    outline = Outline(camera, np.random.default_rng(0).random((9, 2)) * 100, np.ones((9, 2)))
    with pytest.raises(InputError, match="behind the X-ray source"):
        fit_to_contours(MODEL, [outline], RigidPose.from_rotation([0, 0, 0], camera.source))
