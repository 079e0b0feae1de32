"""A job folder: what the worker writes, what a watcher reads, at any moment and after any death."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.files.locks import Holder, Lock
from XRayTo3DLib.jobs import JobFolder, JobState, JobStatus
from XRayTo3DLib.jobs.heartbeat import STALE_S, Heartbeat
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.progress_lines import end_last_line
from XRayTo3DLib.jobs.run import start_worker
from XRayTo3DLib.training.progress import TrainingCancelled, TrainingState

SETTINGS = {"lr": 1e-4, "dataset": Path("/home/jane doe/wrists"), "views": ("PA",)}


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "job", "training", SETTINGS)


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def worker_is(job: JobFolder, mark: ProcessMark, silent_s: float = 0.0) -> None:
    path = job.path / "worker.json"
    mark.save(path)
    then = time.time() - silent_s
    os.utime(path, (then, then))


def no_process() -> ProcessMark:
    """Of a process that has ended and was waited for."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = ProcessMark.of(process.pid)
    process.communicate()
    return mark


# ---- the life of a job ---------------------------------------------------------------------------------------------


def test_a_job_from_start_to_end(job: JobFolder) -> None:
    watcher = JobFolder.open(job.path)
    assert watcher.state() == JobState(JobStatus.WAITING)
    with job.working() as worker:
        assert watcher.state().status is JobStatus.RUNNING and watcher.tail() == ([], 0)
        state = TrainingState("autoencoder", 1, 3, 10, 400, {"loss": 0.25}, {"radius_mm": float("nan")}, 1.5, None)
        worker.update(state)
        worker.progress({"loss": np.float32(0.5)})
        records, place = watcher.tail()
        assert records[0] == {
            **{"stage": "autoencoder", "stage_number": 1, "stages": 3, "step": 10, "steps": 400, "seconds": 1.5},
            **{"losses": {"loss": 0.25}, "metrics": {"radius_mm": None}, "eta_s": None},
        }
        assert records[1:] == [{"loss": 0.5}] and watcher.tail(place) == ([], place)
        assert watcher.state().progress == {"loss": 0.5}
        worker.finish({"bundle": "bundle", "steps": 400})
    state = watcher.state()
    assert state.status is JobStatus.FINISHED and state.status.ended and state.message == ""
    assert state.result == {"bundle": "bundle", "steps": 400}


def test_a_block_that_just_ends_is_finished(job: JobFolder) -> None:
    with job.working():
        pass
    assert job.state().status is JobStatus.FINISHED


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("ct.nrrd is empty."), JobStatus.FAILED, "ct.nrrd is empty."),
        (Cancelled("stopped at step 3."), JobStatus.CANCELLED, "stopped at step 3."),
        (TrainingCancelled("stopped at step 3."), JobStatus.CANCELLED, "stopped at step 3."),
        (KeyboardInterrupt(), JobStatus.CANCELLED, "It was interrupted."),
        (
            ZeroDivisionError("by zero"),
            JobStatus.FAILED,
            "unexpected ZeroDivisionError: by zero. log.txt has the rest.",
        ),
    ],
)
def test_however_the_work_ends_the_folder_tells_it(
    job: JobFolder, error: BaseException, status: JobStatus, message: str
) -> None:
    with pytest.raises(type(error)), job.working():
        raise error
    assert (job.state().status, job.state().message) == (status, message)


def test_cancel_is_seen_by_the_worker_and_by_other_watchers(job: JobFolder) -> None:
    with pytest.raises(Cancelled), job.working() as worker:
        assert not worker.cancelled()
        JobFolder.open(job.path).cancel()
        assert worker.cancelled() and job.state().cancelling
        raise Cancelled("stopped.")
    assert job.state().status is JobStatus.CANCELLED


def test_cancelling_before_the_worker_is_up_holds(job: JobFolder) -> None:
    job.cancel()
    assert job.state().cancelling
    job.begin()
    assert job.cancelled()
    job.finish({})


def test_an_ended_job_cannot_be_cancelled(job: JobFolder) -> None:
    with job.working():
        pass
    job.cancel()
    assert not job.cancelled() and job.state().status is JobStatus.FINISHED


