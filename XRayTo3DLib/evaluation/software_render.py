"""Pictures of surfaces without a graphics card or GL library: orthographic z-buffer in numpy.

VTK's renderer ends in a segmentation fault where no GL library is installed (servers, CI), so reports draw themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Pixel candidates that are rasterised together; bounds the memory (about 100 bytes each).
_CHUNK = 2_000_000


@dataclass(frozen=True)
class View:
    """A viewing direction in LPS.

    Attributes:
        name: For the caption.
        forward: Unit vector from the viewer into the scene.
        up: Unit vector that is up in the picture.
        left_letter: Anatomical direction at the left border of the picture.
        right_letter: At the right border.
    """

    name: str
    forward: tuple[float, float, float]
    up: tuple[float, float, float]
    left_letter: str
    right_letter: str

    @property
    def axes(self) -> np.ndarray:
        """Rows: picture right, picture up, depth away from the viewer; ``(3, 3)``."""
        forward, up = np.asarray(self.forward), np.asarray(self.up)
        return np.stack([np.cross(forward, up), up, forward])


ANTERIOR = View("Anterior", (0, 1, 0), (0, 0, 1), "R", "L")
POSTERIOR = View("Posterior", (0, -1, 0), (0, 0, 1), "L", "R")
FROM_LEFT = View("From the left", (-1, 0, 0), (0, 0, 1), "A", "P")
FROM_RIGHT = View("From the right", (1, 0, 0), (0, 0, 1), "P", "A")


@dataclass(frozen=True)
class Fragments:
    """What each pixel sees, row 0 on top.

    Attributes:
        triangle: Triangle number ``(rows, columns)``, -1 for background.
        weights: Barycentric weights in it ``(rows, columns, 3)``.
    """

    triangle: np.ndarray
    weights: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """Which pixels see the surface, bool ``(rows, columns)``."""
        return self.triangle >= 0

    def interpolate(self, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Vertex ``values (n,)`` or ``(n, c)`` at the covered pixels only: ``(p,)`` or ``(p, c)``, in row order."""
        seen = self.covered
        corners = np.asarray(values, dtype=np.float64)[triangles[self.triangle[seen]]]
        return np.einsum("pk,pk...->p...", self.weights[seen], corners)


def rasterise(
    points: np.ndarray, triangles: np.ndarray, view: View, centre: np.ndarray, pixel_mm: float, shape: tuple[int, int]
) -> Fragments:
    """Find the nearest triangle behind every pixel (orthographic, pixel centres).

    Args:
        points: ``(n, 3)`` LPS mm.
        triangles: ``(m, 3)`` vertex numbers.
        view: Direction to look in.
        centre: LPS point in the middle of the picture.
        pixel_mm: Edge of a pixel.
        shape: ``(rows, columns)``.
    """
    rows, columns = shape
    local = (points - centre) @ view.axes.T
    x = local[:, 0] / pixel_mm + columns / 2 - 0.5
    y = rows / 2 - 0.5 - local[:, 1] / pixel_mm
    corners = np.stack([x, y, local[:, 2]], axis=1)[triangles]
    low = np.maximum(np.ceil(corners[:, :, :2].min(axis=1)), 0).astype(int)
    high = np.minimum(np.floor(corners[:, :, :2].max(axis=1)), (columns - 1, rows - 1)).astype(int)
    extent = np.maximum(high - low + 1, 0)
    depth = np.full(rows * columns, np.inf)
    owner = np.full(rows * columns, -1, dtype=np.int64)
    weights = np.zeros((rows * columns, 3))
    counts = extent[:, 0] * extent[:, 1]
    for chosen in _chunks(counts):
        _draw(chosen, corners, low, extent, counts, columns, depth, owner, weights)
    return Fragments(owner.reshape(shape), weights.reshape(*shape, 3))


def _chunks(counts: np.ndarray) -> list[np.ndarray]:
    """Numbers of the triangles to draw, in groups of about ``_CHUNK`` candidate pixels."""
    chosen = np.flatnonzero(counts)
    if len(chosen) == 0:
        return []
    group = np.cumsum(counts[chosen]) // _CHUNK
    return np.split(chosen, np.flatnonzero(np.diff(group)) + 1)


def _draw(
    chosen: np.ndarray,
    corners: np.ndarray,
    low: np.ndarray,
    extent: np.ndarray,
    counts: np.ndarray,
    columns: int,
    depth: np.ndarray,
    owner: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Rasterise the triangles ``chosen`` into the three flat buffers, nearest wins."""
    triangle = np.repeat(chosen, counts[chosen])
    start = np.repeat(np.cumsum(counts[chosen]) - counts[chosen], counts[chosen])
    within = np.arange(len(triangle)) - start
    column = low[triangle, 0] + within % extent[triangle, 0]
    row = low[triangle, 1] + within // extent[triangle, 0]
    inside, share = _inside(corners[triangle], column, row)
    triangle, share = triangle[inside], share[inside]
    pixel = row[inside] * columns + column[inside]
    z = np.einsum("pk,pk->p", share, corners[triangle][:, :, 2])
    far_to_near = np.argsort(-z, kind="stable")
    far_to_near = far_to_near[z[far_to_near] < depth[pixel[far_to_near]]]
    target = pixel[far_to_near]
    depth[target] = z[far_to_near]  # For a repeated index numpy keeps the last value: the nearest.
    owner[target] = triangle[far_to_near]
    weights[target] = share[far_to_near]


def _inside(corners: np.ndarray, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether pixel centres lie in their triangles (picture plane), and their barycentric weights."""
    a, b, c = (corners[:, k, :2] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    safe = np.where(area == 0, 1.0, area)
    second = ((column - a[:, 0]) * (c[:, 1] - a[:, 1]) - (row - a[:, 1]) * (c[:, 0] - a[:, 0])) / safe
    third = ((b[:, 0] - a[:, 0]) * (row - a[:, 1]) - (b[:, 1] - a[:, 1]) * (column - a[:, 0])) / safe
    share = np.stack([1 - second - third, second, third], axis=1)
    return (area != 0) & (share >= -1e-9).all(axis=1), share


def shade(normals: np.ndarray, view: View, ambient: float = 0.42) -> np.ndarray:
    """Lambert brightness 0..1 of ``normals (p, 3)`` under a lamp over the viewer's shoulder.

    Both sides of the surface are lit, so that the inside of an open bone is not black.
    """
    right, up, forward = view.axes
    lamp = -forward + 0.35 * up - 0.35 * right
    lamp /= np.linalg.norm(lamp)
    length = np.linalg.norm(normals, axis=-1)
    facing = np.where(normals @ forward > 0, -1.0, 1.0) * (normals @ lamp)
    return ambient + (1 - ambient) * np.clip(facing / np.where(length > 0, length, 1.0), 0.0, 1.0)


def downsample(rgba: np.ndarray, factor: int) -> np.ndarray:
    """Average blocks of ``factor`` x ``factor`` pixels, colours weighted by coverage: smooth edges."""
    rows, columns = rgba.shape[0] // factor, rgba.shape[1] // factor
    blocks = rgba[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 4)
    alpha = blocks[..., 3:].mean(axis=(1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3))
    return np.concatenate([np.divide(colour, alpha, out=np.ones_like(colour), where=alpha > 0), alpha], axis=-1)
