"""Two at once: on one job folder, data set, case, training. One does it, the other is told, nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from several_processes import CONTEXT, at_once
from small_dataset import OTHER, POSE, ct, record, small_dataset, view_in

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.batch_registration import register_dataset
from XRayTo3DLib.dataset.case_views import keeping_earlier, write_registration, write_review
from XRayTo3DLib.dataset.dataset_builder import add_case
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.population import case_to_make
from XRayTo3DLib.dataset.resplit import resplit
from XRayTo3DLib.dataset.turns import registering
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import locks
from XRayTo3DLib.files.locks import Holder, Lock, only_one
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs import folder as job_folder
from XRayTo3DLib.jobs.heartbeat import SignsOfLife
from XRayTo3DLib.jobs.process_mark import CHILDREN, ProcessMark
from XRayTo3DLib.jobs.run import start_worker
from XRayTo3DLib.registration.result import Review

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks")

MANY, ROUNDS = 8, 3


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "job", "training", {})


# ---- locks -----------------------------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one_of_many(tmp_path: Path) -> None:
    """Each finds the number as the one before left it, also though the lock's file goes and comes again."""
    number = tmp_path / "number"
    number.write_text("0", encoding="utf-8")

    def work(_: int) -> None:
        for _ in range(20):
            with only_one(tmp_path / "x.lock", "busy.", 30.0):
                number.write_text(str(int(number.read_text(encoding="utf-8")) + 1), encoding="utf-8")

    assert at_once(work, MANY) == [None] * MANY
    assert number.read_text(encoding="utf-8") == str(20 * MANY)
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


def test_a_lock_excludes_in_one_process_too(tmp_path: Path) -> None:
    one, other = Lock(tmp_path / "x.lock"), Lock(tmp_path / "x.lock")
    assert other.holder() is Holder.UNKNOWN
    assert one.take() and one.taken and not other.take(0.05)
    assert other.holder() is Holder.SOMEBODY
    with pytest.raises(InputError, match=r"^busy\.$"), only_one(one.path, "busy."):
        pass
    one.free()
    one.free()
    assert other.take() and not one.take()
    other.free()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_left_by_a_kill_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.lock").touch()
    lock = Lock(tmp_path / "x.lock")
    assert lock.holder() is Holder.NOBODY and lock.take()


def test_the_folder_of_a_lock_is_left_as_it_was(tmp_path: Path) -> None:
    with only_one(tmp_path / "a" / "b" / "x.lock", "busy."):
        assert (tmp_path / "a" / "b" / "x.lock").exists()
    assert list(tmp_path.iterdir()) == []
    with only_one(tmp_path / "a" / "b" / "x.lock", "busy."):
        (tmp_path / "a" / "b" / "result").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "result"]


def test_a_child_does_not_hold_its_parents_lock(tmp_path: Path) -> None:
    """A worker that was killed may leave processes behind: they must not keep its successor out."""
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        Lock(tmp_path / "x.lock").take()
        kept = Lock(tmp_path / "y.lock")
        kept.take()
        if os.fork() == 0:
            os.write(write, f"{os.getpid()} {kept.taken}\n".encode())
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
        os._exit(0)
    grandchild, taken = os.read(read, 100).decode().split()
    try:
        lock = Lock(tmp_path / "y.lock")
        assert taken == "False" and lock.holder() is Holder.SOMEBODY
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert lock.take(1.0)
    finally:
        os.kill(int(grandchild), signal.SIGKILL)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    one, other = Lock(tmp_path / "x.lock"), Lock(tmp_path / "x.lock")
    assert one.take() and other.holder() is Holder.UNKNOWN and other.take()


def test_a_lock_that_cannot_be_made_is_no_lock_of_somebody(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "nowhere" / "x.lock").take(0.1)


