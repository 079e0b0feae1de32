"""Kasten's tables: what stands in which cell, and what of theirs stands beside it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from XRayTo3DLib.cli.experiment_biplanar import _figures
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import biplanar_report
from XRayTo3DLib.evaluation.biplanar_figures import TurnPoint, turn_figure
from XRayTo3DLib.evaluation.biplanar_published import PUBLISHED, THEIR_DRRS, THEIR_RADIOGRAPHS, published_table
from XRayTo3DLib.evaluation.biplanar_tables import (
    details_table,
    outlines_table,
    turn_points,
    turn_table,
    volumes_table,
)
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.biplanar import BiplanarExperiment


def outcome(method: str, bone: str, assd: float, dice: float, patient: str = "p1", empty: bool = False):
    return ReconstructionOutcome(
        patient, patient, method, bone, assd, 1.5 * assd, 2 * assd, empty, 0.25, assd - 0.5, assd + 0.5, dice
    )


VOLUMES = [
    outcome(method, bone, size * factor, 0.9 / factor, patient)
    for method, factor in (("mean shape", 2.0), ("ours", 1.0))
    for bone, size in (("femur", 1.0), ("patella", 2.0))
    for patient in ("p1", "p2")
]


def rows_of(table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def test_chamfer_and_dice_by_bone_their_mean_the_background_and_the_time() -> None:
    table = volumes_table(VOLUMES, {"ours": [0.98, 0.96]})
    assert table.header == ("Method", "Femur", "Patella", "Mean of bones", "Background", "Seconds")
    rows = rows_of(table)
    assert rows["ours"] == ("1.00 / 0.900", "2.00 / 0.900", "1.50 / 0.900", "0.970", "0.25")
    assert rows["mean shape"] == ("2.00 / 0.450", "4.00 / 0.450", "3.00 / 0.450", "–", "0.25")
    assert rows["Kasten et al. (theirs, DRRs of 20 CTs)"][:3] == ("1.075 / 0.943", "1.709 / 0.894", "1.294 / 0.907")
    assert any("theirs, on their data" in note for note in table.notes)
    assert "theirs" not in volumes_table(VOLUMES, paper=False).text()
    wrist = volumes_table([outcome("ours", "radius", 1, 0.9)])
    assert "Kasten" not in wrist.text() and all(len(row) == len(wrist.header) for row in wrist.rows)


def test_patients_count_alike_however_many_their_cases() -> None:
    mine = [outcome("m", "femur", value, 0.9, patient) for value, patient in ((1, "a"), (3, "a"), (5, "b"))]
    assert rows_of(volumes_table(mine))["m"][0] == "3.50 / 0.900"


def test_shown_views_and_others_stand_apart() -> None:
    outlines = [
        OutlineOutcome("p", "p", "ours", "femur", view, shown, 0.9, value, value, value, seconds=0.5)
        for view, shown, value in (("AP", True, 1.0), ("LAT", True, 2.0), ("AP turned 45°", False, 4.0))
    ]
    table = outlines_table(outlines)
    assert [row[0] for row in table.rows if len(row) == 1] == [
        "Views the methods saw: AP and LAT", "A view they never saw: AP turned 45°",
    ]  # fmt: skip
    ours = [row[1] for row in table.rows if row[0] == "ours"]
    assert ours == ["1.50 / 0.900", "4.00 / 0.900"]
    theirs = [row for row in table.rows if "theirs" in row[0]]
    assert len(theirs) == 1 and theirs[0][2] == "1.724 / 0.907"
    assert [line[0] for line in table.data] == ["shown", "not shown"] and "lost bones" not in table.text()
    lost = [replace(o, empty=True, case=case) for o in outlines for case in "pq"]
    assert "lost bones: ours gave no femur in 2 cases." in outlines_table(lost).notes[-1]


def test_a_case_takes_its_time_once_however_many_its_pictures() -> None:
    outlines = [
        OutlineOutcome(case, case, "ours", "femur", view, True, 0.9, 1.0, 1.0, 1.0, seconds=seconds)
        for case, views, seconds in (("a", ("AP", "LAT", "LL"), 1.0), ("b", ("AP",), 3.0))
        for view in views
    ]
    assert rows_of(outlines_table(outlines, paper=False))["ours"][-1] == "2.00"
    told = _figures(BiplanarExperiment(radiographs=outlines))
    assert told["seconds"] == {"ours": 2.0} and told["lost"] == 0


def test_what_json_cannot_say_is_null_and_a_lost_bone_counts_once() -> None:
    gone = [
        OutlineOutcome("a", "a", "ours", "femur", view, True, 0.0, math.nan, math.nan, math.nan, True)
        for view in ("AP", "LAT")
    ]
    turned = {angle: [outcome("ours", "femur", math.nan, 0.0)] for angle in (0.0, 5.0)}
    told = _figures(BiplanarExperiment(radiographs=gone, turned=turned))
    assert told["lost"] == 1 and told["seconds"] == {"ours": None} and told["turned"]["ours"]["5"] == [None, None]
    json.dumps(told, allow_nan=False)


def test_details_tell_directions_failures_and_the_change_against_the_mean_shape() -> None:
    lost = [outcome("ours", "femur", 3.0, 0.2, "p3", empty=True), outcome("mean shape", "femur", 5.0, 0.2, "p3")]
    table = details_table([*VOLUMES, *lost], "mean shape")
    ours = next(row for row in table.rows if row[0] == "ours")
    assert ours[1:4] == ("1.67 ± 1.15", "1.17 ± 1.15", "2.17 ± 1.15")
    assert ours[6:] == ("−44 %", "1 of 3", "3")  # 1.67 against 3.00
    with pytest.raises(InputError, match="no outcome"):
        details_table([])


def test_loss_is_told_against_no_turn_and_shared_between_methods() -> None:
    errors = {"mean shape": (4, 4, 4), "told": (1.0, 1.1, 1.3), "not told": (1.0, 1.5, 2.5)}
    turned = {
        angle: [outcome(method, bone, values[k], 0.9) for method, values in errors.items() for bone in ("a", "b")]
        for k, angle in enumerate((0.0, 5.0, 10.0))
    }
    points = turn_points(turned)
    assert [p.loss_mm for p in points["told"]] == pytest.approx([0, 0.1, 0.3])
    table = turn_table(points, ("told",), ("mean shape",))
    rows = rows_of(table)
    assert rows["mean shape"] == ("–", "4.00 (+0.00)", "4.00 (+0.00)", "4.00 (+0.00)")
    assert rows["told"][0] == "yes" and rows["not told"] == ("no", "1.00 (+0.00)", "1.50 (+0.50)", "2.50 (+1.50)")
    assert rows["told : not told"] == ("", "–", "20 %", "20 %")
    png = turn_figure(points, title="t", calibrated=("told",), baselines=("mean shape",))
    assert png.startswith(b"\x89PNG")
    with pytest.raises(InputError, match="0 degrees"):
        turn_points({5.0: turned[5.0]})
    with pytest.raises(InputError, match="no error"):
        turn_figure({"a": []}, title="t")
    assert TurnPoint(5.0, 1.5, 0.5) == points["not told"][1]


def test_what_is_published_adds_up() -> None:
    for line in (THEIR_DRRS, THEIR_RADIOGRAPHS):
        assert set(line.bones) == {"femur", "patella", "tibia", "fibula"}
        for k in range(2):
            mean = math.fsum(pair[k] for pair in line.bones.values()) / 4
            assert line.mean[k] == pytest.approx(mean, abs=0.0006)
    text = published_table().text()
    assert "1.724" in text and "1.778" not in text and "34 % did not converge" in text
    assert "theirs" not in [line.method for line in PUBLISHED] and "on their data" in text
    assert all(len(row) == len(published_table().header) for row in published_table().rows)


@pytest.mark.parametrize("factor", [2.0, 9.0])
def test_a_mean_shape_far_above_all_models_does_not_flatten_the_boxes(factor: float, monkeypatch) -> None:
    drawn: list[dict] = []
    monkeypatch.setattr(biplanar_report, "box_figure", lambda values, **options: drawn.append(values) or b"")
    volumes = [outcome("mean shape", "femur", factor, 0.5, p) for p in "ab"]
    volumes += [outcome(name, "femur", 1.0, 0.9, p) for name in ("one", "two") for p in "ab"]
    outlines = [OutlineOutcome("a", "a", "one", "femur", "AP", True, 0.9, 1.0, 1.0, 1.0)]
    parts = biplanar_report.biplanar_parts(volumes, outlines, baseline="mean shape")
    assert [part.heading for part in parts] == ["Bones in space", "Outlines in pictures", "Statistics"]
    shown = ["one", "two"] if factor > biplanar_report.FAR else ["mean shape", "one", "two"]
    assert list(drawn[0]["femur"]) == shown and ("far above" in parts[0].pictures[0].caption) == (factor > 4)
    assert "mean shape" in rows_of(parts[0].tables[0])
