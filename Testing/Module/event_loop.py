"""How long Qt's event loop was kept waiting during a block: what a person feels as a frozen window."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

TICK_MS = 5


@dataclass
class Pause:
    """One gap between two ticks.

    Attributes:
        milliseconds: By the clock on the wall.
        cpu_ms: What the main thread computed meanwhile; much less than the gap where another process had the core.
        at: Seconds since the block began.
    """

    milliseconds: float
    cpu_ms: float
    at: float


@dataclass
class EventLoop:
    """Context manager: a 5 ms timer ticks while the block lets Qt work; every gap between two ticks is noted.

    Code that runs between two calls of ``processEvents`` counts too, as it would in Slicer. Wall and CPU time are both
    kept, for on a busy machine a gap may be another process's.
    """

    pauses: list[Pause] = field(default_factory=list)
    _timer: Any = None

    def __enter__(self) -> EventLoop:
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.connect("timeout()", self._tick)
        self._began = self._last = time.monotonic()
        self._cpu = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._tick()
        self._timer.stop()

    def _tick(self) -> None:
        now, cpu = time.monotonic(), time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
        self.pauses.append(Pause(1000 * (now - self._last), 1000 * (cpu - self._cpu), now - self._began))
        self._last, self._cpu = now, cpu

    @property
    def longest(self) -> Pause:
        """The longest gap."""
        return max(self.pauses, key=lambda pause: pause.milliseconds)

    @property
    def longest_cpu_ms(self) -> float:
        """The most that the main thread computed between two ticks, ms."""
        return max(pause.cpu_ms for pause in self.pauses)

    def over(self, milliseconds: float) -> list[Pause]:
        """Gaps longer than this."""
        return [pause for pause in self.pauses if pause.milliseconds > milliseconds]

    @property
    def letIn(self) -> bool:
        """Whether Qt was let in again and again: what tests may ask, for no clock bounds a busy machine."""
        return len(self.pauses) > 20

    def report(self, name: str) -> str:
        """One line for people."""
        longest = self.longest
        return (
            f"{name}: longest pause {longest.milliseconds:.0f} ms (own CPU in it {longest.cpu_ms:.0f} ms, "
            f"at {longest.at:.1f} s), most CPU between two ticks {self.longest_cpu_ms:.0f} ms, "
            f"{len(self.over(100.0))} over 100 ms in {self.pauses[-1].at:.1f} s"
        )
