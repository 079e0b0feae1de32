"""Crop, bin and resample a radiograph together with its camera; find the exposed field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.camera import bin_factors
from XRayTo3DLib.imaging.polarity import surround_mask
from XRayTo3DLib.imaging.types import Radiograph


def crop_radiograph(radiograph: Radiograph, column: int, row: int, columns: int, rows: int) -> Radiograph:
    """The window [row : row + rows, column : column + columns] of a radiograph, with the camera that sees it.

    Raises:
        InputError: The window is empty or reaches beyond the picture.
    """
    height, width = radiograph.pixels.shape
    if columns < 1 or rows < 1 or column < 0 or row < 0 or column + columns > width or row + rows > height:
        raise InputError(
            f"radiograph {radiograph.name}: the window of {columns} x {rows} pixels at column {column}, row {row} "
            f"does not lie inside its {width} x {height} pixels."
        )
    pixels = radiograph.pixels[row : row + rows, column : column + columns]
    return replace(radiograph, pixels=pixels, camera=radiograph.camera.cropped(column, row, columns, rows))


def bin_radiograph(radiograph: Radiograph, factor: int | tuple[int, int]) -> Radiograph:
    """Means of blocks of ``factor`` pixels, a number or a pair (column, row); left-overs at the far edges fall away.

    Raises:
        InputError: The factor is no whole number of at least 1, or larger than the picture.
    """
    across, down = bin_factors(factor, radiograph.camera.size)
    camera = radiograph.camera.binned((across, down))
    columns, rows = camera.size
    blocks = radiograph.pixels[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return replace(radiograph, pixels=blocks.mean(axis=(1, 3), dtype=np.float64), camera=camera)


def resample_radiograph(radiograph: Radiograph, size: tuple[int, int]) -> Radiograph:
    """The same detector area with another number of (columns, rows).

    Linear interpolation, after smoothing against aliasing where the picture gets smaller.
    """
    from scipy.ndimage import gaussian_filter1d, map_coordinates

    camera = radiograph.camera.resampled(size)
    values = radiograph.pixels.astype(np.float64)
    grids = []
    for axis, count in ((0, camera.size[1]), (1, camera.size[0])):
        factor = values.shape[axis] / count
        if factor > 1:
            values = gaussian_filter1d(values, np.sqrt(factor**2 - 1) / np.sqrt(12), axis=axis, mode="nearest")
        grids.append((np.arange(count) + 0.5) * factor - 0.5)
    pixels = map_coordinates(values, np.meshgrid(*grids, indexing="ij"), order=1, mode="nearest")
    return replace(radiograph, pixels=pixels, camera=camera)


def exposed_field(radiograph: Radiograph) -> NDArray[np.bool_]:
    """Mask (rows, columns) of what the beam reached: without the surround of collimator or image intensifier.

    The surround is an even area at the highest line integral (no radiation) that holds the picture's corners, most of
    its border or a whole side, outside a convex field, and covers at least 1 % of the picture; see
    :func:`~XRayTo3DLib.imaging.polarity.surround_mask`. Similarity measures should leave it and its edge out. All
    true without one.
    """
    from scipy.ndimage import binary_dilation

    pixels = radiograph.pixels
    surround = surround_mask(pixels)
    if surround.mean() < 0.01:
        return np.ones(pixels.shape, dtype=bool)
    return ~binary_dilation(surround, iterations=max(2, min(pixels.shape) // 200))
