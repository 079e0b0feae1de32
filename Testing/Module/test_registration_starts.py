"""Section 2: the four ways to start, the overlays, scripts, and a scene saved in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_loop import EventLoop
from module_cases import settle, wait_until
from test_registration_panel import drawn, error_to_truth, nodes, panel, run, saved_and_opened

from XRayTo3DLib.geometry import RigidPose

pytestmark = pytest.mark.host
__all__ = ["nodes", "panel"]


# ---- starts ----------------------------------------------------------------------------------------------------------


def test_by_the_views_names_the_bone_lies_as_they_say(panel: Any, nodes: list[Any]) -> None:
    """The phantom's CT is in standard orientation: a PA picture shows it unturned but for the known true turn."""
    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DGui.scene.example import truePose

    panel.movePose(RigidPose.from_rotation([20, 90, -60], [30, 10, 0]))
    panel.ui.startCombo.currentText = "By the views' names"
    settle()
    assert panel.ui.markButton.visible or not panel.ui.startCombo.visible
    assert "pictures' middle" in panel.ui.startHint.text
    panel.ui.placeButton.click()
    degrees, _mm = panel.pose().distance_to(truePose(), panel.centre())
    assert degrees == pytest.approx(truePose().distance_to(RigidPose.identity(), [0, 0, 0])[0], abs=0.5)
    where = panel.pose().apply(panel.centre())
    for node in nodes:
        camera = mrml_radiographs.cameraFromNode(node)
        middle = (np.array(camera.size) - 1) / 2
        assert np.linalg.norm(camera.project(where) - middle) * camera.spacing[0] < 2.0

    for node in nodes:
        panel.ui.markButton.click()
        mark = node.GetNodeReference(mrml_radiographs.BONE_MARK)
        assert mark is not None
        camera = mrml_radiographs.cameraFromNode(node)
        seen = camera.pixel_to_world(camera.project(truePose().apply(panel.centre())))
        mark.SetNthControlPointPosition(0, *(seen * [-1, -1, 1]))
    assert panel.ui.startHint.text.endswith("marked in A, B.")
    panel.ui.placeButton.click()
    _degrees, millimetres = error_to_truth(panel)
    assert millimetres < 0.05


def test_registering_by_view_places_first(panel: Any) -> None:
    panel.movePose(RigidPose.from_rotation([20, 90, -60], [30, 10, 0]))
    panel.ui.startCombo.currentText = "By the views' names"
    settle()
    run(panel)
    assert error_to_truth(panel)[1] < 3.0
    panel.ui.undoButton.click()
    panel.ui.undoButton.click()
    assert panel.pose().distance_to(RigidPose.from_rotation([20, 90, -60], [30, 10, 0]), [0, 0, 0])[0] < 1e-6


def test_radiographs_without_a_view_are_one_sentence(panel: Any, nodes: list[Any]) -> None:
    for node in nodes:
        node.SetAttribute("XRayTo3D.View", "")
    panel.ui.startCombo.currentText = "By the views' names"
    settle()
    panel.ui.placeButton.click()
    assert panel.ui.statusLabel.text == "No radiograph says its view (AP, PA, LAT …); choose it in section 1."


def test_search_everywhere_needs_no_start(panel: Any) -> None:
    panel.movePose(RigidPose.from_rotation([70, 110, -60], [50, 30, 80]))
    panel.ui.startCombo.currentText = "Search everywhere"
    settle()
    panel.ui.registerButton.click()
    wait_until(lambda: panel.ui.statusLabel.text.startswith("Searching everywhere, "))
    panel.ui.registerButton.click()
    assert panel.ui.statusLabel.text.startswith("Cancelled")
    assert panel.pose().distance_to(RigidPose.from_rotation([70, 110, -60], [50, 30, 80]), [0, 0, 0])[0] < 1e-6


# ---- overlays --------------------------------------------------------------------------------------------------------


