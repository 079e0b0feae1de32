"""Figures of a comparison as PNG: errors bone by bone, errors under harder conditions, what each method costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.evaluation.compare_tables import (
    BASELINES,
    PLAIN,
    Columns,
    duration,
    overall,
    same_people,
    title_of,
    under,
)
from XRayTo3DLib.evaluation.experiment_statistics import summarise
from XRayTo3DLib.evaluation.experiment_style import FAINT, INK, QUIET, blank_figure, method_colours, png_of
from XRayTo3DLib.evaluation.experiment_tables import per_patient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _NAMES, _HEAD, _FOOT, _ROW = 10.5, 2.2, 1.1, 0.65, 0.42
"""Inches."""
_WORST = 3.0
"""Times the error as trained that gets the last colour."""
_MOST_PANELS = 4


def by_error(rows: Sequence[Row]) -> list[Row]:
    """Rows with numbers, the best first."""
    found = [row for row in rows if row.of(PLAIN)]
    if not found:
        raise InputError("there is no number to draw.")
    errors = {row.name: overall(row.of(PLAIN)).mean for row in found}
    return sorted(found, key=lambda row: math.inf if math.isnan(errors[row.name]) else errors[row.name])


def accuracy_figure(rows: Sequence[Row], *, synthetic: bool = False) -> bytes:
    """ASSD of every person, a panel per bone: dots, quartiles and mean, the best method on top.

    Args:
        rows: Of the report.
        synthetic: Label the figure.

    Raises:
        InputError: No row has a number.
    """
    found = by_error(rows)
    bones = list(dict.fromkeys(o.bone for row in found for o in row.of(PLAIN)))
    columns = min(len(bones), _MOST_PANELS)
    lines = -(-len(bones) // columns)
    tall = _ROW * len(found)
    height = _HEAD + lines * (tall + _FOOT + 0.3)
    note = "Dot: one person; bar: quartiles; diamond and number: mean. Beyond the right edge: a triangle."
    figure = blank_figure(_WIDTH, height, "Error by method and bone", note, synthetic)
    colours = method_colours([row.name for row in found], BASELINES)
    of = {bone: [np.array(list(_patients(row, bone).values())) for row in found] for bone in bones}
    ends = (float(np.quantile(each, 0.9)) for values in of.values() for each in values if each.size)
    right = 1.18 * max(ends, default=1.0)
    for number, (bone, values) in enumerate(of.items()):
        line, column = divmod(number, columns)
        wide = (_WIDTH - _NAMES - 0.2) / columns
        bottom = height - _HEAD - line * (tall + _FOOT + 0.3) - tall
        axes = figure.add_axes(_shares(figure, _NAMES + column * wide, bottom, wide - 0.2, tall))
        _strip(axes, values, [colours[row.name] for row in found], right)
        _rows_style(axes, found, bone, first=column == 0, label="ASSD (mm)")
    return png_of(figure)


def _patients(row: Row, bone: str) -> Mapping[str, float]:
    of = next(iter(per_patient(row.of(PLAIN), bone).values()), {})
    return {patient: value for patient, value in of.items() if math.isfinite(value)}


def _strip(axes: Axes, values: Sequence[NDArray[np.float64]], colours: Sequence[str], right: float) -> None:
    """One line of dots per method; the axis ends at ``right``, where all but single people are shown."""
    for place, (each, colour) in enumerate(zip(values, colours, strict=True)):
        if not each.size:
            axes.text(0.02 * right, place, "none found", fontsize=8.5, color=QUIET, va="center")
            continue
        low, high = np.quantile(each, [0.25, 0.75])
        axes.plot([low, min(high, right)], [place, place], color=colour, alpha=0.35, linewidth=7, solid_capstyle="butt")
        offsets = 0.4 * ((np.arange(each.size) * 0.618034) % 1 - 0.5)
        shown = each <= right
        axes.plot(each[shown], (place + offsets)[shown], "o", color=colour, markersize=2.6, alpha=0.5, mew=0)
        if not shown.all():
            axes.plot([right * 0.985], [place], ">", color=colour, markersize=5, clip_on=False)
        mean = min(float(each.mean()), right * 0.96)
        axes.plot(mean, place, "D", color="white", markeredgecolor=colour, markersize=5.5, zorder=4)
        axes.text(mean, place - 0.27, f"{each.mean():.2f}", fontsize=8, color=INK, ha="center", va="bottom")
    axes.set_xlim(0, right)


def _rows_style(axes: Axes, rows: Sequence[Row], name: str, *, first: bool, label: str) -> None:
    axes.set_ylim(len(rows) - 0.45, -0.65)
    axes.set_yticks(range(len(rows)), [title_of(row.name) for row in rows] if first else [""] * len(rows))
    axes.tick_params(axis="y", length=0, labelsize=9.5, colors=INK)
    axes.tick_params(axis="x", labelsize=8.5, colors=INK, length=3)
    axes.set_title(
        name[:1].upper() + name[1:].replace("_", " "), fontsize=10.5, color=INK, loc="left", fontweight="bold"
    )
    axes.set_xlabel(label, fontsize=9, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)


def robustness_figure(rows: Sequence[Row], columns: Columns, people: int, *, synthetic: bool = False) -> bytes:
    """A field of colours: how many times each method's error as trained every harder condition gives.

    Args:
        rows: Of the report.
        columns: Conditions by title.
        people: How many were asked.
        synthetic: Label the figure.

    Raises:
        InputError: No row was asked under any.
    """
    found = [row for row in by_error(rows) if not math.isnan(same_people(row, columns))]
    if not found:
        raise InputError("no method was asked under a harder condition.")
    plain = np.array([same_people(row, columns) for row in found])
    harder = np.array([[under(row, keys) for keys in columns.values()] for row in found])
    height = _HEAD + 0.5 + 0.5 * len(found) + 0.3
    note = f"ASSD (mm), first {people} test people. Colour: times the error as trained. Grey: not asked, see the table."
    figure = blank_figure(_WIDTH, height, "Harder conditions", note, synthetic)
    wide = _WIDTH - _NAMES - 1.25
    axes = figure.add_axes(_shares(figure, _NAMES, 0.3, wide, 0.5 * len(found)))
    colours = _growth_colours()
    cells = np.hstack([plain[:, None], harder])
    ratios = cells / plain[:, None]
    axes.imshow((ratios - 1) / (_WORST - 1), cmap=colours, vmin=0, vmax=1, aspect="auto")
    for line, column in np.ndindex(*cells.shape):
        value, ratio = cells[line, column], ratios[line, column]
        ink = "white" if math.isfinite(ratio) and (ratio - 1) / (_WORST - 1) > 0.6 else INK
        text = "–" if math.isnan(value) else f"{value:.2f}"
        axes.text(column, line, text, ha="center", va="center", fontsize=9.5, color=QUIET if text == "–" else ink)
    _field_style(axes, ["As\ntrained", *(_broken(title) for title in columns)], [title_of(row.name) for row in found])
    _growth_bar(figure, colours, height)
    return png_of(figure)


def _growth_colours() -> object:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("growth", ["#f7f9fb", "#fbd9a5", "#e58a3c", "#a3262e"])
    return colours.with_extremes(bad="#e3e7ec")


def _field_style(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.tick_params(axis="x", labelsize=9, pad=4)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2.5)
    axes.tick_params(which="minor", length=0)


def _broken(title: str) -> str:
    """On two lines or more, at the spaces."""
    words = title.replace(" mm", "\u00a0mm").split(" ")
    return "\n".join(words)


def _growth_bar(figure: Figure, colours: object, height: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    tall = min(1.9, height - _HEAD - 0.9)
    axes = figure.add_axes(_shares(figure, _WIDTH - 0.95, height - _HEAD - 0.5 - tall, 0.16, tall))
    bar = figure.colorbar(ScalarMappable(Normalize(1, _WORST), colours), cax=axes, extend="max", extendfrac=0.06)
    bar.set_ticks([1, 1.5, 2, 2.5, 3], labels=["×1", "×1.5", "×2", "×2.5", "×3"])
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=3)
    bar.outline.set_visible(False)


def cost_figure(rows: Sequence[Row], *, synthetic: bool = False) -> bytes:
    """Error, time for a person, memory and training time side by side, the best method on top.

    Args:
        rows: Of the report.
        synthetic: Label the figure.

    Raises:
        InputError: No row has a number.
    """
    found = by_error(rows)
    panels: list[tuple[str, Callable[[Row], float], Callable[[float], str], bool]] = [
        ("Error (ASSD, mm)", lambda row: overall(row.of(PLAIN)).mean, lambda value: f"{value:.2f}", False),
        ("Seconds a case", _case_s, lambda value: f"{value:.2g}" if value < 10 else f"{value:.0f}", True),
        ("Memory (MB)", _memory_mb, lambda value: f"{value:.0f}", False),
        ("Training", lambda row: row.training_s, duration, True),
    ]
    height = _HEAD + _ROW * len(found) + 0.3
    note = "Memory: of the process that reconstructs, Python and libraries included. Logarithmic scale of times."
    figure = blank_figure(_WIDTH, height, "What each method costs", note, synthetic)
    colours = method_colours([row.name for row in found], BASELINES)
    wide = (_WIDTH - _NAMES - 0.2) / len(panels)
    for number, (name, value_of, text_of, logarithmic) in enumerate(panels):
        box = _shares(figure, _NAMES + number * wide, 0.25, wide - 0.2, _ROW * len(found))
        axes = figure.add_axes(box)
        values = [value_of(row) for row in found]
        _bars(axes, values, [colours[row.name] for row in found], text_of, logarithmic)
        _rows_style(axes, found, name, first=number == 0, label="")
        axes.set_xticks([])
        axes.set_xticks([], minor=True)
        axes.spines["bottom"].set_visible(False)
    return png_of(figure)


def _case_s(row: Row) -> float:
    return math.nan if row.measured is None else row.measured.case_s


def _memory_mb(row: Row) -> float:
    return math.nan if row.measured is None else row.measured.memory_mb


def _bars(
    axes: Axes, values: Sequence[float], colours: Sequence[str], text_of: Callable[[float], str], logarithmic: bool
) -> None:
    known = [value for value in values if math.isfinite(value) and value > 0]
    summary = summarise(known)
    low = summary.low / 3 if logarithmic and known else 0.0
    high = summary.high if known else 1.0
    for place, (value, colour) in enumerate(zip(values, colours, strict=True)):
        if not math.isfinite(value):
            axes.text(0.02, place, "given" if logarithmic else "unknown", fontsize=8.5, color=QUIET, va="center",
                      transform=axes.get_yaxis_transform())  # fmt: skip
            continue
        share = (math.log(value / low) / math.log(high / low) if value > low else 0.0) if logarithmic else value / high
        axes.barh(place, 0.72 * share, height=0.62, color=colour, alpha=0.85)
        axes.text(0.72 * share + 0.02, place, text_of(value), fontsize=9, color=INK, va="center")
    axes.set_xlim(0, 1)


def _shares(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Inches to shares of the figure."""
    across, up = figure.get_size_inches()
    return left / across, bottom / up, width / across, height / up
