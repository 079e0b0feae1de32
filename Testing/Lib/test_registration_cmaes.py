"""CMA-ES on functions whose optimum is known, and its manners: one call per generation, own random numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import special_ortho_group

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.cmaes import Best, cmaes

Array = NDArray[np.float64]
TOP = np.array([1.0, -2.0, 3.0, 0.5, 40.0, -7.0])


def sphere(candidates: Array) -> Array:
    return -((candidates - TOP) ** 2).sum(axis=1)


def ellipsoid(candidates: Array) -> Array:
    """Axes a thousand times as long as others, turned at random."""
    turned = (candidates - TOP) @ special_ortho_group.rvs(6, random_state=3)
    return -(10 ** np.linspace(0, 6, 6) * turned**2).sum(axis=1)


def rastrigin(candidates: Array) -> Array:
    """About 10^6 local maxima; the global one, zero, is at the origin."""
    return -(10 * candidates.shape[1] + (candidates**2 - 10 * np.cos(2 * np.pi * candidates)).sum(axis=1))


def last(evaluate, start, sigma, **options) -> Best:
    options = {"population": 12, "evaluations": 6000, "seed": 1, **options}
    *_, best = cmaes(evaluate, start, sigma, **options)
    return best


@pytest.mark.parametrize("function", [sphere, ellipsoid], ids=["sphere", "turned ellipsoid"])
def test_the_top_of_one_hill_is_found(function) -> None:
    best = last(function, np.zeros(6), [3, 3, 3, 3, 30, 3])
    assert best.parameters == pytest.approx(TOP, abs=1e-3)
    assert best.value == pytest.approx(0.0, abs=1e-6)
    assert best.value == pytest.approx(function(best.parameters[None])[0], rel=1e-9)


def test_the_highest_of_many_hills_is_found() -> None:
    """Chance has a part: with this population 20 of 20 seeds found it, with 60 candidates 13."""
    best = last(rastrigin, np.full(3, 2.2), np.full(3, 3.0), population=200, evaluations=20000)
    assert best.parameters == pytest.approx(0, abs=1e-3) and best.value == pytest.approx(0, abs=1e-4)


def test_sigma_scales_the_parameters() -> None:
    """Degrees against micrometres: the same search, so the same steps in units of sigma."""
    scale = np.array([1.0, 1000.0])
    seen: list[Array] = []

    def noted(candidates: Array) -> Array:
        seen.append(candidates)
        return -((candidates / scale - 1) ** 2).sum(axis=1)

    best = last(noted, np.zeros(2), scale, evaluations=1200)
    assert best.parameters / scale == pytest.approx([1, 1], abs=1e-3)
    first = np.concatenate(seen[:3])
    assert 300 < first[:, 1].std() < 3000 and 0.3 < first[:, 0].std() < 3
    plain = last(lambda c: -((c - 1) ** 2).sum(axis=1), np.zeros(2), np.ones(2), evaluations=1200)
    assert best.parameters / scale == pytest.approx(plain.parameters, rel=1e-9)


def test_a_population_is_one_call_and_the_evaluations_are_kept() -> None:
    shapes = []

    def counted(candidates: Array) -> Array:
        shapes.append(candidates.shape)
        return sphere(candidates)

    steps = list(cmaes(counted, np.zeros(6), np.ones(6), population=10, evaluations=99, seed=0))
    assert shapes == [(10, 6)] * 9 and len(steps) == 9
    values = [value for _, value in steps]
    assert values == sorted(values) and values[-1] > values[0]


def test_whoever_stops_iterating_stops_the_search() -> None:
    calls = []

    def counted(candidates: Array) -> Array:
        calls.append(len(candidates))
        return sphere(candidates)

    search = cmaes(counted, np.zeros(6), np.ones(6), population=8, evaluations=8000, seed=0)
    assert calls == []
    for _ in range(3):
        next(search)
    search.close()
    assert calls == [8, 8, 8]


def test_it_ends_when_the_spread_is_small_enough() -> None:
    calls = []

    def counted(candidates: Array) -> Array:
        calls.append(len(candidates))
        return sphere(candidates)

    best = last(counted, np.zeros(6), np.full(6, 5.0), tolerance=0.01)
    few = sum(calls)
    calls.clear()
    last(counted, np.zeros(6), np.full(6, 5.0), tolerance=1e-6)
    assert few < sum(calls) < 6000
    assert best.parameters == pytest.approx(TOP, abs=0.5)


def test_the_seed_decides_and_the_global_random_numbers_do_not() -> None:
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    one = last(rastrigin, np.full(3, 2.2), np.ones(3), evaluations=240)
    np.random.seed(6)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    two = last(rastrigin, np.full(3, 2.2), np.ones(3), evaluations=240)
    after = np.random.get_state()  # noqa: NPY002
    other = last(rastrigin, np.full(3, 2.2), np.ones(3), evaluations=240, seed=2)
    assert np.array_equal(one.parameters, two.parameters) and one.value == two.value
    assert not np.array_equal(one.parameters, other.parameters)
    assert np.array_equal(before[1], after[1]) and before[2:] == after[2:]


def test_it_is_silent_and_leaves_no_file(tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'timeout': 0}", encoding="utf-8")  # cma would obey this file
    steps = list(cmaes(sphere, np.zeros(6), np.ones(6), population=8, evaluations=80, seed=0))
    assert len(steps) == 10
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""
    assert os.listdir(tmp_path) == ["cma_signals.in"]  # noqa: PTH208


def test_candidates_without_a_value_are_the_worst() -> None:
    """Half of the space has no value (a bone beside the beam): the top in the other half is still found."""

    def half(candidates: Array) -> Array:
        return np.where(candidates[:, 0] < 0, np.nan, sphere(candidates))

    best = last(half, np.zeros(6), [3, 3, 3, 3, 30, 3])
    assert best.parameters == pytest.approx(TOP, abs=1e-3)
    with pytest.raises(InputError, match="no candidate has a finite value"):
        last(lambda candidates: np.full(len(candidates), np.nan), np.zeros(2), np.ones(2))


def test_what_evaluate_does_to_its_candidates_stays_there() -> None:
    def rude(candidates: Array) -> Array:
        values = sphere(candidates)
        candidates[:] = 0
        return values

    best = last(rude, np.zeros(6), [3, 3, 3, 3, 30, 3])
    assert best.parameters == pytest.approx(TOP, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": [0.0]}, "at least 2 finite numbers"),
        ({"start": [0.0, np.nan]}, "at least 2 finite numbers"),
        ({"sigma": [1.0, 0.0]}, "2 numbers above zero"),
        ({"sigma": [1.0]}, "2 numbers above zero"),
        ({"population": 3}, "population 3"),
        ({"evaluations": 5}, "evaluations 5"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_bad_settings_are_refused_at_once(options, message) -> None:
    good = {"start": [0.0, 0.0], "sigma": [1.0, 1.0], "population": 8, "evaluations": 80, "seed": 0}
    with pytest.raises(InputError, match=message):
        cmaes(sphere, **{**good, **options})


def test_the_wrong_number_of_values_is_refused() -> None:
    with pytest.raises(InputError, match="8 candidates were given"):
        next(cmaes(lambda candidates: np.zeros(3), [0, 0], [1, 1], population=8, evaluations=80, seed=0))
