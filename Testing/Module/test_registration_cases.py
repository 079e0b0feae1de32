"""Section 2 on the cases of a data set: the review goes into the case's views, and the next case comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_cases import dataset
from module_cases import settle, wait_until

from XRayTo3DLib.dataset.case_views import views_of
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError

pytestmark = pytest.mark.host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return dataset(tmp_path)


@pytest.fixture
def panel(module_widget: Any, folder: Path) -> Any:
    """Case 1, which is not registered, open in section 2."""
    from XRayTo3DGui.dataset.browse import openCase

    parameters = module_widget.parameters
    parameters.datasetFolder = str(folder)
    openCase(folder, "case-001", parameters)
    parameters.starts, parameters.pixelSizes, parameters.overlayWidth = 6, "2.8, 1.4", 96
    module_widget.ui.registrationSection.collapsed = False
    settle()
    return module_widget.registration


def views(folder: Path, caseId: str) -> Any:
    return views_of(DatasetFolder.open(folder).case(caseId))


def test_review_is_saved_and_the_next_case_comes(panel: Any, folder: Path) -> None:
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    assert panel.ui.nextCaseButton.enabled and "Alt+N" in panel.ui.nextCaseButton.toolTip
    panel.ui.noteEdit.text = "edges fit"
    panel.ui.roleEdit.text = "radiographer"
    panel.ui.acceptButton.click()
    assert panel.ui.caseLabel.text == "Open: case-001. Saved in lat, pa."
    for view in views(folder, "case-001"):
        review = view.registration()["review"]
        assert (review["status"], review["note"], review["by_role"]) == ("accepted", "edges fit", "radiographer")
        assert view.pose().matrix == pytest.approx(panel.pose().matrix, abs=1e-6)

    panel.ui.nextCaseButton.click()
    wait_until(lambda: panel.parameters.caseFolder.endswith("case-002"))
    settle(0.5)
    assert panel.ui.reviewLabel.text.startswith("Not reviewed yet")
    assert "was moved since" not in panel.ui.verdictLabel.text
    assert panel.ui.noteEdit.text == ""
    panel.ui.noteEdit.text = "wrong bone"
    panel.ui.rejectButton.click()
    assert [view.status for view in views(folder, "case-002")] == ["rejected", "rejected"]

    panel.ui.nextCaseButton.click()
    wait_until(lambda: "Nothing is left to review." in panel.ui.caseLabel.text)


def test_another_decision_keeps_the_first_with_its_date(panel: Any, folder: Path) -> None:
    from XRayTo3DGui.dataset.browse import openCase

    openCase(folder, "case-002", panel.parameters)
    settle()
    panel.ui.noteEdit.text = "turned about the shaft"
    panel.ui.rejectButton.click()
    panel.ui.noteEdit.text = "no, it fits"
    panel.ui.acceptButton.click()
    panel.ui.acceptButton.click()
    record = views(folder, "case-002")[0].registration()
    assert record["review"]["status"] == "accepted" and record["review"]["note"] == "no, it fits"
    assert [(each["status"], each["note"]) for each in record["earlier_reviews"]] == [
        ("rejected", "turned about the shaft")
    ]
    assert record["earlier_reviews"][0]["date"]


def test_what_cannot_be_saved_is_said_and_stays(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from XRayTo3DGui.registration import cases

    def refuse(*_: Any) -> None:
        raise InputError("the disk is full.")

    monkeypatch.setattr(cases, "saveToView", refuse)
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    panel.ui.acceptButton.click()
    assert panel.ui.caseLabel.text == "Open: case-001. Not saved in the data set: the disk is full."
    panel.ui.nextCaseButton.click()
    settle()
    assert panel.parameters.caseFolder.endswith("case-001")
    assert panel.parameters.poseTransform.GetAttribute("XRayTo3D.Review") == "accepted"


def test_an_unticked_view_keeps_its_own_registration(panel: Any, folder: Path) -> None:
    import qt

    from XRayTo3DGui.scene import mrml_radiographs as radiographs

    names = [node.GetAttribute("XRayTo3D.CaseView") for node in radiographs.radiographNodes()]
    panel.ui.radiographList.item(1).setCheckState(qt.Qt.Unchecked)
    panel.ui.registerButton.click()
    wait_until(lambda: not panel.run.running)
    panel.ui.acceptButton.click()
    status = {view.name: view.status for view in views(folder, "case-001")}
    assert status == {names[0]: "accepted", names[1]: "unregistered"}


def test_back_to_the_case_before(panel: Any, folder: Path) -> None:
    """Judged ones too; what is not registered is passed over, and the first one has none before it."""
    from XRayTo3DGui.dataset.browse import openCase

    openCase(folder, "case-004", panel.parameters)
    settle()
    button = panel.ui.previousCaseButton
    assert button.enabled and "Alt+P" in button.toolTip
    for wanted in ("case-003", "case-002"):
        button.click()
        wait_until(lambda wanted=wanted: panel.parameters.caseFolder.endswith(wanted))
        settle(0.5)
    assert panel.ui.caseLabel.text == "Open: case-002."
    panel.ui.noteEdit.text = "turned about the shaft"
    panel.ui.rejectButton.click()
    button.click()  # case-001 is not registered
    wait_until(lambda: "No registered case comes before this one." in panel.ui.caseLabel.text)
    assert [view.status for view in views(folder, "case-002")] == ["rejected", "rejected"]
    assert panel.parameters.caseFolder.endswith("case-002")


def test_what_was_saved_stays_said_until_there_is_a_new_result(panel: Any, folder: Path) -> None:
    from XRayTo3DGui.dataset.browse import openCase

    openCase(folder, "case-002", panel.parameters)
    settle()
    panel.ui.roleEdit.text = "labeller"
    panel.ui.acceptButton.click()
    settle(0.2)
    assert panel.ui.caseLabel.text == "Open: case-002. Saved in lat, pa."
    panel.ui.refineButton.click()
    wait_until(lambda: not panel.run.running)
    settle(0.2)
    assert panel.ui.caseLabel.text == "Open: case-002."


def test_radiographs_of_every_case_have_its_name(panel: Any, folder: Path) -> None:
    """Slicer counts a name that was there before: the twentieth case would have a "Wrist LAT_19"."""
    from XRayTo3DGui.dataset.browse import openCase
    from XRayTo3DGui.scene import mrml_radiographs as radiographs

    for case in ("case-002", "case-003", "case-002"):
        openCase(folder, case, panel.parameters)
    names = [node.GetName() for node in radiographs.radiographNodes()]
    assert names == ["case-002 lat (synthetic)", "case-002 pa (synthetic)"]


def test_without_a_case_there_is_no_next_one(module_widget: Any) -> None:
    ui = module_widget.registration.ui
    assert not ui.nextCaseButton.enabled and not ui.previousCaseButton.enabled and not ui.caseWidget.visible
