"""The canonical camera, real pictures brought to it, and the frame found from one landmark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, line_integrals, relative_rms
from scipy.spatial.transform import Rotation

from XRayTo3DLib.dataset.canonical_view import CanonicalView, frame_from_views
from XRayTo3DLib.dataset.phantoms import wrist_camera
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

BONES = (
    Ellipsoid((4, 2, -20), (9, 12, 25), (10, 25, -15), 0.05),
    Ellipsoid((-24, -6, -30), (5, 7, 22), (-20, 10, 5), 0.05),
    Ellipsoid((12, 9, 4), (4, 3, 5), (0, 0, 30), 0.08),
)
"""No symmetry, all of it inside the field of view."""
PERSON = RigidPose.from_rotation((20, -35, 50), (100, -40, 260))
"""Anatomical frame to a world in which nothing is aligned."""
CENTRE = (-8.0, 0.0, -26.0)


def picture(camera: XRayCamera, pixels: np.ndarray) -> Radiograph:
    return Radiograph(
        pixels.astype(np.float32), camera, IntensityNote("line-integral", None, True, "analytic"), SpacingSource.USER
    )


def mirrored_camera(camera: XRayCamera) -> XRayCamera:
    """The camera seen in a mirror across x."""
    flip = np.array([-1.0, 1.0, 1.0])
    names = ("source", "origin", "column_direction", "row_direction")
    return replace(camera, **{name: getattr(camera, name) * flip for name in names})


# ---- the camera ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["PA", "AP", "LAT", "RL"])
def test_pixels_lie_where_they_should_on_the_plane_through_the_centre(view: str) -> None:
    canonical = CanonicalView(view, 32, 2.5, centre_mm=(-8, 3, -26))
    rows, columns = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    seen = canonical.camera().project(canonical.plane_points())
    assert np.abs(seen - np.stack([columns, rows], axis=-1)).max() < 1e-9
    steps = canonical.plane_points()
    assert np.linalg.norm(steps[0, 1] - steps[0, 0]) == pytest.approx(2.5)
    assert canonical.camera().project([-8.0, 3, -26]) == pytest.approx([15.5, 15.5])


@pytest.mark.parametrize("view", ["PA", "LAT"])
def test_it_looks_as_a_wrist_camera_does(view: str) -> None:
    canonical, wrist = CanonicalView(view).camera(), wrist_camera(view)
    assert canonical.column_direction == pytest.approx(wrist.column_direction)
    assert canonical.row_direction == pytest.approx(wrist.row_direction)
    beam = wrist.view_direction
    assert canonical.view_direction == pytest.approx(beam)
    assert -canonical.source @ beam == pytest.approx(955.0)  # from the plane through the frame's origin
    assert (canonical.origin - canonical.source) @ beam == pytest.approx(1.25 * 955.0)


def test_subpixels_fill_the_pixels() -> None:
    coarse, fine = CanonicalView("LAT", 8, 3.0).camera(), CanonicalView("LAT", 8, 3.0).camera(3)
    assert coarse.resampled((24, 24)).is_close(fine)


# ---- real pictures ---------------------------------------------------------------------------------------------------


def exposed(canonical: CanonicalView, shapes: tuple, camera_in_frame: XRayCamera, mirrored: bool) -> Radiograph:
    """The radiograph of a PERSON; the camera is given in the reconstruction frame."""
    pixels = line_integrals(shapes, camera_in_frame)
    anatomical = mirrored_camera(camera_in_frame) if mirrored else camera_in_frame
    return picture(anatomical.moved(PERSON.matrix), pixels)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("view", ["PA", "LAT"])
def test_a_picture_from_the_same_source_becomes_the_canonical_one(view: str, mirrored: bool) -> None:
    canonical = CanonicalView(view, 48, 2.0)
    fine = canonical.camera(4)
    turned = Rotation.from_rotvec(0.3 * fine.normal).as_matrix()
    # Another detector before the same source: oblique in its plane, finer, nearer, its rows upside down.
    detector = XRayCamera(
        fine.source, [0, 0, 0], turned @ fine.column_direction, -(turned @ fine.row_direction), (0.5, 0.6), (400, 350)
    )
    centre = fine.source + fine.view_direction * 1010.0
    detector = replace(detector, origin=centre - detector.ray_matrix[:, :2] @ [199.5, 174.5])
    found = canonical.resampled(exposed(canonical, BONES, detector, mirrored), PERSON, mirrored)
    exact = line_integrals(BONES, fine).reshape(48, 4, 48, 4).mean(axis=(1, 3))
    assert relative_rms(found, exact) < 0.01 and found.dtype == np.float32


def test_from_another_source_the_plane_through_the_centre_stays_in_place() -> None:
    canonical = CanonicalView("PA", 48, 2.0)
    beads = tuple(Ellipsoid((x, 0, z), (4, 0.5, 4), (0, 0, 0), 0.5) for x, z in ((-30, -40), (10, -10), (0, -50)))
    near = CanonicalView("PA", 400, 0.25, source_mm=700.0, centre_mm=(-8, 0, -26))
    radiograph = exposed(canonical, beads, near.camera(), False)
    found = canonical.resampled(radiograph, PERSON)
    exact = line_integrals(beads, canonical.camera(4)).reshape(48, 4, 48, 4).mean(axis=(1, 3))
    rows, columns = np.indices(found.shape)
    for axis in (rows, columns):
        assert (found * axis).sum() / found.sum() == pytest.approx((exact * axis).sum() / exact.sum(), abs=0.02)
    assert relative_rms(found, exact) < 0.03


def test_beyond_the_picture_there_is_nothing() -> None:
    canonical = CanonicalView("PA", 32, 3.0)
    small = canonical.camera().cropped(8, 8, 16, 16)
    flat = picture(small.moved(PERSON.matrix), np.ones((16, 16)))
    found = canonical.resampled(flat, PERSON)
    assert found[8:24, 8:24] == pytest.approx(np.ones((16, 16))) and found.sum() == pytest.approx(256.0)


def test_other_views_and_pictures_of_something_else_are_refused() -> None:
    flat = picture(CanonicalView("LAT", 32, 3.0).camera(), np.ones((32, 32)))
    with pytest.raises(InputError, match="90 degrees off the PA view"):
        CanonicalView("PA", 32, 3.0).resampled(flat, RigidPose.identity())
    aside = RigidPose.from_rotation((0, 0, 0), (0, 0, 90))
    with pytest.raises(InputError, match="not in the picture"):
        CanonicalView("LAT", 32, 3.0).resampled(flat, aside)
    back = CanonicalView("RL", 32, 3.0)
    assert back.resampled(flat, RigidPose.identity())[1:-1, 1:-1].min() > 0.99
    assert back.beam_angle_deg(flat.camera, RigidPose.identity()) == pytest.approx(180.0)


# ---- the frame from a landmark ---------------------------------------------------------------------------------------


def close(found: RigidPose, truth: RigidPose) -> bool:
    return np.abs(found.matrix - truth.matrix).max() < 1e-6


@settings(max_examples=20, deadline=None)
@given(
    view=st.sampled_from(["PA", "LAT"]),
    turn=st.tuples(*[st.floats(-60, 60)] * 3),
    angle=st.floats(-180, 180),
    hung=st.booleans(),
)
def test_the_frame_of_a_person_who_lies_as_the_view_says(view: str, turn: tuple, angle: float, hung: bool) -> None:
    canonical, person = CanonicalView(view), RigidPose.from_rotation(turn, (30, -20, 500))
    camera = wrist_camera(view)
    # The detector turned in its plane, and the picture perhaps hung from the other side.
    spin = Rotation.from_rotvec(np.deg2rad(angle) * camera.normal).as_matrix()
    columns = (spin @ camera.column_direction) * (-1 if hung else 1)
    camera = replace(camera, column_direction=columns, row_direction=spin @ camera.row_direction)
    camera = replace(camera, origin=camera.origin - camera.centre + wrist_camera(view).centre, spacing=(0.25, 0.3))
    distal = camera.project([0.0, 0, 3]) - camera.project([0.0, 0, 0])
    depth = (camera.origin - np.zeros(3)) @ wrist_camera(view).view_direction
    placed = camera.moved(person.matrix)
    pixel = placed.project(person.apply([0.0, 0, 0]))
    found = canonical.frame_from_landmark(placed, pixel, object_detector_mm=depth, up=tuple(distal))
    assert close(found, person)
    side = "right" if (camera.project([3.0, 3, 0]) - camera.project([0.0, 0, 0])) @ _to_right(distal) > 0 else "left"
    told = canonical.frame_from_landmark(placed, pixel, object_detector_mm=depth, up=tuple(distal), shows_first=side)
    assert close(told, person)


def _to_right(distal: np.ndarray) -> np.ndarray:
    """The direction in the picture that lies right of ``distal`` when that points up."""
    return np.array([-distal[1], distal[0]])


def test_told_the_other_side_the_limb_is_seen_from_behind() -> None:
    camera, canonical = wrist_camera("PA"), CanonicalView("PA")
    pixel = camera.project([0.0, 0, 0])
    turned = canonical.frame_from_landmark(camera, pixel, object_detector_mm=45.0, shows_first="left")
    assert close(turned, RigidPose.from_rotation((0, 0, 180)))
    assert canonical.beam_angle_deg(camera, turned) == pytest.approx(180.0, abs=2.0)


def test_two_calibrated_views_place_the_frame_where_their_rays_meet() -> None:
    person = RigidPose.from_rotation((10, -30, 70), (30, -20, 500))
    views, cameras = [CanonicalView("PA"), CanonicalView("LAT")], [wrist_camera("PA"), wrist_camera("LAT")]
    placed = [camera.moved(person.matrix) for camera in cameras]
    pixels = [camera.project(person.translation) for camera in placed]
    assert np.abs(frame_from_views(views, placed, pixels).matrix - person.matrix).max() < 1e-3
    with pytest.raises(InputError, match="LAT radiograph's beam is 90 degrees"):
        frame_from_views(views, [placed[0], placed[0]], [pixels[0], pixels[0]])
    with pytest.raises(InputError, match="one each"):
        frame_from_views(views, placed, pixels[:1])


def test_a_left_limb_is_turned_as_a_right_one_and_mirrored_later() -> None:
    camera, canonical = wrist_camera("PA", side="left"), CanonicalView("PA", 48, 2.0)
    frame = canonical.frame_from_landmark(camera, camera.project([0.0, 0, 0]), object_detector_mm=45.0)
    assert close(frame, RigidPose.identity())
    pixels = line_integrals(BONES, mirrored_camera(camera))  # the mirrored bones before this camera
    found = canonical.resampled(picture(camera, pixels), frame, mirrored=True)
    exact = line_integrals(BONES, canonical.camera(4)).reshape(48, 4, 48, 4).mean(axis=(1, 3))
    assert relative_rms(found, exact) < 0.04  # sources differ by 4 mm


def test_the_lateral_view_of_a_left_limb_is_exposed_from_its_own_other_side() -> None:
    canonical = CanonicalView("LAT", 48, 2.0)
    fine = canonical.camera(4)  # of the right limb: the beam runs to the radial side
    left = mirrored_camera(fine)
    assert left.view_direction == pytest.approx([-1, 0, 0])
    pixel, depth = left.project([0.0, 0, 0]), float((left.origin - np.zeros(3)) @ left.view_direction)
    frame = canonical.frame_from_landmark(left, pixel, object_detector_mm=depth, mirrored=True)
    assert close(frame, RigidPose.identity())
    found = canonical.resampled(picture(left, line_integrals(BONES, fine)), frame, mirrored=True)
    assert relative_rms(found, line_integrals(BONES, fine).reshape(48, 4, 48, 4).mean(axis=(1, 3))) < 0.01


def test_impossible_views_and_landmarks_are_refused() -> None:
    for wrong in ({"view": "skyline"}, {"size": 0}, {"pixel_mm": 0.0}, {"source_mm": -1.0}, {"centre_mm": (0, 960, 0)}):
        with pytest.raises(InputError):
            CanonicalView(**wrong)
    canonical, camera = CanonicalView("PA"), wrist_camera("PA")
    for wrong in ({"object_detector_mm": -5.0}, {"up": (0, 0)}, {"shows_first": "above"}):
        with pytest.raises(InputError):
            canonical.frame_from_landmark(camera, (100, 100), **wrong)
