"""The evaluation panel, clicked through on the real scene: numbers, colors, reuse, refusals, saving."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from module_cases import wait_until

pytestmark = [pytest.mark.host, pytest.mark.gl]
MODULE = Path(__file__).resolve().parents[2] / "XRayTo3D"
ARRAY, SIGNED, WEIGHT = "SurfaceDistance_mm", "SignedSurfaceDistance_mm", "AreaWeight_mm2"


class FakeWidget:
    """What the panel needs of the module's widget."""

    reconstruct = SimpleNamespace(showLayout=lambda: None)

    def resourcePath(self, name: str) -> str:
        return str(MODULE / "Resources" / name)


@pytest.fixture
def panel(slicer_app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    import slicer

    monkeypatch.syspath_prepend(str(MODULE))
    from XRayTo3DGui.evaluation.EvaluationPanel import EvaluationPanel
    from XRayTo3DGui.parameters import XRayTo3DParameterNode

    made = EvaluationPanel(FakeWidget())
    widget = made.setup()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")
    made.setParameterNode(XRayTo3DParameterNode(node))
    yield made
    made.cleanup()
    widget.deleteLater()


def sphere(radius: float, name: str, center: tuple[float, float, float] = (0, 0, 0), resolution: int = 90) -> Any:
    import slicer
    import vtk

    source = vtk.vtkSphereSource()
    source.SetRadius(radius)
    source.SetCenter(*center)
    source.SetThetaResolution(resolution)
    source.SetPhiResolution(resolution)
    source.Update()
    model = slicer.modules.models.logic().AddModel(source.GetOutput())
    model.SetName(name)
    return model


def transform(name: str, *, turn: float = 0, shift: tuple[float, float, float] = (0, 0, 0)) -> Any:
    """A turn about z in degrees, or a shift in mm, RAS."""
    import slicer
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    motion = vtk.vtkTransform()
    motion.RotateZ(turn)
    motion.Translate(*shift)
    node.SetMatrixTransformToParent(motion.GetMatrix())
    return node


def measure(panel: Any, reference: Any, result: Any) -> None:
    panel.ui.evaluationReferenceSelector.setCurrentNode(reference)
    panel.ui.evaluationResultSelector.setCurrentNode(result)
    press(panel)


def press(panel: Any, button: str = "evaluationMeasureButton") -> None:
    """Click, and wait for the end of what it started."""
    getattr(panel.ui, button).click()
    wait_until(lambda: not panel.run.running)


def measured(panel: Any, resolution: int = 30) -> SimpleNamespace:
    """Spheres of 20 and 21 mm, measured by a click; coarse ones, but where the numbers are looked at."""
    reference, result = (sphere(radius, name, resolution=resolution) for radius, name in ((20, "truth"), (21, "guess")))
    measure(panel, reference, result)
    return SimpleNamespace(reference=reference, result=result, map=node("map", result))


def node(role: str, result: Any) -> Any:
    return sys.modules["XRayTo3DGui.evaluation.nodes"].find(role, result)


def numbers(result: Any) -> dict[str, float]:
    """The table node's values by key."""
    found = sys.modules["XRayTo3DGui.evaluation.table"].statistics(node("statistics", result))
    return {key: value for key, (value, _unit, _text) in found.items()}


def shown_rows(panel: Any) -> dict[str, str]:
    table = panel.ui.evaluationResultTable
    rows = [(table.item(row, 0), table.item(row, 1)) for row in range(table.rowCount)]
    return {left.text(): right.text() for left, right in rows if right is not None}


def node_count() -> int:
    import slicer

    return slicer.mrmlScene.GetNumberOfNodes()


def array(model: Any, name: str) -> np.ndarray:
    import slicer

    return np.array(slicer.util.arrayFromModelPointData(model, name))


def legend_of(model: Any) -> Any:
    import slicer

    return slicer.modules.colors.logic().GetColorLegendDisplayNode(model)


# ---- before measuring ------------------------------------------------------------------------------------------------


def test_the_button_says_what_is_missing(panel: Any) -> None:
    button = panel.ui.evaluationMeasureButton
    one, two = sphere(20, "one"), sphere(21, "two")
    assert not button.enabled
    assert "reference" in button.toolTip
    panel.ui.evaluationReferenceSelector.setCurrentNode(one)
    assert not button.enabled
    assert "result" in button.toolTip
    panel.ui.evaluationResultSelector.setCurrentNode(one)
    assert "are the same" in button.toolTip
    panel.ui.evaluationResultSelector.setCurrentNode(two)
    assert button.enabled
    assert not panel.ui.evaluationReportButton.enabled
    assert "Measure first" in panel.ui.evaluationReportButton.toolTip


def test_presets_set_the_range(panel: Any) -> None:
    panel.ui.evaluationPreset2Button.click()
    assert panel.ui.evaluationMaximumSpinBox.value == 2


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_two_spheres_one_millimeter_apart(panel: Any) -> None:
    scene = measured(panel, 90)
    assert shown_rows(panel)["ASSD, average distance"] == "1.00 mm"
    assert numbers(scene.result)["assd"] == pytest.approx(1.0, abs=0.005)
    assert not panel.ui.evaluationStatusLabel.text


def test_the_papers_number_is_told_apart(panel: Any) -> None:
    scene = measured(panel, 90)
    assert shown_rows(panel)["ASD, vertex to vertex"] == f"{numbers(scene.result)['vertices_asd']:.2f} mm"
    table = panel.ui.evaluationResultTable
    texts = [table.item(row, 0).text() for row in range(table.rowCount)]
    assert "not comparable" in texts[texts.index("ASD, vertex to vertex") - 1]


def test_the_map_s_mean_is_the_table_s_number(panel: Any) -> None:
    scene = measured(panel, 90)
    values, weights = numbers(scene.result), array(scene.map, WEIGHT)
    assert np.average(array(scene.map, ARRAY), weights=weights) == pytest.approx(values["map_area_mean"], abs=6e-4)
    signed = np.average(array(scene.map, SIGNED), weights=weights)
    assert signed == pytest.approx(values["map_signed_area_mean"], abs=6e-4)
    assert signed > 0.9


def test_parents_transforms_count(panel: Any) -> None:
    outer, inner = transform("outer", turn=90), transform("inner", shift=(12, 30, 100))
    inner.SetAndObserveTransformNodeID(outer.GetID())
    reference = sphere(20, "truth")
    reference.SetAndObserveTransformNodeID(inner.GetID())
    result = sphere(21, "guess", center=(-30, 12, 100))  # (12, 30, 100) turned by 90 degrees
    measure(panel, reference, result)
    assert numbers(result)["assd"] == pytest.approx(1.0, abs=0.005)


def test_the_map_lies_on_a_moved_result_that_stays_as_it_was(panel: Any) -> None:
    import slicer

    reference, result = sphere(20, "truth", center=(5, 60, 7)), sphere(21, "guess")
    result.SetAndObserveTransformNodeID(transform("moved", shift=(5, 60, 7)).GetID())
    before = slicer.util.arrayFromModelPoints(result).copy()
    measure(panel, reference, result)
    bounds, wanted = [0.0] * 6, [0.0] * 6
    node("map", result).GetRASBounds(bounds)
    result.GetRASBounds(wanted)
    assert bounds == pytest.approx(wanted, abs=1e-3)
    assert np.array_equal(slicer.util.arrayFromModelPoints(result), before)
    assert result.GetPolyData().GetPointData().GetArray(ARRAY) is None


def test_open_surfaces_are_explained_and_may_be_ignored(panel: Any) -> None:
    import vtk

    reference, result = sphere(20, "truth"), sphere(21, "guess")
    plane = vtk.vtkPlane()
    plane.SetOrigin(0, 0, 5)
    cut = vtk.vtkClipPolyData()
    cut.SetInputData(reference.GetPolyData())
    cut.SetClipFunction(plane)
    cut.InsideOutOn()
    cut.Update()
    reference.SetAndObservePolyData(cut.GetOutput())
    measure(panel, reference, result)
    assert "open edge" in panel.ui.evaluationStatusLabel.text
    counted = numbers(result)["hd"]
    panel.ui.evaluationIgnoreBoundaryCheckBox.click()
    assert "earlier measurement" in panel.ui.evaluationStatusLabel.text
    press(panel)
    assert numbers(result)["hd"] < 1.5 < counted


# ---- refusals --------------------------------------------------------------------------------------------------------


def refusal(panel: Any, reference: Any, result: Any, shown_messages: Any) -> str:
    """The status after a refused measurement; nothing pops up and nothing is left in the scene."""
    before = node_count()
    measure(panel, reference, result)
    assert shown_messages.shown == []
    assert node_count() == before
    assert not panel.ui.evaluationReportButton.enabled
    text = panel.ui.evaluationStatusLabel.text
    assert "--" not in text
    return text


def test_a_model_in_meters_is_refused_in_one_sentence(panel: Any, shown_messages: Any) -> None:
    text = refusal(panel, sphere(20, "truth"), sphere(0.021, "guess"), shown_messages)
    assert "looks like metres" in text
    assert "module Transforms" in text


def test_other_units_are_refused(panel: Any, shown_messages: Any) -> None:
    assert "10 times larger" in refusal(panel, sphere(200, "truth"), sphere(20, "guess"), shown_messages)


def test_the_other_frame_is_recognized(panel: Any, shown_messages: Any) -> None:
    text = refusal(panel, sphere(20, "t", center=(60, 80, 5)), sphere(21, "g", center=(-60, -80, 5)), shown_messages)
    assert "RAS" in text
    assert "header" not in text


def test_no_overlap_is_refused(panel: Any, shown_messages: Any) -> None:
    text = refusal(panel, sphere(20, "truth"), sphere(21, "guess", center=(0, 0, 500)), shown_messages)
    assert "do not touch" in text


@pytest.mark.parametrize("points_only", [False, True])
def test_an_empty_model_is_refused(panel: Any, shown_messages: Any, points_only: bool) -> None:
    import slicer
    import vtk

    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "nothing")
    if points_only:
        cloud = vtk.vtkPolyData()
        cloud.SetPoints(sphere(3, "cloud").GetPolyData().GetPoints())
        empty.SetAndObservePolyData(cloud)
    assert "nothing has no surface" in refusal(panel, sphere(20, "truth"), empty, shown_messages)


