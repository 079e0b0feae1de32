"""What goes wrong in practice, end to end: the command says what is wrong, where, and what to do, and leaves nothing.

In the order of the list of bad inputs; the rooms' own tests go deeper.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from bad_input_cases import (
    CAMERA,
    SECRETS,
    Refusal,
    copied_case,
    ct_series,
    drr,
    evaluate,
    good_case,
    halved,
    refusal,
    register,
    rendered,
)
from imaging_cases import shown, write_dicom
from phantoms_analytic import bone_ct, relative_rms
from PIL import Image
from solids import sphere

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.imaging.ct_writer import write_ct
from XRayTo3DLib.imaging.itk_images import lps_image
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import transformed
from XRayTo3DLib.shape.surfaces import write_surface

template = pytest.fixture(good_case, scope="module")
case = pytest.fixture(copied_case)
refused = pytest.fixture(refusal)


def test_the_good_case_is_good(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or the refusals below would prove nothing."""
    assert main(register("pa.png:pa.json", "--labels", "labels.seg.nrrd")) == 0
    assert main(drr()) == 0 and main(["info", "pa.png"]) == 0
    assert "verdict:" in capsys.readouterr().out


# ---- wrong modality ------------------------------------------


def test_a_radiograph_given_as_ct(case: Path, refused: Refusal) -> None:
    write_dicom(case / "x.dcm", shown(), "DX")
    refused("CT: pa.png is a picture without voxel geometry; export the CT as NRRD, NIfTI or DICOM", *drr("pa.png"))
    refused(r"holds no CT slices \(found DX\); choose the folder of the CT series", *drr("x.dcm"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((1, 20, 30), np.float32)), "slice.nrrd")
    refused("CT: slice.nrrd has size 30x20x1: a picture .a radiograph", *drr("slice.nrrd"))


def test_a_ct_given_as_radiograph(case: Path, refused: Refusal) -> None:
    ct_series(case / "series", bone_ct(4.0))
    refused("ct.nrrd has .* voxels: it is a volume, not a radiograph; load it as a CT", *register("ct.nrrd"))
    refused("000.dcm is a CT slice; load its folder as a CT", *register("series/000.dcm"))
    refused("series is a folder, a file is needed", *register("series"))


def test_magnetic_resonance(case: Path, refused: Refusal) -> None:
    ct_series(case / "mr", bone_ct(4.0), "MR")
    refused("a magnetic resonance image, which is no projection; radiographs are CR, DX", *register("mr/000.dcm"))
    refused(r"no CT slices \(found MR\)", *drr("mr"))


def test_a_label_map_given_as_ct_and_a_ct_as_labels(case: Path, refused: Refusal) -> None:
    refused("label map or a normalised volume, not a CT in Hounsfield units", *drr("labels.seg.nrrd"))
    refused(
        "label map: ct.nrrd holds values outside 0..65535; it is an image, not labels",
        *drr("ct.nrrd", "--labels", "ct.nrrd"),
    )


# ---- missing tags ------------------------------------------


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"DistanceSourceToDetector": 1000}, "pixel spacing, column and row in mm .--spacing with --spacing-kind"),
        ({"ImagerPixelSpacing": [0.2, 0.15]}, "source to detector distance.*--sdd"),
        ({"PixelSpacing": [0.2, 0.15]}, "PixelSpacing 0.15 x 0.2 mm holds on the detector or at the object.*--sdd"),
        ({}, "--spacing.*--sdd"),
    ],
    ids=["no spacing", "no SDD", "spacing of an unknown plane", "neither"],
)
def test_missing_tags_are_asked_for_by_option(case: Path, refused: Refusal, tags: dict[str, Any], words: str) -> None:
    write_dicom(case / "x.dcm", shown(), **tags)
    refused(words, *register("x.dcm"))


def test_a_picture_without_a_camera_is_asked_for_everything(refused: Refusal) -> None:
    refused("radiograph pa.*--spacing.*--sdd", *register("pa.png"))


# ---- contradictory tags ------------------------------------------


