"""Compiled sums over slices for the shear-warp projector (see ``shear_warp``): the part that takes the time.

A node (X, Y) of the lattice on the reference plane k = kr sees slice k at

    x = s_x + (X - s_x) r_k,   y = s_y + (Y - s_y) r_k,   r_k = (k - s_k) / (kr - s_k)        (s: the source)

which is one scale and shift per slice, so bilinear interpolation is two one-dimensional passes. The first resamples
voxel rows along x. Rows are stored eight by eight, interleaved (``shear_warp_slabs``): one vector holds the same x of
eight rows, so no gathers are needed; eight results are transposed in registers and stored as rows. The second pass
blends neighbouring rows. A tile of the lattice stays in cache while all slices are added to it.

The vector instructions are LLVM's portable ones: they compile on any processor. Keep them in this file: numba's cache
looks only at the file of the function it keeps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LANES = 8
"""Rows per block, and nodes resampled at once."""
RATIO_MAX = 1.5
"""Largest r_k that the scratch rows have room for."""

_FLOAT, _I8, _I32, _I64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


# ---- eight rows at once -----------------------------------------------------------------------------------------


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Pointer to the first element of an array argument."""
    return context.make_array(kind)(context, builder, value).data


def _at(builder: Any, pointer: Any, offset: Any) -> Any:
    """Pointer to the vector that starts at element ``offset``."""
    return builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer())


def _shuffled(builder: Any, one: Any, other: Any, picks: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_I32, LANES), picks))


def _splat(builder: Any, value: Any) -> Any:
    """A vector with ``value`` in every lane."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    return _shuffled(builder, builder.insert_element(undefined, value, ir.Constant(_I32, 0)), undefined, [0] * LANES)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Eight vectors of eight, rows and columns exchanged: three rounds of shuffles, each in its half register."""
    pairs = []
    for first in range(0, LANES, 2):
        for picks in ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]):
            pairs.append(_shuffled(builder, rows[first], rows[first + 1], picks))
    fours = []
    for first in (0, 1, 4, 5):
        for picks in ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]):
            fours.append(_shuffled(builder, pairs[first], pairs[first + 2], picks))
    halves = ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])
    return [_shuffled(builder, fours[q], fours[q + 4], picks) for picks in halves for q in range(4)]


def _prefetch(builder: Any, pointer: Any, offset: Any) -> None:
    """Ask for a cache line that the next slice will need; the hardware does not foresee the jump."""
    byte = _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    hints = [ir.Constant(_I32, hint) for hint in (0, 3, 1)]
    builder.call(function, [builder.bitcast(builder.gep(pointer, [offset]), byte), *hints])


def _resampler(with_steps: bool) -> Any:
    """The intrinsic that resamples eight interleaved rows at eight nodes, with the steps between voxels or without."""

    @intrinsic
    def resample(
        typing: Any,
        blocks: Any,
        offset: Any,
        ahead: Any,
        index: Any,
        weight: Any,
        node: Any,
        rows: Any,
        steps: Any,
        row0: Any,
        stride: Any,
    ) -> Any:
        integer = types.int64
        signature = types.void(blocks, integer, integer, index, weight, integer, rows, steps, integer, integer)

        def generate(context: Any, builder: Any, given: Any, values: Any) -> Any:
            source, positions, weights, target, target_steps = (
                _data(context, builder, given.args[n], values[n]) for n in (0, 3, 4, 6, 7)
            )
            offset, ahead, node, row0, stride = (values[n] for n in (1, 2, 5, 8, 9))
            found, differences = [], []
            for lane in range(LANES):
                here = builder.add(node, ir.Constant(_I64, lane))
                voxel = builder.sext(builder.load(builder.gep(positions, [here])), _I64)
                start = builder.add(offset, builder.mul(voxel, ir.Constant(_I64, LANES)))
                if lane in (0, 3, 6):
                    _prefetch(builder, source, builder.add(start, ahead))
                low = builder.load(_at(builder, source, start), align=4)
                high = builder.load(_at(builder, source, builder.add(start, ir.Constant(_I64, LANES))), align=4)
                difference = builder.fsub(high, low)
                share = _splat(builder, builder.load(builder.gep(weights, [here])))
                product = builder.fmul(share, difference, flags=("fast",))
                found.append(builder.fadd(low, product, flags=("fast",)))
                differences.append(difference)
            outputs = [(target, found)] + ([(target_steps, differences)] if with_steps else [])
            for pointer, vectors in outputs:
                for lane, vector in enumerate(_transposed(builder, vectors)):
                    row = builder.add(row0, builder.mul(stride, ir.Constant(_I64, lane)))
                    builder.store(vector, _at(builder, pointer, builder.add(row, node)), align=4)
            return context.get_dummy_value()

        return signature, generate

    return resample


