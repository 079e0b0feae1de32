"""The wrist's anatomical frame against hand-made landmarks, moved and mirrored ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import (
    NOTCH_TO_STYLOID_DEG,
    WRIST_LANDMARKS,
    AnatomicalFrame,
    wrist_frame,
)
from XRayTo3DLib.geometry.frames import apply_matrix

SLOPE = np.tan(np.deg2rad(NOTCH_TO_STYLOID_DEG))
# A right wrist drawn by hand in its own frame: the notch lies 30 mm ulnar and that much volar of the styloid.
RIGHT = {
    "articular centre": np.array([0.0, 0.0, 0.0]),
    "radial styloid tip": np.array([13.0, 0.0, 9.0]),
    "volar sigmoid notch": np.array([-17.0, -30.0 * SLOPE, -3.0]),
    "radial shaft distal": np.array([1.0, 2.0, -30.0]),
    "radial shaft proximal": np.array([1.0, 2.0, -65.0]),
}
numbers = st.lists(st.floats(-170.0, 170.0), min_size=3, max_size=3)


def test_a_wrist_drawn_in_the_frame_has_the_identity() -> None:
    frame = wrist_frame(RIGHT)
    assert not frame.mirrored
    np.testing.assert_allclose(frame.to_lps, np.eye(4), atol=1e-12)


@given(numbers, numbers)
def test_the_frame_moves_with_the_wrist(rotation: list[float], translation: list[float]) -> None:
    pose = RigidPose.from_rotation(rotation, translation)
    frame = wrist_frame({name: pose.apply(point) for name, point in RIGHT.items()})
    assert not frame.mirrored
    np.testing.assert_allclose(frame.to_lps, pose.matrix, atol=1e-9)
    np.testing.assert_allclose(frame.rigid.matrix, pose.matrix, atol=1e-9)


@given(numbers, numbers)
def test_a_left_wrist_becomes_the_right_one(rotation: list[float], translation: list[float]) -> None:
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    pose = RigidPose.from_rotation(rotation, translation)
    left = {name: pose.apply(apply_matrix(mirror, point)) for name, point in RIGHT.items()}
    frame = wrist_frame(left)
    assert frame.mirrored and np.linalg.det(frame.to_lps[:3, :3]) == pytest.approx(-1.0)
    for name in WRIST_LANDMARKS:
        np.testing.assert_allclose(frame.points_from_lps(left[name]), RIGHT[name], atol=1e-9)
        np.testing.assert_allclose(frame.points_to_lps(RIGHT[name]), left[name], atol=1e-9)
    np.testing.assert_allclose(frame.rigid.matrix @ mirror, frame.to_lps, atol=1e-12)


@pytest.mark.parametrize("name", WRIST_LANDMARKS)
def test_a_missing_landmark_is_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        wrist_frame({other: point for other, point in RIGHT.items() if other != name})


def test_landmarks_that_define_no_frame_are_refused() -> None:
    with pytest.raises(InputError, match="shaft"):
        wrist_frame(RIGHT | {"radial shaft distal": RIGHT["radial shaft proximal"]})
    with pytest.raises(InputError, match="styloid"):
        wrist_frame(RIGHT | {"volar sigmoid notch": RIGHT["radial styloid tip"]})
    with pytest.raises(InputError, match="finite"):
        wrist_frame(RIGHT | {"articular centre": [np.nan, 0, 0]})


def test_the_mirrored_flag_must_fit_the_matrix() -> None:
    with pytest.raises(InputError, match="contradict"):
        AnatomicalFrame(np.eye(4), True)
    with pytest.raises(InputError, match="rigid"):
        AnatomicalFrame(np.diag([2.0, 1.0, 1.0, 1.0]), False)
