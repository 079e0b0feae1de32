"""Section 6 on a CT's bones: segments and whole reconstructions, outlines, a scene saved in the middle, batches."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from module_cases import bare_wrist, settle, wait_until
from reconstruct_cases import load_views, take_in, worker_folder

pytestmark = [pytest.mark.host, pytest.mark.gl]


@pytest.fixture
def panel(module_widget: Any) -> Any:
    module_widget.ui.evaluationSection.collapsed = False
    return module_widget.evaluation


@pytest.fixture
def scene(panel: Any, tmp_path: Path) -> Any:
    """A CT with its segmentation, radiographs, and a reconstruction: the true bones, the ulna 2 mm aside."""
    from XRayTo3DGui.reconstruct import nodes
    from XRayTo3DGui.scene import mrml

    views = load_views()
    volume, segmentation = mrml.ctToScene(bare_wrist()[0].ct)
    result = take_in(panel.widget.reconstruct, worker_folder(tmp_path / "worker", refined=False), views)
    bones = {bone.GetAttribute(nodes.BONE_NAME): bone for bone in nodes.parts(result, nodes.BONE)}
    shift = transform("aside", (2.0, 0.0, 0.0))
    bones["ulna"].SetAndObserveTransformNodeID(shift.GetID())
    return SimpleNamespace(views=views, volume=volume, segmentation=segmentation, result=result, bones=bones)


def transform(name: str, shift: tuple[float, float, float]) -> Any:
    import slicer
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    motion = vtk.vtkTransform()
    motion.Translate(*shift)
    node.SetMatrixTransformToParent(motion.GetMatrix())
    return node


def choose(panel: Any, reference: Any, result: Any) -> None:
    panel.ui.evaluationReferenceSelector.setCurrentNode(reference)
    panel.ui.evaluationResultSelector.setCurrentNode(result)
    settle()


def press(panel: Any) -> None:
    panel.ui.evaluationMeasureButton.click()
    assert panel.ui.evaluationMeasureButton.text == "Cancel"
    wait_until(lambda: not panel.run.running)
    wait_until(lambda: not panel.outlines.drawing)
    settle()


def bone_rows(panel: Any) -> dict[str, list[str]]:
    table = panel.ui.evaluationBonesTable
    texts = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    return {name: numbers for name, *numbers in texts}


# ---- a whole reconstruction against a CT --------------------------------------------------------------------------


def test_every_bone_is_paired_by_name(panel: Any, scene: Any, screenshot: Any) -> None:
    import slicer

    choose(panel, scene.segmentation, scene.result)
    combo = panel.ui.evaluationSegmentCombo
    assert [combo.itemText(index) for index in range(combo.count)] == ["All, by name", "radius", "ulna"]
    press(panel)
    rows = bone_rows(panel)
    assert list(rows) == ["radius", "ulna"]
    assert float(rows["radius"][0]) < 0.35  # a surface made of 1.2 mm voxels
    aside = panel.run.comparisons["ulna"]
    expected = np.abs(np.cos(np.linspace(0, 2 * np.pi, 1000, endpoint=False))).mean() * 2  # a long bone moved across
    assert aside.area.assd == pytest.approx(expected, rel=0.3)
    assert abs(panel.run.comparisons["radius"].value("map_signed_area_mean")) < 0.2
    from XRayTo3DGui.evaluation import nodes

    summary = nodes.find(nodes.SUMMARY, scene.result)
    assert summary.GetTable().GetNumberOfRows() == 2
    maps = panel.maps()
    assert len(maps) == 2
    assert {model.GetDisplayNode().GetScalarRange() for model in maps} == {(0.0, 5.0)}
    legends = [slicer.modules.colors.logic().GetColorLegendDisplayNode(model) for model in maps]
    assert [bool(legend.GetVisibility()) for legend in legends] == [True, False]
    assert all(model.GetDisplayNode().GetVisibility() for model in maps)
    panel.ui.evaluationBonesTable.cellClicked.emit(1, 0)
    assert panel.parameters.evaluationBone == "ulna"
    detail = panel.ui.evaluationResultTable.item(0, 1).text()
    assert detail == f"{aside.area.assd:.2f} mm"
    screenshot("evaluation_bones", panel.widget)


def test_a_reconstruction_is_offered_for_evaluation(panel: Any, tmp_path: Path) -> None:
    """With the case's CT bones; what a person chose stays."""
    from XRayTo3DGui.scene import mrml

    views, node = load_views(), panel.parameters
    node.segmentation = mrml.ctToScene(bare_wrist()[0].ct)[1]
    first = take_in(panel.widget.reconstruct, worker_folder(tmp_path / "one", refined=False), views)
    assert node.evaluationResult is first
    assert node.evaluationReference is node.segmentation
    assert panel.ui.evaluationMeasureButton.enabled
    take_in(panel.widget.reconstruct, worker_folder(tmp_path / "two", refined=False), views)
    assert node.evaluationResult is first


