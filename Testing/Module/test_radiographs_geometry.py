"""Section 1 by real clicks: geometry with its sources, crop, left and right, checks; saved and reopened."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import settle, small_radiograph, wait_until

from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import Radiograph
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    return module_widget.radiographs


def answered() -> Radiograph:
    """Placed by its view as AP: 0.4 mm on the detector, SDD 1100 mm, the bone at 1000 mm."""
    rows, columns = np.mgrid[0:70, 0:90]
    pixels = np.exp(-(((columns - 45) / 12.0) ** 2)) + 0.2 + 0.001 * rows
    facts = RadiographFacts(
        spacing_from="file: ImagerPixelSpacing (0018,1164)",
        spacing_kind="detector",
        sdd_from="you",
        isocentre_mm=1000.0,
        isocentre_from="you",
        principal_from="assumed: the middle of the picture",
        view_from="you",
        stated_laterality="L",
        laterality_from="file: ImageLaterality (0020,0062)",
    )
    camera = standard_camera(1100.0, (0.4, 0.4), (90, 70), source_isocentre=1000.0, view="AP")
    return replace(small_radiograph(camera), pixels=pixels, facts=facts, assumed_placement=True)


def place(panel: Any, radiograph: Radiograph | None = None) -> Any:
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    node = radiographToScene(radiograph or answered())
    panel._onLoaded(node)
    wait_until(lambda: not panel.selected.findings.running)
    return node


def read(node: Any) -> Radiograph:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode

    return radiographFromNode(node)


def test_each_value_shows_its_source(panel: Any) -> None:
    place(panel)
    ui = panel.ui
    assert (ui.geometryColumnSpin.value, ui.geometryRowSpin.value) == (0.4, 0.4)
    assert (ui.geometrySddSpin.value, ui.geometryObjectSpin.value) == (1100.0, 1000.0)
    assert ui.geometryMagnification.text == "× 1.100"
    assert (ui.geometryViewCombo.currentText, ui.geometrySideCombo.currentText) == ("AP", "left")
    assert (ui.geometrySpacingSource.text, ui.geometrySddSource.text) == ("file", "you")
    assert ui.geometrySpacingSource.toolTip.endswith("ImagerPixelSpacing (0018,1164)")
    assert ui.geometryCentreSource.text == "assumed"
    assert not ui.applyGeometryButton.enabled and ui.applyGeometryButton.toolTip == "Change a value first"
    assert not ui.resetGeometryButton.enabled and ui.resetGeometryButton.toolTip == "Nothing was changed"


def test_applying_moves_the_node_and_says_edited(panel: Any) -> None:
    node = place(panel)
    ui = panel.ui
    ui.geometrySddSpin.value = 1200.0
    ui.geometryAcrossSpin.value = 5.0
    ui.geometryViewCombo.currentText = "LAT"
    ui.geometrySideCombo.currentText = "right"
    ui.applyGeometryButton.click()
    expected = standard_camera(
        1200.0, (0.4, 0.4), (90, 70), source_isocentre=1000.0, view="LAT", principal_point=(44.5 + 5, 34.5)
    )
    radiograph = read(node)
    assert radiograph.camera.is_close(expected, 1e-3)
    assert (radiograph.view, radiograph.laterality) == ("LAT", "R")
    assert (ui.geometrySddSource.text, ui.geometryCentreSource.text, ui.geometrySpacingSource.text) == (
        "edited",
        "edited",
        "file",
    )
    assert "1100 mm" in ui.geometrySddSource.toolTip
    assert "you said right" in ui.findingsLabel.text, "the file says left"
    beam = node.GetNodeReference("XRayTo3D.Beam").GetPolyData()
    assert np.array(beam.GetPoint(0)) * [-1, -1, 1] == pytest.approx(expected.source, abs=1e-3)
    assert not ui.applyGeometryButton.enabled


def test_back_to_what_the_file_said(panel: Any) -> None:
    node = place(panel)
    before = read(node)
    panel.ui.geometryColumnSpin.value = 0.5
    panel.ui.geometrySideCombo.currentText = "not known"
    panel.ui.applyGeometryButton.click()
    assert read(node).camera.spacing == pytest.approx((0.5, 0.4))
    panel.ui.geometrySddSpin.value = 900.0
    panel.ui.resetGeometryButton.click()
    after = read(node)
    assert after.camera.is_close(before.camera, 1e-6)
    assert (after.laterality, after.facts) == ("L", before.facts)
    assert panel.ui.geometrySddSpin.value == 1100.0, "what was typed is dropped"


def test_what_cannot_be_is_said_on_the_button(panel: Any) -> None:
    node = place(panel)
    panel.ui.geometryObjectSpin.value = 1300.0
    assert not panel.ui.applyGeometryButton.enabled
    assert "swapped" in panel.ui.applyGeometryButton.toolTip
    assert read(node).camera.sdd == pytest.approx(1100.0)


def test_a_dragged_source_is_an_edited_geometry(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml
    from XRayTo3DGui.scene.mrml_radiographs import sourceNode

    node = place(panel)
    camera = read(node).camera
    moved = camera.source - 50 * camera.normal
    sourceNode(node).SetNthControlPointPositionWorld(0, *mrml.rasFromLps(moved))
    settle()
    ui = panel.ui
    assert ui.geometrySddSource.text == "edited" and "moved in the scene" in ui.geometrySddSource.toolTip
    assert (ui.geometrySddSpin.value, ui.geometryObjectSpin.value) == (1150.0, 1050.0), "the bone stays where it was"
    ui.resetGeometryButton.click()
    assert read(node).camera.is_close(camera, 1e-6)


def test_a_radiograph_moved_as_a_whole_keeps_its_geometry(panel: Any) -> None:
    import slicer
    import vtk

    from XRayTo3DGui.scene.mrml_radiographs import sourceNode

    node = place(panel)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    turn = vtk.vtkTransform()
    turn.RotateZ(30)
    turn.Translate(40, -20, 10)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    for each in (node, sourceNode(node)):
        each.SetAndObserveTransformNodeID(transform.GetID())
    settle()
    assert panel.ui.geometrySddSource.text == "you"
    world = read(node).camera
    panel.ui.geometrySddSpin.value = 1200.0
    panel.ui.applyGeometryButton.click()
    edited = read(node).camera
    assert edited.sdd == pytest.approx(1200.0) and edited.source == pytest.approx(world.source, abs=1e-6)
    assert edited.normal == pytest.approx(world.normal)


def test_a_camera_given_as_a_whole_asks_for_no_object(panel: Any) -> None:
    place(panel, replace(answered(), facts=RadiographFacts(sdd_from="camera file"), assumed_placement=False))
    assert not panel.ui.geometryObjectSpin.enabled and not panel.ui.geometryKindCombo.enabled
    assert panel.ui.geometrySddSource.text == "camera file"


# ---- crop -------------------------------------------------------------------------------------------------------


def test_crop_by_numbers_and_back(panel: Any) -> None:
    node = place(panel)
    before, ui = read(node), panel.ui
    assert not ui.cropButton.enabled and "Draw a box" in ui.cropButton.toolTip
    for spin, value in ((ui.cropLeftSpin, 11), (ui.cropRightSpin, 60), (ui.cropTopSpin, 6), (ui.cropBottomSpin, 45)):
        spin.value = value
    ui.cropButton.click()
    after = read(node)
    assert after.camera.size == (50, 40)
    assert np.array_equal(after.pixels, before.pixels[5:45, 10:60])
    assert after.camera.is_close(before.camera.cropped(10, 5, 50, 40), 1e-6)
    assert ui.statusLabel.text == "view cropped to 50 × 40 pixels."
    assert "Cropped from 90 × 70 pixels, from column 11 and row 6 on." in ui.detailLabel.text
    ui.geometrySddSpin.value = 1200.0
    ui.applyGeometryButton.click()
    ui.uncropButton.click()
    whole = read(node)
    assert np.array_equal(whole.pixels, before.pixels), "every pixel is back"
    assert whole.camera.sdd == pytest.approx(1200.0), "the edit stays"
    assert whole.camera.principal_point == pytest.approx(before.camera.principal_point, abs=1e-6)
    ui.resetGeometryButton.click()
    assert read(node).camera.is_close(before.camera, 1e-6)


def test_a_dragged_box_sets_the_numbers(panel: Any) -> None:
    node = place(panel)
    ui = panel.ui
    ui.drawBoxButton.click()
    settle()
    box = panel.parameters.cropBox
    assert (ui.cropLeftSpin.value, ui.cropRightSpin.value) == (23, 67), "the middle half"
    assert ui.cropBoxSelector.currentNode() is box
    box.SetSize(0.4 * 30, 0.4 * 20, 20.0)
    settle()
    assert ui.cropRightSpin.value - ui.cropLeftSpin.value + 1 == pytest.approx(30, abs=1)
    assert ui.cropBottomSpin.value - ui.cropTopSpin.value + 1 == pytest.approx(20, abs=1)
    box.SetCenterWorld(500.0, 0.0, 0.0)
    settle()
    assert not ui.cropButton.enabled and "does not lie on the radiograph" in ui.cropButton.toolTip
    ui.drawBoxButton.click()
    settle()
    ui.cropButton.click()
    assert read(node).camera.size[0] < 90
    assert not box.GetDisplayNode().GetVisibility()


def test_the_exposed_field_is_offered(panel: Any) -> None:
    pixels = np.full((70, 90), 3.0, dtype=np.float32)
    pixels[10:60, 20:70] = answered().pixels[10:60, 20:70]
    node = place(panel, replace(answered(), pixels=pixels))
    panel.ui.exposedButton.click()
    window = panel.selected.crop.window()
    assert 20 <= window.column <= 24 and 10 <= window.row <= 14
    panel.ui.cropButton.click()
    assert read(node).pixels.max() < 2.0, "the blades are gone"


def test_crop_of_a_crop_mirror_and_reset(module_widget: Any, panel: Any) -> None:
    """Everything at once comes back exactly, whatever the order."""
    node = place(panel)
    before, logic = read(node), module_widget.logic
    logic.cropRadiograph(node, columns=(10, 80), rows=(5, 65))
    logic.cropRadiograph(node, columns=(5, 40))
    logic.mirrorRadiograph(node)
    logic.editGeometry(node, spacing=(0.3, 0.3))
    logic.resetGeometry(node)
    assert read(node).facts.mirrored
    logic.mirrorRadiograph(node)
    assert np.array_equal(read(node).pixels, before.pixels[5:65, 15:50])
    assert read(node).camera.is_close(before.camera.cropped(15, 5, 35, 60), 1e-6)
    logic.uncropRadiograph(node)
    assert np.array_equal(read(node).pixels, before.pixels)
    assert read(node).camera.is_close(before.camera, 1e-6)


def test_a_picture_with_marked_points_is_not_mirrored(panel: Any) -> None:
    import slicer

    node = place(panel)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    points.AddControlPoint(0, 0, 0, "1")
    node.SetNodeReferenceID("XRayTo3D.Landmarks", points.GetID())
    panel.ui.mirrorButton.click()
    assert "points marked" in panel.ui.statusLabel.text
    points.RemoveAllControlPoints()
    panel.ui.mirrorButton.click()
    assert np.array_equal(read(node).pixels, answered().pixels[:, ::-1])


# ---- checks, scripts, the scene ------------------------------------------------------------------------------------


def test_checks_are_a_short_list(panel: Any, module_widget: Any) -> None:
    place(panel)
    assert "small picture" in panel.ui.findingsLabel.text
    second = place(panel, replace(answered(), laterality="R", name="other"))
    assert "different sides" in panel.ui.findingsLabel.text
    codes = [finding.code for finding in module_widget.logic.checkRadiograph(second)]
    assert codes == ["side", "small"]


def test_the_selected_radiograph_decides_what_is_enabled(panel: Any) -> None:
    place(panel)
    assert panel.ui.removeButton.enabled and panel.ui.selectedWidget.visible is not None
    panel.table.select(None)
    panel._onSelection()
    assert not panel.ui.removeButton.enabled
    assert panel.ui.removeButton.toolTip == "Select a radiograph in the table first"


def test_saved_in_the_middle_and_reopened(module_widget: Any, panel: Any, tmp_path: Path) -> None:
    """A half answered file, an edited and a cropped radiograph, a box: all are back."""
    import slicer
    from PIL import Image

    node = place(panel)
    ui = panel.ui
    ui.geometrySddSpin.value = 1200.0
    ui.applyGeometryButton.click()
    ui.drawBoxButton.click()
    settle()
    ui.cropButton.click()
    cropped, size = read(node), read(node).camera.size
    picture = tmp_path / "hand.png"
    Image.fromarray((np.arange(3600).reshape(60, 60) % 251).astype(np.uint8)).save(picture)
    ui.radiographPath.currentPath = str(picture)
    ui.spacingColumnSpinBox.value, ui.viewCombo.currentIndex, ui.nameEdit.text = 0.25, 2, "Hand"
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert ui.loadedTable.rowCount == 0 and ui.radiographPath.currentPath == ""
    assert not ui.selectedWidget.isVisibleTo(ui.selectedWidget.parent())
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    (node,) = panel.table.rows and [slicer.mrmlScene.GetNodeByID(panel.table.rows[0])]
    again = read(node)
    assert np.array_equal(again.pixels, cropped.pixels)
    assert again.camera.size == size and again.camera.is_close(cropped.camera, 1e-2)
    assert again.facts == cropped.facts and panel.ui.geometrySddSource.text == "edited"
    assert panel.table.selected() is node and ui.uncropButton.enabled
    assert panel.parameters.cropBox is not None
    assert (ui.radiographPath.currentPath, ui.nameEdit.text) == (str(picture), "Hand")
    assert (ui.spacingColumnSpinBox.value, ui.viewCombo.currentIndex) == (0.25, 2)
    assert "source–detector distance" in ui.loadButton.toolTip
    module_widget.logic.uncropRadiograph(node)
    module_widget.logic.resetGeometry(node)
    assert read(node).camera.is_close(answered().camera, 1e-2)
    assert np.allclose(read(node).pixels, answered().pixels)


def test_removing_leaves_nothing(module_widget: Any, panel: Any) -> None:
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodes()
    node = place(panel)
    module_widget.logic.cropRadiograph(node, columns=(0, 50))
    module_widget.logic.removeRadiograph(node)
    left = [
        each.GetName()
        for each in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
        if each.GetName().startswith("view")
    ]
    assert left == [] and before > 0


def test_a_script_does_what_the_panel_does(module_widget: Any, tmp_path: Path) -> None:
    from XRayTo3DLib.imaging import write_radiograph

    logic = module_widget.logic
    node = logic.loadRadiograph(write_radiograph(answered(), tmp_path / "view.nrrd"))
    logic.editGeometry(node, sdd=1300.0, source_isocentre=0.0, laterality="R")
    assert logic.cropRadiograph(node, columns=(0, 60)) == (0, 0, 60, 70)
    path = logic.exportCamera(node, tmp_path / "camera")
    content = json.loads(path.read_text())
    assert content["size"] == [60, 70] and path.name == "camera.json"
    assert read(node).facts.isocentre_mm is None and read(node).laterality == "R"
    logic.removeRadiograph(node)


def test_options_of_commands_are_no_words_for_a_panel(panel: Any) -> None:
    from XRayTo3DGui.radiographs.table import inPanelWords

    said = "Spacing as given (say --spacing-kind calibrated if it holds at the object), (0018,1164); set --intensity."
    assert inPanelWords(said) == "Spacing as given, (0018,1164); set intensity."
    node = place(panel, replace(answered(), notes=("placed as for AP (change it with --view).",)))
    panel.refresh()
    assert "placed as for AP." in panel.ui.detailLabel.text and node is not None
