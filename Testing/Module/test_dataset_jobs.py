"""Work on a whole data set by real clicks: the worker is really started, cancelled, resumed, killed, found again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dataset_cases import button, choose, dataset, ended, read, rows
from event_loop import EventLoop
from module_cases import settle, wait_until

from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.run import kill_worker

pytestmark = pytest.mark.host
posix = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")


@pytest.fixture
def panel(module_widget: Any) -> Any:
    """The panel, its section open; no worker outlives the test, and no job of another test is remembered."""
    import slicer

    def forget() -> None:
        slicer.app.settings().setValue("XRayTo3D/RecentJobs/dataset", "")

    forget()
    module_widget.ui.datasetSection.collapsed = False
    settle()
    yield module_widget.dataset
    if module_widget.dataset.parameters is not None and module_widget.parameters.datasetJob:
        kill_worker(JobFolder(module_widget.parameters.datasetJob))
    forget()


def make_people(panel: Any, folder: Path, people: int) -> Path:
    """Fill in the form, press the button, wait until the worker works; returns the job's folder."""
    ui = panel.ui
    ui.newFolderPath.currentPath = str(folder)
    ui.newKindCombo.currentText = "SYNTHETIC people"
    ui.newPeopleSpinBox.value, ui.newTestSpinBox.value, ui.workersSpinBox.value = people, 1, 1
    settle()
    button(panel, "makeDatasetButton").click()
    job = Path(panel.parameters.datasetJob)
    wait_until(lambda: (job / "worker.json").exists())
    return job


def pid(job: Path) -> int:
    return ProcessMark.load(job / "worker.json").pid


def test_synthetic_people_are_made_cancelled_and_resumed(panel: Any, tmp_path: Path) -> None:
    folder, ui = tmp_path / "people", panel.ui
    job = make_people(panel, folder, 14)
    assert job == folder / "jobs" / "synthetic-1"
    assert not ui.jobProgressBar.isHidden() and not ui.cancelJobButton.isHidden() and ui.resumeJobButton.isHidden()
    assert "Wait for the end of the job" in ui.makeDatasetButton.toolTip
    assert ui.summaryLabel.isHidden()  # there is no data set yet, and that is no mistake
    wait_until(lambda: "Making SYNTHETIC people: " in ui.jobStatusLabel.text and ui.jobProgressBar.value > 0)
    ui.cancelJobButton.click()
    ended(panel)
    assert "stopped. What is done is kept; 'Resume' goes on." in ui.jobStatusLabel.text
    made = len(list(folder.glob("cases/*/person.json")))
    assert 0 < made < 15 and ui.cancelJobButton.isHidden()
    button(panel, "resumeJobButton").click()
    ended(panel)
    assert ui.jobStatusLabel.text.startswith("Making SYNTHETIC people: done. SYNTHETIC wrists, not real anatomy")
    assert len(rows(panel)) == 15 and "SYNTHETIC" in ui.summaryLabel.text
    assert "14 to train on, 1 to test on" in ui.summaryLabel.text and ui.resumeJobButton.isHidden()


@posix
def test_a_killed_worker_is_said_and_can_go_on(panel: Any, tmp_path: Path) -> None:
    job = make_people(panel, tmp_path / "people", 3)
    os.kill(pid(job), signal.SIGKILL)
    ended(panel, 60)
    assert "its process ended unexpectedly" in panel.ui.jobStatusLabel.text
    assert panel.ui.makeDatasetButton.enabled
    button(panel, "resumeJobButton").click()
    ended(panel)
    assert len(rows(panel)) == 4


def test_leaving_saving_and_reopening_find_the_worker_again(panel: Any, tmp_path: Path) -> None:
    import slicer

    job = make_people(panel, tmp_path / "people", 600)  # more than it could make meanwhile
    panel.widget.exit()
    assert not panel.job.running
    panel.widget.enter()
    assert panel.job.running
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    settle()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    settle()
    assert panel.job.running and panel.parameters.datasetJob == str(job)
    assert panel.ui.datasetPath.currentPath == str(tmp_path / "people")
    panel.ui.cancelJobButton.click()
    ended(panel)
    assert "stopped" in panel.ui.jobStatusLabel.text