def test_one_segment_for_one_bone(panel: Any, scene: Any) -> None:
    choose(panel, scene.segmentation, scene.bones["ulna"])
    press(panel)  # by name
    assert panel.run.comparisons["ulna"].reference_name == "ulna"
    assert panel.ui.evaluationBonesTable.rowCount == 0
    panel.ui.evaluationSegmentCombo.currentIndex = 1
    settle()
    assert "earlier measurement" in panel.ui.evaluationStatusLabel.text
    press(panel)
    assert panel.run.comparisons["ulna"].reference_name == "radius"
    assert panel.run.comparisons["ulna"].area.assd > 10


def test_other_bones_do_not_stand_before_the_map(panel: Any, scene: Any) -> None:
    """Until another result is chosen, or a person shows them again."""
    other = scene.bones["radius"].GetDisplayNode()
    choose(panel, scene.segmentation, scene.bones["ulna"])
    assert other.GetVisibility()
    press(panel)
    assert not other.GetVisibility()
    other.SetVisibility(True)
    panel.ui.evaluationMaximumSpinBox.value = 2.0
    settle()
    assert other.GetVisibility()
    press(panel)
    other.SetVisibility(False)
    choose(panel, scene.segmentation, None)
    assert other.GetVisibility()


def test_a_bone_without_a_reference_is_told(panel: Any, scene: Any) -> None:
    scene.segmentation.GetSegmentation().RemoveSegment("ulna")
    choose(panel, scene.segmentation, scene.result)
    scene.segmentation.GetSegmentation().GetSegment("radius").SetName("Radius left")
    press(panel)
    assert "ulna: the reference has no bone of that name." in panel.ui.evaluationStatusLabel.text
    assert list(panel.run.comparisons) == ["radius"]
    scene.segmentation.GetSegmentation().GetSegment("radius").SetName("tibia")
    settle()
    panel.update()
    assert not panel.ui.evaluationMeasureButton.enabled
    assert "choose which one" in panel.ui.evaluationMeasureButton.toolTip


def test_a_label_map_and_a_moved_segmentation(panel: Any, scene: Any) -> None:
    import slicer

    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.modules.segmentations.logic().ExportAllSegmentsToLabelmapNode(scene.segmentation, labels)
    choose(panel, labels, scene.bones["radius"])
    panel.ui.evaluationSegmentCombo.currentIndex = 1
    press(panel)
    near = next(iter(panel.run.comparisons.values())).area.assd
    assert near < 0.35
    motion = transform("both", (30.0, -12.0, 5.0))
    for node in (scene.segmentation, scene.bones["radius"]):
        node.SetAndObserveTransformNodeID(motion.GetID())
    choose(panel, scene.segmentation, scene.bones["radius"])
    press(panel)
    assert panel.run.comparisons["radius"].area.assd == pytest.approx(near, abs=0.02)


def test_a_segmentation_made_of_a_model(panel: Any, scene: Any) -> None:
    """Its triangles are taken as they are, not made of voxels again."""
    import slicer

    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "from a model")
    segmentation.SetSourceRepresentationToClosedSurface()
    slicer.modules.segmentations.logic().ImportModelToSegmentationNode(scene.bones["radius"], segmentation)
    choose(panel, segmentation, scene.bones["radius"])
    press(panel)
    assert next(iter(panel.run.comparisons.values())).area.assd < 1e-3


def test_alignment_is_asked_for_and_said(panel: Any, scene: Any) -> None:
    choose(panel, scene.segmentation, scene.bones["ulna"])
    press(panel)
    before = panel.run.comparisons["ulna"].area.assd
    panel.ui.evaluationAlignCheckBox.click()
    settle()
    press(panel)
    assert panel.run.comparisons["ulna"].area.assd < 0.5 * before
    assert "after rigid alignment" in panel.ui.evaluationStatusLabel.text
    from XRayTo3DGui.evaluation import nodes

    assert "after alignment" in nodes.find(nodes.CHART, scene.bones["ulna"]).GetTitle()


def test_cancel_keeps_what_was_there(panel: Any, scene: Any) -> None:
    choose(panel, scene.segmentation, scene.result)
    panel.ui.evaluationMeasureButton.click()
    panel.ui.evaluationMeasureButton.click()
    assert not panel.run.running
    assert panel.ui.evaluationStatusLabel.text == "Cancelled."
    assert panel.ui.evaluationMeasureButton.text == "Measure"
    assert panel.ui.evaluationInputs.enabled
    press(panel)
    assert len(panel.run.comparisons) == 2


