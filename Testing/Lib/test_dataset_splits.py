"""Splits by patient: nobody on two sides, everybody tested once, the same every time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.dataset.dataset_folder import CaseEntry
from XRayTo3DLib.dataset.splits import patient_folds, training_validation
from XRayTo3DLib.errors import InputError


def people(counts: list[int]) -> list[CaseEntry]:
    """So many cases of each person."""
    return [CaseEntry(f"case-{p}-{n}", f"person-{p}") for p, count in enumerate(counts) for n in range(count)]


@given(st.lists(st.integers(1, 3), min_size=6, max_size=40), st.integers(2, 4), st.integers(0, 99))
def test_folds(counts: list[int], folds: int, seed: int) -> None:
    cases = people(counts)
    patient = {case.id: case.patient for case in cases}
    made = patient_folds(cases, folds, seed)
    assert Counter(name for fold in made for name in fold.test) == Counter(patient.keys())
    for fold in made:
        sides = [{patient[name] for name in part} for part in (fold.train, fold.validation, fold.test)]
        assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        assert sorted((*fold.train, *fold.validation, *fold.test)) == sorted(patient)
        assert abs(len(sides[2]) - len(counts) / folds) < 1
        assert len(sides[1]) == max(1, round(0.15 * len(sides[0] | sides[1])))
    shuffled = [cases[i] for i in np.random.default_rng(seed).permutation(len(cases))]
    assert patient_folds(shuffled, folds, seed) == made


def test_the_papers_numbers() -> None:
    fold = patient_folds(people([1] * 40))[0]
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (26, 4, 10)  # 85 % and 15 % of 30 are 25.5, 4.5


def test_the_seed_matters() -> None:
    cases = people([1] * 20)
    assert patient_folds(cases, seed=1) != patient_folds(cases, seed=2)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(InputError, match="3 patients"):
        patient_folds(people([2, 2, 2]), 4)
    with pytest.raises(InputError, match="too few"):
        training_validation(people([5]))
    with pytest.raises(InputError, match="share"):
        training_validation(people([1, 1]), 1.0)
    train, validation = training_validation(people([1, 1]), 0.0)
    assert len(train) == 2 and not validation
