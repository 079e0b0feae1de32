"""The whole work of all sections in one scene: saved in the middle, closed, reopened here and in another Slicer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dataset_cases import choose as choose_dataset
from dataset_cases import dataset
from module_cases import add_wrist_ct, settle, wait_until, write_views
from reconstruct_cases import TWO_VIEWS, choose_model, mark_joint, take_in, worker_folder
from scene_snapshot import fields, look_through, parameters
from train_cases import made_by_hand

pytestmark = [pytest.mark.host, pytest.mark.gl]
OTHER_SLICER = Path(__file__).with_name("scene_snapshot.py")


# ---- every single parameter ------------------------------------------------------------------------------------------


def other_value(name: str, rules: list[Any], now: Any) -> Any:
    """A value that is not the default one, as the rules allow."""
    from slicer.parameterNodeWrapper import Choice, WithinRange

    for rule in rules:
        if isinstance(rule, Choice):
            return next(each for each in rule.choices if each != now)
        if isinstance(rule, WithinRange):
            step = 1 if isinstance(now, int) else 0.5
            return now + step if now + step <= rule.maximum else now - step
    if isinstance(now, bool):
        return not now
    if isinstance(now, int | float):
        return now + 3
    return f'{name}: ä; 50 % <b>"quoted"</b>'


def make_node(name: str, kind: Any) -> Any:
    """A saved node of a kind that the parameter takes."""
    import slicer

    classes = {
        "vtkMRMLDisplayableNode": "vtkMRMLSegmentationNode",
        "vtkMRMLTransformNode": "vtkMRMLLinearTransformNode",
        "vtkMRMLVolumeNode": "vtkMRMLScalarVolumeNode",
        "vtkMRMLNode": "vtkMRMLModelNode",
    }
    return slicer.mrmlScene.AddNewNodeByClass(classes.get(kind.__name__, kind.__name__), f"of {name}")


def test_every_parameter_is_saved(slicer_module: Any, tmp_path: Path) -> None:
    """All of them, whatever panel they are of: none is forgotten, none is two's, none is cut or changed by the file."""
    import slicer

    from XRayTo3DGui.parameters import XRayTo3DParameterNode

    def node() -> Any:
        return XRayTo3DParameterNode(slicer.util.getNode("choices"))

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "choices")
    before = parameters(node())
    for name, about in XRayTo3DParameterNode.allParameters.items():
        default = getattr(node(), name)
        value = make_node(name, about.type) if about.is_node else other_value(name, about.annotations, default)
        setattr(node(), name, value)
    chosen = parameters(node())
    assert len(chosen) > 100
    assert [name for name in fields() if chosen[name] == before[name]] == [], "not changed"
    assert slicer.util.saveScene(str(tmp_path / "choices.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "choices.mrb"))
    assert parameters(node()) == chosen


# ---- the whole work --------------------------------------------------------------------------------------------------


def radiographs(widget: Any, folder: Path) -> list[Any]:
    """Section 1: two files; one's geometry edited, one cropped, a crop box drawn and not yet used."""
    from XRayTo3DGui.scene import mrml_radiographs

    panel = widget.radiographs
    for number, path in enumerate(write_views(folder), start=1):
        panel.ui.radiographPath.currentPath = str(path)
        panel.ui.loadButton.click()
        wait_until(lambda count=number: len(mrml_radiographs.radiographNodes()) == count)
        wait_until(lambda: not panel.selected.findings.running)
    panel.ui.radiographPath.currentPath = ""  # of a file that was loaded a scene keeps no path
    settle()
    first, second = mrml_radiographs.radiographNodes()
    columns, rows = mrml_radiographs.cameraFromNode(first).size
    widget.logic.editGeometry(first, principal_offset=(0.5, -0.5), laterality="R")
    widget.logic.cropRadiograph(second, columns=(3, columns - 2), rows=(2, rows))
    panel.ui.drawBoxButton.click()
    settle()
    assert widget.parameters.cropBox is not None
    return [first, second]


def registration(widget: Any) -> None:
    """Section 2: landmarks half placed, the bone moved by hand, registered, accepted with a comment."""
    widget.ui.registrationSection.collapsed = False
    ui, node = widget.registration.ui, widget.parameters
    node.starts, node.pixelSizes, node.overlayWidth, node.seed = 4, "2.8, 1.4", 96, 5
    ui.landmarkNamesEdit.text = "tip, corner, notch"
    ui.landmarkListsButton.click()
    node.ctLandmarks.SetNthControlPointPosition(1, 4.0, 5.0, 6.0)
    ui.moveLrSlider.value = 3.0
    ui.turnIsSlider.value = 4.0
    ui.boneModelButton.click()
    ui.registerButton.click()
    wait_until(lambda: not widget.registration.run.running)
    ui.noteEdit.text, ui.roleEdit.text = "edges fit; look at the styloid", "radiographer"
    ui.acceptButton.click()
    ui.overlayModeCombo.currentText = "Difference"
    assert "Accepted" in ui.reviewLabel.text, ui.statusLabel.text


def reconstruction(widget: Any, folder: Path, nodes: list[Any]) -> None:
    """Section 5: model, side and one of two joints chosen, a result taken in and shown with its computed pictures."""
    widget.ui.reconstructSection.collapsed = False
    choose_model(widget.reconstruct, TWO_VIEWS)
    widget.parameters.reconstructSide = "Right"
    mark_joint(widget.reconstruct, 1)
    take_in(widget.reconstruct, worker_folder(folder / "worker"), nodes)
    widget.parameters.reconstructOverlay, widget.parameters.reconstructBlend = "Computed radiograph", 0.75


def evaluation(widget: Any) -> None:
    """Section 6: the reconstructed bones against the CT's, colored with sign up to 2 mm."""
    widget.ui.evaluationSection.collapsed = False
    panel = widget.evaluation
    settle()
    panel.ui.evaluationPreset2Button.click()
    widget.parameters.evaluationSigned = True
    panel.ui.evaluationMeasureButton.click()
    wait_until(lambda: not panel.run.running)
    settle()


@pytest.fixture
def work(module_widget: Any, tmp_path: Path) -> Any:
    """All sections worked in; returns the module's widget."""
    import slicer

    widget = module_widget
    widget.ui.caseNameEdit.text = "round trip"
    nodes = radiographs(widget, tmp_path)
    add_wrist_ct(widget)
    registration(widget)
    widget.ui.datasetSection.collapsed = False
    choose_dataset(widget.dataset, dataset(tmp_path))
    widget.ui.trainSection.collapsed = False
    settle()
    widget.train.run.open(str(made_by_hand(tmp_path / "training", "cancelled")))
    wait_until(lambda: not widget.train.run._reading.running)
    reconstruction(widget, tmp_path, nodes)
    evaluation(widget)
    yield widget
    for kind in ("training", "dataset"):
        slicer.app.settings().setValue(f"XRayTo3D/RecentJobs/{kind}", "")


def test_the_whole_work_comes_back_here_and_in_another_slicer(work: Any, tmp_path: Path, repository: Path) -> None:
    import slicer

    before = look_through(work)
    ranges = [each["display"].get("range") for each in before["nodes"].values() if "display" in each]
    assert ranges.count([-2.0, 2.0]) == 2, "two bones colored by distance"
    assert sum("edges fit; look at the styloid" in str(each) for each in before["nodes"].values()) == 1
    assert before["parameters"]["trainJob"] and before["parameters"]["datasetFolder"]
    assert slicer.util.saveScene(str(tmp_path / "work.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    assert work.parameters.ctVolume is None and work.parameters.caseName == "case"
    slicer.util.loadScene(str(tmp_path / "work.mrb"))
    compare(before, look_through(work))
    compare(before, other_slicer(repository, tmp_path / "work.mrb"))


def other_slicer(repository: Path, scene: Path) -> dict[str, Any]:
    """The same looked at in a process of its own."""
    paths = [str(repository / "Testing" / "Host"), str(repository / "Testing" / "Module"), str(repository)]
    done = subprocess.run(
        [sys.executable, str(OTHER_SLICER), str(repository / "XRayTo3D" / "XRayTo3D.py"), str(scene)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Part by part, so that a failure names what is not the same."""
    different = list(differences(json.loads(json.dumps(before)), json.loads(json.dumps(after))))
    assert different == [], "\n".join(different)


def differences(one: Any, two: Any, where: str = "") -> Any:
    """Sentences, one for each value that differs."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in [*one, *(key for key in two if key not in one)]:
            yield from differences(one.get(key, "missing"), two.get(key, "missing"), f"{where} / {key}")
    elif one != two:
        yield f"{where}: {str(one)[:300]} -> {str(two)[:300]}"
