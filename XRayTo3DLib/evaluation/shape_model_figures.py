"""Pictures of statistical shape models as PNG: what each mode does to the mean, and curves of leaving one out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_style import COLOURS, INK, QUIET, blank_figure, panel_style, png_of
from XRayTo3DLib.evaluation.scene_colours import SIGNED_COLOURS
from XRayTo3DLib.evaluation.software_render import (
    ANTERIOR,
    FROM_LEFT,
    View,
    downsample,
    rasterise,
    shade,
)
from XRayTo3DLib.shape.meshes import vertex_normals
from XRayTo3DLib.shape.model_curves import Generalisation, compactness
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

FloatArray = NDArray[np.float64]
SHOWN_SD = 3.0
_PANEL_PX, _SUPERSAMPLING = (330, 560), 2
_GAP, _HEAD, _FOOT = 0.22, 0.95, 0.85
_BONE_SPAN = (1.0, 2.5)
"""Inches that a bone's picture is wide at least, and tall at most."""


def shape_model_picture(model: ShapeModel, modes: int = 4) -> bytes:
    """The mean and, for each of the first modes, the shapes at +3 and -3 SD, with the model's compactness.

    Colours: how far the surface moves outward (red) or inward (blue) from the mean, mm.

    Raises:
        InputError: A model without modes.
    """
    if model.size == 0:
        raise InputError("The shape model has no modes to draw.")
    from matplotlib.colors import LinearSegmentedColormap

    shown = min(modes, model.size)
    shapes = {(mode, sign): model.shape([0.0] * mode + [sign * SHOWN_SD]) for mode in range(shown) for sign in (1, -1)}
    normals = vertex_normals(model.mean, model.triangles)
    moves = {key: np.einsum("nd,nd->n", points - model.mean, normals) for key, points in shapes.items()}
    top = _round_up(max(float(np.percentile(np.abs(each), 99)) for each in moves.values()))
    colours = LinearSegmentedColormap.from_list("signed", [(share, rgb) for share, *rgb in SIGNED_COLOURS])
    every = np.concatenate([model.mean, *shapes.values()])
    view, across, up = _widest(every)
    inch = min(_BONE_SPAN[1] / up, 1.9 / across)
    width_bone, height_bone = max(across * inch, _BONE_SPAN[0]), up * inch
    left, chart = 0.35, 2.9
    width = left + (shown + 1) * (width_bone + _GAP) + 0.75 + chart + 0.3
    height = _HEAD + 2 * (height_bone + 0.12) + _FOOT
    who = f"{model.people} {'shapes' if model.synthetic else 'people'}, {model.size} modes, {len(model.mean)} vertices"
    name = f"Shape model {model.label}".strip()
    figure = blank_figure(width, height, name, f"{who} · mean and {SHOWN_SD:g} SD to either side", model.synthetic)

    def place(column: int, row: float, title: str, points: FloatArray, move: FloatArray) -> None:
        x = left + column * (width_bone + _GAP)
        y = height - _HEAD - (row + 1) * (height_bone + 0.12)
        axes = figure.add_axes((x / width, y / height, width_bone / width, height_bone / height))
        axes.imshow(_picture(points, model.triangles, move / top, view, every, colours, (width_bone, height_bone)))
        axes.axis("off")
        if title:
            axes.set_title(title, fontsize=9.5, color=INK, fontweight="bold", pad=5)

    share = np.diff(compactness(model), prepend=0.0)
    place(0, 0.5, "Mean", model.mean, np.zeros(len(model.mean)))
    for (mode, sign), points in shapes.items():
        title = f"Mode {mode + 1}, {100 * share[mode]:.0f} %" if sign > 0 else ""
        place(mode + 1, 0 if sign > 0 else 1, title, points, moves[mode, sign])
    for row, text in enumerate((f"+{SHOWN_SD:g} SD", f"\u2212{SHOWN_SD:g} SD")):
        y = height - _HEAD - (row + 0.5) * (height_bone + 0.12)
        figure.text((left + width_bone + _GAP - 0.12) / width, y / height, text, fontsize=9, color=QUIET, ha="center",
                    rotation=90, va="center")  # fmt: skip
    x = left + width_bone + _GAP
    _colour_bar(figure, (x / width, 0.5 / height, 2.2 / width, 0.1 / height), colours, top)
    x = width - chart - 0.3
    tall = min(height - _HEAD - 1.0, 3.2)
    axes = figure.add_axes((x / width, 1 - (_HEAD + 0.25 + tall) / height, chart / width, tall / height))
    _compactness_panel(axes, model)
    return png_of(figure)


