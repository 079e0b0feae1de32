"""DICOM SEG: read back by pydicom alone, by highdicom, by dcmqi (what Slicer reads SEG with) and judged by dciodvfy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.sr._concepts_dict import concepts

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.bone_codes import BONE, BONES, CATEGORY, SIDES, bone_code
from XRayTo3DLib.imaging.dicom_segmentation import NEEDS_HIGHDICOM, Origin, write_dicom_segmentation
from XRayTo3DLib.imaging.types import CtVolume

highdicom = pytest.importorskip("highdicom", "0.27", reason="DICOM SEG needs highdicom: pip install '.[dicom]'")
ORIGIN = Origin("wrist-pa-lat-demo", "biplanar", side="right", notes=("The ulna was cut at the picture's edge.",))
SECRET = "Secret^Person"


def volume(columns: str = "oblique", synthetic: bool = False) -> CtVolume:
    """Two bones, no axis alike, off the grid of whole millimetres."""
    labels = np.zeros((9, 16, 21), dtype=np.uint8)
    labels[1:5, 3:9, 4:15] = 1
    labels[6:8, 5:14, 6:18] = 2
    labels[3, 4, 5] = 0
    turn = {"straight": np.eye(3), "flipped": np.diag([-1.0, 1.0, -1.0]), "mirrored": np.diag([1.0, 1.0, -1.0])}
    turn["oblique"] = np.linalg.qr(np.array([[3.0, 1.0, 0.4], [-1.0, 2.5, 0.7], [0.2, -0.6, 2.0]]))[0]
    to_lps = np.eye(4)
    to_lps[:3, :3] = turn[columns] @ np.diag([0.5, 0.7, 1.1])
    to_lps[:3, 3] = [-12.3456, 134.5, 1000.25]
    names = {"radius": 1, "ulna": 2}
    return CtVolume(np.zeros(labels.shape, np.float32), to_lps, labels, names, "bones", synthetic=synthetic)


def places(labels: np.ndarray, to_lps: np.ndarray, value: int) -> np.ndarray:
    """(N, 3) LPS mm of a label's voxels, sorted."""
    found = np.argwhere(labels == value)[:, ::-1]
    points = found @ to_lps[:3, :3].T + to_lps[:3, 3]
    return points[np.lexsort(np.round(points, 4).T)]


def radiograph(folder: Path, name: str = "ap.dcm", **values: Any) -> Path:
    """A DX header of a named person, without pixels that matter."""
    made = pydicom.Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", pydicom.uid.generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.4", f"1.2.3.4.{len(list(folder.iterdir())) + 1}"
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = SECRET, "4711", "19700101", "F"
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20260102", "101112", "7", "A1"
    made.ReferringPhysicianName, made.Modality, made.Rows, made.Columns = "", "DX", 4, 5
    for key, value in values.items():
        setattr(made, key, value)
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.save_as(folder / name, enforce_file_format=True)
    return folder / name


@pytest.mark.parametrize("columns", ["straight", "flipped", "mirrored", "oblique"])
def test_voxels_are_where_they_were_by_highdicom(columns: str, tmp_path: Path) -> None:
    bones = volume(columns)
    path = write_dicom_segmentation(bones, tmp_path / "bones.dcm", ORIGIN)
    back = highdicom.seg.segread(path).get_volume(combine_segments=True)
    # highdicom's affine is of (slice, row, column); ours of (column, row, slice).
    to_lps = back.affine[:, [2, 1, 0, 3]]
    for value in (1, 2):
        expected = places(bones.labels, bones.voxel_to_lps, value)
        np.testing.assert_allclose(places(back.array, to_lps, value), expected, atol=1e-3)


def test_voxels_are_where_they_were_by_the_standards_own_formula(tmp_path: Path) -> None:
    """DICOM PS3.3 C.7.6.2.1.1, frame by frame, with pydicom alone."""
    bones = volume()
    made = pydicom.dcmread(write_dicom_segmentation(bones, tmp_path / "bones.dcm", ORIGIN))
    shared = made.SharedFunctionalGroupsSequence[0]
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    direction = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
    found: dict[int, list[np.ndarray]] = {1: [], 2: []}
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, made.pixel_array, strict=True):
        corner = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        number = int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        for row, column in np.argwhere(pixels):
            step = direction[:3] * between_columns * column + direction[3:] * between_rows * row
            found[number].append(corner + step)
    for value in (1, 2):
        points = np.array(found[value])
        points = points[np.lexsort(np.round(points, 4).T)]
        np.testing.assert_allclose(points, places(bones.labels, bones.voxel_to_lps, value), atol=1e-3)


