"""Pictures of reconstructed bones' outlines on a radiograph, for a person to judge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.evaluation.experiment_style import png_of
from XRayTo3DLib.evaluation.report import RESEARCH_USE
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.contours import drr_outline
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.shape.meshes import points_of, triangles_of

COLOURS = ("#2ee6d6", "#ff9f1c", "#e05cff", "#9be15d")
MARGIN_MM = 12.0
PANEL_INCHES = 4.6
DARK, PALE = "#101418", "#c8d2dc"


def reconstruction_overlay(
    radiograph: Radiograph, meshes: Mapping[str, vtkPolyData], title: str = "", synthetic: bool = False
) -> bytes:
    """A PNG of two panels: the radiograph round the bones, and the same with every bone's silhouette as a line.

    Args:
        radiograph: One view.
        meshes: By bone, LPS mm in the radiograph's world.
        title: Over the picture; the radiograph's name when empty.
        synthetic: Say so; it is said of synthetic radiographs anyway.
    """
    from matplotlib.figure import Figure

    camera = radiograph.camera
    low, high = shown_window(camera, np.concatenate([points_of(mesh) for mesh in meshes.values()]))
    aspect = camera.spacing[1] / camera.spacing[0]
    height = PANEL_INCHES * aspect * (high[1] - low[1]) / max(high[0] - low[0], 1)
    figure = Figure(figsize=(2 * PANEL_INCHES, height + 1.2), dpi=110, facecolor=DARK)
    grey = grey_range(radiograph, low, high)
    axes = figure.subplots(1, 2)
    for axis, caption in zip(axes, ("Radiograph", "Outlines of the reconstruction"), strict=True):
        axis.imshow(radiograph.pixels, cmap="gray", vmin=grey[0], vmax=grey[1], aspect=aspect)
        axis.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[])
        axis.set_title(caption, color=PALE, fontsize=11)
    for number, (bone, mesh) in enumerate(meshes.items()):
        shadow = mesh_silhouette(camera, points_of(mesh), triangles_of(mesh))
        colour = COLOURS[number % len(COLOURS)]
        for part, line in enumerate(drr_outline(shadow.astype(np.float64), 0.5)):
            axes[1].plot(line[:, 0], line[:, 1], color=colour, linewidth=1.4, label="" if part else bone)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.24 / (height + 1.2))}
    figure.legend(**place, ncols=6, fontsize=9, frameon=False, labelcolor="white")
    heading = title or radiograph.name
    if (synthetic or radiograph.synthetic) and "synthetic" not in heading.lower():
        heading += "  (SYNTHETIC)"
    figure.suptitle(heading, color="white", fontsize=13)
    figure.text(0.5, 0.012, RESEARCH_USE, color="#8794a1", fontsize=8.5, ha="center")
    figure.subplots_adjust(0.01, 0.6 / (height + 1.2), 0.99, 1 - 0.62 / (height + 1.2), wspace=0.03)
    return png_of(figure)


def shown_window(camera: XRayCamera, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Corners (column, row) round the shadows of ``points`` (n, 3), LPS mm, inside the picture."""
    pixels = camera.project(points)
    margin = MARGIN_MM / np.array(camera.pixel_size_at(points.mean(axis=0)))
    low = np.clip(pixels.min(axis=0) - margin, -0.5, np.array(camera.size) - 1.5)
    high = np.clip(pixels.max(axis=0) + margin, low + 1, np.array(camera.size) - 0.5)
    return low, high


def grey_range(radiograph: Radiograph, low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Window limits from what the beam reached inside the shown part."""
    first, last = np.maximum(np.floor(low), 0).astype(int), np.ceil(high).astype(int) + 1
    part = slice(first[1], last[1]), slice(first[0], last[0])
    values = radiograph.pixels[part][exposed_field(radiograph)[part]]
    if values.size == 0:
        values = radiograph.pixels
    dark, bright = np.percentile(values, [1, 99.5])
    return float(dark), float(max(bright, dark + 1e-6))
