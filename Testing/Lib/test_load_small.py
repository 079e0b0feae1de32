"""Load, counted instead of timed: work for a case must not depend on how many there are, nor memory on all of them.

The long runs are Testing/Soak/soak_load_*.py; their figures are in docs/faults.md.
"""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from case_view_cases import TRUTH, bone, bone_volume, bones, drr
from solids import sphere

from XRayTo3DLib.dataset.case_table import import_cases, read_case_table
from XRayTo3DLib.dataset.dataset_builder import start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder, check_entries, write_dataset_json
from XRayTo3DLib.dataset.lazily_read import LazilyRead
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels

MOST_COMPARISONS = 8
"""Of names for each case: with all others it would be as many as there are cases."""


class Counted(str):
    """A name that notes how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


def entries(count: int) -> tuple[CaseEntry, ...]:
    return tuple(CaseEntry(Counted(f"case-{n:04d}"), f"P{n}") for n in range(count))


def test_a_data_set_is_checked_without_comparing_every_two_cases() -> None:
    Counted.compared = 0
    check_entries(entries(400), "dataset")
    assert Counted.compared <= MOST_COMPARISONS * 400


def test_a_fold_is_made_without_comparing_every_two_cases() -> None:
    from XRayTo3DLib.methods.data import _fold

    Counted.compared = 0
    parts = _fold(entries(400), SimpleNamespace(folds=4, fold=1, validation_share=0.15))  # type: ignore[arg-type]
    assert sum(map(len, parts)) == 400
    assert Counted.compared <= MOST_COMPARISONS * 400


# ---- importing -------------------------------------------------------------------------------------------------------


def test_importing_reads_the_data_set_once_whatever_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line read dataset.json three times and looked at the folders of all cases: the time grew with the cube."""
    write_ct(bone_volume(), tmp_path / "ct.nrrd")
    write_labels(bone_volume(), tmp_path / "labels.seg.nrrd")
    read, looked = _counted(monkeypatch, "read_text"), _counted(monkeypatch, "is_dir")
    times = []
    for count in (2, 8):
        (tmp_path / "cases.csv").write_text(
            "id,ct,labels\n" + "".join(f"case-{n},ct.nrrd,labels.seg.nrrd\n" for n in range(count))
        )
        start_dataset(tmp_path / f"{count}", bones=["bone"], frame="lps")
        read.clear(), looked.clear()
        assert {
            each.action for each in import_cases(tmp_path / f"{count}", read_case_table(tmp_path / "cases.csv"))
        } == {"added"}
        times.append((sum(path.name == "dataset.json" for path in read), len(looked) / count))
        assert len(DatasetFolder.open(tmp_path / f"{count}").cases()) == count
    assert times[1][0] == times[0][0]
    assert times[1][1] <= times[0][1]


def test_a_change_from_outside_is_not_lost_while_cases_come_in(tmp_path: Path) -> None:
    """Somebody splits the data set while a table is imported."""
    from XRayTo3DLib.dataset.dataset_builder import GrowingDataset
    from XRayTo3DLib.dataset.resplit import resplit

    start_dataset(tmp_path / "mine", bones=["bone"], frame="lps", licence="ours")
    dataset = GrowingDataset(tmp_path / "mine")
    for n in range(2):
        dataset.add(CaseEntry(f"case-{n}", f"P{n}"), bone_volume())
    resplit(tmp_path / "mine", cases=["case-0"])
    dataset.add(CaseEntry("case-2", "P2"), bone_volume())
    opened = DatasetFolder.open(tmp_path / "mine")
    assert [entry.split for entry in opened.entries] == ["test", "train", "train"]
    assert opened.licence == "ours" and dataset.case("case-0").split == "test"


def test_dataset_json_is_a_line_per_case(tmp_path: Path) -> None:
    known = tuple(CaseEntry(f"case-{n}", 'P"1"', side="left", group="ä") for n in range(3))
    about = {"anatomy": "bone", "labels": ["bone"], "frame": "lps", "synthetic": True, "provenance": "", "licence": ""}
    for entry in known:
        (tmp_path / "cases" / entry.id).mkdir(parents=True)
    text = write_dataset_json(tmp_path, known, about).read_text()
    assert sum('"id"' in line for line in text.splitlines()) == 3
    assert DatasetFolder.open(tmp_path).entries == known


def _counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Path]:
    """The paths of which something is asked from now on."""
    asked: list[Path] = []
    real = getattr(Path, name)

    def noted(self: Path, *args: Any, **more: Any) -> Any:
        asked.append(self)
        return real(self, *args, **more)

    monkeypatch.setattr(Path, name, noted)
    return asked


# ---- what stays in memory --------------------------------------------------------------------------------------------


