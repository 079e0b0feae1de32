"""Workers in real processes: they outlive who started them, are found again, stop when asked and die visibly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from XRayTo3DLib.cli.main import build_parser
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs.run import follow, start_training, start_worker

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and sessions as POSIX has them")

WORKER = """
import sys, time
from XRayTo3DLib.errors import Cancelled
from XRayTo3DLib.jobs import JobFolder
with JobFolder.open(sys.argv[1]).working() as job:
    print("at work", flush=True)
    for step in range(int(sys.argv[2])):
        job.update({"step": step})
        if job.cancelled():
            raise Cancelled(f"stopped at step {step}.")
        time.sleep(0.01)
    job.finish({"steps": int(sys.argv[2])})
"""
LONG = "100000"
LAUNCHER = """
import sys, time
from XRayTo3DLib.jobs import JobFolder
from XRayTo3DLib.jobs.run import start_worker
start_worker(JobFolder.open(sys.argv[1]), ["-c", *sys.argv[2:]])
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobFolder]:
    job = JobFolder.create(tmp_path / "job", "training", {})
    yield job
    if job.state().status is JobStatus.RUNNING:
        os.kill(worker_pid(job), signal.SIGKILL)


def work(job: JobFolder, steps: str) -> None:
    start_worker(job, ["-c", WORKER, str(job.path), steps])


def worker_pid(job: JobFolder) -> int:
    return json.loads((job.path / "start.json").read_text(encoding="utf-8"))["pid"]


def wait_for_progress(job: JobFolder, since: int = 0) -> int:
    while not job.tail(since)[0]:
        assert not job.state().status.ended, job.log_end()
        time.sleep(0.02)
    return job.tail(since)[1]


def test_a_worker_works_and_is_followed(job: JobFolder) -> None:
    work(job, "5")
    assert job.state().status is JobStatus.RUNNING
    assert list(follow(job)) == [{"step": step} for step in range(5)]
    assert job.state().status is JobStatus.FINISHED and job.state().result == {"steps": 5}
    assert job.log_end() == "at work"


def test_a_worker_finds_the_library_that_started_it(
    job: JobFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """As in Slicer, whose Python does not know the library: -S leaves out what is installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    start_worker(job, ["-S", "-c", "import XRayTo3DLib; print(XRayTo3DLib.__file__)"])
    list(follow(job))
    assert job.log_end() == str(repository / "XRayTo3DLib" / "__init__.py")


def test_it_outlives_who_started_it_and_is_found_again(job: JobFolder) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(job.path), WORKER, str(job.path), LONG], stdout=subprocess.PIPE
    )
    assert launcher.stdout is not None and launcher.stdout.readline() == b"started\n"
    place = wait_for_progress(job)
    assert os.getsid(worker_pid(job)) == worker_pid(job) != os.getsid(0)  # Ctrl-C and a closing terminal pass it by
    launcher.kill()
    launcher.communicate()
    found = JobFolder.open(job.path)
    wait_for_progress(found, place)
    assert found.state().status is JobStatus.RUNNING
    found.cancel()
    list(follow(found))
    assert found.state().status is JobStatus.CANCELLED and found.state().message.startswith("stopped at step")


def test_a_killed_worker_is_dead_and_can_be_started_again(job: JobFolder) -> None:
    work(job, LONG)
    wait_for_progress(job)
    with pytest.raises(InputError, match="a worker runs in"):
        work(job, "1")
    os.kill(worker_pid(job), signal.SIGKILL)
    list(follow(job))
    assert job.state().status is JobStatus.DEAD and job.state().message.endswith("Its last line: at work")
    before = len(job.tail()[0])
    work(job, "2")
    list(follow(job))
    assert job.state().status is JobStatus.FINISHED
    assert job.tail()[0][before:] == [{"step": 0}, {"step": 1}]


def test_a_worker_that_never_gets_to_work_says_why(job: JobFolder) -> None:
    job.log.write_text("of an earlier run\n", encoding="utf-8")
    start_worker(job, ["-c", "import sys; sys.exit('xrayto3d: error: no such option.')"])
    assert list(follow(job)) == []
    assert job.state().status is JobStatus.DEAD
    assert job.state().message == "The worker ended without a result. Its last line: xrayto3d: error: no such option."
    assert job.log.read_text(encoding="utf-8").startswith("of an earlier run\n")


def test_a_cancelled_job_starts_anew(job: JobFolder) -> None:
    job.cancel()
    work(job, "1")
    list(follow(job))
    assert job.state().status is JobStatus.FINISHED


def test_a_training_is_the_command_line_s_own(tmp_path: Path) -> None:
    """What runs is ``python -m XRayTo3DLib.cli.main train CONFIG --job FOLDER``; here a Python that only prints it."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    config = tmp_path / "wrist.yaml"
    config.write_text("format: x\n", encoding="utf-8")
    job = start_training(config, tmp_path / "job", ["--device", "cpu"], python=python)
    list(follow(job))
    command = f"-m XRayTo3DLib.cli.main train --device cpu {config} --job {tmp_path / 'job'}"
    assert job.log_end() == command
    assert job.description()["kind"] == "training" and job.description()["configuration"] == {
        "config": "wrist.yaml",
        "options": ["--device", "cpu"],
    }


@pytest.mark.parametrize("word", [["--job=OTHER"], ["--job", "OTHER"], ["--jo=OTHER"], ["-o", "OTHER"], ["--"]])
def test_options_of_a_folder_from_elsewhere_name_no_other_folder(
    tmp_path: Path, word: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """They came last, so that a stranger's job.json could have the worker train in another folder."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "wrist.yaml").write_text("format: x\n", encoding="utf-8")
    job = start_training(tmp_path / "wrist.yaml", tmp_path / "job", word, python=python)
    list(follow(job))
    try:
        args = build_parser().parse_args(job.log_end().split()[2:])
    except SystemExit:  # refused: options that cannot be together, or that are none
        assert "usage" in capsys.readouterr().err
        return
    assert args.job == job.path and args.output is None


def test_what_cannot_be_started_is_refused(tmp_path: Path, job: JobFolder) -> None:
    with pytest.raises(InputError, match="training configuration: there is no file"):
        start_training(tmp_path / "no.yaml", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="cannot be started"):
        start_worker(job, [], python=tmp_path / "nopython")
    assert job.state().status is JobStatus.WAITING
