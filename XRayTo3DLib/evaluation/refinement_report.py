"""The sections of the report on refinement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from XRayTo3DLib.evaluation.experiment_report import Part, Picture
from XRayTo3DLib.evaluation.refinement_figures import before_after_figure, coverage_figure, foretold_figure
from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome
from XRayTo3DLib.evaluation.refinement_tables import coverage_table, promises, promises_table, starts_table


def refinement_parts(
    by_views: Mapping[str, Sequence[RefinedOutcome]], how: str, *, synthetic: bool = False
) -> list[Part]:
    """Before and after and what was promised, by set of views; then the uncertainty of all.

    Args:
        by_views: Outcomes by "PA", "PA,LAT", ...
        how: A paragraph that says what the radiographs were.
        synthetic: Label the figures.
    """
    parts = []
    for number, (views, outcomes) in enumerate(by_views.items()):
        name = title_of(views)
        slug = views.lower().replace(",", "-")
        found = promises(outcomes, views.count(",") + 1)
        dots = before_after_figure(outcomes, title=f"Refinement: {name}", synthetic=synthetic)
        parts.append(
            Part(
                name,
                paragraphs=(how,) if number == 0 else (),
                warnings=tuple(f"Not as it should be: {what}: {text}." for what, holds, text in found if not holds),
                tables=(promises_table(found, f"{name}: to be shown"), starts_table(outcomes, f"{name}: by start")),
                pictures=(Picture(f"before-after-{slug}", dots, f"{name}: ASSD of every person before and after."),),
            )
        )
    tables = tuple(coverage_table(outcomes, f"Uncertainty: {title_of(views)}") for views, outcomes in by_views.items())
    named = {title_of(views): outcomes for views, outcomes in by_views.items()}
    pictures = (
        Picture("coverage", coverage_figure(named, synthetic=synthetic), "Nominal against observed coverage."),
        Picture("error-uncertainty", foretold_figure(named, synthetic=synthetic), "Error by predicted uncertainty."),
    )
    text = (
        "Refined from the mean shape. The posterior's standard deviation along each vertex's normal against where the "
        "true surface lies on that normal."
    )
    return [*parts, Part("Uncertainty", paragraphs=(text,), tables=tables, pictures=pictures)]


def title_of(views: str) -> str:
    """ "PA,LAT" as a heading."""
    names = views.split(",")
    return f"One view ({names[0]})" if len(names) == 1 else f"{len(names)} views ({', '.join(names)})"
