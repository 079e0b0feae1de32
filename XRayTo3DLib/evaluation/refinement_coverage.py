"""Does a refinement's uncertainty hold what it says: coverage of intervals, and errors against predicted deviations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, spearmanr

from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome
from XRayTo3DLib.geometry.frames import FloatArray

NOMINAL = (0.5, 0.8, 0.95)
"""Intervals that are stated; errors are taken as normal with the posterior's standard deviations."""
CURVE = tuple(np.linspace(0.05, 0.99, 48).tolist())
BINS = 10
RESAMPLED = 400
"""Draws of people for the intervals of coverage."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Of one bone (or all) over people.

    Attributes:
        nominal: (p,) shares that intervals should hold.
        observed: (p,) shares of vertices that they hold.
        low: (p,) 2.5th percentile of that, people drawn anew with replacement.
        high: (p,) 97.5th.
        people: How many.
    """

    nominal: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    people: int

    @property
    def worst(self) -> float:
        """Largest difference from nominal."""
        return float(np.abs(self.observed - self.nominal).max())


@dataclass(frozen=True, eq=False)
class Foretold:
    """Errors against what was predicted of them.

    Attributes:
        predicted_mm: (bins,) root mean square predicted standard deviation of equally many vertices each.
        error_mm: (bins,) root mean square error of the same.
        by_vertex: Spearman's rank correlation of absolute error and predicted deviation over all vertices.
        by_case: The same over cases' bones: mean absolute error and mean predicted deviation.
        cases_predicted_mm: (c,) mean predicted deviation of each case's bone.
        cases_error_mm: (c,) mean absolute error of each.
        bones: (c,) which bone.
    """

    predicted_mm: FloatArray
    error_mm: FloatArray
    by_vertex: float
    by_case: float
    cases_predicted_mm: FloatArray
    cases_error_mm: FloatArray
    bones: tuple[str, ...]


def coverage(outcomes: Sequence[RefinedOutcome], nominal: Sequence[float] = NOMINAL, seed: int = 0) -> Coverage:
    """How often the true surface lies in intervals along vertices' normals, all judged vertices counting alike."""
    levels = np.asarray(nominal, dtype=np.float64)
    widths = norm.ppf(0.5 + levels / 2)
    held, counted = [], []
    for outcome in outcomes:
        known = np.isfinite(outcome.errors_mm)
        ratio = np.abs(outcome.errors_mm[known]) / outcome.sd_mm[known]
        held.append((ratio[:, None] <= widths).sum(axis=0))
        counted.append(int(known.sum()))
    inside, total = np.array(held, dtype=float), np.array(counted, dtype=float)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(total), (RESAMPLED, len(total)))
    again = inside[drawn].sum(axis=1) / total[drawn].sum(axis=1)[:, None]
    low, high = np.percentile(again, (2.5, 97.5), axis=0)
    return Coverage(levels, inside.sum(axis=0) / total.sum(), low, high, len(total))


def foretold(outcomes: Sequence[RefinedOutcome], bins: int = BINS) -> Foretold:
    """Errors by what was predicted of them, over vertices and over cases."""
    known = [np.isfinite(outcome.errors_mm) for outcome in outcomes]
    errors = np.concatenate([np.abs(o.errors_mm[k]) for o, k in zip(outcomes, known, strict=True)])
    predicted = np.concatenate([o.sd_mm[k] for o, k in zip(outcomes, known, strict=True)])
    order = np.array_split(np.argsort(predicted, kind="stable"), bins)
    case_error = np.array([np.mean(np.abs(o.errors_mm[k])) for o, k in zip(outcomes, known, strict=True)])
    case_sd = np.array([np.mean(o.sd_mm[k]) for o, k in zip(outcomes, known, strict=True)])
    return Foretold(
        np.array([np.sqrt(np.mean(predicted[part] ** 2)) for part in order]),
        np.array([np.sqrt(np.mean(errors[part] ** 2)) for part in order]),
        float(spearmanr(errors, predicted).statistic),
        float(spearmanr(case_error, case_sd).statistic) if len(case_error) > 2 else float("nan"),
        case_sd,
        case_error,
        tuple(outcome.bone for outcome in outcomes),
    )
