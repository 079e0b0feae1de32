"""Figures of a refinement's experiment: before and after, coverage, error against predicted uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from XRayTo3DLib.evaluation.experiment_style import (
    COLOURS,
    FAINT,
    INK,
    QUIET,
    blank_figure,
    panel_style,
    png_of,
)
from XRayTo3DLib.evaluation.refinement_coverage import CURVE, NOMINAL, Coverage, coverage, foretold
from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome
from XRayTo3DLib.evaluation.refinement_tables import MEAN_SHAPE, bones_of, starts_of, values

BEFORE_COLOUR, AFTER_COLOUR = "#9aa5b1", "#14507d"
TICKS_MM = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
POINTS = 5


def before_after_figure(outcomes: Sequence[RefinedOutcome], *, title: str, synthetic: bool = False) -> bytes:
    """PNG: every person's ASSD before and after, joined; a column per start, a panel per bone."""
    starts, bones = starts_of(outcomes), bones_of(outcomes)
    width, height = max(6.4, 1.6 + 0.85 * len(starts) * len(bones)), 5.0
    subtitle = "Grey: the start. Blue: refined. A line per person; bars: medians."
    figure = blank_figure(width, height, title, subtitle, synthetic)
    axes = np.ravel(figure.subplots(1, len(bones), sharey=True))
    figure.subplots_adjust(left=0.75 / width, right=1 - 0.2 / width, top=1 - 1.2 / height, bottom=1.35 / height,
                           wspace=0.06)  # fmt: skip
    for panel, (axis, bone) in enumerate(zip(axes, bones, strict=True)):
        for place, start in enumerate(starts):
            own = [o for o in outcomes if o.start == start and o.bone == bone]
            _paired(axis, place, values(own, "before_mm"), values(own, "after_mm"))
        axis.set_yscale("log")
        axis.set_yticks(TICKS_MM, [f"{tick:g}" for tick in TICKS_MM])
        axis.minorticks_off()
        panel_style(axis, bone, first=panel == 0)
        axis.set_xticks(range(len(starts)), starts, rotation=28, ha="right")
        axis.set_xlim(-0.6, len(starts) - 0.4)
    every = np.concatenate([values(outcomes, "before_mm"), values(outcomes, "after_mm")])
    axes[0].set_ylim(0.85 * np.nanmin(every), 1.15 * np.nanmax(every))
    axes[0].set_ylabel("ASSD (mm)", fontsize=9.5, color=INK)
    return png_of(figure)


def _paired(axis: Any, place: int, before: np.ndarray, after: np.ndarray) -> None:
    left, right = place - 0.22, place + 0.22
    for start, end in zip(before, after, strict=True):
        axis.plot([left, right], [start, end], color="#a3262e" if end > start + 0.05 else FAINT, linewidth=0.7)
    look = {"s": 9, "alpha": 0.75, "linewidths": 0, "zorder": 3}
    axis.scatter(np.full(len(before), left), before, color=BEFORE_COLOUR, **look)
    axis.scatter(np.full(len(after), right), after, color=AFTER_COLOUR, **look)
    for where, numbers in ((left, before), (right, after)):
        middle = float(np.nanmedian(numbers))
        axis.plot([where - 0.13, where + 0.13], [middle] * 2, color=INK, linewidth=1.6, zorder=4)
        box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
        axis.annotate(f"{middle:.2f}", (where, middle), (0, 5), textcoords="offset points", ha="center", fontsize=7.5,
                      color=INK, zorder=5, bbox=box)  # fmt: skip


