"""``xrayto3d benchmark registration`` as a person and as a script would call it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from phantoms_analytic import bone_ct

from XRayTo3DLib.cli import benchmark
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.evaluation import registration_setups, registration_study
from XRayTo3DLib.evaluation.registration_study import run_trials
from XRayTo3DLib.evaluation.registration_trials import Trial
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.registration import register as registration

FILES = {"trials.csv", "summary.json", "capture_range.png"}


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options for a small bone's CT, written under a name that nobody should read again."""
    folder = tmp_path_factory.mktemp("Doe_Jane")
    volume = write_ct(bone_ct(2.5), folder / "Doe_Jane.nrrd")
    labels = write_labels(bone_ct(2.5), folder / "labels.seg.nrrd")
    return ["--ct", str(volume), "--labels", str(labels)]


def answers(trial: Trial) -> tuple[Any, dict[str, Any]]:
    """A method that is right about even seeds and says of every result that it is."""
    return (trial.truth if trial.seed % 2 == 0 else trial.start), {"verdict": "converged", "seconds": 0.5}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers instead of registrations, in small pictures."""
    usual = registration_setups.trial_cameras
    monkeypatch.setattr(registration_setups, "trial_cameras", lambda views: usual(views, 48))
    monkeypatch.setattr(registration_study, "registration_solver", lambda *_, **__: answers)


def call(out: Path, *words: str) -> int:
    return main(["benchmark", "registration", "-o", str(out), *words])


def test_a_registration_from_beginning_to_end(
    ct: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One real trial from near by, with a shorter search than usual, for time."""
    options = registration.RegistrationOptions(starts=1, pixel_mm=(2.8, 1.4))
    usual = registration.register

    def shorter(bone: Any, views: Any, start: Any, _: Any, **more: Any) -> Any:
        return usual(bone, views, start, options, **more)

    monkeypatch.setattr(registration, "register", shorter)
    assert (
        call(tmp_path, *ct, "--seeds", "1", "--first-seed", "3", "--reach", "0.2", "--engine", "torch", "--json") == 0
    )
    text = capsys.readouterr().out
    content = json.loads(text)
    assert content == {**json.loads((tmp_path / "summary.json").read_text()), "files": content["files"]}
    assert content["synthetic"] is True and content["interrupted"] is False
    assert content["settings"]["reaches"] == [0.2] and content["settings"]["energy_kev"] == 60
    group = content["groups"]["reach 0.2"]
    assert group["trials"] == 1 and group["start_mm"] > 0.5 > 0.3 > group["mtre_mm"]
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert "Doe" not in text.replace(str(tmp_path), "") + (tmp_path / "trials.csv").read_text()


@pytest.mark.usefixtures("quick")
def test_the_table_for_a_person(ct: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, *ct, "--seeds", "3", "--views", "1", "--moving", "bone", "--capture") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "SYNTHETIC registration trials: your CT, bone, AP, easy pictures, the bone alone registered"
    assert lines[1].split() == ["reach", "1", "reach", "2", "reach", "3"]
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines[2:]]
    assert ["mTRE under 1 mm", *["66.7 %"] * 3] in cells
    assert ["called converged", *["3 of 3"] * 3] in cells
    assert ["seconds, median", *["0.50 s"] * 3] in cells
    assert f"wrote {tmp_path / 'capture_range.png'}" in lines
    trials = list(csv.DictReader(io.StringIO((tmp_path / "trials.csv").read_text())))
    assert [(row["group"], row["seed"]) for row in trials[2:4]] == [("reach 1", "2"), ("reach 2", "0")]
    ratio = float(trials[4]["start_rotation_deg"]) / float(trials[1]["start_rotation_deg"])
    assert ratio == pytest.approx(2, rel=1e-3)


@pytest.mark.usefixtures("quick")
def test_stopping_keeps_what_was_done(
    ct: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> Iterator[Any]:
        for number, outcome in enumerate(run_trials(*arguments)):
            if number == 2:
                raise KeyboardInterrupt
            yield outcome

    monkeypatch.setattr(registration_study, "run_trials", stopped)
    assert call(tmp_path, *ct, "--seeds", "5") == benchmark.INTERRUPTED
    assert "interrupted after 2 of 5 trials" in capsys.readouterr().out
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + 2
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["interrupted"] is True and content["groups"]["reach 1"]["trials"] == 2


@pytest.mark.usefixtures("quick")
def test_stopping_before_the_first_trial_leaves_nothing_old(
    ct: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> Iterator[Any]:
        raise KeyboardInterrupt

    (tmp_path / "summary.json").write_text("{}")
    monkeypatch.setattr(registration_study, "run_trials", stopped)
    assert call(tmp_path, *ct) == benchmark.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_no_result_at_all_is_an_error(
    ct: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = (None, {"problem": "the engine is away."})
    monkeypatch.setattr(registration_study, "registration_solver", lambda *_, **__: lambda _: nothing)
    assert call(tmp_path, *ct, "--seeds", "2") == 2
    assert "no trial had a result: the engine is away." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--first-seed", "-1"], "--first-seed 0 or more"),
        (["--reach", "0"], "--reach must be greater than 0"),
        (["--reach", "nan"], "--reach must be greater than 0"),
        (["--ct", "ct.nrrd"], "give --labels FILE"),
        (["--labels", "labels.nrrd"], "give --ct FILE"),
    ],
)
def test_what_cannot_be_run_is_2_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert call(tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_limb_is_not_the_bone_in_hard_pictures(
    ct: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "out", *ct, "--difficulty", "hard", "--moving", "limb") == 2
    assert "moves by itself" in capsys.readouterr().err


def test_choices_are_the_library_s() -> None:
    assert benchmark.ANATOMIES == registration_setups.ANATOMIES and benchmark.MOVING == registration_setups.MOVING
