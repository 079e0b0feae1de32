"""Landmarks proposed on two people's real right radii: where an anatomist expects them, however the bone lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from XRayTo3DLib.dataset.wrist_landmarks import propose_on_surface, propose_wrist_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS, wrist_frame
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def radius(data_dir: Path) -> CtVolume:
    """The segmented radius' CT (outside it nothing is stored), with that as its label."""
    ct = read_ct(data_dir / "wrist_biplane_autoscoper" / "rad_ct.nii.gz")
    mask = binary_fill_holes(ct.hu > ct.hu.min()).astype(np.uint8)
    return CtVolume(ct.hu, ct.voxel_to_lps, mask, {"radius": 1})


@pytest.fixture(scope="module", params=["autoscoper", "brown"])
def points(request: pytest.FixtureRequest, radius: CtVolume, data_dir: Path) -> FloatArray:
    if request.param == "autoscoper":
        return points_of(surface_from_labels(radius.labels, radius.voxel_to_lps))
    return points_of(read_surface(data_dir / "wrist_radius_mc3_brown" / "rad_0.ply"))


def test_measurements_are_those_of_adults(points: FloatArray) -> None:
    found = propose_on_surface(points, "right")
    frame = wrist_frame(found)
    marks = {name: frame.points_from_lps(point) for name, point in found.items()}
    bone = frame.points_from_lps(points)
    styloid, notch = marks["radial styloid tip"], marks["volar sigmoid notch"]
    # Gartland & Werley 1951, Schuind 1992: inclination 23 (13 to 30) degrees, radial height 8 to 18 mm.
    assert 13 < np.rad2deg(np.arctan2(styloid[2] - notch[2], styloid[0] - notch[0])) < 30
    assert 8 < styloid[2] - notch[2] < 18
    # The notch is the ulnar edge of the joint end, on the volar side; nothing lies distal of the styloid.
    end = bone[bone[:, 2] > -8]
    assert notch[0] < end[:, 0].min() + 4 and notch[1] < -5
    assert bone[:, 2].max() < styloid[2] + 0.3
    # Lister's tubercle is the most dorsal point of the joint end: dorsal is +y, and it lies a little radial.
    back = bone[(bone[:, 2] > -15) & (bone[:, 2] < -3)]
    lister = back[np.argmax(back[:, 1])]
    assert lister[1] > 9 and -4 < lister[0] < 8
    # The sigmoid notch is hollow: between its two corners the ulnar side stands back.
    corners = [end[np.abs(end[:, 1] - y) < 2, 0].min() for y in (-8, 7)]
    assert end[np.abs(end[:, 1]) < 2, 0].min() > 0.5 * sum(corners)
    # The shaft follows z from its middle, and the centre lies on the joint surface.
    shaft = bone[bone[:, 2] < -30]
    np.testing.assert_allclose(
        0.5 * (shaft.min(axis=0) + shaft.max(axis=0))[:2], marks["radial shaft distal"][:2], atol=2
    )
    assert np.linalg.norm(bone, axis=1).min() < 1.0


def test_the_side_is_told_and_the_wrong_one_refused(points: FloatArray) -> None:
    right = propose_on_surface(points)
    assert not wrist_frame(right).mirrored
    with pytest.raises(InputError, match="left"):
        propose_on_surface(points, "left")
    mirror = np.array([-1.0, 1.0, 1.0])
    left = propose_on_surface(points * mirror)
    for name in WRIST_LANDMARKS:
        np.testing.assert_allclose(left[name] * mirror, right[name], atol=1e-6)


def test_the_bone_may_lie_anyhow(radius: CtVolume) -> None:
    pose = RigidPose.from_rotation([100.0, -60.0, 30.0], [5.0, 900.0, -40.0])
    turned = CtVolume(radius.hu, pose.matrix @ radius.voxel_to_lps, radius.labels, radius.label_names)
    before, after = propose_wrist_landmarks(radius, "right"), propose_wrist_landmarks(turned, "right")
    for name in WRIST_LANDMARKS:
        np.testing.assert_allclose(after[name], pose.apply(before[name]), atol=0.05)
