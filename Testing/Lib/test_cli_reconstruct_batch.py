"""``xrayto3d reconstruct --batch``: many people with one model; what is done is kept, a bad line stops nobody."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from XRayTo3DLib.cli import reconstruct_batch
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.reconstruct_batch import Line, read_lines
from XRayTo3DLib.dataset.phantoms import make_forearm, wrist_camera
from XRayTo3DLib.dataset.simulate import simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import CannotWrite
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.radiograph_header import write_radiograph

Out = pytest.CaptureFixture[str]
MODEL = Path(__file__).resolve().parents[2] / "Resources" / "models" / "wrist-pa-demo"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SYNTHETIC person's radiograph of bones alone, its camera, and a table of four lines."""
    folder = tmp_path_factory.mktemp("batch")
    camera = wrist_camera("PA", spacing_mm=1.2)
    camera.save(folder / "pa.json")
    case = make_forearm(spacing=2.5, length_mm=70.0, soft_tissue=False, carpals=False, mesh_spacing=3.0)
    picture = simulate_radiograph(case.ct, camera, RigidPose.identity(), seed=1, view="PA")
    write_radiograph(picture, folder / "one.nrrd")
    (folder / "broken.nrrd").write_bytes((folder / "one.nrrd").read_bytes()[:900])
    column, row = camera.project(np.zeros(3))
    place = f"{column:.1f} {row:.1f}"
    lines = (f"first,one.nrrd:pa.json,{place},right", f"broken,broken.nrrd:pa.json,{place},right")
    lines += ("nowhere,one.nrrd:pa.json,,right", f"last,one.nrrd:pa.json,{place},Left")
    (folder / "cases.csv").write_text("case,view_pa,origin_pa,side\n" + "\n".join(lines) + "\n")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "batch")
    return tmp_path / "batch"


def run(folder: Path, *words: object) -> int:
    given = ["--model", MODEL, "--batch", folder / "cases.csv", "-o", folder / "out", *words]
    return main(["reconstruct", *map(str, given)])


def actions(folder: Path) -> dict[str, str]:
    content = json.loads((folder / "out" / "reconstructions.json").read_text())
    return {each["case"]: each["action"] for each in content["cases"]}


