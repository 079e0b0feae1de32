"""The report of an experiment: one self-contained HTML page, with its tables as CSV and its figures as PNG beside."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import report
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture, case_figure
from XRayTo3DLib.evaluation.experiment_figures import box_figure
from XRayTo3DLib.evaluation.experiment_image_figure import (
    SideBySide,
    TranslationPicture,
    side_by_side_figure,
    translation_figure,
)
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods
from XRayTo3DLib.evaluation.experiment_style import DPI
from XRayTo3DLib.evaluation.experiment_tables import (
    Table,
    mae_per_patient,
    outcomes_csv,
    patient_table,
    per_patient,
    reconstruction_table,
    statistics_table,
    translation_table,
)
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, TranslationOutcome
from XRayTo3DLib.files import write_bytes, write_text

_CSS_DPI = 96
_TRANSLATION_MEASURES = (
    ("mae", "MAE", "MAE (line integral)"),
    ("structure", "Structure", "gradient correlation with the true DRR"),
)


@dataclass(frozen=True)
class Picture:
    """A PNG of the report.

    Attributes:
        name: Of its file, without ending.
        png: Its bytes.
        caption: Plain text.
    """

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Part:
    """One section of the report.

    Attributes:
        heading: Plain text.
        paragraphs: Plain text, first.
        warnings: Sentences in marked boxes, after the paragraphs.
        tables: Then the tables; each that is not named like the section is headed by its title.
        pictures: Last.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


def reconstruction_parts(
    outcomes: Sequence[ReconstructionOutcome],
    *,
    title: str = "Reconstruction",
    baselines: Sequence[str] = (),
    cases: Sequence[CasePicture] = (),
    synthetic: bool = False,
    paper: bool = True,
) -> list[Part]:
    """Everything about reconstructions: table, failures, box plots, cases and, bone by bone, the statistics.

    Args:
        outcomes: Of all methods.
        title: Of the first section.
        baselines: Grey in the figures; the others' ASSD is told against the first.
        cases: Rows of the picture of cases, if any.
        synthetic: Label the figures.
        paper: Show the paper's own figures, marked as theirs.

    Raises:
        InputError: No outcome, or no number among them.
    """
    table = reconstruction_table(outcomes, title=title, baseline=next(iter(baselines), None), paper=paper)
    values = {bone: per_patient(outcomes, bone) for bone in dict.fromkeys(o.bone for o in outcomes)}
    statistics = {bone: compare_methods(of) for bone, of in values.items()}
    tests = {bone: of.tukey for bone, of in statistics.items()}
    boxes = box_figure(
        values, unit="ASSD (mm)", title=f"{title}: error by method", tests=tests, baselines=baselines,
        synthetic=synthetic,
    )  # fmt: skip
    slug = _slug(title)
    pictures = [Picture(f"{slug}-boxes", boxes, "ASSD of every patient under every method.")]
    if cases:
        png = case_figure(cases, title=f"{title}: from the best to the worst case", synthetic=synthetic)
        pictures.append(Picture(f"{slug}-cases", png, "Reconstructions coloured by their distance to the true bone."))
    tables = tuple(statistics_table(of, title=f"{title}: {bone}, ASSD") for bone, of in statistics.items())
    return [
        Part(title, warnings=tuple(failures(outcomes)), tables=(table,), pictures=tuple(pictures)),
        Part(f"{title}: statistics", tables=tables),
    ]


def failures(outcomes: Iterable[ReconstructionOutcome]) -> list[str]:
    """A sentence for every method and bone that was empty in some case."""
    counted: dict[tuple[str, str], list[bool]] = {}
    for o in outcomes:
        counted.setdefault((o.method, o.bone), []).append(o.empty)
    return [
        f"{method} gave no {bone} in {sum(empty)} of {len(empty)} cases."
        for (method, bone), empty in counted.items()
        if any(empty)
    ]


