"""Tables of experiments: the numbers by hand, failures counted, the paper's figures marked as the paper's."""

from __future__ import annotations

import csv
import io
import math

import pytest

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods
from XRayTo3DLib.evaluation.experiment_tables import (
    PAPER,
    mae_per_patient,
    outcomes_csv,
    patient_table,
    per_patient,
    reconstruction_table,
    statistics_table,
    translation_table,
)
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, TranslationOutcome


def outcome(case, method, bone, assd, empty=False, patient=None):
    return ReconstructionOutcome(case, patient or case, method, bone, assd, 1.5 * assd, 2 * assd, empty, 0.1)


OUTCOMES = [
    outcome("a", "mean shape", "radius", 1.0),
    outcome("b", "mean shape", "radius", 2.0),
    outcome("c", "mean shape", "radius", 3.0),
    outcome("a", "TL-net", "radius", 0.5),
    outcome("b", "TL-net", "radius", 1.5, empty=True),
    outcome("c", "TL-net", "radius", math.nan, empty=True),
    outcome("a", "mean shape", "ulna", 4.0),
]
MAES = [
    TranslationOutcome("a1", "a", "raw", 0.1, 0.2, 0.5),
    TranslationOutcome("a2", "a", "raw", 0.3, math.nan),
    TranslationOutcome("b1", "b", "raw", 0.4, 0.4),
    TranslationOutcome("a1", "a", "pix2pix", 0.01, 0.02),
]


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_numbers_by_hand():
    table = reconstruction_table(OUTCOMES, baseline="mean shape")
    rows = {(row["bone"], row["method"]): row for row in read(table.csv())}
    mean_shape, net = rows["radius", "mean shape"], rows["radius", "TL-net"]
    assert (float(mean_shape["assd_mean_mm"]), float(mean_shape["assd_sd_mm"])) == (2.0, 1.0)
    assert mean_shape["assd_change_percent"] == ""
    assert (net["patients"], net["cases"], net["empty"]) == ("2", "3", "2")
    assert float(net["assd_mean_mm"]) == 1.0
    assert float(net["asd_vertices_mean_mm"]) == 1.5
    assert float(net["hd95_mean_mm"]) == 2.0
    assert float(net["assd_change_percent"]) == -50
    assert rows["ulna", "TL-net"]["patients"] == "0"


def test_what_is_shown():
    table = reconstruction_table(OUTCOMES, baseline="mean shape")
    net = next(row for row in table.rows if row[0] == "TL-net")
    assert net == ("TL-net", "1.00 ± 0.71", "1.00", "1.50 ± 1.06", "2.00 ± 1.41", "−50 %", "2 of 3", "2")
    assert "ASSD against mean shape" in table.header
    assert all(len(row) in (1, len(table.header)) for row in table.rows)
    for text in (table.text(), table.html()):
        assert "1.00 ± 0.71" in text
        assert "2 of 3" in text
    assert max(map(len, reconstruction_table(OUTCOMES).text().splitlines())) <= 120


def test_the_papers_figures_are_marked_and_only_under_their_bones():
    others = [outcome("a", "TL-net", "femur", 1.0)]
    table = reconstruction_table([*OUTCOMES, *others])
    theirs = [row for row in table.rows if row[0] == PAPER]
    assert [row[3] for row in theirs] == ["1.05", "1.45"]
    assert all(set(row[1:]) - {row[3]} == {"–"} for row in theirs)
    assert "theirs" in PAPER
    assert any("is theirs" in note for note in table.notes)
    assert PAPER not in table.csv()
    for without in (reconstruction_table(OUTCOMES, paper=False), reconstruction_table(others)):
        assert PAPER not in without.text()
    assert "Shiode et al. (Scientific" not in reconstruction_table(OUTCOMES, paper=False).text()
    assert "0.025 ± 0.020" in translation_table(MAES).text()
    assert "0.025" not in translation_table(MAES, paper=False).text()


def test_cases_of_one_patient_count_once():
    several = [outcome("a1", "m", "radius", 1.0, patient="a"), outcome("a2", "m", "radius", 3.0, patient="a")]
    several += [outcome("b", "m", "radius", 5.0)]
    assert per_patient(several, "radius") == {"m": {"a": 2.0, "b": 5.0}}
    assert per_patient(several, "radius", "hd95_mm") == {"m": {"a": 4.0, "b": 10.0}}
    assert mae_per_patient(MAES)["raw"] == {"a": pytest.approx(0.2), "b": 0.4}
    assert mae_per_patient(MAES, "bone_mae")["raw"] == {"a": 0.2, "b": 0.4}


def test_translation_tables_by_hand():
    row = read(translation_table(MAES).csv())[0]
    assert (row["method"], row["patients"]) == ("raw", "2")
    assert float(row["mae_mean"]) == pytest.approx(0.3)
    assert float(row["bone_mae_mean"]) == pytest.approx(0.3)
    assert (float(row["structure_mean"]), row["structure_patients"]) == (0.5, "1")
    assert patient_table(MAES).rows == (("a", "0.2000", "0.0100"), ("b", "0.4000", "–"))


def test_statistics_table_holds_every_test_and_says_why_one_is_missing():
    values = {m: {f"p{k}": v + shift for k, v in enumerate((1, 2, 4, 7, 11))} for m, shift in (("a", 0), ("b", 9))}
    values["few"] = {"p0": 1.0}
    statistics = compare_methods(values)
    table = statistics_table(statistics)
    assert "1 value is too few" in table.text()
    rows = read(table.csv())
    assert len(rows) == 3 + 1 + 3 + 3
    tukey = next(row for row in rows if row["test"] == "Tukey-Kramer HSD" and row["second"] == "b")
    assert float(tukey["difference"]) == -9
    assert float(tukey["p"]) == statistics.tukey[0].p
    shown = {row[0]: row for row in table.rows}
    assert shown["a – b"][1].startswith("−9.00 (−")
    assert shown["a – b"][3] == "−9.00"


def test_every_outcome_is_in_the_raw_file():
    rows = read(outcomes_csv(OUTCOMES))
    assert len(rows) == len(OUTCOMES)
    assert rows[4]["empty"] == "True"
    assert rows[5]["assd_mm"] == ""
    assert read(outcomes_csv(MAES))[0]["mae"] == "0.1"


def test_names_cannot_bring_markup():
    assert "<b>" not in reconstruction_table([outcome("a", "<b>m", "radius", 1.0)]).html()


def test_nothing_to_show_is_said():
    for make in (reconstruction_table, translation_table, patient_table, outcomes_csv):
        with pytest.raises(InputError, match="no outcome"):
            make([])
    with pytest.raises(InputError, match='no method "ridge" to compare with; known are mean shape, TL-net'):
        reconstruction_table(OUTCOMES, baseline="ridge")
