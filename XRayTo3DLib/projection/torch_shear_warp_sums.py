"""Sums over slices for the shear-warp in plain torch (see ``torch_shear_warp``): the part that takes the time.

A node of the lattice on the reference plane sees every slice under one scale and shift, so bilinear interpolation is
two passes along one axis each. Each pass is a weighted sum of rows of a table, which torch has as ``embedding_bag`` and
does at nearly the memory's speed; in between, a transposition. Air costs little: slices are cropped four at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
        starts: (chunks,) place of the first slice of each among those that hold anything.
        slices: (M,) slices that hold anything, in order.
        boxes: (M, 4) low and high row, low and high column of the chunk they lie in; outside all is air.
        places: (M, 2) rows and columns of the slices before in the same chunk.
        ranges: (all slices, 4) ``boxes`` for every slice, zeros for an empty one.
    """

    chunks: list[Tensor]
    starts: NDArray[np.intp]
    slices: NDArray[np.intp]
    boxes: NDArray[np.intp]
    places: NDArray[np.intp]
    ranges: NDArray[np.intp]


class Taps(NamedTuple):
    """Interpolation along one axis, for every slice and node: two rows of a table, their weights, those of the slope.

    Each (slices, nodes, 2) or (nodes, slices, 2); nodes: (chunks, 2) first node that sees anything, after the last.
    """

    index: Tensor
    value: Tensor
    slope: Tensor | None
    nodes: NDArray[np.intp]


Cut = tuple[Tensor, Tensor, Tensor | None]
"""Index, values and slopes of some taps, one line per sum."""


def make_stack(volume: Tensor, axis: int) -> Stack:
    """Cut ``volume`` (slices, rows, columns), which has a layer of air, along ``axis`` (0 column, 1 row, 2 slice)."""
    x, y, k = order_of(axis)
    view = volume.permute(2 - k, 2 - y, 2 - x)
    chunks, slices, places, ranges = [], [], [], np.zeros((len(view), 4), np.intp)
    # Scratch is made once: made anew, chunks between its holes would keep twice the memory.
    scratch = torch.empty(SLICES_AT_ONCE, *view.shape[1:])
    filled = torch.empty(scratch.shape, dtype=torch.bool)
    for first in range(0, len(view), SLICES_AT_ONCE):
        count = min(SLICES_AT_ONCE, len(view) - first)
        part = scratch[:count].copy_(view[first : first + count])
        full = torch.ne(part, 0, out=filled[:count])
        kept = torch.nonzero(full.any(dim=2).any(dim=1))[:, 0].tolist()
        if not kept:
            continue
        rows = torch.nonzero(full.any(dim=2).any(dim=0))
        columns = torch.nonzero(full.any(dim=1).any(dim=0))
        top, bottom, left, right = int(rows[0]) - 1, int(rows[-1]) + 1, int(columns[0]) - 1, int(columns[-1]) + 1
        width = right + 1 - left
        chunk = torch.zeros(len(kept), bottom + 1 - top, width + -width % STEP)
        for place, each in enumerate(kept):
            chunk[place, :, :width] = part[each, top : bottom + 1, left : right + 1]
        chunks.append(chunk)
        slices.append(first + np.array(kept))
        places.append(np.arange(len(kept))[:, None] * chunk.shape[1:])
        ranges[slices[-1]] = top, bottom, left, right
    found, starts = np.concatenate(slices), np.cumsum([0, *map(len, slices)])[:-1]
    return Stack(chunks, starts, found, ranges[found], np.concatenate(places), ranges)


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
    away = 1 - ratio if with_slopes else None
    down = _taps(seen.line(1, ratio), rows, stack, 0, away)
    across = _taps(seen.line(0, ratio), columns, stack, 1, away)
    for number, chunk in enumerate(stack.chunks):
        first = int(stack.starts[number])
        u, v = slice(*across.nodes[number]), slice(*_in_steps(*down.nodes[number], rows))
        if u.start < u.stop and v.start < v.stop:
            part = slice(first, first + len(chunk))
            _add_chunk(chunk, _cut(down, part, v, 2), _cut(across, u, part, 2 * len(chunk)), total[:, u, v])
    return total


