"""Patient-wise splits: cases of one person are always on the same side, or a test would know its patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from XRayTo3DLib.errors import InputError


class OfPatient(Protocol):
    """Anything that belongs to a person: a data set's entry, a case, a prepared case."""

    @property
    def id(self) -> str:
        """Its own name."""
        ...

    @property
    def patient(self) -> str:
        """Which person."""
        ...


Item = TypeVar("Item", bound=OfPatient)

FOLDS = 4
VALIDATION_SHARE = 0.15
"""Shiode et al. (Sci Rep 11:15249, 2021): four folds by patient, 85 % training and 15 % validation inside."""


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation, by case id.

    Attributes:
        number: From 0.
        train: To learn from.
        validation: To choose and stop by.
        test: To report; every case is in the test of exactly one fold.
    """

    number: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def patient_folds(
    cases: Sequence[OfPatient], folds: int = FOLDS, seed: int = 0, validation_share: float = VALIDATION_SHARE
) -> tuple[Fold, ...]:
    """Deal patients into folds; the order of ``cases`` does not matter, the seed does.

    Args:
        cases: All cases to use.
        folds: How many, 2 or more; as many as patients is leave-one-out.
        seed: Of the dealing.
        validation_share: Of the patients that are not tested, 0 to less than 1.

    Raises:
        InputError: Fewer patients than folds, or too few to train and validate.
    """
    patients = _shuffled(cases, seed)
    if folds < 2 or folds > len(patients):
        raise InputError(
            f"splits: {len(patients)} patients cannot be dealt into {folds} folds; use 2 to {len(patients)}."
        )
    result = []
    for number in range(folds):
        tested = set(patients[number::folds])
        rest = [case for case in cases if case.patient not in tested]
        train, validation = training_validation(rest, validation_share, seed)
        result.append(Fold(number, _ids(train), _ids(validation), _ids([c for c in cases if c.patient in tested])))
    return tuple(result)


def training_validation(
    cases: Sequence[Item], share: float = VALIDATION_SHARE, seed: int = 0
) -> tuple[list[Item], list[Item]]:
    """Split cases by patient into training and validation, in their given order.

    Args:
        cases: To split.
        share: Of the patients that go to validation, rounded, at least one if above 0.
        seed: Of the choice.

    Raises:
        InputError: A share outside 0 to 1, or nobody left to train on.
    """
    if not 0.0 <= share < 1.0:
        raise InputError(f"splits: a validation share of {share:g} cannot be; use 0 to less than 1.")
    patients = _shuffled(cases, seed)
    count = max(1, round(share * len(patients))) if share > 0 else 0
    if count >= len(patients):
        raise InputError(f"splits: {len(patients)} patients are too few to train and validate; add cases.")
    chosen = set(patients[:count])
    return [c for c in cases if c.patient not in chosen], [c for c in cases if c.patient in chosen]


def _shuffled(cases: Sequence[OfPatient], seed: int) -> list[str]:
    names = sorted({case.patient for case in cases})
    return [names[index] for index in np.random.default_rng(seed).permutation(len(names))]


def _ids(cases: Sequence[OfPatient]) -> tuple[str, ...]:
    return tuple(sorted(case.id for case in cases))
