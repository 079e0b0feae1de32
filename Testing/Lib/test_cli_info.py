"""``xrayto3d info``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from imaging_cases import PATIENT, SDD, shown, write_dicom

from XRayTo3DLib.cli import info
from XRayTo3DLib.cli.radiograph_options import add_radiograph_options, radiograph_arguments
from XRayTo3DLib.imaging import read_radiograph


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    info.add_parser(parser.add_subparsers())
    args = parser.parse_args(["info", *map(str, arguments)])
    return args.run(args)


def complete(tmp_path: Path) -> Path:
    tags = {
        "ImagerPixelSpacing": [0.2, 0.15],
        "PixelSpacing": [0.16, 0.12],
        "ViewPosition": "AP",
        "ImageLaterality": "R",
    }
    return write_dicom(tmp_path / "whole.dcm", shown(), DistanceSourceToDetector=SDD, **tags)


def test_it_says_what_is_there_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bare = write_dicom(tmp_path / "bare.dcm", shown(), PixelSpacing=[0.2, 0.15])
    assert run(complete(tmp_path), bare) == 0
    out = capsys.readouterr().out
    first, second = out.split(str(bare))
    assert "0.15 x 0.2 mm, ImagerPixelSpacing (0018,1164): on the detector plane" in first
    assert "0.12 x 0.16 mm, PixelSpacing (0028,0030): at the object plane" in first
    assert "AP right" in first and "1100 mm" in first and "complete" in first
    assert "missing" in second and "--spacing-kind" in second and "--sdd" in second
    assert not any(secret in out for secret in PATIENT.values())


def test_json_is_one_object_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(complete(tmp_path), tmp_path / "absent.png", "--json") == 2
    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert content["format"] == "xrayto3d.info/1"
    whole, absent = content["radiographs"]
    assert whole["size"] == [80, 96] and whole["missing"] == [] and whole["sdd"] == SDD
    assert "no file" in absent["error"] and "no file" in captured.err
    assert not any(secret in captured.out for secret in PATIENT.values())


def test_contradictions_are_shown_not_raised(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tags = {"ImagerPixelSpacing": [0.2, 0.15], "PixelSpacing": [0.12, 0.16]}
    assert run(write_dicom(tmp_path / "x.dcm", shown(), DistanceSourceToDetector=SDD, **tags)) == 0
    assert "contradict" in capsys.readouterr().out


def options(*arguments: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_radiograph_options(parser)
    return radiograph_arguments(parser.parse_args(arguments))


def test_options_are_the_reader_s_arguments(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "x.dcm", shown())
    answers = ["--spacing", "0.1", "0.2", "--sdd", "1000", "--view", "ll", "--source-isocentre", "800"]
    radiograph = read_radiograph(
        path, **options(*answers, "--spacing-kind", "calibrated", "--intensity", "attenuation")
    )
    assert radiograph.camera.spacing == pytest.approx((0.125, 0.25)) and radiograph.view == "LL"
