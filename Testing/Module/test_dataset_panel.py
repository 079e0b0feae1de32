"""Section 3 by real clicks: make, fill, browse, review, split; saved and reopened in the middle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import panel_audit
import pytest
from dataset_cases import button, choose, dataset, opened, read, result, rows
from event_loop import EventLoop
from module_cases import settle, wait_until, wrist

from XRayTo3DLib.dataset.case_views import views_of, write_registration
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.result import Review

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    """The panel, its section open; no scene of another test's job is remembered."""
    import slicer

    slicer.app.settings().setValue("XRayTo3D/RecentJobs/dataset", "")
    module_widget.ui.datasetSection.collapsed = False
    settle()
    return module_widget.dataset


@pytest.fixture
def chosen(panel: Any, tmp_path: Path) -> Any:
    """Four cases: not registered, to review, accepted, rejected and without landmarks."""
    choose(panel, dataset(tmp_path))
    return panel


def folder_of(panel: Any) -> Path:
    return Path(panel.parameters.datasetFolder)


def case(panel: Any, name: str) -> Any:
    return DatasetFolder.open(folder_of(panel)).case(name)


def select(panel: Any, name: str) -> None:
    panel.ui.caseTable.selectRow([row[0] for row in rows(panel)].index(name))
    settle(0.1)


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_a_fresh_panel_says_what_to_do(panel: Any) -> None:
    ui = panel.ui
    assert ui.makeDatasetButton.toolTip == "Choose the new data set's folder first"
    assert ui.openCaseButton.toolTip == ui.openNextButton.toolTip == "Choose or make a data set first"
    assert ui.registerAllButton.toolTip == "Choose or make a data set with cases first"
    assert ui.addSceneButton.toolTip == "Choose or make a data set first"
    names = (
        "makeDataset",
        "openCase",
        "openNext",
        "registerAll",
        "landmarks",
        "prepare",
        "addScene",
        "import",
        "split",
    )
    assert not any(getattr(ui, f"{name}Button").enabled for name in names)
    assert ui.jobWidget.isHidden() and ui.datasetStatusLabel.isHidden()


def test_a_data_set_is_chosen_by_its_folder(chosen: Any) -> None:
    assert rows(chosen) == [
        ("case-001", "R", "train", "–", "not registered"),
        ("case-002", "R", "train", "–", "to review"),
        ("case-003", "R", "train", "–", "accepted"),
        ("case-004", "R", "train", "landmarks", "rejected"),
    ]
    told = chosen.ui.summaryLabel.text
    assert "SYNTHETIC" in told and "4 cases of 2 people: 4 to train on, 0 to test on." in told
    assert "1 without landmarks, 2 views not registered, 2 views to review." in told
    assert "pa: to review (converged)" in chosen.ui.caseTable.item(1, 0).toolTip()


def test_a_folder_that_is_no_data_set(panel: Any, tmp_path: Path) -> None:
    choose(panel, tmp_path)
    assert "holds no dataset.json" in panel.ui.summaryLabel.text and rows(panel) == []
    choose(panel, "")
    assert panel.ui.summaryLabel.isHidden()


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("All cases", [1, 2, 3, 4]),
        ("Not registered", [1]),
        ("To review", [2]),
        ("Accepted", [3]),
        ("Rejected", [4]),
        ("Lacking something", [4]),
    ],
)
def test_the_filter(chosen: Any, wanted: str, shown: list[int]) -> None:
    chosen.ui.filterCombo.currentText = wanted
    read(chosen)
    assert [row[0] for row in rows(chosen)] == [f"case-{number:03d}" for number in shown]


def test_a_damaged_view_is_said_and_opening_it_leaves_the_scene_alone(chosen: Any) -> None:
    view = views_of(case(chosen, "case-003"))[0]
    RigidPose.identity().save(view.pose_path)
    chosen.refresh()
    read(chosen)
    assert rows(chosen)[2][4] == "1/2 unreadable"
    assert "pose.tfm is not the pose of registration.json" in chosen.ui.caseTable.item(2, 0).toolTip()
    select(chosen, "case-002")
    button(chosen, "openCaseButton").click()
    opened(chosen)
    chosen.ui.caseTable.cellDoubleClicked.emit(2, 0)
    opened(chosen)
    assert "case-003, view lat: pose.tfm" in chosen.ui.openStatusLabel.text
    assert chosen.parameters.caseFolder.endswith("case-002") and chosen.parameters.ctVolume is not None