def generalisation_picture(populations: Mapping[str, Generalisation], synthetic: bool = False) -> bytes:
    """One panel per population: error of people left out over the number of modes, mean and range over people, mm.

    Raises:
        InputError: No population.
    """
    if not populations:
        raise InputError("There is no population to draw curves of.")
    width, height = 0.75 + 3.15 * len(populations), 3.9
    figure = blank_figure(
        width, height, "People left out, one at a time", "Mean (line) and range (shade) over people", synthetic
    )
    for number, (name, found) in enumerate(populations.items()):
        x, share = 0.65 + 3.15 * number, 2.6
        axes = figure.add_axes((x / width, 0.62 / height, share / width, (height - 1.75) / height))
        _curve(axes, found.modes, found.vertex_mm, COLOURS[0], "corresponding vertices")
        if np.isfinite(found.surface_mm).all():
            _curve(axes, found.modes, found.surface_mm, COLOURS[1], "surface (ASSD)")
        panel_style(axes, name, first=True)
        axes.set_ylim(0, None)
        axes.set_xlim(0, max(found.modes))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("modes", fontsize=9.5, color=INK)
        if number == 0:
            axes.set_ylabel("error (mm)", fontsize=9.5, color=INK)
            place = {
                "loc": "upper right",
                "bbox_to_anchor": (1 - 0.3 / width, 1 - (0.6 if synthetic else 0.25) / height),
            }
            figure.legend(
                *axes.get_legend_handles_labels(), frameon=False, fontsize=9, labelcolor=INK, ncols=2, **place
            )
    return png_of(figure)


def _curve(axes: Axes, modes: tuple[int, ...], errors: FloatArray, colour: str, name: str) -> None:
    axes.fill_between(modes, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.13, linewidth=0)
    axes.plot(
        modes, errors.mean(axis=0), color=colour, linewidth=1.8, marker="o", markersize=3.2, label=name, clip_on=False
    )


def _compactness_panel(axes: Axes, model: ShapeModel) -> None:
    share = 100 * compactness(model)
    shown = min(len(share), max(int(np.searchsorted(share, 99.5)) + 2, 5))
    numbers = np.arange(1, shown + 1)
    axes.bar(numbers, np.diff(share, prepend=0.0)[:shown], color="#b9c9d8", width=0.7)
    axes.plot(numbers, share[:shown], color=COLOURS[0], linewidth=1.8, marker="o", markersize=3.5)
    panel_style(axes, "compactness: variance held", first=True)
    axes.set_ylim(0, 103)
    axes.set_ylabel("%", fontsize=9.5, color=INK, rotation=0, labelpad=8)
    axes.set_xlabel("modes", fontsize=9.5, color=INK)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _colour_bar(figure: Any, place: tuple[float, float, float, float], colours: Colormap, top: float) -> None:
    axes = figure.add_axes(place)
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=colours, extent=(-top, top, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([-top, 0, top], [f"\u2212{top:g}", "0", f"+{top:g} mm"])
    axes.tick_params(labelsize=8.5, colors=INK, length=2)
    axes.spines[:].set_visible(False)
    axes.set_title("moved inward, outward", fontsize=8.5, color=QUIET, pad=3)


def _widest(points: FloatArray) -> tuple[View, float, float]:
    """The view from the front or from the side, whichever shows more, and its extent (across, up) in mm."""
    extent = np.ptp(points, axis=0)
    sizes = [(view, *(np.abs(view.axes) @ extent)[:2]) for view in (ANTERIOR, FROM_LEFT)]
    return max(sizes, key=lambda each: each[1] * each[2])


def _picture(
    points: FloatArray,
    triangles: NDArray[np.int64],
    values: FloatArray,
    view: View,
    every: FloatArray,
    colours: Colormap,
    inches: tuple[float, float],
) -> FloatArray:
    """A shape coloured by ``values`` (n,) from -1 to 1, in a picture that has the same scale and middle for all."""
    low, high = every.min(axis=0), every.max(axis=0)
    extent = np.abs(view.axes) @ (high - low)
    pixel_mm = float(max(extent[0] / inches[0], extent[1] / inches[1])) / (150 * _SUPERSAMPLING)
    shape = tuple(int(np.ceil(each * 150)) * _SUPERSAMPLING for each in inches[::-1])
    fragments = rasterise(points, triangles, view, (low + high) / 2, pixel_mm, shape)
    seen = colours(np.clip(0.5 + fragments.interpolate(triangles, values) / 2, 0, 1))
    normals = fragments.interpolate(triangles, vertex_normals(points, triangles))
    seen[:, :3] *= shade(normals, view)[:, None]
    rgba = np.zeros((*shape, 4))
    rgba[fragments.covered] = seen
    return downsample(rgba, _SUPERSAMPLING)


def _round_up(value: float) -> float:
    """To one figure that is easy to read: 1, 2, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, 1e-6)))
    return float(next(step * power for step in (1, 2, 3, 5, 10) if step * power >= value * 0.999))
