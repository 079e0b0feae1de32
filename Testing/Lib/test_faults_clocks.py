"""Clocks that jump, differ or change their zone: who works is never told dead, who is dead never told at work."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_dataset import small_dataset, view_in

from XRayTo3DLib.dataset.case_views import write_review
from XRayTo3DLib.jobs import JobFolder, JobStatus, heartbeat
from XRayTo3DLib.jobs.heartbeat import BEAT_S, STALE_S, Heartbeat, SignsOfLife
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.registration.result import Review
from XRayTo3DLib.training.progress import Pace

HOUR = 3600.0
ZONES = ("UTC", "Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu", "Europe/Berlin")
ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)")


class Clocks:
    """The watcher's two clocks: the time of day, which anybody may set, and the one that only runs."""

    def __init__(self) -> None:
        self.day, self.running = time.time(), time.monotonic()

    def pass_s(self, seconds: float) -> None:
        self.day += seconds
        self.running += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(heartbeat.time, "time", lambda: clocks.day)
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: clocks.running)
    monkeypatch.setattr(heartbeat, "_time_in", lambda folder: clocks.day)
    return clocks


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    """Of a worker on another machine, without locks between the two: only its beats tell of it."""
    job = JobFolder.create(tmp_path / "job", "training", {})
    replace(ProcessMark.of(os.getpid()), host="another machine", pid=1).save(job.path / "worker.json")
    return job


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("made") / "mine")


def beat(job: JobFolder, at: float) -> None:
    os.utime(job.path / "worker.json", (at, at))


# ---- the watcher's clock ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_h", [-26.0, -1.0, 1.0, 26.0])
def test_a_clock_that_jumps_kills_no_worker(job: JobFolder, clocks: Clocks, jump_h: float) -> None:
    """Both machines follow one time server, which jumps; a look falls between the jump and the next beat."""
    for number in range(40):
        if number % 2 == 0:
            beat(job, clocks.day)
        if number == 20:
            clocks.day += jump_h * HOUR
        clocks.pass_s(1.0)
        state = job.state()
        assert state.status is JobStatus.RUNNING, number
        assert 0.0 <= state.silent_s <= BEAT_S + 1.0, number


@pytest.mark.parametrize("jump_h", [-26.0, -1.0, 1.0, 26.0])
def test_a_clock_that_jumps_keeps_no_dead_worker_alive(job: JobFolder, clocks: Clocks, jump_h: float) -> None:
    beat(job, clocks.day)
    assert job.state().status is JobStatus.RUNNING
    clocks.pass_s(5.0)
    clocks.day += jump_h * HOUR
    found = []
    for _ in range(40):
        clocks.pass_s(1.0)
        found.append(job.state().status)
    assert found[0] is JobStatus.RUNNING and found[-1] is JobStatus.DEAD
    assert found.count(JobStatus.RUNNING) <= STALE_S


@settings(max_examples=60, deadline=None)
@given(skew_h=st.floats(-100, 100), beats=st.lists(st.floats(0.1, 4.0), min_size=5, max_size=30))
def test_whatever_the_workers_clock_says_it_lives_while_it_beats_and_dies_when_it_stops(
    tmp_path_factory: pytest.TempPathFactory, skew_h: float, beats: list[float]
) -> None:
    """From the second look on: its clock is wrong by days, and the file server shares it with nobody."""
    with pytest.MonkeyPatch.context() as patch:
        clocks = Clocks()
        patch.setattr(heartbeat.time, "time", lambda: clocks.day)
        patch.setattr(heartbeat.time, "monotonic", lambda: clocks.running)
        patch.setattr(heartbeat, "_time_in", lambda folder: clocks.day + skew_h * HOUR)
        path = tmp_path_factory.mktemp("job") / "worker.json"
        path.touch()
        signs = SignsOfLife(path)
        for gap in beats:
            stamp = clocks.day + skew_h * HOUR
            os.utime(path, (stamp, stamp))
            assert 0.0 <= signs.silent_s() < STALE_S
            clocks.pass_s(gap)
            assert 0.0 <= signs.silent_s() < STALE_S
        clocks.pass_s(STALE_S + 0.1)
        assert signs.silent_s() > STALE_S


