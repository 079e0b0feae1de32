"""What a DICOM radiograph's header promises: the same as reading it finds, without its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from imaging_cases import CLASSES, SDD, dicom_header, save, shown, write_dicom
from pydicom.uid import UID_dictionary

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.dicom_preview import RADIOGRAPH_CLASSES, preview_radiograph
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph

GEOMETRY = {"ImagerPixelSpacing": [0.31, 0.29], "DistanceSourceToDetector": SDD}


@pytest.mark.parametrize("modality", ["CR", "DX", "XA", "RF"])
@pytest.mark.parametrize(
    "tags",
    [
        GEOMETRY,
        {"ImagerPixelSpacing": [0.31, 0.29]},
        {"PixelSpacing": [0.31, 0.29], "DistanceSourceToDetector": SDD},
        {"PixelSpacing": [0.31, 0.29], "PixelSpacingCalibrationType": "GEOMETRY"},
        {"PixelSpacing": [0.4, 0.2], "ImagerPixelSpacing": [0.2, 0.4], "DistanceSourceToDetector": SDD},
        {},
    ],
)
def test_it_says_what_reading_says(modality: str, tags: dict[str, Any], tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", shown(), modality, ViewPosition="AP", ImageLaterality="R", **tags)
    seen, read = preview_radiograph(path), inspect_radiograph(path)
    assert (seen.missing, seen.advice) == (read.missing, read.advice.strip())
    assert (seen.modality, seen.size, seen.frames, seen.laterality) == (modality, read.size, 1, read.laterality)
    assert bool(seen.missing) == (tags is not GEOMETRY)


def test_frames_are_counted_and_not_asked_for(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.stack([shown(), shown()]), "XA", **GEOMETRY)
    assert preview_radiograph(path).frames == 2 and preview_radiograph(path).missing == ()


def test_its_name_is_what_a_radiographer_calls_it(tmp_path: Path) -> None:
    tags = {"BodyPartExamined": "HAND", "ViewPosition": "PA", "ImageLaterality": "L"}
    assert preview_radiograph(write_dicom(tmp_path / "Secretname.dcm", shown(), **tags)).name == "DX HAND PA L"
    assert preview_radiograph(write_dicom(tmp_path / "b.dcm", shown(), "CR")).name == "CR"


def test_pixels_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dicom(tmp_path / "a.dcm", shown(), **GEOMETRY)
    asked = []
    plain = pydicom.dcmread
    monkeypatch.setattr(pydicom, "dcmread", lambda *a, **more: asked.append(more) or plain(*a, **more))
    preview_radiograph(path)
    assert asked and all(more["stop_before_pixels"] for more in asked)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused(keep: float, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", shown(), **GEOMETRY)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(InputError, match="cut short"):
        preview_radiograph(path)


def test_a_deflated_file_is_small_and_whole(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", shown(), **GEOMETRY)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    save(dataset, path)
    assert path.stat().st_size < 2 * shown().size
    assert preview_radiograph(path).missing == ()


@pytest.mark.parametrize("modality", ["CT", "MR", "MG", "PX"])
def test_others_are_refused_by_name(modality: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a.dcm is"):
        preview_radiograph(write_dicom(tmp_path / "a.dcm", shown(), modality))


def test_a_header_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture size"):
        preview_radiograph(save(dicom_header("DX"), tmp_path / "a.dcm"))


def test_the_classes_are_those_of_dicom() -> None:
    """By pydicom's copy of DICOM PS3.6: the names begin as ours, and none is a volume or a mammogram."""
    for uid, name in RADIOGRAPH_CLASSES.items():
        official = UID_dictionary[uid][0]
        plain = official.replace(" Image Storage", "").replace(" - For", ", for")
        assert plain.lower() == name.lower()
        assert "3D" not in official and "Mammography" not in official
    assert {CLASSES[modality] for modality in ("CR", "DX", "XA", "RF")} <= set(RADIOGRAPH_CLASSES)
