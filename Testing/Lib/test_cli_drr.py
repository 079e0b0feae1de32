"""``xrayto3d drr``: the picture lies where the detector is and shows the CT where the pose says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from phantoms_analytic import BONE_CAMERAS, bone_ct
from PIL import Image

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.projection.drr import DrrProjector

CAMERA = BONE_CAMERAS["PA"]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    write_ct(bone_ct(), tmp_path / "ct.nrrd")
    write_labels(bone_ct(), tmp_path / "labels.seg.nrrd")
    CAMERA.save(tmp_path / "camera.json")
    return tmp_path


def drr(case: Path, *options: object, output: str = "drr.nrrd") -> int:
    arguments = ["drr", case / "ct.nrrd", "--camera", case / "camera.json", "-o", case / output, *options]
    return main([str(argument) for argument in arguments])


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    """(column, row)."""
    rows, columns = np.indices(image.shape)
    return np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()


def test_the_nrrd_lies_on_the_detector(case: Path) -> None:
    assert drr(case) == 0
    image = sitk.ReadImage(str(case / "drr.nrrd"))
    columns, rows = CAMERA.size
    assert image.GetSize() == (columns, rows, 1)
    for index in ([0, 0], [columns - 1, 0], [0, rows - 1], [17, 41]):
        place = image.TransformIndexToPhysicalPoint([*index, 0])
        assert place == pytest.approx(CAMERA.pixel_to_world(index), abs=1e-6)
    radiograph = read_radiograph(case / "drr.nrrd")
    assert radiograph.camera.is_close(CAMERA) and radiograph.intensity.mode == "line-integral"
    ct = bone_ct()
    bone = attenuation_of(ct)
    with torch.no_grad():
        expected = DrrProjector(bone.mu, bone.voxel_to_lps)(CAMERA, RigidPose.identity()).clamp(min=0).numpy()
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], expected) and expected.max() > 0.3


def test_one_json_object_and_nothing_else(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drr(case, "--json", "--bin", 2) == 0
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert captured.err == "" and content["output"] == str(case / "drr.nrrd")
    assert content["size"] == [55, 60] and content["largest_line_integral"] > 0.3
    assert any("keV" in note for note in content["notes"])
    assert sitk.ReadImage(str(case / "drr.nrrd")).GetSpacing()[:2] == pytest.approx((1.6, 1.8))


def test_plain_words_otherwise(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drr(case) == 0
    out = capsys.readouterr().out
    assert f"wrote {case / 'drr.nrrd'} (110 x 120 pixels, largest line integral" in out and "note: Whole CT" in out


@pytest.mark.parametrize("label", ["bone", "1", None])
def test_a_label_alone_is_projected(case: Path, capsys: pytest.CaptureFixture[str], label: str | None) -> None:
    """The only label needs no name; what is outside it leaves no shadow."""
    ct = bone_ct()
    ct.hu[:, :6] = 900.0  # a plate behind the bone, not labelled
    write_ct(ct, case / "ct.nrrd")
    options = [] if label is None else ["--label", label]
    assert drr(case, "--labels", case / "labels.seg.nrrd", *options) == 0
    assert "Only label" in capsys.readouterr().out
    alone = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "drr.nrrd")))[0]
    assert drr(case, output="all.nrrd") == 0
    everything = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "all.nrrd")))[0]
    assert alone[20, 20] == 0.0 and everything[20, 20] > 0.1 and alone.max() > 0.3


@pytest.mark.parametrize(
    ("shift", "columns", "rows"), [((9.0, 0, 0), 1, 0), ((0, 0, 9.0), 0, -1), ((-4.5, 0, -9.0), -0.5, 1)]
)
def test_the_pose_moves_the_ct_to_the_world(
    case: Path, shift: tuple[float, float, float], columns: float, rows: float
) -> None:
    """PA: columns run to the patient's left, rows to the feet; 9 mm in the isocentre are 10 mm on the detector."""
    RigidPose.from_rotation((0, 0, 0), shift).save(case / "pose.tfm")
    assert drr(case) == 0 and drr(case, "--pose", case / "pose.tfm", output="moved.nrrd") == 0
    still, moved = (
        centre_of_mass(sitk.GetArrayFromImage(sitk.ReadImage(str(case / name)))[0])
        for name in ("drr.nrrd", "moved.nrrd")
    )
    assert moved - still == pytest.approx([columns * 10 / 0.8, rows * 10 / 0.9], abs=0.4)


