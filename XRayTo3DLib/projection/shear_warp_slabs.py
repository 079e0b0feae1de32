"""A volume laid out for the shear-warp sums: slices along one axis first, rows eight by eight, empty parts known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.projection.ray_bundle import OTHER_AXES

LANES = 8
SLICES_AT_ONCE = 16
"""Slices brought into order at a time: bounds the memory on the way, and one cache line of a row holds 16 voxels."""


@dataclass(frozen=True)
class Slab:
    """A volume with one layer of air round it, as (slices, blocks of rows, columns, 8 rows), flat.

    Attributes:
        blocks: Voxels, float32, flat.
        filled: (slices, blocks, 2) columns outside which a block is empty; (0, 0) for an empty one.
        ranges: (slices, 4) low and high row, low and high column outside which a slice is empty; zeros if it all is.
        columns: Voxels per row, air included.
    """

    blocks: NDArray[np.float32]
    filled: NDArray[np.int32]
    ranges: NDArray[np.int32]
    columns: int


def order_of(axis: int) -> list[int]:
    """Volume axes (0 column, 1 row, 2 slice) that a slab marching along ``axis`` calls x, y and k."""
    return [*OTHER_AXES[axis], axis]


def make_slab(volume: NDArray[np.float32], axis: int) -> Slab:
    """Lay out ``volume`` (slices, rows, columns) to march along ``axis`` (0 column, 1 row, 2 slice)."""
    x, y, k = order_of(axis)
    view = volume.transpose(2 - k, 2 - y, 2 - x)
    count, height, width = (n + 2 for n in view.shape)
    block_count = -(-height // LANES)
    blocks = np.zeros((count, block_count, width, LANES), np.float32)
    filled = np.zeros((count, block_count, 2), np.int32)
    ranges = np.zeros((count, 4), np.int32)
    for first in range(0, count - 2, SLICES_AT_ONCE):
        part = view[first : first + SLICES_AT_ONCE]
        padded = np.zeros((len(part), block_count * LANES, width), np.float32)
        padded[:, 1 : height - 1, 1 : width - 1] = part
        target = slice(first + 1, first + 1 + len(part))
        blocks[target] = padded.reshape(len(part), block_count, LANES, width).swapaxes(2, 3)
        full = padded != 0
        filled[target] = _ends(full.reshape(len(part), block_count, LANES, width).any(axis=2))
        ranges[target] = np.concatenate([_ends(full.any(axis=2)), _ends(full.any(axis=1))], axis=1)
    return Slab(blocks.reshape(-1), filled, ranges, width)


def filled_box(volume: NDArray[np.float32]) -> tuple[slice, slice, slice] | None:
    """The part of a volume that holds everything but air, or None if there is nothing else."""
    box = []
    for axis in range(3):
        others = tuple(each for each in range(3) if each != axis)
        inside = np.flatnonzero(volume.any(axis=others))
        if len(inside) == 0:
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return box[0], box[1], box[2]


def _ends(full: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(..., 2) places before the first and after the last that is set along the last axis; (0, 0) for none."""
    low = full.argmax(axis=-1) - 1
    high = full.shape[-1] - full[..., ::-1].argmax(axis=-1)
    return np.where(full.any(axis=-1, keepdims=True), np.stack([low, high], axis=-1), 0).astype(np.int32)
