"""Many registration trials run by any method, and the table of them: errors, success, seconds, the verdict's worth."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.registration_trials import NO_RESULT, Reach, Trial, TrialErrors, TrialMaker
from XRayTo3DLib.files.spreadsheets import as_cells
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.registration.options import RegistrationOptions
from XRayTo3DLib.registration.result import RegistrationResult, Verdict

if TYPE_CHECKING:
    from XRayTo3DLib.projection.engines import Engine

Solve = Callable[[Trial], tuple[RigidPose | None, Mapping[str, Any]]]
"""A method: the pose it finds (``None`` for none), and further fields of :class:`TrialOutcome` that it knows."""
LIMITS_MM = (1.0, 2.0, 5.0)
NORMAL_95 = 1.96
"""Half the 95 % interval of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class TrialOutcome:
    """What became of one trial.

    Attributes:
        seed: Of the trial.
        start: Errors of the start.
        end: Errors of the result; infinite where there was none.
        seconds: Of the search; of everything for a method that does not tell its set-up apart.
        setup_seconds: Before the search: volumes laid out for projection.
        cpu_seconds: Of the processor, set-up included: what tells on a busy machine.
        similarity: Mean over views at the result, or NaN.
        verdict: "converged", "ambiguous", "failed", or "" of a method that does not judge itself.
        agreeing: Starts that ended at the result, of ``starts``.
        starts: See ``agreeing``.
        sigma: Standard deviations of the degrees of freedom as the method says (degrees, mm), or empty.
        error: What they are of: differences from the truth, in the same order, or empty.
        problem: Why there is no result, or "".
    """

    seed: int
    start: TrialErrors
    end: TrialErrors
    seconds: float
    setup_seconds: float = 0.0
    cpu_seconds: float = math.nan
    similarity: float = math.nan
    verdict: str = ""
    agreeing: int = 0
    starts: int = 0
    sigma: tuple[float, ...] = ()
    error: tuple[float, ...] = ()
    problem: str = ""

    @property
    def covered(self) -> tuple[bool, ...]:
        """Per degree of freedom, whether the truth lies within the 95 % interval that the method claims."""
        return tuple(abs(e) <= NORMAL_95 * s for e, s in zip(self.error, self.sigma, strict=True))


def run_trials(maker: TrialMaker, solve: Solve, seeds: Iterable[int]) -> Iterator[TrialOutcome]:
    """Solve the trials of ``seeds`` one after the other; stop iterating to stop.

    Args:
        maker: Makes the trials.
        solve: The method. Fields of :class:`TrialOutcome` that it returns beside the pose are taken over; ``seconds``
            and ``cpu_seconds`` (of this process) are measured here where it does not.
        seeds: One trial each.
    """
    for seed in seeds:
        trial = maker.make(seed)
        began, cpu_began = time.perf_counter(), time.process_time()
        pose, extras = solve(trial)
        measured = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
        yield TrialOutcome(
            seed, trial.errors(trial.start), NO_RESULT if pose is None else trial.errors(pose), **{**measured, **extras}
        )


def options_for(reach: Reach) -> RegistrationOptions:
    """The usual options, as wide as starts may be wrong; wider searches screen more."""
    usual = RegistrationOptions()
    factor = reach.degrees / Reach().degrees
    return replace(
        usual,
        spread_deg=factor * usual.spread_deg,
        reach_mm=max(reach.depth_mm, reach.plane_mm),
        screened=round(usual.screened * max(1.0, factor**1.3)),
    )


def registration_solver(
    bone: Attenuation,
    surroundings: Attenuation | None = None,
    options: RegistrationOptions | None = None,
    engine: Engine = "auto",
) -> Solve:
    """This library's registration as a method; what :class:`~XRayTo3DLib.errors.InputError` refuses has no result.

    Without ``options`` the search is told how wrong starts may be: :func:`options_for`.
    """

    def solve(trial: Trial) -> tuple[RigidPose | None, dict[str, Any]]:
        from XRayTo3DLib.registration.register import register

        began = time.perf_counter()
        try:
            result = register(
                bone,
                trial.views,
                trial.start,
                options or options_for(trial.reach),
                engine=engine,
                surroundings=surroundings,
            )
        except InputError as error:
            return None, {"problem": str(error)}
        return result.pose, {
            "seconds": result.seconds,
            "setup_seconds": max(time.perf_counter() - began - result.seconds, 0.0),
            "similarity": result.mean_similarity,
            "verdict": result.verdict.value,
            "agreeing": result.agreeing,
            "starts": result.starts,
            **_uncertainty(result, trial.truth),
        }

    return solve


