"""From moves of points on a bone's surface to moves of everything inside and round it.

The smoothest field (biharmonic in space: kernel -r with an affine part) that moves the given points exactly as asked.
It is linear in the moves, so the ways in which a shape model's surface varies become ways in which space varies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from XRayTo3DLib.errors import InputError

FloatArray = NDArray[np.float64]
CHUNK = 4096
"""Places worked on at once: bounds memory."""


class SmoothExtension:
    """Fields that interpolate moves at fixed points.

    Args:
        centres: (n, 3) mm, n >= 5, not in one plane.

    Raises:
        InputError: Too few points, or points in one plane or twice the same.
    """

    def __init__(self, centres: Any) -> None:
        self.centres = np.asarray(centres, dtype=np.float64)
        count = len(self.centres)
        if self.centres.ndim != 2 or self.centres.shape[1] != 3 or count < 5:
            raise InputError(f"a field needs 5 points (n, 3) or more that it goes through, not {self.centres.shape}.")
        self._middle = self.centres.mean(axis=0)
        system = np.zeros((count + 4, count + 4))
        system[:count, :count] = -cdist(self.centres, self.centres)
        system[:count, count:] = self._affine(self.centres)
        system[count:, :count] = system[:count, count:].T
        try:
            self._to_coefficients = np.linalg.inv(system)[:, :count]
        except np.linalg.LinAlgError as error:
            raise InputError("a field's points lie in one plane, or two are the same.") from error

    def at(self, places: Any, moves: Any) -> FloatArray:
        """The field (m, 3, k) at ``places`` (m, 3) mm, of k sets of ``moves`` (n, 3, k) of the centres."""
        places, coefficients = np.asarray(places, dtype=np.float64), self._coefficients(moves)
        parts = [self._basis(places[each : each + CHUNK]) @ coefficients for each in range(0, len(places), CHUNK)]
        return np.concatenate(parts).reshape(len(places), 3, -1)

    def gradients(self, places: Any, moves: Any) -> FloatArray:
        """(m, 3, 3, k) derivative of component [1] of the field by coordinate [2] at ``places``, per mm."""
        places, coefficients = np.asarray(places, dtype=np.float64), self._coefficients(moves)
        result = np.empty((len(places), 3, 3, coefficients.shape[1] // 3))
        for first in range(0, len(places), CHUNK):
            part = slice(first, first + CHUNK)
            far = np.maximum(cdist(places[part], self.centres), 1e-9)
            for axis in range(3):
                away = (places[part, axis, None] - self.centres[:, axis]) / far
                slope = coefficients[len(self.centres) + 1 + axis] - away @ coefficients[: len(self.centres)]
                result[part, :, axis] = slope.reshape(-1, 3, result.shape[-1])
        return result

    def _coefficients(self, moves: Any) -> FloatArray:
        moves = np.asarray(moves, dtype=np.float64).reshape(len(self.centres), -1)
        return self._to_coefficients @ moves

    def _basis(self, places: FloatArray) -> FloatArray:
        kernel = -cdist(places, self.centres)
        return np.concatenate([kernel, self._affine(places)], axis=1)

    def _affine(self, places: FloatArray) -> FloatArray:
        return np.concatenate([np.ones((len(places), 1)), places - self._middle], axis=1)
