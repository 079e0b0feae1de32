"""The sections of the report on fits of shape and intensity models."""

from __future__ import annotations

from collections.abc import Sequence

from XRayTo3DLib.evaluation.experiment_case_figure import WRIST_VIEWS, CasePicture, case_figure
from XRayTo3DLib.evaluation.experiment_report import Part, Picture
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.evaluation.shape_fit_tables import FitOutcome, fits_table, starts_figure, starts_table
from XRayTo3DLib.evaluation.software_render import ANTERIOR, FROM_LEFT, POSTERIOR

CASE_RANGE_MM = 2.0


def shape_fit_parts(
    outcomes: Sequence[ReconstructionOutcome],
    fits: Sequence[FitOutcome],
    converged_mm: float,
    how: str,
    *,
    cases: Sequence[CasePicture] = (),
    shown: str = "",
    synthetic: bool = False,
) -> list[Part]:
    """Table of starts, where fits end, best and worst case.

    Args:
        outcomes: Of all starts, bone by bone.
        fits: Of all starts.
        converged_mm: What counts as converged.
        how: A sentence that says how fits were started.
        cases: People in space.
        shown: The start they were fitted from.
        synthetic: Label the figures.

    Raises:
        InputError: No outcome.
    """
    points = Picture(
        "starts", starts_figure(fits, converged_mm, synthetic=synthetic), "Error at the end over error at the start."
    )
    pictures = [points]
    if cases:
        wrist = any(outcome.bone == "radius" for outcome in outcomes)
        views = WRIST_VIEWS if wrist else (ANTERIOR, FROM_LEFT, POSTERIOR)
        png = case_figure(
            cases, title=f"{shown}: from the best to the worst case", views=views, range_mm=CASE_RANGE_MM,
            synthetic=synthetic,
        )  # fmt: skip
        pictures.append(Picture("fits-cases", png, "Fitted bones coloured by their distance to the true bone."))
    lost = [fit for fit in fits if not fit.converged]
    warnings = (f"{len(lost)} of {len(fits)} fits did not converge.",) if lost else ()
    tables = (starts_table(outcomes, fits, converged_mm, how), fits_table(fits))
    return [Part("Fits by their start", warnings=warnings, tables=tables, pictures=tuple(pictures))]