def test_contradictory_spacings_are_shown_and_can_be_settled(case: Path, refused: Refusal) -> None:
    tags = {"ImagerPixelSpacing": [0.2, 0.15], "PixelSpacing": [0.12, 0.16], "DistanceSourceToDetector": 1000}
    write_dicom(case / "x.dcm", shown(), **tags)
    refused("0.15 x 0.2 mm and PixelSpacing 0.16 x 0.12 mm contradict.*--spacing-kind detector", *register("x.dcm"))
    assert read_radiograph("x.dcm", spacing_kind="detector").camera.spacing == (0.15, 0.2)


def test_a_magnification_that_does_not_fit_is_refused(case: Path, refused: Refusal) -> None:
    tags = {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.16, 0.16], "DistanceSourceToDetector": 1000}
    write_dicom(case / "x.dcm", shown(), **tags, EstimatedRadiographicMagnificationFactor=1.1)
    refused("differ by a magnification of 1.250, but Estimated.* says 1.100", *register("x.dcm"))


# ---- unequal spacings ------------------------------------------


def test_row_and_column_spacing_are_not_mixed_up(case: Path) -> None:
    write_dicom(case / "x.dcm", shown(), ImagerPixelSpacing=[0.3, 0.2], DistanceSourceToDetector=1000)
    camera = read_radiograph("x.dcm").camera
    assert camera.spacing == (0.2, 0.3)  # DICOM says row spacing first
    right, down = camera.pixel_to_world([[1, 0], [0, 1]]) - camera.origin
    assert np.linalg.norm(right) == pytest.approx(0.2) and np.linalg.norm(down) == pytest.approx(0.3)


def test_unequal_slice_distances_are_refused(case: Path, refused: Refusal) -> None:
    ct_series(case / "series", bone_ct(4.0), shift=lambda number: (0, 0, 1.5 if number > 9 else 0))
    refused(r"between slice 10 and 11 of 24 in series there are 5.5 mm, elsewhere 4 mm \(unequal slice", *drr("series"))


def test_a_sheared_series_is_refused(case: Path, refused: Refusal) -> None:
    """A tilted gantry shifts every slice sideways."""
    ct_series(case / "series", bone_ct(4.0), shift=lambda number: (0, 0.5 * number, 0))
    refused(r"sheared \(gantry tilt\); resample it to a straight grid", *drr("series"))


# ---- oblique and flipped CTs ------------------------------------------


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_a_flipped_ct_gives_the_same_drr(case: Path, axes: tuple[int, ...]) -> None:
    ct = bone_ct(2.0)
    grid = ct.voxel_to_lps.copy()
    for axis in axes:
        grid[:3, 3] += grid[:3, 2 - axis] * (ct.hu.shape[axis] - 1)
        grid[:3, 2 - axis] *= -1
    write_ct(CtVolume(np.flip(ct.hu, axes).copy(), grid), case / "flipped.nrrd")
    assert main(drr()) == 0
    expected = rendered()
    assert main(drr("flipped.nrrd")) == 0
    assert relative_rms(rendered(), expected) < 1e-4 and expected.max() > 0.3


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_an_oblique_ct_gives_the_same_drr(case: Path, suffix: str) -> None:
    """Within 4 %, the sharp edges' difference between two grids of 1 mm."""
    straight, oblique = bone_ct(1.0), bone_ct(1.0, (20, -35, 50))
    write_ct(straight, case / "ct.nrrd")
    sitk.WriteImage(lps_image(oblique.hu, oblique.voxel_to_lps), f"oblique{suffix}")
    assert main(drr()) == 0
    expected = rendered()
    assert main(drr(f"oblique{suffix}")) == 0
    assert relative_rms(rendered(), expected) < 0.04


# ---- empty masks and labels ------------------------------------------


def test_empty_labels(case: Path, refused: Refusal) -> None:
    ct = bone_ct(2.0)
    sitk.WriteImage(lps_image(np.zeros(ct.hu.shape, np.uint8), ct.voxel_to_lps), "empty.nrrd")
    refused("label map: empty.nrrd is empty: every voxel is 0", *drr("ct.nrrd", "--labels", "empty.nrrd"))
    elsewhere = ct.voxel_to_lps.copy()
    elsewhere[:3, 3] += 5000
    sitk.WriteImage(lps_image(ct.labels.astype(np.uint8), elsewhere), "away.nrrd")
    refused("no label of away.nrrd lies inside CT ct", *drr("ct.nrrd", "--labels", "away.nrrd"))


