"""Section 5 and what comes from elsewhere: models asked for something else, scenes and bundles that mean harm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from module_cases import settle
from reconstruct_cases import (
    ONE_VIEW,
    TWO_VIEWS,
    choose_model,
    described_bundle,
    load_views,
    mark_joint,
    take_in,
    worker_folder,
)

pytestmark = pytest.mark.host
PICTURE = '<img src="file:///etc/passwd"><b>bold</b>'


@pytest.fixture
def panel(module_widget: Any) -> Any:
    """The reconstruct panel, its section open, two radiographs loaded."""
    import slicer

    from XRayTo3DGui.reconstruct import bundles

    load_views()
    module_widget.ui.reconstructSection.collapsed = False
    settle()
    yield module_widget.reconstruct
    slicer.app.settings().setValue(bundles.FOLDERS_SETTING, "")


def test_what_a_model_was_not_made_for_is_said_before_it_is_pressed(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    first, second = mrml_radiographs.radiographNodes()
    choose_model(panel, ONE_VIEW)
    mark_joint(panel, 1)
    before = panel.ui.doubtsLabel.text
    assert "says" not in before and panel.ui.reconstructButton.enabled
    panel.parameters.reconstructView1 = second
    first.SetAttribute("XRayTo3D.Synthetic", "0")
    settle()
    assert "says view LAT, not PA." in panel.ui.doubtsLabel.text
    panel.parameters.reconstructView1 = first
    panel.parameters.reconstructSide = "Left"
    settle()
    said = panel.ui.doubtsLabel.text
    assert "says side R, but left was chosen." in said and "has never seen actual ones" in said
    assert panel.ui.reconstructButton.enabled, "it is said, not forbidden"


def test_radiographs_of_different_sides_are_said(panel: Any) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    mrml_radiographs.radiographNodes()[1].SetAttribute("XRayTo3D.Laterality", "L")
    choose_model(panel, TWO_VIEWS)
    assert "are of different sides (" in panel.ui.doubtsLabel.text
    assert panel.ui.reconstructHint.text == "Say which side it is, right or left."


def test_and_in_the_result(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    folder = worker_folder(tmp_path / "result", refined=False)
    record = json.loads((folder / "reconstruction.json").read_text())
    record["outside"] = [{"code": "other-side", "text": f"{PICTURE} says side L, but right was chosen."}]
    (folder / "reconstruction.json").write_text(json.dumps(record))
    take_in(panel, folder, mrml_radiographs.radiographNodes())
    shown = panel.ui.warningsLabel.text
    assert "says side L, but right was chosen." in shown and "do not believe this result" in shown
    assert "<img" not in shown and "&lt;img" in shown


def test_a_scene_names_a_folder_that_is_not_ours(panel: Any, tmp_path: Path) -> None:
    """The folder of a job is removed when its result was taken in: a scene must not choose which."""
    from XRayTo3DGui.reconstruct import job as reconstruct_job
    from XRayTo3DLib.jobs.folder import JobFolder

    job = JobFolder.create(tmp_path / "weeks-of-training", "training", {})
    with job.working():
        pass
    (job.path / "checkpoint").mkdir()
    for path in (job.path, job.path.parent):
        panel.parameters.reconstructJob = str(path)
        panel.run.attach()
        settle()
        assert not panel.run.running and panel.parameters.reconstructJob == ""
        assert "is gone" in panel.ui.reconstructStatusLabel.text
    reconstruct_job.discard(job)
    link = reconstruct_job.jobsFolder() / "reconstruction-link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(job.path)
    panel.parameters.reconstructJob = str(link)
    panel.run.attach()
    settle()
    link.unlink()
    assert (job.path / "checkpoint").is_dir() and not (job.path / "slicer.json").exists()


def test_a_scene_s_model_and_translation_are_those_that_are_listed(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.reconstruct.request import requestFrom

    choose_model(panel, ONE_VIEW)
    mark_joint(panel, 1)
    panel.parameters.reconstructTranslation = "\\\\server\\share\\translation"
    settle()
    request = requestFrom(panel.parameters, panel.inputs.entry, panel.inputs.translation)
    assert request.translation == "" and panel.ui.translationCombo.currentIndex == 0
    panel.parameters.reconstructBundle = f"/nowhere/{PICTURE}"
    settle()
    shown = panel.ui.cardLabel.text
    assert "is not on this computer" in shown and "<img" not in shown and "<b>" not in shown


def test_a_bundle_s_texts_are_no_page(panel: Any, tmp_path: Path) -> None:
    import qt

    described_bundle(tmp_path / "evil", title=PICTURE, limitations=[PICTURE], anatomy=PICTURE)
    panel.inputs.addFolder(tmp_path)
    shown = [panel.ui.cardLabel.text, panel.ui.bundleCombo.toolTip, panel.ui.reconstructButton.toolTip]
    assert all("<img" not in text for text in shown)
    panel.say(PICTURE)
    assert panel.ui.reconstructStatusLabel.textFormat == qt.Qt.PlainText
    assert panel.ui.doubtsLabel.textFormat == qt.Qt.PlainText


def test_a_bundle_whose_card_lies_is_not_offered_to_run(panel: Any, tmp_path: Path) -> None:
    described_bundle(tmp_path / "liar", labels=["femur", "tibia"])
    panel.inputs.addFolder(tmp_path)
    assert "put together wrongly" in panel.ui.cardLabel.text
    assert panel.ui.reconstructButton.toolTip == "This model cannot be used; choose another one"


def test_a_result_by_another_model_than_was_shown_is_not_taken_in(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.reconstruct.nodes import importSteps, resultNodes
    from XRayTo3DLib.errors import InputError

    folder = worker_folder(tmp_path / "result", refined=False)
    record = json.loads((folder / "reconstruction.json").read_text())
    (folder / "reconstruction.json").write_text(json.dumps({**record, "model_checksum": "b" * 64}))
    request = {"radiographs": [], "names": [], "case": "", "checksum": "a" * 64}
    with pytest.raises(InputError, match="was changed after it was chosen"):
        list(importSteps(folder, request))
    assert not resultNodes()


RECORDS = ["[]", "{", '{"bones": 3}', "[" * 5000, '{"bones":["a"],"views":[1],"method":{},"model":""}', "null"]


def test_a_scene_s_record_that_cannot_be_used_is_said(panel: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.scene import mrml_radiographs

    result = take_in(panel, worker_folder(tmp_path / "result"), mrml_radiographs.radiographNodes())
    result.SetAttribute("XRayTo3D.MotionA", "nan inf what")
    for text in RECORDS:
        result.SetText(text)
        panel._shown = None
        panel.sync()
        assert "cannot be used" in panel.ui.warningsLabel.text
    shutil.rmtree(tmp_path / "result")


def test_names_in_other_sections_are_no_page_either(panel: Any) -> None:
    from XRayTo3DGui.radiographs.findings import findingsText
    from XRayTo3DGui.radiographs.table import detailsText
    from XRayTo3DGui.registration.record import verdictText
    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DLib.imaging.radiograph_quality import Finding

    node = mrml_radiographs.radiographNodes()[0]
    node.SetName(PICTURE)
    node.SetAttribute("XRayTo3D.Notes", PICTURE)
    node.SetAttribute("XRayTo3D.IntensityHow", PICTURE)
    record = {"verdict": PICTURE, "reason": PICTURE, "bone": PICTURE, "views": ["a"], "further": []}
    record |= {"moved": {"rotation_deg": 1.0, "centre_mm": 1.0}, "uncertainty": None}
    record["further"] = [dict(record)]
    found = (Finding("warning", "x", PICTURE),)
    for text in (detailsText(node), verdictText(record, False), findingsText(found)):
        assert "&lt;img" in text and "<img" not in text
