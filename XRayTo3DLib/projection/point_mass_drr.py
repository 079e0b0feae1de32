"""Radiographs of clouds of small attenuating parts, and how every pixel changes as the parts move.

A part of volume V and attenuation mu adds ``mu V / A`` to the line integrals, spread over the pixels round its shadow,
where A is the area, across the ray and at the part's depth, of the pixel's beam. The footprint is a quadratic B-spline
(Westover, SIGGRAPH 1990, with another kernel): it adds up to 1 wherever the shadow falls, and smooth moves make smooth
pictures. Unlike a DRR of a volume nothing is resampled when a shape deforms, and the derivatives by a dozen parameters
are three sparse products.

Pictures of this module are pictures of a detector whose pixels' means were blurred by the footprint;
:func:`like_footprints` does that to a radiograph or DRR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.sparse import csc_array

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera

Array = NDArray[np.floating]
TAPS = 3
"""Pixels along each axis that a footprint covers."""
BLUR = np.array([1.0, 10.0, 1.0]) / 12.0
"""Has the variance (1/6 pixel^2) that a quadratic B-spline (1/4) has more than a pixel's own mean (1/12)."""


def like_footprints(image: Any) -> NDArray[np.float64]:
    """A picture (rows, columns) of pixel means, blurred as the footprints are; its border is carried on outwards."""
    image = np.asarray(image, dtype=np.float64)
    return correlate1d(correlate1d(image, BLUR, axis=0, mode="nearest"), BLUR, axis=1, mode="nearest")


@dataclass(frozen=True, eq=False)
class PointMassView:
    """A cloud of parts before one camera.

    Attributes:
        camera: The exposure.
        amplitudes: (N,) what each part adds to the line integrals per unit of ``mu V``, 1/mm^2.
        column_slope: (N, 3) change of the shadow's column with the part's place, pixels/mm.
        row_slope: (N, 3) of its row.
        size_slope: (N, 3) relative change of ``amplitudes``, 1/mm.
    """

    camera: XRayCamera
    amplitudes: Array
    column_slope: Array
    row_slope: Array
    size_slope: Array
    _pixels: NDArray[np.int32]
    _weights: tuple[Array, Array, Array]

    @classmethod
    def of(cls, camera: XRayCamera, points: Any) -> PointMassView:
        """Of parts at ``points`` (N, 3), world, mm.

        Raises:
            InputError: A part lies beside or behind the source.
        """
        points = np.asarray(points, dtype=np.float64)
        matrix = camera.projection_matrix
        column, row, scale = matrix @ np.concatenate([points, np.ones((len(points), 1))], axis=1).T
        if not np.all(scale > 0):
            raise InputError("part of the bone lies beside or behind the X-ray source; check pose and camera.")
        shadow = np.stack([column / scale, row / scale])
        slopes = (matrix[:2, None, :3] - shadow[..., None] * matrix[2, :3]) / scale[:, None]
        away = points - camera.source
        length2 = np.einsum("nd,nd->n", away, away)
        area = camera.spacing[0] * camera.spacing[1]
        # scale = depth / sdd: the pixel's beam there is area * scale^2 wide, and slanted by depth / distance.
        amplitudes = np.sqrt(length2) / (area * camera.sdd * scale**3)
        size_slope = away / length2[:, None] - 3 * matrix[2, :3] / scale[:, None]
        pixels, weights = _footprints(shadow, camera.size)
        single = (each.astype(np.float32) for each in (amplitudes, slopes[0], slopes[1], size_slope))
        return cls(camera, *single, pixels, weights)

    def picture(self, masses: Any) -> NDArray[np.float64]:
        """(rows, columns) line integrals of parts with ``masses`` (N,), attenuation times volume, mm^2."""
        columns, rows = self.camera.size
        values = self._weights[0] * (self.amplitudes * np.asarray(masses))[:, None]
        return np.bincount(self._pixels.ravel(), values.ravel(), rows * columns + 1)[:-1].reshape(rows, columns)

    def derivatives(self, masses: Any, moved: tuple[Array, Array, Array], heavier: Any) -> Array:
        """(rows * columns, P) change of the picture's pixels per unit of P parameters.

        Args:
            masses: (N,) mm^2.
            moved: Per parameter (N, P) how much each shadow's column and row change, and the relative change of its
                amplitude: :meth:`along` of the parts' moves.
            heavier: (N, P) how much each mass changes, mm^2.
        """
        values = self.amplitudes[:, None] * np.asarray(masses, dtype=np.float32)[:, None]
        column, row, size = moved
        changes = np.concatenate(
            [values * column, values * row, values * size + self.amplitudes[:, None] * heavier]
        ).astype(np.float32)
        weight, by_column, by_row = self._weights
        return self._matrix(np.concatenate([by_column, by_row, weight])) @ changes

    def heavier(self, changes: Any) -> Array:
        """(rows * columns, P) change of the picture's pixels when masses change by ``changes`` (N, P), mm^2."""
        return self._matrix(self._weights[0]) @ (self.amplitudes[:, None] * np.asarray(changes, dtype=np.float32))

    def _matrix(self, weights: Array) -> csc_array:
        """(pixels, columns) sparse; pixels beside the picture fall away."""
        columns, rows = self.camera.size
        repeated = np.tile(self._pixels, (len(weights) // len(self._pixels), 1))
        starts = np.arange(0, weights.size + 1, TAPS * TAPS)
        whole = csc_array((weights.ravel(), repeated.ravel(), starts), shape=(rows * columns + 1, len(weights)))
        return _WithoutLast(whole)


class _WithoutLast:
    """A sparse matrix whose last row (whatever fell beside the picture) is left out of products."""

    def __init__(self, whole: csc_array) -> None:
        self._whole = whole

    def __matmul__(self, other: Array) -> Array:
        return np.asarray(self._whole @ other)[:-1]


def _footprints(shadow: Array, size: tuple[int, int]) -> tuple[NDArray[np.int32], tuple[Array, Array, Array]]:
    """Pixels (N, 9) that each shadow (2, N) falls on, and (N, 9) weights with their slopes by column and by row.

    Pixels beside the picture get the number one past the last.
    """
    columns, rows = size
    nearest = np.rint(shadow)
    away = (shadow - nearest).astype(np.float32)
    column, row = (axis.astype(np.int64)[:, None] + np.arange(-1, 2) for axis in nearest)
    inside = ((row >= 0) & (row < rows))[:, :, None] & ((column >= 0) & (column < columns))[:, None, :]
    pixels = np.where(inside, row[:, :, None] * columns + column[:, None, :], rows * columns)
    across, across_slope = _spline(away[0])
    down, down_slope = _spline(away[1])

    def table(first: Array, second: Array) -> Array:
        return (first[:, :, None] * second[:, None, :]).reshape(-1, TAPS * TAPS)

    weights = table(down, across), table(down, across_slope), table(down_slope, across)
    return pixels.reshape(-1, TAPS * TAPS).astype(np.int32), weights


def _spline(away: Array) -> tuple[Array, Array]:
    """(N, 3) quadratic B-spline at the pixel before, at and after a place ``away`` from the middle one; its slopes."""
    left, right = 0.5 - away, 0.5 + away
    return (
        np.stack([0.5 * left**2, 0.75 - away**2, 0.5 * right**2], axis=1),
        np.stack([-left, -2.0 * away, right], axis=1),
    )
