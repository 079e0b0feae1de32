"""Figures of the biplanar experiment: outlines over pictures, and errors over the turn of the lateral camera."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_tables import TurnPoint
from XRayTo3DLib.evaluation.experiment_style import (
    FAINT,
    INK,
    QUIET,
    blank_figure,
    method_colours,
    panel_style,
    png_of,
)
from XRayTo3DLib.evaluation.outline_measures import Mask, OutlineOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BONE_COLOURS = ("#ff9f1c", "#4cc9f0", "#f15bb5", "#80ed99", "#fee440", "#b8b8ff")
"""On a dark picture."""
# All lengths in inches.
_EDGE, _GAP, _LEFT, _RIGHT, _HEAD, _FOOT = 2.5, 0.1, 1.75, 0.3, 1.3, 0.25
_CAPTION_WIDTH = 17
SMALLEST_LOSS_MM = 0.1
"""The axis of losses shows at least this much: rounding is no loss."""
_SUBTITLE = "White: the true bone. Coloured: the reconstruction. Numbers: Chamfer distance of outlines, mean of views."


@dataclass(frozen=True, eq=False)
class ViewPicture:
    """One picture of a person.

    Attributes:
        name: Of the view.
        shown: Whether the method was shown it.
        image: (n, n) line integrals of the bones.
        truth: True shadows by bone, (rows, columns) masks of the same detector, in finer pixels.
        found: Shadows of the reconstruction.
    """

    name: str
    shown: bool
    image: NDArray[np.float32]
    truth: Mapping[str, Mask]
    found: Mapping[str, Mask]


@dataclass(frozen=True, eq=False)
class OutlinePicture:
    """One row: a person.

    Attributes:
        title: "Best", "Median", "Worst".
        case: Its name.
        views: From left to right.
        outcomes: Of this person and method; mean Chamfer distances are written beside.
    """

    title: str
    case: str
    views: Sequence[ViewPicture]
    outcomes: Sequence[OutlineOutcome] = ()


def outlines_figure(rows: Sequence[OutlinePicture], *, title: str, synthetic: bool = False) -> bytes:
    """PNG with a row per person and a column per view: true and reconstructed outlines over the picture.

    Raises:
        InputError: No row.
    """
    if not rows:
        raise InputError("There is no picture to draw outlines on.")
    columns = max(len(row.views) for row in rows)
    width = _LEFT + columns * (_EDGE + _GAP) + _RIGHT
    height = _HEAD + len(rows) * (_EDGE + _GAP) + _FOOT
    figure = blank_figure(width, height, title, _SUBTITLE, synthetic)
    bones = list(dict.fromkeys(bone for row in rows for view in row.views for bone in view.truth))
    colours = {bone: BONE_COLOURS[number % len(BONE_COLOURS)] for number, bone in enumerate(bones)}
    for number, row in enumerate(rows):
        bottom = height - _HEAD - number * (_EDGE + _GAP) - _EDGE
        _caption(figure, row, bottom + _EDGE)
        for column, view in enumerate(row.views):
            left = _LEFT + column * (_EDGE + _GAP)
            axes = figure.add_axes((left / width, bottom / height, _EDGE / width, _EDGE / height))
            _draw(axes, view, colours)
            if number == 0:
                told = "shown to the model" if view.shown else "never shown"
                axes.set_title(f"{view.name}, {told}", fontsize=9.5, color=INK, pad=5)
    _legend(figure, colours, height)
    return png_of(figure)


def _draw(axes: Axes, view: ViewPicture, colours: Mapping[str, str]) -> None:
    darkest, brightest = np.percentile(view.image, (1.0, 99.5))
    look = {"cmap": "gray", "vmin": darkest, "vmax": max(brightest, darkest + 1e-6), "interpolation": "bilinear"}
    axes.imshow(view.image, extent=(0, 1, 1, 0), **look)
    for bone, colour in colours.items():
        for masks, style in ((view.truth, ("white", 1.1)), (view.found, (colour, 1.4))):
            if bone in masks and masks[bone].any() and not masks[bone].all():
                _contour(axes, masks[bone], *style)
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0))
    axes.spines[:].set_color(FAINT)


def _contour(axes: Axes, mask: Mask, colour: str, width: float) -> None:
    rows, columns = mask.shape
    across, down = (np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows
    axes.contour(across, down, mask.astype(float), levels=[0.5], colors=[colour], linewidths=width)


def _caption(figure: Figure, row: OutlinePicture, top: float) -> None:
    width, height = figure.get_size_inches()
    left = 0.35 / width
    figure.text(left, (top - 0.2) / height, row.title, fontsize=10.5, fontweight="bold", color=INK)
    lines = textwrap.wrap(row.case, _CAPTION_WIDTH)
    for number, line in enumerate(lines):
        figure.text(left, (top - 0.4 - 0.17 * number) / height, line, fontsize=8.5, color=QUIET)
    start = top - 0.5 - 0.17 * len(lines)
    for number, bone in enumerate(dict.fromkeys(o.bone for o in row.outcomes)):
        values = [o.chamfer_mm for o in row.outcomes if o.bone == bone and np.isfinite(o.chamfer_mm)]
        text = f"{bone}: {np.mean(values):.2f} mm" if values else f"{bone}: –"
        figure.text(left, (start - 0.17 * number) / height, text, fontsize=8.5, color=INK)


def _legend(figure: Figure, colours: Mapping[str, str], height: float) -> None:
    from matplotlib.lines import Line2D

    handles: list[Any] = [Line2D([], [], color=colour, linewidth=2.5) for colour in colours.values()]
    width = figure.get_size_inches()[0]
    figure.legend(
        handles, list(colours), loc="lower left", bbox_to_anchor=(0.27 / width, 1 - 1.02 / height), ncols=6,
        fontsize=9, frameon=False, labelcolor=INK, handlelength=1.2,
    )  # fmt: skip


def turn_figure(
    methods: Mapping[str, Sequence[TurnPoint]],
    *,
    title: str,
    calibrated: Sequence[str] = (),
    baselines: Sequence[str] = (),
    synthetic: bool = False,
) -> bytes:
    """PNG: error and loss over the turn of the lateral camera, a line per method.

    Args:
        methods: Points by method.
        title: Of the figure.
        calibrated: Methods that are told where the camera is: full lines; the others' are dashed.
        baselines: Methods drawn in grey, and only in the first panel.
        synthetic: Label the figure.

    Raises:
        InputError: No point.
    """
    if not any(methods.values()):
        raise InputError("There is no error to draw over the turn of a camera.")
    width, height = 9.2, 4.6
    subtitle = "Full line: told where the camera is. Dashed: takes it for where it should be."
    figure = blank_figure(width, height, title, subtitle, synthetic)
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.08, right=0.97, top=1 - 1.35 / height, bottom=0.62 / height, wspace=0.2)
    colours = method_colours(list(methods), baselines)
    for name, points in methods.items():
        line = "o-" if name in calibrated else "^:" if name in baselines else "s--"
        look = {"color": colours[name], "linewidth": 1.7, "markersize": 4.5, "label": name}
        angles = [point.angle_deg for point in points]
        axes[0].plot(angles, [point.chamfer_mm for point in points], line, **look)
        if name not in baselines:
            axes[1].plot(angles, [point.loss_mm for point in points], line, **look)
    for axis, name in zip(axes, ("Mean error of the bones", "Lost against 0 degrees"), strict=True):
        panel_style(axis, name, first=True)
        axis.set_xlabel("lateral camera turned by (degrees)", fontsize=9.5, color=INK)
    largest = max(point.chamfer_mm for points in methods.values() for point in points)
    axes[0].set_ylim(0, 1.08 * largest)
    axes[0].set_ylabel("Chamfer distance (mm)", fontsize=9.5, color=INK)
    low, high = axes[1].get_ylim()
    axes[1].set_ylim(min(low, -SMALLEST_LOSS_MM), max(high, SMALLEST_LOSS_MM))
    axes[1].axhline(0, color=QUIET, linewidth=0.8)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="lower left", bbox_to_anchor=(0.27 / width, 1 - 1.03 / height), ncols=4, fontsize=9,
        frameon=False, labelcolor=INK,
    )  # fmt: skip
    return png_of(figure)