def _uncertainty(result: RegistrationResult, truth: RigidPose) -> dict[str, Any]:
    """How sure the result says it is, and how far off it is, along the same degrees of freedom."""
    uncertainty = result.uncertainty
    if uncertainty is None:
        return {}
    error = uncertainty.error_of(result.pose, truth, result.centre)
    return {"sigma": tuple(uncertainty.deviations.tolist()), "error": tuple(error.tolist())}


@dataclass(frozen=True)
class Summary:
    """Figures of many trials; shares in percent, ``None`` where there is nothing to take a share of.

    Attributes:
        trials: How many.
        no_result: How many of them have no result; they count as failures.
        start_mm: Median mTRE of the starts, mm.
        mtre_mm: Median mTRE, mm.
        mtre_p90_mm: Its 90th percentile, mm.
        under: Share with mTRE under each of :data:`LIMITS_MM`.
        plane_mm: Median error in the first view's plane, mm.
        plane_under_1: Share with that under 1 mm.
        rotation_deg: Median angle to the truth, degrees.
        projection_mm: Median of the mean projection distances, mm on the first view's detector.
        seconds: Median.
        setup_seconds: Median.
        cpu_seconds: Median, set-up included.
        judged: Results with a verdict.
        converged: How many were called converged.
        converged_under: Of those, the share with mTRE under each of :data:`LIMITS_MM`.
        converged_plane_under_1: Of those, the share under 1 mm in the plane.
        covered: Per degree of freedom, the share of results whose 95 % interval holds the truth.
    """

    trials: int
    no_result: int
    start_mm: float
    mtre_mm: float
    mtre_p90_mm: float
    under: dict[float, float]
    plane_mm: float
    plane_under_1: float
    rotation_deg: float
    projection_mm: float
    seconds: float
    setup_seconds: float
    cpu_seconds: float
    judged: int
    converged: int
    converged_under: dict[float, float | None]
    converged_plane_under_1: float | None
    covered: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; what is infinite (no result) or undefined is ``None``."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def rows(self) -> list[tuple[str, str]]:
        """(measure, value) to print, the same measures for every summary."""
        return [
            ("trials", f"{self.trials}" + (f" ({self.no_result} without result)" if self.no_result else "")),
            ("start mTRE, median", f"{self.start_mm:.1f} mm"),
            ("mTRE, median", _mm(self.mtre_mm)),
            ("mTRE, 90th percentile", _mm(self.mtre_p90_mm)),
            *((f"mTRE under {limit:g} mm", _percent(share)) for limit, share in self.under.items()),
            ("in plane, median", _mm(self.plane_mm)),
            ("in plane under 1 mm", _percent(self.plane_under_1)),
            ("rotation, median", f"{self.rotation_deg:.2f} deg"),
            ("projection distance, median", _mm(self.projection_mm)),
            ("seconds, median", f"{self.seconds:.2f} s"),
            ("set-up seconds, median", f"{self.setup_seconds:.2f} s"),
            ("CPU seconds in all, median", f"{self.cpu_seconds:.2f} s"),
            ("called converged", f"{self.converged} of {self.judged}" if self.judged else "-"),
            *((f"  of these mTRE under {limit:g} mm", _percent(self.converged_under[limit])) for limit in (1.0, 2.0)),
            ("  of these in plane under 1 mm", _percent(self.converged_plane_under_1)),
            ("truth in the 95 % interval", _from_to(self.covered)),
        ]


