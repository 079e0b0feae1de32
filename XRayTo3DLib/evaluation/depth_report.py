"""The sections of the reports on dual-face depth: tables, statistics and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from XRayTo3DLib.evaluation.depth_figures import DepthPicture, depth_figure, surfaces_figure, volume_figure
from XRayTo3DLib.evaluation.depth_measures import ABSOLUTE, ALIGNED, DepthOutcome
from XRayTo3DLib.evaluation.depth_tables import (
    SEEN,
    DepthModel,
    by_kind,
    completion_table,
    losses_table,
    sentence_case,
)
from XRayTo3DLib.evaluation.experiment_figures import box_figure
from XRayTo3DLib.evaluation.experiment_report import Part, Picture, failures
from XRayTo3DLib.evaluation.experiment_statistics import compare_methods, summarise
from XRayTo3DLib.evaluation.experiment_tables import Table, per_patient, statistics_table

RANGES_MM = (3.0, 5.0, 10.0, 20.0)
"""Of the colours of surface distances: the first that is twice the largest mean error shown."""


def losses_parts(
    models: Sequence[DepthModel],
    outcomes: Sequence[DepthOutcome],
    pictures: Sequence[DepthPicture] = (),
    *,
    shown: str = "",
    synthetic: bool = False,
) -> list[Part]:
    """Everything about models of depth, side by side.

    Args:
        models: Rows of the tables.
        outcomes: Of these models, aligned and absolute.
        pictures: Radiographs of the model ``shown``.
        shown: Its name.
        synthetic: Label the figures.

    Raises:
        InputError: No outcome.
    """
    tables = [losses_table(models, outcomes, alignment) for alignment in (ALIGNED, ABSOLUTE)]
    figures = _pictures("depth-losses", pictures, shown, shown, synthetic)
    return _parts("Depth losses", tables, outcomes, figures, synthetic)


def completion_parts(
    outcomes: Sequence[DepthOutcome], pictures: Sequence[DepthPicture] = (), *, shown: str = "", synthetic: bool = False
) -> list[Part]:
    """Everything about completion by shape models; arguments and errors as :func:`losses_parts`."""
    tables = [completion_table(outcomes, alignment) for alignment in (ALIGNED, ABSOLUTE)]
    names = sentence_case(SEEN), sentence_case(shown)
    return _parts("Completion", tables, outcomes, _pictures("completion", pictures, *names, synthetic), synthetic)


def _parts(
    title: str,
    tables: Sequence[Table],
    outcomes: Sequence[DepthOutcome],
    pictures: Sequence[Picture],
    synthetic: bool,
) -> list[Part]:
    """One section of tables and pictures, one of statistics on aligned ASSD."""
    slug = title.lower().replace(" ", "-")
    aligned = by_kind(outcomes, ALIGNED)
    values = {kind: per_patient(aligned, kind) for kind in dict.fromkeys(o.bone for o in aligned)}
    statistics = {kind: compare_methods(of) for kind, of in values.items()}
    boxes = box_figure(
        values, unit="ASSD, aligned (mm)", title=f"{title}: error by method",
        tests={kind: of.tukey for kind, of in statistics.items()}, synthetic=synthetic,
    )  # fmt: skip
    figures = [Picture(f"{slug}-boxes", boxes, "ASSD after alignment, every patient, right and left together.")]
    figures += pictures
    if any(o.volume_mm3 == o.volume_mm3 for o in aligned):
        png = volume_figure(aligned, title=f"{title}: volume between front and back", synthetic=synthetic)
        figures.append(Picture(f"{slug}-volumes", png, "Volume found over the true one, every radiograph and side."))
    tests = tuple(statistics_table(of, title=f"{title}: {kind}, aligned ASSD") for kind, of in statistics.items())
    warnings = tuple(failures(o for o in outcomes if o.alignment == ALIGNED))
    lead = Part(title, (), warnings, tuple(tables), tuple(figures))
    return [lead, Part(f"{title}: statistics", tables=tests)]


def _pictures(slug: str, rows: Sequence[DepthPicture], depth: str, shown: str, synthetic: bool) -> list[Picture]:
    """What the depth of method ``depth`` was, and the surfaces that ``shown`` made of it."""
    if not rows:
        return []
    maps = depth_figure(rows, title=f"{depth}: depth of front and back", synthetic=synthetic)
    largest = max(summarise([o.assd_mm for o in row.outcomes]).mean for row in rows)
    range_mm = next((each for each in RANGES_MM if each >= 2 * largest), RANGES_MM[-1])
    surfaces = surfaces_figure(rows, title=f"{shown}: surfaces", range_mm=range_mm, synthetic=synthetic)
    return [
        Picture(f"{slug}-depth", maps, "Radiograph, predicted depth and its error: best, median and worst ASSD."),
        Picture(f"{slug}-surfaces", surfaces, "The same radiographs: surfaces coloured by distance to the truth."),
    ]
