"""Implicit surfaces: fields that are negative inside, positive outside and nearly a distance in mm at the surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from XRayTo3DLib.geometry.frames import FloatArray

Field = Callable[[Any, Any, Any], NDArray[Any]]
"""A field f(x, y, z) in mm over broadcastable coordinates in mm; its zero level is the surface."""

ANGLES = 256
LEVEL_STEP = 0.5
"""Distance of the levels of a loft, mm."""
SMOOTHING = 2.6
"""Standard deviation of the smoothing of lofts along the bone, in levels: no seams at the stations."""


def grid_block(x: Any, y: Any, z: Any, low: Any, high: Any) -> tuple[slice, slice, slice]:
    """Slices (z, y, x) of the part of an open grid that lies in a box.

    Args:
        x, y, z: Coordinates of shapes (1, 1, X), (1, Y, 1), (Z, 1, 1), mm, rising or falling.
        low, high: (3,) corners of the box, mm.
    """
    slices = []
    for axis, least, most in zip((z, y, x), np.asarray(low)[::-1], np.asarray(high)[::-1], strict=True):
        within = np.flatnonzero((np.ravel(axis) >= least) & (np.ravel(axis) <= most))
        slices.append(slice(within[0], within[-1] + 1) if len(within) else slice(0, 0))
    return slices[0], slices[1], slices[2]


def smooth_max(first: Any, second: Any, radius: float) -> NDArray[Any]:
    """Intersection of two solids whose common edge is rounded over about ``radius`` mm (polynomial blend)."""
    blend = np.maximum(radius - np.abs(first - second), 0.0)
    return np.maximum(first, second) + blend * blend * (0.25 / radius)


def smooth_min(first: Any, second: Any, radius: float) -> NDArray[Any]:
    """Union of two solids whose seam is filled over about ``radius`` mm (polynomial blend)."""
    return -smooth_max(-first, -second, radius)


def ellipsoid(centre: Any, radii: Any, axes: FloatArray | None = None, power: float = 2.0) -> Field:
    """A superellipsoid.

    Args:
        centre: (3,) mm.
        radii: (3,) half axes, mm.
        axes: (3, 3) rows are the directions of the half axes; ``None`` for x, y, z.
        power: 2 is an ellipsoid, larger is boxier.
    """
    axes = np.eye(3) if axes is None else np.asarray(axes, dtype=np.float64)
    # Plain floats keep float32 coordinates float32.
    axes, centre, radii = axes.tolist(), np.asarray(centre).tolist(), np.asarray(radii).tolist()

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        total, slope = 0.0, 0.0
        for axis, radius in zip(axes, radii, strict=True):
            along = axis[0] * (x - centre[0]) + axis[1] * (y - centre[1]) + axis[2] * (z - centre[2])
            scaled = np.abs(along) / radius
            lower = scaled if power == 2.0 else scaled ** (power - 1.0)
            total = total + lower * scaled
            slope = slope + (lower / radius) ** 2
        norm = np.maximum(total, 1e-6) ** (1.0 / power)
        return (norm - 1.0) * norm ** (power - 1.0) / np.sqrt(slope + 1e-9)

    return field


def cone(start: Any, end: Any, start_radius: float, end_radius: float) -> Field:
    """A capsule from ``start`` to ``end`` (3,) mm whose radius (mm) changes linearly."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    step = end - start
    squared = float(step @ step)
    start, step = start.tolist(), step.tolist()

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        dx, dy, dz = x - start[0], y - start[1], z - start[2]
        along = np.clip((dx * step[0] + dy * step[1] + dz * step[2]) / squared, 0.0, 1.0)
        away = (dx - along * step[0]) ** 2 + (dy - along * step[1]) ** 2 + (dz - along * step[2]) ** 2
        return np.sqrt(away) - (start_radius + along * (end_radius - start_radius))

    return field


def rounded_section(corners: Any) -> FloatArray:
    """A smooth closed curve (512, 2) of a control polygon (N, 2): its uniform cubic B-spline."""
    corners = np.asarray(corners, dtype=np.float64)
    wrapped = np.concatenate([corners, corners[:3]])
    spline = BSpline(np.arange(len(wrapped) + 4), wrapped, 3)
    return spline(3 + np.linspace(0.0, len(corners), 512, endpoint=False))


