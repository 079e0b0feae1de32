"""The DICOM plug-in where something is missing or broken: asked in section 1, refused in one sentence, never raised."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lib"))
from dicom_cases import COMPLETE, OURS, SERIES, STUDY, Browser, hierarchyNames, open_browser, without
from imaging_cases import PATIENT, dicom_header, save, shown, write_dicom
from module_cases import settle

pytestmark = pytest.mark.host
browser = pytest.fixture(open_browser)


# ---- what the file does not say --------------------------------------------------------------------------------------


def test_a_file_without_distance_is_asked_for_in_section_1(
    module_widget: Any, browser: Browser, tmp_path: Path
) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    path = write_dicom(tmp_path / "a.dcm", shown(), ViewPosition="AP", **without("DistanceSourceToDetector"))
    (offer,) = browser.examine(tmp_path)
    assert offer.confidence == 0.75 and not offer.warning and "section 1 of XRayTo3D will ask" in offer.tooltip
    assert browser.winners() == {OURS}
    assert browser.load() == [] and not browser.messages
    ui = module_widget.radiographs.ui
    assert ui.radiographPath.currentPath == str(path) and not module_widget.ui.radiographsSection.collapsed
    assert "source–detector distance" in ui.loadButton.toolTip
    ui.sddSpinBox.value = 1000
    ui.loadButton.click()
    (node,) = mrml_radiographs.radiographNodes()
    assert mrml_radiographs.cameraFromNode(node).sdd == pytest.approx(1000)
    assert hierarchyNames(node)[-1] == str(PATIENT["PatientName"])
    assert node.GetAttribute("DICOM.instanceUIDs")


def test_several_that_must_be_asked_come_one_after_the_other(
    module_widget: Any, browser: Browser, tmp_path: Path
) -> None:
    tags = without("DistanceSourceToDetector")
    paths = [write_dicom(tmp_path / f"{n}.dcm", shown(), InstanceNumber=n, **tags) for n in (1, 2)]
    browser.examine(tmp_path)
    browser.load()
    ui = module_widget.radiographs.ui
    for path in paths:
        assert ui.radiographPath.currentPath == str(path)
        ui.sddSpinBox.value = 1200
        ui.loadButton.click()
    settle()
    assert len(module_widget.radiographs.table.rows) == 2


def test_a_volume_that_slicers_own_reader_loaded_goes_under_its_study_too(
    module_widget: Any, browser: Browser, tmp_path: Path
) -> None:
    import slicer

    path = write_dicom(tmp_path / "a.dcm", shown(), ViewPosition="AP", **COMPLETE)
    browser.examine(tmp_path)
    volume = slicer.util.addVolumeFromArray(shown()[None], name="3: Hand")
    volume.SetAttribute("DICOM.instanceUIDs", slicer.dicomDatabase.instanceForFile(str(path)))
    node = module_widget.logic.radiographFromVolume(volume)
    assert hierarchyNames(node)[-1] == str(PATIENT["PatientName"])
    assert node.GetAttribute("DICOM.instanceUIDs") == volume.GetAttribute("DICOM.instanceUIDs")


def test_one_to_ask_among_complete_ones_takes_none_of_them_away(
    module_widget: Any, browser: Browser, tmp_path: Path
) -> None:
    write_dicom(tmp_path / "1.dcm", shown(), ViewPosition="AP", **COMPLETE)
    asked = write_dicom(tmp_path / "2.dcm", shown(), ViewPosition="LL", **without("DistanceSourceToDetector"))
    offers = browser.examine(tmp_path)
    assert all(offer.selected for offer in offers)
    assert [node.GetName() for node in browser.load()] == ["DX HAND AP"]
    assert module_widget.radiographs.ui.radiographPath.currentPath == str(asked)


def test_without_a_panel_the_sentence_says_what_to_do(browser: Browser, tmp_path: Path, shown_messages: Any) -> None:
    write_dicom(tmp_path / "a.dcm", shown(), **without("ImagerPixelSpacing"))
    browser.examine(tmp_path)
    assert browser.load() == []
    ((level, text),) = shown_messages.shown
    assert level == "ERROR" and "geometry" in text


# ---- what cannot be used ---------------------------------------------------------------------------------------------


def damaged(folder: Path, how: str) -> Path:
    path = write_dicom(folder / "a.dcm", shown(), **COMPLETE)
    content = path.read_bytes()
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "no pixels":
        save(dicom_header("DX", **COMPLETE), path)
    elif how == "wrong numbers":
        write_dicom(path, shown(), RescaleSlope=0, RescaleIntercept=0, **COMPLETE)
    return path


@pytest.mark.parametrize("how", ["cut short", "no pixels"])
def test_a_damaged_file_says_why_and_wins_nothing(browser: Browser, tmp_path: Path, how: str) -> None:
    damaged(tmp_path, how)
    (offer,) = browser.examine(tmp_path)
    assert offer.confidence == 0 and not offer.selected
    assert offer.warning.startswith("radiograph") and offer.warning.endswith("again.") and "Secret" not in offer.warning
    assert browser.winners() == {"Scalar Volume"}


def test_an_error_while_loading_is_one_sentence(browser: Browser, tmp_path: Path, shown_messages: Any) -> None:
    damaged(tmp_path, "wrong numbers")
    (offer,) = browser.examine(tmp_path)
    assert offer.selected
    assert browser.load() == []
    ((level, text),) = shown_messages.shown
    assert level == "ERROR" and "RescaleSlope" in text and len(browser.messages) == 1


def test_a_file_that_went_away_is_said(browser: Browser, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", shown(), **COMPLETE)
    browser.examine(tmp_path)
    path.unlink()
    from DICOMLib import DICOMUtils

    loadables, _enabled = DICOMUtils.getLoadablesFromFileLists([[str(path)]], ["XRayTo3DDICOMPlugin"])
    ((offer,),) = loadables.values()
    assert offer.warning and offer.confidence == 0


def test_a_header_nobody_foresaw_takes_no_other_offer_away(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from XRayTo3DLib.imaging import dicom_preview

    write_dicom(tmp_path / "1.dcm", shown(), ViewPosition="AP", **COMPLETE)
    write_dicom(tmp_path / "2.dcm", shown(), ViewPosition="LL", **COMPLETE)
    plain = dicom_preview.preview_radiograph

    def surprised(path: str) -> Any:
        if path.endswith("1.dcm"):
            raise RuntimeError("Secretname^Anna is no number")
        return plain(path)

    monkeypatch.setattr(dicom_preview, "preview_radiograph", surprised)
    first, second = browser.examine(tmp_path)
    assert first.warning and first.confidence == 0 and second.selected and second.confidence == 0.9
    assert "RuntimeError" in caplog.text and "Secretname" not in caplog.text


@pytest.mark.parametrize(
    "tags",
    [
        {"DistanceSourceToDetector": "", "ImagerPixelSpacing": [0.1, 0.1]},
        {"ImagerPixelSpacing": [0.0, 0.0], "DistanceSourceToDetector": 1000},
        {"PixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1000},
        {"PixelSpacing": [0.4, 0.2], "ImagerPixelSpacing": [0.2, 0.4], "DistanceSourceToDetector": 1000},
        {"DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 2000, "ImagerPixelSpacing": [0.1, 0.1]},
        {},
    ],
)
def test_whatever_is_missing_or_contradicts_itself_is_asked(
    browser: Browser, tmp_path: Path, tags: dict[str, Any]
) -> None:
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    write_dicom(tmp_path / "a.dcm", shown(), **uids, **tags)
    (offer,) = browser.examine(tmp_path)
    assert offer.missing and offer.confidence == 0.75 and not offer.warning
