"""Figures of the experiments as PNG: box plots with significance brackets, curves of sensitivity, translated images."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_statistics import PairTest, Summary, stars

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, FAINT = "#1b2733", "#5d6b7a", "#dfe4ea"
COLOURS = ("#14507d", "#c25a00", "#2f7d4f", "#5b3a8c", "#a3262e", "#7a6a00")
BASELINE_COLOUR = "#7b8794"
DPI = 150
MOST_BRACKETS = 6
"""Pairs marked in one panel; more would hide the boxes, and all are in the table."""
_CAPTION_WIDTH = 14
_BRACKET_STEP = 0.085


def blank_figure(width: float, height: float, title: str, subtitle: str, synthetic: bool) -> Figure:
    """A white figure (inches) with its heading: title, a quiet line under it, and the label of synthetic data."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    figure.text(0.35 / width, 1 - 0.38 / height, title, fontsize=12.5, fontweight="bold", color=INK)
    figure.text(0.35 / width, 1 - 0.62 / height, subtitle, fontsize=9, color=QUIET)
    if synthetic:
        label = {"boxstyle": "round,pad=0.4", "facecolor": "#5b3a8c", "edgecolor": "none"}
        place = (1 - 0.38 / width, 1 - 0.38 / height)
        figure.text(*place, "Synthetic data", fontsize=9, color="white", ha="right", bbox=label)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure's PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


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
    panel = 0.55 + 0.95 * max(len(of) for of in groups.values())
    width, height = max(0.75 + (panel + 0.15) * len(groups) + 0.2, 6.5), 5.4
    lines = textwrap.wrap(f"{_BOX_NOTE} {_brackets_note(tests)}", int(17 * (width - 0.7)))
    captions = {method: textwrap.wrap(method, _CAPTION_WIDTH) for method in methods}
    foot = 0.55 + 0.16 * max(map(len, captions.values())) + 0.17 * len(lines)
    figure = blank_figure(width, height, title, "", synthetic)
    axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.2 / width, top=1 - 0.85 / height, bottom=foot / height, wspace=0.06
    )
    top = max(values.max() for of in groups.values() for values in of.values() if values.size)
    highest = [_boxes(axis, of, colours, captions, top) for axis, of in zip(axes, groups.values(), strict=True)]
    for number, (axis, bone) in enumerate(zip(axes, groups, strict=True)):
        start = max((values.max() for values in groups[bone].values() if values.size), default=0.0)
        highest.append(_brackets(axis, list(groups[bone]), _drawn((tests or {}).get(bone, ())), start, top))
        _panel_style(axis, bone, first=number == 0)
    axes[0].set_ylim(0, max(highest) + 0.04 * top)
    axes[0].set_ylabel(unit, fontsize=10, color=INK)
    for number, line in enumerate(lines):
        figure.text(0.35 / width, 0.17 * (len(lines) - number) / height, line, fontsize=8, color=QUIET)
    return png_of(figure)


_BOX_NOTE = "Box: quartiles and median; whiskers: within 1.5 box lengths; dots: patients; diamond: mean."


def _brackets_note(tests: Mapping[str, Sequence[PairTest]] | None) -> str:
    everything = [test for of in (tests or {}).values() for test in of]
    if not everything:
        return ""
    more = max(sum(t.significant for t in of) for of in (tests or {}).values()) - MOST_BRACKETS
    hidden = f" Only the {MOST_BRACKETS} clearest pairs of a panel are marked." if more > 0 else ""
    return f"Brackets: {everything[0].test}, * p < 0.05, ** p < 0.01, *** p < 0.001.{hidden}"


def method_colours(methods: Sequence[str], baselines: Sequence[str] = ()) -> dict[str, str]:
    """A colour per method; baselines grey."""
    others = [method for method in methods if method not in baselines]
    colours = {method: COLOURS[number % len(COLOURS)] for number, method in enumerate(others)}
    return {method: colours.get(method, BASELINE_COLOUR) for method in methods}


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


