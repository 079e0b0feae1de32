"""Splits: by patient, everybody tested once, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.splits import fold_of, training_and_validation
from XRayTo3DLib.errors import InputError


def cases(patients: int, each: int = 2) -> list[DatasetCase]:
    names = [(f"p{n}", f"p{n}-{k}") for n in range(patients) for k in range(each)]
    return [DatasetCase(name, Path(name), patient, "train", "", ("radius",), "lps", True) for patient, name in names]


@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 5))
def test_everybody_is_tested_once_and_patients_stay_together(patients: int, folds: int, seed: int) -> None:
    if patients < folds:
        with pytest.raises(InputError, match="fewer"):
            fold_of(cases(patients), folds, 0, seed)
        return
    everybody = cases(patients)
    tested = []
    for fold in range(folds):
        rest, test = fold_of(everybody, folds, fold, seed)
        assert {c.patient for c in rest}.isdisjoint(c.patient for c in test)
        assert len(rest) + len(test) == len(everybody)
        assert abs(len(test) / 2 - patients / folds) < 1
        tested += test
    assert sorted(c.id for c in tested) == sorted(c.id for c in everybody)


@given(st.integers(2, 60), st.floats(0.05, 0.5))
def test_validation_takes_its_share(patients: int, share: float) -> None:
    training, validation = training_and_validation(cases(patients), share)
    assert {c.patient for c in training}.isdisjoint(c.patient for c in validation)
    assert len(validation) / 2 == pytest.approx(max(1, share * patients), abs=0.51)


def test_the_order_of_the_cases_does_not_matter_and_seeds_do() -> None:
    everybody = cases(30)
    first = fold_of(everybody, 4, 1)
    assert {c.id for c in fold_of(everybody[::-1], 4, 1)[1]} == {c.id for c in first[1]}
    assert {c.id for c in fold_of(everybody, 4, 1, seed=1)[1]} != {c.id for c in first[1]}


def test_bad_wishes() -> None:
    with pytest.raises(InputError, match="folds"):
        fold_of(cases(8), 4, 4)
    with pytest.raises(InputError, match="between 0 and 1"):
        training_and_validation(cases(8), 1.0)
    with pytest.raises(InputError, match="two patients"):
        training_and_validation(cases(1), 0.5)
