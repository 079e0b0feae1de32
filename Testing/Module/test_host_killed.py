"""Slicer is killed while a training, a data set's job and a reconstruction run: nothing is lost, all is found again.

What each section's own tests show of one job (cancel, pause, resume, a killed worker) is not repeated here.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from module_cases import settle, small_radiograph, wait_until
from train_cases import status

from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.run import kill_worker
from XRayTo3DLib.jobs.state import JobStatus

pytestmark = [pytest.mark.host, pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")]
RECENT = "XRayTo3D/RecentJobs/"


@pytest.fixture
def widget(module_widget: Any) -> Iterator[Any]:
    """This test's own Slicer; no job is remembered afterwards."""
    import slicer

    yield module_widget
    for kind in ("training", "dataset", "reconstruction"):
        slicer.app.settings().setValue(RECENT + kind, "")


class OtherSlicer:
    """One more Slicer; see host_to_kill.py."""

    def __init__(self, what: str, folder: Path, repository: Path) -> None:
        paths = [str(repository / "Testing" / "Host"), str(repository / "Testing" / "Module"), str(repository)]
        program = [sys.executable, str(Path(__file__).with_name("host_to_kill.py")), what]
        self._errors = (folder / f"{what}.txt").open("w+")
        self._process = subprocess.Popen(
            [*program, str(repository / "XRayTo3D" / "XRayTo3D.py"), str(folder)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def told(self) -> dict[str, Any]:
        """Its line; then it is killed, as by a crash."""
        assert self._process.stdout is not None
        line = next((line for line in self._process.stdout if line.startswith("{")), "")
        self.kill()
        self._errors.seek(0)
        errors = self._errors.read()
        assert line and "Traceback" not in errors, errors[-3000:]
        return json.loads(line)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Workers:
    """The three workers' processes, by the jobs' folders."""

    def __init__(self, jobs: dict[str, str]) -> None:
        self.jobs = {name: JobFolder(folder) for name, folder in jobs.items()}

    def send(self, name: str, number: int) -> None:
        """A signal to a worker and its own processes."""
        os.killpg(ProcessMark.load(self.jobs[name].path / "worker.json").pid, number)

    def status(self, name: str) -> JobStatus:
        return self.jobs[name].state().status

    def end(self) -> None:
        for job in self.jobs.values():
            if job.path.exists():
                kill_worker(job)


@pytest.fixture
def workers(wrists: Path, tmp_path: Path, repository: Path) -> Iterator[Workers]:
    """What a Slicer that was killed has left: all three at work, frozen by it, so that they wait for the test."""
    shutil.copytree(wrists, tmp_path / "wrists")
    found = Workers(OtherSlicer("work", tmp_path, repository).told())
    assert {name: found.status(name) for name in found.jobs} == dict.fromkeys(found.jobs, JobStatus.RUNNING)
    yield found
    found.end()


def test_three_jobs_of_a_killed_slicer_are_found_and_taken_in(
    workers: Workers, widget: Any, tmp_path: Path, repository: Path
) -> None:
    import slicer

    folders = [str(job.path) for job in workers.jobs.values()]

    # A second Slicer, without the saved scene: it finds all three, after its module's Reload too. It is killed as well.
    looked = OtherSlicer("look", tmp_path, repository).told()
    for found in looked.values():
        assert found["running"] == [True] * 3 and found["jobs"] == folders, found
        assert found["said"][0].startswith("Making SYNTHETIC people: ") and " step " in found["said"][1], found
        assert found["said"][2].endswith(" s)")

    # The data set's worker dies, nobody sees it. A third Slicer opens the saved scene.
    workers.send("dataset", signal.SIGKILL)
    slicer.util.loadScene(str(tmp_path / "saved.mrb"))
    settle()
    assert [getattr(widget.parameters, f"{name}Job") for name in workers.jobs] == folders
    said = widget.dataset.ui.jobStatusLabel.text
    assert "its process ended unexpectedly" in said and "What is done is kept; 'Resume' goes on." in said
    assert not widget.dataset.job.running

    # The scene is closed while the other two run: they live, and are there again when it is opened.
    slicer.mrmlScene.Clear()
    settle()
    assert not widget.reconstruct.run.running and widget.parameters.reconstructJob == ""
    assert workers.status("train") is workers.status("reconstruct") is JobStatus.RUNNING
    slicer.util.loadScene(str(tmp_path / "saved.mrb"))
    settle()
    assert widget.train.run.running and widget.reconstruct.run.running
    widget.ui.trainSection.collapsed = False

    # Each comes to its end: taken in, paused with a checkpoint, gone on with.
    workers.send("reconstruct", signal.SIGCONT)
    wait_until(lambda: not widget.reconstruct.run.running, 120)
    assert widget.reconstruct.ui.reconstructStatusLabel.text.startswith("Reconstructed in")
    assert widget.parameters.reconstructResult is not None and not workers.jobs["reconstruct"].path.exists()
    workers.send("train", signal.SIGCONT)
    widget.train.run.open(folders[1])  # by its folder: it is at work, whoever has started it
    before = widget.train.run.state.progress["step"]
    wait_until(lambda: widget.train.run.state.progress["step"] > before)
    widget.train.ui.trainButton.click()
    wait_until(lambda: not widget.train.run.running)
    assert "a checkpoint is written, nothing is lost" in status(widget.train)
    widget.ui.datasetSection.collapsed = False
    widget.dataset.ui.resumeJobButton.click()
    wait_until(lambda: ": starting" not in (said := widget.dataset.ui.jobStatusLabel.text) and "people: " in said)
    widget.dataset.ui.cancelJobButton.click()
    wait_until(lambda: not widget.dataset.job.running)
    assert "stopped. What is done is kept" in widget.dataset.ui.jobStatusLabel.text


# ---- whose reconstruction it is --------------------------------------------------------------------------------------


@pytest.fixture
def left(widget: Any, tmp_path: Path) -> Iterator[JobFolder]:
    """A reconstruction of a picture named "view" whose worker was killed, and whose Slicer is no more."""
    from XRayTo3DGui.job_watch import remember
    from XRayTo3DGui.reconstruct import job as jobs

    job = JobFolder.create(tmp_path / jobs.JOBS / f"{jobs.KIND}-left", jobs.KIND, {})
    (job.path / "request.json").write_text(json.dumps({"radiographs": ["x"], "names": ["view"], "case": "case"}))
    gone = ProcessMark(999_999, "1", ProcessMark.of(1).host)
    for name in (jobs.SLICER_FILE, "worker.json"):
        gone.save(job.path / name)
    remember(jobs.KIND, job.path)
    yield job


def entered(widget: Any) -> Any:
    """The module left and entered again; the reconstruct section."""
    widget.exit()
    widget.enter()
    return widget.reconstruct


def test_a_reconstruction_that_nobody_waits_for_is_told(widget: Any, left: JobFolder) -> None:
    panel = entered(widget)
    assert "ended unexpectedly; was there enough memory?" in panel.ui.reconstructStatusLabel.text
    assert not left.path.exists()
    assert entered(widget).parameters.reconstructJob == ""


def test_bones_come_into_no_other_person_s_scene(widget: Any, left: JobFolder) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    radiographToScene(small_radiograph(name="another"))
    assert not entered(widget).run.running and left.path.exists()
    radiographToScene(small_radiograph(name="view"))
    assert "ended unexpectedly" in entered(widget).ui.reconstructStatusLabel.text


def test_another_slicer_s_reconstruction_is_left_to_it(widget: Any, left: JobFolder) -> None:
    from XRayTo3DGui.reconstruct.job import claim

    claim(left)  # this very process lives
    assert not entered(widget).run.running and left.path.exists()


def test_a_job_taken_in_by_another_slicer_is_told(widget: Any, left: JobFolder) -> None:
    """Two Slicers opened one saved scene: the slower one must not wait for ever."""
    left.begin()  # at work
    panel = widget.reconstruct
    widget.parameters.reconstructJob = str(left.path)
    assert entered(widget).run.running
    shutil.rmtree(left.path)
    wait_until(lambda: not panel.run.running)
    text = panel.ui.reconstructStatusLabel.text
    assert text == "Its folder reconstruction-left is gone: cancelled, taken in by another Slicer, or deleted."
    assert widget.parameters.reconstructJob == ""