def coverage_figure(by_views: Mapping[str, Sequence[RefinedOutcome]], *, synthetic: bool = False) -> bytes:
    """PNG: share of true surface inside intervals over what they should hold; a panel per set of views."""
    width, height = 0.6 + 4.1 * len(by_views), 5.2
    subtitle = "Along vertices' normals. Shaded: 5 points. Bars: 95 % over people."
    figure = blank_figure(max(width, 6.0), height, "Do intervals hold what they say?", subtitle, synthetic)
    width = figure.get_size_inches()[0]
    axes = np.ravel(figure.subplots(1, len(by_views)))
    figure.subplots_adjust(left=0.75 / width, right=1 - 0.25 / width, top=1 - 1.2 / height, bottom=0.65 / height,
                           wspace=0.22)  # fmt: skip
    for panel, (axis, (name, outcomes)) in enumerate(zip(axes, by_views.items(), strict=True)):
        mine = [o for o in outcomes if o.start == MEAN_SHAPE]
        panel_style(axis, name, first=True)
        share = np.array([0.0, 100.0])
        axis.fill_between(share, share - POINTS, share + POINTS, color=FAINT, linewidth=0)
        axis.plot(share, share, color=QUIET, linewidth=0.9, linestyle="--")
        for bone, colour in zip(bones_of(mine), COLOURS, strict=False):
            own = [o for o in mine if o.bone == bone]
            curve, marks = coverage(own, CURVE), coverage(own, NOMINAL)
            axis.plot(100 * curve.nominal, 100 * curve.observed, color=colour, linewidth=1.6, label=bone)
            _marks(axis, marks, colour)
        axis.set(xlim=(0, 100), ylim=(0, 100), xticks=[0, 20, 50, 80, 95], yticks=[0, 20, 50, 80, 95])
        axis.set_aspect("equal")
        axis.set_xlabel("interval (%)", fontsize=9.5, color=INK)
        if panel == 0:
            axis.set_ylabel("observed (%)", fontsize=9.5, color=INK)
        axis.legend(fontsize=9, frameon=False, labelcolor=INK, loc="lower right")
    return png_of(figure)


def _marks(axis: Any, marks: Coverage, colour: str) -> None:
    reach = [100 * (marks.observed - marks.low), 100 * (marks.high - marks.observed)]
    axis.errorbar(100 * marks.nominal, 100 * marks.observed, yerr=np.maximum(reach, 0), fmt="o", color=colour,
                  markersize=4.5, elinewidth=1.0, capsize=2.5)  # fmt: skip


def foretold_figure(by_views: Mapping[str, Sequence[RefinedOutcome]], *, synthetic: bool = False) -> bytes:
    """PNG: root mean square error of vertices by predicted deviation, and cases' means; a panel per set of views."""
    width, height = max(6.0, 0.6 + 4.1 * len(by_views)), 5.2
    subtitle = "Large: tenths of all vertices, by predicted deviation. Small: a person's bone, means."
    figure = blank_figure(width, height, "Error against predicted uncertainty", subtitle, synthetic)
    axes = np.ravel(figure.subplots(1, len(by_views)))
    figure.subplots_adjust(left=0.75 / width, right=1 - 0.25 / width, top=1 - 1.2 / height, bottom=0.65 / height,
                           wspace=0.22)  # fmt: skip
    for panel, (axis, (name, outcomes)) in enumerate(zip(axes, by_views.items(), strict=True)):
        mine = [o for o in outcomes if o.start == MEAN_SHAPE]
        panel_style(axis, name, first=True)
        largest, lines = 0.0, []
        for bone, colour in zip(bones_of(mine), COLOURS, strict=False):
            told = foretold([o for o in mine if o.bone == bone])
            # A normal error's mean size is 0.8 of its standard deviation: cases' means are drawn on the same scale.
            axis.scatter(told.cases_predicted_mm, told.cases_error_mm / np.sqrt(2 / np.pi), s=9, color=colour,
                         alpha=0.45, linewidths=0)  # fmt: skip
            axis.plot(told.predicted_mm, told.error_mm, "o-", color=colour, markersize=6, linewidth=1.3, label=bone)
            lines.append(f"{bone}: rank correlation {told.by_vertex:.2f} (vertices), {told.by_case:.2f} (cases)")
            largest = max(largest, float(told.predicted_mm.max()), float(told.error_mm.max()),
                          float(np.percentile(told.cases_error_mm, 97) / np.sqrt(2 / np.pi)))  # fmt: skip
        top = 1.15 * largest
        axis.plot([0, top], [0, top], color=QUIET, linewidth=0.9, linestyle="--")
        axis.set(xlim=(0, top), ylim=(0, top))
        axis.set_aspect("equal")
        axis.text(0.03, 0.97, "\n".join(lines), transform=axis.transAxes, fontsize=8, color=INK, va="top")
        axis.set_xlabel("predicted standard deviation (mm)", fontsize=9.5, color=INK)
        if panel == 0:
            axis.set_ylabel("error, root mean square (mm)", fontsize=9.5, color=INK)
        axis.legend(fontsize=9, frameon=False, labelcolor=INK, loc="lower right")
    return png_of(figure)