def test_good_ones_are_reconstructed_and_bad_ones_told(folder: Path, capsys: Out, monkeypatch: Any) -> None:
    loads = []
    real = reconstruct_batch.loaded
    monkeypatch.setattr(reconstruct_batch, "loaded", lambda args: loads.append(1) or real(args))
    assert run(folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"reconstructed": 2, "kept": 0, "problem": 2} and len(loads) == 1
    notes = {each["case"]: each["note"] for each in told["cases"]}
    assert "broken.nrrd cannot be read" in notes["broken"] and "--origin" in notes["nowhere"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "first", "last", "reconstructions.csv", "reconstructions.json"
    ]  # fmt: skip
    for case, side in (("first", "right"), ("last", "left")):
        record = json.loads((folder / "out" / case / "reconstruction.json").read_text())
        assert record["side"] == side and {"radius.vtp", "ulna.vtp"} <= set(record["files"])
        assert all((folder / "out" / case / name).is_file() for name in record["files"])
    rows = list(csv.DictReader((folder / "out" / "reconstructions.csv").open()))
    assert [(row["case"], row["action"]) for row in rows] == list(actions(folder).items())

    before = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*/*")}
    assert run(folder) == 0
    said = capsys.readouterr().out
    assert "0 reconstructed, 2 kept, 2 not." in said and "broken: radiograph" in said and "RESEARCH USE ONLY" in said
    assert {path: path.stat().st_mtime_ns for path in before} == before

    text = (folder / "cases.csv").read_text()
    (folder / "cases.csv").write_text(text.replace("right", "left", 1))
    (folder / "out" / "last" / "radius.vtp").unlink()
    assert run(folder, "--json") == 0
    capsys.readouterr()
    assert actions(folder) == {
        "first": "reconstructed",
        "broken": "problem",
        "nowhere": "problem",
        "last": "reconstructed",
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is reconstructed: the cases asked for are noted, "broken" raises what is put first into the list."""
    asked: list[Any] = []

    def one(args: Any, model: Any, translators: Any, progress: Any, began: float, **more: Any) -> Any:
        asked.append(args.output.name)
        if args.output.name == "broken":
            raise asked[0]
        return None, {"missing": [], "notes": [], "seconds": 0.1}, []

    monkeypatch.setattr(reconstruct_batch, "reconstruct_one", one)
    monkeypatch.setattr(reconstruct_batch, "loaded", lambda args: (None, None))
    return asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero; a bug"),
        (MemoryError(), "not enough memory for this person"),
        (InputError("the picture is upside down."), "the picture is upside down."),
    ],
)
def test_whatever_goes_wrong_with_one_the_others_go_on(
    folder: Path, quick: list[Any], capsys: Out, error: Exception, said: str
) -> None:
    quick.append(error)
    assert run(folder, "--json") == 0
    told = {each["case"]: each for each in json.loads(capsys.readouterr().out)["cases"]}
    assert quick[1:] == ["first", "broken", "nowhere", "last"]
    assert told["broken"]["action"] == "problem" and told["broken"]["note"].startswith(said)
    assert told["last"]["action"] == "reconstructed"


def test_stopped_it_says_who_waits(folder: Path, quick: list[Any], capsys: Out) -> None:
    quick.append(KeyboardInterrupt())
    assert run(folder) == 130
    assert actions(folder) == {"first": "reconstructed", "broken": "waiting", "nowhere": "waiting", "last": "waiting"}
    capsys.readouterr()


def test_a_full_disk_stops_the_batch(folder: Path, quick: list[Any], capsys: Out) -> None:
    quick.append(CannotWrite("the disk is full"))
    assert run(folder) == 2
    assert "the disk is full" in capsys.readouterr().err and quick[1:] == ["first", "broken"]


def test_nobody_reconstructed_is_an_error(folder: Path, capsys: Out) -> None:
    lines = (folder / "cases.csv").read_text().splitlines()
    (folder / "cases.csv").write_text("\n".join([lines[0], lines[2]]))
    assert run(folder) == 2
    assert "nobody could be reconstructed; the first, broken: radiograph" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("view_pa\na.nrrd\n", "needs the columns case and"),
        ("case,side\na,left\n", "needs the columns case and"),
        ("case,view_pa,sight\na,b.nrrd,1\n", "column 'sight'"),
        ("case,view_pa,origin_lat\na,b.nrrd,1\n", "column 'origin_lat'"),
        ("case,view_pa\n", "no line under its header"),
        ("case,view_pa\na,b.nrrd\na,c.nrrd\n", "line 2: case 'a' is there twice"),
        ("case,view_pa\n../a,b.nrrd\n", "no plain folder name"),
        ("case,view_pa\na,b.nrrd,c\n", "line 2: more cells"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(InputError, match="batch table") as refused:
        read_lines(tmp_path / "cases.csv")
    assert said in str(refused.value)


def test_a_table_of_a_spreadsheet(tmp_path: Path) -> None:
    text = "Case;Side;view_AP;origin_AP;view_lat;origin_lat\nA1;Left;a.png:a.json;12,5 7;b.dcm;3, 4\n"
    (tmp_path / "cases.csv").write_text(text.replace("12,5 7", "12.5 7"), encoding="utf-8-sig")
    views = (f"{tmp_path / 'a.png'}:{tmp_path / 'a.json'}", str(tmp_path / "b.dcm"))
    assert read_lines(tmp_path / "cases.csv") == [Line("A1", views, ("12.5,7", "3,4"), "left")]


def test_options_of_one_person_are_refused(folder: Path, capsys: Out) -> None:
    assert run(folder, "--side", "left") == 2
    assert "--side" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(folder, "--view", "one.nrrd")
    capsys.readouterr()
