"""Capture range: how far wrong the start of a registration may be until too few succeed.

As van de Kraats et al. (IEEE TMI 24:1177, 2005) define it: in bins of start mTRE, up to the first bin where fewer than
95 % succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.registration_study import TrialOutcome
from XRayTo3DLib.evaluation.registration_trials import TrialErrors

CAPTURED_PERCENT = 95.0
BIN_MM = 5.0
SUCCESS: dict[str, Callable[[TrialErrors], bool]] = {
    "mTRE under 1 mm": lambda errors: errors.mtre_mm < 1,
    "mTRE under 2 mm": lambda errors: errors.mtre_mm < 2,
    "in plane under 1 mm": lambda errors: errors.plane_mm < 1,
}
"""What may count as a success."""


@dataclass(frozen=True)
class CaptureCurve:
    """Success over how wrong the start was.

    Attributes:
        success: What counts as one; a key of :data:`SUCCESS`.
        edges: (N + 1) edges of the bins of start mTRE, mm; a bin holds its lower edge.
        counts: (N) trials in each bin.
        percent: (N) share of successes; ``None`` in an empty bin.
    """

    success: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    percent: tuple[float | None, ...]

    @property
    def range_mm(self) -> float:
        """Upper edge of the last bin with enough successes before the first with too few; 0 if that is the first."""
        reached = 0.0
        for upper, share in zip(self.edges[1:], self.percent, strict=True):
            if share is not None and share < CAPTURED_PERCENT:
                break
            reached = reached if share is None else upper
        return reached

    @property
    def ended(self) -> bool:
        """Whether some bin had too few successes; if none had, the range is at least :attr:`range_mm`."""
        return any(share is not None and share < CAPTURED_PERCENT for share in self.percent)

    @property
    def text(self) -> str:
        """The capture range in words."""
        return f"{self.range_mm:g} mm" if self.ended else f"{self.range_mm:g} mm or more"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "capture_range_mm": self.range_mm, "range_ended": self.ended}


def capture_curves(outcomes: Sequence[TrialOutcome], bin_mm: float = BIN_MM) -> list[CaptureCurve]:
    """The curve of every :data:`SUCCESS` of outcomes from near and far starts, in bins of ``bin_mm``.

    Raises:
        InputError: No outcome, or bins without width.
    """
    if not outcomes or not bin_mm > 0:
        raise InputError("a capture curve needs at least one trial, and bins wider than 0 mm.")
    places = [int(outcome.start.mtre_mm // bin_mm) for outcome in outcomes]
    bins: list[list[TrialErrors]] = [[] for _ in range(max(places) + 1)]
    for place, outcome in zip(places, outcomes, strict=True):
        bins[place].append(outcome.end)
    edges = tuple(float(bin_mm * number) for number in range(len(bins) + 1))
    counts = tuple(len(each) for each in bins)
    return [
        CaptureCurve(name, edges, counts, tuple(_percent(each, succeeds) for each in bins))
        for name, succeeds in SUCCESS.items()
    ]


def _percent(ends: Sequence[TrialErrors], succeeds: Callable[[TrialErrors], bool]) -> float | None:
    return 100.0 * sum(map(succeeds, ends)) / len(ends) if ends else None
