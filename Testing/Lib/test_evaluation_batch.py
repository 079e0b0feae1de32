"""A batch of comparisons: pairs found, bad ones told, the rest measured, a stopped batch gone on with."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from solids import sphere
from test_cli_evaluate import call

from XRayTo3DLib.cli import console
from XRayTo3DLib.errors import InputError, XRayTo3DError
from XRayTo3DLib.evaluation import batch
from XRayTo3DLib.evaluation.batch import Options, evaluate_batch
from XRayTo3DLib.evaluation.batch_pairs import pairs_from_folders, pairs_from_table
from XRayTo3DLib.evaluation.reference_surface import label_file_bones, label_file_surface
from XRayTo3DLib.imaging.ct_writer import write_labels
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import enclosed_volume
from XRayTo3DLib.shape.surfaces import read_surface, write_surface

QUICK = Options(samples=2000)
SPACING = 0.5


def labels_of_balls(path: Path) -> Path:
    """A segmentation of two balls: "Radius" of 20 mm at the origin, "ulna" of 10 mm beside it."""
    axis = np.arange(-25, 60, SPACING)
    z, y, x = np.meshgrid(np.arange(-25, 25, SPACING), np.arange(-25, 25, SPACING), axis, indexing="ij")
    labels = (np.sqrt(x**2 + y**2 + z**2) < 20).astype(np.uint8)
    labels[np.sqrt((x - 40) ** 2 + y**2 + z**2) < 10] = 2
    to_lps = np.diag([SPACING, SPACING, SPACING, 1.0])
    to_lps[:3, 3] = -25
    nothing = np.zeros(labels.shape, dtype=np.float32)
    return write_labels(CtVolume(nothing, to_lps, labels, {"Radius": 1, "ulna": 2}, "ct"), path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Case a: meshes; case b: a segmentation. A result without a reference, and one that is broken."""
    root = tmp_path_factory.mktemp("batch")
    references, results = root / "references", root / "results"
    for case in "ab":
        (references / case).mkdir(parents=True)
        (results / case).mkdir(parents=True)
        write_surface(sphere(21, 30), results / case / "radius.vtp")
    write_surface(sphere(20, 30), references / "a" / "radius.ply")
    write_surface(sphere(10, 30), references / "a" / "ulna.stl")
    write_surface(sphere(10, 30), results / "a" / "hamate.vtp")
    (results / "a" / "ulna.vtp").write_text("this is no surface")
    labels_of_balls(references / "b" / "labels.seg.nrrd")
    write_surface(sphere(12, 30, centre=(40, 0, 0)), results / "b" / "ulna.vtp")
    return references, results


def test_folders_are_paired_by_case_and_bone(folders):
    pairs, lonely = pairs_from_folders(*folders)
    assert [(pair.name, pair.reference.name) for pair in pairs] == [
        ("a radius", "radius.ply"),
        ("a ulna", "ulna.stl"),
        ("b radius", "labels.seg.nrrd"),
        ("b ulna", "labels.seg.nrrd"),
    ]
    assert lonely == ["a/hamate.vtp: no reference of that name"]


def test_cases_without_a_result_are_told(folders, tmp_path):
    """A reconstruction that failed leaves no file: without a word the mean would be of those that went well."""
    references, results = (shutil.copytree(folder, tmp_path / folder.name) for folder in folders)
    for name in ("c", "d", "e", "f", "g", "h"):
        shutil.copytree(references / "a", references / name)
    told = pairs_from_folders(references, results)[1]
    assert told[-1] == "6 cases of the references have no result: c, d, e, f, g, ..."
    shutil.rmtree(results / "b")
    for name in ("d", "e", "f", "g", "h"):
        shutil.rmtree(references / name)
    assert pairs_from_folders(references, results)[1][-1] == "2 cases of the references have no result: b, c"
    shutil.rmtree(references / "c")
    assert pairs_from_folders(references, results)[1][-1] == "1 case of the references has no result: b"


def test_a_bone_of_a_segmentation_is_a_surface(folders):
    path = folders[0] / "b" / "labels.seg.nrrd"
    assert label_file_bones(path) == ("Radius", "ulna")
    ball = label_file_surface(path, "radius")
    assert enclosed_volume(ball) == pytest.approx(4 / 3 * math.pi * 20**3, rel=0.01)
    with pytest.raises(InputError, match="has no bone tibia; it has: Radius, ulna"):
        label_file_surface(path, "tibia")
    with pytest.raises(InputError, match="several bones"):
        label_file_surface(path)


