"""Are methods different: the tests of Shiode et al. 2021 (Shapiro-Wilk, Tukey-Kramer) and those for paired cases.

Tukey-Kramer takes the methods' cases as unrelated. They are the same cases, so the paired tests (Friedman over all
methods, Wilcoxon with Holm's correction between two) are the ones to believe where both are given.
A test that cannot be made has no p-value but a note that says why; nothing here fails on few or equal values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

MINIMUM = 3
"""Fewest values of a group that a test is made on."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Summary:
    """Numbers of one group; all NaN when it is empty.

    Attributes:
        n: Finite values.
        mean: Of them.
        sd: Sample standard deviation (n - 1); NaN below two values.
        median: Of them.
        low: Smallest.
        high: Largest.
    """

    n: int
    mean: float
    sd: float
    median: float
    low: float
    high: float

    def text(self, decimals: int = 2) -> str:
        """ "mean ± SD", the mean alone without SD, or a dash when empty."""
        if self.n == 0:
            return "–"
        spread = "" if math.isnan(self.sd) else f" ± {self.sd:.{decimals}f}"
        return f"{self.mean:.{decimals}f}{spread}"


@dataclass(frozen=True)
class GroupTest:
    """A test of one group, or of all groups together.

    Attributes:
        test: Its name.
        subject: The group, or "all".
        n: Values, or cases that all groups have.
        statistic: W, or chi-squared; NaN when not made.
        p: NaN when not made.
        note: Why it was not made; empty otherwise.
    """

    test: str
    subject: str
    n: int
    statistic: float = math.nan
    p: float = math.nan
    note: str = ""


@dataclass(frozen=True)
class PairTest:
    """A test between two groups.

    Attributes:
        test: Its name.
        first: One group.
        second: The other.
        n: Values of the smaller group (Tukey-Kramer), or pairs (Wilcoxon).
        difference: Mean of the first less mean of the second (Wilcoxon: median of the pairs' differences).
        low: Lower end of the difference's simultaneous 95 % interval; NaN for Wilcoxon.
        high: Upper end.
        p: Corrected for the number of pairs; NaN when not made.
        note: Why it was not made; empty otherwise.
    """

    test: str
    first: str
    second: str
    n: int
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    note: str = ""

    @property
    def significant(self) -> bool:
        """Whether p is below 0.05."""
        return self.p < SIGNIFICANT


@dataclass(frozen=True)
class MethodStatistics:
    """Everything about the same cases under several methods.

    Attributes:
        summaries: By method.
        normality: Shapiro-Wilk, one per method.
        tukey: Tukey-Kramer HSD, one per pair of methods.
        friedman: All methods, paired.
        wilcoxon: One per pair of methods, paired, Holm's correction.
    """

    summaries: dict[str, Summary]
    normality: tuple[GroupTest, ...]
    tukey: tuple[PairTest, ...]
    friedman: GroupTest
    wilcoxon: tuple[PairTest, ...]


def compare_methods(values: Mapping[str, Mapping[str, float]]) -> MethodStatistics:
    """All statistics of ``values[method][patient]``; NaN and missing patients are left out, pair by pair."""
    groups = {method: list(of.values()) for method, of in values.items()}
    return MethodStatistics(
        {method: summarise(group) for method, group in groups.items()},
        tuple(shapiro_wilk(group, method) for method, group in groups.items()),
        tukey_kramer(groups),
        friedman(values),
        wilcoxon_holm(values),
    )


def summarise(values: ArrayLike) -> Summary:
    """Mean, SD, median and range of the finite ones of ``values`` (n,)."""
    finite = _finite(values)
    if finite.size == 0:
        return Summary(0, *[math.nan] * 5)
    sd = float(finite.std(ddof=1)) if finite.size > 1 else math.nan
    numbers = (finite.mean(), sd, np.median(finite), finite.min(), finite.max())
    return Summary(int(finite.size), *map(float, numbers))


def shapiro_wilk(values: ArrayLike, subject: str = "") -> GroupTest:
    """Shapiro-Wilk test of normality of ``values`` (n,)."""
    finite, name = _finite(values), "Shapiro-Wilk"
    if finite.size < MINIMUM:
        return GroupTest(name, subject, finite.size, note=_few(finite.size))
    if _constant(finite):
        return GroupTest(name, subject, finite.size, note="all values are equal")
    result = stats.shapiro(finite)
    return GroupTest(name, subject, finite.size, float(result.statistic), float(result.pvalue))


