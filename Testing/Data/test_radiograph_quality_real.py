"""The checks on real radiographs: what is true of them is said, and nothing more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.imaging.crop import exposed_window
from XRayTo3DLib.imaging.radiograph_quality import check_radiograph

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
pytestmark = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason=f"no real anatomy at {DATA}")]
PICTURES = [
    *[f"wrist_hand_radiographs/hand-{number}.png" for number in (1, 2, 3)],
    *[f"knee_biplane_autoscoper/left_knee_cam0{number}_frame0138.png" for number in (1, 2)],
    *[f"wrist_biplane_autoscoper/wrist_cam0{number}_frame0099.png" for number in (1, 2)],
    "knee_tka_fluoro_jtml/biplane/cam1_frame000.png",
    "knee_tka_fluoro_jtml/mono_kneel/frame000.png",
]


@pytest.mark.parametrize("name", PICTURES)
def test_a_good_picture_only_lacks_its_side(name: str) -> None:
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not there")
    radiograph = read_radiograph(DATA / name, spacing=(0.15, 0.15), sdd=1150.0, view="PA")
    assert [finding.code for finding in check_radiograph(radiograph)] == ["side"]


def test_the_lower_leg_hangs_mirrored_and_is_collimated() -> None:
    """Seen in the picture: its R marker reads backwards, and blades cover more than half."""
    radiograph = read_radiograph(DATA / "cr_dicom_lower_leg" / "RG3_J2KR.dcm", spacing=(0.2, 0.2), sdd=1150.0)
    assert [finding.code for finding in check_radiograph(radiograph)] == ["field", "hung", "inverted"]
    window = exposed_window(radiograph)
    assert (window.row, window.rows) == (0, 1760)
    assert 450 < window.column < 620 and 1180 < window.column + window.columns < 1400
