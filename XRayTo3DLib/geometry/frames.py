"""Coordinate frames. The library thinks in LPS (x to the patient's Left, y Posterior, z Superior), Slicer in RAS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

FloatArray = NDArray[np.float64]

LPS_TO_RAS: FloatArray = np.diag([-1.0, -1.0, 1.0, 1.0])
"""4x4 matrix that maps homogeneous LPS points to RAS; it is its own inverse."""


def unit(vector: Any, what: str = "direction") -> FloatArray:
    """Return ``vector`` (3,) scaled to length one.

    Raises:
        InputError: The vector is zero, not finite or not three numbers.
    """
    array = vector3(vector, what)
    length = float(np.linalg.norm(array))
    if length < 1e-12:
        raise InputError(f"{what} has length zero; give three numbers, not all zero.")
    return array / length


def vector3(values: Any, what: str) -> FloatArray:
    """Return ``values`` as a read-only float vector (3,), checked to be finite."""
    return _checked(values, (3,), what)


def matrix(values: Any, shape: tuple[int, ...], what: str) -> FloatArray:
    """Return ``values`` as a read-only float array of ``shape``, checked to be finite."""
    return _checked(values, shape, what)


def _checked(values: Any, shape: tuple[int, ...], what: str) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be numbers of shape {shape}: {error}.") from error
    if array.shape != shape:
        raise InputError(f"{what} must have shape {shape}, not {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{what} holds a value that is not finite (NaN or infinite).")
    array.flags.writeable = False
    return array


def cross(first: FloatArray, second: FloatArray) -> FloatArray:
    """Cross product of two vectors (3,): ``np.cross``, which takes ten times as long for so few numbers."""
    (a, b, c), (x, y, z) = first.tolist(), second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def apply_matrix(transform: FloatArray, points: Any) -> FloatArray:
    """Map points (..., 3) through a 4x4 affine matrix."""
    points = np.asarray(points, dtype=np.float64)
    return points @ transform[:3, :3].T + transform[:3, 3]
