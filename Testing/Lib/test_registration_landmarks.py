"""A pose from landmarks: exact where it can be, robust to noise, clear where it cannot be."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from geometry_cases import finite, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.registration.landmarks import LandmarkFit, PosePrior, pose_from_landmarks

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


# ---- against OpenCV ------------------------------------------


def opencv(view: XRayCamera) -> tuple[np.ndarray, RigidPose]:
    """K (3, 3), and the world-to-camera motion of OpenCV's frame: x along columns, y along rows, z to the detector."""
    beam = view.normal * np.sign((view.origin - view.source) @ view.normal)
    turn = np.stack([view.column_direction, view.row_direction, beam])
    k = np.array([[view.sdd / view.spacing[0], 0, 0], [0, view.sdd / view.spacing[1], 0], [0, 0, 1.0]])
    k[:2, 2] = view.principal_point
    to_camera = np.eye(4)
    to_camera[:3, :3], to_camera[:3, 3] = turn, -turn @ view.source
    return k, RigidPose(to_camera)


def from_opencv(rotation: np.ndarray, translation: np.ndarray, to_camera: RigidPose) -> RigidPose:
    in_camera = np.eye(4)
    in_camera[:3, :3], in_camera[:3, 3] = cv2.Rodrigues(rotation)[0], translation.ravel()
    return to_camera.inverse() @ RigidPose(in_camera)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_opencv_finds_the_same_pose_from_wrong_marks(seed: int) -> None:
    """Both minimise the distances on a detector with square pixels; PA is a mirrored view, OpenCV has AP."""
    view = standard_camera(1000.0, (0.2, 0.2), (1200, 1000), source_isocentre=900.0, view="AP")
    pixels = view.project(truth().apply(POINTS)) + np.random.default_rng(seed).normal(size=(6, 2)) * 2
    k, to_camera = opencv(view)
    guess = to_camera @ RigidPose.identity()
    rotation, translation = cv2.Rodrigues(guess.rotation)[0], guess.translation.reshape(3, 1).copy()
    _, rotation, translation = cv2.solvePnP(POINTS, pixels, k, None, rotation, translation, True)
    fit = pose_from_landmarks(POINTS, [(view, pixels)], RigidPose.identity())
    degrees, millimetres = error(fit, from_opencv(rotation, translation, to_camera))
    assert degrees < 0.02 and millimetres < 0.1
    assert error(fit, truth())[1] > 1.0


def test_three_marks_and_a_prior_choose_among_the_solutions_of_opencv_s_p3p() -> None:
    view = standard_camera(1000.0, (0.2, 0.2), (1200, 1000), source_isocentre=900.0, view="AP")
    pixels = view.project(truth().apply(POINTS[:3]))
    k, to_camera = opencv(view)
    _, rotations, translations = cv2.solveP3P(POINTS[:3], pixels, k, None, cv2.SOLVEPNP_P3P)
    solutions = [from_opencv(r, t, to_camera) for r, t in zip(rotations, translations, strict=True)]
    assert len(solutions) > 1
    for solution in solutions:
        near = RigidPose.from_rotation((3, -2, 1), (4, 3, -8), solution.apply(CENTRE)) @ solution
        fit = pose_from_landmarks(POINTS[:3], [(view, pixels)], prior=PosePrior(near), precision_px=1e-3)
        assert max(error(fit, solution)) < 0.1
        assert fit.residual_px < 0.01 and fit.used == 3


# ---- priors, weights, wrong marks ------------------------------------------


