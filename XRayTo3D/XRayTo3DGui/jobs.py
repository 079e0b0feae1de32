"""Short work without freezing Slicer: an iterator of steps, run in slices between repaints."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import qt

SLICE_SECONDS = 0.04
WAIT_SECONDS = 0.01
"""How long a step waits for a thread before Qt is let in."""


def _ignore(*_: Any) -> None:
    """A callback nobody asked for."""


class StepRunner:
    """Drives one iterator with a timer; the four callbacks say what became of it.

    No thread: the scene may be touched from every step. Stops at once on ``cancel``.

    Args:
        onState: Called with the newest item after each slice.
        onFinished: Called without argument when the iterator ended by itself.
        onFailed: Called with the exception.
        onCancelled: Called without argument.
        sliceSeconds: How long to work between two repaints.
    """

    def __init__(
        self,
        onState: Callable[[Any], None] = _ignore,
        onFinished: Callable[[], None] = _ignore,
        onFailed: Callable[[Exception], None] = _ignore,
        onCancelled: Callable[[], None] = _ignore,
        sliceSeconds: float = SLICE_SECONDS,
    ) -> None:
        self._onState, self._onFinished = onState, onFinished
        self._onFailed, self._onCancelled = onFailed, onCancelled
        self._sliceSeconds = sliceSeconds
        self._steps: Iterator[Any] | None = None
        self._busy = False
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._onTimeout)

    @property
    def running(self) -> bool:
        return self._steps is not None

    def start(self, steps: Iterator[Any]) -> None:
        """Begin; what ran before is cancelled."""
        self.cancel()
        self._steps = iter(steps)
        self._timer.start()

    def cancel(self) -> None:
        """Stop now; nothing happens where nothing runs."""
        if self.running:
            self._stop()
            self._onCancelled()

    def _stop(self) -> None:
        self._timer.stop()
        steps, self._steps = self._steps, None
        if hasattr(steps, "close"):
            with suppress(ValueError):  # cancelled from inside a step: the generator ends by itself
                steps.close()

    def _onTimeout(self) -> None:
        """One slice; a callback that lets Qt work (a dialog) must not start a second one inside it."""
        if self._busy or self._steps is None:
            return
        self._busy = True
        outcome: Callable[[], None] | None = None
        try:
            outcome = self._slice()
        finally:
            self._busy = False
        if outcome is not None:
            outcome()

    def _slice(self) -> Callable[[], None] | None:
        """Work for one slice; returns what to tell when it was the last one."""
        steps, newest, ended = self._steps, _ignore, False
        until = time.monotonic() + self._sliceSeconds
        try:
            while not ended:
                newest = next(steps)
                ended = newest is None or time.monotonic() >= until  # None: it only waited, for a thread
        except StopIteration:
            self._stop()
            return self._tellEnd(newest)
        except Exception as error:  # told to the panel, which decides what to show
            logging.debug("a step failed", exc_info=True)
            self._stop()
            return partial(self._onFailed, error)
        self._onState(newest)
        return None

    def _tellEnd(self, newest: Any) -> Callable[[], None]:
        def tell() -> None:
            if newest is not _ignore:
                self._onState(newest)
            self._onFinished()

        return tell


def inThread(work: Callable[[], Any]) -> Iterator[Any]:
    """Steps of work that cannot be cut into any: it runs in a thread, and each step waits a moment for it.

    While a step waits the thread gets the interpreter, which Slicer's idle event loop would not give it. Only for code
    that touches neither scene nor Qt. Cancelled, it runs to its end unseen.

    Args:
        work: Called without argument, in the thread.

    Yields:
        None while it works; last what it returned. What it raises is raised.
    """
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised again below, in the thread that asked
            failure.append(error)

    thread = threading.Thread(target=run, name="XRayTo3D", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(WAIT_SECONDS)
        yield None
    if failure:
        raise failure[0]
    yield outcome[0]


def stepsInThread(make: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """An iterator whose steps may be too long for Qt, run in a thread: each step here waits a moment for it.

    As :func:`inThread`: only for code that touches neither scene nor Qt. Cancelled, it ends after its present step.

    Args:
        make: Called without argument, in the thread; gives the iterator.

    Yields:
        Its newest item, or None where there is no newer one.
    """
    stop = threading.Event()
    newest: list[Any] = []

    def run() -> None:
        for item in make():
            if stop.is_set():
                return
            newest[:] = [item]

    try:
        for _waited in inThread(run):
            yield newest.pop() if newest else None
    finally:
        stop.set()


class Throttle:
    """Calls a function once, a moment after the last request: for live updates that cost more than a repaint."""

    def __init__(self, function: Callable[[], None], milliseconds: int) -> None:
        self._function = function
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.connect("timeout()", self.flush)
        self._wanted = False

    def request(self, *_: Any) -> None:
        """Ask; many requests become one call. A running timer is not restarted, so that a drag stays live."""
        self._wanted = True
        if not self._timer.active:
            self._timer.start()

    @property
    def wanted(self) -> bool:
        """Whether it was asked for and not done yet."""
        return self._wanted

    def setInterval(self, milliseconds: int) -> None:
        """Another pause before the next call; the same again does not restart a running one."""
        if milliseconds != self._timer.interval:
            self._timer.setInterval(milliseconds)

    def flush(self) -> None:
        """Do it now if it is wanted."""
        self._timer.stop()
        if self._wanted:
            self._wanted = False
            self._function()

    def stop(self) -> None:
        """Forget the request."""
        self._timer.stop()
        self._wanted = False
