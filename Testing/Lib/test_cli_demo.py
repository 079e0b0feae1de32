"""``xrayto3d demo``: the whole way, small."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest

from XRayTo3DLib.cli import demo
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.evaluation import demonstration, demonstration_report
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration import register as registration


def test_one_person_the_whole_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report, pictures and scene are there, labelled synthetic. A shorter search than usual, for time."""
    usual = registration.register

    def shorter(bone: Any, views: Any, start: Any, surroundings: Any) -> Any:
        options = registration.RegistrationOptions(starts=16 if len(views) == 2 else 3, pixel_mm=(1.4, 0.7))
        return usual(bone, views, start, options, surroundings=surroundings)

    monkeypatch.setattr(registration, "register", shorter)
    out = tmp_path / "demo"
    arguments = ["demo", "-o", str(out), "--people", "1", "--spacing", "1.2", "--json"]
    assert main(arguments) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["synthetic"] is True
    (person,) = content["people"]
    both, single = person["registrations"]
    assert both["views"] == ["PA", "LAT"] and single["views"] == ["PA"]
    assert both["start_mtre_mm"] > 5 and both["mtre_mm"] < 1.0 == content["target_mm"]
    assert content["largest_two_view_mtre_mm"] == both["mtre_mm"]
    assert person["assd_mm"] < 1.0
    report = (out / "report.html").read_text(encoding="utf-8")
    assert content["report"] == str(out / "report.html")
    assert "SYNTHETIC" in report.upper() and "research" in report.lower() and report.count("data:image/png") == 3
    assert not re.search(r"(src|href)=[\"']https?://", report)  # opens without a network
    assert all(Path(picture).is_file() for r in person["registrations"] for picture in r["pictures"])
    with ZipFile(person["scene"]) as scene:
        names = scene.namelist()
    assert any(name.endswith(".mrml") for name in names)
    folder = out / "wrist-1"
    start, found = (RigidPose.load(folder / "registration_2_views" / name) for name in ("start.tfm", "pose.tfm"))
    assert start.distance_to(found, (0, 0, 0))[0] > 4
    assert json.loads((folder / "registration_2_views/registration.json").read_text())["synthetic"] is True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--people", "0"], "--people must be 1 or more"),
        (["--seed", "-1"], "--seed 0 or more"),
        (["--spacing", "0"], "spacing"),
        (["--spacing", "nan"], "spacing"),
    ],
)
def test_impossible_demonstrations_are_2_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["demo", "-o", str(tmp_path / "demo"), *options]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("missed", "code"), [(0.4, 0), (1.0, 3), (2.5, 3)])
def test_the_exit_code_is_the_target_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missed: float, code: int
) -> None:
    """0 when the largest two-view mTRE is under 1 mm, 3 when not; the words say the same."""
    result = SimpleNamespace(verdict=SimpleNamespace(value="converged"))
    registration = SimpleNamespace(
        views=("PA", "LAT"), result=result, start_mm=9.0, mtre_mm=missed, in_plane_mm=0.1, files={}
    )
    comparison = SimpleNamespace(value=lambda name: 0.2)
    files = {"picture": tmp_path / "p.png", "scene": tmp_path / "s.mrb"}
    person = SimpleNamespace(name="wrist-1", registrations=(registration,), comparison=comparison, files=files)
    monkeypatch.setattr(demonstration, "demonstrate_person", lambda *_: person)
    monkeypatch.setattr(demonstration_report, "demonstration_page", lambda people: "page")
    assert main(["demo", "-o", str(tmp_path), "--people", "1"]) == code
    out = capsys.readouterr().out
    assert ("reached" in out) is (code == 0) and ("MISSED" in out) is (code == demo.MISSED)
    assert "SYNTHETIC" in out and "Slicer scene:" in out