def _taps(line: tuple[Array, Array], count: int, stack: Stack, axis: int, away: Array | None) -> Taps:
    """Taps of ``count`` nodes on a line down rows (axis 0; slices first) or across columns (axis 1; nodes first).

    Beyond their boxes they see the air at the ends, so slopes are nothing there. ``away``: (M,) what slopes are times.
    """
    low, high = stack.boxes[:, 2 * axis], stack.boxes[:, 2 * axis + 1]
    of_slice, of_node = ((slice(None), None), (None, slice(None)))[:: 1 - 2 * axis]
    place = (line[0] - low)[of_slice] + line[1][of_slice] * np.arange(count)[of_node]
    last = (high - low)[of_slice]
    inside = (place > 0) & (place < last)
    np.clip(place, 0, last, out=place)
    voxel = np.minimum(place.astype(np.int32), (last - 1).astype(np.int32))
    index, value = np.empty((*voxel.shape, 2), np.int32), np.empty((*voxel.shape, 2), np.float32)
    np.add(voxel, stack.places[:, axis].astype(np.int32)[of_slice], out=index[..., 0])
    np.add(index[..., 0], 1, out=index[..., 1])
    np.subtract(place, voxel, out=value[..., 1], casting="same_kind")
    np.subtract(1, value[..., 1], out=value[..., 0])
    slope = None
    if away is not None:
        step = np.where(inside, away[of_slice], 0).astype(np.float32)
        slope = torch.from_numpy(np.stack([-step, step], axis=-1))
    return Taps(torch.from_numpy(index), torch.from_numpy(value), slope, _nodes(inside, stack.starts, axis))


def _nodes(inside: NDArray[np.bool_], starts: NDArray[np.intp], axis: int) -> NDArray[np.intp]:
    """(chunks, 2) first node that any slice of a chunk sees, and the one after the last; none: zeros."""
    seen = np.logical_or.reduceat(inside, starts, axis=axis)
    seen = seen.T if axis else seen
    ends = np.stack([seen.argmax(axis=1), seen.shape[1] - seen[:, ::-1].argmax(axis=1)], axis=1)
    return np.where(seen.any(axis=1)[:, None], ends, 0)


def _in_steps(first: int, last: int, count: int) -> tuple[int, int]:
    """The same range in whole steps, of a length that transposes fast, within ``count`` nodes."""
    first, last = int(first) // STEP * STEP, -(-int(last) // STEP) * STEP
    if last > first and (last - first) % CONFLICT == 0:
        return (first - STEP, last) if first else (first, min(last + STEP, count))
    return first, last


def _cut(taps: Taps, first: slice, second: slice, length: int) -> Cut:
    """Index, values and slopes of a part, (B, length) each."""
    index, value = (each[first, second].reshape(-1, length) for each in (taps.index, taps.value))
    return index, value, None if taps.slope is None else taps.slope[first, second].reshape(-1, length)


def _add_chunk(chunk: Tensor, down: Cut, across: Cut, total: Tensor) -> None:
    """Add the slices of a chunk to the nodes that see them, ``total`` (1 or 3, columns, rows)."""
    count, rows, columns = chunk.shape
    # Down the rows of every slice: (slice, node) sums of two rows. Then across: the rows are (slice, column) now, and
    # each node sums two of them from every slice.
    table, (index, values, slopes) = chunk.view(count * rows, columns), across
    halfway = _transposed(_sum_rows(table, down[0], down[1]), count)
    total[0] += _sum_rows(halfway, index, values)
    if slopes is not None and down[2] is not None:
        total[1] += _sum_rows(halfway, index, slopes)
        total[2] += _sum_rows(_transposed(_sum_rows(table, down[0], down[2]), count), index, values)


def _sum_rows(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """(B, columns) weighted sums of the rows ``index`` (B, n) of ``table``."""
    return functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight)


def _transposed(halfway: Tensor, count: int) -> Tensor:
    """(slices * nodes, columns) to (slices * columns, nodes).

    A channel shuffle is a transposition of every pixel's channels (here every slice), four times as fast as ``.t()``.
    """
    columns = halfway.shape[1]
    nodes = len(halfway) // count
    pixels = halfway.view(1, count, 1, nodes * columns).permute(0, 3, 1, 2)
    return torch.channel_shuffle(pixels, nodes).permute(0, 2, 3, 1).reshape(count * columns, nodes)
