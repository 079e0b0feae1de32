"""``xrayto3d phantom`` from the outside: files, table, JSON, mistakes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.cli import phantom
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging import read_radiograph


def call(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="xrayto3d")
    phantom.add_parser(parser.add_subparsers())
    args = parser.parse_args(["phantom", *words])
    return args.run(args)


SMALL = ("--spacing", "2.5", "--length", "60")


def test_it_writes_cases_with_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("-o", str(tmp_path), *SMALL, "--average", "--side", "left", "--views", "pa", "--pixel", "1") == 0
    folder = tmp_path / "phantom-001"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"ct.nrrd", "labels.seg.nrrd", "landmarks.mrk.json", "phantom.json", "meshes/radius.vtp"} <= names
    assert {"views/pa/radiograph.nrrd", "views/pa/camera.json"} <= names
    assert json.loads((folder / "phantom.json").read_text())["parameters"]["side"] == "left"
    printed = capsys.readouterr().out
    assert "SYNTHETIC" in printed and str(folder) in printed and "left" in printed


def test_json_is_one_object_and_people_do_not_depend_on_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = ("--spacing", "2.5", "--length", "90", "--no-soft-tissue", "--no-carpals")
    options = (*bare, "--seed", "4", "--sex", "female", "--json")
    call("-o", str(tmp_path / "two"), "--people", "2", *options)
    two = json.loads(capsys.readouterr().out)
    call("-o", str(tmp_path / "one"), *options)
    one = json.loads(capsys.readouterr().out)
    assert two["synthetic"] is True and len(two["cases"]) == 2
    assert two["cases"][0]["parameters"] == one["cases"][0]["parameters"]
    assert two["cases"][0]["parameters"] != two["cases"][1]["parameters"]
    assert {case["parameters"]["sex"] for case in two["cases"]} == {"female"}
    measured, wanted = one["cases"][0]["measured"], one["cases"][0]["parameters"]
    assert measured["radial_inclination"] == pytest.approx(wanted["radial_inclination"], abs=1.0)
    assert not (tmp_path / "one" / "phantom-001" / "meshes" / "carpals.vtp").exists()


@pytest.mark.parametrize(
    ("anatomy", "bone", "heading"), [("knee", "patella", "plateau"), ("hip", "pelvis", "anteversion")]
)
def test_knees_and_hips_are_written_with_their_views(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], anatomy: str, bone: str, heading: str
) -> None:
    words = ("--anatomy", anatomy, "--spacing", "4", "--side", "left", "--views", "ap", "LAT", "--pixel", "2.5")
    assert call("-o", str(tmp_path), *words) == 0
    folder = tmp_path / "phantom-001"
    assert (folder / "meshes" / f"{bone}.vtp").exists() and (folder / "views" / "lat" / "camera.json").exists()
    content = json.loads((folder / "phantom.json").read_text())
    assert content["anatomy"] == anatomy and content["parameters"]["side"] == "left"
    picture = read_radiograph(folder / "views" / "ap" / "radiograph.nrrd")
    assert picture.synthetic and picture.pixels.max() > 1.0
    printed = capsys.readouterr().out
    assert f"SYNTHETIC {anatomy}s" in printed and heading in printed


def noise(path: Path) -> np.ndarray:
    """The air beside the forearm, where there is nothing but noise."""
    return read_radiograph(path / "radiograph.nrrd").pixels[:, :12].ravel()


def test_no_two_pictures_share_their_noise_nor_two_people_their_seed(tmp_path: Path) -> None:
    options = (*SMALL, "--average", "--side", "left", "--pixel", "1", "--views", "PA", "LAT", "--json")
    call("-o", str(tmp_path / "a"), "--people", "2", "--seed", "4", *options)
    call("-o", str(tmp_path / "b"), "--seed", "5", *options)
    people = [tmp_path / "a" / "phantom-001", tmp_path / "a" / "phantom-002", tmp_path / "b" / "phantom-001"]
    seeds = {json.loads((person / "phantom.json").read_text())["seed"] for person in people}
    assert len(seeds) == 3
    pictures = [noise(person / "views" / view) for person in people for view in ("pa", "lat")]
    assert np.abs(np.corrcoef(pictures) - np.eye(6)).max() < 0.5, "scattered light only"


@pytest.mark.parametrize(("length", "noted"), [("90", True), ("110", False)])
def test_a_cut_inside_the_picture_is_noted(
    tmp_path: Path, length: str, noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--spacing", "2.5", "--average", "--views", "PA", "LAT", "--pixel", "1", "--length", length)
    call("-o", str(tmp_path), *options)
    printed = capsys.readouterr().out
    assert (f"cut off at {length} mm lie inside the PA picture" in printed) == noted
    notes = read_radiograph(tmp_path / "phantom-001" / "views" / "lat" / "radiograph.nrrd").notes
    assert any("inside the LAT picture" in note for note in notes) == noted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--views", "skyline"), "PA and LAT"),
        (("--people", "0"), "people"),
        (("--pixel", "0"), "pixel"),
        (("--spacing", "0"), "spacing"),
        (("--length", "5"), "length"),
        (("--anatomy", "knee", "--views", "PA"), "AP and LAT"),
        (("--anatomy", "hip", "--length", "90"), "--length"),
        (("--anatomy", "knee", "--no-carpals"), "--no-carpals"),
    ],
)
def test_mistakes_are_explained_before_anything_is_written(tmp_path: Path, words: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call("-o", str(tmp_path / "out"), *words)
    assert not (tmp_path / "out").exists()


def test_help_shows_examples_and_says_synthetic(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call("--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text and "SYNTHETIC" in text
