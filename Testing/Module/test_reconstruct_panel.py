"""Section 3 by real clicks: choose, mark, run a real worker, cancel, kill, come back; and what is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import bare_wrist, settle, wait_until
from reconstruct_cases import (
    HIPS,
    ONE_VIEW,
    TWO_VIEWS,
    choose_model,
    described_bundle,
    finish,
    load_views,
    mark_joint,
)

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    """The reconstruct panel, its section open, two radiographs loaded; no worker outlives the test."""
    import slicer

    from XRayTo3DGui.reconstruct import bundles as reconstruct_bundles
    from XRayTo3DGui.reconstruct import job as reconstruct_job

    load_views()
    module_widget.ui.reconstructSection.collapsed = False
    settle()
    yield module_widget.reconstruct
    slicer.app.settings().setValue(reconstruct_bundles.FOLDERS_SETTING, "")
    module_widget.reconstruct.run.cancel()
    for path in reconstruct_job.jobsFolder().glob("*"):
        reconstruct_job.discard(reconstruct_job.JobFolder(path))


@pytest.fixture
def ready(panel: Any) -> Any:
    """Two views chosen and marked."""
    choose_model(panel, TWO_VIEWS)
    mark_joint(panel, 1)
    mark_joint(panel, 2)
    return panel


def jobs_left() -> list[Path]:
    from XRayTo3DGui.reconstruct import job as reconstruct_job

    return list(reconstruct_job.jobsFolder().glob("*"))


def start(panel: Any) -> Path:
    """Press the button and wait until the worker is there; returns the job's folder."""
    panel.ui.reconstructButton.click()
    assert panel.ui.reconstructButton.text == "Cancel", panel.ui.reconstructStatusLabel.text
    folder = Path(panel.parameters.reconstructJob)
    wait_until(lambda: (folder / "worker.json").exists(), 60)
    return folder


def quicker(panel: Any) -> Any:
    """The bones are not refined: what becomes of the job is the same, and it is done in a third of the time."""
    panel.ui.refineCheckBox.checked = False
    settle()
    assert not panel.parameters.reconstructRefine
    return panel


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def worker_pid(folder: Path) -> int:
    return json.loads((folder / "worker.json").read_text())["pid"]


def assd(bone: Any) -> float:
    """Mean distance of a reconstructed bone from the true one, mm."""
    from XRayTo3DGui.scene import mrml
    from XRayTo3DLib.evaluation.comparison import compare

    truth = bare_wrist()[0].meshes[bone.GetAttribute("XRayTo3D.Bone")]
    return compare(truth, mrml.surfaceFromNode(bone), ignore_boundary=True).area.assd


# ---- what is asked ---------------------------------------------------------------------------------------------------


def test_a_fresh_panel_says_what_to_do(module_widget: Any) -> None:
    panel = module_widget.reconstruct
    assert not panel.ui.reconstructButton.enabled
    assert panel.ui.reconstructButton.toolTip == "Choose a model first"
    choose_model(panel, TWO_VIEWS)
    assert panel.ui.reconstructButton.toolTip == "Load a radiograph in section 1 first"
    assert panel.ui.resultWidget.isHidden()


def test_the_card_says_what_the_model_is(panel: Any) -> None:
    choose_model(panel, TWO_VIEWS)
    card = panel.ui.cardLabel.text
    assert "PA + LAT of the distal forearm" in card and "radius, ulna" in card
    assert "SYNTHETIC" in card and "radius 0.25 mm, ulna 0.24 mm" in card
    assert "Radiographs must show bones only" in card
    assert "Takes 5 s, 0.5 GB of memory; refined 20 s, 1.2 GB." in card
    assert "RESEARCH USE ONLY" in panel.ui.cardText.toPlainText()
    assert "0.2451" in panel.ui.cardText.toPlainText()