def test_a_link_out_of_one_case_is_that_row_s_problem(chosen: Any, tmp_path: Path) -> None:
    """Not the whole list's."""
    view = views_of(case(chosen, "case-003"))[0]
    shutil.move(view.folder, tmp_path / "elsewhere")
    view.folder.symlink_to(tmp_path / "elsewhere")
    chosen.refresh()
    read(chosen)
    assert rows(chosen)[2][4] == "unreadable" and rows(chosen)[0][4] != "unreadable"
    assert "is a link that leads out" in chosen.ui.caseTable.item(2, 0).toolTip()


def test_a_filled_panel_fits_a_small_screen(chosen: Any) -> None:
    """Everything unfolded, a case open: no text is cut off, nothing needs more than 380 pixels."""
    section = chosen.widget.ui.datasetSection
    chosen.ui.caseTable.cellDoubleClicked.emit(1, 0)
    opened(chosen)
    with panel_audit.shown(chosen.widget.parent) as area:
        section.collapsed = False
        panel_audit.unfold(section)
        for kind in ("SYNTHETIC people", "Cases of your own"):
            chosen.ui.newKindCombo.currentText = kind
            settle()
            assert section.minimumSizeHint().width() <= area.viewport().size.width(), panel_audit.widest(section)
            texts = [panel_audit.clipped(each) for each in panel_audit.visible_widgets(section)]
            assert not any(texts), texts


# ---- opening and reviewing -------------------------------------------------------------------------------------------


def test_cases_are_reviewed_one_after_another(chosen: Any) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml, mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    widget, record = chosen.widget, result(truePose()).to_dict()
    for view in views_of(case(chosen, "case-001")):
        write_registration(view, record, truePose())
    button(chosen, "openNextButton").click()
    opened(chosen)
    assert chosen.parameters.caseFolder == str(case(chosen, "case-001").folder)
    assert not widget.ui.registrationSection.collapsed and widget.ui.datasetSection.collapsed
    assert mrml.poseFromNode(chosen.parameters.poseTransform).matrix == pytest.approx(truePose().matrix, abs=1e-6)
    assert widget.radiographs.layout.shown and len(mrml_radiographs.usedRadiographNodes()) == 2
    settle()
    ui = widget.registration.ui
    assert "Converged" in ui.verdictLabel.text and "Not reviewed yet" in ui.reviewLabel.text
    assert chosen.parameters.segmentId == "radius"
    chosen.parameters.reviewerRole = "radiologist"
    ui.acceptButton.click()
    settle()
    assert [view.status for view in views_of(case(chosen, "case-001"))] == ["accepted", "accepted"]
    chosen.openNext()
    opened(chosen)
    assert chosen.parameters.caseFolder.endswith("case-002")
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert len(names) == 3 and "case-002 CT (synthetic)" in names, names
    settle()
    ui.noteEdit.text = "does not fit"
    settle()
    ui.rejectButton.click()
    settle()
    chosen.openNext()
    opened(chosen)
    assert chosen.ui.openStatusLabel.text == "Nothing is left to review."
    assert [row[4] for row in rows(chosen)] == ["accepted", "rejected", "accepted", "rejected"]


def test_the_bones_are_where_the_files_have_them(chosen: Any) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml

    chosen.ui.caseTable.cellDoubleClicked.emit(1, 0)
    opened(chosen)
    volume, segmentation = chosen.parameters.ctVolume, chosen.parameters.segmentation
    kept = case(chosen, "case-002").ct()
    assert np.array_equal(slicer.util.arrayFromVolume(volume), kept.hu)
    assert np.allclose(mrml.ijkToLps(volume), kept.voxel_to_lps)
    assert [name for _identifier, name in mrml.segmentChoices(segmentation)][:2] == ["radius", "ulna"]
    for bone in kept.label_names:
        assert np.array_equal(mrml.labelMask(segmentation, bone, volume), kept.label_mask(bone)), bone