# ---- one worker a job folder -----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds a lock held waits for less than a second."""
    monkeypatch.setattr(job_folder, "LOCK_WAIT_S", 0.1)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_many_workers_at_once_and_one_works(job: JobFolder, impatient: None, round_: int) -> None:
    """In the same millisecond, over and over; before there were locks two worked in three rounds of ten."""

    def work(number: int) -> str:
        try:
            with JobFolder.open(job.path).working() as own:
                own.progress({"worker": number})
                time.sleep(0.4)  # longer than the others wait
                return "worked"
        except InputError as error:
            return str(error)

    said = at_once(work, MANY)
    assert sorted(said)[-1] == "worked"
    assert sorted(said)[:-1] == [f"job: another process works on {job.path}; cancel it or wait for its end."] * (
        MANY - 1
    )
    records, _ = job.tail()
    assert [record["worker"] for record in records] == [said.index("worked")]
    assert job.state().status is JobStatus.FINISHED and not job.lock.path.exists()


def test_a_killed_worker_is_followed_at_once(job: JobFolder, impatient: None) -> None:
    for _ in range(ROUNDS):
        assert CONTEXT is not None
        at_work = CONTEXT.Event()

        def work(at_work: object = at_work) -> None:
            with JobFolder.open(job.path).working():
                at_work.set()  # type: ignore[attr-defined]
                time.sleep(60)

        child = CONTEXT.Process(target=work)
        child.start()
        assert at_work.wait(30)
        with pytest.raises(InputError, match="another process works on"):
            JobFolder.open(job.path).begin()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert job.state().status is JobStatus.DEAD
        assert (job.path / "worker.lock").exists()
    with job.working():
        assert job.state().status is JobStatus.RUNNING
    assert job.state().status is JobStatus.FINISHED


def gone(job: JobFolder) -> None:
    """The job's worker has ended, as far as the list of processes tells."""
    replace(ProcessMark.of(os.getpid()), started="1").save(job.path / "worker.json")


def test_a_killed_worker_is_told_dead_when_nothing_holds_its_folder(job: JobFolder) -> None:
    """A killed process is off the list up to some 50 ms before its last thread has let go of the lock: Resume, clicked
    then, was refused."""
    gone(job)
    last_thread = Lock(job.path / "worker.lock")
    last_thread.take()
    assert job.state().status is JobStatus.RUNNING
    last_thread.free()
    assert job.state().status is JobStatus.DEAD


def test_a_folder_is_taken_up_while_its_killed_worker_lets_go(job: JobFolder) -> None:
    gone(job)
    last_thread = Lock(job.path / "worker.lock")
    last_thread.take()
    soon = threading.Timer(0.2, last_thread.free)
    soon.start()
    again = JobFolder.create(job.path, "training", {"again": True})
    soon.join()
    assert again.description()["configuration"] == {"again": True}


WORKER = """
import sys, time
from pathlib import Path
from XRayTo3DLib.jobs import JobFolder
with JobFolder.open(sys.argv[1]).working() as job:
    job.progress({"at": "work"})
    while not job.cancelled():
        time.sleep(0.01)
"""


@pytest.fixture
def started(job: JobFolder) -> Iterator[JobFolder]:
    yield job
    job.cancel()
    while not job.state().status.ended:
        time.sleep(0.02)


def test_started_many_times_at_once_it_runs_once(started: JobFolder) -> None:
    """As by several people's panels. It is never told dead though it works: nobody writes over its marks."""

    def start(_: int) -> str:
        try:
            start_worker(JobFolder.open(started.path), ["-c", WORKER, str(started.path)])
            return "started"
        except InputError as error:
            return str(error)

    said = at_once(start, 5)
    assert sorted(each.split(" in ")[0] for each in said) == ["job: a worker runs"] * 4 + ["started"], said
    while not started.tail()[0]:
        assert started.state().status is JobStatus.RUNNING, started.log_end()
        time.sleep(0.01)
    assert started.tail()[0] == [{"at": "work"}]
    assert started.log_end() == ""


