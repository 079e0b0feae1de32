"""The picture of a comparison: the colour map from four sides, its scale, and how the distances spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.comparison import Comparison
from XRayTo3DLib.evaluation.distance_colours import colour_map
from XRayTo3DLib.evaluation.distance_views import Picture, Side, draw_pictures
from XRayTo3DLib.evaluation.experiment_style import png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEFAULT_RANGE_MM = 5.0
_DPI = 150
_INK, _QUIET, _FAINT = "#1b2733", "#5d6b7a", "#dfe4ea"
_REFERENCE_COLOUR, _RESULT_COLOUR = "#c25a00", "#14507d"
# All lengths of the layout in inches.
_WIDTH, _LEFT, _RIGHT, _HEAD, _CAPTION = 10.0, 0.45, 1.45, 0.95, 0.55
_HISTOGRAM, _HISTOGRAM_FOOT, _GAP = 2.2, 0.65, 0.35
_SHORTEST, _TALLEST = 1.9, 4.6
_NARROWEST_CAPTION = 1.5


def distance_figure(comparison: Comparison, range_mm: float = DEFAULT_RANGE_MM, side: Side | None = None) -> bytes:
    """PNG with the colour map from four sides, a colour bar in mm and the histogram of both directions.

    Args:
        comparison: What to show.
        range_mm: Distance at the top of the colour bar; larger ones get the same colour.
        side: The body side the bone is from; names the side views lateral and medial.

    Raises:
        InputError: The range is not positive.
    """
    if not 0 < range_mm < np.inf:
        raise InputError(f"The colour range is {range_mm:g} mm; give a positive number, such as 5.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    room = (_WIDTH - _LEFT - _RIGHT - _GAP * 3) * _DPI, _TALLEST * _DPI
    pictures = draw_pictures(comparison.distance_map, range_mm, colour_map(), (int(room[0]), int(room[1])), side)
    views_height = max(max(p.rgba.shape[0] for p in pictures) / _DPI, _SHORTEST)
    height = _HEAD + views_height + _CAPTION + _HISTOGRAM + _HISTOGRAM_FOOT
    figure = Figure(figsize=(_WIDTH, height), facecolor="white", dpi=_DPI)
    FigureCanvasAgg(figure)
    _heading(figure, comparison)
    bottom = height - _HEAD - views_height
    _place_views(figure, pictures, bottom, views_height)
    _colour_bar(figure, range_mm, bottom, views_height)
    axes = figure.add_axes(_box(figure, 0.75, _HISTOGRAM_FOOT, _WIDTH - 1.1, _HISTOGRAM - 0.5))
    _histogram(axes, comparison, range_mm)
    return png_of(figure)


def _box(figure: Figure, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches to shares of the figure."""
    across, up = figure.get_size_inches()
    return left / across, bottom / up, width / across, height / up


def _text(figure: Figure, left: float, from_top: float, text: str, **style: object) -> None:
    across, up = figure.get_size_inches()
    figure.text(left / across, 1 - from_top / up, text, **{"va": "baseline", "color": _INK, **style})


def _heading(figure: Figure, comparison: Comparison) -> None:
    title = (
        f"Distance to the reference surface   ASSD {comparison.area.assd:.2f} mm, HD95 {comparison.area.hd95:.2f} mm"
    )
    _text(figure, _LEFT, 0.38, title, fontsize=12.5, fontweight="bold")
    names = f"{_shortened(comparison.result_name)} compared with {_shortened(comparison.reference_name)}"
    names += ", after rigid alignment" if comparison.alignment is not None else ""
    _text(figure, _LEFT, 0.62, names, fontsize=9.5, color=_QUIET)
    if comparison.synthetic:
        label = {"boxstyle": "round,pad=0.4", "facecolor": "#5b3a8c", "edgecolor": "none"}
        _text(figure, _WIDTH - 0.4, 0.38, "Synthetic data", fontsize=9, color="white", ha="right", bbox=label)


def _shortened(name: str, longest: int = 48) -> str:
    return name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 :]}"