def test_a_scene_closed_while_it_measures(panel: Any, scene: Any, shown_messages: Any) -> None:
    import slicer

    choose(panel, scene.segmentation, scene.result)
    panel.ui.evaluationMeasureButton.click()
    settle(0.1)
    slicer.mrmlScene.Clear(False)
    settle(1.0)  # the thread ends unseen
    assert not panel.run.running
    assert panel.maps() == []
    assert shown_messages.shown == []
    assert panel.ui.evaluationMeasureButton.toolTip.startswith("Choose the reference")


# ---- on the radiographs --------------------------------------------------------------------------------------------


def test_outlines_of_both_on_the_radiographs(panel: Any, scene: Any) -> None:
    import slicer

    from XRayTo3DGui.evaluation.outlines import REFERENCE_COLOUR, RESULT_COLOUR
    from XRayTo3DGui.scene import mrml, mrml_radiographs

    choose(panel, scene.segmentation, scene.result)
    panel.ui.evaluationOutlinesCheckBox.click()
    press(panel)
    models = panel.outlines.models
    assert len(models) == 2 * 2 * 2  # radiographs, sides, bones
    colours = [model.GetDisplayNode().GetColor() for model in models]
    assert colours.count(REFERENCE_COLOUR) == colours.count(RESULT_COLOUR) == 4
    ulna = [model for model in models if "ulna" in model.GetName()][:2]
    camera = mrml_radiographs.cameraFromNode(scene.views[0])
    spans = []
    for model in ulna:
        points = slicer.util.arrayFromModelPoints(model)
        pixels = camera.project(mrml.lpsFromRas(points))
        spans.append(pixels.mean(axis=0))
        rays = points - mrml.rasFromLps(camera.source)
        assert np.isfinite(rays).all()
    moved = np.abs(spans[1] - spans[0]).max() * camera.spacing[0]
    assert moved == pytest.approx(2.0, abs=0.8)  # 2 mm aside, magnified a little
    assert "reference" in panel.ui.evaluationOutlinesLabel.text
    panel.ui.evaluationOutlinesCheckBox.click()
    settle()
    assert panel.outlines.models == []


# ---- saved in the middle -------------------------------------------------------------------------------------------


def test_a_scene_saved_in_the_middle_comes_back(panel: Any, scene: Any, tmp_path: Path) -> None:
    import slicer

    choose(panel, scene.segmentation, scene.result)
    panel.ui.evaluationOutlinesCheckBox.click()
    panel.ui.evaluationPreset2Button.click()
    panel.ui.evaluationIgnoreBoundaryCheckBox.click()
    panel.ui.evaluationReferenceView.setCurrentIndex(1)
    press(panel)
    panel.ui.evaluationBonesTable.cellClicked.emit(1, 0)
    rows, drawn = bone_rows(panel), len(panel.outlines.models)
    path = str(tmp_path / "middle.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(False)
    settle()
    assert panel.outlines.models == []
    assert not panel.ui.evaluationMeasureButton.enabled
    slicer.util.loadScene(path)
    settle()
    wait_until(lambda: not panel.outlines.drawing)
    node = panel.parameters
    assert node.evaluationReference.IsA("vtkMRMLSegmentationNode")
    assert node.evaluationResult.GetAttribute("XRayTo3D.Role") == "Reconstruction"
    assert (node.evaluationMaximum, node.evaluationIgnoreBoundary, node.evaluationOutlines) == (2.0, True, True)
    assert panel.ui.evaluationReferenceView.currentIndex == 1
    assert panel.shownBone() == "ulna"
    assert bone_rows(panel) == rows
    assert len(panel.maps()) == 2
    assert len(panel.references()) == 2
    assert "earlier measurement" in panel.ui.evaluationStatusLabel.text
    wait_until(lambda: len(panel.outlines.models) == drawn, 20)
    press(panel)
    assert bone_rows(panel) == rows


# ---- report ----------------------------------------------------------------------------------------------------------


def test_report_of_several_bones_is_one_page(panel: Any, scene: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import qt

    choose(panel, scene.segmentation, scene.result)
    press(panel)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path / "report")))
    panel.ui.evaluationReportButton.click()
    wait_until(lambda: not panel.run.running)
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"{panel.run.comparisons['ulna'].area.assd:.2f}" in page
    assert json.loads((tmp_path / "report" / "radius" / "metrics.json").read_text())["result"] == "result"
    assert "report.html" in panel.ui.evaluationStatusLabel.text


# ---- batch -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve cases; one of them cannot be read."""
    from XRayTo3DLib.shape.surfaces import write_surface

    surface = bare_wrist()[0].meshes["radius"]
    for number in range(12):
        for kind in ("references", "results"):
            folder = tmp_path / kind / f"case-{number:02d}"
            folder.mkdir(parents=True)
            write_surface(surface, folder / "radius.vtp")
    (tmp_path / "results" / "case-03" / "radius.vtp").write_text("broken")
    return tmp_path / "references", tmp_path / "results"