@pytest.mark.gl
@pytest.mark.parametrize("mode", ["Edges", "DRR", "Difference"])
def test_pictures_lie_over_the_radiographs(panel: Any, nodes: list[Any], mode: str) -> None:
    import slicer

    from XRayTo3DGui.scene.example import truePose
    from XRayTo3DGui.scene.overlays import compositeOf

    panel.widget.radiographs.ui.showLayoutButton.click()
    panel.movePose(truePose())
    panel.ui.overlayModeCombo.currentText = mode
    drawn(panel)
    for node in nodes:
        volume = panel.overlay.drawn.drrOf(node)
        assert compositeOf(node).GetForegroundVolumeID() == volume.GetID()
        values = slicer.util.arrayFromVolume(volume)[0]
        low, high = volume.GetDisplayNode().GetWindowLevelMin(), volume.GetDisplayNode().GetWindowLevelMax()
        assert high > 0 and np.isfinite(values).all() and values.max() <= high * 1.001
        assert low == pytest.approx(-high if mode == "Difference" else 0, abs=1e-3)
        assert panel.overlay.drawn.outlineOf(node) is None or not (
            panel.overlay.drawn.outlineOf(node).GetDisplayNode().GetVisibility()
        )


def test_edges_and_difference_by_hand() -> None:
    from XRayTo3DGui.scene.overlay_pictures import difference, edges

    square = np.zeros((60, 60), np.float32)
    square[20:40, 20:40] = 1.0
    steep = edges(square)
    assert steep[20, 30] == steep[30, 39] > 0.7  # corners are the steepest, by the root of 2
    assert steep[30, 30] == steep[5, 5] == 0.0
    # Twice the contrast on a slope: the same bone. Moved by two pixels: bright on one side, dark on the other.
    slope = np.linspace(0, 0.2, 60, dtype=np.float32)[None]
    same = difference(2 * square + slope, square)
    assert np.isnan(same[5, 5]) and np.nanmax(np.abs(same)) < 0.05
    moved = difference(2 * np.roll(square, 2, axis=1), square)
    assert moved[30, 20] < -0.3 < 0 < np.nanmax(np.abs(moved))


def test_detail_is_given_up_while_the_bone_moves(panel: Any) -> None:
    overlay = panel.overlay
    overlay._pixelMs, overlay._moving = 0.04, True  # a slow machine: a thousand pixels in 40 ms
    assert overlay._widthNow(256) == 48  # not below what shows a bone
    overlay._pixelMs = 40.0 / 100**2
    assert overlay._widthNow(256) == 100
    overlay._moving = False
    assert overlay._widthNow(256) == 256


# ---- Qt goes on ------------------------------------------------------------------------------------------------------


def test_a_second_of_blocking_is_seen(slicer_app: Any) -> None:
    """The measure itself; what it measures of the panel is printed, a busy machine allows no limit."""
    import time

    with EventLoop() as loop:
        settle(0.05)
        time.sleep(0.2)
        settle(0.05)
    assert loop.longest.milliseconds > 190 and loop.longest.cpu_ms < 150
    assert len(loop.over(150)) == 1


def test_reading_the_bone_and_registering_print_their_pauses(panel: Any) -> None:
    panel.ui.furtherList.item(0).setCheckState(_checked())
    with EventLoop() as loop:
        panel.bone.clear()
        panel.overlay.request()
        drawn(panel)
    print(loop.report("first overlay"))
    with EventLoop() as loop:
        run(panel)
    print(loop.report("registering two bones in two views"))
    assert loop.letIn


def _checked() -> Any:
    import qt

    return qt.Qt.Checked


# ---- in the middle ---------------------------------------------------------------------------------------------------