HOST = """
import sys; sys.path[:0] = {paths}
from pathlib import Path
import slicerhost; slicerhost.boot()
from slicerhost import modules
module = modules.load_module(Path({module}))
widget = modules.make_module_widget(module); modules.enter_module(widget)
import test_dataset_jobs
print(test_dataset_jobs.make_people(widget.dataset, Path({folder}), 200), flush=True)
from module_cases import settle
settle(600)
"""


@posix
def test_a_killed_slicer_leaves_the_worker_and_the_next_one_finds_it(
    panel: Any, tmp_path: Path, repository: Path
) -> None:
    """What another Slicer, which is killed, has started."""
    paths = [str(repository / "Testing" / "Host"), str(repository / "Testing" / "Module")]
    module, folder = str(repository / "XRayTo3D" / "XRayTo3D.py"), str(tmp_path / "people")
    text = HOST.format(paths=paths, module=repr(module), folder=repr(folder))
    other = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    job = next(line.strip() for line in other.stdout if line.startswith(str(tmp_path)))
    other.kill()
    other.wait()
    choose(panel, folder)
    assert panel.job.running and panel.parameters.datasetJob == job
    wait_until(lambda: panel.ui.jobProgressBar.value > 0, 60)
    panel.ui.cancelJobButton.click()
    ended(panel)
    assert "stopped" in panel.ui.jobStatusLabel.text


def test_a_new_session_finds_what_still_runs(panel: Any, tmp_path: Path, slicer_module: Any) -> None:
    """Without a saved scene: the settings of Slicer remember it."""
    from slicerhost import modules

    job = make_people(panel, tmp_path / "people", 600)  # more than it could make meanwhile
    panel.widget.exit()
    panel.widget.logic.getParameterNode().datasetFolder = panel.widget.logic.getParameterNode().datasetJob = ""
    other = modules.make_module_widget(slicer_module)
    modules.enter_module(other)
    try:
        assert other.dataset.job.running and other.parameters.datasetFolder == str(tmp_path / "people")
        other.dataset.ui.cancelJobButton.click()
        ended(other.dataset)
    finally:
        kill_worker(JobFolder(job))
        modules.discard_module_widget(slicer_module, other)


# ---- all cases at once -----------------------------------------------------------------------------------------------


def test_landmarks_and_preparation_of_all_cases(panel: Any, tmp_path: Path) -> None:
    choose(panel, dataset(tmp_path))
    button(panel, "landmarksButton").click()
    ended(panel)
    assert panel.ui.jobStatusLabel.text == (
        "Proposing landmarks: done. 1 cases have proposed landmarks now, 0 have none."
    )
    assert rows(panel)[3][1:4] == ("R", "train", "–")
    panel.ui.workersSpinBox.value = 1
    settle()
    button(panel, "prepareButton").click()
    ended(panel)
    assert "4 cases are prepared" in panel.ui.jobStatusLabel.text
    assert len(list((tmp_path / "wrists" / "prepared").glob("*.safetensors"))) == 4
    assert [path.name for path in sorted((tmp_path / "wrists" / "jobs").iterdir())] == ["landmarks-1", "prepare-1"]


def test_a_case_that_cannot_be_used_is_named(panel: Any, tmp_path: Path) -> None:
    folder = dataset(tmp_path)
    choose(panel, folder)
    (folder / "cases" / "case-002" / "labels.seg.nrrd").write_bytes(b"no segmentation")
    button(panel, "prepareButton").click()
    ended(panel)
    assert "Preparing for training failed: case case-002" in panel.ui.jobStatusLabel.text
    assert panel.ui.jobLogText.isHidden() and not panel.ui.resumeJobButton.isHidden()  # it says no more than that


