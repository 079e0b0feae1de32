"""Pictures of the best, the median and the worst reconstruction, coloured by their distance to the truth."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.case_rendering import coloured, picture
from XRayTo3DLib.evaluation.distance_colours import colour_map
from XRayTo3DLib.evaluation.experiment_style import DPI, INK, QUIET, blank_figure, png_of
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.evaluation.software_render import View
from XRayTo3DLib.shape.meshes import points_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRIST_VIEWS = (
    View("Volar", (0, 1, 0), (0, 0, 1), "ulnar", "radial"),
    View("Radial side", (-1, 0, 0), (0, 0, 1), "volar", "dorsal"),
    View("Dorsal", (0, -1, 0), (0, 0, 1), "radial", "ulnar"),
    View("Ulnar side", (1, 0, 0), (0, 0, 1), "dorsal", "volar"),
)
"""The anatomical frame of a right wrist: +x radial, -y volar, +z distal."""
DEFAULT_RANGE_MM = 3.0
# All lengths of the layout in inches.
_LEFT, _RIGHT, _HEAD, _FOOT, _GAP, _TALLEST, _VIEWS_WIDTH = 1.75, 1.15, 1.25, 0.2, 0.25, 2.9, 7.6
_NARROWEST = 1.3
_CAPTION_WIDTH = 18
_FAILED = "#a3262e"
_SUBTITLE = "Colour: distance of the reconstruction to the true surface. Line: outline of the truth."


@dataclass(frozen=True, eq=False)
class CasePicture:
    """One row: a case as it was reconstructed.

    Attributes:
        title: "Best", "Median", "Worst".
        case: Its name.
        truth: True surfaces by bone, mm.
        result: Reconstructed surfaces by bone, same frame; empty bones are missing.
        outcomes: Of this case, one per bone; their ASSD is written beside.
    """

    title: str
    case: str
    truth: Mapping[str, vtkPolyData]
    result: Mapping[str, vtkPolyData]
    outcomes: Sequence[ReconstructionOutcome]


def pick_cases(outcomes: Sequence[ReconstructionOutcome], method: str, bone: str | None = None) -> dict[str, str]:
    """The best, the median and the worst case of a method: {"Best": case, "Median": case, "Worst": case}.

    Args:
        outcomes: Of any methods.
        method: Which one.
        bone: Judged by this bone's ASSD; by the mean over the bones if ``None``.

    A case without a number is worse than any with one. With fewer than three cases the later names are left out.

    Raises:
        InputError: No outcome of that method and bone.
    """
    of: dict[str, list[float]] = {}
    for o in outcomes:
        if o.method == method and bone in (None, o.bone):
            of.setdefault(o.case, []).append(math.inf if math.isnan(o.assd_mm) else o.assd_mm)
    if not of:
        raise InputError(f'There is no outcome of "{method}"{f" for the {bone}" if bone else ""} to pick cases from.')
    order = sorted(of, key=lambda case: (sum(of[case]) / len(of[case]), case))
    picked = {"Best": order[0]}
    if len(order) > 2:
        picked["Median"] = order[(len(order) - 1) // 2]
    if len(order) > 1:
        picked["Worst"] = order[-1]
    return picked


def case_figure(
    rows: Sequence[CasePicture],
    *,
    title: str,
    views: Sequence[View] = WRIST_VIEWS,
    range_mm: float = DEFAULT_RANGE_MM,
    synthetic: bool = False,
) -> bytes:
    """PNG with a row per case: the result from several sides, coloured by distance; the truth's outline as a line.

    Args:
        rows: From top to bottom, all drawn at one scale.
        title: Of the figure.
        views: Directions to look in.
        range_mm: Distance at the top of the colour bar; larger ones get the same colour.
        synthetic: Label the figure.

    Raises:
        InputError: No row, a row without truth, or a range that is not positive.
    """
    if not rows or not all(row.truth for row in rows):
        raise InputError("There is no case with its true bones to show.")
    if not 0 < range_mm < math.inf:
        raise InputError(f"The colour range is {range_mm:g} mm; give a positive number, such as 3.")
    layout = _layout(rows, views)
    width = _LEFT + sum(layout.widths) + _RIGHT
    height = _HEAD + len(rows) * (layout.tall + _GAP) + _FOOT
    figure = blank_figure(width, height, title, _SUBTITLE, synthetic)
    for number, row in enumerate(rows):
        bottom = height - _HEAD - (number + 1) * layout.tall - number * _GAP
        _draw_row(figure, row, layout, bottom, range_mm)
        _caption(figure, row, bottom + layout.tall)
    _view_names(figure, layout, height - _HEAD)
    _colour_bar(figure, range_mm, height - _HEAD, min(layout.tall, 2.2))
    _scale_bar(figure, layout.pixel_mm, bottom)
    return png_of(figure)


@dataclass(frozen=True)
class _Layout:
    """Views, their pictures' (rows, columns) in pixels, the columns' widths in inches, and the common scale."""

    views: tuple[View, ...]
    shapes: tuple[tuple[int, int], ...]
    widths: tuple[float, ...]
    pixel_mm: float

    @property
    def tall(self) -> float:
        return max(shape[0] for shape in self.shapes) / DPI


def _layout(rows: Sequence[CasePicture], views: Sequence[View]) -> _Layout:
    sizes = [high - low for low, high in map(_bounds, rows)]
    extents = np.array([[np.abs(view.axes) @ size for view in views] for size in sizes]).max(axis=0)
    room = (_VIEWS_WIDTH - _GAP * len(views)) * DPI
    pixel_mm = float(max(extents[:, 0].sum() / room, extents[:, 1].max() / (_TALLEST * DPI)))
    shapes = tuple((int(np.ceil(e[1] / pixel_mm)) + 6, int(np.ceil(e[0] / pixel_mm)) + 6) for e in extents)
    widths = tuple(max(shape[1] / DPI + _GAP, _NARROWEST) for shape in shapes)
    return _Layout(tuple(views), shapes, widths, pixel_mm)


def _bounds(row: CasePicture) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (x, y, z) of everything in the row, mm."""
    points = np.concatenate([points_of(surface) for surface in (*row.truth.values(), *row.result.values())])
    return points.min(axis=0), points.max(axis=0)


