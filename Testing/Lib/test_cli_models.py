"""``xrayto3d models``: list, show, verify."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_cases import a_bundle

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.models import save_bundle


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole bundle and a harmed one, in the person's own folder."""
    monkeypatch.setenv("XRAYTO3D_MODELS", str(tmp_path))
    network = {"predictor": {"w": torch.zeros(1000, 50)}}
    save_bundle(tmp_path / "wrist", a_bundle(title="Wrist demo"), network, {"mean": np.zeros((2, 3))})
    harmed = save_bundle(tmp_path / "harmed", a_bundle(), network)
    (harmed / "predictor.safetensors").write_bytes(b"x")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_list_shows_also_what_cannot_be_used(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmed, whole = printed(capsys, "list", str(models)).splitlines()
    assert (
        harmed.startswith("harmed")
        and "CANNOT BE USED: model bundle harmed: predictor.safetensors has 1 bytes" in harmed
    )
    assert whole.split(None, 1) == ["wrist", "tl-net, PA -> radius, ulna (distal forearm), SYNTHETIC, 0.2 MB"]


def test_list_looks_into_the_person_s_own_folder(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, "list", "--json"))["bundles"]
    assert {"harmed", "wrist"} <= {row["name"] for row in rows}
    row = next(row for row in rows if row["name"] == "wrist")
    assert row["synthetic"] is True and row["labels"] == ["radius", "ulna"] and row["views"] == ["PA"]
    assert row["bytes"] == sum(path.stat().st_size for path in (models / "wrist").glob("*.safetensors"))


def test_list_of_nothing_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "list", str(tmp_path)) == f"no model bundle in {tmp_path}\n"


def test_show_prints_the_card_by_name(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "show", "wrist")
    assert text.startswith("# Wrist demo\n\n> **SYNTHETIC") and "RESEARCH USE ONLY" in text
    assert text.rstrip().endswith("every checksum holds")
    content = json.loads(printed(capsys, "show", str(models / "wrist"), "--json"))
    assert content["bundle"]["grid"]["centre_mm"] == [0.0, 0.0, -26.0] and content["title"] == "Wrist demo"


def test_verify_counts_every_weight(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "verify", "wrist")
    assert "50,000 numbers" in text and "2 x 3" in text and "wrist is whole: 0.2 MB, every checksum holds" in text
    content = json.loads(printed(capsys, "verify", "wrist", "--json"))
    assert content["parameters"] == {"predictor": 50000} and content["arrays"] == {"mean": [2, 3]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "harmed"], "predictor.safetensors has 1 bytes instead of"),
        (["show", "harmed"], "predictor.safetensors has 1 bytes instead of"),
        (["show", "elbow"], "there is no model bundle elbow, neither here nor by name; installed: harmed, wrist"),
        (["verify", "no/where"], "there is no folder no/where"),
        (["list", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_exit_code_2(
    models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["models", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1 and captured.out == ""


@pytest.mark.parametrize("arguments", [["models"], ["models", "show"], ["models", "rename", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: xrayto3d models" in capsys.readouterr().err
