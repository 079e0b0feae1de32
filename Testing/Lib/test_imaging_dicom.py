"""DICOM radiographs: spacing by tag and plane, photometric, intensities, compression, frames, refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from imaging_cases import COLUMNS, PATIENT, ROWS, SDD, correlation, limb, save, shown, transmitted, write_dicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit, RLELossless

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.imaging import Radiograph, read_radiograph
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph

# DICOM order (row, column); ours (column, row)
IMAGER, IMAGER_XY = [0.20, 0.15], (0.15, 0.20)
CALIBRATED = [0.16, 0.12]  # IMAGER / 1.25


def dx(tmp_path: Path, stored: np.ndarray | None = None, modality: str = "DX", **tags: object) -> Path:
    """A DX file with SDD, the given tags and a plain picture."""
    tags = {"DistanceSourceToDetector": SDD, **tags}
    tags = {keyword: value for keyword, value in tags.items() if value is not None}
    return write_dicom(tmp_path / "x.dcm", shown() if stored is None else stored, modality, **tags)


# ---- spacing: slicer.md 7.2, every row --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "expected", "source"),
    [
        ({"ImagerPixelSpacing": IMAGER}, IMAGER_XY, "detector"),
        ({"ImagerPixelSpacing": IMAGER, "PixelSpacing": IMAGER}, IMAGER_XY, "detector"),
        ({"ImagerPixelSpacing": IMAGER, "PixelSpacing": CALIBRATED}, IMAGER_XY, "detector"),
        (
            {
                "PixelSpacing": CALIBRATED,
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": 1.25,
            },
            IMAGER_XY,
            "calibrated",
        ),
        (
            {
                "PixelSpacing": CALIBRATED,
                "PixelSpacingCalibrationType": "GEOMETRY",
                "DistanceSourceToPatient": SDD / 1.25,
            },
            IMAGER_XY,
            "calibrated",
        ),
        ({"NominalScannedPixelSpacing": IMAGER}, IMAGER_XY, "detector"),
    ],
)
@pytest.mark.parametrize("modality", ["CR", "DX", "XA", "RF"])
def test_spacing_on_the_detector(
    tmp_path: Path, tags: dict[str, object], expected: tuple[float, float], source: str, modality: str
) -> None:
    radiograph = read_radiograph(dx(tmp_path, modality=modality, **tags))
    assert radiograph.camera.spacing == pytest.approx(expected)
    assert radiograph.camera.size == (COLUMNS, ROWS)
    assert radiograph.camera.sdd == pytest.approx(SDD)
    assert radiograph.spacing_source.value == source
    assert any(f"{expected[0]:.5g} x {expected[1]:.5g} mm" in note for note in radiograph.notes)


@pytest.mark.parametrize(
    ("tags", "missing"),
    [
        ({"PixelSpacing": IMAGER}, ("spacing_kind",)),
        ({"PixelSpacing": CALIBRATED, "PixelSpacingCalibrationType": "FIDUCIAL"}, ("magnification",)),
        ({}, ("spacing",)),
        ({"ImagerPixelSpacing": [0, 0]}, ("spacing",)),
        ({"ImagerPixelSpacing": IMAGER, "DistanceSourceToDetector": None}, ("sdd",)),
        ({"ImagerPixelSpacing": IMAGER, "DistanceSourceToDetector": 0}, ("sdd",)),
        ({"DistanceSourceToDetector": None}, ("spacing", "sdd")),
        ({"PixelSpacing": IMAGER, "PixelAspectRatio": [4, 3]}, ("spacing_kind",)),
        ({"PixelAspectRatio": [4, 3]}, ("spacing",)),
    ],
)
@pytest.mark.parametrize("modality", ["DX", "SC"])
def test_what_the_header_does_not_say_is_asked(
    tmp_path: Path, tags: dict[str, object], missing: tuple[str, ...], modality: str
) -> None:
    path = dx(tmp_path, modality=modality, **tags)
    with pytest.raises(MissingInformationError) as raised:
        read_radiograph(path)
    assert raised.value.missing == missing
    for field in missing:
        assert "--" + field.replace("_", "-") in str(raised.value)
    assert inspect_radiograph(path).missing == missing


@pytest.mark.parametrize(
    ("kind", "answers", "expected", "source"),
    [
        ("detector", {}, IMAGER_XY, "detector"),
        ("calibrated", {"magnification": 1.25}, (0.1875, 0.25), "calibrated"),
        ("calibrated", {"source_isocentre": SDD / 1.25}, (0.1875, 0.25), "calibrated"),
    ],
)
def test_the_answers_settle_it(
    tmp_path: Path, kind: str, answers: dict[str, float], expected: tuple[float, float], source: str
) -> None:
    radiograph = read_radiograph(dx(tmp_path, PixelSpacing=IMAGER), spacing_kind=kind, **answers)
    assert radiograph.camera.spacing == pytest.approx(expected)
    assert radiograph.spacing_source.value == source


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": CALIBRATED, "EstimatedRadiographicMagnificationFactor": 1.1},
        {"PixelSpacing": CALIBRATED, "DistanceSourceToPatient": SDD / 1.1},
        {"PixelSpacing": [0.12, 0.16]},
        {"PixelSpacing": [0.25, 0.1875]},
        {"PixelAspectRatio": [3, 4]},
    ],
    ids=["factor", "distances", "row and column swapped", "smaller than life", "aspect"],
)
def test_contradictions_are_refused_with_both_numbers_and_can_be_overridden(
    tmp_path: Path, tags: dict[str, object]
) -> None:
    path = dx(tmp_path, ImagerPixelSpacing=IMAGER, **tags)
    with pytest.raises(InputError, match=r"0\.15 x 0\.2 mm.*--spacing") as raised:
        read_radiograph(path)
    assert not isinstance(raised.value, MissingInformationError)
    assert "--spacing" in inspect_radiograph(path).advice
    assert read_radiograph(path, spacing=(0.1, 0.3)).camera.spacing == (0.1, 0.3)


def test_a_fiducial_elsewhere_than_the_table_is_no_contradiction(tmp_path: Path) -> None:
    tags = {"PixelSpacing": CALIBRATED, "PixelSpacingCalibrationType": "FIDUCIAL", "DistanceSourceToPatient": SDD / 1.1}
    radiograph = read_radiograph(dx(tmp_path, ImagerPixelSpacing=IMAGER, **tags))
    assert radiograph.camera.spacing == pytest.approx(IMAGER_XY)
    assert radiograph.camera.source[1] == pytest.approx(-SDD / 1.1)
    assert any("not to the bone's centre" in note for note in radiograph.notes)


def test_patient_beyond_the_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--source-isocentre"):
        read_radiograph(dx(tmp_path, ImagerPixelSpacing=IMAGER, DistanceSourceToPatient=1500))


# ---- view, side, hanging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "beam"), [("AP", (0, 1, 0)), ("PA", (0, -1, 0)), ("LL", (1, 0, 0)), ("RL", (-1, 0, 0))]
)
def test_view_position_places_the_camera(tmp_path: Path, view: str, beam: tuple[float, float, float]) -> None:
    radiograph = read_radiograph(dx(tmp_path, ImagerPixelSpacing=IMAGER, ViewPosition=view, ImageLaterality="L"))
    assert (radiograph.view, radiograph.laterality) == (view, "L")
    assert radiograph.camera.view_direction == pytest.approx(beam)


def test_positioner_angles_move_the_detector_to_the_left_and_to_the_head(tmp_path: Path) -> None:
    tags = {"ImagerPixelSpacing": IMAGER, "PositionerPrimaryAngle": 30.0, "PositionerSecondaryAngle": 20.0}
    beam = read_radiograph(dx(tmp_path, modality="XA", **tags)).camera.view_direction
    assert beam[0] > 0.3 and beam[1] < -0.5 and beam[2] == pytest.approx(np.sin(np.deg2rad(20)))


@pytest.mark.parametrize(("letters", "column"), [(["L", "F"], (1, 0, 0)), (["R", "F"], (-1, 0, 0))])
def test_a_mirrored_picture_gets_a_mirrored_camera(
    tmp_path: Path, letters: list[str], column: tuple[float, float, float]
) -> None:
    tags = {"ImagerPixelSpacing": IMAGER, "ViewPosition": "AP", "PatientOrientation": letters}
    camera = read_radiograph(dx(tmp_path, **tags)).camera
    assert camera.column_direction == pytest.approx(column)
    assert camera.centre == pytest.approx((0, 0, 0), abs=1e-9)  # no isocentre known: it lies on the detector
    left = camera.project([20.0, -100.0, 0.0])[0] > camera.project([-20.0, -100.0, 0.0])[0]
    assert left == (letters[0] == "L")


# ---- intensities ---------------------------------------------------------------------------------------------


def read(path: Path, **options: object) -> Radiograph:
    return read_radiograph(path, spacing=(0.15, 0.2), sdd=SDD, **options)


@pytest.mark.parametrize("modality", ["CR", "DX", "RF"])
def test_monochrome_1_and_2_give_the_same_bright_bone(tmp_path: Path, modality: str) -> None:
    two = read(write_dicom(tmp_path / "2.dcm", shown(), modality))
    one = read(write_dicom(tmp_path / "1.dcm", 4095 - shown(), modality, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert two.intensity.mode == "attenuation" and not two.intensity.absolute
    assert correlation(two.pixels, limb()) > 0.999


def test_window_and_voi_lut_change_nothing(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 16], bytes(8192)
    plain = read(write_dicom(tmp_path / "a.dcm", shown()))
    window = {"WindowCenter": 300, "WindowWidth": 50, "VOILUTSequence": Sequence([table])}
    windowed = read(write_dicom(tmp_path / "b.dcm", shown(), **window))
    np.testing.assert_array_equal(plain.pixels, windowed.pixels)
    assert any("left alone" in note for note in windowed.notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("sign", [1, -1])
def test_linear_intensities_become_line_integrals(tmp_path: Path, photometric: str, sign: int) -> None:
    counts = transmitted() if sign == 1 else 4095 - transmitted()
    tags = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": sign}
    path = write_dicom(tmp_path / "x.dcm", counts, "XA", photometric=photometric, **tags)
    # the air is the same everywhere here, as if saturated; with I0 given the scale is physical
    radiograph = read(path, i0=3500.0)
    np.testing.assert_allclose(radiograph.pixels, limb(), atol=0.02)
    assert radiograph.intensity.mode == "transmitted" and radiograph.intensity.absolute
    assert "LIN" in radiograph.intensity.how
    assert read(path).intensity.i0 == 3500.0


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("sign", [1, -1])
def test_log_intensities_are_proportional(tmp_path: Path, photometric: str, sign: int) -> None:
    log = np.round(200 + 1000 * limb()) if sign == -1 else np.round(3800 - 1000 * limb())
    tags = {"PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": sign}
    radiograph = read(write_dicom(tmp_path / "x.dcm", log, photometric=photometric, **tags))
    assert radiograph.intensity.mode == "attenuation" and not radiograph.intensity.absolute
    assert correlation(radiograph.pixels, limb()) > 0.999


def test_untagged_angiography_is_looked_at_not_assumed(tmp_path: Path) -> None:
    radiograph = read(write_dicom(tmp_path / "x.dcm", transmitted(), "XA"))
    assert radiograph.intensity.mode == "transmitted"
    assert correlation(radiograph.pixels, limb()) > 0.999


def test_rescale_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    tags = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
    plain = read(write_dicom(tmp_path / "a.dcm", transmitted(), "XA", **tags), i0=3500)
    stored = 4000 - transmitted()
    tags = {**tags, "PixelIntensityRelationshipSign": -1, "RescaleSlope": -1, "RescaleIntercept": 4000}
    rescaled = read(write_dicom(tmp_path / "b.dcm", stored, "XA", **tags), i0=3500)
    np.testing.assert_allclose(rescaled.pixels, plain.pixels, atol=1e-6)


def padded(picture: np.ndarray, value: float) -> np.ndarray:
    """The picture with 12 columns of padding on either side."""
    return np.pad(picture, ((0, 0), (12, 12)), constant_values=value)


@pytest.mark.parametrize(("value", "limit"), [(4095, None), (0, None), (4000, 4095)])
def test_padding_is_neither_air_nor_beam(tmp_path: Path, value: int, limit: int | None) -> None:
    """The same I0 and values as without padding; the padding is left out by ``exposed_field``."""
    counts = np.round(transmitted() + np.random.default_rng(0).normal(0, 5, (ROWS, COLUMNS))).clip(5, 3900)
    tags = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
    plain = read(write_dicom(tmp_path / "a.dcm", counts, **tags))
    more = {"PixelPaddingValue": value, **({} if limit is None else {"PixelPaddingRangeLimit": limit})}
    found = read(write_dicom(tmp_path / "b.dcm", padded(counts, value if limit is None else 4050), **tags, **more))
    assert found.intensity == plain.intensity
    np.testing.assert_array_equal(found.pixels[:, 12:-12], plain.pixels)
    assert np.all(found.pixels[:, :12] == plain.pixels.max()) and np.all(found.pixels[:, -12:] == plain.pixels.max())
    assert any("23.1 % of the picture is padding" in note for note in found.notes)
    field = exposed_field(found)
    assert not field[:, :12].any() and field[:, 16:-16].all()


@pytest.mark.parametrize("value", [0, 4095])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_does_not_decide_what_is_bright(tmp_path: Path, value: int, photometric: str) -> None:
    counts = transmitted().clip(1, 4094)
    stored = counts if photometric == "MONOCHROME2" else 4095 - counts
    plain = read(write_dicom(tmp_path / "a.dcm", stored, "XA", photometric=photometric))
    tags = {"photometric": photometric, "PixelPaddingValue": value}
    found = read(write_dicom(tmp_path / "b.dcm", padded(stored, value), "XA", **tags))
    assert found.intensity.mode == plain.intensity.mode == "transmitted" and found.intensity.i0 == plain.intensity.i0
    np.testing.assert_array_equal(found.pixels[:, 12:-12], plain.pixels)


def test_padding_of_signed_pixels_and_nothing_but_padding(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", padded(shown(), 63536), bits=16, PixelPaddingValue=63536)
    dataset = pydicom.dcmread(path)
    dataset.PixelRepresentation = 1
    found = read(save(dataset, path))
    assert found.pixels.max() == found.pixels[0, 0] and found.pixels[:, 12:-12].min() == 0
    assert any("padding" in note for note in found.notes)
    with pytest.raises(InputError, match="every pixel is padding"):
        read(write_dicom(tmp_path / "b.dcm", shown() * 0 + 7, PixelPaddingValue=7))


def test_a_palette_is_looked_up_not_read_as_grey(tmp_path: Path) -> None:
    """Indices in a shuffled order: only the palette makes a picture of them."""
    order = np.random.default_rng(0).permutation(256)
    grey = shown(8).astype(int)
    path = write_dicom(tmp_path / "a.dcm", order[grey], "SC", bits=8, photometric="PALETTE COLOR")
    with pytest.raises(InputError, match="palette is missing"):
        read(path)
    dataset = pydicom.dcmread(path)
    table = np.zeros(256, "<u2")
    table[order] = np.arange(256) * 257
    for number in (1, 2, 3):  # red, green, blue
        dataset.add_new((0x0028, 0x1100 + number), "US", [256, 0, 16])
        dataset.add_new((0x0028, 0x1200 + number), "OW", table.tobytes())
    found = read(save(dataset, path))
    plain = read(write_dicom(tmp_path / "b.dcm", grey, "SC", bits=8))
    assert found.intensity.mode == plain.intensity.mode
    np.testing.assert_allclose(found.pixels, plain.pixels, atol=0.01)
    assert any("palette" in note for note in found.notes)


# ---- compression, frames, damage -----------------------------------------------------------------------------


def test_rle_reads_like_uncompressed(tmp_path: Path) -> None:
    plain = write_dicom(tmp_path / "a.dcm", shown())
    dataset = pydicom.dcmread(plain)
    dataset.compress(RLELossless)
    np.testing.assert_array_equal(read(save(dataset, tmp_path / "b.dcm")).pixels, read(plain).pixels)


def test_jpeg_2000_reads_like_uncompressed(tmp_path: Path) -> None:
    openjpeg = pytest.importorskip("openjpeg.utils", reason="pylibjpeg-openjpeg encodes the test's file")
    plain = write_dicom(tmp_path / "a.dcm", shown())
    dataset = pydicom.dcmread(plain)
    code = openjpeg.encode_array(shown().astype(np.uint16), bits_stored=12, photometric_interpretation=2)
    dataset.PixelData = encapsulate([bytes(code)])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    np.testing.assert_array_equal(read(save(dataset, tmp_path / "b.dcm")).pixels, read(plain).pixels)


def test_jpeg_baseline_reads(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(shown(8).astype(np.uint8)).save(buffer, "JPEG", quality=98)
    dataset = pydicom.dcmread(write_dicom(tmp_path / "a.dcm", shown(8), bits=8))
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    radiograph = read(save(dataset, tmp_path / "b.dcm"))
    assert correlation(radiograph.pixels, limb()) > 0.99


def test_a_frame_must_be_chosen_and_is_that_frame(tmp_path: Path) -> None:
    frames = np.stack([shown(), np.flipud(shown()), np.fliplr(shown())])
    path = write_dicom(tmp_path / "x.dcm", frames, "XA")
    with pytest.raises(MissingInformationError, match=r"3 frames.*--frame 0 to 2") as raised:
        read(path)
    assert raised.value.missing == ("frame",)
    np.testing.assert_array_equal(read(path, frame=2).pixels, np.fliplr(read(path, frame=0).pixels))
    with pytest.raises(InputError, match="no frame 3"):
        read(path, frame=3)
    assert inspect_radiograph(path).frames == 3 and "frame" in inspect_radiograph(path).missing


def test_a_frame_of_a_rotation_has_its_own_camera(tmp_path: Path) -> None:
    tags = {"ImagerPixelSpacing": IMAGER, "PositionerPrimaryAngle": 0.0, "PositionerMotion": "DYNAMIC"}
    path = dx(tmp_path, np.stack([shown()] * 3), "XA", PositionerPrimaryAngleIncrement=[0, 10, 30], **tags)
    left = [read_radiograph(path, frame=frame).camera.view_direction[0] for frame in range(3)]
    assert left == pytest.approx(np.sin(np.deg2rad([0, 10, 30])))


@pytest.mark.parametrize("kept", [60, 200, 500, 0.5, 0.99])
def test_a_truncated_file_is_refused_in_words(tmp_path: Path, kept: float) -> None:
    whole = write_dicom(tmp_path / "a.dcm", shown()).read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(InputError, match=r"cut\.dcm.*(truncated|damaged)"):
        read(path)


@pytest.mark.parametrize(
    ("modality", "word"),
    [("CT", "CT slice"), ("MR", "magnetic"), ("US", "ultrasound"), ("MG", "mammogram"), ("PT", "PET")],
)
def test_other_modalities_are_named_and_refused(tmp_path: Path, modality: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read(write_dicom(tmp_path / "x.dcm", shown(), modality))


def test_secondary_capture_is_taken_with_a_note(tmp_path: Path) -> None:
    radiograph = read(write_dicom(tmp_path / "x.dcm", shown(8), "SC", bits=8))
    assert radiograph.spacing_source.value == "user"
    assert any("Secondary capture" in note for note in radiograph.notes)


@pytest.mark.parametrize("value", ["twelve", "1e400", "nan"])
def test_numbers_that_are_none_are_asked_for(tmp_path: Path, value: str) -> None:
    path = dx(tmp_path, ImagerPixelSpacing=IMAGER)
    raw = path.read_bytes()
    text = str(SDD).encode() + b" " * (len(str(SDD)) % 2)
    assert raw.count(text) == 1
    path.write_bytes(raw.replace(text, value.ljust(len(text)).encode()[: len(text)]))
    with pytest.raises(MissingInformationError) as raised:
        read_radiograph(path)
    assert raised.value.missing == ("sdd",)


# ---- privacy -------------------------------------------------------------------------------------------------


def test_no_patient_data_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    path = dx(tmp_path, ImagerPixelSpacing=IMAGER, ViewPosition="AP")
    radiograph = read_radiograph(path)
    info = json.dumps(inspect_radiograph(path).to_dict())
    with pytest.raises(MissingInformationError) as raised:
        read_radiograph(dx(tmp_path))
    out = capfd.readouterr()
    texts = [radiograph.name, str(radiograph.intensity), *radiograph.notes, info, str(raised.value), caplog.text]
    everything = " ".join([*texts, out.out, out.err]).lower()
    for secret in PATIENT.values():
        assert secret.lower() not in everything
    assert radiograph.name == "DX AP"


# ---- the real one --------------------------------------------------------------------------------------------


@pytest.mark.data
def test_the_real_lower_leg(data_dir: Path) -> None:
    path = data_dir / "cr_dicom_lower_leg" / "RG3_J2KR.dcm"
    assert inspect_radiograph(path).missing == ("spacing", "sdd")
    radiograph = read(path)
    assert radiograph.camera.size == (1760, 1760) and (radiograph.view, radiograph.laterality) == ("AP", "R")
    assert radiograph.camera.column_direction == pytest.approx((-1, 0, 0)), "hung with the left side on the left"
    tibia, air = radiograph.pixels[600:900, 860:1000].mean(), radiograph.pixels[600:900, 480:600].mean()
    assert radiograph.intensity.mode == "attenuation" and tibia > air + 0.5


def test_a_picture_calibrated_by_a_factor_that_its_distances_contradict_is_refused(tmp_path: Path) -> None:
    """The pixels were scaled by one, the bone was placed by the other: 35 % too large."""
    tags = {
        "PixelSpacing": CALIBRATED,
        "PixelSpacingCalibrationType": "GEOMETRY",
        "EstimatedRadiographicMagnificationFactor": 1.5,
        "DistanceSourceToPatient": SDD / 1.1,
    }
    with pytest.raises(InputError, match=r"Factor says 1\.500, SDD / source to patient distance 1\.100"):
        read_radiograph(dx(tmp_path, **tags))
    said = read_radiograph(dx(tmp_path, **tags), magnification=1.1)
    assert said.camera.spacing == pytest.approx([1.1 * value for value in CALIBRATED[::-1]])


def test_a_distance_in_cm_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingInformationError, match="SDD in mm"):
        read_radiograph(dx(tmp_path, ImagerPixelSpacing=IMAGER, DistanceSourceToDetector=SDD / 10))
