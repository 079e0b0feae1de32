"""Scenes from elsewhere: what they keep is damaged, or names folders that are not ours: a sentence says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dataset_cases import dataset, result
from module_cases import add_wrist_ct, settle, write_views
from train_cases import open_section, status

pytestmark = pytest.mark.host


def saved_and_opened(folder: Path) -> None:
    import slicer

    slicer.util.saveScene(str(folder / "case.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    slicer.util.loadScene(str(folder / "case.mrb"))
    settle(0.3)


# ---- a registration's record -----------------------------------------------------------------------------------------


def cut_off(text: str) -> str:
    return text[: len(text) // 2]


def of_another_kind(text: str) -> str:
    return json.dumps({**json.loads(text), "views": "PA"})


def of_an_unknown_review(text: str) -> str:
    return json.dumps({**json.loads(text), "review": {"status": "blessed", "note": "", "by_role": ""}})


def without_a_pose(text: str) -> str:
    return json.dumps({**json.loads(text), "pose_ct_to_world": [[1.0, 2.0], [3.0, 4.0]]})


@pytest.mark.parametrize("damage", [cut_off, of_another_kind, of_an_unknown_review, without_a_pose])
def test_a_damaged_record_is_said_and_the_bone_stays_where_it_is(
    module_widget: Any, tmp_path: Path, damage: Any
) -> None:
    """The bone can be registered anew; nothing can be judged."""
    from XRayTo3DGui.registration.review import RECORD
    from XRayTo3DGui.scene.example import truePose

    first, panel = module_widget.radiographs, module_widget.registration
    for path in write_views(tmp_path):
        first.ui.radiographPath.currentPath = str(path)
        first.ui.loadButton.click()
    add_wrist_ct(module_widget)
    module_widget.ui.registrationSection.collapsed = False
    panel.movePose(truePose())
    node = panel.poseNode()
    whole = json.dumps(result(truePose()).to_dict())
    node.SetAttribute(RECORD, whole)
    settle()
    assert panel.ui.acceptButton.enabled and not panel.ui.resultWidget.isHidden()
    node.SetAttribute(RECORD, damage(whole))
    saved_and_opened(tmp_path)
    ui = panel.ui
    assert not ui.statusLabel.isHidden() and "damaged" in ui.statusLabel.text, ui.statusLabel.text
    assert "register again" in ui.statusLabel.text
    assert ui.resultWidget.isHidden() and not ui.acceptButton.enabled
    assert panel.pose().matrix == pytest.approx(truePose().matrix, abs=1e-6)
    assert ui.registerButton.enabled, ui.registerButton.toolTip
    followed = [each.parameters for each in module_widget.panels if hasattr(each, "parameters")]
    assert len(followed) == 6 and all(each is module_widget.parameters for each in followed)


# ---- the half answered form of section 1 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"path": "/a/b.dcm", "sddSpinBox"',
        "[1, 2]",
        '{"path": 5}',
        '{"waiting": "all"}',
        '{"sddSpinBox": "far"}',
        '{"viewCombo": 123456789012}',
        '{"frameSpinBox": 1.5}',
    ],
)
def test_a_damaged_form_is_said_and_is_empty(module_widget: Any, tmp_path: Path, text: str) -> None:
    panel = module_widget.radiographs
    module_widget.parameters.radiographForm = text
    saved_and_opened(tmp_path)
    assert not panel.ui.statusLabel.isHidden() and "is damaged" in panel.ui.statusLabel.text, panel.ui.statusLabel.text
    assert panel.ui.radiographPath.currentPath == "" and panel.load.waiting == []
    path = write_views(tmp_path)[0]
    panel.ui.radiographPath.currentPath = str(path)
    panel.ui.loadButton.click()
    assert panel.ui.loadedTable.rowCount == 1


# ---- folders that are no jobs of ours --------------------------------------------------------------------------------


def test_a_folder_that_is_no_job_of_the_data_set_is_left_alone(module_widget: Any, tmp_path: Path) -> None:
    """Neither looked at as one nor tidied up: an import removes its table in the end."""
    foreign = tmp_path / "holiday" / "import-1"
    foreign.mkdir(parents=True)
    (foreign / "cases.csv").write_text("mine")
    about = {"format": "xrayto3d.job-result/1", "status": "finished", "message": "", "result": {}}
    (foreign / "result.json").write_text(json.dumps(about))
    (foreign / "job.json").write_text(
        json.dumps({"format": "xrayto3d.job/1", "version": "0", "kind": "dataset-import", "configuration": {}})
    )
    module_widget.parameters.datasetFolder = str(dataset(tmp_path))
    module_widget.parameters.datasetJob = str(foreign)
    saved_and_opened(tmp_path)
    panel = module_widget.dataset
    module_widget.ui.datasetSection.collapsed = False
    settle(0.2)
    assert "is no job of this data set" in panel.ui.datasetStatusLabel.text
    assert panel.parameters.datasetJob == "" and panel.ui.jobWidget.isHidden()
    assert (foreign / "cases.csv").read_text() == "mine"


def test_any_folder_may_be_named_as_the_data_set_s_job(module_widget: Any, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    module_widget.parameters.datasetFolder = str(dataset(tmp_path))
    module_widget.parameters.datasetJob = str(tmp_path / "pictures")
    saved_and_opened(tmp_path)
    assert "is no job of this data set" in module_widget.dataset.ui.datasetStatusLabel.text
    assert len(module_widget.dataset.rows) == 4


def test_any_folder_may_be_named_as_the_training(module_widget: Any, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    panel = open_section(module_widget)
    module_widget.parameters.trainJob = str(tmp_path / "pictures")
    saved_and_opened(tmp_path)
    open_section(module_widget)
    assert str(tmp_path / "pictures") in status(panel) and panel.run.job is None
    assert panel.ui.trainInputsWidget.isVisibleTo(panel.ui.Train)
