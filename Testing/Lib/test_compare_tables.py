"""Tables and report of a comparison: every cell a number or a reason, numbers per patient, papers' marked as theirs."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from compare_cases import BONES, COLUMNS, measured, outcome, rows

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_figures import accuracy_figure
from XRayTo3DLib.evaluation.compare_published import lines_for, mean_line
from XRayTo3DLib.evaluation.compare_report import comparison_parts, headline, summary
from XRayTo3DLib.evaluation.compare_results import Measured, Row
from XRayTo3DLib.evaluation.compare_tables import (
    Reasons,
    bones_table,
    duration,
    main_table,
    overall,
    same_people,
    under,
)
from XRayTo3DLib.evaluation.experiment_report import experiment_page


def test_means_are_over_patients_and_columns_over_their_conditions() -> None:
    row = rows()[0]
    assert overall(row.of("plain")).mean == 2.0 and overall(row.of("plain")).n == 3
    assert same_people(row, COLUMNS) == 1.5  # the first two
    assert under(row, COLUMNS["View 5°"]) == 3.5 and under(row, ["nothing"]) != under(row, ["nothing"])
    uneven = [outcome("a", "femur", 1.0), outcome("a", "tibia", 3.0), outcome("b", "femur", 6.0)]
    assert overall(uneven).mean == 4.0  # not 10 / 3


def test_a_bone_that_was_lost_does_not_hide_the_others() -> None:
    found = overall([outcome("a", "femur", math.nan), outcome("a", "tibia", 3.0)])
    assert found.mean == 3.0 and found.n == 1


def test_no_cell_is_empty_and_every_letter_is_explained() -> None:
    table = main_table(rows(), COLUMNS, 2)
    for row in table.rows:
        assert all(cell.strip() for cell in row) and len(row) in (2, len(table.header))
    letters = {cell for row in table.rows if len(row) > 2 for cell in row[2:] if re.fullmatch("[a-z]+", cell)}
    assert letters == {"a", "b"}
    note = table.notes[-1]
    assert "a: no tissue here" in note and "b: given as a finished model, without its training" in note
    told = dict(row for row in table.rows if len(row) == 2)
    assert told["Dual-face depth"] == "left out: it needs AP radiographs"
    assert told["Ridge regression"] == "failed: its memory ran out"


def test_numbers_stand_where_they_belong() -> None:
    table = main_table(rows(), COLUMNS, 2)
    first = dict(zip(table.header, table.rows[0], strict=True))
    assert first == {
        "Method": "TL-net", "Views": "AP+LAT", "ASSD": "2.00", "HD95": "6.00", "Dice": "0.900", "Lost": "0",
        "First 2": "1.50", "View 5°": "3.50", "Soft tissue": "6.50", "Training": "90 s", "s / case": "0.40",
        "Memory": "500 MB",
    }  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(table.csv())))
    assert [line["name"] for line in lines] == ["tl-net", "mean-shape", "dual-face-depth", "ridge"]
    assert float(lines[0]["assd_mean_mm View 5°"]) == 3.5 and float(lines[0]["training_s"]) == 90.0
    assert [line["given"] for line in lines[:2]] == ["False", "False"]
    assert lines[1]["training_s"] == "" and lines[2]["why_not"] == "it needs AP radiographs"
    assert "Comparison" in table.text() and "left out: it needs" in table.text()


def test_published_numbers_are_marked_as_the_papers() -> None:
    name, sentence = main_table(rows(), COLUMNS, 2).rows[-1]
    assert (
        name == "Published" and "1.294" in sentence and "on their own data" in sentence and "no comparison" in sentence
    )
    assert mean_line({"femur", "tibia"}) is None  # other bones: no mean to stand beside
    table = bones_table(rows(), {bone: lines_for(bone) for bone in BONES})
    theirs = [row for row in table.rows if row[0] == "Published"]
    assert any("Chen & Fang 2020: 3.984 mm, Dice 0.878" in row[1] for row in theirs)
    assert any("1.778" in cell for row in table.rows for cell in row) is False  # the blog's inconsistent average
    assert any("no comparison" in note for note in table.notes)
    assert {line.distance_mm for line in lines_for("radius")} == {1.05} and lines_for("scaphoid") == []
    assert {line.distance_mm for line in lines_for("femur_left")} == {1.95}


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (3.2, 119, 125, 3600, 7300)] == [
        "3 s",
        "119 s",
        "2 min",
        "60 min",
        "2.0 h",
    ]


def test_the_training_of_a_given_model_is_marked() -> None:
    table = main_table([replace(rows()[0], given=True)], COLUMNS, 2)
    assert dict(zip(table.header, table.rows[0], strict=True))["Training"] == "(90 s)"


def test_letters_go_on_after_z() -> None:
    reasons = Reasons()
    letters = [reasons.letter(str(number)) for number in range(30)]
    assert letters[:2] == ["a", "b"] and letters[25:28] == ["z", "aa", "ab"] and len(set(letters)) == 30
    assert reasons.letter("3") == "d"


def test_results_come_back_from_json() -> None:
    found = measured({"plain": [1.0, math.nan]}, {"tissue": "none"})
    again = Measured.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again.to_dict() == found.to_dict() and math.isnan(again.outcomes["plain"][-1].assd_mm)
    assert again.case_s == 0.4 and again.outcomes["plain"][0] == found.outcomes["plain"][0]
    with pytest.raises(InputError, match="lacks or misnames"):
        Measured.from_dict({"outcomes": {}})


def test_the_report_shows_everything_and_warns() -> None:
    parts = comparison_parts(rows(), COLUMNS, 2, synthetic=True)
    assert [picture.name for picture in parts[0].pictures] == ["accuracy", "robustness", "cost"]
    assert all(picture.png.startswith(b"\x89PNG") for picture in parts[0].pictures)
    assert any("Ridge regression failed: its memory ran out" in warning for warning in parts[0].warnings)
    page = experiment_page("Comparison", parts, synthetic=True, numbers=headline(rows()))
    assert 'colspan="11">left out: it needs AP radiographs' in page and "Synthetic" in page
    assert "TL-net 2.00, Mean shape 4.00" in summary(rows())


def test_a_method_that_lost_every_bone_is_drawn_and_told() -> None:
    lost = [Row("ridge", "ridge", measured({"plain": [math.nan, math.nan]}))]
    assert accuracy_figure(lost).startswith(b"\x89PNG")
    (row,) = (row for row in main_table(lost, {}, 0).rows if row[0] == "Ridge regression")
    assert all(row)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(InputError, match="no method gave a number"):
        comparison_parts([Row("ridge", "ridge", why_not="failed", failed=True)], COLUMNS, 2)
