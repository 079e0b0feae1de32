"""What is done to a whole data set at once: landmarks where there are none, a split seen before it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_builder import propose_missing
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.dataset.resplit import planned_split, resplit
from XRayTo3DLib.errors import InputError


@pytest.fixture
def people(tmp_path: Path) -> DatasetFolder:
    """Four SYNTHETIC wrists whose landmarks are exact."""
    write_population(tmp_path / "people", 4, spacing=2.0, workers=1)
    return DatasetFolder.open(tmp_path / "people")


def test_landmarks_are_proposed_where_there_are_none(people: DatasetFolder) -> None:
    first, second, third, _fourth = people.cases()
    exact = {name: tuple(point) for name, point in first.landmarks().items()}
    for case in (second, third):
        case.landmarks_path.unlink()
    (third.folder / "labels.seg.nrrd").write_bytes(b"nothing")
    told: list[tuple[str, float]] = []
    done, refused = propose_missing(people, report=lambda text, share: told.append((text, share)))
    assert done == [second.id] and list(refused) == [third.id] and refused[third.id].startswith(f"case {third.id}")
    assert [share for _text, share in told] == [0.5, 1.0] and told[0][0] == f"case 1 of 2, {second.id}"
    assert second.landmarks_path.exists() and not third.landmarks_path.exists()
    assert {name: tuple(point) for name, point in first.landmarks().items()} == exact


def test_the_command_takes_a_data_set(people: DatasetFolder, capsys: pytest.CaptureFixture[str]) -> None:
    people.cases()[0].landmarks_path.unlink()
    assert main(["dataset", "landmarks", str(people.folder)]) == 0
    assert "1 cases have proposed landmarks now, 0 have none." in capsys.readouterr().out
    assert all(case.landmarks_path.exists() for case in people.cases())


def test_a_planned_split_is_the_one_that_is_written(people: DatasetFolder) -> None:
    before = (people.folder / "dataset.json").read_bytes()
    planned = planned_split(people, share=0.5, seed=3)
    assert (people.folder / "dataset.json").read_bytes() == before
    assert planned == resplit(people.folder, share=0.5, seed=3) and planned.test_people == 2
    with pytest.raises(InputError, match="share of 1"):
        planned_split(people, share=1.0)
