"""Who is tested: by person, always alike, and dataset.json keeps everything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.resplit import planned_split, resplit, split_of
from XRayTo3DLib.errors import InputError

ABOUT = {
    "anatomy": "knee", "labels": ["femur"], "frame": "lps", "synthetic": False, "provenance": "here", "licence": "none",
    "preparation": {"spacing_mm": 2.0}, "made_with": {"of ours": [1, 2]},
}  # fmt: skip


def write(folder: Path, patients: list[str]) -> Path:
    """A case for each entry of ``patients``; ids in another order than names."""
    entries = [CaseEntry(f"c{len(patients) - n}", name, "train", "left") for n, name in enumerate(patients)]
    for entry in entries:
        (folder / "cases" / entry.id).mkdir(parents=True)
    write_dataset_json(folder, entries, ABOUT)
    return folder


@settings(max_examples=30, deadline=None)
@given(
    patients=st.lists(st.sampled_from("ABCDEFGHIJ"), min_size=2, max_size=25).filter(lambda names: len(set(names)) > 1),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 99),
)
def test_people_stay_together_and_the_share_is_theirs(
    tmp_path_factory: Any, patients: list[str], share: float, seed: int
) -> None:
    folder, count = write(tmp_path_factory.mktemp("split"), patients), len(set(patients))
    wanted = max(1, round(share * count)) if share > 0 else 0
    if wanted == count:
        with pytest.raises(InputError, match="leave at least one to train on"):
            resplit(folder, share=share, seed=seed)
        return
    planned = planned_split(DatasetFolder.open(folder), share=share, seed=seed)
    split = resplit(folder, share=share, seed=seed)
    assert planned == split and (split.test_people, split.train_people) == (wanted, count - wanted)
    dataset = DatasetFolder.open(folder)  # refuses a patient in both splits
    assert sorted(split.train + split.test) == sorted(entry.id for entry in dataset.entries)
    assert {entry.id for entry in dataset.entries if entry.split == "test"} == set(split.test) == set(split.moved)
    assert resplit(folder, people=wanted, seed=seed).moved == (), "a number is the share it comes to"
    reverse = write(tmp_path_factory.mktemp("split"), patients[::-1])
    again = resplit(reverse, share=share, seed=seed)
    whose = {entry.id: entry.patient for entry in DatasetFolder.open(reverse).entries}
    assert {whose[name] for name in again.test} == {e.patient for e in dataset.entries if e.split == "test"}


def test_what_else_dataset_json_says_stays(tmp_path: Path) -> None:
    folder = write(tmp_path, ["A", "B", "B", "C"])
    path = folder / "dataset.json"
    before = json.loads(path.read_text())
    before["cases"][0]["group"] = "healthy"
    path.write_text(json.dumps(before))
    split = resplit(folder, cases=["c3"])
    assert (split.test, split.test_people, split.moved) == (("c3", "c2"), 1, ("c3", "c2")), "the other one of B too"
    after = json.loads(path.read_text())
    for case in (*before["cases"], *after["cases"]):
        del case["split"]
    assert after == before
    assert split_of(DatasetFolder.open(folder).entries).test == split.test
    assert resplit(folder, share=0).test == ()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"share": 1.0}, "share of 1 cannot be"),
        ({"share": -0.1}, "share of -0.1 cannot be"),
        ({"people": 3}, "has 3 people, of whom 3 cannot be tested"),
        ({"people": -1}, "whom -1 cannot be tested"),
        ({"cases": ["c1", "c9"]}, "no case 'c9'"),
        ({"cases": ["c1", "c2", "c3"]}, "nobody is left to train on"),
        ({"share": 0.5, "people": 1}, "exactly one of them"),
        ({}, "exactly one of them"),
        ({"share": 0.5, "seed": -1}, "seed of -1"),
    ],
)
def test_splits_that_cannot_be_change_nothing(tmp_path: Path, how: dict[str, Any], text: str) -> None:
    folder = write(tmp_path, ["A", "B", "C"])
    before = (folder / "dataset.json").read_bytes()
    with pytest.raises(InputError, match=text):
        resplit(folder, **how)
    assert (folder / "dataset.json").read_bytes() == before


def test_as_a_user_runs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, [*"ABCDEFGHI", "A"])
    assert main(["dataset", "split", str(folder), "--test", "3", "--seed", "1", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["test_people"] == 3 and content["train_people"] == 6
    assert main(["dataset", "split", str(folder), "--test", "0.33", "--seed", "1"]) == 0
    assert "(people: 3); changed sides: 0." in capsys.readouterr().out
    assert main(["dataset", "split", str(folder), "--cases", "c1"]) == 0
    assert "to test on: 2 (people: 1)" in capsys.readouterr().out
    assert main(["dataset", "split", str(folder), "--test", "many"]) == 2
    assert "--test 'many' is no number" in capsys.readouterr().err
