"""From the depth of a bone's front and back to points, a surface and a volume (3DDX: Gu et al., MICCAI 2024).

Depth is z along the detector's normal, mm from the source, one value per pixel and NaN beside the bone, as
:func:`XRayTo3DLib.projection.depth_maps.z_from_distance` gives it. Points and surfaces are LPS mm.

The surface is drawn by marching squares over the pixel grid. Front and back meet in one rim, which lies between the
last pixel that sees the bone and the first that does not: where the square of the thickness, which falls linearly
towards the rim of anything round, would reach zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.projection.depth_maps import distance_from_z, points_from_distance
from XRayTo3DLib.shape.meshes import make_surface

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_STEP, MOST_STEP = 0.05, 0.95
"""Where the rim may lie between two pixels: never on one, or triangles would have no area."""


def depth_points(camera: XRayCamera, front_mm: Any, back_mm: Any | None) -> FloatArray:
    """The point cloud that one bone's depth maps show: all points of the front, then all of the back.

    Args:
        camera: The exposure.
        front_mm: (rows, columns) z where each ray enters the bone, mm; NaN where it misses.
        back_mm: (rows, columns) z where it leaves; ``None`` when only the front is known.

    Returns:
        (n, 3) LPS mm; n is 0 where no pixel sees the bone.

    Raises:
        InputError: Maps of another size than the camera's, without a source in front, or that show different pixels.
    """
    faces = _faces(camera, front_mm, back_mm)
    points = [points_from_distance(camera, distance_from_z(camera, face)) for face in faces]
    return np.concatenate([each[np.isfinite(face)] for each, face in zip(points, faces, strict=True)])


def depth_surface(camera: XRayCamera, front_mm: Any, back_mm: Any | None) -> vtkPolyData:
    """The surface that one bone's depth maps show, facing outward, LPS mm; every seen pixel is a vertex on each face.

    Front and back are joined all round the silhouette; the surface is open only where the picture's border cuts the
    bone: watertight where seen. With the front alone it is that sheet, as far as pixels reach. Where a noisy back
    lies in front of the front, both are put half way.

    Args:
        camera: The exposure.
        front_mm: (rows, columns) z of the front, mm; NaN beside the bone.
        back_mm: The same of the back, or ``None``.

    Raises:
        InputError: As :func:`depth_points`; or there is too little to draw: no pixel, with the front alone no three
            that touch.
    """
    faces = _faces(camera, front_mm, back_mm)
    mask = np.isfinite(faces[0])
    vertices, triangles = _single(mask, *faces) if len(faces) == 1 else _dual(mask, *faces)
    if not len(triangles):
        raise InputError("the depth maps show too little of the bone to draw a surface: no pixels that touch.")
    column, row, z = vertices.T
    rays = np.stack([column, row, np.ones_like(z)], axis=1) @ camera.ray_matrix.T
    away = camera.normal @ (camera.origin - camera.source) > 0
    return make_surface(camera.source + (z / camera.sdd)[:, None] * rays, triangles[:, ::-1] if away else triangles)


def thickness_volume(camera: XRayCamera, front_mm: Any, back_mm: Any) -> float:
    """Volume between front and back, mm^3: thickness times the area that a pixel has at that depth.

    Exact for the pyramid of each pixel's rays: pixel area / SDD^2 * (back^3 - front^3) / 3. What lies between two
    parts of the bone counts as bone; a back in front of the front counts as nothing.

    Raises:
        InputError: As :func:`depth_points`, or a back that is missing.
    """
    if back_mm is None:
        raise InputError("the volume of a bone needs the depth of its back; only its front is known.")
    front, back = _faces(camera, front_mm, back_mm)
    cubes = np.maximum(back**3 - front**3, 0.0) / 3.0
    return float(np.nansum(cubes) * np.prod(camera.spacing) / camera.sdd**2)


def _faces(camera: XRayCamera, front_mm: Any, back_mm: Any | None) -> list[FloatArray]:
    columns, rows = camera.size
    faces = [np.asarray(each, dtype=np.float64) for each in (front_mm, back_mm) if each is not None]
    for face in faces:
        if face.shape != (rows, columns):
            raise InputError(
                f"a depth map of shape {face.shape} does not fit a camera of {rows} rows, {columns} columns."
            )
        if np.isinf(face).any() or (face <= 0).any():
            raise InputError("a depth map holds values that are not in front of the source; give z in mm, NaN outside.")
    if len(faces) == 2 and (np.isfinite(faces[0]) != np.isfinite(faces[1])).any():
        raise InputError("front and back depth show different pixels; give both on the same mask.")
    return faces


# ---- drawing: vertices (n, 3) are (column, row, z); triangles are wound from column to row ------------------------


def _single(mask: Mask, front: FloatArray) -> tuple[FloatArray, Ints]:
    return _pixels_of(mask, front), _triangles(mask, front, [_numbered(mask)] * 3, rim=False)


def _dual(mask: Mask, front: FloatArray, back: FloatArray) -> tuple[FloatArray, Ints]:
    middle, half = (front + back) / 2, np.maximum((back - front) / 2, 0.0)
    front, back = middle - half, middle + half
    vertices, count = [_pixels_of(mask, front), _pixels_of(mask, back)], 2 * int(mask.sum())
    edges = []
    for step in ((0, 1), (1, 0)):
        rim, crossed = _rim(mask, middle, half, step)
        edges.append(_numbered(crossed, count))
        vertices.append(rim)
        count += len(rim)
    entering = _triangles(mask, front, [_numbered(mask), *edges])
    leaving = _triangles(mask, back, [_numbered(mask, int(mask.sum())), *edges])
    return np.concatenate(vertices), np.concatenate([entering, leaving[:, ::-1]])


def _numbered(chosen: Mask, first: int = 0) -> Ints:
    """(rows, columns): the chosen pixels counted from ``first``; what stands elsewhere means nothing."""
    return (np.cumsum(chosen.ravel()) - 1 + first).reshape(chosen.shape)


def _pixels_of(mask: Mask, z: FloatArray) -> FloatArray:
    row, column = np.nonzero(mask)
    return np.stack([column, row, z[mask]], axis=1).astype(np.float64)


def _rim(mask: Mask, middle: FloatArray, half: FloatArray, step: tuple[int, int]) -> tuple[FloatArray, Mask]:
    """Vertices where the silhouette crosses the edges from pixels to their neighbours at ``step`` (rows, columns).

    Returns:
        The vertices, and which pixels (rows, columns) the edges start from, in the same order.
    """
    crossed = np.zeros_like(mask)
    start = np.argwhere(mask[: mask.shape[0] - step[0], : mask.shape[1] - step[1]] != mask[step[0] :, step[1] :])
    crossed[tuple(start.T)] = True
    outward = np.where(mask[tuple(start.T)], 1, -1)[:, None] * np.array(step)
    last = np.where(mask[tuple(start.T)][:, None], start, start + step)
    before = np.clip(last - outward, 0, np.array(mask.shape) - 1)
    last, before = tuple(last.T), tuple(before.T)
    fall = half[before] ** 2 - half[last] ** 2
    share = np.divide(half[last] ** 2, fall, out=np.full(len(start), MOST_STEP), where=fall > 0)
    share = np.where(mask[before], np.clip(share, LEAST_STEP, MOST_STEP), 0.5)
    row, column = (np.stack(last, axis=1) + share[:, None] * outward).T
    return np.stack([column, row, middle[last]], axis=1), crossed


def _triangles(mask: Mask, z: FloatArray, numbers: list[Ints], *, rim: bool = True) -> Ints:
    """(m, 3) vertices of one sheet, cell by cell.

    Args:
        mask: Pixels that see the bone.
        z: Their depth; a cell is cut along the diagonal on which it changes less.
        numbers: Vertices of the pixels, of the edges to the right of pixels and of the edges down from pixels.
        rim: Also what lies between pixels and rim.
    """
    pixels, right, down = numbers
    edges = (right[:-1, :-1], down[:-1, 1:], right[1:, :-1], down[:-1, :-1])
    places = np.stack([*_corners(pixels), *edges], axis=-1)
    kind = np.tensordot([1, 2, 4, 8], np.stack(_corners(mask)), axes=1)
    one, two, three, four = _corners(z)
    turned = np.abs(one - three) > np.abs(two - four)
    found = [np.empty((0, 3), dtype=np.int64)]
    for which in range(1, 16):
        for polygon in _polygons(which, rim):
            cells = places[kind == which][:, polygon]
            if which == 15:
                cells = np.where(turned[kind == which][:, None], np.roll(cells, -1, axis=1), cells)
            found += [cells[:, [0, k, k + 1]] for k in range(1, len(polygon) - 1)]
    return np.concatenate(found)


def _corners(grid: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The four corners of every cell, going round from the top left; (rows - 1, columns - 1) each."""
    return grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]


def _polygons(which: int, rim: bool) -> list[list[int]]:
    """What is drawn in a cell whose corners ``which`` (bits) see the bone: its corners 0-3, rim after each corner 4-7.

    Two opposite corners alone are two pieces of bone.
    """
    inside = [k for k in range(4) if which >> k & 1]
    if not rim:
        return [inside] if len(inside) > 2 else []
    if inside in ([0, 2], [1, 3]):
        return [[k, 4 + k, 4 + (k - 1) % 4] for k in inside]
    first = next(k for k in inside if len(inside) != 3 or (k + 2) % 4 not in inside)
    polygon = []
    for k in ((first + n) % 4 for n in range(4)):
        polygon += [k] if k in inside else []
        polygon += [4 + k] if (k in inside) != ((k + 1) % 4 in inside) else []
    return [polygon]