def test_a_label_that_no_voxel_carries(case: Path, refused: Refusal) -> None:
    (case / "names.json").write_text('{"bone": 1, "ulna": 7}')
    options = ["--labels", "labels.seg.nrrd", "--label-names", "names.json", "--label"]
    refused("label 'ulna' is not in the label map of CT ct; it has bone", *drr("ct.nrrd", *options, "ulna"))
    refused("label '7' .*is empty: no voxel carries it", *drr("ct.nrrd", *options, "7"))


def test_a_ct_of_nothing_but_air(case: Path, refused: Refusal) -> None:
    ct = bone_ct(4.0)
    write_ct(replace(ct, hu=np.full(ct.hu.shape, -1000.0), labels=None), case / "air.nrrd")
    refused("every voxel has the value -1000; it shows nothing", *drr("air.nrrd"))


def test_a_picture_of_nothing(case: Path, refused: Refusal) -> None:
    Image.fromarray(np.full((120, 110), 300, np.uint16)).save("flat.png")
    refused("radiograph flat: every pixel has the value 300; it shows nothing", *register("flat.png:pa.json"))


# ---- NaN ------------------------------------------


def test_nan_in_ct_radiograph_and_mesh(case: Path, refused: Refusal) -> None:
    ct = bone_ct(4.0)
    ct.hu[3, 4, 5] = np.nan
    sitk.WriteImage(lps_image(ct.hu, ct.voxel_to_lps), "nan.nrrd")
    refused(r"CT nan: 1 voxels are not finite \(NaN or infinite\); export it again", *drr("nan.nrrd"))
    picture = np.random.default_rng(0).random((120, 110)).astype(np.float32)
    picture[7, 7] = np.nan
    Image.fromarray(picture).save("nan.tiff")
    refused("radiograph nan.*(not finite|NaN)", *register("nan.tiff:pa.json"))
    (case / "nan.obj").write_text("v 0 0 0\nv 20 0 0\nv nan 20 0\nf 1 2 3\n")
    refused("Reference nan.obj has 1 points that are not finite numbers .NaN or infinite.", *evaluate("nan.obj"))


def test_nan_in_camera_and_pose(case: Path, refused: Refusal) -> None:
    content = json.loads((case / "pa.json").read_text())
    content["source"][1] = float("nan")
    (case / "nan.json").write_text(json.dumps(content))
    refused("nan.json is not a JSON file .NaN is no JSON number", *drr(camera="nan.json"))
    lines = (case / "start.tfm").read_text().splitlines()
    lines = ["Parameters: nan 0 0 0 1 0 0 0 1 0 0 0" if line.startswith("Parameters") else line for line in lines]
    (case / "nan.tfm").write_text("\n".join(lines) + "\n")
    refused("pose: nan.tfm is not a readable ITK transform file", *drr("ct.nrrd", "--pose", "nan.tfm"))


# ---- cameras, poses and surfaces in other frames and units ------------------------------------------


