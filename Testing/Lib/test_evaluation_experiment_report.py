"""Figures and the report of experiments: they show what the numbers say; nothing is fetched, nothing is lost."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from solids import cube, sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import case_rendering, experiment_case_figure, experiment_figures
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture, case_figure, pick_cases
from XRayTo3DLib.evaluation.experiment_figures import box_figure, sensitivity_figure
from XRayTo3DLib.evaluation.experiment_image_figure import (
    SideBySide,
    TranslationPicture,
    side_by_side_figure,
    translation_figure,
)
from XRayTo3DLib.evaluation.experiment_report import (
    Part,
    experiment_page,
    failures,
    reconstruction_parts,
    translation_parts,
    write_experiment,
)
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods, summarise
from XRayTo3DLib.evaluation.experiment_style import INK
from XRayTo3DLib.evaluation.experiment_tables import PAPER
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, TranslationOutcome, outcomes_of

METHODS = {"mean shape": 1.0, "TL-net": 0.5, "histogram-matched": 0.8}


def outcomes(patients=8):
    generator = np.random.default_rng(4)
    made = []
    for method, level in METHODS.items():
        for bone, factor in (("radius", 1), ("ulna", 2)):
            for number in range(patients):
                value = level * factor * generator.uniform(0.8, 1.2)
                lost = method == "TL-net" and bone == "ulna" and number == 3
                numbers = (math.nan,) * 3 if lost else (value, 1.2 * value, 2 * value)
                made.append(ReconstructionOutcome(f"c{number}", f"p{number}", method, bone, *numbers, lost))
    return made


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image - colour).max(axis=-1) <= 3).sum())


@pytest.fixture(scope="module")
def case():
    truth = {"radius": sphere(10, 16), "ulna": sphere(6, 12, centre=(-25, 0, 0))}
    result = {"radius": sphere(10.05, 16)}
    return CasePicture("Worst", "c3", truth, result, outcomes_of(truth, result, case="c3", method="m", samples=1000))


def test_best_median_and_worst():
    made = outcomes()
    picked = pick_cases(made, "TL-net")
    of_net = [o for o in made if o.method == "TL-net"]
    means = {case: np.mean([o.assd_mm for o in of_net if o.case == case]) for case in {o.case for o in of_net}}
    assert picked["Worst"] == "c3"
    assert picked["Best"] == min((c for c in means if c != "c3"), key=means.__getitem__)
    assert sum(value < means[picked["Median"]] for value in means.values()) == 3
    assert pick_cases(made[:1], "mean shape") == {"Best": "c0"}
    assert list(pick_cases(made[:2], "mean shape")) == ["Best", "Worst"]
    worst = max((o for o in of_net if o.bone == "radius"), key=lambda o: o.assd_mm)
    assert pick_cases(made, "TL-net", "radius")["Worst"] == worst.case
    with pytest.raises(InputError, match='no outcome of "x"'):
        pick_cases(made, "x")


def test_every_pair_that_differs_has_a_bracket_and_none_crosses_another(monkeypatch):
    values = {f"m{k}": {f"p{n}": 1 + 0.3 * k + 0.02 * n for n in range(8)} for k in range(4)}
    values["m4"] = values["m0"]
    tests = compare_methods(values).tukey
    drawn = []
    monkeypatch.setattr(experiment_figures, "png_of", lambda figure: drawn.append(figure) or b"")
    monkeypatch.setattr(experiment_figures, "MOST_BRACKETS", 100)
    box_figure({"radius": values}, unit="mm", title="t", tests={"radius": tests})
    (axes,) = drawn[0].axes
    brackets = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 4 and line.get_color() == INK]
    spans = [(round(b[0, 0]), round(b[-1, 0]), b[1, 1]) for b in brackets]
    expected = {(int(t.first[1]), int(t.second[1])) for t in tests if t.significant}
    assert {span[:2] for span in spans} == expected
    assert (0, 4) not in expected
    assert len([text for text in axes.texts if text.get_text() == "***"]) == len(expected)
    for k, (left, right, height) in enumerate(spans):
        assert height > max(values["m3"].values())
        assert all(right < a or left > b or abs(height - h) > 0.05 for a, b, h in spans[k + 1 :])
    assert axes.get_ylim()[1] > max(height for *_, height in spans)


def test_same_numbers_same_picture():
    values = {"radius": {m: {f"p{k}": level + 0.01 * k for k in range(5)} for m, level in METHODS.items()}}
    assert box_figure(values, unit="mm", title="t") == box_figure(values, unit="mm", title="t")


def beside(name, **translated):
    """A row of pictures side by side whose radiograph and target are the first translated one."""
    image = next(iter(translated.values()))
    return SideBySide(name, image, translated, image, {})


def test_pictures_side_by_side_grow_with_translators_and_rows():
    image = np.random.default_rng(0).uniform(0, 1, (8, 8))
    one = pixels(side_by_side_figure([beside("x", a=image)], title="t"))
    wide = pixels(side_by_side_figure([beside("x", a=image, b=image)], title="t"))
    tall = pixels(side_by_side_figure([beside("x", a=image), beside("y", a=image)], title="t"))
    assert wide.shape[0] == one.shape[0] and wide.shape[1] > one.shape[1] + 200
    assert tall.shape[1] == one.shape[1] and tall.shape[0] > one.shape[0] + 200
    for rows in ([], [beside("x", a=image), beside("y", b=image)]):
        with pytest.raises(InputError, match="the same translators"):
            side_by_side_figure(rows, title="t")


def test_synthetic_figures_say_so(case):
    values = {"radius": {"m": {"a": 1.0, "b": math.nan}, "none": {"a": math.nan}}}
    curves = {"radius": {"m": [(0.0, summarise([1, 2])), (5.0, summarise([])), (10.0, summarise([3]))]}}
    image = np.random.default_rng(0).uniform(0, 1, (8, 8))
    rows = [TranslationPicture("one", image, image, np.zeros((8, 8)), 0.5)]
    for draw in (
        lambda synthetic: box_figure(values, unit="mm", title="t", synthetic=synthetic),
        lambda synthetic: sensitivity_figure(curves, x_label="x", y_label="y", title="t", synthetic=synthetic),
        lambda synthetic: translation_figure(rows, title="t", synthetic=synthetic),
        lambda synthetic: side_by_side_figure([beside("one", a=image)], title="t", synthetic=synthetic),
    ):
        assert near(pixels(draw(True)), (91, 58, 140)) > 2000
        assert near(pixels(draw(False)), (91, 58, 140)) == 0


def test_more_panels_than_a_page_is_wide_stand_below_each_other():
    values = {f"method {k}": {"a": 1.0, "b": 2.0} for k in range(6)}
    one, four = (pixels(box_figure({f"b{k}": values for k in range(n)}, unit="mm", title="t")) for n in (1, 4))
    assert four.shape[1] == one.shape[1]
    assert four.shape[0] > 3 * one.shape[0]


def test_case_picture_shows_the_result_and_what_is_missing(monkeypatch, case):
    monkeypatch.setattr(experiment_case_figure, "_TALLEST", 1.0)
    image = pixels(case_figure([case], title="t", synthetic=True))
    assert near(image, (91, 58, 140)) > 2000
    assert near(image, (163, 38, 46)) > 20  # "ulna not found" in red.
    close = pixels(case_figure([case], title="t", range_mm=100.0))
    far = CasePicture("Worst", "c3", case.truth, {"radius": sphere(20, 16)}, case.outcomes)
    dark = pixels(case_figure([far], title="t", range_mm=5.0))
    purple = (dark[..., 2] > dark[..., 1] + 40) & (dark[..., 2] < 130)
    ivory = (close[..., 2] > close[..., 1] + 40) & (close[..., 2] < 130)
    assert purple.sum() > 5 * ivory.sum()


def test_a_silhouette_is_the_projected_area():
    view = experiment_case_figure.WRIST_VIEWS[0]
    covered = case_rendering._silhouette(cube(30), view, np.full(3, 15.0), 0.1, (400, 420))
    assert covered.sum() * 0.01 == pytest.approx(900, rel=0.01)
    rows, columns = np.nonzero(covered)
    assert (rows.mean(), columns.mean()) == (pytest.approx(199.5, abs=1), pytest.approx(209.5, abs=1))


def test_what_cannot_be_drawn_is_refused(case):
    image = np.zeros((4, 4))
    with pytest.raises(InputError, match="no number to draw a box"):
        box_figure({"radius": {"m": {"a": math.nan}}}, unit="mm", title="t")
    with pytest.raises(InputError, match="no number to draw a curve"):
        sensitivity_figure({}, x_label="x", y_label="y", title="t")
    with pytest.raises(InputError, match="no translated image"):
        translation_figure([], title="t")
    with pytest.raises(InputError, match="one: .* differ in size"):
        translation_figure([TranslationPicture("one", image, image, np.zeros((4, 5)), 0.0)], title="t")
    with pytest.raises(InputError, match="no case with its true bones"):
        case_figure([], title="t")
    with pytest.raises(InputError, match="give a positive number"):
        case_figure([case], title="t", range_mm=0)


def test_report_is_whole_and_self_contained(tmp_path):
    made = outcomes()
    maes = [TranslationOutcome(f"c{k}", f"p{k}", m, 0.1 * v + 0.001 * k) for m, v in METHODS.items() for k in range(4)]
    parts = reconstruction_parts(made, baselines=["mean shape"], synthetic=True)
    parts += translation_parts(maes, synthetic=True)
    paths = write_experiment(
        tmp_path / "private" / "out", "Wrists <b>", parts, synthetic=True, outcomes=made, numbers=[("1", "mm", "x")]
    )
    assert {path.name for path in (tmp_path / "private" / "out").iterdir()} == set(paths)
    html = paths["report.html"].read_text(encoding="utf-8")
    assert not re.search(r"https?://|<script|<link|@import", html)
    assert html.count("data:image/png;base64,") == 2
    for text in ("Synthetic data", "Research use only", "Wrists &lt;b&gt;", PAPER, "Shapiro-Wilk", "Tukey-Kramer"):
        assert text in html
    assert "TL-net gave no ulna in 1 of 8 cases." in html
    assert "private" not in html
    assert len(paths["outcomes.csv"].read_text().splitlines()) == len(made) + 1
    assert paths["reconstruction-boxes.png"].read_bytes().startswith(b"\x89PNG")


def test_real_data_are_not_called_synthetic():
    html = experiment_page("t", [Part("p", ("text",), ("careful",))], synthetic=False)
    assert "Synthetic" not in html
    assert "careful" in html


def test_failures_are_told_by_method_and_bone():
    assert failures(outcomes()) == ["TL-net gave no ulna in 1 of 8 cases."]
    assert failures(outcomes()[:8]) == []


def test_two_sections_of_one_name_would_lose_a_table(tmp_path):
    parts = 2 * translation_parts([TranslationOutcome("c", "p", "m", 0.1)])
    with pytest.raises(InputError, match="same name"):
        write_experiment(tmp_path, "t", parts, synthetic=True)
