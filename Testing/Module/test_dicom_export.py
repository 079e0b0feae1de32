"""DICOM SEG from section 5: clicked, read back; in the patient's study or in one of nobody."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lib"))
from imaging_cases import PATIENT, dicom_header, save
from module_cases import settle
from reconstruct_cases import load_views, take_in, worker_folder

pytestmark = pytest.mark.host
highdicom = pytest.importorskip("highdicom", "0.27", reason="DICOM SEG needs highdicom: pip install '.[dicom]'")
STUDY, SERIES = "1.2.840.99.7", "1.2.840.99.7.1"


@pytest.fixture
def panel(module_widget: Any) -> Any:
    module_widget.ui.reconstructSection.collapsed = False
    settle()
    return module_widget.reconstruct


def result_of(panel: Any, tmp_path: Path, people: list[str]) -> Any:
    """A reconstruction whose radiographs came from the DICOM database, one person each; "" for a plain file."""
    import slicer

    from XRayTo3DGui.scene.dicom_study import fileUnderStudy

    nodes = load_views()
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number, person in enumerate(people):
        if person:
            header = dicom_header("DX", StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, Rows=4, Columns=4)
            header.PatientID = person
            path = save(header, folder / f"{number}.dcm")
            slicer.dicomDatabase.insert(str(path))
            assert fileUnderStudy(nodes[number], path)
    return take_in(panel, worker_folder(tmp_path / "worker"), nodes)


def export(panel: Any, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Choose it from the list, press Export, and what the panel says then."""
    import qt

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    panel.ui.exportCombo.currentText = kind
    panel.ui.exportButton.click()
    return panel.ui.reconstructStatusLabel.text


def test_bones_join_the_study_of_their_radiographs(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import SimpleITK as sitk
    import slicer

    result = result_of(panel, tmp_path, ["A", "A"])
    out = tmp_path / "out"
    assert "reconstruction.dcm, reconstruction.json" in export(panel, "DICOM SEG", out, monkeypatch)
    made = pydicom.dcmread(out / "reconstruction.dcm")
    assert made.StudyInstanceUID == STUDY and made.PatientID == "A" and str(made.PatientName) == PATIENT["PatientName"]
    (series,) = made.ReferencedSeriesSequence
    referred = [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence]
    assert referred == slicer.dicomDatabase.instancesForSeries(SERIES)
    assert made.ContentDescription.startswith("SYNTHETIC")
    assert "fit a left limb better" in made.DerivationDescription
    assert [segment.SegmentLabel for segment in made.SegmentSequence] == ["radius", "ulna"]
    side = made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert side[0].CodeMeaning == "Right"
    # Voxel by voxel what the label map of the same reconstruction has.
    panel.widget.logic.exportReconstruction(result, out, "Label map (seg.nrrd)")
    image = sitk.ReadImage(str(out / "reconstruction.seg.nrrd"))
    labels = sitk.GetArrayFromImage(image)
    back = highdicom.seg.segread(out / "reconstruction.dcm").get_volume(combine_segments=True)
    where = np.argwhere(labels == 1)
    expected = where[:, ::-1] * image.GetSpacing() + image.GetOrigin()
    found = np.argwhere(back.array == 1) @ back.affine[:3, :3].T + back.affine[:3, 3]
    assert len(found) == len(expected) > 1000
    order = [np.lexsort(np.round(points, 3).T) for points in (found, expected)]
    np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=1e-3)


def test_the_anonymous_one_says_nothing_of_the_patient(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    result_of(panel, tmp_path, ["A", "A"])
    export(panel, "DICOM SEG, anonymous", tmp_path / "out", monkeypatch)
    content = (tmp_path / "out" / "reconstruction.dcm").read_bytes()
    for secret in (b"Secretname", b"SECRETID7", b"19870605", STUDY.encode(), SERIES.encode()):
        assert secret not in content
    record = (tmp_path / "out" / "reconstruction.json").read_text()
    assert "Secretname" not in record


def test_radiographs_of_plain_files_make_a_study_of_nobody(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    result_of(panel, tmp_path, ["", ""])
    export(panel, "DICOM SEG", tmp_path / "out", monkeypatch)
    assert str(pydicom.dcmread(tmp_path / "out" / "reconstruction.dcm").PatientName).startswith("Anonymous")


def test_exported_twice_it_lies_in_the_same_space(panel: Any, tmp_path: Path) -> None:
    result = result_of(panel, tmp_path, ["", ""])
    for name in ("a", "b"):
        panel.widget.logic.exportReconstruction(result, tmp_path / name, "DICOM SEG")
    first, second = (pydicom.dcmread(tmp_path / name / "reconstruction.dcm") for name in ("a", "b"))
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID and first.SOPInstanceUID != second.SOPInstanceUID


def test_two_people_are_refused_in_the_panel(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    result_of(panel, tmp_path, ["A", "B"])
    said = export(panel, "DICOM SEG", tmp_path / "out", monkeypatch)
    assert "different patients" in said and not list((tmp_path / "out").glob("*.dcm"))


def test_without_highdicom_the_panel_says_what_to_do(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    result_of(panel, tmp_path, ["", ""])
    monkeypatch.setitem(sys.modules, "highdicom.color", None)
    said = export(panel, "DICOM SEG", tmp_path / "out", monkeypatch)
    assert "highdicom" in said and "seg.nrrd" in said
