"""``xrayto3d dataset`` as a user runs it, from a CT and its segmentation to prepared cases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.case_views import add_view, view_of, write_review
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.landmarks_file import read_landmarks
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.dataset.prepared_files import read_prepared
from XRayTo3DLib.dataset.view_pairs import read_pair
from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.registration.result import Review

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


# ---- radiographs to learn image translation from ---------------------------------------------------------------------


@pytest.fixture
def limb(tmp_path: Path) -> Path:
    """One person to train on and one to test on, with soft tissue."""
    write_population(
        tmp_path / "limbs", 1, 4, test=1, soft_tissue=True, spacing=3, mesh_spacing=3, length_mm=60, workers=1
    )
    return tmp_path / "limbs"


def files_of(folder: Path, case: str) -> dict[str, bytes]:
    """Files under ``views/`` of a case by their path in it."""
    place = folder / "cases" / case / "views"
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def test_pairs_of_radiograph_and_drr(limb: Path, capsys: Out) -> None:
    words = ("pairs", limb, "--view", "PA", "LAT", "PA", "--pixel", 1.5, "--json")
    assert run(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["radiographs"], told["views"], told["synthetic"]) == (4, ["PA", "LAT"], True)
    first = files_of(limb, "wrist-0001")
    names = {"radiograph.nrrd", "drr.nrrd", "camera.json", "pose.tfm", "registration.json"}
    assert set(first) == {f"{view}/{name}" for view in ("pa", "lat") for name in names}
    review = json.loads(first["pa/registration.json"])["review"]
    assert (review["status"], review["by_role"]) == ("accepted", "simulation")
    for case in DatasetFolder.open(limb).cases():
        for view in ("PA", "LAT"):
            pair = read_pair(case, view)
            assert pair.radiograph.synthetic and pair.drr.max() > 0.3 and pair.radiograph.camera.spacing[0] == 1.5
    assert run(*words[:-1]) == 0
    assert "4 SYNTHETIC radiographs" in capsys.readouterr().out
    assert files_of(limb, "wrist-0001") == first


def test_pairs_of_what_people_accepted(limb: Path, capsys: Out) -> None:
    """The radiograph as it is, and its bones where they were accepted; nothing of it is simulated anew."""
    assert run("pairs", limb, "--pixel", 1.5) == 0
    case, other = DatasetFolder.open(limb).cases()
    view = view_of(case, "pa")
    drr, before = view.folder / "drr.nrrd", view.radiograph_path.read_bytes()
    simulated = read_radiograph(drr).pixels
    drr.unlink()
    write_review(view_of(other, "pa"), Review.REJECTED, "shifted", "tester")
    capsys.readouterr()
    assert run("pairs", limb, "--registered", "--view", "PA", "LAT", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"] == ["wrist-0001 pa"] and set(told["left_out"]) == {
        "wrist-0001 lat", "wrist-test-0001 pa", "wrist-test-0001 lat"
    }  # fmt: skip
    assert "is rejected" in told["left_out"]["wrist-test-0001 pa"]
    assert np.array_equal(read_radiograph(drr).pixels, simulated) and view.radiograph_path.read_bytes() == before
    assert run("pairs", limb, "--registered") == 0
    assert "1 pairs of radiograph and drr.nrrd" in capsys.readouterr().out
    add_view(case, "pa", replace(view.radiograph(), synthetic=False), replace=True)
    assert run("pairs", limb, "--pixel", 1.5) == 2
    assert "case wrist-0001, view pa: there is a real radiograph" in capsys.readouterr().err


def test_pairs_of_one_split_and_another_seed(limb: Path, capsys: Out) -> None:
    assert run("pairs", limb, "--split", "test", "--pixel", 1.5) == 0
    assert not files_of(limb, "wrist-0001")
    first = files_of(limb, "wrist-test-0001")
    assert run("pairs", limb, "--split", "test", "--pixel", 1.5, "--seed", 1) == 0
    other = files_of(limb, "wrist-test-0001")
    assert set(first) == set(other) and first["pa/radiograph.nrrd"] != other["pa/radiograph.nrrd"]
    assert first["pa/pose.tfm"] != other["pa/pose.tfm"] and first["pa/camera.json"] == other["pa/camera.json"]
    capsys.readouterr()


def test_pairs_that_cannot_be_made(limb: Path, tmp_path: Path, capsys: Out) -> None:
    for words, message in (
        (("pairs", tmp_path), "dataset.json"),
        (("pairs", limb, "--seed", -1), "--seed -1"),
        (("pairs", limb, "--pixel", 0), "--pixel 0"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("pairs", limb, "--view", "skyline")
    assert "skyline" in capsys.readouterr().err


def test_synthetic_hips_and_their_depth_views(tmp_path: Path, capsys: Out) -> None:
    small = ("--spacing", 5, "--exposures", 1, "--pixel-mm", 4, "--diseased-share", 1, "--workers", 1)
    assert run("synthetic", "-o", tmp_path, "--anatomy", "hips", "--people", 1, "--test", 0, *small) == 0
    assert "SYNTHETIC hips" in capsys.readouterr().out
    assert run("show", tmp_path) == 0
    assert "osteoarthritis 1" in capsys.readouterr().out
    assert run("prepare", tmp_path, "--depth", 32, "--workers", 1) == 0
    assert "1 depth views of 32 pixels" in capsys.readouterr().out
    assert (tmp_path / "prepared" / "hips-0001_depth_32.safetensors").exists()
    for words, message in (
        (("synthetic", "-o", tmp_path, "--anatomy", "hips", "--length", 70), "are for --anatomy wrist"),
        (("synthetic", "-o", tmp_path, "--exposures", 2), "are for --anatomy hips"),
        (("prepare", tmp_path, "--sdd", 900), "add --depth PIXELS"),
        (("prepare", tmp_path, "--depth", 32, "--sdd", 800), "more than 10 % apart"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err