def translation_parts(
    outcomes: Sequence[TranslationOutcome],
    *,
    title: str = "Image translation",
    pictures: Sequence[TranslationPicture] = (),
    beside: Sequence[SideBySide] = (),
    baselines: Sequence[str] = (),
    synthetic: bool = False,
    paper: bool = True,
) -> list[Part]:
    """Everything about image translation: table, box plots, pictures, statistics, and the MAE of every patient.

    Args:
        outcomes: Of all methods.
        title: Of the first section.
        pictures: Rows of the picture of images, if any.
        beside: Rows of the picture of several translators, if any.
        baselines: Methods drawn in grey.
        synthetic: Label the figures.
        paper: Show the paper's own figure, marked as theirs.

    Raises:
        InputError: No outcome.
    """
    table = translation_table(outcomes, title=title, paper=paper)
    slug, shown, tests = _slug(title), [], []
    for measure, name, unit in _TRANSLATION_MEASURES:
        values = mae_per_patient(outcomes, measure)
        if measure != "mae" and all(math.isnan(value) for of in values.values() for value in of.values()):
            continue
        statistics = compare_methods(values)
        boxes = box_figure(
            {name: values}, unit=unit, title=f"{title}: {name} by method",
            tests={name: statistics.tukey}, baselines=baselines, synthetic=synthetic,
        )  # fmt: skip
        shown.append(Picture(f"{slug}-{measure}", boxes, f"{name} of every patient under every method."))
        tests.append(statistics_table(statistics, title=f"{title}: {name}", decimals=4))
    if beside:
        png = side_by_side_figure(beside, title=f"{title}: the same radiographs", synthetic=synthetic)
        shown.append(Picture(f"{slug}-beside", png, "What every translator makes of the same radiographs."))
    if pictures:
        png = translation_figure(pictures, title=f"{title}: examples", synthetic=synthetic)
        shown.append(Picture(f"{slug}-images", png, "Radiograph, translated image, target and their difference."))
    each = patient_table(outcomes, title=f"{title}: MAE per patient")
    return [
        Part(title, tables=(table,), pictures=tuple(shown)),
        Part(f"{title}: statistics", tables=tuple(tests)),
        Part(each.title, tables=(each,)),
    ]


def experiment_page(
    title: str,
    parts: Sequence[Part],
    *,
    synthetic: bool,
    lead: str = "",
    numbers: Sequence[tuple[str, str, str]] = (),
) -> str:
    """One self-contained HTML page.

    Args:
        title: Plain text.
        parts: Sections in order.
        synthetic: Whether any datum is made up: says so at the top.
        lead: A line under the title.
        numbers: To see first: (value, unit, caption) each.
    """
    tiles = report.tiles(numbers) if numbers else ""
    sections = [tiles, *(report.section(part.heading, *_part_html(part)) for part in parts)]
    return report.page(title, sections, synthetic=synthetic, lead=lead, footer=f"XRayTo3DLib {__version__}")


def _part_html(part: Part) -> list[str]:
    html = [*map(report.paragraph, part.paragraphs), report.warnings(part.warnings)]
    for table in part.tables:
        if table.title != part.heading:
            html.append(report.subheading(table.title))
        html.append(table.html())
    return [*html, *map(_picture_html, part.pictures)]


def _picture_html(picture: Picture) -> str:
    """The figure no larger than it was drawn, so that all figures' letters are about the same size."""
    pixels = int.from_bytes(picture.png[16:20], "big")  # Width in the PNG's header.
    return f'<div style="max-width: {pixels * _CSS_DPI // DPI}px">{report.figure(picture.png, picture.caption)}</div>'


def write_experiment(
    folder: Path | str,
    title: str,
    parts: Sequence[Part],
    *,
    synthetic: bool,
    outcomes: Sequence[ReconstructionOutcome] | Sequence[TranslationOutcome] = (),
    lead: str = "",
    numbers: Sequence[tuple[str, str, str]] = (),
) -> dict[str, Path]:
    """Write report.html, every table as CSV, every figure as PNG and all outcomes (outcomes.csv) into ``folder``.

    Args:
        folder: Made if missing; files of an earlier run are replaced, each atomically.
        title: Of the page.
        parts: Its sections.
        synthetic: As for :func:`experiment_page`.
        outcomes: Written one per line, if any.
        lead: As for :func:`experiment_page`.
        numbers: As for :func:`experiment_page`.

    Returns:
        Paths by file name.

    Raises:
        InputError: Two tables or two figures would have the same file.
    """
    folder = Path(folder)
    texts = {f"{_slug(table.title)}.csv": table.csv() for part in parts for table in part.tables}
    pictures = {f"{picture.name}.png": picture.png for part in parts for picture in part.pictures}
    if len(texts) + len(pictures) < sum(len(part.tables) + len(part.pictures) for part in parts):
        raise InputError(f"{title}: two tables or figures have the same name; give every section a title of its own.")
    if outcomes:
        texts["outcomes.csv"] = outcomes_csv(outcomes)
    texts["report.html"] = experiment_page(title, parts, synthetic=synthetic, lead=lead, numbers=numbers)
    for name, png in pictures.items():
        write_bytes(folder / name, png)
    for name, text in texts.items():
        write_text(folder / name, text)
    return {name: folder / name for name in (*pictures, *texts)}


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "table"
