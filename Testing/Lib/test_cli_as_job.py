"""Any command as a job: progress and end are in the folder, errors are sentences, a cancel interrupts it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from XRayTo3DLib.cli import console
from XRayTo3DLib.cli.as_job import run_as_job
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs.run import kill_worker, start_worker

posix = pytest.mark.skipif(os.name == "nt", reason="signals and sessions as POSIX has them")


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "job", "test", {})


def camera(job: JobFolder, sdd: str = "1000") -> list[str]:
    output = str(job.path / "camera.json")
    return ["camera", "--sdd", sdd, "--spacing", "0.4", "0.4", "--size", "33", "40", "--view", "PA", "-o", output]


def test_a_command_that_ends_well_is_a_finished_job(job: JobFolder) -> None:
    assert run_as_job(str(job.path), [*camera(job), "--source-isocentre", "955"]) == 0
    assert job.state().status is JobStatus.FINISHED and job.state().result == {"exit_code": 0}
    assert (job.path / "camera.json").is_file()


def test_what_it_refuses_is_the_job_s_message(job: JobFolder) -> None:
    assert run_as_job(str(job.path), ["reconstruct", "--model", "no-such", "--view", "x.nrrd", "-o", "out"]) == 2
    state = job.state()
    assert state.status is JobStatus.FAILED and "no-such" in state.message
    assert state.progress == {"text": "reading the model", "fraction": None}


def test_listeners_hear_every_progress_and_only_while_they_listen() -> None:
    heard: list[tuple[str, float | None]] = []

    def listener(text: str, fraction: float | None) -> None:
        heard.append((text, fraction))

    progress = console.Progress("test", quiet=True)
    console.LISTENERS.append(listener)
    try:
        progress.update("half", 0.5)
        progress.update("done")
    finally:
        console.LISTENERS.remove(listener)
    progress.update("unheard")
    assert heard == [("half", 0.5), ("done", None)]


SLOW = """
import sys, time
import XRayTo3DLib.cli.camera as camera
def slow(args):
    print("slow", flush=True)
    time.sleep(float(sys.argv[2]))
    return 0
original = camera.add_parser
def add_parser(subparsers):
    original(subparsers)
    subparsers.choices["camera"].set_defaults(run=slow)
camera.add_parser = add_parser
from XRayTo3DLib.cli.as_job import run_as_job
sys.exit(run_as_job(sys.argv[1], sys.argv[3:]))
"""


def start_slow(job: JobFolder) -> None:
    start_worker(job, ["-c", SLOW, str(job.path), "60", *camera(job)])
    while "slow" not in job.log_end():
        assert not job.state().status.ended, job.log_end()
        time.sleep(0.05)


@posix
def test_a_wish_to_cancel_interrupts_the_command(job: JobFolder) -> None:
    start_slow(job)
    job.cancel()
    while not job.state().status.ended:
        time.sleep(0.05)
    assert job.state().status is JobStatus.CANCELLED


IMPORTING = """
import sys, time
from pathlib import Path
from XRayTo3DLib.cli import as_job

def slow(arguments, job):
    sys.path.insert(0, str(job.path.parent))
    import imported_slowly
    time.sleep(30)

as_job._run = slow
sys.exit(as_job.run_as_job(sys.argv[1], []))
"""


@posix
def test_an_import_is_not_interrupted(job: JobFolder) -> None:
    """Found by a cancel in the first second: an extension module that was being imported crashed the process."""
    body = "import pathlib, time\nhere = pathlib.Path(__file__)\nhere.with_name('in').touch()\n"
    slow = body + "time.sleep(1)\nhere.with_name('out').touch()\n"
    (job.path.parent / "imported_slowly.py").write_text(slow, encoding="utf-8")
    start_worker(job, ["-c", IMPORTING, str(job.path)])
    while not (job.path.parent / "in").exists():
        assert not job.state().status.ended, job.log_end()
        time.sleep(0.02)
    job.cancel()
    while not job.state().status.ended:
        time.sleep(0.05)
    assert job.state().status is JobStatus.CANCELLED and (job.path.parent / "out").exists()


@posix
def test_a_killed_worker_is_dead_at_once(job: JobFolder) -> None:
    start_slow(job)
    kill_worker(job)
    assert job.state().status is JobStatus.DEAD
    kill_worker(job)  # nothing is left to kill


def test_a_job_that_was_never_started_has_nothing_to_kill(job: JobFolder) -> None:
    kill_worker(job)
    assert job.state().status is JobStatus.WAITING


def test_what_an_interrupt_breaks_is_a_cancel(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted while VTK is imported, VTK says ImportError."""

    def broken(_args: object) -> int:
        job.cancel()
        raise ImportError("Failed to load vtkCommonDataModel")

    monkeypatch.setattr("XRayTo3DLib.cli.camera.run", broken)
    assert run_as_job(str(job.path), camera(job)) == 130
    assert job.state().status is JobStatus.CANCELLED
