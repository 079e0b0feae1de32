"""Where the rays through pixel centres cross a triangle mesh: exact, watertight, without a search tree.

Each triangle is drawn row by row on the detector. On one row a triangle is the span between two of its edges, half
open as [left, right), and so are the rows, [top, bottom): an edge's place on a row is the same number for the two
triangles that share it, so that each ray meets one of them, never both, never none. A ray that leaves a closed surface
has therefore entered it, even through edges and vertices, without any tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera

PIXELS_PER_CHUNK = 500_000
"""Most pixels of triangles' bounding boxes handled at once; bounds memory (one large triangle may exceed it)."""


class Crossings(NamedTuple):
    """Rays through triangles, in no order.

    Attributes:
        pixel: (K,) row * columns + column.
        fraction: (K,) way from the source to the pixel, 1 on the detector; times the SDD it is the depth z in mm.
        side: (K,) +1 or -1: through which face; all entries have one sign, all exits the other.
    """

    pixel: NDArray[np.int64]
    fraction: NDArray[np.float64]
    side: NDArray[np.float64]


def mesh_crossings(camera: XRayCamera, points: Any, triangles: Any, pose: RigidPose | None) -> Iterator[Crossings]:
    """All crossings of the camera's rays with a mesh, in chunks.

    Args:
        camera: The exposure; one ray per pixel centre.
        points: (N, 3) vertices, LPS mm.
        triangles: (M, 3) vertex indices.
        pose: Moving-to-world; identity when ``None``.

    Raises:
        InputError: No triangles, a vertex that does not exist, or part of the mesh beside or behind the source.
    """
    corners, turned = _from_top(_corners(camera, points, triangles, pose))
    columns, rows = camera.size
    first_row = np.clip(np.ceil(corners[:, 0, 1]), 0, rows).astype(np.int64)
    height = np.clip(np.ceil(corners[:, 2, 1]), 0, rows).astype(np.int64) - first_row
    x = corners[:, :, 0]
    width = np.clip(np.ceil(x.max(axis=1)), 0, columns) - np.clip(np.ceil(x.min(axis=1)), 0, columns)
    seen = np.nonzero((height > 0) & (width > 0))[0]
    box = np.cumsum(height[seen] * width[seen])
    cuts = np.searchsorted(box, np.arange(PIXELS_PER_CHUNK, box[-1] if len(box) else 0, PIXELS_PER_CHUNK))
    for part in np.split(seen, np.unique(cuts)):
        if len(part):
            yield _drawn(corners[part], turned[part], first_row[part], height[part], columns)


def _corners(camera: XRayCamera, points: Any, triangles: Any, pose: RigidPose | None) -> NDArray[np.float64]:
    """(M, 3 corners, 3) as (column, row, 1 / fraction): what is linear on a triangle seen in perspective."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    triangles = np.asarray(triangles, dtype=np.int64).reshape(-1, 3)
    if len(triangles) == 0:
        raise InputError("the surface has no triangles; there is nothing to project.")
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise InputError(f"a triangle of the surface names a vertex outside 0 ... {len(points) - 1}.")
    world = points if pose is None else pose.apply(points)
    seen = np.linalg.solve(camera.ray_matrix, (world - camera.source).T).T
    if not np.all(seen[triangles.ravel(), 2] > 0):
        raise InputError("part of the surface lies beside or behind the X-ray source; check pose and camera.")
    with np.errstate(divide="ignore", invalid="ignore"):  # Vertices that no triangle uses may lie anywhere.
        seen[:, :2] /= seen[:, 2:]
        seen[:, 2] = 1 / seen[:, 2]
    return seen[triangles]


def _from_top(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of each triangle sorted by row, and (M,) -1 where the sorting turned the triangle over, else +1."""
    order = np.argsort(corners[:, :, 1], axis=1)
    kept = (order[:, 1] - order[:, 0]) % 3 == 1
    return np.take_along_axis(corners, order[:, :, None], axis=1), np.where(kept, 1.0, -1.0)


def _drawn(corners: Any, turned: Any, first_row: Any, height: Any, columns: int) -> Crossings:
    """Crossings of all pixels of triangles whose corners come sorted by row."""
    triangle, step = _counted(height)
    row = first_row[triangle] + step
    top, middle, bottom = (corners[triangle, corner] for corner in range(3))
    upper = (row < middle[:, 1])[:, None]
    long = _on_row(top, bottom, row)
    short = _on_row(np.where(upper, top, middle), np.where(upper, middle, bottom), row)
    long_is_left = (long[0] < short[0])[:, None]
    left_x, left_value = np.where(long_is_left.T, long, short)
    right_x, right_value = np.where(long_is_left.T, short, long)
    start, stop = (np.clip(np.ceil(x), 0, columns).astype(np.int64) for x in (left_x, right_x))
    side = np.where(long_is_left[:, 0], turned[triangle], -turned[triangle])
    span, step = _counted(stop - start)
    column = start[span] + step
    share = (column - left_x[span]) / (right_x - left_x)[span]
    value = left_value[span] + share * (right_value - left_value)[span]
    return Crossings(row[span] * columns + column, 1 / value, side[span])


def _on_row(high: Any, low: Any, row: Any) -> NDArray[np.float64]:
    """(2, n): column and value where edges from a higher to a lower corner (n, 3) cross their row (n,)."""
    share = (row - high[:, 1]) / (low[:, 1] - high[:, 1])
    return (high[:, ::2] + share[:, None] * (low[:, ::2] - high[:, ::2])).T


def _counted(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For items with ``lengths`` places each: the item of each place, and its number within the item."""
    item = np.repeat(np.arange(len(lengths)), lengths)
    return item, np.arange(len(item)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