def test_radiographs_that_say_their_view_and_side_are_chosen(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    choose_model(panel, TWO_VIEWS)
    first, second = mrml_radiographs.radiographNodes()
    assert panel.ui.viewSelector1Label.text == "PA view:" and panel.ui.viewSelector1.currentNode() is first
    assert panel.ui.viewSelector2Label.text == "LAT view:" and panel.ui.viewSelector2.currentNode() is second
    assert panel.ui.sideCombo.currentText == "Right"
    assert panel.ui.viewRow3.isHidden() and panel.ui.detectorSpinBox.isHidden()
    choose_model(panel, ONE_VIEW)
    assert panel.ui.viewRow2.isHidden() and not panel.ui.detectorSpinBox.isHidden()


def test_only_radiographs_are_offered(panel: Any) -> None:
    import slicer

    slicer.util.addVolumeFromArray(np.zeros((4, 4, 4), np.int16), name="CT")
    choose_model(panel, ONE_VIEW)
    assert panel.ui.viewSelector1.nodeCount() == 2


def test_what_is_missing_is_in_the_tooltip_step_by_step(panel: Any) -> None:
    button = panel.ui.reconstructButton
    choose_model(panel, TWO_VIEWS)
    assert button.toolTip == "Mark the joint's middle in radiograph A and B"
    panel.ui.viewSelector2.setCurrentNode(panel.ui.viewSelector1.currentNode())
    settle()
    assert "one is chosen twice" in button.toolTip
    panel.ui.viewSelector2.setCurrentNode(None)
    settle()
    assert panel.ui.viewSelector2.currentNode() is not None  # the one lateral there is
    panel.ui.sideCombo.currentText = "Left"
    settle()
    assert "says side R" in panel.ui.doubtsLabel.text
    panel.ui.placementCombo.currentText = "A transform"
    settle()
    assert button.toolTip == "Choose the transform of the limb's frame"
    assert panel.ui.placeButton1.isHidden() and not panel.ui.framePoseSelector.isHidden()


def test_the_joint_is_marked_by_a_click(panel: Any) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml_radiographs

    choose_model(panel, ONE_VIEW)
    panel.ui.placeButton1.click()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert panel.widget.radiographs.layout.shown
    assert "in view A" in panel.ui.reconstructStatusLabel.text
    mark_joint(panel, 1)
    column, row = bare_wrist()[1][0].camera.project(np.zeros(3))
    assert panel.ui.placeButton1.text == f"✓ {column:.0f}, {row:.0f}"
    assert panel.ui.reconstructButton.enabled
    assert panel.ui.reconstructStatusLabel.isHidden(), "it is clicked: nobody is asked any more"
    marks = panel.parameters.reconstructView1.GetNodeReference(mrml_radiographs.ORIGIN)
    assert marks.GetNumberOfControlPoints() == 1


def test_a_model_that_finds_the_limb_itself_asks_less(panel: Any) -> None:
    choose_model(panel, HIPS)
    for name in ("sideCombo", "placementCombo", "placeButton1", "reconstructAdvancedSection"):
        assert getattr(panel.ui, name).isHidden(), name
    assert panel.ui.reconstructButton.toolTip == "Choose the AP radiograph"


def test_a_folder_of_models_is_added_and_remembered(panel: Any, tmp_path: Path) -> None:
    import shutil

    from XRayTo3DLib.models.find import shipped_models_folder

    panel.inputs.addFolder(tmp_path)
    assert "holds no model" in panel.ui.reconstructStatusLabel.text
    shutil.copytree(shipped_models_folder() / "wrist-pa-demo", tmp_path / "mine")
    damaged = tmp_path / "damaged"
    shutil.copytree(shipped_models_folder() / "wrist-pa-demo", damaged)
    text = (damaged / "bundle.json").read_text().replace("TL-net, wrist", "Perfect net, wrist")
    (damaged / "bundle.json").write_text(text)
    panel.inputs.addFolder(tmp_path)
    assert panel.parameters.reconstructBundle == str(damaged.resolve())
    assert "bundle.json was changed" in panel.ui.cardLabel.text
    assert panel.ui.reconstructButton.toolTip == "This model cannot be used; choose another one"
    titles = [panel.ui.bundleCombo.itemText(index) for index in range(panel.ui.bundleCombo.count)]
    assert titles[:3] == ["Choose a model", "damaged", ONE_VIEW]


def test_models_are_installed_from_a_zip_and_removed(panel: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import shutil

    import slicer

    from XRayTo3DLib.models.find import shipped_models_folder

    monkeypatch.setenv("XRAYTO3D_MODELS", str(tmp_path / "own"))
    archive = shutil.make_archive(str(tmp_path / "mine"), "zip", shipped_models_folder(), "wrist-pa-demo")
    panel.ui.manageSection.collapsed = False
    assert "With XRayTo3D: 5 models" in panel.ui.modelsLabel.text
    panel.manage.install(Path(archive))
    wait_until(lambda: not panel.manage.installing)
    assert panel.parameters.reconstructBundle == str(tmp_path / "own" / "wrist-pa-demo")
    assert "every checksum holds" in panel.ui.reconstructStatusLabel.text
    assert f"Yours, in {tmp_path / 'own'}: 1 model, 2.4 MB" in panel.ui.modelsLabel.text
    panel.manage.install(Path(archive))
    wait_until(lambda: not panel.manage.installing)
    assert "has wrist-pa-demo already" in panel.ui.reconstructStatusLabel.text
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_a, **_k: True)
    panel.ui.removeBundleButton.click()
    assert not (tmp_path / "own" / "wrist-pa-demo").exists()
    assert panel.parameters.reconstructBundle == ""
    choose_model(panel, ONE_VIEW)
    assert not panel.ui.removeBundleButton.enabled
    assert "comes with XRayTo3D" in panel.ui.removeBundleButton.toolTip
    shutil.copytree(shipped_models_folder() / "wrist-pa-demo", tmp_path / "elsewhere" / "pointed")
    panel.inputs.addFolder(tmp_path / "elsewhere")
    panel.ui.removeBundleButton.click()
    assert (tmp_path / "elsewhere" / "pointed" / "bundle.json").is_file()
    assert "no longer listed" in panel.ui.reconstructStatusLabel.text


SHAPES = {"method": "shape-intensity-fit", "title": "Shapes of wrists"}


def command(panel: Any, tmp_path: Path) -> list[str]:
    """What the worker would be told; the command line understands it."""
    from XRayTo3DGui.reconstruct.request import commandOf, requestFrom
    from XRayTo3DLib.cli.main import build_parser

    found = commandOf(requestFrom(panel.parameters, panel.inputs.entry), tmp_path / "job")
    build_parser().parse_args(found)
    return found


def test_shape_models_take_any_radiographs_calibrated_or_not(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    described_bundle(tmp_path / "models" / "shapes", **SHAPES)
    panel.inputs.addFolder(tmp_path / "models")
    settle()
    assert panel.ui.bundleCombo.currentText == "Shapes of wrists"
    assert "One to four radiographs, any views" in panel.ui.cardLabel.text
    assert [getattr(panel.ui, f"viewRow{number}").isHidden() for number in range(1, 5)] == [False] * 4
    assert panel.ui.refineCheckBox.isHidden() and panel.ui.uncalibratedCheckBox.isHidden()
    mark_joint(panel, 1)
    assert panel.ui.reconstructButton.enabled and not panel.ui.detectorSpinBox.isHidden()
    one = command(panel, tmp_path)
    assert one[:2] == ["refine", "--model"] and one.count("--view") == 1 and "--uncalibrated" not in one
    panel.ui.viewSelector3.setCurrentNode(mrml_radiographs.radiographNodes()[1])
    settle()
    assert panel.ui.reconstructButton.toolTip == "Mark the joint's middle in radiograph B"
    mark_joint(panel, 3)
    panel.ui.uncalibratedCheckBox.click()
    two = command(panel, tmp_path)
    assert two.count("--view") == 2 and "--uncalibrated" in two and panel.ui.detectorSpinBox.isHidden()
    assert len([word for word in two if word.startswith("--origin=")]) == 2


def test_refining_is_offered_where_there_are_shape_models(ready: Any, tmp_path: Path, monkeypatch: Any) -> None:
    from XRayTo3DGui.reconstruct import bundles as reconstruct_bundles

    monkeypatch.setattr("XRayTo3DLib.models.find.shipped_models_folder", lambda: tmp_path / "shipped")
    described_bundle(tmp_path / "shipped" / "wrist-pa-lat-demo")
    described_bundle(tmp_path / "shipped" / "ulnae", **SHAPES, labels=["ulna"])
    ready.inputs.readBundles()
    ready.sync()
    assert not ready.ui.refineCheckBox.enabled
    assert "No bundle of shape models of these bones" in ready.ui.refineCheckBox.toolTip
    assert "--refine" not in command(ready, tmp_path)
    described_bundle(tmp_path / "shipped" / "wrists", **SHAPES)
    ready.inputs.readBundles()
    ready.sync()
    assert ready.ui.refineCheckBox.enabled and ready.ui.refineCheckBox.checked
    assert "Shapes of wrists" in ready.ui.refineCheckBox.toolTip
    words = command(ready, tmp_path)
    assert Path(words[words.index("--refine") + 1]).name == "wrists"
    ready.ui.refineCheckBox.click()
    assert "--refine" not in command(ready, tmp_path)
    assert reconstruct_bundles.refinerOf(None) is None


def test_a_transform_says_where_the_limb_is(ready: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.reconstruct.request import prepareSteps, requestFrom
    from XRayTo3DGui.scene import mrml
    from XRayTo3DLib.geometry import RigidPose

    pose = RigidPose.from_rotation([3.0, -2.0, 5.0], [1.0, 2.0, -3.0])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "frame")
    mrml.setPose(node, pose)
    ready.ui.placementCombo.currentText = "A transform"
    ready.ui.framePoseSelector.setCurrentNode(node)
    settle()
    assert ready.ui.reconstructButton.enabled
    words = command(ready, tmp_path)
    assert "--pose" in words and not any(word.startswith("--origin") for word in words)
    (tmp_path / "job").mkdir()
    list(prepareSteps(requestFrom(ready.parameters, ready.inputs.entry), tmp_path / "job"))
    assert RigidPose.load(Path(words[words.index("--pose") + 1])).matrix == pytest.approx(pose.matrix, abs=1e-6)


# ---- running ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of PyTorch into this process fails."""

    class Refuses:
        def find_spec(self, name: str, *_: Any) -> None:
            if name.split(".")[0] == "torch":
                raise AssertionError("PyTorch is being imported into Slicer's process")

    for name in [name for name in sys.modules if name.split(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("XRayTo3DGui.reconstruct.job.workerProblem", lambda: "")  # it looks whether there is one
    monkeypatch.setattr(sys, "meta_path", [Refuses(), *sys.meta_path])


def test_two_views_make_bones_that_are_right(ready: Any, no_torch: None, screenshot: Any) -> None:
    import slicer

    from XRayTo3DGui.reconstruct import nodes as reconstruct_nodes

    folder = start(ready)
    assert not ready.ui.bundleCombo.enabled and not ready.ui.inputsWidget.enabled
    assert ready.ui.reconstructButton.toolTip == "Stop; nothing is added to the scene"
    finish(ready)
    assert ready.ui.reconstructStatusLabel.text.startswith("Reconstructed in"), ready.ui.reconstructStatusLabel.text
    assert not folder.exists() and ready.parameters.reconstructJob == ""
    result = ready.parameters.reconstructResult
    assert result.GetName() == "wrist-pa-lat-demo (synthetic)"
    bones = reconstruct_nodes.parts(result, reconstruct_nodes.BONE)
    assert [bone.GetName() for bone in bones] == [
        "radius right reconstructed (synthetic)",
        "ulna right reconstructed (synthetic)",
    ]
    assert [assd(bone) < 0.8 for bone in bones] == [True, True]  # the mean shapes miss by 1.7 and 3 mm
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    inner = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(bones[0]))
    assert hierarchy.GetItemName(inner) == "Reconstruction wrist-pa-lat-demo (synthetic)"
    assert hierarchy.GetItemName(hierarchy.GetItemParent(inner)) == "XRayTo3D – case"
    assert reconstruct_nodes.hasUncertainty(result) == ready.ui.refineCheckBox.enabled
    assert "SYNTHETIC" in ready.ui.summaryLabel.text and "radius, ulna" in ready.ui.summaryLabel.text
    screenshot("reconstruct_two_views", size=(1366, 768))


def test_cancel_ends_the_worker_and_leaves_nothing(ready: Any) -> None:
    import slicer

    nodes = slicer.mrmlScene.GetNumberOfNodes()
    folder = start(ready)
    pid = worker_pid(folder)
    ready.ui.reconstructButton.click()
    assert not ready.run.running and not alive(pid) and not folder.exists()
    assert ready.ui.reconstructStatusLabel.text == "Cancelled; nothing was added to the scene."
    assert ready.ui.reconstructButton.text == "Reconstruct" and ready.ui.reconstructButton.enabled
    assert ready.ui.inputsWidget.enabled and slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_killed_worker_is_said(ready: Any) -> None:
    folder = start(ready)
    os.kill(worker_pid(folder), signal.SIGKILL)
    wait_until(lambda: not ready.run.running, 10)
    assert "ended unexpectedly" in ready.ui.reconstructStatusLabel.text
    assert not jobs_left() and ready.parameters.reconstructJob == ""


def test_what_the_library_refuses_is_one_sentence(ready: Any, shown_messages: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    quicker(ready)
    marks = ready.parameters.reconstructView2.GetNodeReference(mrml_radiographs.ORIGIN)
    marks.SetNthControlPointPosition(0, 0.0, 0.0, 400.0)
    settle()
    start(ready)
    finish(ready)
    text = ready.ui.reconstructStatusLabel.text
    assert text.endswith(".") and "Traceback" not in text and "radiograph" in text.lower(), text
    assert ready.parameters.reconstructResult is None and shown_messages.shown == []
    assert not jobs_left()


def test_what_nobody_expected_is_in_slicer_s_log(ready: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The job's folder, radiographs in it, is removed: its log must not be lost with it."""
    from XRayTo3DGui.reconstruct import job as reconstruct_job

    ready.ui.reconstructButton.click()
    ready.run._watch._timer.stop()
    job = reconstruct_job.JobFolder(ready.parameters.reconstructJob)
    wait_until(lambda: (job.path / "start.json").exists(), 30)
    reconstruct_job.kill_worker(job)
    job.log.write_text("Traceback: the disk is on fire")
    job.fail("unexpected OSError: on fire. log.txt has the rest.")
    ready.run._watch.watch(job)
    assert ready.ui.reconstructStatusLabel.text == "Unexpected OSError: on fire. Slicer's error log has the rest."
    assert "the disk is on fire" in caplog.text and not job.path.exists()


def test_leaving_the_module_lets_it_run_and_coming_back_takes_it_in(ready: Any) -> None:
    folder = start(quicker(ready))
    widget = ready.widget
    widget.exit()
    assert not ready.run.running and folder.exists()
    wait_until(lambda: (folder / "result.json").exists(), 120)
    assert not ready.ui.bundleCombo.isHidden()
    widget.enter()
    assert ready.run.running
    finish(ready)
    assert widget.parameters.reconstructResult is not None, ready.ui.reconstructStatusLabel.text
    assert not folder.exists()


def test_a_reloaded_module_finds_the_worker_again(ready: Any, slicer_module: Any) -> None:
    from slicerhost import modules

    folder = start(ready)
    pid = worker_pid(folder)
    ready.widget.exit()
    ready.widget.cleanup()
    assert alive(pid)
    other = modules.make_module_widget(slicer_module)
    modules.enter_module(other)
    try:
        assert other.reconstruct.run.running
        assert other.reconstruct.ui.reconstructButton.text == "Cancel"
        other.reconstruct.ui.reconstructButton.click()
        assert not alive(pid) and not folder.exists()
    finally:
        modules.discard_module_widget(slicer_module, other)


def test_a_worker_without_memory_is_said(ready: Any, caplog: pytest.LogCaptureFixture) -> None:
    import slicer

    nodes = slicer.mrmlScene.GetNumberOfNodes()
    from XRayTo3DGui.reconstruct import job as reconstruct_job

    ready.ui.reconstructButton.click()
    ready.run._watch._timer.stop()
    job = reconstruct_job.JobFolder(ready.parameters.reconstructJob)
    wait_until(lambda: (job.path / "start.json").exists(), 30)
    reconstruct_job.kill_worker(job)
    job.log.write_text("RuntimeError: ...")
    job.fail("unexpected RuntimeError: DefaultCPUAllocator: can't allocate memory. log.txt has the rest.")
    ready.run._watch.watch(job)
    assert ready.ui.reconstructStatusLabel.text.startswith("There was not enough memory.")
    assert "DefaultCPUAllocator" not in ready.ui.reconstructStatusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes and ready.ui.reconstructButton.enabled


def test_a_scene_saved_while_it_ran_takes_it_in(ready: Any, tmp_path: Path) -> None:
    """Closing the scene lets the worker go on; the saved one finds it, with every input."""
    import slicer

    folder = start(quicker(ready))
    pid = worker_pid(folder)
    os.kill(pid, signal.SIGSTOP)  # it must not end before the scene is there again
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert alive(pid) and not ready.run.running
    assert ready.ui.reconstructButton.toolTip == "Choose a model first"
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    assert ready.ui.placeButton1.text.startswith("✓")
    assert ready.ui.bundleCombo.currentText == TWO_VIEWS and ready.ui.sideCombo.currentText == "Right"
    assert ready.run.running and not ready.ui.refineCheckBox.checked
    os.kill(pid, signal.SIGCONT)
    finish(ready)
    result = ready.parameters.reconstructResult
    assert result is not None, ready.ui.reconstructStatusLabel.text
    assert not jobs_left() and ready.parameters.reconstructJob == ""
    assert [node.GetName() for node in parts_of(result)] == ["Wrist PA (synthetic)", "Wrist LAT (synthetic)"]


def parts_of(result: Any) -> list[Any]:
    from XRayTo3DGui.reconstruct import nodes

    return nodes.parts(result, nodes.VIEW)


def test_a_job_that_is_gone_is_said(ready: Any, tmp_path: Path) -> None:
    import slicer

    start(ready)
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    ready.ui.reconstructButton.click()  # cancelled, its folder removed
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    assert "is gone; run it again" in ready.ui.reconstructStatusLabel.text
    assert ready.ui.reconstructButton.enabled


def test_without_pytorch(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ready.ui.reconstructButton.click()
    assert "PyTorch" in ready.ui.reconstructStatusLabel.text and not ready.run.running


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_the_script_of_the_documentation_runs(module_widget: Any, tmp_path: Path, repository: Path) -> None:
    from XRayTo3DGui.reconstruct import nodes as reconstruct_nodes
    from XRayTo3DGui.reconstruct.job import jobsFolder

    load_views(pixel=0.3)
    page = (repository / "docs" / "reconstruct.md").read_text(encoding="utf-8")
    (script,) = [part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "logic.reconstruct" in part]
    names: dict[str, Any] = {"slicer": sys.modules["slicer"]}
    exec(script.replace("/tmp/bones", str(tmp_path / "bones")), names)
    written = sorted(path.name for path in (tmp_path / "bones").iterdir())
    assert written == ["radius.stl", "reconstruction.json", "ulna.stl"]
    bones = reconstruct_nodes.parts(names["result"], reconstruct_nodes.BONE)
    assert [assd(bone) < 0.8 for bone in bones] == [True, True]
    assert not list(jobsFolder().glob("*"))


def test_a_script_is_told_what_cannot_be_used(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DLib.errors import InputError

    logic, nodes = panel.widget.logic, mrml_radiographs.radiographNodes()
    with pytest.raises(InputError, match="no model bundle nothing"):
        logic.reconstruct("nothing", nodes)
    with pytest.raises(InputError, match="--side"):
        logic.reconstruct("wrist-pa-lat-demo", nodes, origins=[(1, 1), (1, 1)])
    assert not jobs_left()