def fill_batch(panel: Any, folders: tuple[Path, Path], output: Path) -> None:
    ui = panel.ui
    assert not ui.evaluationBatchButton.enabled
    assert "references" in ui.evaluationBatchButton.toolTip
    ui.evaluationBatchReferencesPath.setCurrentPath(str(folders[0]))
    assert "results" in ui.evaluationBatchButton.toolTip
    ui.evaluationBatchResultsPath.setCurrentPath(str(folders[1]))
    assert "write to" in ui.evaluationBatchButton.toolTip
    ui.evaluationBatchOutputPath.setCurrentPath(str(output))
    assert ui.evaluationBatchButton.enabled


def pid_of(output: Path) -> int:
    return json.loads((output / "job" / "worker.json").read_text())["pid"]


def done(output: Path) -> int:
    return len(list((output / "pairs").glob("*.json")))


def test_a_batch_is_killed_goes_on_and_is_shown(panel: Any, folders: Any, tmp_path: Path) -> None:
    ui, output = panel.ui, tmp_path / "out"
    fill_batch(panel, folders, output)
    ui.evaluationBatchButton.click()
    assert ui.evaluationBatchButton.text == "Cancel"
    assert panel.parameters.evaluationBatchJob == str(output / "job")
    wait_until(lambda: done(output) >= 2)
    os.killpg(pid_of(output), signal.SIGKILL)
    wait_until(lambda: not panel.batch.running)
    assert "ended unexpectedly" in ui.evaluationBatchStatusLabel.text
    kept = done(output)
    ui.evaluationBatchButton.click()
    wait_until(lambda: not panel.batch.running)
    assert 2 <= kept < 11
    text = ui.evaluationBatchStatusLabel.text
    assert "11 of 12 pairs measured" in text
    assert "report.html" in text
    assert "case-03 radius" in text
    table = ui.evaluationBatchTable
    assert [table.item(0, column).text() for column in range(3)] == ["radius", "11", "0.00 ± 0.00"]
    assert (output / "report.html").is_file()


def test_a_batch_is_found_again_with_and_without_the_scene(panel: Any, folders: Any, tmp_path: Path) -> None:
    """Leaving the module, and a Slicer that is killed before its scene was saved: the worker goes on."""
    ui, output = panel.ui, tmp_path / "out"
    fill_batch(panel, folders, output)
    ui.evaluationBatchButton.click()
    wait_until(lambda: (output / "job" / "worker.json").is_file())
    node = panel.parameters
    panel.setParameterNode(None)
    assert not panel.batch.running
    node.evaluationBatchJob = ""  # the scene that was not saved
    panel.setParameterNode(node)
    assert panel.batch.running
    assert node.evaluationBatchJob == str(output / "job")
    ui.evaluationBatchButton.click()
    wait_until(lambda: not panel.batch.running)
    assert "Cancelled" in ui.evaluationBatchStatusLabel.text
    assert node.evaluationBatchJob == ""


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_calls(panel: Any, scene: Any, folders: Any, tmp_path: Path) -> None:
    from XRayTo3DLib.errors import InputError

    logic = panel.widget.logic
    comparison = logic.evaluate(scene.segmentation, scene.bones["radius"])
    assert comparison.area.assd < 0.35
    found = logic.evaluateCase(scene.segmentation, scene.result, align=True)
    assert list(found) == ["radius", "ulna"]
    assert found["ulna"].alignment is not None
    page = logic.exportEvaluation(comparison, tmp_path / "report", maximum=2.0)
    assert page.is_file()
    for number in range(4, 12):
        shutil.rmtree(folders[1] / f"case-{number:02d}")
    summary = logic.evaluateBatch(folders[0], folders[1], tmp_path / "batch")
    assert summary["measured"] == 3
    with pytest.raises(InputError, match="Choose the result"):
        logic.evaluate(scene.segmentation, None)
    with pytest.raises(InputError, match="several bones"):
        logic.evaluate(scene.segmentation, scene.result)
    with pytest.raises(InputError, match="no folder"):
        logic.evaluateBatch(folders[0], tmp_path / "none", tmp_path / "batch2")


def test_qt_is_not_kept_waiting(panel: Any) -> None:
    """Two surfaces of 50,000 triangles, measured while Qt goes on; bench_event_loop.py has the pauses."""
    from event_loop import EventLoop
    from test_evaluation_panel import sphere

    reference, result = (sphere(radius, name, resolution=160) for radius, name in ((20, "truth"), (21, "guess")))
    choose(panel, reference, result)
    with EventLoop() as loop:
        press(panel)
    assert panel.run.comparisons["guess"].area.assd == pytest.approx(1.0, abs=0.01)
    print(loop.report("measuring"))
    assert loop.letIn
