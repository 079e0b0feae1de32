"""What a reconstruction leaves in the scene: colors, tables, warnings, pictures, outlines; saved, exported, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import bare_wrist, settle, wait_until
from reconstruct_cases import MOVED, load_views, take_in, worker_folder

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    module_widget.ui.reconstructSection.collapsed = False
    settle()
    return module_widget.reconstruct


@pytest.fixture
def result(panel: Any, tmp_path: Path) -> Any:
    """A refined reconstruction of the bare wrist, shown."""
    return take_in(panel, worker_folder(tmp_path / "worker"), load_views())


def parts(result: Any, role: str) -> list[Any]:
    from XRayTo3DGui.reconstruct import nodes as reconstruct_nodes

    return reconstruct_nodes.parts(result, getattr(reconstruct_nodes, role))


def column(table: Any, number: int) -> list[str]:
    return [table.item(row, number).text() for row in range(table.rowCount)]


def test_bones_are_coloured_by_their_uncertainty_up_to_3_mm(panel: Any, result: Any) -> None:
    import slicer

    display = parts(result, "BONE")[0].GetDisplayNode()
    assert display.GetScalarVisibility() and display.GetActiveScalarName() == "NormalSD_mm"
    assert display.GetScalarRange() == (0.0, 4.0)
    colours = display.GetColorNode().GetColorTransferFunction()
    pink = pytest.approx((1.0, 0.25, 0.72))
    assert colours.GetColor(3.01) == pink and colours.GetColor(3.5) == pink
    assert colours.GetColor(2.99) != pytest.approx(colours.GetColor(3.01), abs=0.1)
    legends = [slicer.modules.colors.logic().GetColorLegendDisplayNode(bone) for bone in parts(result, "BONE")]
    assert legends[0].GetVisibility() and "SD (mm)" in legends[0].GetTitleText()
    assert legends[1] is None or not legends[1].GetVisibility()
    panel.ui.colourCheckBox.click()
    settle()
    assert not display.GetScalarVisibility() and not legends[0].GetVisibility()


def test_measurements_say_how_sure_they_are(panel: Any, result: Any) -> None:
    table = panel.ui.measurementTable
    assert column(table, 0) == ["Radial inclination", "Ulnar variance"]
    assert column(table, 1) == ["23.4° ± 0.8", "-0.6 mm"]
    assert column(table, 2) == ["21.9 … 25.0", "–"]
    assert table.item(0, 0).toolTip() == "Angle of the joint line in the PA view"
    (node,) = parts(result, "TABLE")
    assert node.GetTable().GetValueByName(0, "Value").ToDouble() == 23.44
    assert node.GetTable().GetNumberOfColumns() == 6


def test_warnings_and_likeness_are_shown(panel: Any, result: Any) -> None:
    assert "fit a left limb better" in panel.ui.warningsLabel.text
    assert "do not believe this result" in panel.ui.warningsLabel.text
    assert "Look at the outlines." in panel.ui.warningsLabel.text
    assert column(panel.ui.likenessTable, 0) == ["Wrist PA", "Wrist LAT"]
    assert column(panel.ui.likenessTable, 2) == ["0.94", "0.41"]
    assert panel.ui.likenessTable.item(0, 0).toolTip().endswith("moved this view by 0.8° and 1.3 mm")
    assert "Hardly alike" in panel.ui.likenessTable.item(1, 0).toolTip()


@pytest.mark.gl
def test_outlines_lie_on_the_bones_shadows_where_the_refinement_put_the_cameras(panel: Any, result: Any) -> None:
    from XRayTo3DGui.scene import layouts, mrml, mrml_radiographs

    radius = bare_wrist()[0].meshes["radius"]
    points = np.array([radius.GetPoint(index) for index in range(radius.GetNumberOfPoints())])
    for node in mrml_radiographs.radiographNodes():
        outline = panel.outlines.outlineOf(node, parts(result, "BONE")[0])
        display = outline.GetDisplayNode()
        assert display.GetVisibility()
        assert list(display.GetViewNodeIDs()) == [layouts.sliceNode(mrml_radiographs.viewLetter(node)).GetID()]
        data = outline.GetPolyData()
        drawn = mrml.lpsFromRas([data.GetPoint(index) for index in range(data.GetNumberOfPoints())])
        drawn = mrml_radiographs.pixelOf(node, drawn)
        shadow = mrml_radiographs.cameraFromNode(node).project(points)
        assert drawn.min(axis=0) == pytest.approx(shadow.min(axis=0), abs=1.0)
        assert drawn.max(axis=0) == pytest.approx(shadow.max(axis=0), abs=1.0)


@pytest.mark.gl
def test_outlines_follow_a_bone_that_is_moved(panel: Any, result: Any) -> None:
    import slicer
    import vtk

    from XRayTo3DGui.scene import mrml_radiographs

    node, bone = mrml_radiographs.radiographNodes()[0], parts(result, "BONE")[0]
    before = panel.outlines.outlineOf(node, bone).GetPolyData().GetBounds()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    bone.SetAndObserveTransformNodeID(transform.GetID())
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 10.0)
    transform.SetMatrixTransformToParent(matrix)
    settle()
    wait_until(lambda: not panel.outlines.drawing)
    after = panel.outlines.outlineOf(node, bone).GetPolyData().GetBounds()
    assert after[5] - before[5] == pytest.approx(10.0 * 1000 / 955, abs=1.0)  # magnified on the detector


@pytest.mark.gl
def test_computed_radiographs_and_differences_are_blended_in(panel: Any, result: Any) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DGui.scene.overlays import compositeOf

    node = mrml_radiographs.radiographNodes()[0]
    panel.ui.overlayCombo.currentText = "Computed radiograph"
    panel.ui.blendSlider.value = 0.8
    settle()
    shown = slicer.mrmlScene.GetNodeByID(compositeOf(node).GetForegroundVolumeID())
    assert shown.GetName() == "computed radiograph A"
    assert compositeOf(node).GetForegroundOpacity() == pytest.approx(0.8)
    assert slicer.util.arrayFromVolume(shown)[0] == pytest.approx(bare_wrist()[1][0].pixels)
    here, there = [0.0] * 6, [0.0] * 6
    shown.GetRASBounds(here)
    node.GetRASBounds(there)
    assert here == pytest.approx(there, abs=0.01)
    assert not panel.outlines.outlineOf(node, parts(result, "BONE")[0]).GetDisplayNode().GetVisibility()
    panel.ui.overlayCombo.currentText = "Difference"
    settle()
    assert slicer.mrmlScene.GetNodeByID(compositeOf(node).GetForegroundVolumeID()).GetName() == "difference A"
    panel.ui.overlayCombo.currentText = "Outlines"
    settle()
    assert compositeOf(node).GetForegroundVolumeID() is None and panel.ui.blendSlider.isHidden()


def test_without_refinement_only_what_is_there_is_offered(panel: Any, tmp_path: Path) -> None:
    take_in(panel, worker_folder(tmp_path / "worker", refined=False), load_views())
    for name in ("colourCheckBox", "measurementTable", "likenessTable", "blendSlider"):
        assert getattr(panel.ui, name).isHidden(), name
    combo = panel.ui.overlayCombo
    assert [combo.model().item(index).isEnabled() for index in range(4)] == [True, False, False, True]
    assert "only a refined reconstruction" in combo.toolTip


@pytest.mark.gl
def test_everything_comes_back_with_the_scene(panel: Any, result: Any, tmp_path: Path, screenshot: Any) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml_radiographs

    screenshot("reconstruct_result", size=(1366, 768))
    before = [panel.ui.summaryLabel.text, panel.ui.warningsLabel.text, column(panel.ui.measurementTable, 1)]
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert panel.ui.resultWidget.isHidden()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    settle()
    wait_until(lambda: not panel.outlines.drawing)
    assert [panel.ui.summaryLabel.text, panel.ui.warningsLabel.text, column(panel.ui.measurementTable, 1)] == before
    found = panel.parameters.reconstructResult
    bone = parts(found, "BONE")[0]
    display = bone.GetDisplayNode()
    assert display.GetScalarVisibility() and display.GetColorNode().GetName() == "Standard deviation (mm)"
    assert slicer.modules.colors.logic().GetColorLegendDisplayNode(bone).GetVisibility()
    assert bone.GetPolyData().GetPointData().HasArray("NormalSD_mm")
    node = mrml_radiographs.radiographNodes()[0]
    assert panel.outlines.outlineOf(node, bone).GetDisplayNode().GetVisibility()
    panel.ui.overlayCombo.currentText = "Computed radiograph"
    settle()
    assert len(parts(found, "PICTURE")) == 4 and len(parts(found, "TABLE")) == 1


def test_a_second_result_hides_the_first_and_remove_brings_it_back(panel: Any, result: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.scene import mrml_radiographs

    second = take_in(panel, worker_folder(tmp_path / "second", False), mrml_radiographs.radiographNodes())
    assert panel.ui.resultSelector.nodeCount() == 2
    assert not parts(result, "BONE")[0].GetDisplayNode().GetVisibility()
    assert parts(second, "BONE")[0].GetDisplayNode().GetVisibility()
    assert not slicer.modules.colors.logic().GetColorLegendDisplayNode(parts(result, "BONE")[0]).GetVisibility()
    bones = parts(second, "BONE")
    panel.ui.removeResultButton.click()
    settle()
    assert not any(slicer.mrmlScene.IsNodePresent(node) for node in (second, *bones))
    assert panel.parameters.reconstructResult is result
    assert parts(result, "BONE")[0].GetDisplayNode().GetVisibility()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    case = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), "XRayTo3D – case")
    assert not hierarchy.GetItemChildWithName(case, "Reconstruction wrist-pa-lat-demo (synthetic)_1")
    panel.ui.resultSelector.setCurrentNode(None)
    settle()
    assert not panel.ui.removeResultButton.enabled
    assert panel.ui.removeResultButton.toolTip == "Choose a result first"
    assert panel.ui.shownWidget.isHidden() and not parts(result, "BONE")[0].GetDisplayNode().GetVisibility()
    panel.ui.resultSelector.setCurrentNode(result)
    settle()
    panel.ui.removeResultButton.click()
    settle()
    assert panel.ui.resultWidget.isHidden()


def test_surfaces_are_exported_where_they_are(panel: Any, result: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.parameters import EXPORTS
    from XRayTo3DLib.shape.meshes import point_array, transformed
    from XRayTo3DLib.shape.surfaces import read_surface

    logic, truth = panel.widget.logic, transformed(bare_wrist()[0].meshes["radius"], MOVED.matrix)
    for kind, suffix in zip(EXPORTS[:3], (".stl", ".ply", ".vtp"), strict=True):
        written = logic.exportReconstruction(result, tmp_path / "out", kind)
        assert written[0].name == f"radius{suffix}"
        assert read_surface(written[0]).GetBounds() == pytest.approx(truth.GetBounds(), abs=0.01)
    assert point_array(read_surface(tmp_path / "out" / "radius.vtp"), "NormalSD_mm").max() == pytest.approx(
        4.3, abs=0.1
    )


def test_the_label_map_is_the_filled_bones(panel: Any, result: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import qt
    import SimpleITK as sitk

    from XRayTo3DLib.shape.meshes import enclosed_volume, transformed

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"))
    panel.ui.exportCombo.currentText = "Label map (seg.nrrd)"
    panel.ui.exportButton.click()
    assert "reconstruction.seg.nrrd, reconstruction.json" in panel.ui.reconstructStatusLabel.text
    image = sitk.ReadImage(str(tmp_path / "out" / "reconstruction.seg.nrrd"))
    assert image.GetMetaData("Segment0_Name") == "radius" and image.GetMetaData("Segment1_Name") == "ulna"
    values = sitk.GetArrayFromImage(image)
    for number, bone in enumerate(("radius", "ulna"), start=1):
        truth = enclosed_volume(bare_wrist()[0].meshes[bone])
        assert (values == number).sum() * 0.5**3 == pytest.approx(truth, rel=0.03), bone
    where = np.argwhere(values == 1).mean(axis=0)[::-1]
    middle = image.TransformContinuousIndexToPhysicalPoint(where.tolist())
    truth = transformed(bare_wrist()[0].meshes["radius"], MOVED.matrix)
    assert middle[0] == pytest.approx(np.mean(truth.GetBounds()[:2]), abs=3.0)
