"""A pose from landmarks: exact where it can be, robust to noise, clear where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import finite, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.registration.landmarks import LandmarkFit, pose_from_landmarks

POINTS = np.array([[0.0, 0, 0], [22, 4, -3], [-6, 14, 9], [5, -12, 60], [-9, 6, -50], [14, 10, 25]])
CENTRE = POINTS.mean(axis=0)


def camera(view: str) -> XRayCamera:
    return standard_camera(1000.0, (0.2, 0.25), (1200, 1000), source_isocentre=900.0, view=view)


def truth(turn: object = (15.0, -25.0, 30.0), shift: object = (8.0, -5.0, 12.0)) -> RigidPose:
    return RigidPose.from_rotation(turn, shift)


def seen(view: str, pose: RigidPose, count: int, noise: float = 0.0, seed: int = 0) -> tuple[XRayCamera, np.ndarray]:
    pixels = camera(view).project(pose.apply(POINTS[:count]))
    return camera(view), pixels + np.random.default_rng(seed).normal(size=pixels.shape) * noise


def error(fit: LandmarkFit, pose: RigidPose) -> tuple[float, float]:
    return fit.pose.distance_to(pose, CENTRE)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(turn=vectors(20.0), shift=vectors(15.0))
def test_four_points_in_one_view_are_enough(turn: np.ndarray, shift: np.ndarray) -> None:
    pose = truth(turn, shift)
    fit = pose_from_landmarks(POINTS[:4], [seen("PA", pose, 4)], RigidPose.identity())
    assert max(error(fit, pose)) < 1e-2
    assert fit.residual_px < 1e-3 and fit.used == 4


@settings(max_examples=8, deadline=None, derandomize=True)
@given(turn=vectors(25.0), shift=vectors(15.0))
def test_three_points_in_two_views_are_enough(turn: np.ndarray, shift: np.ndarray) -> None:
    pose = truth(turn, shift)
    fit = pose_from_landmarks(POINTS[:3], [seen("PA", pose, 3), seen("LAT", pose, 3)], RigidPose.identity())
    assert max(error(fit, pose)) < 1e-2 and fit.used == 6


@pytest.mark.parametrize("turn", [(0, 0, 0), (170, 20, 0), (0, 95, 40), (-60, 0, 150)])
def test_no_first_guess_is_needed(turn: tuple[float, float, float]) -> None:
    """The turns it tries reach every orientation."""
    pose = truth(turn)
    fit = pose_from_landmarks(POINTS, [seen("PA", pose, 6), seen("LAT", pose, 6)])
    assert max(error(fit, pose)) < 1e-3


def test_a_finer_detector_weighs_no_more() -> None:
    """The same marking errors in mm: the fit does not depend on how finely one detector is divided."""
    pose = truth()
    coarse, marks = seen("PA", pose, 6)
    fine = coarse.resampled((coarse.size[0] * 8, coarse.size[1]))
    noise = np.random.default_rng(4).normal(size=marks.shape)
    lateral = seen("LAT", pose, 6, 1.0, 5)
    fits = []
    for camera_pa in (coarse, fine):
        scale = np.array(coarse.spacing) / np.array(camera_pa.spacing)
        pixels = camera_pa.project(pose.apply(POINTS[:6])) + noise * scale
        fits.append(pose_from_landmarks(POINTS, [(camera_pa, pixels), lateral], RigidPose.identity()).pose)
    degrees, millimetres = fits[0].distance_to(fits[1], CENTRE)
    assert degrees < 0.01 and millimetres < 0.01


def test_three_landmarks_each_seen_once_are_too_few() -> None:
    first, second = seen("PA", truth(), 3), seen("LAT", truth(), 3)
    first[1][2] = np.nan
    second[1][:2] = np.nan
    with pytest.raises(InputError, match="3 pairs marked in 2 radiographs.*one of them in both"):
        pose_from_landmarks(POINTS[:3], [first, second])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(noise=finite(0.2, 3.0), seed=st.integers(0, 1000))
def test_marking_errors_move_the_pose_little(noise: float, seed: int) -> None:
    """A pixel is 0.2 mm; six points in two views stay within a few marking errors, and the residual says how large."""
    pose = truth()
    views = [seen(view, pose, 6, noise, seed + number) for number, view in enumerate(("PA", "LAT"))]
    fit = pose_from_landmarks(POINTS, views, RigidPose.identity())
    degrees, millimetres = error(fit, pose)
    assert millimetres < 1.0 * noise and degrees < 2.5 * noise
    assert 0.2 * noise < fit.residual_px < 2.5 * noise
    narrow, tall = camera("PA").pixel_size_at(pose.apply(CENTRE))
    assert 0.95 * narrow < fit.residual_mm / fit.residual_px < 1.05 * tall


def test_unmarked_points_are_left_out() -> None:
    pose = truth()
    first, second = seen("PA", pose, 6), seen("LAT", pose, 6)
    first[1][[1, 4]] = np.nan
    second[1][[0, 1]] = np.nan
    fit = pose_from_landmarks(POINTS, [first, second], RigidPose.identity())
    assert max(error(fit, pose)) < 1e-3 and fit.used == 8


def test_a_view_without_marks_is_no_view() -> None:
    pose, nothing = truth(), (camera("LAT"), np.full((3, 2), np.nan))
    with pytest.raises(InputError, match="3 pairs marked in one radiograph, at least 4 are needed"):
        pose_from_landmarks(POINTS[:3], [seen("PA", pose, 3), nothing])
    four = (camera("LAT"), np.full((4, 2), np.nan))
    fit = pose_from_landmarks(POINTS[:4], [seen("PA", pose, 4), four], RigidPose.identity())
    assert max(error(fit, pose)) < 1e-2 and np.isfinite(fit.residual_mm)


@pytest.mark.parametrize(
    ("count", "views", "words"),
    [
        (3, ("PA",), r"3 pairs marked in one radiograph, at least 4 are needed \(4 in one; 3 over two, one"),
        (2, ("PA", "LAT"), "2 pairs marked in 2 radiographs, at least 3"),
        (0, ("PA",), "0 pairs marked"),
        (4, (), "0 pairs marked"),
    ],
)
def test_too_few_are_counted_in_the_message(count: int, views: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        pose_from_landmarks(POINTS[:count], [seen(view, truth(), count) for view in views])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(direction=vectors(1.0).filter(lambda v: np.linalg.norm(v) > 0.1), start=vectors(50.0))
def test_points_on_one_line_are_refused(direction: np.ndarray, start: np.ndarray) -> None:
    line = start + np.linspace(-30, 40, 5)[:, None] * direction / np.linalg.norm(direction)
    pixels = camera("PA").project(line)
    with pytest.raises(InputError, match="lie on one line; add one beside it"):
        pose_from_landmarks(line, [(camera("PA"), pixels)])


def test_points_at_one_place_are_refused() -> None:
    same = np.zeros((4, 3))
    with pytest.raises(InputError, match="lie on one line"):
        pose_from_landmarks(same, [(camera("PA"), camera("PA").project(same))])


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"4 on the CT but pixels of shape \(3, 2\); use NaN for unmarked"):
        pose_from_landmarks(POINTS[:4], [seen("PA", truth(), 3)])