def test_one_mark_moves_the_prior_as_bayes_says() -> None:
    """Two Gaussians in the picture's plane; what the mark does not say stays, deviations and all."""
    pose, view = RigidPose.identity(), camera("PA")
    deviation_px, in_plane = 10.0, 3.0
    mark = view.project([0.0, 0, 0]) + [10.0, 0]
    prior = PosePrior(pose, (5.0, 6.0, 7.0), in_plane, 1.0)
    fit = pose_from_landmarks(np.zeros((1, 3)), [(view, mark[None])], prior=prior, precision_px=deviation_px)
    pixel_mm = 0.2 * 0.9
    share = in_plane**2 / (in_plane**2 + (deviation_px * pixel_mm) ** 2)
    assert fit.pose.translation == pytest.approx([10 * pixel_mm * share, 0, 0], abs=1e-2)
    assert np.allclose(fit.pose.rotation, np.eye(3), atol=1e-6)
    pixel_z = 0.25 * 0.9
    expected = [5.0, 7.0, 6.0]  # columns run along x, rows along z, the beam along y
    expected += [(1 / in_plane**2 + 1 / (deviation_px * size) ** 2) ** -0.5 for size in (pixel_mm, pixel_z)]
    deviations = np.sqrt(np.diag(fit.covariance))
    assert deviations[[0, 1, 2, 3, 5]] == pytest.approx(expected, rel=1e-2)
    assert deviations[4] == pytest.approx(1.0, rel=1e-2)


def test_finer_marks_weigh_more() -> None:
    """Two pictures of one exposure, one marked 10 pixels to the side: the marks' weighted mean."""
    pose, view = truth(), camera("PA")
    pixels = view.project(pose.apply(POINTS))
    fit = pose_from_landmarks(
        POINTS, [(view, pixels), (view, pixels + [10, 0])], pose, precision_px=[1.0, np.full(6, 2)]
    )
    moved = view.project(fit.pose.apply(POINTS)) - pixels
    assert moved.mean(axis=0) == pytest.approx([10 * 0.25 / 1.25, 0.0], abs=0.05)


def test_a_wrong_click_is_named_and_borne() -> None:
    pose = truth()
    views = [seen("PA", pose, 6, 0.5, 1), seen("LAT", pose, 6, 0.5, 2)]
    views[1][1][3] += [90.0, -60.0]
    plain = pose_from_landmarks(POINTS, views, RigidPose.identity())
    sturdy = pose_from_landmarks(POINTS, views, RigidPose.identity(), robust=True)
    assert error(plain, pose)[1] > 2.0
    assert error(sturdy, pose)[1] < 0.5 and error(sturdy, pose)[0] < 1.0
    assert sturdy.suspects == ((1, 3),)
    assert sturdy.residuals_px[1][3] == pytest.approx(np.hypot(90, 60), abs=5)
    assert np.delete(sturdy.residuals_px[1], 3).max() < 5 and sturdy.residuals_px[0].max() < 5
    views[1][1][3] -= [90.0, -60.0]
    assert pose_from_landmarks(POINTS, views, RigidPose.identity()).suspects == ()


def test_the_covariance_is_the_spread_of_repeated_marking() -> None:
    """One view: the depth is loose and the picture's plane is tight; 24 times marked anew."""
    pose, view = truth((5, 10, -5)), camera("PA")
    pixels, generator = view.project(pose.apply(POINTS)), np.random.default_rng(3)
    differences, predicted = [], []
    for _ in range(24):
        marks = pixels + generator.normal(size=pixels.shape) * 1.5
        fit = pose_from_landmarks(POINTS, [(view, marks)], pose, precision_px=1.5)
        turn = np.rad2deg((fit.pose @ pose.inverse()).log()[:3])
        differences.append([*turn, *(fit.pose.apply(CENTRE) - pose.apply(CENTRE))])
        predicted.append(np.diag(fit.covariance))
    spread, said = np.std(differences, axis=0), np.sqrt(np.median(predicted, axis=0))
    assert np.all(spread / said > 0.6) and np.all(spread / said < 1.5)
    assert said[4] > 10 * said[3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"precision_px": 0.0}, "precision must be above zero"),
        ({"precision_px": [1.0, 2.0]}, "for each of 1 views one or 6"),
    ],
)
def test_useless_precisions_are_refused(arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        pose_from_landmarks(POINTS, [seen("PA", truth(), 6)], **arguments)


def test_a_prior_needs_deviations_and_a_mark() -> None:
    with pytest.raises(InputError, match="must be above zero"):
        PosePrior(truth(), in_plane_mm=0.0)
    with pytest.raises(InputError, match="mark at least one"):
        pose_from_landmarks(POINTS, [(camera("PA"), np.full((6, 2), np.nan))], prior=PosePrior(truth()))
