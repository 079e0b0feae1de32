"""Tables of cases: what a spreadsheet saves becomes cases, and a bad line is told while the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_view_cases import TRUTH, bone_volume, drr

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.case_table import LineOutcome, import_cases, read_case_table
from XRayTo3DLib.dataset.case_views import views_of
from XRayTo3DLib.dataset.dataset_builder import start_dataset
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph

Out = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a scan, a radiograph with its geometry, and a plain picture with a camera."""
    import SimpleITK as sitk

    folder = tmp_path / "files"
    (folder / "scans").mkdir(parents=True)
    write_ct(bone_volume(), folder / "scans" / "ct.nrrd")
    write_labels(bone_volume(), folder / "scans" / "labels.seg.nrrd")
    write_radiograph(drr(view="PA", name="x"), folder / "pa.nrrd")
    lat = drr(view="LAT")
    lat.camera.save(folder / "lat.json")
    sitk.WriteImage(sitk.GetImageFromArray((lat.pixels * 1000).astype(np.uint16)), str(folder / "lat.png"))
    start_dataset(tmp_path / "mine", bones=["bone"], frame="lps", anatomy="bone")
    return folder


def table(files: Path, text: str, name: str = "cases.csv", encoding: str = "utf-8") -> Path:
    (files / name).write_text(text, encoding=encoding)
    return files / name


TEXT = """id,ct,labels,side,patient,split,view_pa,view_LAT
one,scans/ct.nrrd,scans/labels.seg.nrrd,left,P1,train,pa.nrrd,lat.png:lat.json
two,scans/ct.nrrd,scans/labels.seg.nrrd,Right,P1,,pa.nrrd,

three,scans/ct.nrrd,scans/labels.seg.nrrd,,,test,,
"""


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8"), (";", "utf-8-sig")])
def test_a_table_becomes_cases(files: Path, separator: str, encoding: str) -> None:
    lines = read_case_table(table(files, TEXT.replace(",", separator), encoding=encoding))
    told: list[float] = []
    outcomes = import_cases(files.parent / "mine", lines, report=lambda text, share: told.append(share))
    assert outcomes == [
        LineOutcome("one", "added", ("pa", "lat")),
        LineOutcome("two", "added", ("pa",)),
        LineOutcome("three", "added", ()),
    ]
    assert told == sorted(told) and told[-1] == 1
    dataset = DatasetFolder.open(files.parent / "mine")
    assert [(e.id, e.patient, e.split, e.side) for e in dataset.entries] == [
        ("one", "P1", "train", "left"), ("two", "P1", "train", "right"), ("three", "three", "test", "")
    ]  # fmt: skip
    case = dataset.case("one")
    assert case.ct().label_value("bone") == 1
    pa, lat = (view.radiograph() for view in reversed(views_of(case)))
    assert np.array_equal(pa.pixels, drr(view="PA").pixels) and pa.camera.is_close(drr(view="PA").camera)
    assert lat.camera.is_close(drr(view="LAT").camera) and (pa.name, lat.view) == ("one PA", "LAT")
    assert not list(dataset.folder.rglob(".writing-*"))


def test_imported_again_only_what_is_new_is_added(files: Path) -> None:
    mine = files.parent / "mine"
    import_cases(mine, read_case_table(table(files, TEXT.replace("lat.png:lat.json", ""))))
    before = (mine / "cases" / "one" / "ct.nrrd").stat().st_mtime_ns
    more = TEXT + "four,scans/ct.nrrd,scans/labels.seg.nrrd,,,,,\n"
    outcomes = import_cases(mine, read_case_table(table(files, more)))
    assert [(each.case_id, each.action, each.views) for each in outcomes] == [
        ("one", "added", ("lat",)), ("two", "kept", ()), ("three", "kept", ()), ("four", "added", ())
    ]  # fmt: skip
    assert (mine / "cases" / "one" / "ct.nrrd").stat().st_mtime_ns == before


