"""Section 1 by real clicks: files with and without their geometry, the table, beams, layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import settle, small_radiograph, write_views
from PIL import Image

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging import write_radiograph

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    return module_widget.radiographs


def png(folder: Path) -> Path:
    """A picture that says nothing about its geometry."""
    rows, columns = np.mgrid[0:60, 0:50]
    shade = 200 - 150 * np.exp(-(((columns - 25) / 8.0) ** 2)) - rows / 10
    path = folder / "hand.png"
    Image.fromarray(shade.astype(np.uint8)).save(path)
    return path


def test_a_fresh_panel_says_what_to_do(panel: Any) -> None:
    assert not panel.ui.loadButton.enabled
    assert panel.ui.loadButton.toolTip == "Choose a radiograph file first"
    assert not panel.ui.removeButton.enabled and not panel.ui.showLayoutButton.enabled


def test_a_file_that_knows_its_geometry_loads_at_once(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml_radiographs

    original = small_radiograph()
    panel.ui.radiographPath.currentPath = str(write_radiograph(original, tmp_path / "view.nrrd"))
    assert "90 × 70" in panel.ui.fileSummaryLabel.text
    assert panel.ui.loadButton.enabled
    panel.ui.loadButton.click()
    assert panel.ui.statusLabel.text == "view loaded."
    (node,) = mrml_radiographs.radiographNodes()
    assert mrml_radiographs.cameraFromNode(node).is_close(original.camera, 1e-3)
    assert panel.ui.loadedTable.item(0, 0).text() == "view"
    assert panel.ui.loadedTable.item(0, 2).text() == "0.9 × 1.1 mm"
    assert "calibrated" in panel.ui.detailLabel.text
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    assert hierarchy.GetItemName(parent) == "XRayTo3D – case"


def test_what_the_file_does_not_say_is_asked_for(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    ui = panel.ui
    ui.radiographPath.currentPath = str(png(tmp_path))
    assert not ui.loadButton.enabled
    assert "pixel spacing" in ui.loadButton.toolTip and "source–detector distance" in ui.loadButton.toolTip
    assert "bold" in ui.sddSpinBoxLabel.styleSheet
    ui.spacingColumnSpinBox.value = 0.4
    ui.sddSpinBox.value = 1000
    assert "bold" not in ui.sddSpinBoxLabel.styleSheet
    if not ui.loadButton.enabled:
        ui.spacingKindCombo.currentIndex = 1
        ui.viewCombo.currentIndex = 2
    assert ui.loadButton.enabled, ui.loadButton.toolTip
    ui.viewCombo.currentIndex = 2
    ui.sourceIsocentreSpinBox.value = 900
    ui.nameEdit.text = "Hand"
    ui.loadButton.click()
    (node,) = mrml_radiographs.radiographNodes()
    radiograph = mrml_radiographs.radiographFromNode(node)
    assert (radiograph.name, radiograph.view) == ("Hand", "PA")
    assert radiograph.camera.sdd == pytest.approx(1000)
    assert radiograph.camera.spacing == pytest.approx((0.4, 0.4))
    assert np.linalg.norm(radiograph.camera.source) == pytest.approx(900)


def test_a_camera_file_answers_everything(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DLib.geometry.calibration import standard_camera

    camera = standard_camera(1200.0, (0.3, 0.3), (50, 60), view="LAT")
    camera.save(tmp_path / "camera.json")
    panel.ui.radiographPath.currentPath = str(png(tmp_path))
    panel.ui.cameraPath.currentPath = str(tmp_path / "camera.json")
    assert panel.ui.loadButton.enabled
    panel.ui.loadButton.click()
    (node,) = mrml_radiographs.radiographNodes()
    assert mrml_radiographs.cameraFromNode(node).is_close(camera, 1e-3)


def test_a_calibration_file_is_a_camera_too(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    k = "1000,0,24.5\n0,1000,29.5\n0,0,1"
    text = f"image size\n50,60\n\ncamera matrix\n{k}\n\nrotation\n1,0,0\n0,1,0\n0,0,1\n\ntranslation\n1\n2\n800\n"
    (tmp_path / "calibration.txt").write_text(text)
    panel.ui.radiographPath.currentPath = str(png(tmp_path))
    panel.ui.cameraPath.currentPath = str(tmp_path / "calibration.txt")
    panel.ui.loadButton.click()
    (node,) = mrml_radiographs.radiographNodes()
    camera = mrml_radiographs.cameraFromNode(node)
    assert camera.source == pytest.approx([-1, -2, -800], abs=1e-6)
    assert camera.project([0.0, 0.0, 0.0]) == pytest.approx([24.5 + 1000 / 800, 29.5 + 2000 / 800])


@pytest.mark.parametrize(
    ("content", "words"), [(None, "there is no file"), (b"not a picture", "cannot be decoded"), (b"", "empty")]
)
def test_a_bad_file_is_one_sentence_in_the_panel(
    panel: Any, shown_messages: Any, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    panel.ui.radiographPath.currentPath = str(path)
    assert words in panel.ui.statusLabel.text
    assert "\n" not in panel.ui.statusLabel.text
    assert not panel.ui.loadButton.enabled
    assert shown_messages.shown == []


def test_a_wrong_camera_is_one_sentence_in_the_panel(panel: Any, shown_messages: Any, tmp_path: Path) -> None:
    small_radiograph().camera.save(tmp_path / "camera.json")
    panel.ui.radiographPath.currentPath = str(png(tmp_path))
    panel.ui.cameraPath.currentPath = str(tmp_path / "camera.json")
    panel.ui.loadButton.click()
    assert "50 x 60 pixels" in panel.ui.statusLabel.text and "90 x 70" in panel.ui.statusLabel.text
    assert shown_messages.shown == []


def test_another_file_forgets_the_answers(panel: Any, tmp_path: Path) -> None:
    panel.ui.radiographPath.currentPath = str(png(tmp_path))
    panel.ui.sddSpinBox.value = 1000
    panel.ui.radiographPath.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    assert panel.ui.sddSpinBox.value == 0
    assert "(file)" in panel.ui.sddSpinBox.specialValueText


def load_views(panel: Any, folder: Path) -> list[Any]:
    from XRayTo3DGui.scene import mrml_radiographs

    for path in write_views(folder):
        panel.ui.radiographPath.currentPath = str(path)
        panel.ui.loadButton.click()
    return mrml_radiographs.radiographNodes()


def test_beams_are_hidden_until_asked_for(panel: Any, tmp_path: Path) -> None:
    import qt

    from XRayTo3DGui.scene import mrml_radiographs

    nodes = load_views(panel, tmp_path)
    beams = [node.GetNodeReference(mrml_radiographs.BEAM) for node in nodes]
    assert [beam.GetDisplayNode().GetVisibility() for beam in beams] == [0, 0]
    panel.ui.showBeamsCheckBox.click()
    settle()
    assert [beam.GetDisplayNode().GetVisibility() for beam in beams] == [1, 1]
    panel.ui.loadedTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
    assert [beam.GetDisplayNode().GetVisibility() for beam in beams] == [0, 1]
    camera = mrml_radiographs.cameraFromNode(nodes[1])
    apex = np.array(beams[1].GetPolyData().GetPoint(0)) * [-1, -1, 1]
    assert apex == pytest.approx(camera.source, abs=1e-3)


def test_a_moved_source_takes_its_beam_along(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    node = load_views(panel, tmp_path)[0]
    mrml_radiographs.sourceNode(node).SetNthControlPointPosition(0, 0.0, -800.0, 10.0)
    settle()
    beam = node.GetNodeReference(mrml_radiographs.BEAM)
    assert beam.GetPolyData().GetPoint(0) == pytest.approx((0.0, -800.0, 10.0), abs=1e-3)


def test_remove_and_export(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    from XRayTo3DGui.scene import mrml_radiographs

    nodes = load_views(panel, tmp_path)
    panel.ui.loadedTable.selectRow(1)
    chosen = tmp_path / "out" / "exported.json"
    chosen.parent.mkdir()
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(chosen))
    panel.ui.exportCameraButton.click()
    assert XRayCamera.load(chosen).is_close(mrml_radiographs.cameraFromNode(nodes[1]), 1e-9)
    panel.ui.removeButton.click()
    assert mrml_radiographs.radiographNodes() == nodes[:1]
    assert panel.ui.loadedTable.rowCount == 1


@pytest.mark.gl
def test_the_layout_shows_each_radiograph_upright(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import layouts, mrml_radiographs

    manager = slicer.app.layoutManager()
    before = manager.layout
    nodes = load_views(panel, tmp_path)  # what was just loaded is to be seen
    assert manager.layout > layouts.FIRST_LAYOUT_ID
    for node in nodes:
        view = layouts.sliceNode(mrml_radiographs.viewLetter(node))
        logic = slicer.app.applicationLogic().GetSliceLogic(view)
        assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
        camera = mrml_radiographs.cameraFromNode(node)
        to_ras = view.GetSliceToRAS()
        right = np.array([to_ras.GetElement(i, 0) for i in range(3)]) * [-1, -1, 1]
        up = np.array([to_ras.GetElement(i, 1) for i in range(3)]) * [-1, -1, 1]
        assert right == pytest.approx(camera.column_direction, abs=1e-6)
        assert up == pytest.approx(-camera.row_direction, abs=1e-6)
        offset = np.array([to_ras.GetElement(i, 3) for i in range(3)]) * [-1, -1, 1] - camera.centre
        assert offset @ camera.normal == pytest.approx(0, abs=0.01)
    assert panel.ui.backLayoutButton.enabled
    panel.ui.backLayoutButton.click()
    assert manager.layout == before
    assert not layouts.sliceNode("A").GetSliceVisible()
    load_views(panel, tmp_path)
    assert manager.layout == before, "who went back stays there"
    panel.ui.showLayoutButton.click()
    assert manager.layout > layouts.FIRST_LAYOUT_ID


@pytest.mark.gl
def test_the_top_left_pixel_is_drawn_top_left(panel: Any, tmp_path: Path) -> None:
    import slicer

    pixels = np.zeros((70, 90), dtype=np.float32)
    pixels[5:20, 5:30] = 1.0
    marked = replace(small_radiograph(), pixels=pixels)
    panel.ui.radiographPath.currentPath = str(write_radiograph(marked, tmp_path / "view.nrrd"))
    panel.ui.loadButton.click()
    panel.ui.showLayoutButton.click()
    picture = slicer.app.layoutManager().sliceWidget("XRayA").view.image().max(axis=2)
    rows, columns = np.nonzero(picture > 200)
    assert rows.mean() < picture.shape[0] / 2
    assert columns.mean() < picture.shape[1] / 2


def test_opening_a_scene_brings_the_radiographs_back(module_widget: Any, panel: Any, tmp_path: Path) -> None:
    import slicer

    load_views(panel, tmp_path)
    module_widget.parameters.showBeams = True
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert panel.ui.loadedTable.rowCount == 0
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    assert [panel.ui.loadedTable.item(row, 0).text() for row in range(2)] == [
        "Wrist PA (synthetic)",
        "Wrist LAT (synthetic)",
    ]
    assert panel.ui.showBeamsCheckBox.checked


def test_remembering_the_path_keeps_the_answers(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ctkPathLineEdit shows another path for a moment while it moves a known one to the top."""

    def move(pathEdit: Any) -> None:
        path = pathEdit.currentPath
        pathEdit.currentPath = "/another/path"
        pathEdit.currentPath = path

    panel.ui.radiographPath.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    monkeypatch.setattr(type(panel.ui.radiographPath), "addCurrentPathToHistory", move)
    panel.ui.nameEdit.text = "mine"
    panel.ui.loadButton.click()
    assert panel.ui.statusLabel.text == "mine loaded."
    assert panel.ui.nameEdit.text == "mine"