def test_what_is_only_in_the_scene_is_asked_about(chosen: Any, shown_messages: Any) -> None:
    from XRayTo3DGui.registration.review import RECORD

    chosen.ui.caseTable.cellDoubleClicked.emit(1, 0)
    opened(chosen)
    node = chosen.parameters.poseTransform
    changed = json.loads(node.GetAttribute(RECORD))
    changed["review"] = {"status": "accepted", "note": "", "by_role": ""}
    node.SetAttribute(RECORD, json.dumps(changed))
    shown_messages.answer = False
    chosen.ui.caseTable.cellDoubleClicked.emit(2, 0)
    opened(chosen)
    assert "case-002: a review is in the scene only" in shown_messages.shown[0][1]
    assert chosen.parameters.caseFolder.endswith("case-002")
    shown_messages.answer = True
    chosen.ui.caseTable.cellDoubleClicked.emit(2, 0)
    opened(chosen)
    assert chosen.parameters.caseFolder.endswith("case-003")


def test_exposures_in_other_poses_are_opened_apart(chosen: Any) -> None:
    from XRayTo3DGui.scene import mrml, mrml_radiographs

    poses = [RigidPose.from_rotation([0, 0, turn], [turn, 0, 0]) for turn in (1.0, 2.0)]
    for view, pose in zip(views_of(case(chosen, "case-002")), poses, strict=True):
        write_registration(view, result(pose).to_dict(), pose)
    chosen.refresh()
    read(chosen)
    select(chosen, "case-002")
    combo = chosen.ui.viewCombo
    texts = [combo.itemText(number) for number in range(combo.count)]
    assert texts == ["First that needs somebody", "lat: to review", "pa: to review"]
    combo.currentIndex = 2
    button(chosen, "openCaseButton").click()
    opened(chosen)
    (node,) = mrml_radiographs.radiographNodes()
    assert node.GetAttribute("XRayTo3D.View") == "PA"
    assert mrml.poseFromNode(chosen.parameters.poseTransform).matrix == pytest.approx(poses[1].matrix, abs=1e-6)
    select(chosen, "case-003")
    assert chosen.ui.viewRow.isHidden()


def test_opening_can_be_stopped(chosen: Any) -> None:
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode")
    select(chosen, "case-002")
    button(chosen, "openCaseButton").click()
    assert chosen.ui.openCaseButton.text == "Cancel"
    wait_until(lambda: "Showing" in chosen.ui.openStatusLabel.text)
    chosen.ui.openCaseButton.click()
    read(chosen)
    assert chosen.ui.openStatusLabel.text == "Cancelled." and chosen.parameters.caseFolder == ""
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode") == before