def test_points_that_are_no_numbers_are_refused(panel: Any, shown_messages: Any) -> None:
    import slicer

    bad = sphere(21, "bad")
    slicer.util.arrayFromModelPoints(bad)[5] = np.nan
    assert "not numbers" in refusal(panel, sphere(20, "truth"), bad, shown_messages)


# ---- what is in the scene --------------------------------------------------------------------------------------------


def test_colors_legend_and_folder(panel: Any) -> None:
    import slicer

    scene = measured(panel)
    assert scene.map.GetName() == "guess distance"
    display = scene.map.GetDisplayNode()
    assert display.GetActiveScalarName() == ARRAY
    assert display.GetScalarRange() == (0, 5)
    colors = display.GetColorNode()
    assert not colors.GetHideFromEditors()
    assert colors.GetAttribute("Category") == "XRayTo3D"
    assert list(colors.GetColorTransferFunction().GetRange()) == [0, 5]
    assert legend_of(scene.map).GetTitleText() == "Surface distance (mm)"
    assert not scene.result.GetDisplayNode().GetVisibility()
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), "XRayTo3D – Evaluation")
    for role in ("map", "statistics", "histogram", "chart"):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node(role, scene.result))) == folder
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(scene.result)) != folder


def test_range_and_sign_change_the_map_at_once(panel: Any) -> None:
    scene = measured(panel)
    panel.ui.evaluationPreset2Button.click()
    assert scene.map.GetDisplayNode().GetScalarRange() == (0, 2)
    panel.ui.evaluationSignedCheckBox.click()
    display = scene.map.GetDisplayNode()
    assert display.GetActiveScalarName() == SIGNED
    assert display.GetScalarRange() == (-2, 2)
    assert list(display.GetColorNode().GetColorTransferFunction().GetRange()) == [-2, 2]
    assert panel.ui.evaluationReportButton.enabled  # the numbers are the same