def test_a_camera_of_another_size(case: Path, refused: Refusal) -> None:
    CAMERA.binned(2).save("half.json")
    words = r"radiograph pa has 110 x 120 pixels \(columns x rows\) but the camera 55 x 60; "
    refused(words + ".*resampled", *register("pa.png:half.json"))
    CAMERA.cropped(5, 0, 100, 120).save("cropped.json")
    refused("but the camera 100 x 120; use the camera of this picture", *register("pa.png:cropped.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame": "RAS"}, "frame 'RAS' and unit 'mm' given; cameras are in frame \"LPS\" and unit \"mm\". Convert"),
        ({"unit": "m"}, "unit 'm' given"),
        ({"frame": None}, "frame None"),
        ({"format": "xrayto3d.camera/9"}, 'format .xrayto3d.camera/9., expected "xrayto3d.camera/1"'),
        ({"spacing": [0, 0.2]}, "spacing .*greater than zero"),
        ({"size": [110.5, 120]}, "size .*whole numbers"),
        ({"column_direction": [0, 0, 0]}, "column_direction has length zero"),
        ({"source": "above"}, "the field source must be a list, not text"),
    ],
)
def test_cameras_that_are_none(case: Path, refused: Refusal, change: dict[str, Any], words: str) -> None:
    (case / "bad.json").write_text(json.dumps({**json.loads((case / "pa.json").read_text()), **change}))
    refused(f"camera: bad.json.*{words}", *drr(camera="bad.json"))
    refused(f"camera: bad.json.*{words}", *register("pa.png:bad.json"))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([-1.0, 1, 1]), r"mirrors \(determinant below zero\), a rigid pose cannot; check LPS against RAS"),
        (np.diag([1.1, 1, 1]), "not rigid .*it scales or shears. Give a rigid transform"),
        (np.array([[1, 0.2, 0], [0, 1, 0], [0, 0, 1.0]]), "not rigid"),
    ],
    ids=["mirrored", "scaled", "sheared"],
)
def test_poses_that_are_not_rigid(case: Path, refused: Refusal, matrix: np.ndarray, words: str) -> None:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix.ravel().tolist())
    sitk.WriteTransform(transform, "bad.tfm")
    refused(f"pose: bad.tfm: .*{words}", *drr("ct.nrrd", "--pose", "bad.tfm"))
    refused(f"pose: bad.tfm: .*{words}", *register(initial="bad.tfm"))


def test_a_surface_in_metres(case: Path, refused: Refusal) -> None:
    write_surface(transformed(sphere(20, 24), np.diag([0.001, 0.001, 0.001, 1])), case / "metres.stl")
    refused("Reference metres.stl looks like metres: largest extent is 0.04; give --unit m", *evaluate("metres.stl"))
    refused("looks like metres.*give --result-unit m", *evaluate("bone.ply", "metres.stl"))


# ---- patient data ------------------------------------------


def assert_no_secret(text: str | bytes, where: str) -> None:
    plain = text.decode("latin-1") if isinstance(text, bytes) else text
    for secret in ("SECRET", *SECRETS.values()):
        assert secret.lower() not in plain.lower(), f"{secret} in {where}"


def test_patient_data_never_comes_out(
    case: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A radiograph and a CT full of it: in no line, no log, no file and no file name."""
    caplog.set_level("DEBUG")
    stored = np.asarray(Image.open("pa.png")).astype(float) / 60000 * 4000
    tags = {"ImagerPixelSpacing": [0.9, 0.8], "DistanceSourceToDetector": 1000, "ViewPosition": "PA", **SECRETS}
    lin = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
    write_dicom(case / "x.dcm", np.round(stored), **tags, **lin)
    ct_series(case / "series", bone_ct(2.0))
    good = set(case.rglob("*"))
    whole = register("x.dcm:pa.json", ct="series")
    runs = [["info", "x.dcm"], ["info", "x.dcm", "--json"], whole, [*whole, "--json"], drr("series")]
    for arguments in runs:
        assert main(arguments) == 0, arguments
    write_dicom(case / "bare.dcm", np.round(stored), **SECRETS)
    write_dicom(case / "odd.dcm", np.round(stored), **{**tags, "PixelSpacing": [0.2, 0.9]})
    bad = [
        register("bare.dcm"),
        register("odd.dcm"),
        register("series/001.dcm"),
        drr("x.dcm"),
        drr(halved(case / "x.dcm")),
    ]
    for arguments in bad:
        assert main(arguments) == 2, arguments
    assert main(["info", "bare.dcm", "odd.dcm"]) == 0
    captured = capfd.readouterr()
    assert "PA" in captured.out and "error" in captured.err
    assert_no_secret(captured.out, "standard output")
    assert_no_secret(captured.err, "standard error")
    assert_no_secret(caplog.text, "the log")
    written = [path for path in set(case.rglob("*")) - good if path.is_file() and path.suffix != ".dcm"]
    assert {"pose.tfm", "registration.json", "drr.nrrd"} <= {path.name for path in written}
    for path in written:
        assert_no_secret(path.name, "a file's name")
        assert_no_secret(path.read_bytes(), path.name)
