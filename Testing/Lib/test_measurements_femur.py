"""Femur measurements: angles drawn by hand, sections and spheres with known middles, synthetic hips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import least_squares
from solids import sphere

from XRayTo3DLib.dataset.phantoms import HipShape, make_hip
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.measurements import femur_landmarks, femur_measures, measurements_of
from XRayTo3DLib.measurements.sections import curves, fitted_sphere, on_head
from XRayTo3DLib.shape.meshes import points_of, triangles_of


def drawn(neck_shaft: float, anteversion: float, left: bool = False) -> dict[str, np.ndarray]:
    """Landmarks of a femur that stands on its condyles: +z up, medial +x in a right one (head's side), front -y.

    The shaft is vertical and the neck meets it at the long axis, so both angles follow from trigonometry.
    """
    up, turn = np.deg2rad(neck_shaft) - np.pi / 2, np.deg2rad(anteversion)
    neck = np.array([np.cos(up) * np.cos(turn), -np.cos(up) * np.sin(turn), np.sin(up)])
    base = np.array([0.0, 0.0, 400.0])
    points = {
        "femoral head centre": base + 50 * neck,
        "femoral neck centre": base + 20 * neck,
        "femoral shaft proximal": np.array([0.0, 0.0, 340.0]),
        "femoral shaft distal": np.array([0.0, 0.0, 260.0]),
        "knee centre": np.zeros(3),
        "medial posterior condyle": np.array([25.0, 30.0, 5.0]),
        "lateral posterior condyle": np.array([-25.0, 30.0, 2.0]),
        "medial epicondyle": np.array([40.0, 0.0, 0.0]),
        "lateral epicondyle": np.array([-40.0, 9.0, 0.0]),
    }
    return {name: point * [-1.0 if left else 1.0, 1.0, 1.0] for name, point in points.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.floats(105, 150),
    st.floats(-30, 50),
    arrays(float, 3, elements=st.floats(-179, 179)),
    arrays(float, 3, elements=st.floats(-300, 300)),
    st.booleans(),
)
def test_what_is_drawn_is_measured_in_any_pose_and_on_either_side(neck_shaft, anteversion, turn, shift, left) -> None:
    pose = RigidPose.from_rotation(turn, shift)
    found = femur_measures({name: pose.apply(each) for name, each in drawn(neck_shaft, anteversion, left).items()})
    assert found["neck_shaft_angle"] == pytest.approx(neck_shaft, abs=1e-6)
    assert found["femoral_anteversion"] == pytest.approx(anteversion, abs=1e-6)
    assert found["femoral_offset"] == pytest.approx(50 * np.sin(np.deg2rad(neck_shaft)), abs=1e-6)
    assert found["epicondylar_width"] == pytest.approx(np.hypot(80, 9), abs=1e-6)


def test_without_condyles_there_is_no_anteversion() -> None:
    few = {name: point for name, point in drawn(127, 12).items() if "condyle" not in name}
    assert set(femur_measures(few)) == {"neck_shaft_angle", "femoral_offset"}
    assert femur_measures({}) == {}


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray]:
    surface = sphere(20.0, 60)
    return points_of(surface), triangles_of(surface)


def test_a_plane_cuts_a_ball_in_a_circle(ball) -> None:
    """Of radius 20, 12 mm off the middle: a circle of 16 mm, however unevenly the surface is meshed."""
    points, triangles = ball
    normal = np.array([2.0, -1.0, 2.0]) / 3
    ((middle, length),) = curves(points, triangles, points @ normal - 12.0)
    assert middle == pytest.approx(12.0 * normal, abs=0.05)
    assert length == pytest.approx(2 * np.pi * 16.0, rel=0.005)
    assert curves(points, triangles, points @ normal - 21.0) == []


def test_two_balls_are_two_curves_the_longer_one_first(ball) -> None:
    points, triangles = ball
    both = np.concatenate([points, 0.5 * points + [50.0, 0.0, 0.0]])
    found = curves(both, np.concatenate([triangles, triangles + len(points)]), both[:, 2])
    assert [length for _, length in found] == pytest.approx([40 * np.pi, 20 * np.pi], rel=0.01)
    assert found[1][0] == pytest.approx([50, 0, 0], abs=0.05)


def test_a_head_is_found_among_other_points_and_fitted_as_scipy_does() -> None:
    """A ball of 23 mm with noise on a stick: the ball's points alone, and SciPy's least squares on them."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(600, 3))
    head = directions / np.linalg.norm(directions, axis=1, keepdims=True) * 23.0 + rng.normal(size=(600, 3)) * 0.1
    head = head[head[:, 2] > -12.0] + [40.0, 10.0, 0.0]
    angle = rng.uniform(0, 2 * np.pi, 2000)
    stick = np.stack([14 * np.cos(angle), 14 * np.sin(angle), rng.uniform(-400, -30, 2000)], axis=1)
    points = np.concatenate([stick, head])
    kept = on_head(points)
    assert kept[2000:].mean() > 0.99 and kept[:2000].mean() < 0.01
    centre, radius = fitted_sphere(points[kept])
    theirs = least_squares(
        lambda guess: np.linalg.norm(points[kept] - guess[:3], axis=1) - guess[3], [*points[kept].mean(axis=0), 20.0]
    ).x
    assert [*centre, radius] == pytest.approx(theirs, abs=0.05)
    assert [*centre, radius] == pytest.approx([40.0, 10.0, 0.0, 23.0], abs=0.05)
    assert on_head(stick) is None and femur_landmarks(stick, np.array([[0, 1, 2]])) == {}


@pytest.fixture(scope="module", params=["right", "left"])
def hip(request):
    shape = HipShape(side=request.param, neck_shaft_angle=135.0)
    return shape, make_hip(shape, spacing=5.0, soft_tissue=False, mesh_spacing=1.5).meshes["femur"]


def test_a_synthetic_hip_measures_as_it_was_made(hip) -> None:
    shape, mesh = hip
    pose = RigidPose.from_rotation([70, -30, 20], [10, 200, -50])
    points, triangles = pose.apply(points_of(mesh)), triangles_of(mesh)
    found = femur_landmarks(points, triangles)
    assert found["femoral head centre"] == pytest.approx(pose.apply(np.zeros(3)), abs=0.5)
    values = {each.name: each.value for each in measurements_of({"femur": (points, triangles)}, {}, None, "hip")}
    assert set(values) == {"neck_shaft_angle", "femoral_offset"}
    assert values["neck_shaft_angle"] == pytest.approx(shape.neck_shaft_angle, abs=4.0)


def test_a_femur_is_measured_on_every_draw_of_its_surface(hip) -> None:
    """Ten draws ten to nine tenths of the size: angles stay, lengths vary as the size does."""
    points, triangles = points_of(hip[1]), triangles_of(hip[1])
    sizes = np.linspace(0.95, 1.05, 10)
    draws = {"femur_left": sizes[:, None, None] * points}
    found = measurements_of({"femur_left": (points, triangles)}, {}, draws, "hips")
    by_name = {each.name: each for each in found}
    assert set(by_name) == {"neck_shaft_angle_left", "femoral_offset_left"}
    offset = by_name["femoral_offset_left"]
    assert offset.sd == pytest.approx(offset.value * sizes.std(ddof=1), rel=0.02)
    assert offset.sd_of_landmarks == 0.0
    assert by_name["neck_shaft_angle_left"].sd < 0.2
