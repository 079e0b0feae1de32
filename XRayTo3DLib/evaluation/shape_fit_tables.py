"""Table and figure of fits by their start, with the rows that Kasten et al. 2020 give for such models beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_published import NONE, PUBLISHED, THEIRS, cell, number
from XRayTo3DLib.evaluation.biplanar_tables import bones_of, mean_of_bones, summary_of
from XRayTo3DLib.evaluation.experiment_style import INK, QUIET, blank_figure, method_colours, panel_style, png_of
from XRayTo3DLib.evaluation.experiment_tables import DASH, Table
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

NOT_CONVERGED = {"SSIM, start perturbed": 0.34}
"""Share of fits that Kasten et al. 2020 say did not converge; by what measure is not known here."""
TICKS_MM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


@dataclass(frozen=True)
class FitOutcome:
    """One fit of all bones of one person.

    Attributes:
        case: Which case.
        patient: Whose.
        start: How it was started.
        start_mm: Mean over bones of the Chamfer distance of the mean bones where the fit began.
        end_mm: Of the bones it ended with.
        converged: Whether ``end_mm`` is small enough.
        misfit: What was left between radiographs and the model's pictures (2 - 2 NCC).
        iterations: Steps.
        seconds: Time.
    """

    case: str
    patient: str
    start: str
    start_mm: float
    end_mm: float
    converged: bool
    misfit: float
    iterations: int
    seconds: float


def starts_table(
    outcomes: Sequence[ReconstructionOutcome], fits: Sequence[FitOutcome], converged_mm: float, how: str
) -> Table:
    """Start by bone, Chamfer and Dice, how many fits converged and how long they took; the published rows below.

    Args:
        outcomes: Of all starts, bone by bone.
        fits: Of all starts.
        converged_mm: What counts as converged.
        how: A sentence that says how fits were started.

    Raises:
        InputError: No outcome.
    """
    bones = bones_of(outcomes)
    rows: list[tuple[str, ...]] = []
    data: list[tuple[object, ...]] = []
    for start in dict.fromkeys(fit.start for fit in fits):
        own = [fit for fit in fits if fit.start == start]
        cells = []
        for bone in bones:
            near, overlap = (summary_of(outcomes, start, bone, measure) for measure in ("assd_mm", "dice"))
            cells.append(cell((near.mean, overlap.mean)))
            data.append((start, bone, near.n, near.mean, near.sd, overlap.mean, overlap.sd))
        mean = mean_of_bones(outcomes, start, "assd_mm"), mean_of_bones(outcomes, start, "dice")
        rows.append((start, number(_mean(own, "start_mm"), 2), *cells, cell(mean), *_effort(own)))
    rows += _published(bones)
    notes = (
        "Chamfer distance (mm) / Dice, means over patients; Start: Chamfer distance of the mean bones where fits "
        f"began. {how} Converged: fits whose Chamfer distance, mean over bones, is below {converged_mm:g} mm, judged "
        "by the true bones. Seconds: a case, all bones, wall clock.",
        f"{THEIRS} Their models are of the femur alone; how they tell that a fit did not converge is not known here.",
    )
    titles = [bone[:1].upper() + bone[1:] for bone in bones]
    header = ("Start", "Start (mm)", *titles, "Mean of bones", "Converged", "Steps", "Seconds")
    data_header = ("start", "bone", "patients", "chamfer_mm_mean", "chamfer_mm_sd", "dice_mean", "dice_sd")
    numeric = tuple(range(1, len(header)))
    return Table("Fits by their start", header, tuple(rows), numeric, notes, data_header, tuple(data))


def fits_table(fits: Sequence[FitOutcome]) -> Table:
    """Every fit; for the CSV more than for the page."""
    names = ("case", "start", "start_mm", "end_mm", "converged", "misfit", "iterations", "seconds")
    data = tuple(tuple(getattr(fit, name) for name in names) for fit in fits)
    worst = sorted(fits, key=lambda fit: -fit.end_mm)[:5]
    rows = tuple(
        (fit.case, fit.start, number(fit.start_mm, 2), number(fit.end_mm, 2), f"{fit.misfit:.4f}") for fit in worst
    )
    header = ("Case", "Start", "Start (mm)", "End (mm)", "Misfit")
    return Table("The five worst fits", header, rows, (2, 3, 4), (), names, data)


def _effort(fits: Sequence[FitOutcome]) -> tuple[str, str, str]:
    good = sum(fit.converged for fit in fits)
    return (
        f"{good} of {len(fits)} ({100 * good / len(fits):.0f} %)",
        number(_mean(fits, "iterations"), 0),
        number(_mean(fits, "seconds"), 2),
    )


def _published(bones: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of others' models, where they know one of the bones."""
    rows = []
    for line in PUBLISHED:
        if not line.method.startswith("SSIM") or not line.knows(bones):
            continue
        lost = NOT_CONVERGED.get(line.method)
        converged = DASH if lost is None else f"{100 * (1 - lost):.0f} %"
        cells = (cell(line.bones.get(bone, NONE), 3) for bone in bones)
        rows.append((f"{line.method} (theirs)", DASH, *cells, DASH, converged, DASH, number(line.seconds, 2)))
    return rows


def _mean(fits: Sequence[FitOutcome], measure: str) -> float:
    values = [getattr(fit, measure) for fit in fits]
    return float(np.mean(values)) if values else math.nan


def starts_figure(fits: Sequence[FitOutcome], converged_mm: float, *, synthetic: bool = False) -> bytes:
    """PNG: error at the end over error at the start, a point per fit.

    Raises:
        InputError: No fit.
    """
    if not fits:
        raise InputError("There is no fit to draw.")
    width, height = 6.4, 4.8
    subtitle = f"A point per fit, mean over its bones. Dashed: {converged_mm:g} mm, what counts as converged."
    figure = blank_figure(width, height, "Where fits end, by where they begin", subtitle, synthetic)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.96, top=1 - 1.35 / height, bottom=0.62 / height)
    starts = list(dict.fromkeys(fit.start for fit in fits))
    colours = method_colours(starts, ())
    for start, marker in zip(starts, "o^s" * len(starts), strict=False):
        own = [fit for fit in fits if fit.start == start]
        axes.plot(
            [fit.start_mm for fit in own], [fit.end_mm for fit in own], marker, color=colours[start], markersize=5,
            alpha=0.7, label=start,
        )  # fmt: skip
    panel_style(axes, "", first=True)
    axes.set_yscale("log")
    ends = [fit.end_mm for fit in fits if math.isfinite(fit.end_mm)] or [converged_mm]
    axes.set_yticks(TICKS_MM, [f"{tick:g}" for tick in TICKS_MM])
    axes.minorticks_off()
    axes.set_ylim(0.8 * min(ends), 1.25 * max(*ends, converged_mm))
    axes.axhline(converged_mm, color=QUIET, linewidth=0.9, linestyle="--")
    axes.set_xlim(left=0)
    axes.set_xlabel("Chamfer distance at the start (mm)", fontsize=9.5, color=INK)
    axes.set_ylabel("Chamfer distance at the end (mm)", fontsize=9.5, color=INK)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="lower left", bbox_to_anchor=(0.27 / width, 1 - 1.03 / height), ncols=3, fontsize=9,
        frameon=False, labelcolor=INK,
    )  # fmt: skip
    return png_of(figure)