def test_other_panels_parameters_leave_the_map_alone(panel: Any) -> None:
    scene = measured(panel)
    panel.ui.evaluationPreset2Button.click()
    colors = scene.map.GetDisplayNode().GetColorNode()
    before = colors.GetMTime()
    panel.parameters.caseName = "another"
    assert colors.GetMTime() == before


def test_measuring_again_reuses_everything(panel: Any) -> None:
    scene = measured(panel)
    before = node_count()
    for _ in range(2):
        press(panel)
    panel.ui.evaluationSignedCheckBox.click()
    panel.ui.evaluationSignedCheckBox.click()
    press(panel)
    assert node_count() == before + 1  # the signed color map
    assert node("chart", scene.result).GetNumberOfPlotSeriesNodes() == 2


def test_a_second_result_has_its_own_map_and_the_only_legend(panel: Any) -> None:
    first, other = measured(panel, 90), sphere(22, "other")
    panel.ui.evaluationResultSelector.setCurrentNode(other)
    assert panel.ui.evaluationResultTable.rowCount == 0
    press(panel)
    assert numbers(other)["assd"] == pytest.approx(2.0, abs=0.01)
    assert numbers(first.result)["assd"] == pytest.approx(1.0, abs=0.005)
    assert not legend_of(first.map).GetVisibility()
    assert not first.map.GetDisplayNode().GetVisibility()
    assert legend_of(node("map", other)).GetVisibility()
    assert first.map.GetDisplayNode().GetColorNode() is node("map", other).GetDisplayNode().GetColorNode()
    panel.ui.evaluationResultSelector.setCurrentNode(first.result)
    assert first.map.GetDisplayNode().GetVisibility()
    assert not node("map", other).GetDisplayNode().GetVisibility()


