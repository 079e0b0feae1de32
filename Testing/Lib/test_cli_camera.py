"""`xrayto3d camera`: camera.json from numbers, calibrations and DICOM headers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.geometry import XRayCamera

MAYACAM = """image size
300,200

camera matrix
5000,0,150
0,5100,90
0,0,1

rotation
1,0,0
0,1,0
0,0,1

translation
1
-2
900
"""


def test_from_numbers(tmp_path, capsys):
    out = tmp_path / "pa.json"
    options = ["--sdd", "1000", "--spacing", "0.2", "0.3", "--size", "120", "150", "--view", "pa"]
    assert main(["camera", *options, "--source-isocentre", "900", "-o", str(out)]) == 0
    camera = XRayCamera.load(out)
    assert camera.sdd == pytest.approx(1000)
    assert camera.spacing == (0.2, 0.3)
    assert camera.project([0, 0, 0]) == pytest.approx([59.5, 74.5])
    assert "wrote" in capsys.readouterr().out


def test_from_an_xmalab_calibration(tmp_path, capsys):
    source, out = tmp_path / "cam.txt", tmp_path / "cam.json"
    source.write_text(MAYACAM)
    assert main(["camera", str(source), "--sdd", "1200", "-o", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["principal_point"] == pytest.approx([150, 90])
    point = np.array([10.0, 20.0, 30.0])
    expected = [150 + 5000 * 11 / 930, 90 + 5100 * 18 / 930]
    assert XRayCamera.load(out).project(point) == pytest.approx(expected)


def test_from_opencv_json_counted_from_the_corner(tmp_path):
    source, out = tmp_path / "calibration.json", tmp_path / "cam.json"
    k = [[5000, 0, 150], [0, 5000, 90], [0, 0, 1]]
    source.write_text(json.dumps({"K": k, "R": np.eye(3).tolist(), "t": [0, 0, 900], "size": [300, 200]}))
    assert main(["camera", str(source), "--sdd", "1200", "--from-corner", "-o", str(out)]) == 0
    assert XRayCamera.load(out).project([0, 0, 0]) == pytest.approx([149.5, 89.5])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAYACAM.replace("camera matrix", "matrix"), ("camera matrix", "missing")),
        (MAYACAM.replace("0,5100,90", "0,abc,90"), ("camera matrix", "numbers")),
        (MAYACAM.replace("1,0,0", "2,0,0"), ("rotation R", "not a rotation")),
        (MAYACAM[:60], ("missing",)),
    ],
)
def test_bad_calibrations_are_refused_by_name(tmp_path, capsys, text, words):
    source, out = tmp_path / "cam.txt", tmp_path / "cam.json"
    source.write_text(text)
    assert main(["camera", str(source), "--sdd", "1200", "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert "cam.txt" in message
    assert all(word in message for word in words)
    assert not out.exists()


def test_what_is_missing_is_asked_for(tmp_path, capsys):
    assert main(["camera", "--sdd", "1000", "-o", str(tmp_path / "c.json")]) == 2
    message = capsys.readouterr().err
    assert all(option in message for option in ("--spacing", "--size", "--view"))
    source = tmp_path / "cam.txt"
    source.write_text(MAYACAM)
    assert main(["camera", str(source), "-o", str(tmp_path / "c.json")]) == 2
    assert "--sdd" in capsys.readouterr().err


@pytest.mark.data
def test_real_calibration_equals_its_opencv_twin(tmp_path, data_dir):
    folder = data_dir / "wrist_biplane_autoscoper"
    twin = json.loads((folder / "calibration.json").read_text())["cam02"]
    fields = {"K": "K", "R": "R_world_to_camera", "t": "t_world_to_camera_mm", "size": "image_size"}
    source = tmp_path / "twin.json"
    source.write_text(json.dumps({short: twin[name] for short, name in fields.items()}))
    cameras = []
    for file in (folder / "xr_calib_wrist_cam02.txt", source):
        out = tmp_path / f"{file.stem}_camera.json"
        assert main(["camera", str(file), "--sdd", "1200", "-o", str(out)]) == 0
        cameras.append(XRayCamera.load(out))
    assert cameras[0].is_close(cameras[1], 1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--sdd", "1000", "--spacing", "0.2", "0.2", "--size", "9", "9", "--view", "AP", "--magnification", "1.2"],
            "numbers",
        ),
        (["cam.txt", "--sdd", "1000", "--view", "LAT", "--size", "9", "9"], "calibration file"),
        (["wrist.dcm", "--angles", "30", "0"], "radiograph"),
    ],
)
def test_options_that_would_be_dropped_are_refused(tmp_path, capsys, arguments, words):
    assert main(["camera", *arguments, "-o", str(tmp_path / "c.json")]) == 2
    message = capsys.readouterr().err
    assert "means nothing" in message and words in message


def test_a_camera_json_is_recognised(tmp_path, capsys):
    out = tmp_path / "a.json"
    assert (
        main(["camera", "--sdd", "900", "--spacing", "1", "1", "--size", "9", "9", "--view", "AP", "-o", str(out)]) == 0
    )
    assert main(["camera", str(out), "--sdd", "900", "-o", str(tmp_path / "b.json")]) == 2
    assert "camera.json already" in capsys.readouterr().err
