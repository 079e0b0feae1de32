"""The DICOM plug-in, run as Slicer's DICOM browser runs it: a folder is imported, all plug-ins are asked, the most
confident offers of each series are loaded. Slicer's own two readers compete, with their confidences."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lib"))
from imaging_cases import PATIENT, SDD, dicom_header, save, shown, transmitted, write_dicom
from module_cases import settle
from pydicom.uid import generate_uid

pytestmark = pytest.mark.host

OURS = "Radiograph with X-ray geometry"
PLUGIN_FILE = Path(__file__).resolve().parents[2] / "XRayTo3D" / "XRayTo3DDICOMPlugin.py"
STUDY, SERIES = "1.2.840.99.1", "1.2.840.99.1.1"
COMPLETE = {
    "ImagerPixelSpacing": [0.31, 0.29],
    "DistanceSourceToDetector": SDD,
    "StudyInstanceUID": STUDY,
    "SeriesInstanceUID": SERIES,
    "SeriesNumber": 3,
    "BodyPartExamined": "HAND",
    "SeriesDescription": "Hand of Anna Secretname",
}


class ScalarVolumes:
    """As DICOMScalarVolumePlugin: every series as one volume, with confidence 0.5; loading it here is a failure."""

    loadType = "Scalar Volume"
    CONFIDENCE = 0.5
    CLASSES: tuple[str, ...] = ()

    def examineForImport(self, fileLists: list[list[str]]) -> list[Any]:
        import slicer
        from DICOMLib import DICOMLoadable

        offers = []
        for files in fileLists:
            kept = [each for each in files if self.takes(slicer.dicomDatabase.fileValue(each, "0008,0016"))]
            offer = DICOMLoadable()
            offer.files, offer.selected, offer.confidence = kept, True, self.CONFIDENCE
            offers += [offer] if kept else []
        return offers

    examine = examineForImport

    def takes(self, sopClass: str) -> bool:
        return not self.CLASSES or sopClass in self.CLASSES

    def load(self, _loadable: Any) -> bool:
        return False


class ImageSequences(ScalarVolumes):
    """As DICOMImageSequencePlugin: XA and RF with confidence 0.7."""

    loadType = "Image sequence"
    CONFIDENCE = 0.7
    CLASSES = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2")


@pytest.fixture
def browser(slicer_app: Any) -> Iterator[Browser]:
    import slicer
    from slicerhost import modules

    modules.load_module(PLUGIN_FILE)
    slicer.modules.dicomPlugins.update(ScalarVolumes=ScalarVolumes, ImageSequences=ImageSequences)
    yield Browser()
    for name in ("ScalarVolumes", "ImageSequences"):
        del slicer.modules.dicomPlugins[name]


class Browser:
    """What a person does in the DICOM module."""

    def __init__(self) -> None:
        self.loadables: dict[Any, list[Any]] = {}
        self.messages: list[str] = []

    def examine(self, folder: Path) -> list[Any]:
        """Import, select everything, "Examine": our offers."""
        import slicer
        from DICOMLib import DICOMUtils

        DICOMUtils.importDicom(str(folder))
        database = slicer.dicomDatabase
        studies = [study for patient in database.patients() for study in database.studiesForPatient(patient)]
        series = [uid for study in studies for uid in database.seriesForStudy(study)]
        self.loadables, _enabled = DICOMUtils.getLoadablesFromFileLists([database.filesForSeries(u) for u in series])
        DICOMUtils.selectHighestConfidenceLoadables(self.loadables)
        return self.of(OURS)

    def of(self, loadType: str) -> list[Any]:
        (found,) = (offers for plugin, offers in self.loadables.items() if plugin.loadType == loadType)
        return found

    def winners(self) -> set[str]:
        """Load types of what is ticked."""
        return {plugin.loadType for plugin, every in self.loadables.items() for each in every if each.selected}

    def load(self) -> list[Any]:
        """ "Load": the volumes that came."""
        import slicer
        from DICOMLib import DICOMUtils

        nodes = [slicer.mrmlScene.GetNodeByID(i) for i in DICOMUtils.loadLoadables(self.loadables, self.messages)]
        return [node for node in nodes if node.IsA("vtkMRMLScalarVolumeNode")]


def hierarchyNames(node: Any) -> list[str]:
    """Names of the items above a node, nearest first."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    names, item = [], hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    while item not in (0, hierarchy.GetSceneItemID()):
        names.append(hierarchy.GetItemName(item))
        item = hierarchy.GetItemParent(item)
    return names


def sceneTexts() -> str:
    """Names, descriptions and attributes of all nodes, the subject hierarchy aside: Slicer puts the patient there."""
    import slicer

    texts = []
    for index in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(index)
        if not node.IsA("vtkMRMLSubjectHierarchyNode"):
            texts += [node.GetName() or "", node.GetDescription() or ""]
            texts += [node.GetAttribute(name) or "" for name in node.GetAttributeNames()]
    return "\n".join(texts)


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


# ---- what the file does not say --------------------------------------------------------------------------------------


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in COMPLETE.items() if name not in names}


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