def test_items_stay_in_memory_by_their_size_not_their_number() -> None:
    read: list[int] = []

    def item(place: int) -> np.ndarray:
        read.append(place)
        return np.zeros(place, np.uint8)

    sizes = [100] * 20 + [1000] * 3
    items = LazilyRead(sizes, item, lambda each: each.nbytes, 450)
    assert [len(each) for each in items] == sizes and len(read) == 23
    assert items[-1] is items[-1] and len(read) == 23  # the newest stays, although it is larger than allowed
    assert len(items[21]) == 1000 and len(read) == 24
    small = [items[n] for n in range(4)]
    assert all(items[n] is small[n] for n in range(4)) and len(read) == 28
    assert items[4] is not None and items[1] is small[1] and items[0] is not small[0]


@dataclass(frozen=True, eq=False)
class FakeSample:
    images: torch.Tensor
    soft_labels: np.ndarray
    case_index: torch.Tensor
    poses: np.ndarray
    cameras: tuple[Any, ...]


class FakeExposures:
    """Exposures with large labels."""

    LABELS = 40_000

    def __init__(self, people: int) -> None:
        self.people, self.items = people, []

    def __len__(self) -> int:
        return self.people

    def sample(self, stage: str, items: Any) -> FakeSample:
        assert stage == "test"
        self.items += list(items)
        count = len(items)
        labels = np.ones((count, self.LABELS), np.float32)
        poses = np.stack([np.eye(4)] * count)
        return FakeSample(torch.zeros(count, 1, 2, 2), labels, torch.tensor(list(items)), poses, ((),) * count)


def peak_of(work: Any) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_people_are_tested_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels and shapes of all test people were made at once: 34 MB a person at the paper's size."""
    from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
    from XRayTo3DLib.methods import finish, validation

    monkeypatch.setattr(validation, "truth_meshes", lambda case: {})
    predictor = SimpleNamespace(predict=lambda images, cameras: [{"bone": np.ones(40_000)} for _ in images])
    data = SimpleNamespace(labels=("bone",), voxels=VoxelGrid(4, 1.0, (0.0, 0.0, 0.0)))
    peaks = []
    for count in (16, 96):
        exposures = FakeExposures(count)
        monkeypatch.setattr(finish, "exposures_of", lambda *_, known=exposures: known)
        people = SimpleNamespace(test=SimpleNamespace(cases=list(range(count))))
        peaks.append(peak_of(lambda people=people: finish.tested(data, 0, people, predictor)))  # type: ignore[arg-type]
        assert exposures.items == list(range(count))
    assert peaks[1] < 1.2 * peaks[0]


def test_an_experiment_asks_a_method_for_a_few_people_at_a_time() -> None:
    from XRayTo3DLib.experiments.trials import _shapes
    from XRayTo3DLib.methods.validation import TESTED_AT_ONCE

    asked: list[tuple[int, int]] = []

    def predict(images: np.ndarray, cameras: Any) -> list[float]:
        asked.append((len(images), len(cameras)))
        return images[:, 0].tolist()

    took: list[float] = []
    found = _shapes(SimpleNamespace(predict=predict), np.arange(20.0)[:, None], [()] * 20, took)  # type: ignore[arg-type]
    assert next(found) == 0.0 and len(asked) == 1
    assert list(found) == list(range(1, 20)) and len(took) == len(asked)
    assert asked == [(TESTED_AT_ONCE,) * 2] * 2 + [(4, 4)]


