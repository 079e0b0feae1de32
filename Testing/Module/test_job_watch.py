"""Workers seen from Slicer: records and end are told, letting go leaves them running, cancel and kill are noticed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from module_cases import settle, wait_until

from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.state import JobStatus

pytestmark = pytest.mark.host
posix = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")


class Told:
    """Records what a watch says."""

    def __init__(self) -> None:
        from XRayTo3DGui.job_watch import JobWatch

        self.looks: list[Any] = []
        self.records: list[Any] = []
        self.ends: list[Any] = []
        self.watch = JobWatch(self.looks.append, self.records.extend, self.ends.append)

    def wait(self) -> Any:
        wait_until(lambda: bool(self.ends))
        (state,) = self.ends
        assert not self.watch.watching
        return state


@pytest.fixture
def told(slicer_module: Any) -> Told:
    return Told()


def started(folder: Path, people: int) -> JobFolder:
    """Synthetic people, written by a worker."""
    from XRayTo3DGui.job_watch import startCommand

    job = JobFolder.create(folder / "job", "synthetic people", {})
    numbers = ["--people", str(people), "--test", "0", "--spacing", "3", "--workers", "1"]
    startCommand(job, ["dataset", "synthetic", "-o", str(folder / "people"), *numbers])
    return job


def pid(job: JobFolder) -> int:
    return ProcessMark.load(job.path / "worker.json").pid


def test_records_and_the_end_are_told(told: Told, tmp_path: Path) -> None:
    told.watch.watch(started(tmp_path, 2))
    assert told.wait().status is JobStatus.FINISHED
    assert told.looks and told.looks[-1].status is JobStatus.RUNNING
    assert [each["text"] for each in told.records if each["text"]], "no progress was told"
    assert (tmp_path / "people" / "dataset.json").is_file()


def test_a_job_that_has_ended_is_told_whole(told: Told, tmp_path: Path) -> None:
    job = JobFolder.create(tmp_path / "job", "test", {})
    with job.working():
        job.progress({"text": "half", "fraction": 0.5})
    told.watch.watch(job)
    assert told.wait().status is JobStatus.FINISHED
    assert told.records == [{"text": "half", "fraction": 0.5}] and told.looks == []


def test_letting_go_leaves_the_worker_and_it_is_found_again(told: Told, tmp_path: Path) -> None:
    job = started(tmp_path, 3)
    told.watch.watch(job)
    wait_until(lambda: bool(told.records))
    told.watch.letGo()
    heard = len(told.records)
    settle(0.5)
    assert len(told.records) == heard and told.ends == []
    again = Told()
    again.watch.watch(JobFolder.open(job.path))
    assert again.wait().status is JobStatus.FINISHED
    assert again.records[:heard] == told.records


def test_cancel_ends_it(told: Told, tmp_path: Path) -> None:
    told.watch.watch(started(tmp_path, 50))
    wait_until(lambda: bool(told.records))
    told.watch.cancel()
    assert told.wait().status is JobStatus.CANCELLED


@posix
def test_one_that_does_not_heed_a_cancel_is_killed(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("XRayTo3DGui.job_watch.GRACE_S", 0.5)
    job = started(tmp_path, 50)
    told.watch.watch(job)
    wait_until(lambda: bool(told.records))
    os.kill(pid(job), signal.SIGSTOP)  # it can heed nothing
    told.watch.cancel()
    state = told.wait()
    assert state.status is JobStatus.DEAD and state.stopped


@posix
def test_a_killed_worker_is_told(told: Told, tmp_path: Path) -> None:
    job = started(tmp_path, 50)
    told.watch.watch(job)
    wait_until(lambda: bool(told.records))
    os.kill(pid(job), signal.SIGKILL)
    state = told.wait()
    assert state.status is JobStatus.DEAD and "ended without a result" in state.message and not state.stopped


def test_a_broken_folder_is_a_sentence(told: Told, tmp_path: Path) -> None:
    job = JobFolder.create(tmp_path / "job", "test", {})
    (job.path / "result.json").write_text("{", encoding="utf-8")
    told.watch.watch(job)
    state = told.wait()
    assert state.status is JobStatus.FAILED and "result.json" in state.message


def test_recent_jobs_are_those_still_there(slicer_module: Any, tmp_path: Path) -> None:
    from XRayTo3DGui.job_watch import recent, remember

    one, two = (JobFolder.create(tmp_path / name, "test", {}).path for name in ("one", "two"))
    for folder in (one, two, one, tmp_path / "gone"):
        remember("test of recent jobs", folder)
    assert recent("test of recent jobs") == [str(one), str(two)]
