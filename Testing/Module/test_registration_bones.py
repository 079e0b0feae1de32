"""Several bones, the rest of the CT, how sure the result is, and what becomes of a result that was adjusted by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import add_wrist_ct, settle, wait_until, wrist, write_views

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.uncertainty import PoseUncertainty

pytestmark = pytest.mark.host
ULNA_TURN, ULNA_SHIFT = (1.0, 0.0, 4.0), (2.0, 1.0, -1.0)


@pytest.fixture
def panel(module_widget: Any, tmp_path: Path) -> Any:
    """The registration panel with the wrist loaded, its section open, coarse settings."""
    first = module_widget.radiographs
    for path in write_views(tmp_path):
        first.ui.radiographPath.currentPath = str(path)
        first.ui.loadButton.click()
    add_wrist_ct(module_widget)
    parameters = module_widget.parameters
    parameters.starts, parameters.pixelSizes, parameters.overlayWidth = 3, "2.8, 1.4", 96
    parameters.spreadDegrees, parameters.reachMillimetres = 3.0, 10.0
    module_widget.ui.registrationSection.collapsed = False
    settle()
    return module_widget.registration


def tick(panel: Any, name: str, on: bool = True) -> None:
    import qt

    rows = [panel.ui.furtherList.item(row) for row in range(panel.ui.furtherList.count)]
    item = next(each for each in rows if each.text() == name)
    item.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)
    settle()


def near_truth(panel: Any) -> RigidPose:
    """A start 1.5 degrees and 2 mm from the truth."""
    from XRayTo3DGui.scene.example import truePose

    off = RigidPose.from_rotation([1.0, -0.8, 0.8], [1.0, -1.5, 1.0], truePose().apply(panel.centre()))
    return off @ truePose()


def run(panel: Any, button: str = "registerButton") -> dict[str, Any]:
    """Press, wait, and return the record in the scene."""
    getattr(panel.ui, button).click()
    assert panel.run.running, panel.ui.statusLabel.text
    wait_until(lambda: not panel.run.running)
    return json.loads(panel.parameters.poseTransform.GetAttribute("XRayTo3D.Registration"))


# ---- the rest of the CT ----------------------------------------------------------------------------------------------


def test_a_hint_where_the_rest_of_the_ct_would_help(panel: Any) -> None:
    wait_until(lambda: bool(panel.ui.surroundingsHint.text), 10)
    assert not panel.parameters.drawRest
    assert panel.ui.surroundingsHint.text.startswith("This CT shows the soft tissue too")
    panel.ui.surroundingsCheckBox.click()
    wait_until(lambda: not panel.ui.surroundingsHint.text, 10)
    assert panel.parameters.drawRest
    panel.ui.surroundingsCheckBox.click()
    panel.parameters.segmentId = ""
    settle()
    assert not panel.ui.surroundingsHint.text


def test_with_the_rest_of_the_ct_the_picture_is_explained(panel: Any) -> None:
    from XRayTo3DGui.scene.example import truePose

    panel.movePose(near_truth(panel))
    panel.ui.surroundingsCheckBox.click()
    record = run(panel)
    assert record["mean_similarity"] > 0.9  # the picture is a projection of this very CT; a bone alone comes to 0.5
    degrees, millimetres = panel.pose().distance_to(truePose(), panel.centre())
    assert millimetres < 0.3 and degrees < 3.5
    assert "surroundings" in record["others_ct_to_world"]


def test_a_bone_in_air_cannot_have_the_rest_drawn(panel: Any) -> None:
    import slicer

    values = slicer.util.arrayFromVolume(panel.parameters.ctVolume)
    values[values < 150] = -1000
    slicer.util.arrayFromVolumeModified(panel.parameters.ctVolume)
    settle()
    panel.overlay.refine()
    wait_until(lambda: not panel.overlay.busy)
    assert not panel.ui.surroundingsHint.text
    panel.ui.surroundingsCheckBox.click()
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    expected = "radius does not lie in soft tissue in this CT; untick 'Draw the rest of the CT too'."
    assert panel.ui.statusLabel.text == expected
    panel.ui.surroundingsCheckBox.click()
    assert run(panel)["others_ct_to_world"] == {}


def test_the_bone_s_shadow_in_tissue_is_its_excess(panel: Any) -> None:
    from XRayTo3DGui.registration.parts import partsOf

    parts = partsOf(panel.parameters)
    assert parts.bones["radius"].mu.min() < 0 and parts.surroundings is None  # fatty marrow is lighter than muscle
    panel.parameters.drawRest = True
    tick(panel, "ulna")
    parts = partsOf(panel.parameters)
    assert list(parts.bones) == ["radius", "ulna"]
    assert parts.surroundings is not None
    panel.parameters.segmentId = ""
    settle()
    parts = partsOf(panel.parameters)
    assert [bone.whole for bone in parts.bones.values()] == [True] and parts.surroundings is None


def test_where_segments_overlap_the_first_bone_counts(panel: Any) -> None:
    import slicer

    from XRayTo3DGui.scene.mrml_segments import ctWithSegments

    parameters = panel.parameters
    volume, segmentation = parameters.ctVolume, parameters.segmentation
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "radius", volume)
    both = segmentation.GetSegmentation().AddEmptySegment("copy", "Radius")
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, both, volume)
    for first, second in (("radius", "copy"), ("copy", "radius")):
        ct = ctWithSegments(volume, segmentation, [first, "ulna", second])
        assert ct.labels is not None and np.array_equal(ct.labels == 1, mask != 0)
        assert (ct.labels == 2).any() and (ct.labels > 3).any()  # the ulna, the carpals
    names = list(ctWithSegments(volume, segmentation, ["radius", "ulna", "copy"]).label_names)
    assert names == ["radius", "ulna", "Radius 2"]


def test_a_label_map_gives_the_same_bones(panel: Any) -> None:
    import slicer

    from XRayTo3DGui.registration.parts import partsOf
    from XRayTo3DGui.scene import mrml

    parameters, ct = panel.parameters, wrist()[0].ct
    tick(panel, "ulna")
    wanted = list(partsOf(parameters).bones.values())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(node, ct.labels.astype(np.int16))
    mrml.setIjkToLps(node, ct.voxel_to_lps)
    parameters.segmentation = node
    settle()
    assert parameters.furtherSegments == ""  # another segmentation's bones
    parameters.segmentId = str(ct.label_names["radius"])
    settle()
    tick(panel, f"label {ct.label_names['ulna']}")
    parts = partsOf(parameters)
    assert list(parts.bones) == [f"label {ct.label_names[name]}" for name in ("radius", "ulna")]
    for found, expected in zip(parts.bones.values(), wanted, strict=True):
        assert found.mu == pytest.approx(expected.mu, abs=1e-6)


# ---- further bones ---------------------------------------------------------------------------------------------------


def test_the_other_segments_can_be_found_too(panel: Any) -> None:
    from XRayTo3DGui.registration import further

    listed = [panel.ui.furtherList.item(row).text() for row in range(panel.ui.furtherList.count)]
    assert listed == ["ulna", "carpals"]
    tick(panel, "carpals")
    tick(panel, "ulna")
    assert further.chosen(panel.parameters) == ["carpals", "ulna"]
    tick(panel, "carpals", on=False)
    assert further.chosen(panel.parameters) == ["ulna"]
    panel.parameters.segmentId = "ulna"
    settle()
    listed = [panel.ui.furtherList.item(row).text() for row in range(panel.ui.furtherList.count)]
    assert listed == ["radius", "carpals"] and further.chosen(panel.parameters) == []
    panel.parameters.segmentId = ""
    settle()
    assert panel.ui.furtherList.count == 0


def test_two_bones_each_get_their_own_transform(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.registration import further
    from XRayTo3DGui.scene import mrml
    from XRayTo3DGui.scene.example import truePose

    tick(panel, "ulna")
    panel.movePose(near_truth(panel))
    panel.ui.surroundingsCheckBox.click()
    record = run(panel)
    node = slicer.mrmlScene.GetFirstNodeByName("ulna pose")
    assert node is further.transformOf(panel.parameters, "ulna")
    found = mrml.poseFromNode(node)
    assert found.distance_to(truePose(), np.array(record["further"][0]["centre_ct"]))[1] < 1.0
    assert found.matrix == pytest.approx(np.array(record["others_ct_to_world"]["ulna"]), abs=1e-6)
    assert panel.pose().distance_to(truePose(), np.array(record["centre_ct"]))[1] < 1.0
    assert re.search(r"<b>radius:</b> .*<b>ulna:</b> .*(Converged|Ambiguous|Failed)", panel.ui.verdictLabel.text)
    assert panel.ui.verdictLabel.text.count("95 % uncertainty") == 2
    assert panel.parameters.ctVolume.GetParentTransformNode() is panel.parameters.poseTransform

    panel.ui.caseFolderPath.currentPath = str(tmp_path / "case")
    panel.ui.acceptButton.click()
    names = sorted(path.name for path in (tmp_path / "case").iterdir())
    assert names == ["pose.tfm", "pose_ulna.tfm", "registration.json", "registration_ulna.json"]
    assert RigidPose.load(tmp_path / "case" / "pose_ulna.tfm").matrix == pytest.approx(found.matrix, abs=1e-6)
    assert json.loads((tmp_path / "case" / "registration.json").read_text())["review"]["status"] == "accepted"

    panel.ui.restoreButton.click()
    assert mrml.poseFromNode(node).matrix == pytest.approx(near_truth(panel).matrix, abs=1e-6)
    again = further.ensureTransforms(panel.parameters)
    assert list(again.values()) == [node]


def test_further_bones_follow_the_first_by_hand(panel: Any) -> None:
    from XRayTo3DGui.registration import further
    from XRayTo3DGui.scene import mrml

    tick(panel, "ulna")
    panel.ensurePose()
    node = further.ensureTransforms(panel.parameters)["ulna"]
    apart = RigidPose.from_rotation(ULNA_TURN, ULNA_SHIFT)
    mrml.setPose(node, apart)
    panel.ui.moveLrSlider.value = 7.0
    moved = mrml.poseFromNode(node).apply(np.zeros(3)) - apart.apply(np.zeros(3))
    assert mrml.rasFromLps(moved) == pytest.approx([7, 0, 0])
    panel.ui.resetButton.click()
    assert mrml.poseFromNode(node).matrix == pytest.approx(np.eye(4))


@pytest.mark.gl
def test_every_bone_has_an_outline_and_a_model(panel: Any) -> None:
    from XRayTo3DGui.registration import further
    from XRayTo3DGui.scene import mrml_radiographs

    panel.widget.radiographs.ui.showLayoutButton.click()
    tick(panel, "ulna")
    panel.ui.boneModelButton.click()
    assert panel.ui.statusLabel.text == "radius model (synthetic), ulna model (synthetic) made."
    node = further.transformOf(panel.parameters, "ulna")
    model = node.GetNodeReference(further.MODEL)
    assert model.GetParentTransformNode() is node
    radiograph = mrml_radiographs.radiographNodes()[0]
    wait_until(lambda: panel.overlay.drawn.outlineOf(radiograph, 1) is not None, 10)
    first, second = (panel.overlay.drawn.outlineOf(radiograph, number) for number in (0, 1))
    assert first.GetDisplayNode().GetVisibility() and second.GetDisplayNode().GetVisibility()
    assert first.GetPolyData().GetBounds() != second.GetPolyData().GetBounds()
    tick(panel, "ulna", on=False)
    wait_until(lambda: not second.GetDisplayNode().GetVisibility(), 10)
    assert first.GetDisplayNode().GetVisibility()


def test_further_bones_come_back_with_the_scene(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.registration import further
    from XRayTo3DGui.scene import mrml

    tick(panel, "ulna")
    panel.ensurePose()
    pose = RigidPose.from_rotation(ULNA_TURN, ULNA_SHIFT)
    mrml.setPose(further.ensureTransforms(panel.parameters)["ulna"], pose)
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    assert further.chosen(panel.parameters) == ["ulna"]
    back = further.poses(panel.parameters, RigidPose.identity())
    assert back["ulna"].matrix == pytest.approx(pose.matrix, abs=1e-6)


# ---- how sure --------------------------------------------------------------------------------------------------------


def test_the_result_says_how_sure_it_is_and_flags_depth_in_one_view(panel: Any) -> None:
    import qt

    from XRayTo3DGui.panel import UNSURE

    panel.movePose(near_truth(panel))
    record = run(panel)
    known = record["uncertainty"]
    words = PoseUncertainty(np.array(known["axes_world"]).T, np.array(known["covariance"])).in_words()
    assert words in panel.ui.verdictLabel.text
    assert panel.ui.engineLabel.text == record["settings"]["engine"].removeprefix("projector engine: ") != ""
    two = known["standard_deviation"]["depth"]

    panel.ui.radiographList.item(1).setCheckState(qt.Qt.Unchecked)
    panel.movePose(near_truth(panel))
    record = run(panel)
    depth = record["uncertainty"]["standard_deviation"]["depth"]
    assert depth > 2 * two
    flagged = re.search(rf'color:{UNSURE}">depth ([\d.]+) mm</span>', panel.ui.verdictLabel.text)
    assert flagged is not None and float(flagged[1]) == pytest.approx(1.96 * depth, rel=0.06)


# ---- adjusting by hand -----------------------------------------------------------------------------------------------


def test_a_result_that_was_adjusted_by_hand_is_kept_as_such(panel: Any, tmp_path: Path) -> None:
    panel.movePose(near_truth(panel))
    before = run(panel)
    panel.ui.roleEdit.text = "radiographer"
    panel.ui.noteEdit.text = "turned about the shaft"
    panel.ui.rejectButton.click()
    panel.ui.turnIsSlider.value = 6.0
    settle()
    record = run(panel, "refineButton")
    assert record["review"]["status"] == "unreviewed"
    (earlier,) = record["earlier_results"]
    assert earlier["review"]["status"] == "adjusted" and earlier["review"]["by_role"] == "radiographer"
    assert earlier["earlier_reviews"] == [
        {"status": "rejected", "note": "turned about the shaft", "by_role": "radiographer"}
    ]
    assert earlier["pose_ct_to_world"] == before["pose_ct_to_world"]
    assert "Registered again after an adjustment by hand" in panel.ui.verdictLabel.text
    panel.ui.caseFolderPath.currentPath = str(tmp_path / "case")
    panel.ui.acceptButton.click()
    saved = json.loads((tmp_path / "case" / "registration.json").read_text())
    assert saved["earlier_results"] == [earlier] and saved["review"]["status"] == "accepted"


def test_going_back_to_the_start_is_no_adjustment(panel: Any) -> None:
    panel.movePose(near_truth(panel))
    run(panel, "refineButton")
    panel.ui.restoreButton.click()
    assert "earlier_results" not in run(panel, "refineButton")


def test_changing_one_s_mind_keeps_the_first_review(panel: Any) -> None:
    panel.movePose(near_truth(panel))
    run(panel, "refineButton")
    panel.ui.acceptButton.click()
    panel.ui.noteEdit.text = "on second thoughts"
    panel.ui.rejectButton.click()
    record = json.loads(panel.parameters.poseTransform.GetAttribute("XRayTo3D.Registration"))
    assert record["review"]["status"] == "rejected"
    assert [each["status"] for each in record["earlier_reviews"]] == ["accepted"]


def test_refining_stays_near_and_makes_it_sharper(panel: Any) -> None:
    from XRayTo3DGui.scene.example import truePose

    start = near_truth(panel)
    panel.movePose(start)
    panel.ui.surroundingsCheckBox.click()
    record = run(panel, "refineButton")
    assert record["starts"] == 1
    assert (
        panel.pose().distance_to(truePose(), panel.centre())[1] < 0.5 * start.distance_to(truePose(), panel.centre())[1]
    )


def test_a_cancelled_run_leaves_the_result_before(panel: Any) -> None:
    panel.movePose(near_truth(panel))
    before = run(panel, "refineButton")
    panel.ui.acceptButton.click()
    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    settle()
    assert not panel.ui.acceptButton.enabled and not panel.ui.refineButton.enabled
    panel.ui.registerButton.click()
    record = json.loads(panel.parameters.poseTransform.GetAttribute("XRayTo3D.Registration"))
    assert record["pose_ct_to_world"] == before["pose_ct_to_world"] and record["review"]["status"] == "accepted"
    assert "Accepted" in panel.ui.reviewLabel.text
