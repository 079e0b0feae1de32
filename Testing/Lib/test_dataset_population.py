"""A population of synthetic wrists on disk: whole, restartable, in shards; and what a data set folder refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from XRayTo3DLib.dataset.case import read_phantom
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.population import draw_person, write_population
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.anatomical_frame import wrist_frame

SMALL = {"spacing": 3.0, "length_mm": 60.0, "mesh_spacing": 1.5, "workers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("population")
    write_population(place, 3, 7, test=2, **SMALL)
    return place


def times(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("cases/*/ct.nrrd")}


def test_the_folder_is_a_data_set(folder: Path) -> None:
    dataset = DatasetFolder.open(folder)
    assert dataset.synthetic and "SYNTHETIC" in dataset.provenance and dataset.labels == ("radius", "ulna")
    assert [case.id for case in dataset.cases("train")] == ["wrist-0001", "wrist-0002", "wrist-0003"]
    assert len(dataset.cases("test")) == 2 and len(dataset.cases()) == 5
    for case in dataset.cases():
        ct = case.ct()
        assert ct.synthetic and set(ct.label_names) == {"radius", "ulna"}
        assert set(case.meshes()) == {"radius", "ulna"}
        assert wrist_frame(case.landmarks()).mirrored == (case.side == "left")
    assert dataset.case("wrist-0002").patient == "wrist-0002"


def test_people_are_those_drawn_and_turned(folder: Path) -> None:
    for number, split in ((1, "train"), (0, "test")):
        shape, turn, texture = draw_person(7, split, number, 4.0)
        name = f"wrist-{'test-' if split == 'test' else ''}{number + 1:04d}"
        assert read_phantom(folder / "cases" / name / "phantom.json") == (shape, texture)
        about = json.loads((folder / "cases" / name / "phantom.json").read_text())
        assert about["forearm_turn_deg"] == turn != 0.0
    people = [draw_person(7, split, n, 4.0) for split in ("train", "test") for n in range(60)]
    assert len({person[0] for person in people}) == len({person[2] for person in people}) == 120
    turns = np.array([person[1] for person in people])
    assert np.std(turns) == pytest.approx(4.0, rel=0.25) and np.abs(turns).max() <= 10.0
    assert {person[0].side for person in people} == {"left", "right"}


def test_it_goes_on_where_it_was_stopped(folder: Path) -> None:
    before = times(folder)
    (folder / "cases" / "wrist-0002" / "person.json").unlink()  # as if stopped while writing this one
    write_population(folder, 4, 7, test=2, **SMALL)
    after = times(folder)
    assert {name for name in after if after[name] != before.get(name)} == {"wrist-0002", "wrist-0004"}
    assert len(DatasetFolder.open(folder).cases("train")) == 4


def test_other_options_make_it_again(folder: Path) -> None:
    before = times(folder)
    write_population(folder, 1, 7, test=0, **(SMALL | {"spacing": 4.0}))
    assert times(folder)["wrist-0001"] != before["wrist-0001"]
    assert DatasetFolder.open(folder).case("wrist-0001").ct().spacing.tolist() == [4.0, 4.0, 4.0]


def test_shards_share_the_work(tmp_path: Path) -> None:
    write_population(tmp_path, 2, 7, test=1, shard=(1, 2), **SMALL)
    with pytest.raises(InputError, match=r"wrist-0002 \(1 in all\)"):
        DatasetFolder.open(tmp_path)
    assert len(times(tmp_path)) == 2
    write_population(tmp_path, 2, 7, test=1, shard=(2, 2), **SMALL)
    assert len(DatasetFolder.open(tmp_path).cases()) == 3


@pytest.mark.parametrize(
    "wrong", [{"people": 0}, {"seed": -1}, {"turn_sd_deg": 30.0}, {"shard": (3, 2)}, {"workers": 0}, {"spacing": 9.0}]
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        write_population(tmp_path, **({"people": 1, "seed": 0} | SMALL | wrong))
    assert not (tmp_path / "dataset.json").exists()


def change(content: dict[str, Any], **fields: Any) -> None:
    content["cases"][0] |= fields


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.pop("labels"), "labels"),
        (lambda c: c.update(labels=[]), "label"),
        (lambda c: c.update(cases=[]), "empty"),
        (lambda c: c.update(frame="ankle"), "ankle"),
        (lambda c: c.update(format="xrayto3d.dataset/9"), "dataset/9"),
        (lambda c: change(c, split="validate"), "validate"),
        (lambda c: change(c, side="up"), "up"),
        (lambda c: change(c, id="../elsewhere"), "elsewhere"),
        (lambda c: change(c, colour="red"), "colour"),
        (lambda c: change(c, id="nobody"), "nobody"),
        (lambda c: c["cases"].append(c["cases"][0]), "twice"),
        (lambda c: c["cases"].append({**c["cases"][0], "id": "wrist-0002", "split": "test"}), "both splits"),
    ],
)
def test_a_spoiled_dataset_json_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    (tmp_path / "cases" / "wrist-0001").mkdir(parents=True)
    content: dict[str, Any] = {
        "format": "xrayto3d.dataset/1",
        "anatomy": "distal forearm",
        "labels": ["radius"],
        "frame": "wrist",
        "synthetic": True,
        "provenance": "test",
        "licence": "none",
        "cases": [{"id": "wrist-0001", "patient": "a"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    dataset = DatasetFolder.open(tmp_path)
    with pytest.raises(InputError, match="test"):
        dataset.cases("test")
    with pytest.raises(InputError, match="wrist-0009"):
        dataset.case("wrist-0009")
    with pytest.raises(InputError, match="wrist-0001.*CT"):
        dataset.case("wrist-0001").ct()
    spoil(content)
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        DatasetFolder.open(tmp_path)