def _panel_style(axes: Axes, name: str, first: bool) -> None:
    """Quiet axes with a faint grid and the panel's name; only the first panel has an axis at its left."""
    axes.set_title(name[:1].upper() + name[1:], fontsize=10.5, color=INK, loc="left", fontweight="bold", pad=6)
    axes.tick_params(labelsize=9, colors=INK, length=3)
    axes.tick_params(axis="x", labelsize=8.5, pad=4)
    if not first:
        axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"] if first else ["top", "right", "left"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)


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
        baselines: Methods drawn in grey.
        synthetic: Label the figure.

    Raises:
        InputError: Nothing to draw.
    """
    if not any(points for of in panels.values() for points in of.values()):
        raise InputError("There is no number to draw a curve of.")
    methods = list(dict.fromkeys(method for of in panels.values() for method in of))
    colours = method_colours(methods, baselines)
    width, height = 0.9 + 4.1 * max(len(panels), 1.6), 4.8
    figure = blank_figure(width, height, title, "Line: mean over patients; band: ± one standard deviation.", synthetic)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.3 / width, top=1 - 1.35 / height, bottom=0.65 / height, wspace=0.08
    )
    for number, (axis, (bone, of)) in enumerate(zip(axes, panels.items(), strict=True)):
        for method, points in of.items():
            _curve(axis, points, colours[method], method)
        axis.set_xlabel(x_label, fontsize=9.5, color=INK)
        _panel_style(axis, bone, first=number == 0)
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel(y_label, fontsize=9.5, color=INK)
    handles, names = axes[0].get_legend_handles_labels()
    place = (0.27 / width, 1 - 1.03 / height)
    figure.legend(
        handles, names, loc="lower left", bbox_to_anchor=place, ncols=4, fontsize=9, frameon=False, labelcolor=INK
    )
    return png_of(figure)


def _curve(axes: Axes, points: Sequence[tuple[float, Summary]], colour: str, method: str) -> None:
    known = sorted((x, s.mean, 0.0 if math.isnan(s.sd) else s.sd) for x, s in points if s.n)
    if not known:
        return
    x, mean, sd = np.array(known).T
    axes.plot(x, mean, "o-", color=colour, linewidth=1.7, markersize=4.5, label=method)
    axes.fill_between(x, np.maximum(mean - sd, 0), mean + sd, color=colour, alpha=0.12, linewidth=0)


@dataclass(frozen=True, eq=False)
class TranslationPicture:
    """One row of the pictures of image translation; images (rows, columns) of the same size.

    Attributes:
        name: Whose, and by what ("case 7, pix2pix").
        radiograph: The input; shown from its 1st to its 99th percentile.
        translated: Line integrals.
        target: Line integrals of the bone-only DRR.
        mae: To be written beside it.
    """

    name: str
    radiograph: NDArray[np.floating]
    translated: NDArray[np.floating]
    target: NDArray[np.floating]
    mae: float


_TRANSLATION_NOTE = "Line integrals on the same scales in all rows; each radiograph in a window of its own."


def translation_figure(rows: Sequence[TranslationPicture], *, title: str, synthetic: bool = False) -> bytes:
    """Radiograph, translated image, target and their difference, one row per picture, all with common scales.

    Raises:
        InputError: No picture, or images of one row that differ in size.
    """
    if not rows:
        raise InputError("There is no translated image to show.")
    for row in rows:
        if not row.radiograph.shape == row.translated.shape == row.target.shape:
            raise InputError(f"{row.name}: radiograph, translated image and target differ in size.")
    edge, gap, left, head, foot = 2.15, 0.08, 1.35, 1.1, 0.55
    width, height = left + 4 * edge + 3 * gap + 0.35, head + len(rows) * (edge + gap) + foot
    figure = blank_figure(width, height, title, _TRANSLATION_NOTE, synthetic)
    highest = max(float(row.target.max()) for row in rows) or 1.0
    limit = max(float(np.percentile(np.abs(row.translated - row.target), 99)) for row in rows) or 1.0
    shown = [("gray", None), ("gray", (0.0, highest)), ("gray", (0.0, highest)), ("RdBu_r", (-limit, limit))]
    names = ("Radiograph", "Translated", "Target (DRR)", "Translated − target")
    for number, row in enumerate(rows):
        bottom = height - head - (number + 1) * edge - number * gap
        images = (row.radiograph, row.translated, row.target, row.translated - row.target)
        for column, (image, (colours, limits)) in enumerate(zip(images, shown, strict=True)):
            box = ((left + column * (edge + gap)) / width, bottom / height, edge / width, edge / height)
            axes = figure.add_axes(box)
            low, high = limits or np.percentile(image, (1, 99))
            drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
            if number == 0:
                axes.set_title(names[column], fontsize=9.5, color=INK, pad=5)
            if number == len(rows) - 1 and column in (1, 3):
                _colour_bar(figure, drawn, box, height, shared=column == 1, gap=gap / width)
        middle = (bottom + edge / 2) / height
        name = "\n".join(textwrap.wrap(row.name, _CAPTION_WIDTH))
        figure.text(0.35 / width, middle + 0.05 / height, name, fontsize=9, color=INK, va="bottom")
        figure.text(0.35 / width, middle - 0.05 / height, f"MAE {row.mae:.4f}", fontsize=9, color=QUIET, va="top")
    return png_of(figure)


def _colour_bar(
    figure: Figure, drawn: object, box: tuple[float, float, float, float], height: float, shared: bool, gap: float
) -> None:
    """A flat bar below the last row; the one of the translated image spans the target's column too."""
    left, bottom, wide, _ = box
    wide = 2 * wide + gap if shared else wide
    axes = figure.add_axes((left + 0.06 * wide, bottom - 0.2 / height, 0.88 * wide, 0.09 / height))
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    bar.outline.set(edgecolor=QUIET, linewidth=0.6)
    bar.ax.tick_params(labelsize=8.5, colors=INK, length=3)
    bar.ax.locator_params(nbins=5)
