"""A first pose from the view's name: radiographers' words against directions written down by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_cases import finite, oblique_camera, vectors
from hypothesis import given, settings
from phantoms_analytic import bone_ct
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS, standard_camera
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.registration.view_position import (
    OBJECT_DETECTOR_MM,
    meeting_point,
    point_at,
    pose_for_view,
    principal_axes,
)

CENTRE = np.array([12.0, -30.0, 44.0])
LEFT, POSTERIOR, SUPERIOR = np.eye(3)


def beam_in_patient(camera: XRayCamera, pose: RigidPose) -> np.ndarray:
    return pose.rotation.T @ camera.view_direction


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("angles", [(0.0, 0.0), (30.0, -15.0)])
def test_a_camera_placed_by_its_view_needs_no_turn(view: str, angles: tuple[float, float]) -> None:
    """The convention is ``standard_camera``'s: the CT stays as it lies, its centre goes before the detector."""
    camera = standard_camera(1000.0, (0.2, 0.3), (600, 800), source_isocentre=900.0, view=view, angles_deg=angles)
    pose = pose_for_view(camera, CENTRE, view=view, angles_deg=angles)
    assert np.allclose(pose.rotation, np.eye(3), atol=1e-9)
    assert camera.project(pose.apply(CENTRE)) == pytest.approx([299.5, 399.5], abs=1e-6)
    assert camera.magnification(pose.apply(CENTRE)) == pytest.approx(1000 / (1000 - OBJECT_DETECTOR_MM))


@pytest.mark.parametrize(
    ("view", "side", "part", "beam"),
    [
        ("PA", "", "", -POSTERIOR),
        ("ap", "", "", POSTERIOR),
        ("LAT", "", "", LEFT),
        ("RL", "", "", -LEFT),
        ("LAT", "L", "KNEE", LEFT),  # outer side of the left knee on the cassette
        ("LAT", "R", "KNEE", -LEFT),
        ("LAT", "R", "WRIST", LEFT),  # little finger on the cassette
        ("LAT", "L", "WRIST", -LEFT),
        ("ML", "R", "", -LEFT),
        ("LM", "R", "", LEFT),
        ("LAO", "", "", (LEFT - POSTERIOR) / np.sqrt(2)),
        ("RAO", "", "", (-LEFT - POSTERIOR) / np.sqrt(2)),
        ("LPO", "", "", (LEFT + POSTERIOR) / np.sqrt(2)),
        ("RPO", "", "", (-LEFT + POSTERIOR) / np.sqrt(2)),
    ],
)
def test_the_beam_runs_as_the_name_says(view: str, side: str, part: str, beam: np.ndarray) -> None:
    """Wherever the camera stands; and the head is up in the picture."""
    camera = oblique_camera()
    pose = pose_for_view(camera, CENTRE, view=view, laterality=side, body_part=part)
    normal = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    assert pose.rotation.T @ normal == pytest.approx(beam, abs=1e-9)
    assert pose.rotation @ SUPERIOR == pytest.approx(-camera.row_direction, abs=1e-9)


def test_an_oblique_takes_its_angle() -> None:
    camera = standard_camera(1000.0, (0.2, 0.2), (100, 100), view="PA")
    beam = beam_in_patient(camera, pose_for_view(camera, CENTRE, view="RAO", angles_deg=(30.0, 0.0)))
    assert beam == pytest.approx([-0.5, -np.sqrt(0.75), 0.0], abs=1e-9)


def test_the_patients_left_is_on_the_right_of_a_picture_and_on_its_left_when_mirrored() -> None:
    straight = standard_camera(1000.0, (0.2, 0.2), (500, 500), view="PA")
    for picture in (straight, replace(straight, column_direction=-straight.column_direction)):
        mirrored = picture is not straight
        pose = pose_for_view(picture, CENTRE, view="PA", at_pixel=(100.0, 200.0))
        assert beam_in_patient(straight, pose) == pytest.approx(-POSTERIOR)
        middle, left = picture.project(pose.apply([CENTRE, CENTRE + LEFT]))
        assert middle == pytest.approx([100.0, 200.0])
        assert (left[0] < middle[0]) == mirrored