def test_a_bad_line_is_told_and_the_rest_goes_on(files: Path, capsys: Out) -> None:
    mine, scan = files.parent / "mine", "scans/ct.nrrd,scans/labels.seg.nrrd"
    import_cases(mine, read_case_table(table(files, f"id,ct,labels,patient\nold,{scan},P0\n")))
    text = f"""id,ct,labels,side,patient,view_pa
a,scans/no.nrrd,scans/labels.seg.nrrd,,,
b,{scan},,,missing.dcm
c,{scan},,,lat.png
d,scans/ct.nrrd,scans/ct.nrrd,,,
old,{scan},,P9,
e,{scan},left,,pa.nrrd
"""
    assert main(["dataset", "import", str(mine), str(table(files, text)), "--json"]) == 0
    found = {each["case_id"]: each for each in json.loads(capsys.readouterr().out)["cases"]}
    for name, words in {
        "a": "there is no file", "b": "missing.dcm", "c": "SDD", "d": "label", "old": "patient 'P0'", "e": ""
    }.items():  # fmt: skip
        each = found[name]
        assert each["action"] == ("added" if name == "e" else "problem") and words in each["note"], each
        assert name == "e" or each["note"].startswith(f"case {name}")
    assert [e.id for e in DatasetFolder.open(mine).entries] == ["old", "b", "c", "e"], "b and c lack only a picture"
    words = ["--spacing", "0.8", "0.9", "--spacing-kind", "detector", "--sdd", "1000"]
    assert main(["dataset", "import", str(mine), str(files / "cases.csv"), *words]) == 0
    out = capsys.readouterr().out
    assert "c: added, with pa" in out and "cases added: 1, kept: 1, with a problem: 4" in out
    (view,) = views_of(DatasetFolder.open(mine).case("c"))
    assert view.radiograph().view == "PA" and view.radiograph().assumed_placement


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("id,ct\n1,2\n", "no column 'labels'"),
        ("id,ct,labels,surname\n", "column 'surname' is not known"),
        ("id,ct,labels\n", "no case under its header"),
        ("id,ct,labels\na,b,\n", "line 2: column 'labels' is empty"),
        ("id,ct,labels\na,b,c,d\n", "line 2: more cells"),
        ("id,ct,labels,ct_series\na,b,c,x\n", "ct_series 'x' is no number"),
        ("id,ct,labels\na,b,c\na,b,c\n", "'a' is used twice"),
        ("id,ct,labels\n../a,b,c\n", "no plain folder name"),
        ("id,ct,labels,side\na,b,c,up\n", "side 'up'"),
        ("id,ct,labels,split,patient\na,b,c,test,P\nb,b,c,train,P\n", "in both splits"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_case_table(tmp_path / "cases.csv")


def test_a_table_in_another_encoding_is_refused(files: Path) -> None:
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_case_table(table(files, "id,ct,labels\nMüller,b,c\n", encoding="latin-1"))


# ---- one radiograph, and reviews, as a user does it ----------------------------------------------------------------


def test_views_are_added_and_reviewed(files: Path, capsys: Out) -> None:
    mine = files.parent / "mine"
    import_cases(mine, read_case_table(table(files, TEXT)))

    def run(*words: Any) -> tuple[int, str, str]:
        code = main(["dataset", *map(str, words)])
        return code, *capsys.readouterr()

    assert run("add-view", mine, "three", files / "pa.nrrd")[0] == 0
    code, _, error = run("add-view", mine, "three", files / "pa.nrrd")
    assert code == 2 and "has a view pa already; take another name (pa-2)" in error
    code, out, _ = run(
        "add-view", mine, "three", f"{files / 'lat.png'}:{files / 'lat.json'}", "--name", "LAT", "--json"
    )
    assert code == 0 and json.loads(out)["view"] == "lat"
    code, _, error = run("add-view", mine, "three", f"{files / 'lat.png'}:{files / 'lat.json'}")
    assert code == 2 and "does not say which view it is; give --name" in error
    assert run("add-view", mine, "nobody", files / "pa.nrrd")[0] == 2
    case = DatasetFolder.open(mine).case("three")
    TRUTH.save(case.folder / "initial.tfm")
    words = ["--case", "three", "--workers", "1", "--starts", "4", "--screened", "20", "--pixel-sizes", "3.2", "1.6"]
    assert run("register", mine, *words, "--no-overlays")[0] == 0
    code, out, _ = run("review", mine, "three", "pa", "lat", "--accept", "--role", "radiologist", "--json")
    states = json.loads(out)["views"]
    assert code == 0 and [(s["view"], s["status"], s["by_role"]) for s in states] == [
        ("lat", "accepted", "radiologist"), ("pa", "accepted", "radiologist")
    ]  # fmt: skip
    code, _, error = run("review", mine, "three", "pa", "--reject")
    assert code == 2 and "needs a note" in error
    assert run("review", mine, "three", "pa", "--reject", "--note", "shaft off")[0] == 0
    code, out, _ = run("review", mine, "--status", "rejected")
    assert "shaft off" in out and "1 views: 1 rejected" in out
    (views_of(case)[0].folder / "registration.json").write_text("{")
    (views_of(DatasetFolder.open(mine).case("one"))[0].folder / "camera.json").unlink()
    code, out, _ = run("review", mine)
    assert "case three, view lat: registration" in out and "case one, view lat: there is no camera.json" in out
    about = json.loads(run("show", mine, "--json")[1])
    assert about["view_counts"] == {
        "unregistered": 3, "unreviewed": 0, "accepted": 0, "rejected": 1, "adjusted": 0, "damaged": 1
    }  # fmt: skip
    assert [(v["case_id"], v["view"]) for v in about["views"] if v["status"] == "damaged"] == [("three", "lat")]
    assert about["cases"][0] == {"id": "one", "patient": "P1", "split": "train", "side": "left", "group": ""}
    assert "5 views: 3 unregistered, 1 rejected, 1 damaged" in run("show", mine)[1]
    for words in (["--accept"], ["three", "--accept"], ["three", "pa", "--note", "x"], ["three", "up", "--accept"]):
        assert run("review", mine, *words)[0] == 2


def test_a_column_is_named_once(tmp_path: Path) -> None:
    """Of two columns of one name the last one counted."""
    (tmp_path / "cases.csv").write_text("id,ct,Labels,ct\none,a.nrrd,b.nrrd,c.nrrd\n")
    with pytest.raises(InputError, match="cases.csv: there are two columns 'ct'"):
        read_case_table(tmp_path / "cases.csv")