def test_other_radiographs_do_not_join_in(chosen: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    other = mrml_radiographs.radiographToScene(wrist()[1][0])
    chosen.ui.caseTable.cellDoubleClicked.emit(1, 0)
    opened(chosen)
    assert other not in mrml_radiographs.usedRadiographNodes() and len(mrml_radiographs.radiographNodes()) == 3


def test_landmarks_are_looked_at_and_saved(chosen: Any) -> None:
    from XRayTo3DGui.dataset import open_case
    from XRayTo3DGui.scene import mrml

    chosen.ui.caseTable.cellDoubleClicked.emit(1, 0)
    opened(chosen)
    node = open_case.landmarksNode(chosen.parameters)
    assert not node.GetDisplayVisibility()
    chosen.ui.showLandmarksCheckBox.click()
    settle()
    assert node.GetDisplayVisibility()
    index = node.GetControlPointIndexByLabel("articular centre")
    node.SetNthControlPointPosition(index, *mrml.rasFromLps([1.0, 2.0, 3.0]))
    button(chosen, "saveLandmarksButton").click()
    assert case(chosen, "case-002").landmarks()["articular centre"] == pytest.approx([1.0, 2.0, 3.0])


# ---- making and filling ----------------------------------------------------------------------------------------------


def test_the_scene_becomes_a_case_with_pose_and_review(panel: Any, tmp_path: Path) -> None:
    """Made, added, opened again: pose, record and pictures are what they were."""
    from XRayTo3DGui.registration.pose import ensurePose
    from XRayTo3DGui.registration.review import RECORD
    from XRayTo3DGui.scene import mrml, mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    ui, parameters = panel.ui, panel.parameters
    ui.newFolderPath.currentPath = str(tmp_path / "mine")
    settle()
    button(panel, "makeDatasetButton").click()
    read(panel)
    assert "No cases yet" in ui.summaryLabel.text and not ui.addCasesSection.collapsed
    assert ui.addSceneButton.toolTip == "Choose the CT first"
    volume, segmentation = mrml.ctToScene(wrist()[0].ct)
    nodes = [mrml_radiographs.radiographToScene(each) for each in wrist()[1]]
    ui.sceneCtSelector.setCurrentNode(volume)
    settle()
    assert parameters.segmentation is segmentation
    mrml.setPose(ensurePose(parameters), truePose())
    record = result(truePose()).to_dict(Review.ACCEPTED, reviewer_role="radiologist")
    record["views"] = [{**view, "name": node.GetName()} for view, node in zip(record["views"], nodes, strict=True)]
    parameters.poseTransform.SetAttribute(RECORD, json.dumps(record))
    panel.sync()
    assert ui.sceneLabel.text == "With the radiographs pa, lat, registered, accepted."
    assert ui.caseIdEdit.placeholderText == "case-001"
    ui.caseSideCombo.currentText = "Right"
    settle()
    button(panel, "addSceneButton").click()
    wait_until(lambda: not panel.adding.running)
    read(panel)
    assert ui.addStatusLabel.text == "case-001 added, with 2 radiographs."
    assert rows(panel) == [("case-001", "R", "train", "landmarks", "accepted")]
    assert "SYNTHETIC" in ui.summaryLabel.text
    kept = case(panel, "case-001")
    assert np.array_equal(kept.ct().hu, np.round(wrist()[0].ct.hu)) and kept.ct().label_mask("ulna").any()
    for view, picture in zip(views_of(kept), wrist()[1][::-1], strict=True):  # lat, pa
        assert np.allclose(view.radiograph().pixels, picture.pixels, atol=1e-5)
        assert view.radiograph().camera.is_close(picture.camera, 1e-3)
        assert view.pose().matrix == pytest.approx(truePose().matrix, abs=1e-6)
    assert ui.caseIdEdit.placeholderText == "case-002"


@pytest.mark.parametrize(
    ("typed", "why"), [("Jane Doe", "letters, digits"), ("CASE-001", "already"), ("../x", "letters, digits")]
)
def test_names_that_cannot_be(chosen: Any, typed: str, why: str) -> None:
    from XRayTo3DGui.scene import mrml

    volume, _segmentation = mrml.ctToScene(wrist()[0].ct)
    chosen.ui.sceneCtSelector.setCurrentNode(volume)
    settle()
    assert chosen.ui.addSceneButton.enabled, chosen.ui.addSceneButton.toolTip
    chosen.ui.caseIdEdit.text = typed
    settle()
    assert not chosen.ui.addSceneButton.enabled and why in chosen.ui.addSceneButton.toolTip


def test_segments_must_be_the_data_set_s_bones(chosen: Any) -> None:
    from XRayTo3DGui.scene import mrml

    volume, segmentation = mrml.ctToScene(wrist()[0].ct)
    segmentation.GetSegmentation().GetSegment("radius").SetName("Segment_1")
    chosen.ui.sceneCtSelector.setCurrentNode(volume)
    settle()
    assert "No segment is called radius" in chosen.ui.addSceneButton.toolTip


def test_the_split_is_by_person_and_seen_before(chosen: Any) -> None:
    chosen.ui.splitSection.collapsed = False
    chosen.ui.testShareSpinBox.value = 50
    settle()
    told = chosen.ui.splitLabel.text
    assert "cases to train on: 2 (people: 1); to test on: 2 (people: 1)" in told
    button(chosen, "splitButton").click()
    read(chosen)
    assert chosen.ui.datasetStatusLabel.text == told.replace("Then", "Now")
    splits = [row[2] for row in rows(chosen)]
    assert splits in (["train", "train", "test", "test"], ["test", "test", "train", "train"])


# ---- saved and reopened ----------------------------------------------------------------------------------------------


def test_a_scene_saved_in_the_middle_is_back(chosen: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml, mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    ui, folder = chosen.ui, chosen.parameters.datasetFolder
    ui.filterCombo.currentText = "To review"
    ui.newBonesEdit.text, ui.newPeopleSpinBox.value = "femur", 17
    ui.ctPath.currentPath, ui.caseIdEdit.text = "/some/ct.nrrd", "case-9"
    ui.testShareSpinBox.value, ui.redoCheckBox.checked = 35, True
    settle()
    chosen.ui.caseTable.cellDoubleClicked.emit(0, 0)
    opened(chosen)
    slicer.util.saveScene(str(tmp_path / "middle.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert rows(chosen) == [] and ui.ctPath.currentPath == "" and chosen.parameters.caseFolder == ""
    slicer.util.loadScene(str(tmp_path / "middle.mrb"))
    settle()
    read(chosen)
    assert chosen.parameters.datasetFolder == folder == ui.datasetPath.currentPath
    assert [row[0] for row in rows(chosen)] == ["case-002"] and ui.filterCombo.currentText == "To review"
    assert (ui.newBonesEdit.text, ui.newPeopleSpinBox.value) == ("femur", 17)
    assert (ui.ctPath.currentPath, ui.caseIdEdit.text) == ("/some/ct.nrrd", "case-9")
    assert (ui.testShareSpinBox.value, ui.redoCheckBox.checked) == (35, True)
    parameters = chosen.parameters
    assert parameters.caseFolder.endswith("case-002") and parameters.ctVolume.GetName() == "case-002 CT (synthetic)"
    assert mrml.poseFromNode(parameters.poseTransform).matrix == pytest.approx(truePose().matrix, abs=1e-6)
    chosen.widget.registration.sync()
    assert "Not reviewed yet" in chosen.widget.registration.ui.reviewLabel.text
    chosen.widget.registration.ui.acceptButton.click()
    settle()
    assert [view.status for view in views_of(case(chosen, "case-002"))] == ["accepted", "accepted"]
    chosen.widget.logic.openCase(folder, "case-003")
    assert len(mrml_radiographs.radiographNodes()) == 2  # those of the case before have left


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_does_the_same(module_widget: Any, tmp_path: Path) -> None:
    logic, folder = module_widget.logic, dataset(tmp_path)
    assert [row.id for row in logic.datasetTable(folder, "Rejected")] == ["case-004"]
    assert logic.datasetSummary(folder)["views"] == {"unregistered": 2, "unreviewed": 2, "accepted": 2, "rejected": 2}
    assert logic.nextToReview(folder) == "case-002"
    assert logic.addCase(folder, side="right", person="person-1") == "case-005"
    assert logic.datasetTable(folder)[4].statuses == {"unreviewed"}
    logic.closeCase()
    assert logic.getParameterNode().ctVolume is None
    assert logic.splitDataset(folder, 0.5, seed=1).test_people == 1
    with pytest.raises(InputError, match="no case 'nobody'"):
        logic.openCase(folder, "nobody")
    with pytest.raises(InputError, match="has a dataset.json already"):
        logic.makeDataset(folder)


# ---- Qt is not kept waiting --------------------------------------------------------------------------------


def test_opening_and_listing_do_not_freeze(chosen: Any) -> None:
    from XRayTo3DGui.dataset import browse

    many = folder_of(chosen)
    content = json.loads((many / "dataset.json").read_text())
    template = {**content["cases"][0], "patient": "crowd"}
    for number in range(400):
        name = f"more-{number:04d}"
        view = many / "cases" / name / "views" / "pa"
        view.mkdir(parents=True)
        (view / "radiograph.nrrd").touch()
        content["cases"].append({**template, "id": name})
    (many / "dataset.json").write_text(json.dumps(content))
    with EventLoop() as loop:
        chosen.refresh()
        read(chosen)
    print(loop.report("data set of 404 cases read"))
    assert len(rows(chosen)) == 404 and loop.letIn
    for number in (1, 2):
        steps = browse.openSteps(folder_of(chosen), rows(chosen)[number][0], chosen.parameters)
        assert len(list(steps)) > 3
        assert chosen.parameters.caseFolder.endswith(rows(chosen)[number][0])
