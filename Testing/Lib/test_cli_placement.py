"""Where a limb lies in its radiographs' world, from clicks alone: any angle, any side, cameras of no common world."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.cli.placement import frame_of_any_views, positioned
from XRayTo3DLib.dataset.canonical_view import CanonicalView, frame_from_views, frame_matrix, turned_camera
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

VIEWS = [CanonicalView("PA", 96, 1.5), CanonicalView("LAT", 96, 1.5)]


def radiograph(camera: XRayCamera, view: str = "", name: str = "x") -> Radiograph:
    note = IntensityNote("line-integral", None, True, "made up")
    return Radiograph(np.zeros(camera.size[::-1]), camera, note, SpacingSource.DETECTOR, view=view, name=name)


def seen(frame: RigidPose, mirrored: bool, turn_deg: float = 0.0) -> list[XRayCamera]:
    """PA and lateral cameras about a limb in that frame, the second one swung about the limb."""
    matrix = frame_matrix(frame, mirrored)
    cameras = [VIEWS[0].camera(), turned_camera(VIEWS[1].camera(), VIEWS[1].centre_mm, turn_deg)]
    return [camera.moved(matrix) for camera in cameras]


def words(cameras: list[XRayCamera], frame: RigidPose, **more: Any) -> Namespace:
    pixels = [camera.project(frame.translation) for camera in cameras]
    origin = [f"{column},{row}" for column, row in pixels]
    return Namespace(**{"origin": origin, "up": (0.0, -1.0), "object_detector": 45.0, **more})


@settings(max_examples=20, deadline=None)
@given(
    turn=st.floats(-70, 70),
    rotation=st.tuples(*[st.floats(-50, 50)] * 3),
    shift=st.tuples(*[st.floats(-200, 200)] * 3),
    mirrored=st.booleans(),
)
def test_the_frame_is_found_whatever_the_second_view_is(turn, rotation, shift, mirrored) -> None:
    frame = RigidPose.from_rotation(rotation, shift)
    cameras = seen(frame, mirrored, turn)
    found = frame_of_any_views(VIEWS, [radiograph(each) for each in cameras], words(cameras, frame), mirrored)
    assert found.matrix == pytest.approx(frame.matrix, abs=1e-2)
    if abs(turn) < 20:  # what the trained methods do, for the views they know
        pixels = [camera.project(frame.translation) for camera in cameras]
        assert frame_from_views(VIEWS, cameras, pixels, mirrored=mirrored).matrix == pytest.approx(
            found.matrix, abs=1e-2
        )


def test_a_single_view_takes_the_distance_that_it_is_told() -> None:
    frame = RigidPose.from_rotation([5.0, -8.0, 12.0], [40.0, 10.0, -5.0])
    camera = seen(frame, False)[0]
    depth = camera.sdd - float((frame.translation - camera.source) @ camera.view_direction)
    told = words([camera], frame, object_detector=depth)
    assert frame_of_any_views(VIEWS, [radiograph(camera)], told, False).matrix == pytest.approx(frame.matrix, abs=1e-2)


def test_the_first_radiograph_is_what_its_file_says() -> None:
    frame = RigidPose.from_rotation([3.0, 0.0, 20.0], [0.0, 5.0, 0.0])
    cameras = seen(frame, False)[::-1]
    pictures = [radiograph(cameras[0], "LAT"), radiograph(cameras[1], "PA")]
    assert frame_of_any_views(VIEWS, pictures, words(cameras, frame), False).matrix == pytest.approx(
        frame.matrix, abs=1e-2
    )
    unnamed = [replace(each, view="") for each in pictures]
    wrong = frame_of_any_views(VIEWS, unnamed, words(cameras, frame), False)  # taken for PA: a quarter turn off
    assert frame.distance_to(wrong, frame.translation)[0] == pytest.approx(90.0, abs=1.0)


def test_rays_that_pass_each_other_are_refused() -> None:
    frame = RigidPose.identity()
    cameras = seen(frame, False)
    told = words(cameras, frame)
    cameras[1] = cameras[1].moved(RigidPose.from_rotation([0, 0, 0], [0, 0, 90.0]).matrix)
    with pytest.raises(InputError, match="--uncalibrated"):
        frame_of_any_views(VIEWS, [radiograph(each) for each in cameras], told, False)


@settings(max_examples=15, deadline=None)
@given(
    elsewhere=st.tuples(*[st.floats(-90, 90)] * 3),
    shift=st.tuples(*[st.floats(-400, 400)] * 3),
    mirrored=st.booleans(),
)
def test_cameras_of_no_common_world_are_put_as_views_are_taken(elsewhere, shift, mirrored) -> None:
    """However the lateral's camera lies, it comes to stand where laterals stand, its joint where it was clicked."""
    frame = RigidPose.from_rotation([4.0, -3.0, 9.0], [12.0, 30.0, -7.0])
    cameras = seen(frame, mirrored)
    told = words(cameras, frame)
    depths = [each.sdd - float((frame.translation - each.source) @ each.view_direction) for each in cameras]
    told.object_detector = depths[0]
    assert depths[0] == pytest.approx(depths[1])
    lost = cameras[1].moved(RigidPose.from_rotation(elsewhere, shift).matrix)
    found, pictures = positioned(VIEWS, [radiograph(cameras[0]), radiograph(lost)], told, mirrored)
    assert found.matrix == pytest.approx(frame.matrix, abs=1e-2)
    assert pictures[0].camera.is_close(cameras[0], 1e-6) and pictures[1].camera.is_close(cameras[1], 1e-4)


def test_a_view_without_a_name_cannot_be_positioned() -> None:
    frame = RigidPose.identity()
    cameras = [*seen(frame, False), seen(frame, False)[0]]
    pictures = [radiograph(each, name=f"number {place}") for place, each in enumerate(cameras, 1)]
    with pytest.raises(InputError, match="number 3: what view is it"):
        positioned(VIEWS, pictures, words(cameras, frame), False)
    with pytest.raises(InputError, match="3 radiographs and 2 origins"):
        positioned(VIEWS, pictures, words(cameras[:2], frame), False)
