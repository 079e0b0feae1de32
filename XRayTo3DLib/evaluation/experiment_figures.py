"""Figures of the experiments as PNG: box plots with significance brackets, and curves of sensitivity."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_statistics import PairTest, Summary, stars
from XRayTo3DLib.evaluation.experiment_style import INK, QUIET, blank_figure, method_colours, panel_style, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BRACKETS = 6
"""Pairs marked in one panel; more would hide the boxes, and all are in the table."""
_CAPTION_WIDTH = 13
_BRACKET_STEP = 0.085
_PAGE_WIDTH = 10.5
_PANEL_HEIGHT = 3.3
BASELINE_LINES = ("s:", "^--", "v-.")
"""Grey curves are told apart by marks and dashes."""


def box_figure(
    panels: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    unit: str,
    title: str,
    tests: Mapping[str, Sequence[PairTest]] | None = None,
    baselines: Sequence[str] = (),
    synthetic: bool = False,
) -> bytes:
    """Box plots side by side, one panel per bone, with a bracket over every pair that differs significantly.

    Args:
        panels: ``panels[bone][method][patient]``: one number, as from ``per_patient``; NaN is left out.
        unit: Label of the common axis ("ASSD (mm)").
        title: Of the figure.
        tests: Per bone; significant ones get a bracket, at most :data:`MOST_BRACKETS`, the clearest.
        baselines: Methods drawn in grey.
        synthetic: Label the figure.

    Raises:
        InputError: No panel, or no number in any of them.
    """
    groups = {bone: {m: _finite(of) for m, of in methods.items()} for bone, methods in panels.items()}
    if not any(values.size for methods in groups.values() for values in methods.values()):
        raise InputError("There is no number to draw a box plot of.")
    methods = list(dict.fromkeys(method for of in groups.values() for method in of))
    colours = method_colours(methods, baselines)
    captions = {method: textwrap.wrap(method, _CAPTION_WIDTH) for method in methods}
    layout = _BoxLayout.of(groups, captions)
    lines = textwrap.wrap(f"{_BOX_NOTE} {_brackets_note(tests)}", int(17 * (layout.width - 0.7)))
    figure = blank_figure(layout.width, layout.height + 0.17 * len(lines), title, "", synthetic)
    axes = layout.axes(figure)
    names = list(groups)
    for start in range(0, len(names), layout.columns):
        row = {bone: groups[bone] for bone in names[start : start + layout.columns]}
        _box_row(axes[start : start + len(row)], row, colours, captions, tests or {})
        axes[start].set_ylabel(unit, fontsize=10, color=INK)
    for number, line in enumerate(lines):
        place = 0.17 * (len(lines) - number) / figure.get_size_inches()[1]
        figure.text(0.35 / layout.width, place, line, fontsize=8, color=QUIET)
    return png_of(figure)


def _box_row(
    row_axes: Sequence[Axes],
    row: Mapping[str, Mapping[str, NDArray[np.float64]]],
    colours: Mapping[str, str],
    captions: Mapping[str, Sequence[str]],
    tests: Mapping[str, Sequence[PairTest]],
) -> None:
    """Panels side by side with one scale."""
    top = max((values.max() for of in row.values() for values in of.values() if values.size), default=1.0)
    highest = []
    for axes, (bone, of) in zip(row_axes, row.items(), strict=True):
        largest = _boxes(axes, of, colours, captions, top)
        highest.append(_brackets(axes, list(of), _drawn(tests.get(bone, ())), largest, top))
        panel_style(axes, bone, first=axes is row_axes[0])
    row_axes[0].set_ylim(0, max(highest) + 0.05 * top)


@dataclass(frozen=True)
class _BoxLayout:
    """Panels side by side as far as a page is wide, then below each other; inches."""

    panels: int
    columns: int
    width: float
    foot: float

    @classmethod
    def of(cls, groups: Mapping[str, Mapping[str, object]], captions: Mapping[str, Sequence[str]]) -> _BoxLayout:
        panel = 0.5 + 0.9 * max(map(len, groups.values())) + 0.15
        columns = max(1, min(len(groups), int((_PAGE_WIDTH - 0.95) / panel)))
        return cls(
            len(groups), columns, max(0.95 + columns * panel, 6.5), 0.4 + 0.16 * max(map(len, captions.values()))
        )

    @property
    def rows(self) -> int:
        return -(-self.panels // self.columns)

    @property
    def height(self) -> float:
        return 0.5 + self.rows * (0.4 + _PANEL_HEIGHT + self.foot) + 0.1

    def axes(self, figure: Figure) -> list[Axes]:
        """One per panel, those of a row with a common scale."""
        full = figure.get_size_inches()[1]
        grid = figure.subplots(self.rows, self.columns, sharey="row", squeeze=False)
        bottom = full - self.height + self.foot + 0.1
        figure.subplots_adjust(
            left=0.75 / self.width,
            right=1 - 0.2 / self.width,
            top=1 - 0.9 / full,
            bottom=bottom / full,
            wspace=0.06,
            hspace=(0.4 + self.foot) / _PANEL_HEIGHT,
        )
        for unused in grid.ravel()[self.panels :]:
            unused.set_axis_off()
        return list(grid.ravel()[: self.panels])


_BOX_NOTE = "Box: quartiles and median; whiskers: within 1.5 box lengths; dots: people; diamond: mean."


def _brackets_note(tests: Mapping[str, Sequence[PairTest]] | None) -> str:
    everything = [test for of in (tests or {}).values() for test in of]
    if not everything:
        return ""
    more = max(sum(t.significant for t in of) for of in (tests or {}).values()) - MOST_BRACKETS
    hidden = f" Only the {MOST_BRACKETS} clearest pairs of a panel are marked." if more > 0 else ""
    return f"Brackets: {everything[0].test}, * p < 0.05, ** p < 0.01, *** p < 0.001.{hidden}"


def _finite(of: Mapping[str, float]) -> NDArray[np.float64]:
    values = np.array(list(of.values()), dtype=np.float64)
    return values[np.isfinite(values)]


def _drawn(tests: Sequence[PairTest]) -> list[PairTest]:
    """The clearest significant pairs."""
    return sorted((t for t in tests if t.significant), key=lambda t: t.p)[:MOST_BRACKETS]


def _boxes(
    axes: Axes,
    groups: Mapping[str, NDArray[np.float64]],
    colours: Mapping[str, str],
    captions: Mapping[str, Sequence[str]],
    top: float,
) -> float:
    """The boxes of one panel; returns the largest number."""
    for place, (method, values) in enumerate(groups.items()):
        if values.size:
            _box(axes, place, values, colours[method])
        else:
            axes.text(place, 0.02 * top, "none", fontsize=8.5, color=QUIET, ha="center")
    names = ["\n".join([*captions[method], f"n = {values.size}"]) for method, values in groups.items()]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    return max((float(values.max()) for values in groups.values() if values.size), default=0.0)


def _box(axes: Axes, place: int, values: NDArray[np.float64], colour: str) -> None:
    from matplotlib.colors import to_rgba

    line = {"color": colour, "linewidth": 1.3}
    axes.boxplot(
        values,
        positions=[place],
        widths=0.56,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": to_rgba(colour, 0.16), "edgecolor": colour, "linewidth": 1.3},
        whiskerprops=line,
        capwidths=0.2,
        capprops=line,
        medianprops={"color": colour, "linewidth": 2.4},
        manage_ticks=False,
    )
    # The golden ratio spreads the dots evenly and is the same in every run.
    offsets = 0.34 * ((np.arange(values.size) * 0.618034) % 1 - 0.5)
    axes.plot(place + offsets, values, "o", color=colour, markersize=3, alpha=0.45, markeredgewidth=0, zorder=3)
    axes.plot(place, values.mean(), "D", color="white", markeredgecolor=colour, markersize=5, zorder=4)


def _brackets(axes: Axes, methods: Sequence[str], tests: Sequence[PairTest], start: float, top: float) -> float:
    """Draw the pairs above ``start``, short ones lowest, none through another; returns how high they reach."""
    taken: list[list[tuple[int, int]]] = []
    pairs = [(*sorted((methods.index(t.first), methods.index(t.second))), t.p) for t in tests]
    for left, right, p in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair[0])):
        level = next((k for k, spans in enumerate(taken) if all(right < a or left > b for a, b in spans)), len(taken))
        if level == len(taken):
            taken.append([])
        taken[level].append((left, right))
        height = start + top * (0.06 + _BRACKET_STEP * level)
        xs = (left + 0.06, left + 0.06, right - 0.06, right - 0.06)
        axes.plot(xs, height - top * np.array([0.018, 0, 0, 0.018]), color=INK, linewidth=0.9)
        axes.text((left + right) / 2, height - 0.004 * top, stars(p), fontsize=9.5, color=INK, ha="center")
    return start + top * (0.06 + _BRACKET_STEP * len(taken)) if taken else start


def sensitivity_figure(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, Summary]]]],
    *,
    x_label: str,
    y_label: str,
    title: str,
    baselines: Sequence[str] = (),
    synthetic: bool = False,
) -> bytes:
    """Mean and SD over something that was varied, one panel per bone, one line per method.

    Args:
        panels: ``panels[bone][method]``: (value of what was varied, summary over patients).
        x_label: What was varied, with its unit.
        y_label: What was measured, with its unit.
        title: Of the figure.
        baselines: Methods drawn in grey, each with a line of its own.
        synthetic: Label the figure.

    Raises:
        InputError: Nothing to draw.
    """
    if not any(points for of in panels.values() for points in of.values()):
        raise InputError("There is no number to draw a curve of.")
    methods = list(dict.fromkeys(method for of in panels.values() for method in of))
    colours, lines = method_colours(methods, baselines), dict(zip(baselines, cycle(BASELINE_LINES), strict=False))
    width, height = 0.9 + 4.1 * max(len(panels), 1.6), 4.8
    figure = blank_figure(width, height, title, "Line: mean over people; band: ± one standard deviation.", synthetic)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.3 / width, top=1 - 1.35 / height, bottom=0.65 / height, wspace=0.08
    )
    for number, (axis, (bone, of)) in enumerate(zip(axes, panels.items(), strict=True)):
        for method, points in of.items():
            _curve(axis, points, colours[method], method, lines.get(method, "o-"))
        axis.set_xlabel(x_label, fontsize=9.5, color=INK)
        panel_style(axis, bone, first=number == 0)
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(y_label, fontsize=9.5, color=INK)
    handles, names = axes[0].get_legend_handles_labels()
    place = (0.27 / width, 1 - 1.03 / height)
    figure.legend(
        handles, names, loc="lower left", bbox_to_anchor=place, ncols=4, fontsize=9, frameon=False, labelcolor=INK
    )
    return png_of(figure)


def _curve(axes: Axes, points: Sequence[tuple[float, Summary]], colour: str, method: str, line: str) -> None:
    known = sorted((x, s.mean, 0.0 if math.isnan(s.sd) else s.sd) for x, s in points if s.n)
    if not known:
        return
    x, mean, sd = np.array(known).T
    axes.plot(x, mean, line, color=colour, linewidth=1.7, markersize=4.5, label=method)
    axes.fill_between(x, np.maximum(mean - sd, 0), mean + sd, color=colour, alpha=0.12, linewidth=0)