def test_a_start_that_loses_takes_no_marks_away(started: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody works there by hand: the panel's start is refused, and the worker still is seen to live."""
    start_worker(started, ["-c", WORKER, str(started.path)])
    while not started.tail()[0]:
        time.sleep(0.01)
    for name in ("start.json", "worker.json"):
        (started.path / name).unlink()  # as an older version did
    monkeypatch.setattr("XRayTo3DLib.jobs.run.LOCK_WAIT_S", 0.1)
    with pytest.raises(InputError, match="a worker runs in"):
        start_worker(started, ["-c", WORKER, str(started.path)])


def test_a_folder_that_a_killed_start_left_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / ".writing-abc-1-2-x").mkdir(parents=True)
    (folder / "worker.lock").touch()
    assert JobFolder.create(folder, "training", {}).state().status is JobStatus.WAITING


# ---- where a process cannot be asked for ----------------------------------------------------------------------------


def elsewhere(job: JobFolder) -> None:
    """The job's worker is of another machine."""
    replace(ProcessMark.of(os.getpid()), host="another machine", pid=1).save(job.path / "worker.json")


def test_a_lock_on_a_shared_disk_tells_of_another_machine(job: JobFolder, impatient: None) -> None:
    elsewhere(job)
    os.utime(job.path / "worker.json", (1, 1))
    assert job.state().status is JobStatus.DEAD
    lock = Lock(job.path / "worker.lock")
    lock.take()
    assert job.state().status is JobStatus.RUNNING
    with pytest.raises(InputError, match="another process works on"):
        job.begin()
    lock.free()
    assert job.state().status is JobStatus.DEAD


def test_without_a_lock_somebody_waits_for_a_beat(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SignsOfLife, "beats", lambda self: looked.append(self) is None)
    looked: list[object] = []
    elsewhere(job)
    with pytest.raises(InputError, match="another process works on"):
        job.begin()
    assert len(looked) == 1 and not job.lock.taken
    monkeypatch.setattr(SignsOfLife, "beats", lambda self: False)
    with job.working():
        assert job.state().status is JobStatus.RUNNING


