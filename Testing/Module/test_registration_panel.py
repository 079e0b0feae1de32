"""Section 2 by real clicks on a coarse synthetic wrist: place, outline, landmarks, register, review, save."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import add_wrist_ct, settle, wait_until, wrist, write_views

from XRayTo3DLib.geometry import RigidPose

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any, tmp_path: Path) -> Any:
    """The registration panel with the wrist loaded, its section open, coarse settings."""
    first = module_widget.radiographs
    for path in write_views(tmp_path):
        first.ui.radiographPath.currentPath = str(path)
        first.ui.loadButton.click()
    add_wrist_ct(module_widget)
    parameters = module_widget.parameters
    parameters.starts, parameters.pixelSizes, parameters.overlayWidth = 6, "2.8, 1.4", 96
    module_widget.ui.registrationSection.collapsed = False
    settle()
    drawn(module_widget.registration)
    return module_widget.registration


@pytest.fixture
def nodes(panel: Any) -> list[Any]:
    from XRayTo3DGui.scene import mrml_radiographs

    return mrml_radiographs.radiographNodes()


def error_to_truth(panel: Any) -> tuple[float, float]:
    from XRayTo3DGui.scene.example import truePose

    return panel.pose().distance_to(truePose(), panel.centre())


def drawn(panel: Any) -> None:
    """Wait for the overlay of what was just changed."""
    settle()
    wait_until(lambda: not panel.overlay.busy)


def run(panel: Any) -> None:
    panel.ui.registerButton.click()
    assert panel.ui.registerButton.text == "Cancel", panel.ui.statusLabel.text
    wait_until(lambda: not panel.run.running)


def saved_and_opened(folder: Path) -> None:
    """Save the scene, close it, open it again."""
    import slicer

    slicer.util.saveScene(str(folder / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    slicer.util.loadScene(str(folder / "case.mrb"))
    settle()


# ---- inputs ----------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_in_the_tooltip(module_widget: Any) -> None:
    ui = module_widget.registration.ui
    assert not ui.registerButton.enabled
    assert ui.registerButton.toolTip == "Choose the CT volume first"
    add_wrist_ct(module_widget)
    assert ui.registerButton.toolTip == "Load a radiograph in section 1 first"


def test_what_is_missing_is_said_below_the_button(module_widget: Any) -> None:
    """A tooltip is seen by those only who point at a grey button and wait."""
    hint = module_widget.registration.ui.registerHint
    assert (hint.text, hint.isHidden()) == ("Choose the CT volume first.", False)
    for name, text in (
        ("train", "Choose what to train."),
        ("reconstruct", "Choose a model first."),
        ("evaluation", "Choose the reference: the true surface."),
    ):
        getattr(module_widget.ui, f"{name}Section").collapsed = False
        settle()
        hint = getattr(getattr(module_widget, name).ui, f"{name}Hint")
        assert (hint.text, hint.isHidden()) == (text, False)


def test_radiographs_of_different_sides_are_said(panel: Any) -> None:
    """They can be registered: a marker may be wrong."""
    assert panel.ui.registerHint.isHidden()
    first = panel.widget.radiographs.ui
    first.loadedTable.selectRow(0)
    first.geometrySideCombo.currentIndex = 1 if first.geometrySideCombo.currentIndex != 1 else 2
    first.applyGeometryButton.click()
    settle()
    assert panel.ui.registerHint.text.startswith("The radiographs are of different sides (")
    assert not panel.ui.registerHint.isHidden() and panel.ui.registerButton.enabled


def test_choosing_the_ct_moves_nothing(panel: Any) -> None:
    parameters = panel.parameters
    assert panel.ui.ctSelector.currentNode() is parameters.ctVolume
    assert parameters.ctVolume.GetParentTransformNode() is None
    assert parameters.poseTransform is None
    assert [panel.ui.segmentCombo.itemText(i) for i in range(4)] == ["the whole CT", "radius", "ulna", "carpals"]
    assert panel.ui.segmentCombo.currentText == "radius"


def test_unticked_radiographs_are_left_out(panel: Any, nodes: list[Any]) -> None:
    import qt

    from XRayTo3DGui.scene import mrml_radiographs

    assert panel.ui.radiographList.count == 2
    panel.ui.radiographList.item(0).setCheckState(qt.Qt.Unchecked)
    assert mrml_radiographs.usedRadiographNodes() == nodes[1:]
    panel.ui.radiographList.item(1).setCheckState(qt.Qt.Unchecked)
    assert panel.ui.registerButton.toolTip == "Tick at least one radiograph"


def test_bone_model_hangs_under_the_pose(panel: Any) -> None:
    panel.ui.boneModelButton.click()
    parameters = panel.parameters
    model = parameters.boneModel
    assert model.GetName() == "radius model (synthetic)"
    assert model.GetParentTransformNode() is parameters.poseTransform
    assert parameters.ctVolume.GetParentTransformNode() is parameters.poseTransform
    assert parameters.segmentation.GetParentTransformNode() is parameters.poseTransform
    assert parameters.poseTransform.GetName() == "Wrist CT (synthetic) pose"
    panel.ui.boneModelButton.click()
    assert parameters.boneModel is model


def test_a_radiograph_is_no_ct(panel: Any, nodes: list[Any]) -> None:
    panel.parameters.segmentation = None
    panel.parameters.ctVolume = nodes[0]
    settle()
    assert "is a radiograph" in panel.ui.registerButton.toolTip


def test_defaults_are_the_library_s(module_widget: Any) -> None:
    from XRayTo3DGui.registration.run import optionsOf
    from XRayTo3DLib.registration.register import RegistrationOptions

    assert optionsOf(module_widget.parameters) == RegistrationOptions()


def test_ct_values_that_may_be_shifted(panel: Any) -> None:
    import slicer

    volume = panel.parameters.ctVolume
    values = slicer.util.arrayFromVolume(volume)
    values += 1024
    np.maximum(values, 100, out=values)
    slicer.util.arrayFromVolumeModified(volume)
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    assert "say which under Advanced" in panel.ui.statusLabel.text
    panel.ui.ctValuesCombo.currentText = "Hounsfield units + 1024"
    shifted = panel.bone.attenuation(panel.parameters).mu.max()
    panel.ui.ctValuesCombo.currentText = "Hounsfield units"
    assert panel.bone.attenuation(panel.parameters).mu.max() > 1.2 * shifted


# ---- overlay ---------------------------------------------------------------------------------------------------------


@pytest.mark.gl
def test_the_outline_lies_on_the_bone_s_shadow(panel: Any, nodes: list[Any]) -> None:
    from XRayTo3DGui.scene import layouts, mrml, mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    panel.widget.radiographs.ui.showLayoutButton.click()
    panel.movePose(truePose())
    drawn(panel)
    mesh = wrist()[0].meshes["radius"]
    points = np.array([mesh.GetPoint(i) for i in range(0, mesh.GetNumberOfPoints(), 7)])
    for node in nodes:
        outline = panel.overlay.drawn.outlineOf(node)
        display = outline.GetDisplayNode()
        assert display.GetVisibility() and display.GetVisibility2D()
        assert list(display.GetViewNodeIDs()) == [layouts.sliceNode(mrml_radiographs.viewLetter(node)).GetID()]
        data = outline.GetPolyData()
        lines = mrml.lpsFromRas([data.GetPoint(i) for i in range(data.GetNumberOfPoints())])
        lines = mrml_radiographs.pixelOf(node, lines)
        shadow = mrml_radiographs.cameraFromNode(node).project(truePose().apply(points))
        assert lines.min(axis=0) == pytest.approx(shadow.min(axis=0), abs=3)
        assert lines.max(axis=0) == pytest.approx(shadow.max(axis=0), abs=3)


@pytest.mark.gl
def test_zooming_centres_the_bone(panel: Any, nodes: list[Any]) -> None:
    from XRayTo3DGui.scene import layouts

    panel.widget.radiographs.ui.showLayoutButton.click()
    view = layouts.sliceNode("A")
    before = view.GetFieldOfView()[0]
    panel.ui.zoomButton.click()
    bounds = [0.0] * 6
    panel.overlay.drawn.outlineOf(nodes[0]).GetRASBounds(bounds)
    middle = np.reshape(bounds, (3, 2)).mean(axis=1)
    to_ras = view.GetXYToRAS()
    columns, rows, _ = view.GetDimensions()
    assert np.array(to_ras.MultiplyPoint([columns / 2, rows / 2, 0, 1]))[:3] == pytest.approx(middle, abs=0.5)
    assert view.GetFieldOfView()[0] < before


@pytest.mark.gl
def test_drr_and_no_overlay(panel: Any, nodes: list[Any]) -> None:
    import slicer

    from XRayTo3DGui.scene import layouts, mrml_radiographs

    panel.widget.radiographs.ui.showLayoutButton.click()
    composites = [
        slicer.app.applicationLogic()
        .GetSliceLogic(layouts.sliceNode(mrml_radiographs.viewLetter(node)))
        .GetSliceCompositeNode()
        for node in nodes
    ]
    panel.ui.overlayModeCombo.currentText = "DRR"
    panel.ui.overlayOpacitySlider.value = 0.4
    drawn(panel)
    assert [c.GetForegroundVolumeID() for c in composites] == [panel.overlay.drawn.drrOf(n).GetID() for n in nodes]
    assert composites[0].GetForegroundOpacity() == pytest.approx(0.4)
    panel.ui.overlayModeCombo.currentText = "Off"
    drawn(panel)
    assert [c.GetForegroundVolumeID() for c in composites] == [None, None]


@pytest.mark.gl
def test_overlays_are_not_saved(panel: Any, nodes: list[Any], tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import layouts

    panel.widget.radiographs.ui.showLayoutButton.click()
    number = slicer.app.layoutManager().layout
    panel.ui.overlayModeCombo.currentText = "DRR"
    drawn(panel)
    panel.ui.overlayModeCombo.currentText = "Outline"
    drawn(panel)
    panel.ui.overlayModeCombo.currentText = "DRR"
    drawn(panel)
    drr = panel.overlay.drawn.drrOf(nodes[0]).GetID()
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")]
    assert not any(name.endswith(("outline", "DRR")) for name in names)
    assert slicer.mrmlScene.GetNodeByID(drr) is None
    assert slicer.app.layoutManager().layout == number
    panel.parameters.overlayMode = "Off"
    drawn(panel)
    logic = slicer.app.applicationLogic().GetSliceLogic(layouts.sliceNode("A"))
    assert logic.GetSliceCompositeNode().GetForegroundVolumeID() is None


@pytest.mark.gl
def test_leaving_the_module_stops_and_hides_what_would_grow_stale(panel: Any, nodes: list[Any]) -> None:
    panel.widget.radiographs.ui.showLayoutButton.click()
    settle()
    display = panel.overlay.drawn.outlineOf(nodes[0]).GetDisplayNode()
    assert display.GetVisibility()
    start = panel.pose().matrix
    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    settle()
    panel.widget.exit()
    assert not panel.run.running and not display.GetVisibility()
    panel.widget.enter()
    wait_until(lambda: bool(display.GetVisibility()), 10)
    assert panel.pose().matrix == pytest.approx(start)
    assert panel.ui.statusLabel.text.startswith("Cancelled")


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_sliders_start_where_the_bone_is(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml

    before = panel.pose().apply(panel.centre())
    panel.ui.moveLrSlider.value = 5.0
    panel.ui.moveIsSlider.value = -2.0
    assert mrml.rasFromLps(panel.pose().apply(panel.centre()) - before) == pytest.approx([5, 0, -2])
    panel.ui.turnIsSlider.value = 30.0
    assert mrml.rasFromLps(panel.pose().apply(panel.centre()) - before) == pytest.approx([5, 0, -2])
    assert panel.pose().distance_to(RigidPose.identity(), panel.centre())[0] == pytest.approx(30)
    panel.ui.resetButton.click()
    assert panel.pose().matrix == pytest.approx(np.eye(4))
    assert (panel.ui.moveLrSlider.value, panel.ui.turnIsSlider.value) == (0.0, 0.0)


def test_nudges_move_in_the_chosen_radiograph(panel: Any, nodes: list[Any]) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    panel.ui.nudgeViewCombo.currentIndex = 1
    panel.ui.nudgeMillimetresSpinBox.value = 3.0
    camera = mrml_radiographs.cameraFromNode(nodes[1])
    before = camera.project(panel.pose().apply(panel.centre()))
    panel.ui.rightButton.click()
    moved = camera.project(panel.pose().apply(panel.centre())) - before
    assert moved[0] > 2.5 and abs(moved[1]) < 1e-6
    panel.ui.turnRightButton.click()
    assert panel.pose().distance_to(RigidPose.identity(), panel.centre())[0] == pytest.approx(2.0)


def test_previous_pose_takes_back_one_change_at_a_time(panel: Any) -> None:
    panel.ui.centreButton.click()
    centred = panel.pose()
    panel.ui.moveLrSlider.value = 5.0
    panel.ui.moveLrSlider.value = 9.0
    assert panel.ui.undoButton.enabled
    panel.ui.undoButton.click()
    assert panel.pose().matrix == pytest.approx(centred.matrix)
    assert panel.ui.moveLrSlider.value == 0
    panel.ui.undoButton.click()
    assert panel.pose().matrix == pytest.approx(np.eye(4))
    assert not panel.ui.undoButton.enabled


def test_handles_turn_about_the_bone(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml

    panel.ui.handlesCheckBox.click()
    wait_until(lambda: panel.parameters.poseTransform is not None, 10)
    node = panel.parameters.poseTransform
    display = node.GetDisplayNode()
    assert display.GetEditorVisibility() and not display.GetEditorScalingEnabled()
    assert np.array(node.GetCenterOfTransformation()) == pytest.approx(mrml.rasFromLps(panel.centre()), abs=1e-6)
    panel.ui.handlesCheckBox.click()
    wait_until(lambda: not display.GetEditorVisibility(), 10)


# ---- landmarks -------------------------------------------------------------------------------------------------------


def test_landmarks_place_the_bone(panel: Any, nodes: list[Any]) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml, mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    known = dict(list(wrist()[0].landmarks.items())[:4])
    panel.ui.landmarkNamesEdit.text = ", ".join(known)
    panel.ui.landmarkListsButton.click()
    assert panel.ui.landmarkTable.rowCount == 4
    assert panel.ui.landmarkTable.item(0, 1).text() == "–"
    panel.ui.fitLandmarksButton.click()
    assert "Place landmarks" in panel.ui.landmarkStatusLabel.text

    panel.ui.landmarkTable.cellClicked.emit(0, 1)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert "on the bone" in panel.ui.landmarkStatusLabel.text
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)

    lists = [panel.parameters.ctLandmarks, *[node.GetNodeReference(mrml_radiographs.LANDMARKS) for node in nodes]]
    assert lists[0].GetParentTransformNode() is panel.parameters.poseTransform
    for index, point in enumerate(known.values()):
        lists[0].SetNthControlPointPosition(index, *mrml.rasFromLps(point))
        for node, points in zip(nodes, lists[1:], strict=True):
            camera = mrml_radiographs.cameraFromNode(node)
            seen = camera.pixel_to_world(camera.project(truePose().apply(point)))
            points.SetNthControlPointPosition(index, *mrml.rasFromLps(seen))
    settle()
    assert panel.ui.landmarkTable.item(3, 2).text() == "✓"
    panel.ui.fitLandmarksButton.click()
    assert "0.0 mm" in panel.ui.landmarkStatusLabel.text
    degrees, millimetres = error_to_truth(panel)
    assert degrees < 0.05 and millimetres < 0.05


# ---- registering -----------------------------------------------------------------------------------------------------


def test_register_accept_and_save(panel: Any, tmp_path: Path) -> None:
    before = error_to_truth(panel)
    run(panel)
    record = panel.parameters.poseTransform.GetAttribute("XRayTo3D.Registration")
    assert json.loads(record)["verdict"] in panel.ui.verdictLabel.text.lower()
    degrees, millimetres = error_to_truth(panel)
    assert millimetres < 0.5 * before[1] and degrees < before[0]
    assert panel.ui.similarityTable.rowCount == 2
    assert panel.ui.acceptButton.enabled
    assert not panel.ui.rejectButton.enabled
    assert panel.ui.rejectButton.toolTip == "Write a comment that says why first"
    panel.ui.roleEdit.text = "radiographer"
    panel.ui.caseFolderPath.currentPath = str(tmp_path / "case")
    panel.ui.acceptButton.click()
    assert panel.parameters.poseTransform.GetAttribute("XRayTo3D.Review") == "accepted"
    assert "Accepted by radiographer" in panel.ui.reviewLabel.text
    saved = json.loads((tmp_path / "case" / "registration.json").read_text())
    assert saved["review"] == {"status": "accepted", "note": "", "by_role": "radiographer"}
    assert saved["synthetic"] is True
    pose = RigidPose.load(tmp_path / "case" / "pose.tfm")
    assert pose.matrix == pytest.approx(panel.pose().matrix, abs=1e-6)

    panel.ui.undoButton.click()
    assert panel.pose().matrix == pytest.approx(np.eye(4))
    assert "was moved since" in panel.ui.verdictLabel.text
    assert not panel.ui.acceptButton.enabled and not panel.ui.saveButton.enabled


def test_reject_with_a_note_and_restore(panel: Any) -> None:
    run(panel)
    panel.ui.noteEdit.text = "ulna in place of radius"
    panel.ui.rejectButton.click()
    assert "Rejected" in panel.ui.reviewLabel.text and "ulna" in panel.ui.reviewLabel.text
    panel.ui.restoreButton.click()
    assert panel.pose().matrix == pytest.approx(np.eye(4))


def test_cancel_puts_the_bone_back_and_says_so(panel: Any) -> None:
    panel.ui.centreButton.click()
    start = panel.pose()
    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    wait_until(lambda: not np.allclose(panel.pose().matrix, start.matrix))
    assert not panel.ui.ctSelector.enabled and not panel.ui.undoButton.enabled
    panel.ui.registerButton.click()
    assert not panel.run.running
    assert panel.pose().matrix == pytest.approx(start.matrix)
    assert panel.ui.statusLabel.text == "Cancelled; the bone is back where the registration started."
    assert panel.ui.registerButton.text == "Register" and panel.ui.ctSelector.enabled


def test_closing_the_scene_while_it_runs(panel: Any) -> None:
    import slicer

    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    settle()
    slicer.mrmlScene.Clear()
    settle()
    assert not panel.run.running
    assert panel.ui.registerButton.text == "Register" and not panel.ui.registerButton.enabled


def test_a_bone_beside_the_radiographs_is_one_sentence(panel: Any, shown_messages: Any) -> None:
    panel.movePose(RigidPose.from_rotation([0, 0, 0], [400.0, 0, 0]))
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    assert "misses the picture" in panel.ui.statusLabel.text
    assert shown_messages.shown == []


def test_pixel_sizes_that_are_none(panel: Any) -> None:
    panel.ui.pixelSizesEdit.text = "1.4, fine"
    panel.ui.registerButton.click()
    assert "Pixel sizes must be numbers" in panel.ui.statusLabel.text
    assert not panel.run.running


def test_without_pytorch(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    panel.ui.registerButton.click()
    assert panel.ui.statusLabel.text.startswith("PyTorch is missing: install it in the section Set-up")
    assert not panel.run.running


def test_everything_comes_back_with_the_scene(panel: Any, tmp_path: Path) -> None:
    import slicer

    panel.ui.boneModelButton.click()
    run(panel)
    panel.ui.acceptButton.click()
    pose, verdict = panel.pose().matrix, panel.ui.verdictLabel.text
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert not panel.ui.acceptButton.enabled
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    assert panel.pose().matrix == pytest.approx(pose, abs=1e-6)
    assert panel.ui.verdictLabel.text == verdict
    assert "Accepted" in panel.ui.reviewLabel.text
    assert panel.ui.segmentCombo.currentText == "radius"
    assert panel.parameters.boneModel.GetParentTransformNode() is panel.parameters.poseTransform
    assert panel.parameters.starts == 6


def test_the_case_folder_s_button_asks_for_a_folder(module_widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: "/a/folder")
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: "/a/file")
    path = module_widget.registration.ui.caseFolderPath
    path.browse()
    assert path.currentPath == "/a/folder"


def test_a_label_map_is_read_once(module_widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    slicer.util.updateVolumeFromArray(node, np.array([[[0, 3], [7, 0]]], np.uint8))
    calls: list[Any] = []
    read = mrml.segmentChoices
    monkeypatch.setattr(mrml, "segmentChoices", lambda labels: calls.append(labels) or read(labels))
    inputs = module_widget.registration.inputs
    assert [inputs._choices(node) for _time in range(3)] == [[("3", "label 3"), ("7", "label 7")]] * 3
    assert len(calls) == 1
    slicer.util.updateVolumeFromArray(node, np.array([[[0, 3], [0, 0]]], np.uint8))
    assert inputs._choices(node) == [("3", "label 3")]
