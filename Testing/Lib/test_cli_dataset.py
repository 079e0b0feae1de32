"""``xrayto3d dataset`` as a user runs it, from a CT and its segmentation to prepared cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.landmarks_file import read_landmarks
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.prepared_files import read_prepared

Out = pytest.CaptureFixture[str]


def run(*words: object) -> int:
    return main(["dataset", *map(str, words)])


@pytest.fixture(scope="module")
def wrist() -> PhantomCase:
    return make_forearm(ForearmShape(side="left"), spacing=1.5, length_mm=60, soft_tissue=False, carpals=False)


def test_a_synthetic_population(tmp_path: Path, capsys: Out) -> None:
    words = ("-o", tmp_path, "--people", 2, "--test", 1, "--spacing", 3, "--length", 60, "--workers", 1)
    assert run("synthetic", *words) == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    assert run("show", tmp_path, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["train"], about["test"], about["synthetic"], about["without_landmarks"]) == (2, 1, True, [])
    assert run("prepare", tmp_path, "--workers", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)["prepared"] == 3
    assert read_prepared(tmp_path / "prepared" / "wrist-test-0001.safetensors").synthetic


def test_cases_of_ones_own(wrist: PhantomCase, tmp_path: Path, capsys: Out) -> None:
    files, mine = tmp_path / "scan", tmp_path / "mine"
    write_case(wrist, files)
    assert run("new", mine, "--provenance", "a test") == 0
    ct = ("--ct", files / "ct.nrrd", "--labels", files / "labels.seg.nrrd")
    assert run("add", mine, "one", *ct, "--side", "left") == 0
    assert run("show", mine) == 0
    assert "1 cases have no landmarks yet" in capsys.readouterr().out
    assert run("prepare", mine, "--workers", 1) == 2
    assert "xrayto3d dataset landmarks" in capsys.readouterr().err
    assert run("landmarks", mine / "cases" / "one") == 0
    for name, point in read_landmarks(mine / "cases" / "one" / "landmarks.mrk.json").items():
        assert np.linalg.norm(point - wrist.landmarks[name]) < 2.5, name
    assert run("prepare", mine, "--workers", 1) == 0
    assert read_prepared(mine / "prepared" / "one.safetensors").frame.mirrored
    capsys.readouterr()
    for words, message in (
        (("landmarks", mine / "cases" / "one"), "--replace"),
        (("landmarks", mine / "cases" / "one", "--replace", "--side", "right"), "does not look like a right"),
        (("landmarks", tmp_path / "nowhere"), "nowhere"),
        (("add", mine, "one", *ct), "twice"),
        (("add", mine, "two", *ct, "--patient", "one", "--split", "test"), "both splits"),
        (("new", mine), "already"),
        (("add", tmp_path, "two", *ct), "dataset.json"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err
    assert not (mine / "cases" / "two").exists()


def test_a_bone_that_is_not_in_the_labels(wrist: PhantomCase, tmp_path: Path, capsys: Out) -> None:
    write_case(wrist, tmp_path / "scan")
    run("new", tmp_path / "knees", "--bones", "femur", "--frame", "lps", "--anatomy", "knee")
    ct, labels = tmp_path / "scan" / "ct.nrrd", tmp_path / "scan" / "labels.seg.nrrd"
    assert run("add", tmp_path / "knees", "one", "--ct", ct, "--labels", labels) == 2
    assert "femur" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["2", "0/2", "3/2", "a/b"])
def test_a_bad_shard(tmp_path: Path, capsys: Out, shard: str) -> None:
    assert run("synthetic", "-o", tmp_path / "x", "--shard", shard, "--people", 1) == 2
    assert "--shard" in capsys.readouterr().err