def test_the_reader_of_slicer_gives_the_same_label_map(tmp_path: Path) -> None:
    if find_spec("dcmqi") is None:
        pytest.skip("dcmqi is not installed (pip install dcmqi): what Slicer 5.12 reads DICOM SEG with")
    import SimpleITK as sitk

    bones = volume()
    path = write_dicom_segmentation(bones, tmp_path / "bones.dcm", ORIGIN)
    program = "import sys; from dcmqi import segimage2itkimage; sys.exit(segimage2itkimage())"
    arguments = ["--inputDICOM", path, "--outputDirectory", tmp_path, "--outputType", "nrrd", "--mergeSegments"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    assert (tmp_path / "1.nrrd").is_file(), done.stderr
    image = sitk.ReadImage(str(tmp_path / "1.nrrd"))
    to_lps = np.eye(4)
    to_lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    to_lps[:3, 3] = image.GetOrigin()
    labels = sitk.GetArrayFromImage(image)
    for value in (1, 2):
        expected = places(bones.labels, bones.voxel_to_lps, value)
        np.testing.assert_allclose(places(labels, to_lps, value), expected, atol=1e-3)
    (segments,) = json.loads((tmp_path / "meta.json").read_text())["segmentAttributes"]
    assert [segment["SegmentLabel"] for segment in segments] == ["radius", "ulna"]
    assert segments[1]["SegmentedPropertyTypeModifierCodeSequence"]["CodeMeaning"] == "Right"
    assert np.allclose(segments[0]["recommendedDisplayRGBValue"], np.array([0.94, 0.84, 0.57]) * 255, atol=1)


@pytest.mark.parametrize("referring", [False, True])
def test_dciodvfy_finds_nothing_wrong(referring: bool, tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (apt-get install dicom3tools): the object is not validated")
    sources = [radiograph(tmp_path), radiograph(tmp_path, "lat.dcm", Rows=7)] if referring else []
    path = write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, sources)
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() != "Segmentation"]
    assert said == []


def test_every_attribute_that_the_standard_requires_is_there(tmp_path: Path) -> None:
    """Type 1 and 2 attributes of the SEG object's mandatory modules, by the tables that highdicom has of PS3.3."""
    try:
        from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map

        iods, attributes = get_iod_module_map(), get_module_attribute_map()
    except ImportError:  # before highdicom 0.28
        from highdicom._iods import IOD_MODULE_MAP as iods
        from highdicom._modules import MODULE_ATTRIBUTE_MAP as attributes
    made = pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, [radiograph(tmp_path)]))
    modules = [each["key"] for each in iods["segmentation"] if each["usage"] == "M"]
    assert "segmentation-image" in modules and "patient" in modules
    missing, empty = [], []
    for module in modules:
        for each in attributes[module]:
            if each["path"] or each["type"] not in ("1", "2"):
                continue
            if each["keyword"] not in made:
                missing.append((module, each["keyword"]))
            elif each["type"] == "1" and made[each["keyword"]].is_empty:
                empty.append((module, each["keyword"]))
    assert (missing, empty) == ([], [])


def test_it_says_what_it_is(tmp_path: Path) -> None:
    made = pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.4" and made.SegmentationType == "BINARY"
    assert made.ContentDescription.startswith("Research use only") and len(made.ContentDescription) <= 64
    assert "Not clinically validated" in made.ImageComments
    assert "wrist-pa-lat-demo" in made.DerivationDescription and "picture's edge" in made.DerivationDescription
    radius, ulna = made.SegmentSequence
    assert (radius.SegmentLabel, ulna.SegmentLabel) == ("radius", "ulna")
    kind = radius.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("62413002", "SCT")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"
    algorithm = radius.SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName.startswith("XRayTo3D") and "wrist-pa-lat-demo" in algorithm.AlgorithmName
    assert algorithm.AlgorithmVersion == __version__
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    shapes = write_dicom_segmentation(volume(), tmp_path / "shapes.dcm", Origin("hips", "shape-intensity-fit"))
    family = pydicom.dcmread(shapes).SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert family.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Deformable Models"


def test_a_synthetic_one_says_so_first(tmp_path: Path) -> None:
    path = write_dicom_segmentation(volume(synthetic=True), tmp_path / "bones.dcm", ORIGIN)
    assert pydicom.dcmread(path).ContentDescription.startswith("SYNTHETIC")


def test_without_radiographs_it_is_a_new_study_of_nobody(tmp_path: Path) -> None:
    first, second = (pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / f"{n}.dcm", ORIGIN)) for n in "ab")
    assert str(first.PatientName).startswith("Anonymous") and first.PatientBirthDate == ""
    assert first.StudyInstanceUID != second.StudyInstanceUID and first.PatientID != second.PatientID
    assert "ReferencedSeriesSequence" not in first and "SourceImageSequence" not in first
    assert "DerivationImageSequence" not in first.SharedFunctionalGroupsSequence[0]
    # Nothing of what was only lent to highdicom is referred to.
    assert not any("DerivationImageSequence" in frame for frame in first.PerFrameFunctionalGroupsSequence)


