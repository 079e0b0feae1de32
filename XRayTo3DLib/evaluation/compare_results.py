"""What a comparison knows of every method once it is measured; read and written as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

RESULT_FORMAT = "xrayto3d.comparison-result/1"
ALIGNED = "aligned"
"""Key of the outcomes of dual-face depth with its depth aligned to the truth."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One method, measured in a process of its own.

    Attributes:
        views: What it looks at ("AP", "LAT").
        calibrated: Whether it is told where the cameras truly were.
        outcomes: Per condition's key, one outcome per person and bone.
        refused: Why a condition was not asked, by its key.
        seconds: From the pictures to meshes, of every person, one at a time.
        loading_s: Reading the bundle.
        memory_mb: Most memory the process held until a few people were reconstructed, and before anything was judged,
            which takes memory of its own; NaN if unknown.
        before_mb: Of this, what it held before the bundle was read: Python and libraries.
        bundle_mb: Size of the bundle's files.
        synthetic: Whether the model learnt from made-up people.
        notes: Sentences that a reader should see.
    """

    views: tuple[str, ...]
    calibrated: bool
    outcomes: Mapping[str, tuple[ReconstructionOutcome, ...]]
    refused: Mapping[str, str] = field(default_factory=dict)
    seconds: tuple[float, ...] = ()
    loading_s: float = math.nan
    memory_mb: float = math.nan
    before_mb: float = math.nan
    bundle_mb: float = math.nan
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def case_s(self) -> float:
        """Seconds a person takes: the median."""
        return float(np.median(self.seconds)) if self.seconds else math.nan

    def to_dict(self) -> dict[str, Any]:
        """JSON types; NaN is null."""
        content = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "outcomes"}
        outcomes = {key: [_plain(asdict(outcome)) for outcome in found] for key, found in self.outcomes.items()}
        return {"format": RESULT_FORMAT, **_plain(content), "outcomes": outcomes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "result of a comparison") -> Measured:
        """Inverse of :meth:`to_dict`; ``where`` begins messages.

        Raises:
            InputError: Something is missing.
        """
        try:
            outcomes = {
                key: tuple(_outcome(each) for each in found) for key, found in dict(content["outcomes"]).items()
            }
            numbers = ("loading_s", "memory_mb", "before_mb", "bundle_mb")
            return cls(
                tuple(content["views"]),
                bool(content["calibrated"]),
                outcomes,
                dict(content["refused"]),
                tuple(map(float, content["seconds"])),
                **{name: _number(content[name]) for name in numbers},
                synthetic=bool(content["synthetic"]),
                notes=tuple(content["notes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{where}: it lacks or misnames {error}; delete it, measure again.") from error


@dataclass(frozen=True, eq=False)
class Row:
    """A method in the report.

    Attributes:
        name: Of the row.
        method: Name in the registry.
        measured: Its numbers; ``None`` where there are none.
        why_not: Then why.
        failed: Whether it was to be measured and something went wrong.
        training_s: Time that training took, data reading and judging included, s; of a given model the updates alone,
            NaN where it does not lie beside its training.
        given: Whether it was given as a finished model.
    """

    name: str
    method: str
    measured: Measured | None = None
    why_not: str = ""
    failed: bool = False
    training_s: float = math.nan
    given: bool = False

    def of(self, key: str) -> tuple[ReconstructionOutcome, ...]:
        """Outcomes under a condition."""
        return () if self.measured is None else tuple(self.measured.outcomes.get(key, ()))


def _outcome(content: Mapping[str, Any]) -> ReconstructionOutcome:
    numbers = {each.name for each in fields(ReconstructionOutcome) if each.type in (float, "float")}
    return ReconstructionOutcome(**{k: _number(v) if k in numbers else v for k, v in content.items()})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in content.items()
    }
