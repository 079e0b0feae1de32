"""How far a comparison is, and how long it will go on."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Clock:
    """How much of a comparison is done, and what is left; guesses scaled by what the finished part really took."""

    def __init__(self) -> None:
        self._expected: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._name, self._began = "", 0.0

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """What every row is expected to take, s."""
        self._expected = dict(expected_s)

    def start(self, name: str) -> None:
        """A row begins."""
        self._name, self._began = name, time.monotonic()

    def end(self, name: str) -> None:
        """A row ends."""
        self._spent[name] = time.monotonic() - self._began

    def state(self, share: float, left_s: float | None) -> tuple[float, float]:
        """Share of everything done, and seconds left; ``left_s`` is what the work at hand says of itself."""
        passed, spent = time.monotonic() - self._began, sum(self._spent.values())
        done, own_guess = sum(self._expected[name] for name in self._spent), self._expected.get(self._name, 0.0)
        before = min(max(spent / done, 0.05), 20.0) if done else 1.0
        pace = max(before, (spent + passed) / max(done + own_guess, 1.0))
        later = sum(s for name, s in self._expected.items() if name not in self._spent and name != self._name)
        own = max(own_guess * pace - passed, 0.0 if left_s is None else left_s, 1 - share)
        total = spent + passed + own + later * pace
        return (spent + passed) / max(total, 1e-6), own + later * pace


def left_text(seconds: float) -> str:
    """In words."""
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"