def _place_views(figure: Figure, pictures: list[Picture], bottom: float, height: float) -> None:
    widths = [p.rgba.shape[1] / _DPI for p in pictures]
    spare = (_WIDTH - _LEFT - _RIGHT - sum(widths)) / len(pictures)
    left = _LEFT + spare / 2
    for picture, width in zip(pictures, widths, strict=True):
        own = picture.rgba.shape[0] / _DPI
        axes = figure.add_axes(_box(figure, left, bottom + (height - own) / 2, width, own))
        axes.imshow(picture.rgba, interpolation="antialiased", aspect="auto")
        axes.set_axis_off()
        caption = figure.get_size_inches()[1] - bottom + 0.27
        half = max(width, _NARROWEST_CAPTION) / 2
        centre = left + width / 2
        _text(figure, centre, caption, picture.name, fontsize=10, ha="center")
        _text(figure, centre - half, caption, picture.view.left_letter, fontsize=9, color=_QUIET)
        _text(figure, centre + half, caption, picture.view.right_letter, fontsize=9, color=_QUIET, ha="right")
        left += width + spare
    _scale_bar(figure, 1 / (_DPI * pictures[0].pixel_mm), bottom)


def _scale_bar(figure: Figure, inches_per_mm: float, bottom: float) -> None:
    """A bar of a round length below the colour bar, its label in the row of the captions."""
    length = max((mm for mm in (1, 2, 5, 10, 20, 50, 100, 200) if mm * inches_per_mm <= 1.0), default=1)
    left = _WIDTH - _RIGHT + 0.25
    axes = figure.add_axes(_box(figure, left, bottom - 0.07, length * inches_per_mm, 0.035))
    axes.set_facecolor(_INK)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _text(figure, left, figure.get_size_inches()[1] - bottom + 0.27, f"{length} mm", fontsize=9, color=_QUIET)


def _colour_bar(figure: Figure, range_mm: float, bottom: float, height: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    tall = min(height - 0.42, 3.0)
    axes = figure.add_axes(_box(figure, _WIDTH - _RIGHT + 0.25, bottom + height - 0.22 - tall, 0.16, tall))
    bar = figure.colorbar(ScalarMappable(Normalize(0, range_mm), colour_map()), cax=axes, extend="max", extendfrac=0.06)
    bar.set_ticks(np.linspace(0, range_mm, 6))
    bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{value:.3g}")
    bar.ax.tick_params(labelsize=9, colors=_INK, length=3)
    bar.outline.set_visible(False)
    across, up = figure.get_size_inches()
    _text(figure, _WIDTH - _RIGHT + 0.25, up - bottom - height + 0.02, "Distance (mm)", fontsize=9)


def _histogram(axes: Axes, comparison: Comparison, range_mm: float) -> None:
    """Share of either surface's area per distance, with ASSD and HD95 marked."""
    area = comparison.area
    both = (
        (area.reference_to_result, "reference to result", _REFERENCE_COLOUR),
        (area.result_to_reference, "result to reference", _RESULT_COLOUR),
    )
    top = np.ceil(2 * max(range_mm, 1.04 * area.hd95)) / 2
    edges = np.linspace(0, top, 61)
    for direction, name, colour in both:
        share = 100 * np.histogram(direction.distances, edges)[0] / len(direction.distances)
        beyond = 100 * float((direction.distances > top).mean())
        further = f", {beyond:.1f} % beyond {top:.3g} mm" if beyond > 0 else ""
        axes.stairs(
            share, edges, color=colour, linewidth=1.6, label=f"{name}: mean {direction.mean:.2f} mm{further}", zorder=3
        )
    highest = axes.get_ylim()[1]
    axes.set(xlim=(0, top), ylim=(0, 1.2 * highest))
    for value, name, dashes in ((area.assd, "ASSD", "-"), (area.hd95, "HD95", "--")):
        axes.plot([value, value], [0, 1.06 * highest], color=_INK, linewidth=1, linestyle=dashes, zorder=4)
        axes.text(value, 1.08 * highest, name, fontsize=8.5, color=_INK, ha="center", va="bottom")
    axes.set_xlabel("Distance (mm)", fontsize=9.5, color=_INK)
    axes.set_ylabel("Share of area (%)", fontsize=9.5, color=_INK)
    axes.tick_params(labelsize=9, colors=_INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_QUIET)
    axes.grid(axis="y", color=_FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.005, 1.0), ncols=2, fontsize=9, frameon=False, borderaxespad=0.2)