def test_histogram_is_the_whole_area(panel: Any) -> None:
    import slicer

    scene = measured(panel, 90)
    table = node("histogram", scene.result)
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    distance, ahead, back = (slicer.util.arrayFromTableColumn(table, name) for name in names)
    assert distance[0] == 0
    assert ahead[1:-1:2].sum() == pytest.approx(100)
    assert back[1:-1:2].sum() == pytest.approx(100)
    assert node("chart", scene.result).GetXAxisTitle() == "Distance (mm)"


def test_synthetic_models_are_labelled(panel: Any) -> None:
    result = sphere(21, "guess")
    measure(panel, sphere(20, "truth (synthetic)"), result)
    assert panel.run.comparisons["guess"].synthetic
    assert node("map", result).GetAttribute("XRayTo3D.Synthetic") == "1"


# ---- views -----------------------------------------------------------------------------------------------------------


def test_table_and_histogram_are_shown_and_left(panel: Any) -> None:
    import slicer

    layout = slicer.app.layoutManager()
    before = layout.layout
    scene = measured(panel)
    assert layout.layout == before  # no surprise
    panel.ui.evaluationTablesButton.click()
    assert layout.layout != before
    assert layout.tableWidget(0).mrmlTableViewNode().GetTableNode() is node("statistics", scene.result)
    assert layout.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is node("chart", scene.result)
    panel.ui.evaluationTablesButton.click()
    assert layout.layout == before


