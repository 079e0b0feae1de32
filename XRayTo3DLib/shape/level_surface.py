"""Vertices carried from one level surface of a field on a lattice to another's: so such surfaces come to correspond."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

FloatArray = NDArray[np.float64]
Field = NDArray[np.floating]
ROUNDS = 8
"""Of Newton's method, the field changing over the first half."""
LONGEST_MM = 2.0
"""That a vertex is carried in one of them."""
SHORT_VOXELS = 0.1
"""Of the differences that gradients are found by."""


def carried(
    points: FloatArray, field_at: Callable[[float], Field], origin: FloatArray, spacing_mm: float, rounds: int = ROUNDS
) -> FloatArray:
    """Points (n, 3) near a surface where a field is 0, moved along the field's gradients to where another is 0, mm.

    Args:
        points: On or near the first surface, mm.
        field_at: From 0 to 1 the fields (Z, Y, X) between the first (0) and the last (1); not asked for 0.
        origin: (3,) place of the fields' first point, mm.
        spacing_mm: Between their points.
        rounds: Of Newton's method.
    """
    for number in range(rounds):
        value, gradient = read_field(field_at(min(1.0, 2.0 * (number + 1) / rounds)), points, origin, spacing_mm)
        moves = -value[:, None] * per_unit(gradient)
        length = np.linalg.norm(moves, axis=1, keepdims=True)
        points = points + moves * np.minimum(1.0, LONGEST_MM / np.maximum(length, 1e-12))
    return points


def read_field(
    field: Field, points: FloatArray, origin: FloatArray, spacing_mm: float
) -> tuple[FloatArray, FloatArray]:
    """A field's values (n,) and its gradients (n, 3) per mm at points (n, 3), mm; its border is carried on outwards."""
    # Between lattice points distances to a curved surface bend: straight lines would shrink a narrow styloid.
    spline = spline_filter(field, order=3, mode="nearest", output=np.float64)

    def read(where: FloatArray) -> FloatArray:
        return map_coordinates(spline, places(where, origin, spacing_mm), order=3, mode="nearest", prefilter=False)

    steps = SHORT_VOXELS * spacing_mm * np.eye(3)
    slopes = [(read(points + step) - read(points - step)) / (2 * SHORT_VOXELS * spacing_mm) for step in steps]
    return read(points), np.stack(slopes, axis=1)


def read_changes(changes: Sequence[Field], points: FloatArray, origin: FloatArray, spacing_mm: float) -> FloatArray:
    """(k, n) values of fields at points (n, 3), mm, linear between lattice points."""
    where = places(points, origin, spacing_mm)
    found = [map_coordinates(each, where, order=1, mode="nearest", output=np.float64) for each in changes]
    return np.reshape(found, (len(found), len(points)))


def places(points: FloatArray, origin: FloatArray, spacing_mm: float) -> FloatArray:
    """(3, n) slices, rows and columns of points (n, 3), mm."""
    return ((points - origin) / spacing_mm).T[::-1]


def per_unit(gradient: FloatArray) -> FloatArray:
    """(n, 3) the shortest move, mm, that adds 1 to a field with that gradient (n, 3).

    Where a field is flat (half as steep as usual, or less) the move is kept short: no vertex shoots away.
    """
    squared = np.einsum("nd,nd->n", gradient, gradient)
    return gradient / np.maximum(squared, 0.25 * np.median(squared))[:, None]