def test_a_job_of_before_the_last_boot_is_waited_for_once(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resume waited three times, 21 s: for both marks, of which one never beats, and for one of them again."""
    looked: list[object] = []
    monkeypatch.setattr(SignsOfLife, "beats", lambda self: looked.append(self) is not None)
    elsewhere(job)
    shutil.copy(job.path / "worker.json", job.path / "start.json")
    again = JobFolder.create(job.path, "training", {})
    start_worker(again, ["-c", "pass"])
    CHILDREN[-1].wait()
    assert len(looked) == 1


def test_its_parent_knows_whether_a_child_lives(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On systems that tell no start times; a child that takes a minute to load is no dead one."""
    monkeypatch.setattr("XRayTo3DLib.jobs.process_mark.is_alive", lambda pid, started: None)
    start_worker(job, ["-c", "import time; time.sleep(60)"], sys.executable)
    os.utime(job.path / "start.json", (1, 1))
    status = job.state().status
    CHILDREN[-1].kill()
    CHILDREN[-1].wait()
    assert (status, job.state().status) == (JobStatus.RUNNING, JobStatus.DEAD)
    assert json.loads((job.path / "start.json").read_text(encoding="utf-8"))["pid"] == CHILDREN[-1].pid


# ---- one data set ----------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return small_dataset(tmp_path / "mine")


def test_cases_that_are_added_at_once_are_all_kept(dataset: Path) -> None:
    """And who is tested is dealt meanwhile: before, whoever wrote dataset.json last undid what the others had."""

    def work(number: int) -> object:
        if number == 0:
            return [resplit(dataset, cases=["two"]).test for _ in range(5)][-1]
        return [add_case(dataset, CaseEntry(f"{number}-{each}", f"P{number}-{each}"), ct()) for each in range(2)]

    said = at_once(work, 5)
    assert not [each for each in said if isinstance(each, Exception)], said
    opened = DatasetFolder.open(dataset)
    assert {case.id for case in opened.cases()} == {
        "one",
        "two",
        *(f"{n}-{each}" for n in range(1, 5) for each in (0, 1)),
    }
    assert [case.id for case in opened.cases("test")] == ["two"]
    assert sorted(path.name for path in dataset.iterdir()) == ["cases", "dataset.json"]


def test_one_id_is_given_once(dataset: Path) -> None:
    said = at_once(lambda number: add_case(dataset, CaseEntry("three", "P"), ct()), 4)
    refused = [str(each) for each in said if isinstance(each, InputError)]
    assert len(refused) == 3 and all("used twice" in each for each in refused), said
    assert [case.id for case in DatasetFolder.open(dataset).cases()] == ["one", "two", "three"]


def test_what_several_people_say_of_a_view_is_all_kept(dataset: Path) -> None:
    """Two panels and a command line judge it at the same moment; one is the last, the others stay beside it."""
    people = ["radiologist", "surgeon", "radiographer", "physicist"]
    said = at_once(lambda number: write_review(view_in(dataset), Review.REJECTED, "off", people[number]), 4)
    assert said == [None] * 4
    content = json.loads(view_in(dataset).registration_path.read_text(encoding="utf-8"))
    roles = [each["by_role"] for each in (*content["earlier_reviews"], content["review"])]
    assert sorted(roles) == sorted(people)


def test_who_reads_while_another_writes_finds_one_or_the_other(dataset: Path) -> None:
    """Never the pose of one registration with the record of another."""
    poses = (POSE, OTHER)

    def work(number: int) -> int:
        view = view_in(dataset)
        if number < 2:
            for each in range(12):
                write_registration(view, record(poses[(number + each) % 2]), poses[(number + each) % 2])
            return 0
        found = [view.pose() for _ in range(40)]
        return sum(not any(np.allclose(each.matrix, pose.matrix, atol=1e-4) for pose in poses) for each in found)

    assert at_once(work, 4) == [0] * 4
    assert sorted(path.name for path in view_in(dataset).folder.iterdir())[0] == "camera.json"


def test_a_synthetic_person_is_made_by_one(tmp_path: Path) -> None:
    """Two people fill one folder: who comes second waits, and finds the person made."""

    def work(number: int) -> bool:
        with case_to_make(tmp_path / "cases" / "person-1", {"seed": 0}) as folder:
            if folder is not None:
                time.sleep(0.2)
                (folder / "ct.nrrd").write_text(str(number), encoding="utf-8")
            return folder is not None

    made = at_once(work, 4)
    assert sorted(made) == [False, False, False, True]
    found = {path.name for path in (tmp_path / "cases" / "person-1").iterdir()}
    assert found == {"ct.nrrd", "person.json"} and len(list((tmp_path / "cases").iterdir())) == 1
    assert (tmp_path / "cases" / "person-1" / "ct.nrrd").read_text(encoding="utf-8") == str(made.index(True))


def test_a_registration_keeps_what_was_said_of_the_one_before(dataset: Path) -> None:
    view = view_in(dataset)
    write_review(view, Review.ACCEPTED, "", "radiologist")
    before = view.registration()
    once = keeping_earlier(record(OTHER), before)
    assert [each["review"]["by_role"] for each in once["earlier_results"]] == ["radiologist"]
    assert keeping_earlier(once, before) == once and keeping_earlier(record(OTHER), None) == record(OTHER)


def test_a_data_set_is_registered_by_one(dataset: Path) -> None:
    with registering(dataset, "registrations"), pytest.raises(InputError, match="another process registers these"):
        register_dataset(dataset)
    with registering(dataset, "registrations_1of2"), registering(dataset, "registrations_2of2"):
        pass


def test_a_folder_is_trained_in_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], impatient: None) -> None:
    """Whether the other is a command or a job; both are told before anything is prepared."""
    config = tmp_path / "wrist.yaml"
    config.write_text("format: nothing\n", encoding="utf-8")
    job = JobFolder.create(tmp_path / "run", "training", {})
    with only_one(job.path / "worker.lock", "busy."):
        for option, words in (("-o", "another process works in"), ("--job", "another process works on")):
            assert main(["train", str(config), option, str(job.path)]) == 2
            said = capsys.readouterr().err
            assert said.count("\n") == 1 and words in said, said
    assert main(["train", str(config), "-o", str(tmp_path / "other")]) == 2
    assert "another process" not in capsys.readouterr().err and not (tmp_path / "other").exists()