def test_another_volume_does_not_take_the_radiograph_s_view(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import layouts

    panel.ui.radiographPath.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    panel.ui.loadButton.click()
    panel.ui.showLayoutButton.click()
    composite = slicer.app.applicationLogic().GetSliceLogic(layouts.sliceNode("A")).GetSliceCompositeNode()
    shown = composite.GetBackgroundVolumeID()
    other = slicer.util.addVolumeFromArray(np.zeros((4, 4, 4), np.int16))
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(other.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection()  # as Slicer does after a volume was loaded
    assert composite.GetBackgroundVolumeID() == shown


def test_a_radiograph_without_its_file_is_said_and_stays_removable(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    panel.ui.radiographPath.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    panel.ui.loadButton.click()
    (node,) = mrml_radiographs.radiographNodes()
    node.SetAndObserveImageData(None)
    panel.refresh()
    assert "has no pixels" in panel.ui.statusLabel.text
    panel.ui.showLayoutButton.click()
    panel.ui.loadedTable.selectRow(0)
    panel.ui.removeButton.click()
    assert not mrml_radiographs.radiographNodes()


def test_an_emptied_path_is_followed(panel: Any, tmp_path: Path) -> None:
    """A real ctkPathLineEdit only emits ``validInputChanged`` then."""
    path = panel.ui.radiographPath
    path.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    assert panel.ui.loadButton.enabled
    blocked = path.blockSignals(True)
    path.currentPath = ""
    path.blockSignals(blocked)
    path.validInputChanged.emit(False)
    assert not panel.ui.loadButton.enabled
    assert panel.ui.loadButton.toolTip == "Choose a radiograph file first"


@pytest.mark.gl
def test_radiographs_that_come_while_the_layout_is_shown_get_their_views(panel: Any) -> None:
    """Also after the scene was closed in that layout; from scripts too, not only by the panel's own button."""
    import slicer
    from module_cases import wrist

    from XRayTo3DGui.scene import layouts, mrml_radiographs

    mrml_radiographs.radiographToScene(wrist()[1][0])
    settle()
    panel.ui.showLayoutButton.click()
    for _ in range(2):
        slicer.mrmlScene.Clear()
        settle()
        nodes = [mrml_radiographs.radiographToScene(each) for each in wrist()[1][:1]]
        settle()
        assert [layouts.isInView(node) for node in nodes] == [True]
        view = layouts.sliceNode(mrml_radiographs.viewLetter(nodes[0]))
        assert view.GetOrientation() == layouts.ORIENTATION
    assert panel.layout.shown
