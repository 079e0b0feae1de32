"""What the soaks of load share: their options, how the memory of a batch grows, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory_curve import Curve, Line, by_count, floor_growth, save

REPOSITORY = Path(__file__).resolve().parents[2]


def options(doc: str | None, cases: int, of_what: str) -> argparse.ArgumentParser:
    """``--cases`` and ``--output``; a soak adds its own hidden ones, for the processes that it measures."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=cases, metavar="N", help=f"{of_what} ({cases})")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "artifacts" / "soak" / "load", metavar="FOLDER")
    return parser


@dataclass(frozen=True)
class BatchMemory:
    """Memory of a batch in one process, from case to case.

    Attributes:
        curve: Of the process.
        done: How many cases were done.
        own_mb: Memory of its own then, MB.
        settled: Share of all cases after which memory must stay.
        growth: Of its floor with every case after that, MB.
    """

    curve: Curve
    done: list[int]
    own_mb: list[float]
    settled: float
    growth: Line

    @classmethod
    def of(cls, curve: Curve, ended: Sequence[float], settled: float) -> BatchMemory:
        """``ended``: when each case was done, s since 1970, in order."""
        done, own = by_count(curve, ended)
        return cls(curve, done, own, settled, floor_growth(done, own, settled))

    def tell(self, cases: int, what: str) -> None:
        """Print it; ``cases`` were done, each a ``what``."""
        print(f"most memory of its own {self.curve.peak_mb:.0f} MB, of that before the first {self.own_mb[0]:.0f} MB")
        growth = f"{1000 * self.growth.slope:+.1f} +- {1000 * self.growth.error:.1f} kB with each {what}"
        print(f"the memory's floor over the last {(1 - self.settled) * cases:.0f}: {growth}")

    def faults(self, most_kb: float, what: str) -> list[str]:
        """What is wrong with it, where it surely grows by more than ``most_kb`` with every ``what``."""
        if 1000 * (self.growth.slope - 2 * self.growth.error) <= most_kb:
            return []
        return [f"memory grows by {1000 * self.growth.slope:.0f} kB with every {what}"]

    @property
    def figures(self) -> dict[str, Any]:
        """For the pictures and the documentation."""
        return {"done": self.done, "own_mb": self.own_mb, "slope_kb": 1000 * self.growth.slope}


def ended(path: Path, faults: Sequence[str], well: str, **figures: Any) -> int:
    """Save the figures, print the faults or that all is ``well``; the exit code."""
    save(path, **figures, faults=faults)
    print("\n".join(f"FAULT: {fault}" for fault in faults) or well)
    return 1 if faults else 0
