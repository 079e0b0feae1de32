"""Who is trained on, validated on and tested: always by patient, always the same for the same names and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError

Cases = Sequence[DatasetCase]


def fold_of(
    cases: Cases, folds: int = 4, fold: int = 0, seed: int = 0
) -> tuple[tuple[DatasetCase, ...], tuple[DatasetCase, ...]]:
    """Cases to train on, and those of fold ``fold`` to test on; over all folds everybody is tested once.

    Args:
        cases: In any order.
        folds: How many; Shiode et al. (Sci Rep 11:15249, 2021): four.
        fold: Which is tested, 0 to ``folds`` - 1.
        seed: Another seed makes other folds.

    Raises:
        InputError: Fewer than two folds, no such fold, or fewer patients than folds.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise InputError(f"folds: there are {folds} and {fold} is asked for; give 2 or more, and a fold from 0 on.")
    patients = _shuffled(cases, seed, "fold")
    if len(patients) < folds:
        raise InputError(f"{len(patients)} patients cannot be split into {folds} folds; use fewer.")
    tested = set(patients[fold::folds])
    return _parted(cases, tested)


def training_and_validation(
    cases: Cases, validation_share: float = 0.15, seed: int = 0
) -> tuple[tuple[DatasetCase, ...], tuple[DatasetCase, ...]]:
    """Cases to learn from, and those of about ``validation_share`` of the patients (one at least) to validate on.

    Raises:
        InputError: A share that is not between 0 and 1, or a single patient.
    """
    if not 0 < validation_share < 1:
        raise InputError(f"the share for validation must lie between 0 and 1, not {validation_share:g}.")
    patients = _shuffled(cases, seed, "validation")
    if len(patients) < 2:
        raise InputError("training and validation need two patients at least; add cases to the data set.")
    count = min(max(1, round(validation_share * len(patients))), len(patients) - 1)
    return _parted(cases, set(patients[:count]))


def _shuffled(cases: Cases, seed: int, purpose: str) -> list[str]:
    """Patients in an order that depends on their names alone: a new patient moves nobody else."""
    patients = {case.patient for case in cases}
    return sorted(patients, key=lambda name: hashlib.sha256(f"{purpose}\0{seed}\0{name}".encode()).digest())


def _parted(cases: Cases, chosen: set[str]) -> tuple[tuple[DatasetCase, ...], tuple[DatasetCase, ...]]:
    rest = tuple(case for case in cases if case.patient not in chosen)
    return rest, tuple(case for case in cases if case.patient in chosen)