def test_all_cases_are_registered(panel: Any, tmp_path: Path) -> None:
    """One case waits; a person put its bone near, so that little is to be searched."""
    from XRayTo3DGui.scene.example import truePose
    from XRayTo3DLib.dataset.case_views import views_of

    folder = dataset(tmp_path)
    near = RigidPose.from_rotation([1.0, -1.0, 0.5], [1.0, 1.0, -1.0]) @ truePose()
    near.save(folder / "cases" / "case-001" / "initial.tfm")
    choose(panel, folder)
    panel.ui.workersSpinBox.value = 1
    settle()
    with EventLoop() as loop:
        button(panel, "registerAllButton").click()
        wait_until(lambda: "view" in panel.ui.jobStatusLabel.text or not panel.job.running)
        ended(panel)
    print(loop.report("while cases are registered"))
    assert loop.letIn
    assert "2 views registered, 6 kept, 0 not registered." in panel.ui.jobStatusLabel.text
    assert "case-001" in panel.ui.jobLogText.toPlainText()
    assert rows(panel)[0][4] == "to review"
    found = views_of(DatasetFolder.open(folder).case("case-001"))[0].pose()
    assert found.distance_to(truePose(), (0.0, 0.0, -30.0))[1] < 3.0


# ---- files -----------------------------------------------------------------------------------------------------------


def test_two_files_are_imported_as_a_case(panel: Any, tmp_path: Path) -> None:
    folder = dataset(tmp_path)
    other = dataset(tmp_path / "others")
    choose(panel, folder)
    ui = panel.ui
    ui.ctPath.currentPath = str(other / "cases" / "case-001" / "ct.nrrd")
    settle()
    assert ui.importButton.toolTip == "Choose the segmentation first"
    ui.labelsPath.currentPath = str(other / "cases" / "case-001" / "labels.seg.nrrd")
    ui.caseIdEdit.text, ui.caseSplitCombo.currentText, ui.casePersonEdit.text = "new-1", "Test", "P7"
    settle()
    button(panel, "importButton").click()
    ended(panel)
    assert "cases added: 1, kept: 0, with a problem: 0" in ui.jobStatusLabel.text
    assert rows(panel)[4] == ("new-1", "–", "test", "landmarks", "none")
    assert DatasetFolder.open(folder).case("new-1").patient == "P7" and ui.caseIdEdit.text == ""
    left = sorted(path.name for path in Path(panel.parameters.datasetJob).glob("*.csv"))
    assert left == [] and str(other) not in (Path(panel.parameters.datasetJob) / "job.json").read_text()


def test_a_table_is_imported_line_by_line(panel: Any, tmp_path: Path) -> None:
    folder, other = dataset(tmp_path), dataset(tmp_path / "others")
    choose(panel, folder)
    table = other / "cases.csv"
    table.write_text(
        "id,ct,labels,side,patient\n"
        "t-1,cases/case-001/ct.nrrd,cases/case-001/labels.seg.nrrd,right,P1\n"
        "t-2,cases/case-001/ct.nrrd,cases/nothing.nrrd,right,P2\n"
    )
    panel.ui.tablePath.currentPath = str(table)
    settle()
    button(panel, "importTableButton").click()
    ended(panel)
    assert "cases added: 1, kept: 0, with a problem: 1" in panel.ui.jobStatusLabel.text
    assert "case t-2" in panel.ui.jobLogText.toPlainText()
    assert [row[0] for row in rows(panel)][4:] == ["t-1"]
    table.write_text("name;file\n")
    button(panel, "importTableButton").click()
    assert "has no column 'id'" in panel.ui.addStatusLabel.text


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_starts_jobs_and_waits(module_widget: Any, tmp_path: Path) -> None:
    logic = module_widget.logic
    job = logic.makeSyntheticDataset(tmp_path / "people", people=2, test=1, spacing=3.0)
    assert json.loads((job.path / "result.json").read_text())["status"] == "finished"
    assert logic.datasetSummary(tmp_path / "people")["cases"] == 3
    (next((tmp_path / "people" / "cases").iterdir()) / "ct.nrrd").write_bytes(b"broken")
    with pytest.raises(InputError, match="Preparing for training failed"):
        logic.prepareDataset(tmp_path / "people", workers=1)
    read(module_widget.dataset)


def test_the_script_of_the_documentation_runs(module_widget: Any, tmp_path: Path, repository: Path) -> None:
    page = (repository / "docs" / "datasets.md").read_text(encoding="utf-8")
    (script,) = [part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "getModuleLogic" in part]
    exec(script.replace("/tmp/wrists", str(tmp_path / "wrists")), {})
    assert module_widget.parameters.ctVolume is not None
    read(module_widget.dataset)