def tukey_kramer(groups: Mapping[str, ArrayLike]) -> tuple[PairTest, ...]:
    """Tukey-Kramer HSD between every two of ``groups`` (unequal sizes allowed); p is for the whole family."""
    finite = {name: _finite(values) for name, values in groups.items()}
    usable = [name for name, values in finite.items() if values.size >= MINIMUM]
    varied = any(not _constant(finite[name]) for name in usable)
    result = stats.tukey_hsd(*[finite[name] for name in usable]) if len(usable) > 1 and varied else None
    interval = result.confidence_interval() if result is not None else None
    tests = []
    for first, second in combinations(finite, 2):
        n = min(finite[first].size, finite[second].size)
        base = ("Tukey-Kramer HSD", first, second, n)
        if n < MINIMUM:
            tests.append(PairTest(*base, note=_few(n)))
            continue
        difference = float(finite[first].mean() - finite[second].mean())
        if result is None or interval is None:
            tests.append(PairTest(*base, difference, note="no group varies"))
            continue
        i, j = usable.index(first), usable.index(second)
        numbers = (interval.low[i, j], interval.high[i, j], result.pvalue[i, j])
        tests.append(PairTest(*base, difference, *map(float, numbers)))
    return tuple(tests)


def friedman(values: Mapping[str, Mapping[str, float]]) -> GroupTest:
    """Friedman test over the patients that have a number under every method of ``values[method][patient]``."""
    patients = _common(list(values.values()))
    base = ("Friedman", "all", len(patients))
    if len(values) < 3:
        return GroupTest(*base, note="fewer than 3 methods")
    if len(patients) < MINIMUM:
        return GroupTest(*base, note=_few(len(patients)))
    columns = [np.array([of[patient] for patient in patients]) for of in values.values()]
    if all(np.array_equal(columns[0], column) for column in columns):
        return GroupTest(*base, note="all methods are equal")
    result = stats.friedmanchisquare(*columns)
    return GroupTest(*base, float(result.statistic), float(result.pvalue))


def wilcoxon_holm(values: Mapping[str, Mapping[str, float]]) -> tuple[PairTest, ...]:
    """Wilcoxon's signed-rank test between every two methods of ``values[method][patient]``, Holm-corrected."""
    raw = [_wilcoxon(first, second, values[first], values[second]) for first, second in combinations(values, 2)]
    made = [number for number, test in enumerate(raw) if not math.isnan(test.p)]
    corrected = dict(zip(made, holm([raw[number].p for number in made]), strict=True))
    return tuple(
        PairTest(t.test, t.first, t.second, t.n, t.difference, p=corrected.get(number, math.nan), note=t.note)
        for number, t in enumerate(raw)
    )


def _wilcoxon(first: str, second: str, one: Mapping[str, float], two: Mapping[str, float]) -> PairTest:
    patients = _common([one, two])
    base = ("Wilcoxon signed-rank, Holm", first, second, len(patients))
    if len(patients) < MINIMUM:
        return PairTest(*base, note=_few(len(patients)))
    differences = np.array([one[patient] - two[patient] for patient in patients])
    if not differences.any():
        return PairTest(*base, 0.0, note="all differences are zero")
    return PairTest(*base, float(np.median(differences)), p=float(stats.wilcoxon(differences).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6:65, 1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    steps = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values, dtype=np.float64)[order]), 1.0)
    corrected = np.empty(len(order))
    corrected[order] = steps
    return corrected.tolist()


def p_text(p: float) -> str:
    """ "0.034", "< 0.001", or a dash when there is none."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def stars(p: float) -> str:
    """One star below 0.05, two below 0.01, three below 0.001; "n.s." otherwise."""
    return next((mark for limit, mark in ((0.001, "***"), (0.01, "**"), (SIGNIFICANT, "*")) if p < limit), "n.s.")


def _finite(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def _constant(values: np.ndarray) -> bool:
    """Whether the spread is nothing but rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _common(groups: Sequence[Mapping[str, float]]) -> list[str]:
    """Patients that have a finite number in every group, in the first group's order."""
    if not groups:
        return []
    return [patient for patient in groups[0] if all(math.isfinite(of.get(patient, math.nan)) for of in groups)]


def _few(n: int) -> str:
    return "no values" if n == 0 else "1 value is too few" if n == 1 else f"{n} values are too few"