def fitted_section(corners: Any, low: Any, high: Any) -> FloatArray:
    """:func:`rounded_section` stretched to the box from ``low`` to ``high`` (2,) mm."""
    curve = rounded_section(corners)
    least, extent = curve.min(axis=0), np.ptp(curve, axis=0)
    return (curve - least) / extent * (np.asarray(high) - np.asarray(low)) + np.asarray(low)


@dataclass(frozen=True, eq=False)
class Loft:
    """A bone shaft as a stack of star-shaped sections around a curved axis: r < rho(angle, z).

    Attributes:
        levels: (L,) equidistant z, mm.
        centres: (L, 2) axis x, y, mm.
        rho: (L, 257) radius at angles 0 .. 2 pi (the last column repeats the first), mm.
        steepness: (L, 257) 1 / |gradient| of r - rho, which turns the field into a distance near the surface.
    """

    levels: FloatArray
    centres: FloatArray
    rho: NDArray[np.float32]
    steepness: NDArray[np.float32]

    @classmethod
    def from_sections(
        cls, stations: Any, sections: Any, centres: Any, bump: Callable[[Any, Any], Any] | None = None
    ) -> Loft:
        """Loft ``sections`` (S, P, 2) mm with common parametrisation, given at z = ``stations`` (S,), mm.

        Args:
            stations: (S,) increasing z, mm.
            sections: (S, P, 2) curves in mm, each around the point ``centres`` of its station.
            centres: (S, 2) axis points, mm.
            bump: Height in mm to add to the radius at (angle, z).
        """
        stations = np.asarray(stations, dtype=np.float64)
        levels = np.linspace(stations[0], stations[-1], int(np.ptp(stations) / LEVEL_STEP) + 1)
        axis = gaussian_filter1d(PchipInterpolator(stations, centres)(levels), SMOOTHING, axis=0, mode="nearest")
        curves = PchipInterpolator(stations, np.asarray(sections))(levels) - axis[:, None, :]
        angles = np.linspace(0.0, 2 * np.pi, ANGLES + 1)
        rho = np.stack([_polar(curve, angles) for curve in curves])
        rho = gaussian_filter1d(rho, SMOOTHING, axis=0, mode="nearest")
        if bump is not None:
            rho = rho + bump(angles[None, :], levels[:, None])
        by_level, by_angle = np.gradient(rho, levels, angles)
        steepness = 1.0 / np.sqrt(1.0 + by_level**2 + (by_angle / rho) ** 2)
        return cls(levels, axis, rho.astype(np.float32), steepness.astype(np.float32))

    def axis_at(self, z: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Axis x and y (mm) at z (mm)."""
        return np.interp(z, self.levels, self.centres[:, 0]), np.interp(z, self.levels, self.centres[:, 1])

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[np.float32]:
        """Nearly signed distance, mm."""
        x, y, z = (np.asarray(value, dtype=np.float32) for value in (x, y, z))
        centre_x, centre_y = (value.astype(np.float32) for value in self.axis_at(z))
        dx, dy = x - centre_x, y - centre_y
        angle = np.arctan2(dy, dx)
        column = (angle + (angle < 0) * np.float32(2 * np.pi)) * np.float32(ANGLES / (2 * np.pi))
        row = np.clip((z - self.levels[0]) / (self.levels[1] - self.levels[0]), 0, len(self.levels) - 1.001)
        radius = np.sqrt(dx * dx + dy * dy)
        rho, steepness = _bilinear((self.rho, self.steepness), row.astype(np.float32), column)
        return (radius - rho) * steepness


def _polar(curve: FloatArray, angles: FloatArray) -> FloatArray:
    """Radius (A,) of a closed star-shaped curve (P, 2) around the origin at ``angles`` (A,)."""
    angle = np.unwrap(np.arctan2(curve[:, 1], curve[:, 0]))
    order = np.argsort(np.mod(angle, 2 * np.pi))
    return np.interp(
        angles, np.mod(angle, 2 * np.pi)[order], np.hypot(curve[:, 0], curve[:, 1])[order], period=2 * np.pi
    )


def _bilinear(tables: Any, row: NDArray[np.float32], column: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Values of (L, A) tables at fractional rows and columns (broadcast against each other)."""
    width = tables[0].shape[1]
    top, left = row.astype(np.int32), np.minimum(column.astype(np.int32), width - 2)
    down, right = row - top, column - left
    start = top * width + left
    results = []
    for table in tables:
        flat = table.ravel()
        upper = flat[start] + right * (flat[start + 1] - flat[start])
        lower = flat[start + width] + right * (flat[start + width + 1] - flat[start + width])
        results.append(upper + down * (lower - upper))
    return results
