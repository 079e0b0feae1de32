"""``xrayto3d experiment`` as a user runs it: tables on the screen, a page, CSVs and pictures in the folder."""

from __future__ import annotations

import csv
import json
import math
from functools import partial
from pathlib import Path

import pytest

from XRayTo3DLib.cli.experiment import _mean_of, _means
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, TranslationOutcome
from XRayTo3DLib.experiments import reconstruction, sensitivity
from XRayTo3DLib.experiments.reconstruction import CT_DRR, GAN, MEAN, RIDGE
from XRayTo3DLib.experiments.trials import judge

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruction, "RIDGE_EXPOSURES", 2)
    monkeypatch.setattr(reconstruction, "judge", partial(judge, samples=300))
    monkeypatch.setattr(sensitivity, "SAMPLES", 200)
    monkeypatch.setattr(sensitivity, "AXES", {"flexion (deg)": 0})


def run(*words: object) -> int:
    return main(["experiment", *map(str, words)])


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def check_page(folder: Path) -> str:
    """One page that needs nothing from elsewhere, says what it is, and has its tables and pictures beside it."""
    page = page_of(folder)
    assert "Synthetic data" in page and "research use only" in page.lower()
    assert "data:image/png;base64," in page and "http://" not in page.replace("http://www.w3.org", "")
    assert list(folder.glob("*.csv")) and list(folder.glob("*.png"))
    return page


def test_reconstruction_from_every_input(
    wrists: Path, tl_net_bundle: Path, translation_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    words = ("--model", tl_net_bundle, "--translation", translation_bundle, "--data", wrists, "-o", tmp_path)
    assert run("reconstruction", *words) == 0
    out = capsys.readouterr().out
    for name in (MEAN, RIDGE, CT_DRR, GAN, "registration-DRR", "histogram-matched", "raw radiograph"):
        assert name in out, name
    assert "SYNTHETIC people" in out and "Shiode" in out and f"report: {tmp_path / 'report.html'}" in out
    page = check_page(tmp_path)
    assert str(wrists) not in page
    rows = [row for path in tmp_path.glob("*outcomes*.csv") for row in csv.DictReader(path.open(encoding="utf-8"))]
    assert len(rows) == 7 * 3 * 2 and {row["bone"] for row in rows} == {"radius", "ulna"}


def test_reconstruction_for_a_script(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    assert run("reconstruction", "--model", tl_net_bundle, "--data", wrists, "-o", tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["synthetic"] and set(told["assd_mm"]) == {MEAN, RIDGE, CT_DRR} and told["outcomes"] == 18
    assert all(0 < value < 30 for bones in told["assd_mm"].values() for value in bones.values())
    rows = [row for path in tmp_path.glob("*outcomes*.csv") for row in csv.DictReader(path.open(encoding="utf-8"))]
    lost = sum(row["empty"] in ("True", "1", "yes") for row in rows)
    assert lost == told["lost"] and len(rows) == 18


def test_image_translation(wrists: Path, translation_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    assert run("image-translation", "--translation", translation_bundle, "--data", wrists, "-o", tmp_path) == 0
    out = capsys.readouterr().out
    assert "raw radiograph" in out and GAN in out and "oracle" in out
    check_page(tmp_path)


def test_translators_side_by_side(wrists: Path, translation_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    words = ("--translation", f"first={translation_bundle}", "--translation", f"second={translation_bundle}")
    assert run("image-translation", *words, "--data", wrists, "-o", tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mae"]["first"] == told["mae"]["second"] < told["mae"]["raw radiograph"]
    assert told["structure"]["first"] == told["structure"]["second"]
    assert all(-1 <= value <= 1 for value in told["structure"].values())
    check_page(tmp_path)
    assert (tmp_path / "image-translation-beside.png").exists()
    for names, message in (
        (("first", "first"), "two models are called first"),
        (("raw radiograph", "b"), "cannot be called 'raw radiograph'"),
        (("histogram-matched, no mask", "b"), "those rows are there already"),
    ):
        words = [word for name in names for word in ("--translation", f"{name}={translation_bundle}")]
        assert run("image-translation", *words, "--data", wrists, "-o", tmp_path / "no") == 2
        assert message in capsys.readouterr().err
    assert run("image-translation", *2 * ("--translation", translation_bundle), "--data", wrists, "-o", tmp_path) == 2
    assert "write NAME=BUNDLE" in capsys.readouterr().err


def test_sensitivity(wrists: Path, tl_net_bundle: Path, tmp_path: Path, capsys: Out) -> None:
    assert run("sensitivity", "--model", tl_net_bundle, "--data", wrists, "-o", tmp_path) == 0
    out = capsys.readouterr().out
    for angle in ("-15:", "0:", "15:"):
        assert angle in out
    page = page_of(tmp_path)
    assert "Synthetic data" in page and "SYNTHETIC people" in out and "flexion" in page and "data:image/png" in page


def test_what_cannot_be_asked(
    wrists: Path, tl_net_bundle: Path, translation_bundle: Path, two_view_bundle: Path, tmp_path: Path, capsys: Out
) -> None:
    out = ("-o", tmp_path / "out")
    (tmp_path / "file").write_text("x")
    model, translation = ("--model", tl_net_bundle), ("--translation", translation_bundle)
    for words, message in (
        (("reconstruction", *model, "--data", tmp_path, *out), "dataset.json"),
        (("reconstruction", "--model", translation_bundle, "--data", wrists, *out), "tl-net is needed"),
        (("reconstruction", "--model", two_view_bundle, *translation, "--data", wrists, *out), "other images"),
        (
            ("image-translation", "--translation", tl_net_bundle, "--data", wrists, *out),
            "or histogram-matching is needed",
        ),
        (("sensitivity", *model, "--data", wrists, "-o", tmp_path / "file"), "is a file"),
        (("sensitivity", *model, "--data", wrists, *out, "--seed", -1), "--seed"),
    ):
        assert run(*words) == 2, words
        assert message in capsys.readouterr().err, words
    assert not (tmp_path / "out").exists()


def test_json_tells_the_means_of_the_tables() -> None:
    """Patients count alike however many their pictures; what has no number is null, which is JSON."""
    pictures = [TranslationOutcome(p, p, "raw", mae) for p, mae in (("a", 1.0), ("a", 2.0), ("b", 4.5))]
    assert _mean_of(pictures, "mae") == {"raw": 3.0} and _mean_of(pictures, "structure") == {"raw": None}
    bones = [
        ReconstructionOutcome(f"{p}{k}", p, "m", bone, value, value, value, math.isnan(value))
        for k, (p, bone, value) in enumerate((("a", "ulna", 1.0), ("a", "ulna", 2.0), ("b", "ulna", 4.5),
                                              ("a", "radius", math.nan)))
    ]  # fmt: skip
    assert _means(bones) == {"assd_mm": {"m": {"ulna": 3.0, "radius": None}}, "lost": 1}
