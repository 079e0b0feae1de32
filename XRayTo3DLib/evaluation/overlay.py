"""Pictures of a registered bone's outline on its radiograph, for a person to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.evaluation.experiment_style import png_of
from XRayTo3DLib.evaluation.report import RESEARCH_USE
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.contours import drr_outline

if TYPE_CHECKING:
    from XRayTo3DLib.imaging.attenuation import Attenuation

START_COLOUR = "#ff9f1c"
FOUND_COLOUR = "#2ee6d6"
MARGIN_MM = 15.0
PANEL_WIDTH_INCHES = 4.2


def registration_overlay(
    radiograph: Radiograph,
    bone: Attenuation,
    found: RigidPose,
    initial: RigidPose | None = None,
    title: str = "",
) -> bytes:
    """A PNG of three panels: the radiograph alone, with the bone's outline, and the bone's DRR in the same window.

    Args:
        radiograph: One view.
        bone: The registered bone.
        found: Its pose, drawn as a full line.
        initial: Where it started, drawn as a dashed line; left out when ``None``.
        title: Over the picture; the radiograph's name when empty.
    """
    from matplotlib.figure import Figure

    from XRayTo3DLib.projection.drr import DrrProjector

    projector = DrrProjector(bone.mu, bone.voxel_to_lps)
    drr = projector(radiograph.camera, found).numpy()
    start = None if initial is None else projector(radiograph.camera, initial).numpy()
    rows, columns = _window(drr, start, radiograph, found.apply(bone.centre_lps))
    aspect = radiograph.camera.spacing[1] / radiograph.camera.spacing[0]
    height = PANEL_WIDTH_INCHES * aspect * (rows.stop - rows.start) / (columns.stop - columns.start)
    figure = Figure(figsize=(3 * PANEL_WIDTH_INCHES + 0.4, height + 1.0), dpi=110, facecolor="#101418")
    axes = figure.subplots(1, 3)
    low, high = _grey_range(radiograph, rows, columns)
    for axis, caption in zip(axes, ("Radiograph", "Outline of the bone", "Bone as projected (DRR)"), strict=True):
        picture = drr if axis is axes[2] else radiograph.pixels
        limits = (0.0, float(drr.max()) or 1.0) if axis is axes[2] else (low, high)
        axis.imshow(picture, cmap="gray", vmin=limits[0], vmax=limits[1], aspect=aspect, interpolation="bilinear")
        axis.set(
            xlim=(columns.start - 0.5, columns.stop - 0.5),
            ylim=(rows.stop - 0.5, rows.start - 0.5),
            xticks=[],
            yticks=[],
        )
        axis.set_title(caption, color="#c8d2dc", fontsize=11)
    if start is not None:
        _draw(axes[1], drr_outline(start), START_COLOUR, (0, (4, 3)), "start")
    _draw(axes[1], drr_outline(drr), FOUND_COLOUR, "solid", "registered")
    _scale_bar(axes[0], radiograph, found.apply(bone.centre_lps), rows, columns)
    axes[1].legend(loc="upper right", fontsize=9, framealpha=0.6, facecolor="#101418", labelcolor="white")
    heading = title or radiograph.name
    synthetic = radiograph.synthetic or bone.synthetic
    if synthetic and "synthetic" not in heading.lower():
        heading += "  (SYNTHETIC)"
    figure.suptitle(heading, color="white", fontsize=13)
    figure.text(0.5, 0.012, RESEARCH_USE, color="#8794a1", fontsize=8.5, ha="center")
    top, bottom = 1 - 0.72 / (height + 1.0), 0.3 / (height + 1.0)
    figure.subplots_adjust(left=0.01, right=0.99, top=top, bottom=bottom, wspace=0.03)
    return png_of(figure)


def _draw(axis: Any, lines: list[NDArray[np.float64]], colour: str, style: Any, label: str) -> None:
    for number, line in enumerate(lines):
        axis.plot(line[:, 0], line[:, 1], color=colour, linestyle=style, linewidth=1.3, label="" if number else label)


def _window(
    drr: NDArray[Any], start: NDArray[Any] | None, radiograph: Radiograph, centre: NDArray[Any]
) -> tuple[slice, slice]:
    """Rows and columns round the bone's shadows, with a margin; the whole picture when there is no shadow."""
    shadow = drr > 0 if start is None else (drr > 0) | (start > 0)
    filled = np.argwhere(shadow)
    if len(filled) == 0:
        return slice(0, drr.shape[0]), slice(0, drr.shape[1])
    camera = radiograph.camera
    margin = np.round(MARGIN_MM / np.array(camera.pixel_size_at(centre)[::-1])).astype(int)
    low = np.maximum(filled.min(axis=0) - margin, 0)
    high = np.minimum(filled.max(axis=0) + 1 + margin, drr.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _grey_range(radiograph: Radiograph, rows: slice, columns: slice) -> tuple[float, float]:
    """Window limits from what the beam reached inside the shown part."""
    values = radiograph.pixels[rows, columns][exposed_field(radiograph)[rows, columns]]
    if values.size == 0:
        values = radiograph.pixels[rows, columns]
    low, high = np.percentile(values, [1, 99.5])
    return float(low), float(max(high, low + 1e-6))


def _scale_bar(axis: Any, radiograph: Radiograph, centre: NDArray[Any], rows: slice, columns: slice) -> None:
    """10 mm at the bone, bottom left."""
    length = 10.0 / radiograph.camera.pixel_size_at(centre)[0]
    x = columns.start + 0.05 * (columns.stop - columns.start)
    y = rows.stop - 0.04 * (rows.stop - rows.start)
    axis.plot([x, x + length], [y, y], color="black", linewidth=5, solid_capstyle="butt")
    axis.plot([x, x + length], [y, y], color="white", linewidth=2.5, solid_capstyle="butt")
    label = {"facecolor": "#101418", "alpha": 0.65, "edgecolor": "none", "pad": 2}
    above = y - 0.016 * (rows.stop - rows.start)
    axis.text(x, above, "10 mm at the bone", color="white", fontsize=8.5, va="bottom", bbox=label)
