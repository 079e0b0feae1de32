"""A reconstruction drawn from one side: coloured by its distance to the truth, the truth's outline as a line."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.evaluation.distance_colours import colour_map
from XRayTo3DLib.evaluation.software_render import View, downsample, rasterise, shade
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import points_of, triangles_of, vertex_normals

OUTLINE = (0.106, 0.153, 0.2)
SUPERSAMPLING = 2
Bones = Mapping[str, vtkPolyData]
Coloured = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Points (n, 3), triangles (m, 3) and a distance per point (n,), mm."""


def coloured(truth: Bones, result: Bones) -> Coloured:
    """All bones of the result together: points, triangles, and each vertex's distance to its own true bone, mm."""
    points, triangles, distances = [np.empty((0, 3))], [np.empty((0, 3), dtype=np.int64)], [np.empty(0)]
    for bone, surface in result.items():
        triangles.append(triangles_of(surface) + sum(map(len, points)))
        points.append(points_of(surface))
        distances.append(closest_points(truth[bone], points[-1]).distances)
    return np.concatenate(points), np.concatenate(triangles), np.concatenate(distances)


def picture(
    truth: Bones,
    surface: Coloured,
    view: View,
    centre: np.ndarray,
    pixel_mm: float,
    shape: tuple[int, int],
    range_mm: float,
) -> np.ndarray:
    """One view as rgba (rows, columns, 4): the shaded, coloured result, and the outline of every true bone.

    Args:
        truth: True surfaces by bone, mm.
        surface: Of :func:`coloured`.
        view: Direction to look in.
        centre: (3,) what is in the picture's middle, mm.
        pixel_mm: Size of a pixel.
        shape: (rows, columns).
        range_mm: Distance that gets the last colour.
    """
    points, triangles, distances = surface
    fine = (shape[0] * SUPERSAMPLING, shape[1] * SUPERSAMPLING)
    where = (view, centre, pixel_mm / SUPERSAMPLING, fine)
    rgba = np.zeros((*fine, 4))
    if len(triangles):
        fragments = rasterise(points, triangles, *where)
        colours = colour_map()(np.clip(fragments.interpolate(triangles, distances) / range_mm, 0, 1))
        normals = fragments.interpolate(triangles, vertex_normals(points, triangles))
        colours[:, :3] *= shade(normals, view)[:, None]
        rgba[fragments.covered] = colours
    for bone in truth.values():
        rgba[_edge(_silhouette(bone, *where))] = (*OUTLINE, 1.0)
    return downsample(rgba, SUPERSAMPLING)


def _silhouette(
    surface: vtkPolyData, view: View, centre: np.ndarray, pixel_mm: float, shape: tuple[int, int]
) -> np.ndarray:
    """Which pixels a surface covers, bool (rows, columns); many times faster than finding what is nearest."""
    from PIL import Image, ImageDraw

    rows, columns = shape
    local = (points_of(surface) - centre) @ view.axes.T / pixel_mm
    places = np.stack([local[:, 0] + columns / 2 - 0.5, rows / 2 - 0.5 - local[:, 1]], axis=1)
    image = Image.new("1", (columns, rows))
    draw = ImageDraw.Draw(image)
    for corners in places[triangles_of(surface)].reshape(-1, 6).tolist():
        draw.polygon(corners, fill=1)
    return np.asarray(image)


def _edge(covered: np.ndarray) -> np.ndarray:
    """A line about one and a half pixels wide, three when supersampled, round what is covered."""
    return binary_dilation(covered, iterations=2) & ~binary_erosion(covered)
