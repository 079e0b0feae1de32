"""Statistics of methods: against R's own published examples, and what must hold for any numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.evaluation.experiment_statistics import (
    compare_methods,
    friedman,
    holm,
    p_text,
    shapiro_wilk,
    stars,
    summarise,
    tukey_kramer,
    wilcoxon_holm,
)

# R's data set PlantGrowth; expected numbers are those of R's shapiro.test and TukeyHSD(aov(weight ~ group)).
PLANTS = {
    "ctrl": [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14],
    "trt1": [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    "trt2": [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26],
}
# Of R's help pages: ?wilcox.test (depression, Hollander and Wolfe 1973) and ?friedman.test (RoundingTimes).
DEPRESSION = {
    "first": [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
    "second": [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29],
}
ROUNDING = """5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60 5.40 5.40 5.35
5.45 5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45 5.60 5.35 5.45 5.05 5.00 4.95 5.50 5.50 5.40
5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55 5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55 6.30 6.30 6.25"""


def by_patient(groups):
    return {name: {f"p{k}": value for k, value in enumerate(values)} for name, values in groups.items()}


def test_shapiro_wilk_as_in_r():
    expected = {"ctrl": (0.95668, 0.7475), "trt1": (0.93041, 0.4519), "trt2": (0.94101, 0.5643)}
    for name, (statistic, p) in expected.items():
        test = shapiro_wilk(PLANTS[name], name)
        assert (test.statistic, test.p) == (pytest.approx(statistic, abs=6e-6), pytest.approx(p, abs=6e-5))


def test_tukey_as_in_r():
    tests = {(t.first, t.second): t for t in tukey_kramer(PLANTS)}
    # R writes second - first.
    expected = {
        ("ctrl", "trt1"): (-0.371, -1.0622161, 0.3202161, 0.3908711),
        ("ctrl", "trt2"): (0.494, -0.1972161, 1.1852161, 0.1979960),
        ("trt1", "trt2"): (0.865, 0.1737839, 1.5562161, 0.0120064),
    }
    for pair, (difference, low, high, p) in expected.items():
        test = tests[pair]
        assert (-test.difference, -test.high, -test.low) == pytest.approx((difference, low, high), abs=2e-4)
        assert test.p == pytest.approx(p, abs=2e-5)
        assert test.significant == (p < 0.05)


def test_wilcoxon_as_in_r():
    (test,) = wilcoxon_holm(by_patient(DEPRESSION))
    assert test.n == 9
    assert test.p == pytest.approx(0.0390625)
    assert test.difference == pytest.approx(0.49)


def test_friedman_as_in_r():
    columns = np.array(ROUNDING.split(), dtype=float).reshape(22, 3).T
    test = friedman(by_patient({"round out": columns[0], "narrow": columns[1], "wide": columns[2]}))
    assert (test.n, test.statistic, test.p) == (22, pytest.approx(11.143, abs=5e-4), pytest.approx(0.003805, abs=5e-7))


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_helps_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    assert max(corrected) == pytest.approx(corrected[int(np.argmax(p_values))])
    assert min(corrected) == pytest.approx(min(1, len(p_values) * min(p_values)))


def test_summary_by_hand():
    summary = summarise([1, 2, 6, math.nan])
    assert (summary.n, summary.mean, summary.median, summary.low, summary.high) == (3, 3, 2, 1, 6)
    assert summary.sd == pytest.approx(math.sqrt(7))
    assert summary.text() == "3.00 ± 2.65"
    assert summarise([1.5]).text(1) == "1.5"
    assert summarise([]).text() == "–"


def test_few_values_are_said_and_not_tested():
    result = compare_methods(by_patient({"a": [1, 2], "b": [2, 3, 5], "c": [4, math.nan, math.nan]}))
    assert "2 values are too few" in result.normality[0].note
    assert result.normality[1].note == ""
    assert result.friedman.note == "1 value is too few"
    for test in (*result.tukey, *result.wilcoxon):
        assert test.note
        assert math.isnan(test.p)
        assert not test.significant


def test_only_patients_of_both_methods_are_paired():
    values = by_patient({"a": [1, 2, 3, 4, 5, math.nan], "b": [2, 4, 6, 8, 10, 12, 14]})
    (test,) = wilcoxon_holm(values)
    assert (test.n, test.difference) == (5, -3)


def test_values_without_spread_are_said():
    same = by_patient({"a": [1, 1, 1], "b": [1, 1, 1], "c": [1, 1, 1]})
    result = compare_methods(same)
    notes = {test.note for test in (*result.normality, *result.tukey, result.friedman, *result.wilcoxon)}
    assert notes == {"all values are equal", "no group varies", "all methods are equal", "all differences are zero"}


def test_fewer_than_three_methods_have_no_friedman():
    assert friedman(by_patient(DEPRESSION)).note == "fewer than 3 methods"
    assert friedman({}).note


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1e6, math.nan]), max_size=6), min_size=1, max_size=4))
def test_any_numbers_give_a_p_or_a_reason(groups):
    result = compare_methods(by_patient({f"m{k}": values for k, values in enumerate(groups)}))
    for test in (*result.normality, *result.tukey, result.friedman, *result.wilcoxon):
        assert bool(test.note) == math.isnan(test.p)
        assert test.note or 0 <= test.p <= 1


def test_how_p_is_written():
    assert [p_text(p) for p in (0.034, 0.0002, math.nan)] == ["0.034", "< 0.001", "–"]
    assert [stars(p) for p in (0.0005, 0.005, 0.04, 0.05, math.nan)] == ["***", "**", "*", "n.s.", "n.s."]
