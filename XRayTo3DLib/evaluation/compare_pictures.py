"""Pictures of a comparison as PNG: one person as every method reconstructed it, and what methods were shown."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.case_rendering import coloured, picture
from XRayTo3DLib.evaluation.distance_colours import colour_map
from XRayTo3DLib.evaluation.experiment_style import DPI, INK, QUIET, blank_figure, png_of
from XRayTo3DLib.evaluation.software_render import View
from XRayTo3DLib.shape.meshes import points_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bones = Mapping[str, vtkPolyData]
_WIDTH, _HEAD, _CAPTION, _GAP, _BAR = 10.5, 1.0, 0.5, 0.2, 0.95
"""Inches."""
_COLUMNS = 4
_TALLEST, _SIDE = 2.4, 1.75
_MOST_INPUTS = 6


@dataclass(frozen=True, eq=False)
class Shown:
    """One method's bones of the person shown.

    Attributes:
        title: Of the method.
        bones: By name, in the person's frame, mm.
        assd_mm: Mean over the bones; NaN if unknown.
        lost: How many bones the method lost.
    """

    title: str
    bones: Bones
    assd_mm: float
    lost: int = 0


def gallery_figure(
    case: str, truth: Bones, shown: Sequence[Shown], views: Sequence[View], *, range_mm: float, synthetic: bool = False
) -> bytes:
    """PNG of one person as every method reconstructed it, from two sides, coloured by the distance to the truth.

    Args:
        case: Who.
        truth: True bones, mm; their outline is a line.
        shown: Methods, in order.
        views: Sides to look from, at least one; side by side for each method.
        range_mm: Distance that gets the last colour.
        synthetic: Label the figure.

    Raises:
        InputError: Nothing to show.
    """
    if not shown or not truth or not views:
        raise InputError("there is no reconstruction to show.")
    points = np.concatenate([points_of(surface) for surface in truth.values()])
    low, high = points.min(axis=0) - 4.0, points.max(axis=0) + 4.0
    extents = np.array([np.abs(view.axes) @ (high - low) for view in views])
    columns = min(_COLUMNS, len(shown))
    cell = (_WIDTH - _BAR - 0.35) / columns
    pixel_mm = float(max(extents[:, 0].sum() / ((cell - _GAP) * DPI), extents[:, 1].max() / (_TALLEST * DPI)))
    shapes = [(math.ceil(e[1] / pixel_mm), math.ceil(e[0] / pixel_mm)) for e in extents]
    tall = max(shape[0] for shape in shapes) / DPI
    lines = -(-len(shown) // columns)
    height = _HEAD + lines * (tall + _CAPTION + 0.1) + 0.1
    seen = " and ".join(view.name.lower() for view in views)
    note = f"Seen: {seen}. Colour: distance to the true surface. Line: outline of the truth."
    figure = blank_figure(_WIDTH, height, f"{case}, as every method reconstructed it", note, synthetic)
    for number, each in enumerate(shown):
        line, column = divmod(number, columns)
        left, top = 0.35 + column * cell, height - _HEAD - line * (tall + _CAPTION + 0.1)
        _caption(figure, each, left, top)
        surface = coloured(truth, {bone: mesh for bone, mesh in each.bones.items() if bone in truth})
        for view, shape in zip(views, shapes, strict=True):
            rgba = picture(truth, surface, view, (low + high) / 2, pixel_mm, shape, range_mm)
            across, up = shape[1] / DPI, shape[0] / DPI
            _image(figure, rgba, left, top - _CAPTION - up, across, up)
            left += across
    _distance_bar(figure, range_mm, height - _HEAD - _CAPTION, min(tall, 2.0))
    return png_of(figure)


def _caption(figure: Figure, each: Shown, left: float, top: float) -> None:
    number = "" if math.isnan(each.assd_mm) else f"ASSD {each.assd_mm:.2f} mm"
    lost = f"{each.lost} bone{'' if each.lost == 1 else 's'} lost" if each.lost else ""
    _text(figure, left, top - 0.18, each.title, fontsize=10, fontweight="bold")
    _text(figure, left, top - 0.36, ", ".join(filter(None, [number, lost])), color=QUIET, fontsize=9)


@dataclass(frozen=True, eq=False)
class ShownInput:
    """What one condition shows of a person.

    Attributes:
        title: Of the condition.
        images: (views, n, n) line integrals.
        own_scale: Grey up to these pictures' own brightest, as whole limbs need it.
    """

    title: str
    images: NDArray[np.floating]
    own_scale: bool = False


def inputs_figure(case: str, inputs: Sequence[ShownInput], views: Sequence[str], *, synthetic: bool = False) -> bytes:
    """PNG of one person's pictures under every condition; white is dense, one scale of greys for each view.

    Args:
        case: Who.
        inputs: In order; the first is as in training and sets the scale.
        views: Names of the views, top to bottom.
        synthetic: Label the figure.

    Raises:
        InputError: Nothing to show.
    """
    if not inputs or any(len(each.images) != len(views) for each in inputs):
        raise InputError("there is no picture to show for every view.")
    lines = -(-len(inputs) // _MOST_INPUTS)
    columns = -(-len(inputs) // lines)
    side = min((_WIDTH - 0.9) / columns - 0.12, _SIDE)
    block = len(views) * (side + 0.08) + 0.75
    height = _HEAD + lines * block
    note = "Greys of each view up to the densest bone as in training; soft tissue up to its own densest."
    figure = blank_figure(_WIDTH, height, f"What the methods were shown: {case}", note, synthetic)
    scales = [float(image.max()) or 1.0 for image in inputs[0].images]
    for number, each in enumerate(inputs):
        line, column = divmod(number, columns)
        left, top = 0.75 + column * (side + 0.12), height - _HEAD - line * block
        for place, text in enumerate(reversed(textwrap.wrap(each.title, int(side * 11)))):
            _text(figure, left, top - 0.45 + 0.16 * place, text, fontsize=8.5)
        for view, image in enumerate(each.images):
            scale = float(image.max()) if each.own_scale else scales[view]
            grey = np.clip(np.asarray(image, dtype=np.float64) / scale, 0, 1)
            bottom = top - 0.53 - (view + 1) * side - view * 0.08
            _image(figure, np.repeat(grey[..., None], 3, axis=2), left, bottom, side, side)
            if column == 0:
                _text(figure, 0.35, bottom + side / 2, views[view], fontsize=9.5, fontweight="bold")
    return png_of(figure)


def _image(figure: Figure, rgba: NDArray[np.floating], left: float, bottom: float, width: float, height: float) -> None:
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.imshow(rgba, interpolation="antialiased", aspect="auto")
    axes.set_axis_off()


def _text(figure: Figure, left: float, bottom: float, text: str, **looks: object) -> None:
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, **{"color": INK, "va": "baseline", **looks})


def _distance_bar(figure: Figure, range_mm: float, top: float, tall: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    across, up = figure.get_size_inches()
    left = _WIDTH - _BAR + 0.2
    axes = figure.add_axes((left / across, (top - tall) / up, 0.16 / across, (tall - 0.1) / up))
    bar = figure.colorbar(ScalarMappable(Normalize(0, range_mm), colour_map()), cax=axes, extend="max", extendfrac=0.06)
    bar.ax.tick_params(labelsize=9, colors=INK, length=3)
    bar.outline.set_visible(False)
    _text(figure, left, top + 0.06, "mm", fontsize=9)
