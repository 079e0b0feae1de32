"""Deal the people of a data set anew to training and test; a person's cases stay together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder, check_entries, read_dataset_json
from XRayTo3DLib.dataset.turns import changing_list
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_json


@dataclass(frozen=True)
class Split:
    """Who is on which side.

    Attributes:
        train: Ids of the cases to learn from.
        test: Ids of the cases to test on.
        train_people: How many people those are.
        test_people: How many people those are.
        moved: Ids of cases that changed sides.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    train_people: int
    test_people: int
    moved: tuple[str, ...] = ()

    def in_words(self) -> str:
        """One sentence."""
        return (
            f"cases to train on: {len(self.train)} (people: {self.train_people}); to test on: {len(self.test)} "
            f"(people: {self.test_people}); changed sides: {len(self.moved)}."
        )


def resplit(
    folder: Path | str,
    *,
    share: float | None = None,
    people: int | None = None,
    cases: Sequence[str] | None = None,
    seed: int = 0,
) -> Split:
    """Write who is tested into ``dataset.json``; everything else in it stays. Exactly one way to say it is given.

    The order of the cases does not matter, nor what the split was before.

    Args:
        folder: The data set.
        share: Of the people that are tested, 0 to less than 1; above 0 at least one person.
        people: How many people are tested, 0 to all but one.
        cases: Ids of cases that are tested; other cases of these people are too.
        seed: Of the choice.

    Raises:
        InputError: No data set, not one way, a number out of range, an unknown case, or nobody left to train on.
    """
    path = Path(folder) / "dataset.json"
    DatasetFolder.open(folder)  # no lock where there is none
    with changing_list(path.parent):
        changed, split = _planned(DatasetFolder.open(folder), share, people, cases, seed)
        content = read_dataset_json(path.parent)
        written = [known | {"split": entry.split} for known, entry in zip(content["cases"], changed, strict=True)]
        write_json(path, content | {"cases": written})
    return split


def planned_split(dataset: DatasetFolder, *, share: float, seed: int = 0) -> Split:
    """What :func:`resplit` would give; nothing is written. Raises InputError as it does."""
    return _planned(dataset, share, None, None, seed)[1]


def _planned(
    dataset: DatasetFolder, share: float | None, people: int | None, cases: Sequence[str] | None, seed: int
) -> tuple[list[CaseEntry], Split]:
    if sum(value is not None for value in (share, people, cases)) != 1:
        raise InputError("split: give a share, a number of people, or cases: exactly one of them.")
    if seed < 0:
        raise InputError(f"split: a seed of {seed} cannot be; use 0 or more.")
    tested = _of_cases(dataset, cases) if cases is not None else _drawn(dataset, share, people, seed)
    changed = [replace(entry, split="test" if entry.patient in tested else "train") for entry in dataset.entries]
    if all(entry.split == "test" for entry in changed):
        raise InputError("split: nobody is left to train on; test fewer people.")
    check_entries(changed, f"dataset {dataset.folder.name}")
    moved = tuple(new.id for old, new in zip(dataset.entries, changed, strict=True) if old.split != new.split)
    return changed, replace(split_of(changed), moved=moved)


def split_of(entries: Sequence[CaseEntry]) -> Split:
    """The split as it is."""
    ids = {side: tuple(entry.id for entry in entries if entry.split == side) for side in ("train", "test")}
    people = {side: len({entry.patient for entry in entries if entry.split == side}) for side in ("train", "test")}
    return Split(ids["train"], ids["test"], people["train"], people["test"])


def _drawn(dataset: DatasetFolder, share: float | None, people: int | None, seed: int) -> set[str]:
    names = sorted({entry.patient for entry in dataset.entries})
    if share is not None:
        if not 0 <= share < 1:
            raise InputError(f"split: a share of {share:g} cannot be; use 0 to less than 1.")
        people = max(1, round(share * len(names))) if share > 0 else 0
    assert people is not None
    if not 0 <= people < len(names):
        told = f"{dataset.folder / 'dataset.json'} has {len(names)} people, of whom {people} cannot be tested"
        raise InputError(f"split: {told}; leave at least one to train on.")
    return {names[index] for index in np.random.default_rng(seed).permutation(len(names))[:people]}


def _of_cases(dataset: DatasetFolder, cases: Sequence[str]) -> set[str]:
    patients = {entry.id: entry.patient for entry in dataset.entries}
    if unknown := [name for name in cases if name not in patients]:
        raise InputError(f"split: the data set has no case {unknown[0]!r}.")
    return {patients[name] for name in cases}
