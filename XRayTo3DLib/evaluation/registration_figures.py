"""The picture of registration trials: success over how wrong the start was, with the capture range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.capture_range import CAPTURED_PERCENT, CaptureCurve
from XRayTo3DLib.evaluation.experiment_style import png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _FAINT = "#1b2733", "#5d6b7a", "#dfe4ea"
_COLOURS = ("#14507d", "#c25a00", "#2f7d4f")
_DPI = 150


def capture_figure(curves: Sequence[CaptureCurve], title: str) -> bytes:
    """PNG of capture curves over the same bins, labelled as synthetic: shares above, numbers of trials below.

    Args:
        curves: One for each thing that counts as a success; same bins.
        title: What was registered on what, one line.

    Raises:
        InputError: No curve.
    """
    if not curves:
        raise InputError("there is no capture curve to draw.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.6), facecolor="white", dpi=_DPI)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    figure.subplots_adjust(left=0.1, right=0.97, top=0.77, bottom=0.1, hspace=0.1)
    _heading(figure, title)
    _shares(above, curves)
    _counts(below, curves[0])
    for axes in (above, below):
        axes.tick_params(labelsize=9, colors=_INK, length=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_QUIET)
        axes.set_axisbelow(True)
    return png_of(figure)


def _heading(figure: Figure, title: str) -> None:
    figure.text(0.03, 0.945, "Success over the start's error", fontsize=12.5, fontweight="bold", color=_INK)
    figure.text(0.03, 0.905, title, fontsize=8.5, color=_QUIET)
    label = {"boxstyle": "round,pad=0.4", "facecolor": "#5b3a8c", "edgecolor": "none"}
    figure.text(0.97, 0.95, "Synthetic data", fontsize=9, color="white", ha="right", bbox=label)


def _shares(axes: Axes, curves: Sequence[CaptureCurve]) -> None:
    """A line through each curve's bins that hold trials, and a mark where its capture range ends."""
    axes.axhline(CAPTURED_PERCENT, color=_QUIET, linewidth=0.9, linestyle="--")
    for curve, colour in zip(curves, _COLOURS, strict=False):
        centres = [(low + high) / 2 for low, high in zip(curve.edges, curve.edges[1:], strict=False)]
        points = [(x, y) for x, y in zip(centres, curve.percent, strict=True) if y is not None]
        label = f"{curve.success}: capture range {curve.text}"
        axes.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=1.6, markersize=4, label=label)
        if curve.ended:
            axes.axvline(curve.range_mm, color=colour, linewidth=1, linestyle=":")
    axes.set(ylim=(-3, 103), xlim=(0, curves[0].edges[-1]))
    axes.set_ylabel("Successful (%)", fontsize=9.5, color=_INK)
    axes.grid(axis="y", color=_FAINT, linewidth=0.7)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.015, 1.0), fontsize=8.5, frameon=False)


def _counts(axes: Axes, curve: CaptureCurve) -> None:
    axes.stairs(curve.counts, curve.edges, fill=True, color=_FAINT)
    axes.set_ylabel("Trials", fontsize=9.5, color=_INK)
    axes.set_xlabel("mTRE of the start (mm)", fontsize=9.5, color=_INK)
