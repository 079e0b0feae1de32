"""The DICOM plug-in, run as Slicer's DICOM browser runs it: a folder is imported, all plug-ins are asked, the most
confident offers of each series are loaded. Slicer's own two readers compete, with their confidences."""

from __future__ import annotations

import ast
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lib"))
from dicom_cases import COMPLETE, OURS, PLUGIN_FILE, SERIES, Browser, hierarchyNames, open_browser, sceneTexts
from imaging_cases import PATIENT, SDD, shown, transmitted, write_dicom
from pydicom.uid import generate_uid

pytestmark = pytest.mark.host
browser = pytest.fixture(open_browser)


# ---- as a module -----------------------------------------------------------------------------------------------------


def test_slicer_finds_a_hidden_module_that_registers_its_class(browser: Browser) -> None:
    import slicer
    from DICOMLib import DICOMPlugin

    module = slicer.modules.xrayto3ddicomplugin
    assert module.title == "XRayTo3D DICOM plug-in"
    made = slicer.modules.dicomPlugins["XRayTo3DDICOMPlugin"]()
    assert isinstance(made, DICOMPlugin) and made.loadType == OURS
    assert all(len(tag) == 9 and tag[4] == "," for tag in made.tags.values())


def test_slicer_tries_every_python_file_of_the_folder_as_a_module() -> None:
    """So each must have the class of its name; and importing the plug-in costs nothing."""
    for path in PLUGIN_FILE.parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert path.stem in [each.name for each in tree.body if isinstance(each, ast.ClassDef)], path.name
    imported = {
        alias.name if isinstance(each, ast.Import) else each.module
        for each in ast.parse(PLUGIN_FILE.read_text(encoding="utf-8")).body
        if isinstance(each, ast.Import | ast.ImportFrom)
        for alias in each.names
    }
    assert imported == {"__future__", "logging", "sys", "pathlib", "typing", "slicer", "DICOMLib", "slicer.i18n"}


# ---- one picture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CR", "DX", "XA", "RF"])
def test_a_radiograph_with_its_geometry_is_loaded_by_us(browser: Browser, tmp_path: Path, modality: str) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import cameraFromNode, radiographFromNode

    write_dicom(tmp_path / "Secretname.dcm", shown(), modality, ViewPosition="PA", ImageLaterality="L", **COMPLETE)
    (offer,) = browser.examine(tmp_path)
    assert offer.name == f"3: {modality} HAND PA L" and not offer.warning and offer.confidence == 0.9
    assert browser.winners() == {OURS}
    (node,) = browser.load()
    assert not browser.messages
    camera = cameraFromNode(node)
    # DICOM writes the spacing (row, column); ours is (column, row).
    assert camera.spacing == pytest.approx((0.29, 0.31)) and camera.sdd == pytest.approx(SDD)
    radiograph = radiographFromNode(node)
    assert (radiograph.view, radiograph.laterality) == ("PA", "L")
    assert node.GetName() == f"{modality} HAND PA L"