@settings(max_examples=20, deadline=None, derandomize=True)
@given(column=finite(0, 299), row=finite(0, 219), depth=finite(50.0, 300.0), centre=vectors(200.0))
def test_the_centre_goes_to_the_pixel_at_the_depth(column: float, row: float, depth: float, centre: np.ndarray) -> None:
    camera = oblique_camera()
    pose = pose_for_view(camera, centre, view="LAT", at_pixel=(column, row), depth_mm=depth)
    assert camera.project(pose.apply(centre)) == pytest.approx([column, row], abs=1e-6)
    assert camera.magnification(pose.apply(centre)) == pytest.approx(camera.sdd / depth)


def test_the_rays_of_two_views_meet_in_the_bone() -> None:
    place = np.array([20.0, -14.0, 33.0])
    cameras = [standard_camera(1000.0, (0.2, 0.2), (900, 900), source_isocentre=800.0, view=v) for v in ("PA", "LAT")]
    pixels = [camera.project(place) for camera in cameras]
    pose = pose_for_view(cameras, CENTRE, view="PA", at_pixel=pixels)
    assert pose.apply(CENTRE) == pytest.approx(place, abs=1e-2)
    assert np.allclose(pose.rotation, np.eye(3))
    assert pose_for_view(cameras, CENTRE, view="PA").apply(CENTRE) == pytest.approx([0, 0, 0], abs=1e-2)
    some = pose_for_view(cameras, CENTRE, view="PA", at_pixel=[pixels[0], None]).apply(CENTRE)
    # The rays pass each other 33 mm apart in height: half way, and a little across.
    assert some == pytest.approx([20.0, 0.0, 16.5], abs=1.0)


def test_rays_that_do_not_cross_meet_before_the_detector() -> None:
    camera = standard_camera(1000.0, (0.2, 0.2), (900, 900), view="AP")
    middle = (449.5, 449.5)
    assert meeting_point([camera, camera], [middle, middle]) == pytest.approx(point_at(camera, middle))


def test_a_turned_ct_says_so_by_its_axes() -> None:
    camera = standard_camera(1000.0, (0.2, 0.2), (100, 100), view="PA")
    turned = Rotation.from_rotvec([20, 50, -70], degrees=True).as_matrix()
    pose = pose_for_view(camera, CENTRE, view="PA", axes_ct=turned)
    assert np.allclose(pose.rotation @ turned, np.eye(3), atol=1e-9)


def test_principal_axes_follow_the_bone() -> None:
    """The crooked bone leans; the same bone in a turned frame leans by as much in that frame."""
    bone = attenuation_of(bone_ct(), "bone")
    axes = principal_axes(bone)
    assert np.linalg.det(axes) == pytest.approx(1.0)
    assert axes[2, 2] > 0.97
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec([12, -20, 10], degrees=True).as_matrix()
    moved = principal_axes(replace(bone, voxel_to_lps=turn @ bone.voxel_to_lps))
    assert np.abs(np.sum(moved * (turn[:3, :3] @ axes), axis=0)) == pytest.approx(np.ones(3), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"view": "SKYLINE"}, "view 'SKYLINE' is not known; use one of AP, PA, LAT"),
        ({"view": ""}, "view '' is not known"),
        ({"view": "ML"}, "view ML needs the side of the body"),
        ({"view": "PA", "laterality": "B"}, "laterality 'B' is not known; use L or R"),
        ({"view": "PA", "depth_mm": 2000.0}, "between source and detector; give 0 to 1000 mm"),
        ({"view": "PA", "at_pixel": [(1, 2), (3, 4)]}, "2 pixels for 1 cameras"),
        ({"view": "PA", "axes_ct": 2 * np.eye(3)}, "must be a rotation"),
    ],
)
def test_what_is_not_known_is_said(arguments: dict, words: str) -> None:
    camera = standard_camera(1000.0, (0.2, 0.2), (100, 100), view="PA")
    with pytest.raises(InputError, match=words):
        pose_for_view(camera, CENTRE, **arguments)


def test_no_camera_no_pose() -> None:
    with pytest.raises(InputError, match="at least one camera"):
        pose_for_view([], CENTRE, view="PA")
