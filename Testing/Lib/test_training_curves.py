"""Curves read from a growing metrics.csv."""

from __future__ import annotations

import math
from pathlib import Path

from training_cases import TinyTask

from XRayTo3DLib.training.curves import LOSS, VALIDATION, CurveReader, read_curves
from XRayTo3DLib.training.logs import TrainingLog, read_metrics
from XRayTo3DLib.training.loop import train


def test_curves_are_what_was_logged(tmp_path: Path) -> None:
    train(TinyTask(), tmp_path, device="cpu", log_every=2)
    rows, curves = read_metrics(tmp_path), read_curves(tmp_path)
    assert {(each.stage, each.name): each.kind for each in curves} == {
        ("alone", "loss"): LOSS,
        ("alone", "gradient_norm"): LOSS,
        ("alone", "assd_mm"): VALIDATION,
        ("alone", "vanished_mm"): VALIDATION,
        ("pair", "critic/loss"): LOSS,
        ("pair", "critic/gradient_norm"): LOSS,
        ("pair", "maker/loss"): LOSS,
        ("pair", "maker/error"): LOSS,
        ("pair", "maker/gradient_norm"): LOSS,
        ("pair", "assd_mm"): VALIDATION,
        ("pair", "vanished_mm"): VALIDATION,
    }
    for curve in curves:
        own = [row for row in rows if (row["stage"], row["name"]) == (curve.stage, curve.name)]
        assert curve.steps == [row["step"] for row in own]
        assert str(curve.values) == str([row["value"] for row in own])  # NaN is not equal to NaN
    assert all(math.isnan(value) for curve in curves if curve.name == "vanished_mm" for value in curve.values)


def test_pieces_of_any_size_give_the_same(tmp_path: Path) -> None:
    train(TinyTask(steps=6), tmp_path, device="cpu", log_every=2)
    reader, pieces = CurveReader(tmp_path), 0
    while reader.read(100):
        pieces += 1
    assert pieces > 3
    assert str(reader.curves) == str(read_curves(tmp_path))


def test_it_follows_a_file_that_grows_and_one_that_was_rewritten(tmp_path: Path) -> None:
    reader = CurveReader(tmp_path)
    assert not reader.read() and reader.curves == []
    log = TrainingLog(tmp_path, 0, tensorboard=False)
    log.add("s", 10, 10, {"loss": 1.0, "gradient_norm": 2.0})
    reader.read()
    log.add("s", 20, 20, {"loss": 0.5, "gradient_norm": 1.0})
    log.close()
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("30,s,30,lo")  # half a row
    reader.read()
    reader.read()
    assert (reader.curves[0].steps, reader.curves[0].values) == ([10, 20], [1.0, 0.5])
    log = TrainingLog(tmp_path, 10, tensorboard=False)  # resumed at step 10: what came after is done again
    log.add("s", 20, 20, {"loss": 0.25, "gradient_norm": 1.0})
    log.close()
    reader.read()
    assert (reader.curves[0].steps, reader.curves[0].values) == ([10, 20], [1.0, 0.25])