def test_whether_people_are_made_up_is_read_from_heads_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every prepared volume was read, and up to 512 of each part kept, to learn one bit."""
    from XRayTo3DLib.dataset import prepared_files
    from XRayTo3DLib.dataset.prepared import PreparedCase
    from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame
    from XRayTo3DLib.methods import data

    volume = np.zeros((2, 2, 2), np.float16)
    for name in ("made-up", "real"):
        case = PreparedCase(
            name,
            volume,
            volume[None],
            1.0,
            np.zeros(3),
            ("bone",),
            name == "made-up",
            name,
            AnatomicalFrame(np.eye(4), False),
        )
        prepared_files._write(case, tmp_path / f"{name}.safetensors", "key")
    monkeypatch.setattr(prepared_files, "prepared_file", lambda case: tmp_path / f"{case}.safetensors")
    monkeypatch.setattr(prepared_files, "read_prepared", lambda path: pytest.fail(f"{path} was read"))
    dataset = SimpleNamespace(labels=("bone",), synthetic=False)
    for test, expected in (("real", False), ("made-up", True)):
        monkeypatch.setattr(data, "split_cases", lambda *_, test=test: (dataset, (("real",), ("real",), (test,))))
        configuration = SimpleNamespace(folder="", labels=("bone",))
        assert data.people_of(configuration, tmp_path).synthetic is expected  # type: ignore[arg-type]


def test_pairs_are_made_one_person_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bones and radiographs of all people were in memory until the last was read."""
    from XRayTo3DLib.methods.image_translation import pairs

    class Bones:
        synthetic = True

    alive: weakref.WeakSet[Bones] = weakref.WeakSet()
    most = 0

    def read(_path: object) -> Bones:
        nonlocal most
        found = Bones()
        alive.add(found)
        most = max(most, len(alive))
        return found

    def pair(case: Any, view: str, bones: Bones) -> Any:
        picture = np.full((2, 2), case)
        shown = SimpleNamespace(image=picture, drr=picture, pose=(case, view))
        radiograph = SimpleNamespace(synthetic=False)
        return SimpleNamespace(case=bones, radiograph=radiograph, canonical=lambda _view: shown)

    for name, stand_in in (("read_prepared", read), ("prepared_file", lambda case: case), ("read_pair", pair)):
        monkeypatch.setattr(pairs, name, stand_in)
    views = tuple(SimpleNamespace(view=name) for name in ("PA", "LAT"))
    found = pairs.canonical_pairs(tuple(range(9)), SimpleNamespace(canonical_views=views))  # type: ignore[arg-type]
    assert most <= 2
    assert found.cases == tuple(range(9)) * 2 and found.synthetic
    assert list(found.poses) == [(case, view) for view in ("PA", "LAT") for case in range(9)]
    assert [int(image[0, 0]) for image in found.drrs] == list(range(9)) * 2


# ---- pictures --------------------------------------------------------------------------------------------------------


def overlay_of_registration(radiograph: Any) -> bytes:
    from XRayTo3DLib.evaluation.overlay import registration_overlay

    return registration_overlay(radiograph, bone(), TRUTH)


def overlay_of_reconstruction(radiograph: Any) -> bytes:
    from XRayTo3DLib.evaluation.reconstruction_overlay import reconstruction_overlay

    return reconstruction_overlay(radiograph, {"bone": sphere(20.0, 8)})


@pytest.mark.parametrize("draw", [overlay_of_registration, overlay_of_reconstruction])
def test_a_picture_leaves_nothing_of_a_radiograph_in_memory(draw: Any) -> None:
    """Copies of seventy radiographs waited for Python's collector, 4 GB where a radiograph has 30 MB."""
    small = drr()
    pixels = np.tile(small.pixels, (4, 4))
    large = replace(small, pixels=pixels, camera=replace(small.camera, size=(pixels.shape[1], pixels.shape[0])))
    left = [left_by(lambda shown=shown: draw(shown)) for shown in (small, large)]
    assert left[1] - left[0] < pixels.nbytes / 2


def left_by(work: Any) -> int:
    """Bytes that a call leaves behind until the collector comes; those of a first call are of modules and caches."""
    work()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
        gc.collect()


# ---- one of many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("radiograph", RuntimeError("a decoder that nobody knows"), "case-1, view pa: unexpected RuntimeError"),
        ("radiograph", MemoryError(), "case-1, view pa: there is not enough memory"),
        ("ct", ZeroDivisionError("of a CT"), "case-1, view pa: unexpected ZeroDivisionError"),
        ("camera.json", PermissionError(13, "Permission denied"), "camera.json cannot be opened (Permission denied)"),
    ],
)
def test_a_pair_that_cannot_even_be_read_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, said: str
) -> None:
    """Only errors that the readers foresee were caught there: any other ended the batch."""
    from XRayTo3DLib.dataset.batch_registration import register_dataset
    from XRayTo3DLib.dataset.case_registration import _GroupWork
    from XRayTo3DLib.dataset.case_views import CaseView
    from XRayTo3DLib.dataset.dataset_folder import DatasetCase

    bones(tmp_path / "bones", 3, ("PA",))
    owner, name = {"radiograph": (CaseView, "radiograph"), "ct": (DatasetCase, "ct")}.get(where, (Path, "open"))
    real = getattr(owner, name)

    def spoilt(self: Any, *args: Any, **more: Any) -> Any:
        its = "case-1" in str(self) and (owner is not Path or self.name == where)
        if its:
            raise error
        return real(self, *args, **more)

    monkeypatch.setattr(owner, name, spoilt)
    monkeypatch.setattr(_GroupWork, "run", lambda self: ({}, ""))
    monkeypatch.setattr("XRayTo3DLib.dataset.case_registration._written", registered)
    report = register_dataset(tmp_path / "bones")
    assert [each.action for each in report.outcomes] == ["problem", "registered", "registered"]
    assert said in report.outcomes[0].note and "case-1" in report.outcomes[0].note


def registered(view: Any, *_: Any) -> Any:
    from XRayTo3DLib.dataset.registration_plan import ViewOutcome

    return ViewOutcome(view.case_id, view.name, "registered")