def test_with_radiographs_it_joins_their_study_and_refers_to_them(tmp_path: Path) -> None:
    views = [radiograph(tmp_path), radiograph(tmp_path, "lat.dcm", Rows=7)]
    made = pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, views))
    assert str(made.PatientName) == SECRET and made.PatientID == "4711" and made.AccessionNumber == "A1"
    assert made.StudyInstanceUID == "1.2.3.4" and made.SeriesInstanceUID not in ("1.2.3.4.1", "1.2.3.4.2")
    expected = [pydicom.dcmread(view).SOPInstanceUID for view in views]
    series = [item.ReferencedInstanceSequence for item in made.ReferencedSeriesSequence]
    assert [each[0].ReferencedSOPInstanceUID for each in series] == expected
    (derivation,) = made.SharedFunctionalGroupsSequence[0].DerivationImageSequence
    assert [each.ReferencedSOPInstanceUID for each in derivation.SourceImageSequence] == expected
    assert {each.SpatialLocationsPreserved for each in derivation.SourceImageSequence} == {"NO"}


def test_names_in_any_alphabet_come_through(tmp_path: Path) -> None:
    name = "Müller^Jörg=山田^太郎"
    view = radiograph(tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName=name)
    made = pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, [view]))
    assert str(made.PatientName) == name


def test_a_radiograph_of_another_study_is_not_referred_to(tmp_path: Path) -> None:
    views = [radiograph(tmp_path), radiograph(tmp_path, "old.dcm", StudyInstanceUID="1.2.3.5")]
    made = pydicom.dcmread(write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, views))
    assert len(made.ReferencedSeriesSequence) == 1


def test_the_frame_of_reference_can_be_kept(tmp_path: Path) -> None:
    uid = "2.25.123456789"
    paths = [write_dicom_segmentation(volume(), tmp_path / f"{n}.dcm", Origin(frame_of_reference=uid)) for n in "ab"]
    assert {pydicom.dcmread(path).FrameOfReferenceUID for path in paths} == {uid}


def test_two_peoples_radiographs_are_refused_without_naming_them(tmp_path: Path) -> None:
    views = [radiograph(tmp_path), radiograph(tmp_path, "other.dcm", PatientID="4712")]
    with pytest.raises(InputError, match="different patients") as caught:
        write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, views)
    assert "Secret" not in str(caught.value) and not (tmp_path / "bones.dcm").exists()


def test_a_header_that_dicom_forbids_is_refused_without_quoting_it(tmp_path: Path) -> None:
    view = radiograph(tmp_path)
    header = pydicom.dcmread(view)
    with pydicom.config.disable_value_validation():
        header.PatientSex = "SECRETLY"
        header.save_as(view)
    with pytest.raises(InputError, match="without the patient") as caught:
        write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN, [view])
    assert caught.value.__suppress_context__ and not (tmp_path / "bones.dcm").exists()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.dcm"):
        write_dicom_segmentation(volume(), tmp_path / "bones.nrrd", ORIGIN)
    bare = CtVolume(np.zeros((2, 2, 2), np.float32), np.eye(4))
    with pytest.raises(InputError, match="no labels"):
        write_dicom_segmentation(bare, tmp_path / "bones.dcm", ORIGIN)


@pytest.mark.parametrize("why", ["absent", "too old"])
def test_without_highdicom_it_says_who_has_it(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "absent":
        monkeypatch.setitem(sys.modules, "highdicom.color", None)
    else:
        monkeypatch.delattr("highdicom.color.CIELabColor.from_rgb")
    with pytest.raises(InputError) as caught:
        write_dicom_segmentation(volume(), tmp_path / "bones.dcm", ORIGIN)
    assert str(caught.value) == NEEDS_HIGHDICOM and "Slicer 5.12" in NEEDS_HIGHDICOM


@pytest.mark.parametrize("code", sorted({*BONES.values(), BONE, CATEGORY, *SIDES.values()}))
def test_codes_are_those_of_snomed(code: tuple[str, str]) -> None:
    """Value and meaning, by pydicom's copy of DICOM PS3.16."""
    meanings = {value: entry[0] for names in concepts["SCT"].values() for value, entry in names.items()}
    known = {(value, entry[0].lower()) for names in concepts["SCT"].values() for value, entry in names.items()}
    assert code[0] in meanings and (code[0], code[1].lower()) in known


@pytest.mark.parametrize(
    ("name", "side", "kind", "modifier"),
    [
        ("radius", "right", "Radius", "Right"),
        ("femur_left", "right", "Femur", "Left"),
        ("Pelvis right", None, "Pelvis", "Right"),
        ("hip_l", None, "Pelvis", "Left"),
        ("vertebra_L1", None, "L1 vertebra", None),
        ("lunate", "left", "Bone", "Left"),
        ("tibia", "", "Tibia", None),
        ("label 3", None, "Bone", None),
    ],
)
def test_names_of_bones_are_understood(name: str, side: str | None, kind: str, modifier: str | None) -> None:
    code = bone_code(name, side)
    assert (code.kind[1], code.side[1] if code.side else None) == (kind, modifier)
