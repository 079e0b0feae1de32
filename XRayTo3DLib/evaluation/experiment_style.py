"""The common look of the experiments' figures: heading, colours of methods, quiet axes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, FAINT = "#1b2733", "#5d6b7a", "#dfe4ea"
COLOURS = ("#14507d", "#c25a00", "#2f7d4f", "#5b3a8c", "#a3262e", "#7a6a00")
BASELINE_COLOUR = "#7b8794"
DPI = 150


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
    """The figure's PNG, the same bytes for the same figure, which is empty afterwards.

    Parts of a figure hold each other: its pictures would stay in memory until Python looks for such rings, and in a
    batch that is seventy radiographs later.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    figure.clear()
    return buffer.getvalue()


def method_colours(methods: Sequence[str], baselines: Sequence[str] = ()) -> dict[str, str]:
    """A colour per method; baselines grey."""
    others = [method for method in methods if method not in baselines]
    colours = {method: COLOURS[number % len(COLOURS)] for number, method in enumerate(others)}
    return {method: colours.get(method, BASELINE_COLOUR) for method in methods}


def panel_style(axes: Axes, name: str, first: bool) -> None:
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
