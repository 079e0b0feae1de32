"""Silhouettes of surfaces: which pixels a triangle mesh covers. Exact at pixel centres, no volume involved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera

CANDIDATES_PER_CHUNK = 4_000_000
"""Pixel-triangle pairs tested at once; bounds memory."""


def mesh_silhouette(
    camera: XRayCamera, points: Any, triangles: Any, pose: RigidPose | None = None, *, touching: bool = False
) -> NDArray[np.bool_]:
    """Shadow of a triangle mesh on the detector.

    A pixel is set when the ray through its centre meets any triangle (edge functions, Pineda 1988), or, with
    ``touching``, when the shadow touches any part of the pixel's square (conservative rasterisation, as OpenCV's
    polygon filling and the JointTrack masks have it: half a pixel larger all round).

    Args:
        camera: The exposure.
        points: (N, 3) vertices, LPS mm.
        triangles: (M, 3) vertex indices.
        pose: Moving-to-world; identity when ``None``.
        touching: Which of the two rules.

    Returns:
        (rows, columns) boolean mask.

    Raises:
        InputError: No triangles, or part of the mesh beside or behind the source.
    """
    triangles = np.asarray(triangles, dtype=np.int64).reshape(-1, 3)
    if len(triangles) == 0:
        raise InputError("the surface has no triangles; its silhouette is empty.")
    world = np.asarray(points, dtype=np.float64) if pose is None else pose.apply(points)
    pixels = camera.project(world)
    corners = pixels[triangles]
    if not np.all(np.isfinite(corners)):
        raise InputError("part of the surface lies beside or behind the X-ray source; check pose and camera.")
    return _fill(corners, camera.size, 0.5 if touching else 0.0)


def _fill(corners: NDArray[np.float64], size: tuple[int, int], reach: float) -> NDArray[np.bool_]:
    """Set the pixels whose centre, widened to a square of half-width ``reach``, meets triangles (M, 3, 2)."""
    columns, rows = size
    mask = np.zeros((rows, columns), dtype=bool)
    low = np.maximum(np.ceil(corners.min(axis=1) - reach).astype(np.int64), 0)
    high = np.minimum(np.floor(corners.max(axis=1) + reach).astype(np.int64), [columns - 1, rows - 1])
    extent = high - low + 1
    corners, low, extent = (array[np.all(extent > 0, axis=1)] for array in (corners, low, extent))
    area = extent[:, 0] * extent[:, 1]
    ends = np.cumsum(area)
    first = 0
    while first < len(area):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + CANDIDATES_PER_CHUNK, side="right")))
        part = slice(first, last)
        _fill_part(mask, corners[part], low[part], extent[part], area[part], reach)
        first = last
    return mask


def _fill_part(mask: Any, corners: Any, low: Any, extent: Any, area: Any, reach: float) -> None:
    """Test every pixel of every triangle's bounding box against its three edges."""
    triangle = np.repeat(np.arange(len(area)), area)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(area) - area, area)
    x = low[triangle, 0] + within % extent[triangle, 0]
    y = low[triangle, 1] + within // extent[triangle, 0]
    a, b, c = (corners[triangle, corner] for corner in range(3))
    turn = np.sign(_edge(a, b, c[:, 0], c[:, 1]))
    inside = np.ones(len(x), dtype=bool)
    for start, end in ((a, b), (b, c), (c, a)):
        slack = reach * np.abs(end - start).sum(axis=1)
        edge = _edge(start, end, x, y)
        # A triangle without area has no inside: only its line counts.
        inside &= np.where(turn == 0, -np.abs(edge), turn * edge) >= -slack
    mask[y[inside], x[inside]] = True


def _edge(start: Any, end: Any, x: Any, y: Any) -> Any:
    return (end[:, 0] - start[:, 0]) * (y - start[:, 1]) - (end[:, 1] - start[:, 1]) * (x - start[:, 0])


def overlap(first: Any, second: Any) -> float:
    """Intersection over union (IoU) of two masks of equal shape.

    Raises:
        InputError: Different shapes, or both masks empty.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape:
        raise InputError(f"masks of shape {first.shape} and {second.shape} cannot be compared.")
    union = int(np.count_nonzero(first | second))
    if union == 0:
        raise InputError("both masks are empty; there is nothing to compare.")
    return int(np.count_nonzero(first & second)) / union
