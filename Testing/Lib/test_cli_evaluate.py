"""``xrayto3d evaluate`` as a person and as a script would call it."""

from __future__ import annotations

import argparse
import json
import re

import pytest
from solids import sphere

from XRayTo3DLib.cli import evaluate
from XRayTo3DLib.errors import XRayTo3DError
from XRayTo3DLib.shape.meshes import points_of, transformed
from XRayTo3DLib.shape.surfaces import write_surface


def call(*words) -> int:
    parser = argparse.ArgumentParser(prog="xrayto3d")
    evaluate.add_parser(parser.add_subparsers())
    args = parser.parse_args(["evaluate", *map(str, words)])
    return args.run(args)


@pytest.fixture
def files(tmp_path):
    return write_surface(sphere(20, 40), tmp_path / "ct.ply"), write_surface(sphere(21, 40), tmp_path / "guess.vtp")


def test_table_for_a_person(files, tmp_path, capsys):
    assert call(*files, "-o", tmp_path / "out") == 0
    text = capsys.readouterr().out
    assert text.startswith("guess.vtp compared with ct.ply\n")
    assert re.search(r"^  ASSD +(0\.99|1\.00)\d mm$", text, re.MULTILINE)
    assert f"wrote {tmp_path / 'out' / 'report.html'}" in text
    values = [line.rindex(" ") for line in text.splitlines() if line.startswith("  ")]
    assert len(set(values)) == 1, "the columns are aligned"


@pytest.mark.usefixtures("no_picture")
def test_json_for_a_script(files, tmp_path, capsys):
    assert call(*files, "-o", tmp_path / "out", "--json", "--synthetic", "--seed", 7) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["metrics"]["assd"] == pytest.approx(1, abs=0.02)
    assert content["synthetic"] is True
    assert content["seed"] == 7
    assert content["files"]["metrics"] == str(tmp_path / "out" / "metrics.json")


@pytest.mark.usefixtures("no_picture")
def test_units_of_each_file(files, tmp_path, capsys):
    metres = tmp_path / "metres.stl"
    small = transformed(sphere(20, 40), [[0.001, 0, 0, 0], [0, 0.001, 0, 0], [0, 0, 0.001, 0], [0, 0, 0, 1]])
    assert points_of(small).max() < 0.03
    write_surface(small, metres)
    with pytest.raises(
        XRayTo3DError, match="Reference metres.stl looks like metres: largest extent is 0.04; give --unit m"
    ):
        call(metres, files[1], "-o", tmp_path / "out")
    with pytest.raises(XRayTo3DError, match="give --result-unit m"):
        call(files[0], metres, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert call(files[0], metres, "-o", tmp_path / "out", "--result-unit", "m") == 0


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize(
    ("words", "margin"), [((), None), (("--ignore-boundary",), 0.0), (("--boundary-margin", "2.5"), 2.5)]
)
def test_ignoring_the_boundary(files, tmp_path, capsys, words, margin):
    call(*files, "-o", tmp_path / "out", "--json", *words)
    assert json.loads(capsys.readouterr().out)["ignore_boundary_mm"] == margin


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--boundary-margin", "-1"), "--boundary-margin must be 0 mm or more"),
        (("--boundary-margin", "nan"), "--boundary-margin must be 0 mm or more"),
        (("--seed", "-1"), "--seed must be 0 or more"),
        (("--range", "0"), "--range must be greater than 0"),
    ],
)
def test_options_out_of_range_are_refused_before_the_work(files, tmp_path, option, words):
    with pytest.raises(XRayTo3DError, match=words):
        call(*files, "-o", tmp_path / "out", *option)
    assert not (tmp_path / "out").exists()


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        call("--help")
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "xrayto3d evaluate ct_femur.ply reconstruction.vtp -o evaluation" in text