def summarise(outcomes: Sequence[TrialOutcome]) -> Summary:
    """The figures of some outcomes.

    Raises:
        InputError: There are none.
    """
    if not outcomes:
        raise InputError("there is no registration trial to summarise; run at least one.")
    ends = [outcome.end for outcome in outcomes]
    converged = [outcome.end for outcome in outcomes if outcome.verdict == Verdict.CONVERGED.value]
    covered = [outcome.covered for outcome in outcomes if outcome.covered]
    mtre = [end.mtre_mm for end in ends]
    return Summary(
        trials=len(outcomes),
        no_result=sum(math.isinf(value) for value in mtre),
        start_mm=_percentile([outcome.start.mtre_mm for outcome in outcomes], 50),
        mtre_mm=_percentile(mtre, 50),
        mtre_p90_mm=_percentile(mtre, 90),
        under={limit: _share(end.mtre_mm < limit for end in ends) or 0.0 for limit in LIMITS_MM},
        plane_mm=_percentile([end.plane_mm for end in ends], 50),
        plane_under_1=_share(end.plane_mm < 1 for end in ends) or 0.0,
        rotation_deg=_percentile([end.rotation_deg for end in ends], 50),
        projection_mm=_percentile([end.projection_mm for end in ends], 50),
        seconds=_percentile([outcome.seconds for outcome in outcomes], 50),
        setup_seconds=_percentile([outcome.setup_seconds for outcome in outcomes], 50),
        cpu_seconds=_percentile([outcome.cpu_seconds for outcome in outcomes], 50),
        judged=sum(outcome.verdict != "" for outcome in outcomes),
        converged=len(converged),
        converged_under={limit: _share(end.mtre_mm < limit for end in converged) for limit in LIMITS_MM},
        converged_plane_under_1=_share(end.plane_mm < 1 for end in converged),
        covered=tuple(100 * np.mean(covered, axis=0)) if covered else (),
    )


def table_text(summaries: Mapping[str, Summary]) -> str:
    """Lines of a table: a column for each summary under its name, a row for each measure."""
    columns = [[name, *(value for _, value in summary.rows())] for name, summary in summaries.items()]
    measures = ["", *(measure for measure, _ in next(iter(summaries.values())).rows())]
    widths = [max(len(cell) for cell in column) for column in columns]
    left = max(len(measure) for measure in measures)
    lines = []
    for number, measure in enumerate(measures):
        cells = (column[number].rjust(width) for column, width in zip(columns, widths, strict=True))
        lines.append("  ".join([measure.ljust(left), *cells]))
    return "\n".join(lines)


def trials_csv(outcomes: Mapping[str, Sequence[TrialOutcome]]) -> str:
    """One line per trial, its group's name first; several numbers of one field are separated by spaces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    flat = [{"group": name, **_flat(outcome)} for name, group in outcomes.items() for outcome in group]
    writer.writerow(as_cells(flat[0]) if flat else [])
    writer.writerows(as_cells(row.values()) for row in flat)
    return text.getvalue()


def _flat(outcome: TrialOutcome) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in asdict(outcome).items():
        if isinstance(value, dict):
            row |= {f"{key}_{name}": f"{number:.6g}" for name, number in value.items()}
        elif isinstance(value, tuple):
            row[key] = " ".join(f"{float(number):.4g}" for number in value)
        else:
            row[key] = f"{value:.6g}" if isinstance(value, float) else value
    return row


def _percentile(values: Sequence[float], percent: float) -> float:
    """Linear between values; the larger of two where one is infinite."""
    method = "linear" if np.isfinite(values).all() else "higher"
    return float(np.percentile(values, percent, method=method))


def _share(good: Iterable[bool]) -> float | None:
    flags = list(good)
    return 100.0 * sum(flags) / len(flags) if flags else None


def _mm(value: float) -> str:
    return f"{value:.3f} mm" if value < 0.1 else f"{value:.2f} mm"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1f}".removesuffix(".0") + " %"


def _from_to(shares: Sequence[float]) -> str:
    """The lowest and the highest of the degrees of freedom."""
    return f"{min(shares):.0f} to {max(shares):.0f} %" if shares else "-"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"{key:g}": _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
