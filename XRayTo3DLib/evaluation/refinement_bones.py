"""Refined bones from four sides, coloured by how sure each spot is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, WEIGHT_ARRAY
from XRayTo3DLib.evaluation.distance_views import Picture, Side, draw_pictures
from XRayTo3DLib.evaluation.experiment_style import png_of
from XRayTo3DLib.evaluation.refinement_overlay import sd_colours
from XRayTo3DLib.shape.meshes import make_surface, point_array, points_of, triangles_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES, DPI, TALLEST_INCHES = 10.0, 130, 4.6
CAPTION_INCHES, BAR_INCHES = 0.45, 1.3
INK, QUIET = "#1b2733", "#5d6b7a"


def picture_of_bones(meshes: Mapping[str, vtkPolyData], array: str, range_mm: float, side: Side | None = None) -> bytes:
    """PNG of all bones from four sides, coloured by a point array in mm, with its colour bar.

    Args:
        meshes: By bone, LPS mm, all with the array.
        array: Its name.
        range_mm: Upper end of the colours.
        side: Body side, if known: it names the side views.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    room = int((WIDTH_INCHES - BAR_INCHES - 0.3) * DPI), int(TALLEST_INCHES * DPI)
    pictures = draw_pictures(_together(meshes, array), range_mm, sd_colours(), room, side)
    tall = max(each.rgba.shape[0] for each in pictures) / DPI
    height = tall + CAPTION_INCHES
    canvas = Figure(figsize=(WIDTH_INCHES, height), dpi=DPI, facecolor="white")
    spare = (WIDTH_INCHES - BAR_INCHES - sum(each.rgba.shape[1] for each in pictures) / DPI) / len(pictures)
    left = spare / 2
    for each in pictures:
        left += _placed(canvas, each, left, height, tall) + spare
    box = (WIDTH_INCHES - 0.9) / WIDTH_INCHES, 0.5 / height, 0.16 / WIDTH_INCHES, 0.75 * tall / height
    bar = canvas.colorbar(ScalarMappable(Normalize(0, range_mm), sd_colours()), cax=canvas.add_axes(box), extend="max")
    bar.ax.tick_params(labelsize=9, colors=INK, length=3)
    bar.ax.set_title("SD (mm)", fontsize=9, color=INK, loc="left")
    bar.outline.set_visible(False)
    return png_of(canvas)


def _placed(canvas: Figure, picture: Picture, left: float, height: float, tall: float) -> float:
    """Draw one view ``left`` inches from the edge; its width in inches."""
    across, up = (count / DPI for count in (picture.rgba.shape[1], picture.rgba.shape[0]))
    bottom = CAPTION_INCHES + (tall - up) / 2
    axes = canvas.add_axes((left / WIDTH_INCHES, bottom / height, across / WIDTH_INCHES, up / height))
    axes.imshow(picture.rgba, aspect="auto")
    axes.set_axis_off()
    text = f"{picture.view.left_letter}   {picture.name}   {picture.view.right_letter}"
    canvas.text((left + across / 2) / WIDTH_INCHES, 0.14 / height, text, ha="center", fontsize=9.5, color=QUIET)
    return across


def _together(meshes: Mapping[str, vtkPolyData], array: str) -> vtkPolyData:
    """All surfaces as one, with what is coloured where the drawing looks for it."""
    points = [points_of(mesh) for mesh in meshes.values()]
    firsts = np.cumsum([0, *map(len, points)])
    triangles = [triangles_of(mesh) + first for mesh, first in zip(meshes.values(), firsts, strict=False)]
    values = np.concatenate([np.asarray(point_array(mesh, array), dtype=np.float64) for mesh in meshes.values()])
    arrays = {DISTANCE_ARRAY: values, WEIGHT_ARRAY: np.ones_like(values)}
    return make_surface(np.concatenate(points), np.concatenate(triangles), arrays)
