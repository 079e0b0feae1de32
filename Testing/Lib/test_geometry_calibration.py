"""Cameras from radiographic distances, OpenCV calibrations and projection matrices."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import cameras, finite, oblique_camera, rotations, vectors
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS, opencv_camera, projection_matrix_camera, standard_camera

LEFT, POSTERIOR, SUPERIOR = np.eye(3)


# ---- standard geometry -------------------------------------------------------------------------------------


def standard(view: str = "AP", **options: object) -> XRayCamera:
    return standard_camera(1000.0, (0.2, 0.2), (501, 401), source_isocentre=800.0, view=view, **options)


@pytest.mark.parametrize("view", VIEWS)
def test_the_isocentre_is_in_the_middle_and_enlarged(view: str) -> None:
    camera = standard(view, isocentre=(10.0, 20.0, 30.0))
    assert camera.project([10.0, 20.0, 30.0]) == pytest.approx([250.0, 200.0])
    assert camera.magnification([10.0, 20.0, 30.0]) == pytest.approx(1000 / 800)
    assert np.linalg.norm(camera.source - [10.0, 20.0, 30.0]) == pytest.approx(800.0)
    assert camera.sdd == pytest.approx(1000.0)
    assert camera.principal_point == pytest.approx([250.0, 200.0])


@pytest.mark.parametrize("view", VIEWS)
def test_the_head_is_up(view: str) -> None:
    camera = standard(view)
    assert camera.project(40 * SUPERIOR) == pytest.approx([250.0, 200.0 - 40 * 1.25 / 0.2])


@pytest.mark.parametrize(("view", "front_of_source"), [("AP", -POSTERIOR), ("PA", POSTERIOR)])
def test_the_patient_s_right_is_on_the_image_s_left(view: str, front_of_source: np.ndarray) -> None:
    """AP: tube in front of the patient; PA: tube behind; both hung as if the patient faced the reader."""
    camera = standard(view)
    assert camera.source == pytest.approx(800 * front_of_source)
    assert camera.project(-40 * LEFT) == pytest.approx([250.0 - 40 * 1.25 / 0.2, 200.0])


@pytest.mark.parametrize(("view", "side_at_detector"), [("LL", LEFT), ("LAT", LEFT), ("RL", -LEFT)])
def test_lateral_views_have_the_named_side_at_the_detector(view: str, side_at_detector: np.ndarray) -> None:
    camera = standard(view)
    assert camera.centre == pytest.approx(200 * side_at_detector)
    assert camera.project(-40 * POSTERIOR) == pytest.approx([0.0, 200.0])


def test_view_names_may_be_lower_case() -> None:
    assert standard("pa").is_close(standard("PA"))


def test_an_extremity_on_the_cassette_is_not_enlarged() -> None:
    camera = standard_camera(1100.0, (0.1, 0.1), (100, 100), isocentre=(5, 6, 7))
    assert camera.magnification([5, 6, 7]) == pytest.approx(1.0)
    assert camera.centre == pytest.approx([5, 6, 7])


def test_pixels_need_not_be_square_nor_the_beam_in_the_middle() -> None:
    camera = standard_camera(
        1000.0, (0.2, 0.4), (501, 401), source_isocentre=500.0, principal_point=(100.0, -20.0), view="AP"
    )
    assert camera.principal_point == pytest.approx([100.0, -20.0])
    # 10 mm to the patient's left and 10 mm towards the feet: 20 mm each on the detector.
    assert camera.project(10 * LEFT - 10 * SUPERIOR) == pytest.approx([100 + 20 / 0.2, -20 + 20 / 0.4])


@pytest.mark.parametrize("view", ["AP", "PA"])
def test_positive_angles_turn_the_detector_to_the_left_and_to_the_head(view: str) -> None:
    """DICOM's positioner angles: LAO and cranial are positive."""
    forward = -POSTERIOR if view == "PA" else POSTERIOR
    turned = standard(view, angles_deg=(30.0, 0.0))
    assert turned.view_direction == pytest.approx(np.cos(np.pi / 6) * forward + 0.5 * LEFT)
    tilted = standard(view, angles_deg=(0.0, 20.0))
    assert tilted.view_direction == pytest.approx(np.cos(np.deg2rad(20)) * forward + np.sin(np.deg2rad(20)) * SUPERIOR)
    both = standard(view, angles_deg=(30.0, 20.0))
    assert both.project([0, 0, 0]) == pytest.approx([250.0, 200.0])
    assert both.project(40 * SUPERIOR)[1] < 200 < both.project(-40 * SUPERIOR)[1]
    assert both.project(-40 * LEFT)[0] < 250 < both.project(40 * LEFT)[0]
    assert abs(both.column_direction @ SUPERIOR) < 1e-12  # no roll: columns of pixels stay horizontal


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source_isocentre": 1200.0}, "1200 mm.*larger than.*1000 mm.*swapped"),
        ({"source_isocentre": 0.0}, "greater than zero"),
        ({"sdd": -5.0}, "greater than zero"),
        ({"sdd": float("nan")}, "greater than zero"),
        ({"view": "oblique"}, "'oblique' is not known; use one of AP, PA"),
        ({"isocentre": (0, 0)}, "isocentre"),
        ({"spacing": (0.0, 0.2)}, "spacing"),
        ({"size": (0, 10)}, "size"),
    ],
)
def test_impossible_set_ups_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        standard_camera(**{"sdd": 1000.0, "spacing": (0.2, 0.2), "size": (100, 100), **arguments})