def test_it_is_filed_under_its_study_and_patient_and_nowhere_else_named(browser: Browser, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene.mrml_radiographs import sourceNode

    path = write_dicom(tmp_path / "a.dcm", shown(), StudyDescription="Left hand", **COMPLETE)
    browser.examine(tmp_path)
    (node,) = browser.load()
    assert hierarchyNames(node) == ["Left hand", str(PATIENT["PatientName"])]
    assert hierarchyNames(sourceNode(node))[0] == "X-ray geometry"
    assert hierarchyNames(sourceNode(node))[1:] == hierarchyNames(node)
    assert node.GetAttribute("DICOM.instanceUIDs") == slicer.dicomDatabase.instanceForFile(str(path))
    texts = sceneTexts()
    assert not any(secret in texts for secret in ("Secretname", "SECRETID7", "Anna", "19870605"))


def test_a_path_of_windows_is_found_in_the_database_which_writes_slashes(browser: Browser, tmp_path: Path) -> None:
    import slicer
    from module_cases import small_radiograph

    from XRayTo3DGui.scene.dicom_study import fileUnderStudy
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    write_dicom(tmp_path / "a.dcm", shown(), **COMPLETE)
    browser.examine(tmp_path)
    (instance,) = slicer.dicomDatabase._instances.values()
    instance.path = "C:/pictures/a.dcm"
    node = radiographToScene(small_radiograph())
    assert not fileUnderStudy(node, PureWindowsPath(r"D:\pictures\a.dcm")) and hierarchyNames(node) == []
    assert fileUnderStudy(node, PureWindowsPath(r"C:\pictures\a.dcm")) and len(hierarchyNames(node)) == 2


def test_the_red_view_shows_it_upright(browser: Browser, tmp_path: Path) -> None:
    import slicer
    import vtk

    write_dicom(tmp_path / "a.dcm", shown(), ViewPosition="LL", **COMPLETE)
    browser.examine(tmp_path)
    (node,) = browser.load()
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    axes = np.array([[red.mrmlSliceNode().GetSliceToRAS().GetElement(i, j) for j in range(3)] for i in range(3)])
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    toRas = np.array([[matrix.GetElement(i, j) for j in range(3)] for i in range(3)])
    # The view's x is the picture's columns, its y points against the picture's rows.
    np.testing.assert_allclose(axes[:, 0], toRas[:, 0], atol=1e-6)
    np.testing.assert_allclose(axes[:, 1], -toRas[:, 1], atol=1e-6)


def test_monochrome1_becomes_bone_bright(browser: Browser, tmp_path: Path) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode

    write_dicom(tmp_path / "1.dcm", shown(), **COMPLETE)
    second = {**COMPLETE, "SeriesInstanceUID": SERIES + ".2"}
    write_dicom(tmp_path / "2.dcm", 4095 - shown(), photometric="MONOCHROME1", **second)
    browser.examine(tmp_path)
    first, other = (radiographFromNode(node).pixels for node in browser.load())
    np.testing.assert_allclose(first, other, atol=1e-5)


def test_the_same_picture_is_loaded_as_by_the_library(browser: Browser, tmp_path: Path) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode
    from XRayTo3DLib.imaging import read_radiograph

    path = write_dicom(tmp_path / "a.dcm", transmitted(), "XA", PositionerPrimaryAngle=12.0, **COMPLETE)
    browser.examine(tmp_path)
    (node,) = browser.load()
    expected, found = read_radiograph(path), radiographFromNode(node)
    np.testing.assert_allclose(found.pixels, expected.pixels)
    assert found.camera.is_close(expected.camera, 1e-3)


# ---- several ---------------------------------------------------------------------------------------------------------


def test_ap_and_lateral_of_one_series_are_two_radiographs(browser: Browser, tmp_path: Path) -> None:
    write_dicom(tmp_path / "1.dcm", shown(), ViewPosition="AP", ImageLaterality="R", InstanceNumber=1, **COMPLETE)
    write_dicom(tmp_path / "2.dcm", shown()[:70], ViewPosition="LL", ImageLaterality="R", InstanceNumber=2, **COMPLETE)
    offers = browser.examine(tmp_path)
    assert [offer.name for offer in offers] == ["3: DX HAND AP R", "3: DX HAND LL R"]
    nodes = browser.load()
    assert [node.GetName() for node in nodes] == ["DX HAND AP R", "DX HAND LL R"]
    assert [node.GetImageData().GetDimensions()[1] for node in nodes] == [96, 70]
    assert hierarchyNames(nodes[0]) == hierarchyNames(nodes[1]) and len(hierarchyNames(nodes[0])) == 2
    assert nodes[0].GetAttribute("DICOM.instanceUIDs") != nodes[1].GetAttribute("DICOM.instanceUIDs")


def test_alike_pictures_are_told_apart_by_their_instance_number(browser: Browser, tmp_path: Path) -> None:
    for number in (4, 9):
        write_dicom(tmp_path / f"{number}.dcm", shown(), ViewPosition="AP", InstanceNumber=number, **COMPLETE)
    assert [offer.name for offer in browser.examine(tmp_path)] == ["3: DX HAND AP [4]", "3: DX HAND AP [9]"]


def test_a_fifth_radiograph_is_refused_in_one_sentence(browser: Browser, tmp_path: Path, shown_messages: Any) -> None:
    for number in range(5):
        write_dicom(tmp_path / f"{number}.dcm", shown(), InstanceNumber=number, **COMPLETE)
    browser.examine(tmp_path)
    assert len(browser.load()) == 4
    ((level, text),) = shown_messages.shown
    assert level == "ERROR" and "4 radiographs are loaded already" in text
    assert len(browser.messages) == 1


# ---- runs of frames --------------------------------------------------------------------------------------------------


def test_a_run_of_frames_is_left_to_slicers_sequences_and_offered_as_its_first(
    browser: Browser, tmp_path: Path
) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode

    frames = np.stack([transmitted(), transmitted(3000.0), transmitted(2000.0)])
    write_dicom(tmp_path / "run.dcm", frames, "XA", **COMPLETE)
    (offer,) = browser.examine(tmp_path)
    assert offer.name == "3: XA HAND (frame 1 of 3)" and offer.confidence == 0.6
    assert "3 frames" in offer.tooltip and "section 1" in offer.tooltip
    assert browser.winners() == {"Image sequence"}
    # In Slicer's advanced view a person ticks ours instead.
    for offers in browser.loadables.values():
        for each in offers:
            each.selected = each is offer
    (node,) = browser.load()
    assert radiographFromNode(node).pixels.shape == (96, 80)


def test_a_still_beside_a_run_does_not_take_the_run_away(browser: Browser, tmp_path: Path) -> None:
    write_dicom(tmp_path / "run.dcm", np.stack([transmitted(), transmitted()]), "XA", **COMPLETE)
    write_dicom(tmp_path / "still.dcm", transmitted(), "XA", InstanceNumber=2, **COMPLETE)
    assert {offer.confidence for offer in browser.examine(tmp_path)} == {0.6}
    assert browser.winners() == {"Image sequence"}


# ---- what is not taken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["CT", "MR", "SC", "OT", "SR", "US", "MG", "PX", "SEG", "PR"])
def test_everything_else_is_left_alone(browser: Browser, tmp_path: Path, modality: str) -> None:
    write_dicom(tmp_path / "a.dcm", shown(), modality, **COMPLETE)
    assert browser.examine(tmp_path) == []


def test_screen_shots_and_volumes_of_a_c_arm_are_left_alone(browser: Browser, tmp_path: Path) -> None:
    for number, sopClass in enumerate(("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.13.1.1")):
        write_dicom(tmp_path / f"{number}.dcm", shown(), "XA", SOPClassUID=sopClass, **COMPLETE)
    assert browser.examine(tmp_path) == []


def test_a_cts_files_are_not_opened(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pydicom

    for number in range(5):
        write_dicom(tmp_path / f"{number}.dcm", shown(), "CT", **COMPLETE)
    import slicer
    from DICOMLib import DICOMUtils

    DICOMUtils.importDicom(str(tmp_path))

    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("a CT file was opened")

    monkeypatch.setattr(pydicom, "dcmread", opened)
    plugin = slicer.modules.dicomPlugins["XRayTo3DDICOMPlugin"]()
    assert plugin.examineForImport([slicer.dicomDatabase.filesForSeries(SERIES)]) == []


# ---- other people's files --------------------------------------------------------------------------------------------


def test_pydicoms_own_radiographs(browser: Browser, tmp_path: Path) -> None:
    """Three CR series of the DICOM directory that comes with pydicom, among CT and MR."""
    from pydicom.data import get_testdata_file

    index = get_testdata_file("DICOMDIR")
    offers = browser.examine(Path(str(index)).parent)
    assert len(offers) == 3 and all(offer.name.split(": ")[1].startswith("CR CSPINE") for offer in offers)
    assert all(offer.missing == ("sdd",) and offer.selected for offer in offers)


def test_a_real_radiograph_without_any_geometry(module_widget: Any, browser: Browser, data_dir: Path) -> None:
    folder = data_dir / "cr_dicom_lower_leg"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    (offer,) = browser.examine(folder)
    assert offer.name.endswith("CR EXTREMITY AP R") and set(offer.missing) == {"spacing", "sdd"}
    assert browser.load() == []
    ui = module_widget.radiographs.ui
    assert "pixel spacing" in ui.loadButton.toolTip
    ui.spacingColumnSpinBox.value, ui.sddSpinBox.value = 0.1, 1150
    ui.spacingKindCombo.currentIndex = 1
    assert ui.loadButton.enabled, ui.loadButton.toolTip
    ui.loadButton.click()
    from XRayTo3DGui.scene.mrml_radiographs import radiographNodes

    (node,) = radiographNodes()
    assert node.GetImageData().GetDimensions()[:2] == (1760, 1760)
    assert len(hierarchyNames(node)) == 2


def test_saved_and_opened_again_it_is_still_under_its_study(browser: Browser, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene.dicom_study import instanceFiles
    from XRayTo3DGui.scene.mrml_radiographs import cameraFromNode, radiographNodes

    folder = tmp_path / "dicom"
    folder.mkdir()
    path = write_dicom(folder / "a.dcm", shown(), StudyDescription="Left hand", **COMPLETE)
    browser.examine(folder)
    (node,) = browser.load()
    camera = cameraFromNode(node)
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    (again,) = radiographNodes()
    assert cameraFromNode(again).is_close(camera, 1e-3)
    assert hierarchyNames(again) == ["Left hand", str(PATIENT["PatientName"])]
    assert instanceFiles([again]) == [path]
    path.unlink()
    assert instanceFiles([again]) == []


def test_two_series_of_two_people_are_kept_apart(browser: Browser, tmp_path: Path) -> None:
    write_dicom(tmp_path / "1.dcm", shown(), **COMPLETE)
    other = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4", "SOPInstanceUID": generate_uid()}
    write_dicom(tmp_path / "2.dcm", shown(), **{**COMPLETE, **other, "PatientName": "B^B", "PatientID": "B"})
    browser.examine(tmp_path)
    assert [hierarchyNames(node)[-1] for node in browser.load()] == [str(PATIENT["PatientName"]), "B^B"]
