"""The sections of a comparison's report: one table of everything, figures, bone by bone, pictures, statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.evaluation.compare_figures import accuracy_figure, by_error, cost_figure, robustness_figure
from XRayTo3DLib.evaluation.compare_pictures import Bones, Shown, ShownInput, gallery_figure, inputs_figure
from XRayTo3DLib.evaluation.compare_published import lines_for
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.evaluation.compare_tables import (
    PLAIN,
    Columns,
    bones_table,
    main_table,
    overall,
    same_people,
    title_of,
)
from XRayTo3DLib.evaluation.experiment_report import Part, Picture
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods, summarise
from XRayTo3DLib.evaluation.experiment_tables import statistics_table
from XRayTo3DLib.evaluation.software_render import View

RANGES_MM = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Of the colours of distances: the first that is twice the middle error shown."""
MEAN_SHAPE = "mean-shape"


@dataclass(frozen=True, eq=False)
class ShownPerson:
    """A test person as every method reconstructed it.

    Attributes:
        case: Who.
        truth: True bones, mm, in the person's frame.
        bones: By row, in the same frame.
        views: Sides to look from.
    """

    case: str
    truth: Bones
    bones: dict[str, Bones]
    views: tuple[View, ...]


@dataclass(frozen=True, eq=False)
class ShownPictures:
    """What methods were shown of a person, under every condition, and the views' names."""

    case: str
    inputs: tuple[ShownInput, ...]
    views: tuple[str, ...]


def comparison_parts(
    rows: Sequence[Row],
    columns: Columns,
    hard: int,
    *,
    person: ShownPerson | None = None,
    pictures: ShownPictures | None = None,
    synthetic: bool = False,
) -> list[Part]:
    """Everything about a comparison.

    Args:
        rows: Methods, also those without numbers.
        columns: Harder conditions by title.
        hard: How many people were asked under them.
        person: Whose reconstructions to show.
        pictures: Whose pictures to show.
        synthetic: Label the figures.

    Raises:
        InputError: No row has a number.
    """
    table = main_table(rows, columns, hard)
    figures = [
        Picture("accuracy", accuracy_figure(rows, synthetic=synthetic), "ASSD of every test person, the best on top."),
        Picture("cost", cost_figure(rows, synthetic=synthetic), "Error, time, memory and training of every method."),
    ]
    if any(not math.isnan(same_people(row, columns)) for row in rows):
        field = robustness_figure(rows, columns, hard, synthetic=synthetic)
        figures.insert(1, Picture("robustness", field, "ASSD under harder conditions, and how many times as large."))
    parts = [Part("Comparison", warnings=_warnings(rows), tables=(table,), pictures=tuple(figures))]
    parts += _pictures(rows, person, pictures, synthetic)
    bones = {o.bone for row in rows for o in row.of(PLAIN)}
    each = bones_table(rows, {bone: lines_for(bone) for bone in bones})
    parts.append(Part(each.title, tables=(each,)))
    measured = by_error(rows)
    if len(measured) > 1:
        values = {title_of(row.name): _by_patient(row) for row in measured}
        tests = statistics_table(compare_methods(values), title="Statistics: mean ASSD of the bones")
        parts.append(Part("Statistics", tables=(tests,)))
    return parts


def headline(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """The numbers to see first: the best method's, the mean shape's, and how many took part."""
    best = by_error(rows)[0]
    error = overall(best.of(PLAIN))
    tiles = [(f"{error.mean:.2f}", "mm", f"ASSD of the best: {title_of(best.name)}")]
    mean = [overall(row.of(PLAIN)).mean for row in rows if row.name == MEAN_SHAPE and row.of(PLAIN)]
    if mean:
        tiles.append((f"{mean[0]:.2f}", "mm", "ASSD of the mean shape, which looks at no picture"))
    if best.measured is not None and not math.isnan(best.measured.case_s):
        tiles.append((f"{best.measured.case_s:.2g}", "s", "a case, the best"))
    count = sum(bool(row.of(PLAIN)) for row in rows)
    return [*tiles, (str(count), f"of {len(rows)}", "methods took part"), (str(error.n), "", "test people")]


def summary(rows: Sequence[Row]) -> str:
    """One line: who was best, by how much."""
    found = by_error(rows)
    told = ", ".join(f"{title_of(row.name)} {overall(row.of(PLAIN)).mean:.2f}" for row in found)
    return f"Mean ASSD of the bones, mm: {told}."


def _by_patient(row: Row) -> dict[str, float]:
    of: dict[str, list[float]] = {}
    for outcome in row.of(PLAIN):
        of.setdefault(outcome.patient, []).append(outcome.assd_mm)
    return {patient: summarise(values).mean for patient, values in of.items()}


def _warnings(rows: Sequence[Row]) -> tuple[str, ...]:
    told = [f"{title_of(row.name)} failed: {row.why_not}" for row in rows if row.failed]
    for row in rows:
        lost = sum(outcome.empty for outcome in row.of(PLAIN))
        if lost:
            told.append(f"{title_of(row.name)} lost {lost} of {len(row.of(PLAIN))} bones.")
    return tuple(told)


def _pictures(
    rows: Sequence[Row], person: ShownPerson | None, pictures: ShownPictures | None, synthetic: bool
) -> list[Part]:
    found = []
    if person is not None and person.bones:
        shown = [_shown(row, person) for row in by_error(rows) if row.name in person.bones]
        errors = [each.assd_mm for each in shown if math.isfinite(each.assd_mm)]
        middle = float(np.median(errors)) if errors else 1.0
        range_mm = next((each for each in RANGES_MM if each >= 2 * middle), RANGES_MM[-1])
        png = gallery_figure(
            person.case, person.truth, shown, person.views, range_mm=range_mm, synthetic=synthetic
        )  # fmt: skip
        found.append(Picture("reconstructions", png, "The same person by every method, the best on average first."))
    if pictures is not None:
        png = inputs_figure(pictures.case, pictures.inputs, pictures.views, synthetic=synthetic)
        found.append(Picture("conditions", png, "One person's pictures as in training and under harder conditions."))
    return [Part("Pictures", pictures=tuple(found))] if found else []


def _shown(row: Row, person: ShownPerson) -> Shown:
    own = [o for o in row.of(PLAIN) if o.case == person.case]
    return Shown(title_of(row.name), person.bones[row.name], overall(own).mean, sum(o.empty for o in own))
