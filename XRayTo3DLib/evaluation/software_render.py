"""Pictures of surfaces without a graphics card or GL library: orthographic z-buffer in numpy.

VTK's renderer ends in a segmentation fault where no GL library is installed (servers, CI), so reports draw themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Pixel candidates that are rasterised together: few enough for the processor's cache (about 100 bytes each).
_CHUNK = 100_000


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
    flat = _FlatTriangles.of(corners)
    low = np.maximum(np.ceil(corners[:, :, :2].min(axis=1)), 0).astype(int)
    high = np.minimum(np.floor(corners[:, :, :2].max(axis=1)), (columns - 1, rows - 1)).astype(int)
    extent = np.maximum(high - low + 1, 0)
    depth = np.full(rows * columns, np.inf)
    owner = np.full(rows * columns, -1, dtype=np.int64)
    for chosen in _chunks(np.where(flat.area == 0, 0, extent.prod(axis=1))):
        triangle, column, row = _candidates(chosen, low, extent)
        shares = flat.shares(triangle, column, row)
        inside = (shares[0] >= -1e-9) & (shares[1] >= -1e-9) & (shares[2] >= -1e-9)
        triangle, pixel = triangle[inside], (row * columns + column)[inside]
        z = sum(share[inside] * corners[triangle, k, 2] for k, share in enumerate(shares))
        _nearest(triangle, pixel, z, depth, owner)
    weights, seen = np.zeros((rows * columns, 3)), np.flatnonzero(owner >= 0)
    weights[seen] = np.stack(flat.shares(owner[seen], seen % columns, seen // columns), axis=1)
    return Fragments(owner.reshape(shape), weights.reshape(*shape, 3))


def _chunks(counts: np.ndarray) -> list[np.ndarray]:
    """Numbers of the triangles to draw, in groups of about ``_CHUNK`` candidate pixels."""
    chosen = np.flatnonzero(counts)
    if len(chosen) == 0:
        return []
    group = np.cumsum(counts[chosen]) // _CHUNK
    return np.split(chosen, np.flatnonzero(np.diff(group)) + 1)


def _candidates(chosen: np.ndarray, low: np.ndarray, extent: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pixel of the boxes around the triangles ``chosen``: (triangle, column, row) of each."""
    counts = extent[chosen].prod(axis=1)
    triangle = np.repeat(chosen, counts)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    down, along = np.divmod(within, extent[triangle, 0])
    return triangle, low[triangle, 0] + along, low[triangle, 1] + down


def _nearest(triangle: np.ndarray, pixel: np.ndarray, z: np.ndarray, depth: np.ndarray, owner: np.ndarray) -> None:
    """Draw into both flat buffers: what is nearest wins."""
    np.minimum.at(depth, pixel, z)
    wins = z == depth[pixel]
    owner[pixel[wins]] = triangle[wins]


@dataclass(frozen=True)
class _FlatTriangles:
    """Triangles in the picture plane, pixels: first corners, edges from them ``(m, 2)``, twice the areas ``(m,)``."""

    first: np.ndarray
    to_second: np.ndarray
    to_third: np.ndarray
    area: np.ndarray

    @classmethod
    def of(cls, corners: np.ndarray) -> _FlatTriangles:
        """Of corners ``(m, 3, 2 or more)``."""
        first, second, third = (corners[:, k, :2] for k in range(3))
        b, c = second - first, third - first
        return cls(first, b, c, b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])

    def shares(self, triangle: np.ndarray, column: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, ...]:
        """Barycentric weights of pixel centres, of each corner; only for triangles that have an area."""
        x, y, area = column - self.first[triangle, 0], row - self.first[triangle, 1], self.area[triangle]
        second = (x * self.to_third[triangle, 1] - y * self.to_third[triangle, 0]) / area
        third = (self.to_second[triangle, 0] * y - self.to_second[triangle, 1] * x) / area
        return 1 - second - third, second, third


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
