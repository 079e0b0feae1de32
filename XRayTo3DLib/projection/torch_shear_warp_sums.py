"""Sums over slices for the shear-warp in plain torch (see ``torch_shear_warp``): the part that takes the time.

A node of the lattice on the reference plane sees every slice under one scale and shift, so bilinear interpolation is
two passes along one axis each. Each pass is a weighted sum of rows of a table, which torch has as ``embedding_bag`` and
does at nearly the memory's speed; in between, a transposition. Air costs little: slices are cropped four at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.projection import shear_warp_views as views
from XRayTo3DLib.projection.shear_warp_slabs import order_of

Array = NDArray[np.float64]
Indices = NDArray[np.int32]

SLICES_AT_ONCE = 4
"""Slices in a chunk: their rows stay in cache between the two interpolations."""
STEP = 32
"""Rows of tables are whole multiples of so many numbers: torch compiles a kernel for every length it meets."""
CONFLICT = 256
"""Transposing to rows of whole multiples of this is three times as slow: they compete for the same cache lines."""


@dataclass(frozen=True)
class Stack:
    """A volume in a layer of air, cut into chunks of slices along one axis, each cropped to what is filled.

    Attributes:
        chunks: (n, rows, columns) voxels each, contiguous.
        slices: (M,) slices that hold anything, in order.
        boxes: (M, 4) low and high row, low and high column of the chunk they lie in; outside all is air.
        ranges: (all slices, 4) the same for every slice, zeros for an empty one.
    """

    chunks: list[Tensor]
    slices: NDArray[np.intp]
    boxes: NDArray[np.intp]
    ranges: NDArray[np.intp]


class Taps(NamedTuple):
    """Linear interpolation between voxels ``index`` and the next, of weight ``weight``; whether inside the box."""

    index: Indices
    weight: NDArray[np.float32]
    inside: NDArray[np.bool_]


def make_stack(volume: Tensor, axis: int) -> Stack:
    """Cut ``volume`` (slices, rows, columns), which has a layer of air, along ``axis`` (0 column, 1 row, 2 slice)."""
    x, y, k = order_of(axis)
    view = volume.permute(2 - k, 2 - y, 2 - x)
    chunks, slices, ranges = [], [], np.zeros((len(view), 4), np.intp)
    for first in range(0, len(view), SLICES_AT_ONCE):
        part = view[first : first + SLICES_AT_ONCE].contiguous()
        full = part != 0
        kept = torch.nonzero(full.any(dim=2).any(dim=1))[:, 0]
        if len(kept) == 0:
            continue
        rows = torch.nonzero(full.any(dim=2).any(dim=0))
        columns = torch.nonzero(full.any(dim=1).any(dim=0))
        top, bottom, left, right = int(rows[0]) - 1, int(rows[-1]) + 1, int(columns[0]) - 1, int(columns[-1]) + 1
        box = part[kept, top : bottom + 1, left : right + 1]
        chunks.append(functional.pad(box, (0, -box.shape[2] % STEP)))
        slices.append(first + kept.numpy())
        ranges[slices[-1]] = top, bottom, left, right
    found = np.concatenate(slices)
    return Stack(chunks, found, ranges[found], ranges)


class LatticeView(NamedTuple):
    """How a lattice sees slices: the exposure ordered (x, y, k), reference plane, pitch, nodes; all in voxels."""

    view: views.VoxelView
    plane: float
    pitch: float
    lattice: views.Lattice

    def ratio(self, slices: NDArray[np.intp]) -> Array:
        """r_k = (k - s_k) / (plane - s_k)."""
        return (slices - self.view.source[2]) / (self.plane - self.view.source[2])

    def line(self, axis: int, ratio: Array) -> tuple[Array, Array]:
        """Place of the first node on each slice and step between nodes, along x (0) or y (1)."""
        step = self.pitch * ratio
        return self.view.source[axis] * (1 - ratio) + self.lattice.corner[axis] * step, step


def lattice_sums(stack: Stack, seen: LatticeView, with_slopes: bool) -> Tensor:
    """Add all slices to a lattice.

    Returns:
        (1, columns, rows) sums of V_k, or (3, ...): also of (1 - r_k) dV_k / dx and (1 - r_k) dV_k / dy, float32;
        columns and rows filled up to whole multiples of ``STEP``.
    """
    columns, rows = (-(-n // STEP) * STEP for n in (seen.lattice.columns, seen.lattice.rows))
    rows += STEP if rows % CONFLICT == 0 else 0
    total = torch.zeros(3 if with_slopes else 1, columns, rows)
    ratio = seen.ratio(stack.slices)
    down = _taps(*seen.line(1, ratio), rows, stack.boxes[:, 0], stack.boxes[:, 1])
    across = _taps(*seen.line(0, ratio), columns, stack.boxes[:, 2], stack.boxes[:, 3])
    first = 0
    for chunk in stack.chunks:
        part = slice(first, first + len(chunk))
        taps = (Taps(*(each[part] for each in both)) for both in (down, across))
        _add_chunk(chunk, *taps, (1 - ratio[part]) if with_slopes else None, total)
        first = part.stop
    return total


def _taps(start: Array, step: Array, count: int, low: NDArray[np.intp], high: NDArray[np.intp]) -> Taps:
    """(M, count) taps of M slices, counted from the first voxel ``low`` of their boxes; beyond them air."""
    place = (start - low)[:, None] + step[:, None] * np.arange(count)
    last = (high - low)[:, None]
    inside = (place > 0) & (place < last)
    np.clip(place, 0, last, out=place)
    index = np.minimum(place.astype(np.int32), (last - 1).astype(np.int32))
    return Taps(index, (place - index).astype(np.float32), inside)


def _nodes(taps: Taps) -> tuple[int, int]:
    """First node that sees anything, and the one after the last; none: equal."""
    seen = np.flatnonzero(taps.inside.any(axis=0))
    return (int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, 0)


def _in_steps(first: int, last: int, count: int) -> tuple[int, int]:
    """The same range in whole steps, of a length that transposes fast, within ``count`` nodes."""
    first, last = first // STEP * STEP, -(-last // STEP) * STEP
    if (last - first) % CONFLICT == 0:
        return (first - STEP, last) if first else (first, min(last + STEP, count))
    return first, last


def _add_chunk(chunk: Tensor, down: Taps, across: Taps, away: Array | None, total: Tensor) -> None:
    """Add the slices of a chunk to ``total`` (1 or 3, columns, rows); ``away``: (n,) 1 - r_k if slopes are wanted."""
    count, rows, columns = chunk.shape
    rows_seen, columns_seen = _nodes(down), _nodes(across)
    if rows_seen[0] == rows_seen[1] or columns_seen[0] == columns_seen[1]:
        return
    u, v = slice(*columns_seen), slice(*_in_steps(*rows_seen, total.shape[2]))
    across, down = Taps(*(part[:, u] for part in across)), Taps(*(part[:, v] for part in down))
    place = np.arange(count, dtype=np.int32)[:, None]
    # Down the rows of every slice: (slice, node) sums of two rows. Then across: the rows are (slice, column) now, and
    # each node sums two of them from every slice.
    table, index_down = chunk.reshape(count * rows, columns), _pairs(down.index + place * rows).reshape(-1, 2)
    index_across, values_across = _by_node(_pairs(across.index + place * columns)), _by_node(_values(across))
    halfway = _transposed(_sum_rows(table, index_down, _values(down).reshape(-1, 2)), count)
    total[0, u, v] += _sum_rows(halfway, index_across, values_across)
    if away is not None:
        total[1, u, v] += _sum_rows(halfway, index_across, _by_node(_slopes(across, away)))
        steps = _transposed(_sum_rows(table, index_down, _slopes(down, away).reshape(-1, 2)), count)
        total[2, u, v] += _sum_rows(steps, index_across, values_across)


def _sum_rows(table: Tensor, index: Indices, weight: NDArray[np.float32]) -> Tensor:
    """(B, columns) weighted sums of the rows ``index`` (B, n) of ``table``."""
    return functional.embedding_bag(
        torch.from_numpy(index), table, mode="sum", per_sample_weights=torch.from_numpy(weight)
    )


def _transposed(halfway: Tensor, count: int) -> Tensor:
    """(slices * nodes, columns) to (slices * columns, nodes).

    A channel shuffle is a transposition of every pixel's channels (here every slice), four times as fast as ``.t()``.
    """
    columns = halfway.shape[1]
    nodes = len(halfway) // count
    pixels = halfway.view(1, count, 1, nodes * columns).permute(0, 3, 1, 2)
    return torch.channel_shuffle(pixels, nodes).permute(0, 2, 3, 1).reshape(count * columns, nodes)


def _pairs(index: Indices) -> Indices:
    """(..., 2) index and the next."""
    return np.stack([index, index + np.int32(1)], axis=-1)


def _values(taps: Taps) -> NDArray[np.float32]:
    """(..., 2) weights of linear interpolation."""
    return np.stack([1 - taps.weight, taps.weight], axis=-1)


def _slopes(taps: Taps, away: Array) -> NDArray[np.float32]:
    """(n, nodes, 2) weights of its derivative, times ``away`` (n,)."""
    slope = np.where(taps.inside, away[:, None], 0).astype(np.float32)
    return np.stack([-slope, slope], axis=-1)


def _by_node(taps: NDArray[Any]) -> NDArray[Any]:
    """(n, nodes, 2) to (nodes, 2 n)."""
    return np.ascontiguousarray(taps.swapaxes(0, 1)).reshape(taps.shape[1], -1)