def test_resampling_with_the_pose_file_gives_the_same_picture(case: Path) -> None:
    """The file's direction is ITK's: a CT resampled with it and left in place is the CT under that pose."""
    pose = RigidPose.from_rotation((10, -15, 20), (6, 2, -4))
    pose.save(case / "pose.tfm")
    assert drr(case, "--pose", case / "pose.tfm") == 0
    ct = sitk.Cast(sitk.ReadImage(str(case / "ct.nrrd")), sitk.sitkFloat32)
    reference = sitk.Image([100, 100, 120], sitk.sitkFloat32)
    reference.SetOrigin((-50, -50, -60))
    moved = sitk.Resample(ct, reference, sitk.ReadTransform(str(case / "pose.tfm")), sitk.sitkLinear, -1000.0)
    sitk.WriteImage(moved, str(case / "moved.nrrd"))
    arguments = ["drr", case / "moved.nrrd", "--camera", case / "camera.json", "-o", case / "resampled.nrrd"]
    assert main([str(argument) for argument in arguments]) == 0
    first, second = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(case / name)))[0] for name in ("drr.nrrd", "resampled.nrrd")
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.998
    assert centre_of_mass(first) == pytest.approx(centre_of_mass(second), abs=0.05)


def test_a_png_shows_the_same_in_16_bit(case: Path) -> None:
    assert drr(case, output="drr.png") == 0 and drr(case) == 0
    picture = np.asarray(Image.open(case / "drr.png")).astype(float)
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(case / "drr.nrrd")))[0]
    assert picture.max() == 65535
    assert np.abs(picture / 65535 * values.max() - values).max() < values.max() / 60000


def test_an_empty_picture_is_said(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    RigidPose.from_rotation((0, 0, 0), (900, 0, 0)).save(case / "pose.tfm")
    assert drr(case, "--pose", case / "pose.tfm") == 0
    assert "no ray meets the volume. Check pose and camera" in capsys.readouterr().out
    assert drr(case, "--pose", case / "pose.tfm", "--json") == 0
    assert any("no ray meets" in note for note in json.loads(capsys.readouterr().out)["notes"])


@pytest.mark.parametrize(
    ("options", "output", "words"),
    [
        ([], "drr.tiff", "output drr.tiff: write .nrrd"),
        ([], "drr.mha", "write .nrrd"),
        (["--bin", "0"], "drr.nrrd", "cannot be binned by 0"),
        (["--bin", "500"], "drr.nrrd", "110 x 120 pixels cannot be binned by 500"),
        (["--label", "bone"], "drr.nrrd", "--label needs the label map"),
        (["--labels", "labels.seg.nrrd", "--label", "tibia"], "drr.nrrd", "label 'tibia' is not in the label map"),
        (["--energy", "5"], "drr.nrrd", "energy must lie between 30 and 150 keV"),
        (["--device", "gpu"], "drr.nrrd", "--device gpu is not known"),
        (["--device", "cuda:99"], "drr.nrrd", "no such CUDA GPU; leave the option out"),
        (["--pose", "absent.tfm"], "drr.nrrd", "there is no file absent.tfm"),
    ],
)
def test_what_cannot_be_done_is_2_and_leaves_nothing(
    case: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    output: str,
    words: str,
) -> None:
    monkeypatch.chdir(case)
    before = sorted(case.rglob("*"))
    assert drr(case, *options, output=output) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
    assert sorted(case.rglob("*")) == before
