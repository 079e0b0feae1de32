"""A radiograph on a standard detector, with its own source: what the rays have met stays, whatever the angle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, line_integrals, relative_rms

from XRayTo3DLib.dataset.calibrated_view import calibrated_view, facing_camera
from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

BONES = (
    Ellipsoid((4, 12, -20), (9, 12, 25), (10, 25, -15), 0.05),
    Ellipsoid((-24, -16, 10), (8, 7, 22), (-20, 10, 5), 0.05),
)
"""No symmetry; before and behind the plane through the centre."""
PERSON = RigidPose.from_rotation((20, -35, 50), (100, -40, 260))
AP = CanonicalView("AP", 48, 2.5, 1040.0, (0.0, 0.0, 0.0))
LAT = CanonicalView("LAT", 48, 2.5, 1040.0, (0.0, 0.0, 0.0))


def picture(camera: XRayCamera, pixels: np.ndarray) -> Radiograph:
    note = IntensityNote("line-integral", None, True, "analytic")
    return Radiograph(pixels.astype(np.float32), camera, note, SpacingSource.USER, name="analytic")


def detector(view: str, angles: tuple[float, float], source_mm: float) -> XRayCamera:
    return standard_camera(
        source_mm + 200, (0.5, 0.5), (520, 500), source_isocentre=source_mm, view=view, angles_deg=angles,
        isocentre=(5, -8, 6),
    )  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(st.sampled_from([AP, LAT]), st.floats(-60, 60), st.floats(-20, 20), st.floats(400, 1500), st.booleans())
def test_its_picture_is_what_its_camera_sees(
    view: CanonicalView, primary: float, secondary: float, source_mm: float, mirrored: bool
) -> None:
    seen_in_frame = detector(view.view, (primary, secondary), source_mm)
    to_world = PERSON.matrix @ (MIRROR if mirrored else np.eye(4))
    pixels = line_integrals(BONES, seen_in_frame)
    image, camera = calibrated_view(view, picture(seen_in_frame.moved(to_world), pixels), PERSON, mirrored)
    np.testing.assert_allclose(camera.source, seen_in_frame.source, atol=1e-6)
    assert camera.size == (48, 48)
    assert camera.project([0.0, 0.0, 0.0]) == pytest.approx([23.5, 23.5])
    fine = line_integrals(BONES, camera.resampled((480, 480))).reshape(48, 10, 48, 10).mean(axis=(1, 3))
    assert relative_rms(image, fine) < 0.02


@pytest.mark.parametrize("view", [AP, LAT])
def test_a_canonical_radiograph_stays_as_it_is(view: CanonicalView) -> None:
    facing = facing_camera(view, view.camera().source)
    assert facing.is_close(view.camera(), 1e-6)
    turned = turned_camera(view.camera(), view.centre_mm, 25.0)
    assert facing_camera(view, turned.source).is_close(turned, 1e-6)


def test_from_behind_the_picture_hangs_the_same_way_round() -> None:
    behind = facing_camera(AP, np.array([0.0, 900.0, 0.0]))
    assert behind.column_direction @ AP.camera().column_direction == pytest.approx(1.0)
    assert behind.project([10.0, 0, 0])[0] > behind.project([0.0, 0, 0])[0]


def test_a_beam_along_the_limb_and_a_picture_beside_it_are_refused() -> None:
    with pytest.raises(InputError, match="off the limb's axis"):
        facing_camera(AP, np.array([10.0, 0.0, 900.0]), "AP")
    camera = detector("AP", (0, 0), 900).moved(RigidPose.from_rotation((0, 0, 0), (400, 0, 0)).matrix)
    with pytest.raises(InputError, match="not in the picture"):
        calibrated_view(AP, picture(camera, np.ones((500, 520))), RigidPose.identity())
