"""Pictures of dual-face depth: radiograph, depth of front and back, their errors; surfaces; volumes."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.depth_views import DepthView
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.depth_measures import DepthOutcome, correlation
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture, case_figure
from XRayTo3DLib.evaluation.experiment_style import COLOURS, FAINT, INK, QUIET, blank_figure, panel_style, png_of
from XRayTo3DLib.evaluation.software_render import ANTERIOR, FROM_LEFT, POSTERIOR
from XRayTo3DLib.methods.types import DepthPrediction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Image = NDArray[np.floating]

# All lengths in inches.
_EDGE, _GAP, _LEFT, _RIGHT, _HEAD, _FOOT = 2.0, 0.08, 1.8, 0.3, 1.12, 0.75
_CAPTION_WIDTH = 17
_SUBTITLE = "After alignment. Lines: true outlines. Where bones overlap: nearest front, farthest back, largest error."
_LIMITS_MM = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 100)


@dataclass(frozen=True, eq=False)
class DepthPicture:
    """One row of the figures: a radiograph and what a method made of it, aligned.

    Attributes:
        title: "Best", "Median", "Worst".
        case: Name of the radiograph.
        view: The radiograph and the true depth.
        found: The predicted depth.
        truth: True surfaces by bone, LPS mm.
        surfaces: Reconstructed ones; lost bones are missing.
        outcomes: Of this radiograph, one per bone.
    """

    title: str
    case: str
    view: DepthView
    found: DepthPrediction
    truth: Mapping[str, vtkPolyData]
    surfaces: Mapping[str, vtkPolyData]
    outcomes: Sequence[DepthOutcome]


def surfaces_figure(rows: Sequence[DepthPicture], *, title: str, range_mm: float, synthetic: bool = False) -> bytes:
    """PNG: the reconstructed surfaces from three sides, coloured by their distance to the true ones.

    Raises:
        InputError: As ``case_figure``.
    """
    cases = []
    for row in rows:
        named = [replace(o, bone=o.bone.replace("_", " ")) for o in row.outcomes]
        known = {bone: surface for bone, surface in row.surfaces.items() if bone in row.truth}
        cases.append(CasePicture(row.title, row.case, row.truth, known, named))
    views = (ANTERIOR, FROM_LEFT, POSTERIOR)
    return case_figure(cases, title=title, views=views, range_mm=range_mm, synthetic=synthetic)


def depth_figure(rows: Sequence[DepthPicture], *, title: str, synthetic: bool = False) -> bytes:
    """PNG, a row per radiograph: radiograph, predicted depth of each face, and how far it is from the truth.

    Raises:
        InputError: No row.
    """
    if not rows:
        raise InputError("There is no radiograph to show the depth of.")
    faces = ("front", "back") if all(row.found.back_mm is not None for row in rows) else ("front",)
    columns = 1 + 2 * len(faces)
    width = _LEFT + columns * _EDGE + (columns - 1) * _GAP + _RIGHT
    height = _HEAD + len(rows) * (_EDGE + _GAP) + _FOOT
    figure = blank_figure(width, height, title, _SUBTITLE, synthetic)
    images = [_images(row, faces) for row in rows]
    low, high = np.nanpercentile(np.concatenate([np.ravel(d) for depth, _ in images for d in depth]), (0.5, 99.5))
    spread = np.nanpercentile(np.abs(np.concatenate([np.ravel(e) for _, error in images for e in error])), 97)
    limit = next((each for each in _LIMITS_MM if each >= spread), _LIMITS_MM[-1])
    looks = {"depth": ("cividis_r", low, high), "error": ("RdBu_r", -limit, limit)}
    names = ["Radiograph", *(f"Depth of {face}" for face in faces), *(f"Error of {face}" for face in faces)]
    for number, (row, (depth, error)) in enumerate(zip(rows, images, strict=True)):
        bottom = height - _HEAD - number * (_EDGE + _GAP) - _EDGE
        window = np.percentile(row.view.image, (1, 99.5))
        shown = [(row.view.image, ("gray", *window)), *((d, looks["depth"]) for d in depth)]
        shown += [(e, looks["error"]) for e in error]
        for column, (image, look) in enumerate(shown):
            axes = _panel(figure, column, bottom)
            drawn = axes.imshow(image, cmap=look[0], vmin=look[1], vmax=look[2], interpolation="nearest")
            if column:
                _outlines(axes, row.view)
            if number == 0:
                axes.set_title(names[column], fontsize=9.5, color=INK, pad=5)
            if number == len(rows) - 1 and column in (len(faces), columns - 1):
                _colour_bar(figure, drawn, column, len(faces), bottom)
        _caption(figure, row, bottom + _EDGE)
    return png_of(figure)


def _images(row: DepthPicture, faces: Sequence[str]) -> tuple[list[Image], list[Image]]:
    """Depth and error of every face, one picture for all bones: (N, N) each, NaN beside them."""
    order = [row.view.labels.index(label) for label in row.found.labels]
    depths, errors = [], []
    for face in faces:
        found = np.asarray(getattr(row.found, f"{face}_mm"), dtype=np.float64)
        wanted = getattr(row.view, f"{face}_mm")[order]
        depths.append(_over_bones(found, np.nanmin if face == "front" else np.nanmax))
        error = found - wanted
        largest = np.nanargmax(np.where(np.isfinite(error), np.abs(error), -1.0), axis=0)
        errors.append(np.take_along_axis(error, largest[None], axis=0)[0])
    return depths, errors


def _over_bones(values: Image, choose: Any) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Where no bone is, all values are NaN.
        return choose(values, axis=0)


def _panel(figure: Figure, column: int, bottom: float) -> Any:
    width, height = figure.get_size_inches()
    left = _LEFT + column * (_EDGE + _GAP)
    axes = figure.add_axes((left / width, bottom / height, _EDGE / width, _EDGE / height))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(FAINT)
    return axes


def _outlines(axes: Any, view: DepthView) -> None:
    for mask in view.mask:
        if mask.any() and not mask.all():
            axes.contour(mask.astype(float), levels=[0.5], colors=[INK], linewidths=0.5)


def _colour_bar(figure: Figure, drawn: Any, column: int, spanned: int, bottom: float) -> None:
    """Under the ``spanned`` panels that end at ``column``."""
    width, height = figure.get_size_inches()
    left = _LEFT + (column - spanned + 1) * (_EDGE + _GAP) + 0.15
    across = spanned * _EDGE + (spanned - 1) * _GAP - 0.3
    axes = figure.add_axes((left / width, (bottom - 0.24) / height, across / width, 0.1 / height))
    error = drawn.norm.vmin < 0
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal", extend="both" if error else "neither")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK, length=2, pad=2)
    label = "too near the source − / + too far (mm)" if error else "mm from the source"
    bar.set_label(label, fontsize=8, color=QUIET, labelpad=2)


def _caption(figure: Figure, row: DepthPicture, top: float) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.35 / width, (top - 0.3) / height, row.title, fontsize=11, fontweight="bold", color=INK)
    place = top - 0.52
    for line in textwrap.wrap(row.case, _CAPTION_WIDTH):
        figure.text(0.35 / width, place / height, line, fontsize=9, color=QUIET)
        place -= 0.18
    errors = [o.depth_mae_mm for o in row.outcomes if np.isfinite(o.depth_mae_mm)]
    shift = row.outcomes[0].shift_mm if row.outcomes else float("nan")
    told = [f"depth MAE {np.mean(errors):.2f} mm"] if errors else ["no bone found"]
    for line in (*told, f"shift {shift:+.1f} mm".replace("-", "−")):
        place -= 0.02
        figure.text(0.35 / width, place / height, line, fontsize=8.5, color=INK)
        place -= 0.17


def volume_figure(outcomes: Sequence[DepthOutcome], *, title: str, synthetic: bool = False) -> bytes:
    """PNG: volume between front and back against the true one, a panel per bone, a colour per method.

    Raises:
        InputError: No volume among the outcomes.
    """
    measured = [o for o in outcomes if np.isfinite(o.volume_mm3)]
    if not measured:
        raise InputError("There is no volume to draw; single-face depth has none.")
    bones, methods = (list(dict.fromkeys(getattr(o, what) for o in measured)) for what in ("bone", "method"))
    edge, gap, left, foot, head = 2.7, 0.75, 0.75, 0.65, 1.15
    width = max(left + len(bones) * (edge + gap), 6.6)
    height = head + edge + foot + 0.2 * len(methods)
    figure = blank_figure(width, height, title, "Every radiograph and side; line: no error.", synthetic)
    lines = [f"{method}: " for method in methods]
    for panel, bone in enumerate(bones):
        place = ((left + panel * (edge + gap)) / width, 1 - (head + edge) / height, edge / width, edge / height)
        axes = figure.add_axes(place)
        own = [o for o in measured if o.bone == bone]
        ends = np.array([[o.true_volume_mm3, o.volume_mm3] for o in own]) / 1000
        low, high = ends.min() * 0.95, ends.max() * 1.05
        axes.plot([low, high], [low, high], color=QUIET, linewidth=0.8)
        for number, method in enumerate(methods):
            mine = [o for o in own if o.method == method]
            pairs = [o.true_volume_mm3 / 1000 for o in mine], [o.volume_mm3 / 1000 for o in mine]
            colour = COLOURS[number % len(COLOURS)]
            axes.scatter(*pairs, s=14, color=colour, alpha=0.75, linewidths=0)
            r, count = correlation(*pairs)
            lines[number] += (
                f"{bone} r = {r:.3f} (n = {count})   " if np.isfinite(r) else f"{bone} r – (n = {count})   "
            )
        panel_style(axes, bone, True)
        axes.set(xlim=(low, high), ylim=(low, high))
        axes.set_xlabel("true (cm³)", fontsize=9, color=INK)
        axes.set_ylabel("found (cm³)" if panel == 0 else "", fontsize=9, color=INK)
    for number, line in enumerate(lines):
        bottom = 0.2 * (len(lines) - number) - 0.08
        figure.text(left / width, bottom / height, line, fontsize=8.5, color=COLOURS[number % len(COLOURS)])
    return png_of(figure)