def test_a_file_server_has_its_own_clock(tmp_path: Path) -> None:
    """A first look compares the stamp with the folder's time, not with this computer's."""
    path = tmp_path / "worker.json"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heartbeat.time, "time", lambda: datetime.now(UTC).timestamp() + 5 * HOUR)
        assert SignsOfLife(path).silent_s() < STALE_S
    assert [each.name for each in tmp_path.iterdir()] == ["worker.json"]


def test_a_stamp_of_the_future_is_believed_for_half_a_minute(job: JobFolder, clocks: Clocks) -> None:
    """A worker died while its clock was wrong by hours: before, it counted as alive until that time came."""
    beat(job, clocks.day + 7 * HOUR)
    assert job.state().status is JobStatus.RUNNING
    clocks.pass_s(STALE_S + 1)
    state = job.state()
    assert state.status is JobStatus.DEAD and state.silent_s >= STALE_S


def test_an_old_stamp_is_a_dead_worker_at_once(job: JobFolder, clocks: Clocks) -> None:
    beat(job, clocks.day - 2 * 24 * HOUR)
    assert job.state().status is JobStatus.DEAD


def test_a_folder_that_may_not_be_written_to_can_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "worker.json"
    path.touch()
    os.utime(path, (time.time() - HOUR, time.time() - HOUR))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(heartbeat.tempfile, "TemporaryFile", refused)
    assert SignsOfLife(path).silent_s() == pytest.approx(HOUR, abs=60)


def test_who_must_be_sure_waits_for_a_beat(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.touch()
    os.utime(path, (1, 1))
    signs = SignsOfLife(path)
    assert not signs.beats(0.3)
    heart = Heartbeat(path, every_s=0.05)
    assert signs.beats(20.0)
    heart.stop()
    path.unlink()
    assert not signs.beats(0.3)


def test_a_process_of_this_machine_is_asked_and_no_clock(tmp_path: Path, clocks: Clocks) -> None:
    """Its start is told in ticks since the machine's own: not a clock that can be set."""
    job = JobFolder.create(tmp_path / "job", "training", {})
    with job.working():
        for jump in (-30 * HOUR, 70 * HOUR):
            clocks.day += jump
            assert JobFolder.open(job.path).state().status is JobStatus.RUNNING
            assert JobFolder.open(job.path).state().silent_s >= 0.0


# ---- zones and dates -------------------------------------------------------------------------------------------------


def test_no_zone_matters(zone: str, tmp_path: Path) -> None:
    """Time stamps of files know no zones; daylight saving begins and ends in none of ours."""
    job = JobFolder.create(tmp_path / "job", "training", {})
    replace(ProcessMark.of(os.getpid()), host="another machine", pid=1).save(job.path / "worker.json")
    state = job.state()
    assert state.status is JobStatus.RUNNING and 0.0 <= state.silent_s < 10.0
    os.utime(job.path / "worker.json", (time.time() - STALE_S - 5, time.time() - STALE_S - 5))
    assert JobFolder.open(job.path).state().status is JobStatus.DEAD


def test_dates_are_utc_with_their_zone(zone: str, dataset: Path) -> None:
    """Half a day's difference between two hospitals is none."""
    view = view_in(dataset)
    write_review(view, Review.ACCEPTED, "", "radiologist")
    reviewed_on = view.registration()["review"]["date"]  # type: ignore[index]
    assert ISO_UTC.fullmatch(reviewed_on), reviewed_on
    assert abs(datetime.fromisoformat(reviewed_on) - datetime.now(UTC)) < timedelta(minutes=1)


# ---- what is left ----------------------------------------------------------------------------------------------------


def test_time_left_is_never_negative_nor_from_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: pytest.fail("a clock that may be set was asked"))
    pace = Pace()
    for _ in range(5):
        pace.step_done()
        pace.pause()
        left = pace.eta_s(10)
        assert left is not None and left >= 0.0