_resample = _resampler(with_steps=False)
_resample_with_steps = _resampler(with_steps=True)


# ---- one slice, one tile ----------------------------------------------------------------------------------------

_compiled = njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


@_compiled
def _nodes_inside(start, step, low, high, first, last):
    """First and last node of first .. last whose position start + step * node lies in low .. high."""
    return max(first, math.ceil((low - start) / step)), min(last, math.floor((high - start) / step))


@_compiled
def _set_positions(start, step, count, top, index, weight):
    """Voxel and weight of its right neighbour for ``count`` nodes, filled up to whole vectors."""
    for node in range(count):
        x = start + step * node
        voxel = min(np.int32(x), np.int32(top - 1))
        index[node] = voxel
        weight[node] = np.float32(x - voxel)
    for node in range(count, (count + LANES - 1) // LANES * LANES):
        index[node] = index[count - 1]
        weight[node] = np.float32(0)


@_compiled
def _clear(rows, row0, stride, first, last):
    """Zeros in nodes first .. last - 1 of eight scratch rows."""
    for lane in range(LANES):
        start = np.uint64(row0 + lane * stride + first)
        for node in range(np.uint64(max(0, last - first))):
            rows[start + node] = np.float32(0)


@_compiled
def _block_nodes(low, high, start, step, count):
    """Nodes first (a multiple of eight) .. last - 1 that see a block filled between voxels low and high."""
    if high <= low or high < start:
        return count, count
    first = max(0, int((low - start) / step)) // LANES * LANES
    if first >= count:
        return count, count
    return first, min(count, int((high - start) / step) + 1)


@_compiled
def _resample_slice(blocks, filled, k, span, columns, line, index, weight, rows, steps, stride, with_steps):
    """Pass one: rows of the blocks span[0] .. span[1] of slice k at the nodes of ``line`` (start, step, count)."""
    block_count = filled.shape[1]
    ahead = block_count * columns * LANES
    start, step, count = line
    for block in range(span[0], span[1] + 1):
        row0 = (block - span[0]) * LANES * stride
        first, last = _block_nodes(filled[k, block, 0], filled[k, block, 1], start, step, count)
        offset = (k * block_count + block) * columns * LANES
        if with_steps:
            for node in range(first, last, LANES):
                _resample_with_steps(blocks, offset, ahead, index, weight, node, rows, steps, row0, stride)
        else:
            for node in range(first, last, LANES):
                _resample(blocks, offset, ahead, index, weight, node, rows, steps, row0, stride)
        after = (last + LANES - 1) // LANES * LANES
        _clear(rows, row0, stride, 0, first)
        _clear(rows, row0, stride, after, count)
        if with_steps:
            _clear(steps, row0, stride, 0, first)
            _clear(steps, row0, stride, after, count)


@_compiled
def _blend(rows, low, high, count, share, total, at):
    """Pass two: total[at ...] += (1 - share) rows[low ...] + share rows[high ...], ``count`` nodes."""
    low, high, at = np.uint64(low), np.uint64(high), np.uint64(at)
    for node in range(np.uint64(count)):
        here = rows[low + node]
        total[at + node] += here + share * (rows[high + node] - here)


@_compiled
def _blend_slopes(rows, steps, low, high, count, share, weight, total, at, layer):
    """The same with the slopes along x and y, times ``weight``, in the next two layers of ``total``."""
    low, high, at, at_x, at_y = (
        np.uint64(low),
        np.uint64(high),
        np.uint64(at),
        np.uint64(at + layer),
        np.uint64(at + 2 * layer),
    )
    near, far = weight * (np.float32(1) - share), weight * share
    for node in range(np.uint64(count)):
        here = rows[low + node]
        step = rows[high + node] - here
        total[at + node] += here + share * step
        total[at_x + node] += near * steps[low + node] + far * steps[high + node]
        total[at_y + node] += weight * step


@_compiled
def sums(blocks, filled, ranges, columns, source, plane, pitch, corner, tile, span, out):
    """Add all slices to a lattice, tile by tile; see the module.

    blocks: flat (slices, blocks of rows, columns, 8); filled: (slices, blocks, 2) and ranges: (slices, 4), voxels
    outside which they are empty; columns: voxels per row; source: (x, y, k); plane: kr; pitch: of the lattice, voxels;
    corner: index (u, v) of its first node; tile: its (rows, columns); span: first and last + 1 row of tiles to do.
    out: (1, rows, columns) sums of V_k, or (3, ...): also of (1 - r_k) dV_k / dx and (1 - r_k) dV_k / dy.
    """
    slopes, rows_out, columns_out = out.shape[0] == 3, out.shape[1], out.shape[2]
    stride = tile[1] + LANES
    rows = np.zeros((int(tile[0] * pitch * RATIO_MAX) + 3 * LANES) * stride, np.float32)
    steps = np.zeros(len(rows) if slopes else 1, np.float32)
    total = np.zeros((out.shape[0], tile[0], tile[1]), np.float32)
    flat = total.reshape(-1)
    index, weight = np.zeros(stride, np.int32), np.zeros(stride, np.float32)
    for v0 in range(span[0] * tile[0], min(span[1] * tile[0], rows_out), tile[0]):
        for u0 in range(0, columns_out, tile[1]):
            v1, u1 = min(rows_out, v0 + tile[0]), min(columns_out, u0 + tile[1])
            total[:] = np.float32(0)
            for k in range(len(ranges)):
                y_low, y_high, x_low, x_high = ranges[k]
                if y_high <= y_low:
                    continue
                ratio = (k - source[2]) / (plane - source[2])
                step = pitch * ratio
                x0 = source[0] * (1 - ratio) + corner[0] * step
                y0 = source[1] * (1 - ratio) + corner[1] * step
                ua, ub = _nodes_inside(x0, step, x_low, x_high, u0, u1 - 1)
                va, vb = _nodes_inside(y0, step, y_low, y_high, v0, v1 - 1)
                if ub < ua or vb < va:
                    continue
                count = ub - ua + 1
                start = x0 + step * ua
                _set_positions(start, step, count, x_high, index, weight)
                first = min(int(y0 + step * va), y_high - 1) // LANES
                blocks_seen = (first, min(int(y0 + step * vb) + 1, y_high) // LANES)
                line = (start, step, count)
                _resample_slice(
                    blocks, filled, k, blocks_seen, columns, line, index, weight, rows, steps, stride, slopes
                )
                for v in range(va, vb + 1):
                    y = y0 + step * v
                    voxel = min(int(y), y_high - 1)
                    share = np.float32(y - voxel)
                    low, at = (voxel - first * LANES) * stride, (v - v0) * tile[1] + ua - u0
                    if slopes:
                        away = np.float32(1 - ratio)
                        _blend_slopes(rows, steps, low, low + stride, count, share, away, flat, at, tile[0] * tile[1])
                    else:
                        _blend(rows, low, low + stride, count, share, flat, at)
            out[:, v0:v1, u0:u1] = total[:, : v1 - v0, : u1 - u0]
