"""Pictures of a refinement over its radiographs: outlines by their uncertainty, computed radiograph, what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.evaluation.experiment_style import png_of
from XRayTo3DLib.evaluation.reconstruction_overlay import DARK, PALE, grey_range, shown_window
from XRayTo3DLib.evaluation.refinement_pictures import along_outlines, at_pixels, corrected_camera, outlines
from XRayTo3DLib.evaluation.report import RESEARCH_USE
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.refinement.quality import ViewQuality
from XRayTo3DLib.shape.meshes import points_of

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

BEGUN = "#ffffff"
PANEL_INCHES = 3.7
RESIDUAL_SD = 2.0
HEAD_INCHES, FOOT_INCHES = 0.72, 0.78
CAPTIONS = ("Radiograph", "Outlines", "Computed radiograph, blended", "Difference")


def sd_colours() -> Colormap:
    """From what is known well (blue-green) to what is not (magenta); also for colour-blind people."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("sd", ["#1fd6c8", "#8fe08a", "#ffd84d", "#ff8a3d", "#ff2f8e"])


def sd_range_mm(values: Mapping[str, FloatArray]) -> float:
    """Upper end of the colours for standard deviations (n,) by bone, mm: at least one millimetre, in halves."""
    highest = max((float(np.percentile(each, 98)) for each in values.values()), default=1.0)
    return max(1.0, float(np.ceil(2 * highest) / 2))


def refinement_overlay(
    radiograph: Radiograph,
    view: ViewQuality,
    begun: Mapping[str, vtkPolyData],
    meshes: Mapping[str, vtkPolyData],
    array: str,
    range_mm: float,
    synthetic: bool = False,
) -> bytes:
    """A PNG of four panels round the bones.

    The radiograph; the outlines it started with (white, dotted) and ended with (coloured by the uncertainty where the
    outline touches the bone); the model's radiograph (green) blended over the real one (magenta), grey where both
    agree; and model minus radiograph, both locally normalised.

    Args:
        radiograph: One view, as it was given.
        view: How the refinement explains it.
        begun: By bone the surfaces it started from, LPS mm in the radiograph's world.
        meshes: By bone the refined surfaces.
        array: Point array of ``meshes`` with standard deviations, mm.
        range_mm: Upper end of their colours.
        synthetic: Say so; it is said of synthetic radiographs anyway.
    """
    from matplotlib.figure import Figure

    camera = corrected_camera(radiograph, view)
    low, high = shown_window(camera, np.concatenate([points_of(mesh) for mesh in meshes.values()]))
    aspect = camera.spacing[1] / camera.spacing[0]
    tall = PANEL_INCHES * aspect * (high[1] - low[1]) / max(high[0] - low[0], 1)
    height = tall + HEAD_INCHES + FOOT_INCHES
    figure = Figure(figsize=(4 * PANEL_INCHES, height), dpi=100, facecolor=DARK)
    grey = grey_range(radiograph, low, high)
    axes = figure.subplots(1, 4)
    for axis, caption in zip(axes, CAPTIONS, strict=True):
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[], facecolor="#3a4048")
        axis.set_title(caption, color=PALE, fontsize=11)
    for axis in axes[:2]:
        axis.imshow(radiograph.pixels, cmap="gray", vmin=grey[0], vmax=grey[1], aspect=aspect)
    _draw_outlines(axes[1], radiograph, camera, begun, meshes, array, range_mm)
    axes[2].imshow(_blended(radiograph, view, camera, grey), aspect=aspect)
    residual = at_pixels(view, view.residual, camera)
    axes[3].imshow(residual, cmap="RdBu_r", vmin=-RESIDUAL_SD, vmax=RESIDUAL_SD, aspect=aspect)
    for axis in axes:
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    _finish(figure, height, range_mm, _heading(radiograph, view, synthetic))
    return png_of(figure)


def _draw_outlines(
    axis: Any,
    radiograph: Radiograph,
    camera: Any,
    begun: Mapping[str, vtkPolyData],
    meshes: Mapping[str, vtkPolyData],
    array: str,
    range_mm: float,
) -> None:
    from matplotlib.collections import LineCollection

    for mesh in begun.values():
        for line in outlines(radiograph.camera, mesh):
            axis.plot(line[:, 0], line[:, 1], color=BEGUN, linewidth=0.8, linestyle=(0, (1, 2)), alpha=0.8)
    for mesh in meshes.values():
        lines = outlines(camera, mesh)
        for line, values in zip(lines, along_outlines(camera, mesh, array, lines), strict=True):
            pieces = np.stack([line[:-1], line[1:]], axis=1)
            drawn = LineCollection(list(pieces), cmap=sd_colours(), linewidths=1.6)
            drawn.set_array(0.5 * (values[:-1] + values[1:]))
            drawn.set_clim(0, range_mm)
            axis.add_collection(drawn)


def _blended(radiograph: Radiograph, view: ViewQuality, camera: Any, grey: tuple[float, float]) -> FloatArray:
    """(rows, columns, 3): the radiograph in magenta, the model's in green."""
    real = np.clip((radiograph.pixels - grey[0]) / (grey[1] - grey[0]), 0, 1)
    model = np.nan_to_num(at_pixels(view, view.picture, camera))
    shown = np.clip(model / max(float(np.percentile(model, 99.5)), 1e-9), 0, 1)
    return np.stack([real, shown, real], axis=2)


def _heading(radiograph: Radiograph, view: ViewQuality, synthetic: bool) -> str:
    label = (
        "  (SYNTHETIC)" if (synthetic or radiograph.synthetic) and "synthetic" not in radiograph.name.lower() else ""
    )
    moved = f"view moved {view.moved_deg:.1f}°, {view.moved_mm:.1f} mm"
    return f"{radiograph.name}{label}   likeness {view.before:.2f} → {view.after:.2f}, {moved}"


def _finish(figure: Figure, height: float, range_mm: float, heading: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure.subplots_adjust(0.008, FOOT_INCHES / height, 0.992, 1 - HEAD_INCHES / height, wspace=0.02)
    figure.suptitle(heading, color="white", fontsize=13, y=1 - 0.12 / height)
    figure.text(0.5, 0.06 / height, RESEARCH_USE, color="#8794a1", fontsize=8.5, ha="center")
    for left, colours, limits, text in (
        (0.285, sd_colours(), (0.0, range_mm), "standard deviation along the normal (mm); white dots: start"),
        (0.785, "RdBu_r", (-RESIDUAL_SD, RESIDUAL_SD), "model minus radiograph (local SD)"),
    ):
        axes = figure.add_axes((left, 0.6 / height, 0.18, 0.08 / height))
        bar = figure.colorbar(ScalarMappable(Normalize(*limits), colours), cax=axes, orientation="horizontal")
        bar.ax.tick_params(labelsize=8, colors=PALE, length=2, pad=1)
        bar.outline.set_visible(False)
        axes.text(0.5, -3.4, text, color=PALE, fontsize=8.5, ha="center", va="top", transform=axes.transAxes)