def test_a_second_run_forgets_how_the_first_ended_but_not_its_progress(job: JobFolder) -> None:
    with pytest.raises(Cancelled), job.working():
        job.progress({"step": 1})
        job.cancel()
        raise Cancelled("stopped.")
    again = JobFolder.create(job.path, "training", {"lr": 2e-4})
    with again.working():
        assert not again.cancelled() and job.state().status is JobStatus.RUNNING
        again.progress({"step": 2})
    assert job.tail()[0] == [{"step": 1}, {"step": 2}]
    assert job.description()["configuration"] == {"lr": 2e-4}


def test_a_full_disk_does_not_hide_why_the_work_ended(job: JobFolder, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("XRayTo3DLib.jobs.folder.write_json", full)
    with pytest.raises(InputError, match="the cause"), job.working():
        raise InputError("the cause")
    assert "result.json cannot be written" in capsys.readouterr().err
    with pytest.raises(OSError, match="No space left"):
        job.finish({})


# ---- is the worker alive? ------------------------------------------------------------------------------------------


def test_a_live_worker_runs_however_silent(job: JobFolder, sleeper: subprocess.Popen[bytes]) -> None:
    """A laptop that slept, a long validation: what lives is not declared dead."""
    worker_is(job, ProcessMark.of(sleeper.pid), silent_s=10 * STALE_S)
    state = job.state()
    assert state.status is JobStatus.RUNNING and state.silent_s >= 10 * STALE_S - 1


def test_a_killed_worker_is_dead_at_once(job: JobFolder, sleeper: subprocess.Popen[bytes]) -> None:
    worker_is(job, ProcessMark.of(sleeper.pid))
    job.log.write_text("loading\nKilled by the kernel\n", encoding="utf-8")
    sleeper.kill()
    sleeper.wait()
    state = job.state()
    assert state.status is JobStatus.DEAD and state.status.ended
    assert state.message == "The worker ended without a result. Its last line: Killed by the kernel"


def test_a_worker_nobody_waited_for_is_dead_too(job: JobFolder, sleeper: subprocess.Popen[bytes]) -> None:
    """A zombie still has its number and answers signals."""
    worker_is(job, ProcessMark.of(sleeper.pid))
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    os.kill(sleeper.pid, 0)
    assert job.state().status is JobStatus.DEAD


def test_a_later_process_with_the_same_number_is_not_the_worker(job: JobFolder) -> None:
    mark = ProcessMark.of(os.getpid())
    worker_is(job, mark)
    assert job.state().status is JobStatus.RUNNING
    worker_is(job, replace(mark, started=str(int(mark.started) - 1)))
    assert job.state().status is JobStatus.DEAD


@pytest.mark.parametrize("change", [{"host": "another machine"}, {"started": ""}])
@pytest.mark.parametrize(("silent_s", "status"), [(1.0, JobStatus.RUNNING), (STALE_S + 5, JobStatus.DEAD)])
def test_where_the_process_cannot_be_asked_the_heartbeat_tells(
    job: JobFolder, change: dict[str, str], silent_s: float, status: JobStatus
) -> None:
    """On another machine, and where the system does not say when a process started."""
    worker_is(job, replace(ProcessMark.of(os.getpid()), **change), silent_s)
    assert job.state().status is status


def test_without_start_times_a_process_that_is_gone_is_gone() -> None:
    mark = no_process()
    assert mark.alive() is False and replace(mark, started="").alive() is False
    assert replace(mark, host="another machine").alive() is None


def test_on_windows_no_signal_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signal 0 is Ctrl-C there."""
    mark = replace(ProcessMark.of(os.getpid()), started="")
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, signal: sent.append(pid))
    assert mark.alive() is None and sent == [os.getpid()]
    monkeypatch.setattr("XRayTo3DLib.processes.WINDOWS", True)
    assert mark.alive() is None and sent == [os.getpid()]


def test_the_heart_beats(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.touch()
    os.utime(path, (1, 1))
    heart = Heartbeat(path, every_s=0.01)
    while path.stat().st_mtime == 1:
        time.sleep(0.01)
    path.unlink()  # a network drive that is gone for a moment
    time.sleep(0.05)
    path.touch()
    os.utime(path, (1, 1))
    while path.stat().st_mtime == 1:
        time.sleep(0.01)
    heart.stop()
    os.utime(path, (1, 1))
    time.sleep(0.05)
    assert path.stat().st_mtime == 1


def test_two_workers_cannot_share_a_folder(job: JobFolder, sleeper: subprocess.Popen[bytes]) -> None:
    worker_is(job, ProcessMark.of(sleeper.pid))
    for attempt in (job.begin, lambda: JobFolder.create(job.path, "training", {})):
        with pytest.raises(InputError, match="another process works on"):
            attempt()
    assert job.description()["configuration"] != {}
    sleeper.kill()
    sleeper.wait()
    with job.working():
        assert job.state().status is JobStatus.RUNNING


# ---- progress that is read while it is written ---------------------------------------------------------------------

RECORDS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3), max_size=6)


@given(records=RECORDS, cuts=st.lists(st.floats(0, 1), max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_watcher_reads_every_record_once_whatever_it_finds_half_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], cuts: list[float]
) -> None:
    whole = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    job = JobFolder(tmp_path_factory.mktemp("job"))
    found, place = [], 0
    for share in [*sorted(cuts), 1.0]:
        (job.path / "progress.jsonl").write_bytes(whole[: round(share * len(whole))])
        new, place = job.tail(place)
        found += new
    assert found == records and place == len(whole)


@given(records=RECORDS.filter(bool), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_line_cut_by_a_kill_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], share: float
) -> None:
    whole = "".join(json.dumps(record) + "\n" for record in records).encode()
    cut = whole[: round(share * len(whole))]
    job = JobFolder(tmp_path_factory.mktemp("job"))
    (job.path / "progress.jsonl").write_bytes(cut)
    end_last_line(job.path / "progress.jsonl")
    job.progress({"resumed": 1})
    lines = cut.count(b"\n")
    found = job.tail()[0]
    assert found[:lines] == records[:lines] and found[-1] == {"resumed": 1}
    assert len(found) in (lines + 1, lines + 2)  # a line that lacked only its end is whole


def test_a_worker_that_goes_on_ends_the_line_its_predecessor_left(job: JobFolder) -> None:
    (job.path / "progress.jsonl").write_bytes(b'{"step": 1}\n{"st')
    with job.working():
        job.progress({"step": 2})
    assert job.tail()[0] == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("rubbish", [b"\0\0\0\n", b"\xff\xfe\n", b"5\n", b"[1]\n", b"\n", b'{"a": 1\n'])
def test_a_broken_line_is_passed_over(job: JobFolder, rubbish: bytes) -> None:
    (job.path / "progress.jsonl").write_bytes(b'{"a": 1}\n' + rubbish + b'{"a": 2}\n' + rubbish)
    assert job.tail()[0] == [{"a": 1}, {"a": 2}] and job.state().progress == {"a": 2}


def test_a_file_that_became_shorter_is_read_anew(job: JobFolder) -> None:
    job.progress({"a": 1})
    assert job.tail(10_000) == ([{"a": 1}], 9) and job.tail(-5) == ([{"a": 1}], 9)


def test_the_newest_record_of_a_long_file(job: JobFolder) -> None:
    line = json.dumps({"text": "x" * 300}) + "\n"
    (job.path / "progress.jsonl").write_text(line * 1000 + '{"step": 7}\n{"half', encoding="utf-8")
    assert job.state().progress == {"step": 7}


def test_the_end_of_the_log(job: JobFolder) -> None:
    assert job.log_end() == ""
    job.log.write_bytes(b"x\n" * 20_000 + "ä\nlast\n".encode())
    assert job.log_end(2) == "ä\nlast" and job.log_end(5).count("x") == 3


# ---- what is and what is not in it ---------------------------------------------------------------------------------


def test_no_personal_path_and_no_machine_s_name(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jane doe")
    with pytest.raises(InputError), job.working():
        job.progress({"bundle": Path("/home/jane doe/wrists/out")})
        raise InputError("there is no file /home/jane doe/ct.nrrd.")
    texts = "".join(path.read_text(encoding="utf-8") for path in job.path.iterdir())
    assert "jane" not in texts and os.uname().nodename not in texts
    assert job.description()["configuration"] == {"lr": 1e-4, "dataset": "wrists", "views": ["PA"]}
    assert job.state().message == "there is no file ~/ct.nrrd."


def test_folders_of_something_else_are_left_alone(tmp_path: Path, job: JobFolder) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.tex").touch()
    (tmp_path / "file").touch()
    for path, words in ((tmp_path / "thesis", "not empty and no job"), (tmp_path / "file", "is a file")):
        with pytest.raises(InputError, match=words):
            JobFolder.create(path, "training", {})
    with pytest.raises(InputError, match=r"another kind \(training\)"):
        JobFolder.create(job.path, "dataset", {})
    with pytest.raises(InputError, match="there is no file"):
        JobFolder.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("job.json", "{}", "has format None"),
        ("job.json", '{"format": "xrayto3d.job/1"}', "lacks kind or configuration"),
        ("job.json", '{"format": "xrayto3d.job/2"}', "expected"),
        ("worker.json", '{"format": "xrayto3d.worker/1", "pid": "x"}', "is broken; delete it"),
        ("worker.json", "x", "not a JSON file"),
        ("result.json", "x", "not a JSON file"),
        ("result.json", '{"format": "xrayto3d.job-result/1", "status": "happy"}', "is broken"),
    ],
)
def test_a_broken_file_is_named(job: JobFolder, name: str, text: str, words: str) -> None:
    (job.path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        JobFolder.open(job.path).state()


# ---- a folder from somebody else -------------------------------------------------------------------------------------


FILES = ("log.txt", "progress.jsonl", "worker.lock", "start.lock", "worker.json", "cancel", "metrics.csv")
USES = {
    "open": lambda job: JobFolder.open(job.path),
    "state": lambda job: job.state(),
    "work": lambda job: job.begin(),
    "start": lambda job: start_worker(job, ["-c", "print('at work')"]),
    "cancel": lambda job: job.cancel(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", FILES)
def test_nothing_is_written_through_a_link(job: JobFolder, tmp_path: Path, name: str, use: str) -> None:
    """What a worker printed was appended to whatever log.txt led to: .bashrc, say."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (job.path / name).symlink_to(theirs)
    with pytest.raises(InputError, match=f"job: {name} is a link that leads out of job"):
        USES[use](job)
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("use", USES)
def test_no_checkpoint_of_another_folder_is_removed(job: JobFolder, tmp_path: Path, use: str) -> None:
    (tmp_path / "other" / "step-0000001").mkdir(parents=True)
    job.checkpoint.symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="checkpoint is a link that leads out"):
        USES[use](job)


@pytest.mark.skipif(os.name == "nt", reason="no pipes in folders")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ["log.txt", "progress.jsonl", "worker.lock", "job.json"])
def test_a_pipe_is_not_waited_for(job: JobFolder, name: str, use: str) -> None:
    (job.path / name).unlink(missing_ok=True)
    os.mkfifo(job.path / name)
    with pytest.raises(InputError, match=f"{name} is a pipe or a device"):
        USES[use](job)


@pytest.mark.skipif(os.name == "nt", reason="no pipes in folders")
def test_a_lock_is_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(tmp_path / "link").take()
    assert not (tmp_path / "made").exists()
    os.mkfifo(tmp_path / "pipe")
    assert Lock(tmp_path / "pipe").holder() is not Holder.SOMEBODY


@pytest.mark.parametrize("line", ["[" * 10_000, '{"text": ' * 5_000, '{"step": 1' + "0" * 5_000 + "}"])
def test_a_line_that_is_nobody_s_harms_no_other(job: JobFolder, line: str) -> None:
    """Nested without end: a RecursionError whenever a panel looked."""
    (job.path / "progress.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n{line}\n')
    assert job.tail()[0] == [{"step": 1}, {"step": 2}]
    assert job.state().progress == {"step": 2}