def test_reference_hidden_over_and_beside(panel: Any) -> None:
    import slicer

    scene = measured(panel)
    display = scene.reference.GetDisplayNode()
    assert not display.GetVisibility()
    panel.ui.evaluationReferenceView.setCurrentIndex(1)
    assert display.GetVisibility()
    assert display.GetOpacity() == pytest.approx(0.35)
    panel.ui.evaluationReferenceView.setCurrentIndex(2)
    views = [slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLViewNode").GetID() for tag in ("1", "XRayReference")]
    assert list(display.GetViewNodeIDs()) == [views[1]]
    assert list(scene.map.GetDisplayNode().GetViewNodeIDs()) == [views[0]]
    assert display.GetOpacity() == 1
    panel.ui.evaluationReferenceView.setCurrentIndex(0)
    assert not display.GetVisibility()
    assert list(scene.map.GetDisplayNode().GetViewNodeIDs()) == []
    panel.ui.evaluationReferenceSelector.setCurrentNode(sphere(20, "another"))
    assert display.GetVisibility()  # given back as it was


# ---- nodes that go, scenes that close --------------------------------------------------------------------------------


def test_moving_a_model_makes_the_numbers_old(panel: Any) -> None:
    scene = measured(panel)
    scene.result.SetAndObserveTransformNodeID(transform("moved").GetID())
    assert "earlier measurement" in panel.ui.evaluationStatusLabel.text
    assert not panel.ui.evaluationReportButton.enabled
    press(panel)
    assert panel.ui.evaluationReportButton.enabled


@pytest.mark.parametrize("role", ["map", "statistics", "histogram", "chart", "reference", "result"])
def test_any_node_may_be_removed(panel: Any, role: str) -> None:
    import slicer

    scene = measured(panel)
    panel.ui.evaluationTablesButton.click()
    slicer.mrmlScene.RemoveNode(getattr(scene, role, None) or node(role, scene.result))
    panel.ui.evaluationPreset2Button.click()
    panel.ui.evaluationReferenceView.setCurrentIndex(1)
    if role in ("reference", "result"):
        assert not panel.ui.evaluationMeasureButton.enabled
        return
    press(panel)
    assert node(role, scene.result) is not None
    assert node("chart", scene.result).GetNumberOfPlotSeriesNodes() == 2


def test_leaving_and_closing(panel: Any) -> None:
    import slicer

    parameters = panel.parameters
    measured(panel)
    panel.setParameterNode(None)
    assert not panel.ui.evaluationMeasureButton.enabled
    panel.setParameterNode(parameters)
    assert panel.ui.evaluationMeasureButton.enabled
    panel.setParameterNode(None)
    slicer.mrmlScene.Clear(False)
    assert panel.ui.evaluationResultTable.rowCount == 0


def test_saved_scene_keeps_colors_legend_and_numbers(panel: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DGui.parameters import XRayTo3DParameterNode

    measured(panel)
    rows = shown_rows(panel)
    panel.setParameterNode(None)
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(path)
    model = slicer.util.getNode("guess distance")
    display = model.GetDisplayNode()
    assert display.GetActiveScalarName() == ARRAY
    assert display.GetScalarRange() == (0, 5)
    function = display.GetColorNode().GetColorTransferFunction()
    assert function.GetSize() == 9
    assert function.GetColor(0) == pytest.approx((0.965, 0.929, 0.851), abs=1e-3)
    assert legend_of(model).GetTitleText() == "Surface distance (mm)"
    panel.setParameterNode(XRayTo3DParameterNode(slicer.util.getNode("parameters")))
    assert shown_rows(panel) == rows
    assert not panel.ui.evaluationReportButton.enabled
    before = node_count()
    press(panel)
    assert panel.ui.evaluationReportButton.enabled
    assert node_count() == before


# ---- report ----------------------------------------------------------------------------------------------------------


def test_report_is_the_library_s(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    scene = measured(panel, 90)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path)))
    press(panel, "evaluationReportButton")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"metrics.json", "distance.vtp", "distance.png", "report.html"}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["result"] == "guess"
    assert metrics["metrics"]["assd"] == pytest.approx(numbers(scene.result)["assd"], abs=6e-4)
    assert "report.html" in panel.ui.evaluationStatusLabel.text


def test_cancelling_the_folder_dialog_does_nothing(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    measured(panel)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: ""))
    press(panel, "evaluationReportButton")
    assert not panel.ui.evaluationStatusLabel.text


def test_a_folder_that_cannot_be_written_is_told(panel: Any, tmp_path: Path, shown_messages: Any) -> None:
    measured(panel)
    (tmp_path / "file").write_text("")
    panel.run.writeReport(tmp_path / "file" / "sub")
    wait_until(lambda: not panel.run.running)
    assert panel.ui.evaluationStatusLabel.text
    assert shown_messages.shown == []


def test_without_matplotlib_the_report_says_so(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(panel)
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    panel.run.writeReport(tmp_path)
    wait_until(lambda: not panel.run.running)
    assert "matplotlib" in panel.ui.evaluationStatusLabel.text


def test_in_the_module(module_widget: Any) -> None:
    """The same panel inside the real module."""
    scene = measured(module_widget.evaluation, 90)
    assert numbers(scene.result)["assd"] == pytest.approx(1.0, abs=0.005)
    assert shown_rows(module_widget.evaluation)["ASSD, average distance"] == "1.00 mm"
