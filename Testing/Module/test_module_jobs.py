"""The step runner: slices, end, failure, cancelling; and the throttle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from module_cases import settle, wait_until

pytestmark = pytest.mark.host


class Told:
    """Records what a runner says."""

    def __init__(self, slicer_module: Any = None, seconds: float = 0.04) -> None:
        from XRayTo3DGui.jobs import StepRunner

        self.states: list[Any] = []
        self.ends: list[Any] = []
        self.runner = StepRunner(
            self.states.append,
            lambda: self.ends.append("finished"),
            self.ends.append,
            lambda: self.ends.append("cancelled"),
            seconds,
        )


def numbers(count: int, pause: float = 0.0) -> Iterator[int]:
    for number in range(count):
        time.sleep(pause)
        yield number


@pytest.fixture
def told(slicer_module: Any) -> Told:
    return Told()


def test_every_slice_tells_its_newest_state(told: Told) -> None:
    told.runner.start(numbers(1000))
    assert told.runner.running
    wait_until(lambda: not told.runner.running)
    assert told.ends == ["finished"]
    assert told.states[-1] == 999
    assert len(told.states) < 50


def test_a_slow_step_is_a_slice_of_its_own(told: Told) -> None:
    told.runner.start(numbers(3, 0.05))
    wait_until(lambda: not told.runner.running)
    assert told.states == [0, 1, 2]


def test_cancelling_stops_at_once_and_closes_the_iterator(told: Told) -> None:
    closed = []

    def steps() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    told.runner.start(steps())
    wait_until(lambda: bool(told.states))
    told.runner.cancel()
    count = len(told.states)
    settle()
    assert (told.ends, closed, len(told.states)) == (["cancelled"], [True], count)
    told.runner.cancel()
    assert told.ends == ["cancelled"]


def test_cancelling_from_within_a_state(told: Told) -> None:
    told.runner._onState = lambda _: told.runner.cancel()
    told.runner.start(numbers(3, 0.05))
    settle(0.3)
    assert told.ends == ["cancelled"]


def test_a_failure_is_told_once(told: Told) -> None:
    def steps() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    told.runner.start(steps())
    wait_until(lambda: not told.runner.running)
    assert [str(end) for end in told.ends] == ["broken"]


def test_starting_again_cancels_what_ran(told: Told) -> None:
    told.runner.start(numbers(10, 0.05))
    told.runner.start(numbers(2))
    wait_until(lambda: not told.runner.running)
    assert told.ends == ["cancelled", "finished"]


def test_many_requests_become_one_call(slicer_module: Any) -> None:
    from XRayTo3DGui.jobs import Throttle

    calls: list[int] = []
    throttle = Throttle(lambda: calls.append(1), 20)
    for _ in range(100):
        throttle.request()
    settle()
    assert calls == [1]
    throttle.request()
    throttle.stop()
    settle()
    assert calls == [1]


def test_a_step_that_waits_for_a_thread(told: Told) -> None:
    from XRayTo3DGui.jobs import inThread

    def work() -> str:
        time.sleep(0.2)
        return "done"

    told.runner.start(inThread(work))
    wait_until(lambda: not told.runner.running)
    assert told.ends == ["finished"] and told.states[-1] == "done"
    assert len(told.states) > 3 and set(told.states[:-1]) == {None}


def test_what_a_thread_raises_is_told(told: Told) -> None:
    from XRayTo3DGui.jobs import inThread

    error = ValueError("inside")

    def work() -> None:
        raise error

    told.runner.start(inThread(work))
    wait_until(lambda: not told.runner.running)
    assert told.ends == [error]