def test_half_placed_landmarks_marks_and_a_pose_by_hand_come_back(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.registration.start import markedPixel, setMark
    from XRayTo3DGui.scene import mrml_radiographs

    panel.ui.landmarkNamesEdit.text = "a, b, c"
    panel.ui.landmarkListsButton.click()
    panel.parameters.ctLandmarks.SetNthControlPointPosition(1, 4.0, 5.0, 6.0)
    setMark(mrml_radiographs.radiographNodes()[0], (31.0, 42.0))
    panel.ui.startCombo.currentText = "By landmarks"
    panel.ui.overlayModeCombo.currentText = "Difference"
    panel.ui.moveLrSlider.value = 5.0
    panel.ui.turnIsSlider.value = 12.0
    pose = panel.pose().matrix
    saved_and_opened(tmp_path)
    assert panel.pose().matrix == pytest.approx(pose, abs=1e-6)
    assert panel.ui.startCombo.currentText == "By landmarks" and panel.ui.overlayModeCombo.currentText == "Difference"
    table = panel.ui.landmarkTable
    assert [table.item(row, 1).text() for row in range(3)] == ["–", "✓", "–"]
    assert markedPixel(mrml_radiographs.radiographNodes()[0]) == pytest.approx([31, 42], abs=1e-3)
    assert panel.parameters.ctLandmarks.GetParentTransformNode() is panel.parameters.poseTransform


def test_a_scene_saved_while_registering_opens_at_the_start(panel: Any, tmp_path: Path) -> None:
    """As after Slicer was killed: the last that was saved says where the bone was."""
    run(panel)
    panel.ui.acceptButton.click()
    panel.movePose(RigidPose.from_rotation([0, 0, 3], [4, 0, 0]) @ panel.pose())
    start = panel.pose().matrix
    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    wait_until(lambda: not np.allclose(panel.pose().matrix, start, atol=1e-3))
    saved_and_opened(tmp_path)
    assert panel.pose().matrix == pytest.approx(start, abs=1e-6)
    assert panel.ui.statusLabel.text == "The last registration was interrupted; the bone is back where it started."
    assert "Accepted" in panel.ui.reviewLabel.text  # the result before is there, and said to be of another pose
    assert "was moved since" in panel.ui.verdictLabel.text
    saved_and_opened(tmp_path)
    assert "interrupted" not in panel.ui.statusLabel.text


def test_discarding_the_module_while_it_runs_puts_the_bone_back(panel: Any) -> None:
    start = panel.pose().matrix
    panel.parameters.starts = 50
    panel.ui.registerButton.click()
    node = panel.parameters.poseTransform
    wait_until(lambda: not np.allclose(panel.pose().matrix, start, atol=1e-3))
    panel.widget.cleanup()
    settle()
    from XRayTo3DGui.scene import mrml

    assert mrml.poseFromNode(node).matrix == pytest.approx(start, abs=1e-9)
    assert node.GetAttribute("XRayTo3D.RegistrationStart") is None


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_registers_reviews_and_saves(panel: Any, nodes: list[Any], tmp_path: Path) -> None:
    from XRayTo3DLib.errors import InputError

    logic, parameters = panel.widget.logic, panel.parameters
    volume, bones = parameters.ctVolume, parameters.segmentation
    steps: list[Any] = []
    node = logic.register(
        volume, bones, ["radius", "ulna"], nodes, start="views", onStep=steps.append, starts=6, pixel_mm=(2.8, 1.4)
    )
    assert steps[-1].fraction == 1.0 and parameters.poseTransform is node
    record = logic.registration(node)
    assert [each["bone"] for each in (record, *record["further"])] == ["radius", "ulna"]
    assert error_to_truth(panel)[1] < 3.0
    with pytest.raises(InputError, match="comment that says why"):
        logic.reviewRegistration(node, "rejected")
    logic.reviewRegistration(node, "accepted", "edges fit", "radiographer")
    settle()
    assert panel.ui.reviewLabel.text == "Accepted by radiographer: edges fit."
    names = {path.name for path in logic.saveRegistration(node, tmp_path / "case")}
    assert names == {"pose.tfm", "registration.json", "pose_ulna.tfm", "registration_ulna.json"}
    image = logic.drr(volume, nodes[0], bones, "radius")
    rows, columns = image.shape
    assert (columns, rows) == nodes[0].GetImageData().GetDimensions()[:2] and image.max() > 0.2
    with pytest.raises(InputError, match="There is no segment tibia; choose from: radius"):
        logic.register(volume, bones, ["tibia"])


def test_a_script_that_fails_puts_the_bone_back(panel: Any, nodes: list[Any]) -> None:
    from XRayTo3DLib.errors import InputError

    panel.movePose(RigidPose.from_rotation([0, 0, 0], [400.0, 0, 0]))
    logic, parameters = panel.widget.logic, panel.parameters
    with pytest.raises(InputError, match="misses the picture"):
        logic.register(parameters.ctVolume, parameters.segmentation, ["radius"])
    assert panel.pose().matrix[0, 3] == pytest.approx(400.0)


def test_scripts_place_the_bone(panel: Any, nodes: list[Any]) -> None:
    from XRayTo3DGui.scene.example import truePose
    from XRayTo3DGui.scene.mrml_radiographs import cameraFromNode

    logic, parameters = panel.widget.logic, panel.parameters
    centre = panel.centre()
    marks = {node: cameraFromNode(node).project(truePose().apply(centre)) for node in nodes}
    logic.placeByView(parameters.ctVolume, parameters.segmentation, "radius", marks)
    assert error_to_truth(panel)[1] < 0.05
    logic.centreInBeams(parameters.ctVolume, parameters.segmentation, "radius")
    assert error_to_truth(panel)[1] > 1.0
    (model,) = logic.makeBoneModels(parameters.ctVolume, parameters.segmentation, ["radius"])
    assert model.GetParentTransformNode() is parameters.poseTransform


def test_another_ct_chosen_with_its_segmentation_keeps_it(panel: Any) -> None:
    """A script chooses both at once; the panel follows a moment later and must not forget the second."""
    from module_cases import wrist

    from XRayTo3DGui.scene import mrml

    volume, bones = mrml.ctToScene(wrist()[0].ct)
    parameters = panel.parameters
    parameters.ctVolume, parameters.segmentation, parameters.segmentId = volume, bones, "ulna"
    parameters.furtherSegments = '["radius"]'
    settle()
    assert parameters.segmentation is bones and parameters.segmentId == "ulna"
    assert parameters.furtherSegments == '["radius"]'


def test_engines_are_loaded_with_the_collector_as_it_was() -> None:
    import gc
    import sys

    from XRayTo3DGui.registration.engines import loadEngines, notCollecting

    assert gc.isenabled()
    with notCollecting():
        loadEngines()
        with notCollecting():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() and "XRayTo3DLib.registration.register" in sys.modules


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    import gc

    from XRayTo3DGui.registration.engines import notCollecting

    gc.freeze()
    with notCollecting():
        pass
    assert gc.get_freeze_count() > 0


def test_a_cancelled_thread_ends_after_its_step_and_is_not_heard() -> None:
    import threading
    import time

    from XRayTo3DGui.jobs import stepsInThread

    go, made = threading.Event(), []

    def work() -> Any:
        for number in range(100):
            made.append(number)
            yield number
            go.wait(0.002)

    steps = stepsInThread(work)
    seen = [next(steps) for _ in range(3)]
    assert [each for each in seen if each is not None] == sorted(each for each in seen if each is not None)
    steps.close()
    time.sleep(0.1)
    count = len(made)
    time.sleep(0.1)
    assert len(made) == count < 100


def test_the_newest_step_is_told_and_what_fails_is_raised() -> None:
    from XRayTo3DGui.jobs import stepsInThread

    assert [each for each in stepsInThread(lambda: iter(range(1000))) if each is not None][-1] == 999

    def broken() -> Any:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(stepsInThread(broken))
