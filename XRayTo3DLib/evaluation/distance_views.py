"""The result from four sides, coloured by its distance to the reference: pictures as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, WEIGHT_ARRAY
from XRayTo3DLib.evaluation.software_render import (
    ANTERIOR,
    FROM_LEFT,
    FROM_RIGHT,
    POSTERIOR,
    View,
    downsample,
    rasterise,
    shade,
)
from XRayTo3DLib.shape.meshes import point_array, points_of, triangles_of, vertex_normals

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Side = Literal["left", "right"]
_SUPERSAMPLING = 3
_LEFT_OUT_GREY = 0.72


@dataclass(frozen=True)
class Picture:
    """One view: ``rgba (rows, columns, 4)`` 0..1, its edge length per pixel and what to write beside it."""

    rgba: np.ndarray
    pixel_mm: float
    view: View
    name: str


def standard_views(side: Side | None) -> list[tuple[View, str]]:
    """The four views and their names; with the body side known the side views are lateral and medial."""
    if side is None:
        return [(view, view.name) for view in (ANTERIOR, FROM_LEFT, POSTERIOR, FROM_RIGHT)]
    lateral, medial = (FROM_LEFT, FROM_RIGHT) if side == "left" else (FROM_RIGHT, FROM_LEFT)
    return [(ANTERIOR, "Anterior"), (lateral, "Lateral"), (POSTERIOR, "Posterior"), (medial, "Medial")]


def draw_pictures(
    distance_map: vtkPolyData, range_mm: float, colours: Colormap, room: tuple[int, int], side: Side | None = None
) -> list[Picture]:
    """Draw ``distance_map`` (see ``Comparison``) from the standard views, all at one scale.

    Vertices that the open-edge rule leaves out (weight 0) are grey.

    Args:
        distance_map: The result's surface with its arrays.
        range_mm: Distance that gets the last colour.
        colours: Of the distances.
        room: Pixels that all pictures side by side may take, and that the tallest may take.
        side: Body side, if known.
    """
    points, triangles = points_of(distance_map), triangles_of(distance_map)
    distances = point_array(distance_map, DISTANCE_ARRAY)
    distances[point_array(distance_map, WEIGHT_ARRAY) == 0] = np.nan
    normals = vertex_normals(points, triangles)
    low, high = points.min(axis=0), points.max(axis=0)
    views = standard_views(side)
    extents = [np.abs(view.axes) @ (high - low) for view, _ in views]
    pixel_mm = float(max(sum(e[0] for e in extents) / room[0], max(e[1] for e in extents) / room[1]))
    pictures = []
    for (view, name), extent in zip(views, extents, strict=True):
        rows, columns = ((int(np.ceil(extent[k] / pixel_mm)) + 2) * _SUPERSAMPLING for k in (1, 0))
        fragments = rasterise(points, triangles, view, (low + high) / 2, pixel_mm / _SUPERSAMPLING, (rows, columns))
        values = fragments.interpolate(triangles, distances)
        seen_colours = colours(np.clip(np.nan_to_num(values) / range_mm, 0, 1))
        seen_colours[np.isnan(values)] = (_LEFT_OUT_GREY, _LEFT_OUT_GREY, _LEFT_OUT_GREY, 1.0)
        seen_colours[:, :3] *= shade(fragments.interpolate(triangles, normals), view)[:, None]
        rgba = np.zeros((rows, columns, 4))
        rgba[fragments.covered] = seen_colours
        pictures.append(Picture(downsample(rgba, _SUPERSAMPLING), pixel_mm, view, name))
    return pictures