# ---- OpenCV ----------------------------------------------------------------------------------------------------

INTRINSICS = np.array([[2400.0, 0, 310.5], [0, 2100.0, 190.25], [0, 0, 1]])
SIZE = (640, 480)


@given(rotations(), finite(0.0, 1.0), st.integers(0, 2**31))
def test_projections_are_opencv_s(rotation: np.ndarray, fraction: float, seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    translation = np.array([20.0, -30.0, 700.0 + 500 * fraction])
    points = np.random.default_rng(seed).uniform(-100, 100, (20, 3))
    vector = Rotation.from_matrix(rotation).as_rotvec()  # cv2.Rodrigues(matrix) rounds tiny angles to zero
    expected, _ = cv2.projectPoints(points, vector, translation, INTRINSICS, None)
    camera = opencv_camera(INTRINSICS, rotation, translation, SIZE, sdd=1200.0)
    assert camera.project(points) == pytest.approx(expected[:, 0], abs=1e-5)


def test_opencv_s_camera_frame_is_found_again() -> None:
    """Looking along +z from the origin: columns are x, rows y, and focal length in pixels is SDD over spacing."""
    camera = opencv_camera(INTRINSICS, np.eye(3), [0, 0, 0], SIZE, sdd=1200.0)
    assert camera.source == pytest.approx([0, 0, 0], abs=1e-9)
    assert camera.column_direction == pytest.approx([1, 0, 0])
    assert camera.row_direction == pytest.approx([0, 1, 0])
    assert camera.spacing == pytest.approx((1200 / 2400, 1200 / 2100))
    assert camera.principal_point == pytest.approx([310.5, 190.25])
    assert camera.sdd == pytest.approx(1200.0)
    assert camera.size == SIZE


def test_the_distance_of_the_detector_changes_no_projection() -> None:
    near, far = (opencv_camera(INTRINSICS, np.eye(3), [0, 0, 600], SIZE, sdd=sdd) for sdd in (700.0, 1500.0))
    assert near.project([11, 22, 33]) == pytest.approx(far.project([11, 22, 33]))
    assert far.spacing[0] / near.spacing[0] == pytest.approx(1500 / 700)


def test_y_up_counts_rows_from_the_bottom_row() -> None:
    down, up = (opencv_camera(INTRINSICS, np.eye(3), [0, 0, 600], SIZE, sdd=900.0, y_up=y) for y in (False, True))
    column, row = down.project([11, 22, 33])
    assert up.project([11, 22, 33]) == pytest.approx([column, SIZE[1] - 1 - row])


@pytest.mark.parametrize(("y_up", "corner"), [(False, (0, 0)), (True, (0, SIZE[1]))])
def test_counting_from_the_corner_goes_with_counting_upwards(y_up: bool, corner: tuple[float, float]) -> None:
    """v counts from the picture's own lower edge: a point at (u, v) lies v + 0.5 rows above the bottom row's centre."""
    options = {"sdd": 900.0, "y_up": y_up, "from_corner": True}
    column, row = opencv_camera(INTRINSICS, np.eye(3), [0, 0, 600], SIZE, **options).project([11, 22, 33])
    u, v, _ = INTRINSICS @ [11.0, 22.0, 633.0] / 633.0
    assert [column + 0.5, row + 0.5] == pytest.approx([u, corner[1] - v if y_up else v])


@pytest.mark.parametrize(
    ("rotation", "words"),
    [
        (np.diag([1.0, 1, -1]), "not a rotation matrix"),
        (1.01 * np.eye(3), "not a rotation matrix"),
        (np.eye(2), r"rotation R.*shape \(3, 3\)"),
    ],
)
def test_a_rotation_that_is_none_is_refused(rotation: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        opencv_camera(INTRINSICS, rotation, [0, 0, 600], SIZE, sdd=900.0)


# ---- projection matrices -----------------------------------------------------------------------------------------


@given(cameras(), finite(0.01, 50.0))
def test_round_trip_through_the_projection_matrix(camera: XRayCamera, scale: float) -> None:
    """Every camera comes back from its matrix, whatever that is multiplied with."""
    assume(np.linalg.norm(camera.source) < 1e4)
    by_sdd = projection_matrix_camera(scale * camera.projection_matrix, camera.size, sdd=camera.sdd)
    assert by_sdd.is_close(camera, tolerance_mm=1e-3)
    by_spacing = projection_matrix_camera(
        scale * camera.projection_matrix, camera.size, column_spacing=camera.spacing[0]
    )
    assert by_spacing.is_close(camera, tolerance_mm=1e-3)


@given(rotations(), vectors(300.0))
def test_depth_is_positive_in_front_of_the_source(rotation: np.ndarray, shift: np.ndarray) -> None:
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, shift
    camera = oblique_camera().moved(motion)
    again = projection_matrix_camera(7 * camera.projection_matrix, camera.size, sdd=500.0)
    point = (camera.source + camera.centre) / 2
    assert again.project(point) == pytest.approx(camera.project(point), abs=1e-6)
    assert np.isnan(again.project(2 * camera.source - point)).all()


@pytest.mark.parametrize("lengths", [{}, {"sdd": 1000.0, "column_spacing": 0.2}])
def test_exactly_one_length_places_the_detector(lengths: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give sdd or column_spacing"):
        projection_matrix_camera(oblique_camera().projection_matrix, (10, 10), **lengths)


@pytest.mark.parametrize("lengths", [{"sdd": 0.0}, {"sdd": -900.0}, {"column_spacing": -0.2}, {"sdd": float("nan")}])
def test_a_length_that_is_none_is_refused(lengths: dict[str, float]) -> None:
    with pytest.raises(InputError):
        projection_matrix_camera(oblique_camera().projection_matrix, (10, 10), **lengths)


def test_a_parallel_beam_has_no_source() -> None:
    parallel = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])
    with pytest.raises(InputError, match="singular"):
        projection_matrix_camera(parallel, SIZE, sdd=1000.0)


@pytest.mark.parametrize(("skew", "refused"), [(0.05, False), (5.0, True)])
def test_skew_that_moves_pixels_is_refused(skew: float, refused: bool) -> None:
    k = INTRINSICS.copy()
    k[0, 1] = skew  # pixels of column shift per focal length of height
    if refused:
        with pytest.raises(InputError, match="skewed"):
            opencv_camera(k, np.eye(3), [0, 0, 600], SIZE, sdd=900.0)
    else:
        camera = opencv_camera(k, np.eye(3), [0, 0, 600], SIZE, sdd=900.0)
        exact = k @ [11.0, 22.0, 633.0] / 633.0
        assert camera.project([11.0, 22.0, 33.0]) == pytest.approx(exact[:2], abs=0.1)