def _draw_row(figure: Figure, row: CasePicture, layout: _Layout, bottom: float, range_mm: float) -> None:
    low, high = _bounds(row)
    surface = coloured(row.truth, row.result)
    left = _LEFT
    for view, shape, width in zip(layout.views, layout.shapes, layout.widths, strict=True):
        rgba = picture(row.truth, surface, view, (low + high) / 2, layout.pixel_mm, shape, range_mm)
        across, up = shape[1] / DPI, shape[0] / DPI
        box = (left + (width - across) / 2, bottom + (layout.tall - up) / 2, across, up)
        axes = figure.add_axes(_shares(figure, *box))
        axes.imshow(rgba, interpolation="antialiased", aspect="auto")
        axes.set_axis_off()
        left += width


def _shares(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Inches to shares of the figure."""
    across, up = figure.get_size_inches()
    return left / across, bottom / up, width / across, height / up


def _text(figure: Figure, left: float, bottom: float, text: str, **looks: object) -> None:
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, **{"color": INK, "fontsize": 9, "va": "baseline", **looks})


def _view_names(figure: Figure, layout: _Layout, top: float) -> None:
    left = _LEFT
    for view, width in zip(layout.views, layout.widths, strict=True):
        inset = 0.14
        _text(figure, left + width / 2, top + 0.24, view.name, ha="center", fontsize=10)
        _text(figure, left + inset, top + 0.07, view.left_letter, color=QUIET, fontsize=8)
        _text(figure, left + width - inset, top + 0.07, view.right_letter, color=QUIET, fontsize=8, ha="right")
        left += width


def _caption(figure: Figure, row: CasePicture, top: float) -> None:
    """What the row shows and its numbers, from the row's top downward."""
    _text(figure, 0.35, top - 0.3, row.title, fontsize=11, fontweight="bold")
    place = top - 0.52
    for line in textwrap.wrap(row.case, _CAPTION_WIDTH):
        _text(figure, 0.35, place, line, color=QUIET)
        place -= 0.18
    place -= 0.1
    for outcome in row.outcomes:
        number = "not found" if math.isnan(outcome.assd_mm) else f"{outcome.assd_mm:.2f} mm"
        colour = _FAILED if math.isnan(outcome.assd_mm) else INK
        _text(figure, 0.35, place, f"{outcome.bone}  {number}", color=colour)
        place -= 0.19
        if outcome.empty and not math.isnan(outcome.assd_mm):
            _text(figure, 0.35, place, "not found: stand-in", color=_FAILED, fontsize=8.5)
            place -= 0.19


def _colour_bar(figure: Figure, range_mm: float, top: float, tall: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    left = figure.get_size_inches()[0] - _RIGHT + 0.25
    axes = figure.add_axes(_shares(figure, left, top - tall, 0.16, tall - 0.1))
    bar = figure.colorbar(ScalarMappable(Normalize(0, range_mm), colour_map()), cax=axes, extend="max", extendfrac=0.06)
    bar.set_ticks(np.linspace(0, range_mm, 7 if range_mm % 3 == 0 else 6))
    bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{value:.3g}")
    bar.ax.tick_params(labelsize=9, colors=INK, length=3)
    bar.outline.set_visible(False)
    _text(figure, left, top + 0.07, "mm")


def _scale_bar(figure: Figure, pixel_mm: float, bottom: float) -> None:
    """A bar of a round length, right of the lowest row."""
    inches_per_mm = 1 / (DPI * pixel_mm)
    length = max((mm for mm in (1, 2, 5, 10, 20, 50, 100) if mm * inches_per_mm <= 0.75), default=1)
    left = figure.get_size_inches()[0] - _RIGHT + 0.25
    axes = figure.add_axes(_shares(figure, left, bottom + 0.2, length * inches_per_mm, 0.03))
    axes.set_facecolor(INK)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _text(figure, left, bottom + 0.02, f"{length} mm", color=QUIET)