def test_a_bad_pair_is_told_and_the_rest_is_measured(folders, tmp_path):
    pairs, lonely = pairs_from_folders(*folders)
    told = []
    measured = evaluate_batch(
        pairs, tmp_path, QUICK, unmatched=lonely, report=lambda text, share: told.append((text, share))
    )
    assert [bool(each.problem) for each in measured] == [False, True, False, False]
    assert measured[0].values["assd"] == pytest.approx(1.0, abs=0.02)
    assert measured[3].values["assd"] == pytest.approx(2.0, abs=0.1)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert [row["case"] + row["bone"] for row in rows] == ["aradius", "aulna", "bradius", "bulna"]
    assert "ulna.vtp" in rows[1]["problem"]
    assert rows[1]["assd_mm"] == ""
    summary = json.loads((tmp_path / "summary.json").read_text())
    values = [each.values["assd"] for each in measured if not each.problem]
    assert summary["statistics"]["all bones"]["assd"]["mean"] == pytest.approx(np.mean(values))
    assert summary["statistics"]["all bones"]["assd"]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert summary["statistics"]["ulna"]["assd"]["n"] == 1
    assert summary["unmatched"] == lonely
    page = (tmp_path / "report.html").read_text()
    assert "3 of 4 pairs measured" in page
    assert "hamate" in page
    assert str(folders[0].parent) not in page
    assert read_surface(tmp_path / "pairs" / "b_ulna.vtp").GetPointData().HasArray("SurfaceDistance_mm")
    assert told[0] == ("measuring a radius (1 of 4)", 0.0)
    assert told[-1][1] == 1.0


def test_a_batch_that_was_stopped_goes_on(folders, tmp_path, monkeypatch):
    pairs, _ = pairs_from_folders(*folders)
    compared = []
    compare = batch.compare
    monkeypatch.setattr(batch, "compare", lambda *a, **k: compared.append(k["names"]) or compare(*a, **k))

    def stop(_text, share):
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_batch(pairs, tmp_path, QUICK, report=stop)
    first = evaluate_batch(pairs, tmp_path, QUICK)
    done = len(compared)
    assert done == 1 + 1 + 1 + 2  # the broken one twice: it may have been mended
    again = evaluate_batch(pairs, tmp_path, QUICK)
    assert len(compared) == done + 1
    assert [each.values for each in again] == [each.values for each in first]
    evaluate_batch(pairs, tmp_path, Options(samples=2000, align=True))
    assert len(compared) == done + 5


def test_table_of_pairs(folders, tmp_path):
    references, results = folders
    table = references.parent / "pairs.csv"
    table.write_text("result,reference,bone\nresults/b/ulna.vtp,references/b/labels.seg.nrrd,2\nx.vtp,y.vtp,\n")
    pairs = pairs_from_table(table)
    assert pairs[0].bone == "2"
    assert pairs[1].bone == "x"
    measured = evaluate_batch(pairs, tmp_path, QUICK)
    assert measured[0].values["assd"] == pytest.approx(2.0, abs=0.1)
    assert "there is no file" in measured[1].problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "reference is missing"),
        ("reference,result\nonly.vtp,\n", "line 2 .* lacks"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        pairs_from_table(tmp_path / "t.csv")


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        pairs_from_folders(tmp_path / "none", tmp_path)
    with pytest.raises(InputError, match="holds no surface"):
        pairs_from_folders(tmp_path, tmp_path)


def test_command(folders, tmp_path, capsys):
    assert call("--batch", *folders, "-o", tmp_path / "out") == 0
    text = capsys.readouterr().out
    assert text.splitlines()[1].split()[:3] == ["all", "bones", "3"]
    assert "not measured: a ulna:" in text
    assert "not measured: a/hamate.vtp" in text
    heard = []
    console.LISTENERS.append(lambda text, share: heard.append(share))
    assert call("--batch", *folders, "-o", tmp_path / "out", "--json") == 0
    console.LISTENERS.pop()
    assert heard[0] == 0
    assert json.loads(capsys.readouterr().out)["measured"] == 3


def test_command_says_what_is_wrong(folders, tmp_path):
    with pytest.raises(XRayTo3DError, match="needs two"):
        call("--batch", folders[0], "-o", tmp_path / "out")
    with pytest.raises(XRayTo3DError, match="Give two surfaces"):
        call(folders[0] / "a" / "radius.ply", "-o", tmp_path / "out")
    table = tmp_path / "t.csv"
    table.write_text("reference,result\na.vtp,b.vtp\n")
    with pytest.raises(XRayTo3DError, match="no pair could be measured"):
        call("--batch", table, "-o", tmp_path / "out")


def test_command_measures_against_a_bone_of_a_segmentation(folders, tmp_path, capsys):
    labels, result = folders[0] / "b" / "labels.seg.nrrd", folders[1] / "b" / "ulna.vtp"
    assert call(labels, result, "--bone", "ulna", "-o", tmp_path / "out", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["metrics"]["assd"] == pytest.approx(2.0, abs=0.1)
    assert content["reference"] == "labels.seg.nrrd: ulna"
