"""Compiled steps from the shear-warp lattice to the detector: spline coefficients, then one warp per pixel.

The image on the lattice is interpolated by cubic B-splines, whose coefficients are the samples filtered (``splines``):
nodes further away than REACH + 2 have no say in a pixel. Everything is linear in the samples, so the derivatives of the
samples, treated the same way, are the exact derivatives of the picture.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from XRayTo3DLib.projection.splines import REACH

_compiled = njit(cache=True, fastmath=True, nogil=True, error_model="numpy")


@_compiled
def filter_along_rows(image, taps, first, last, out):
    """Rows first .. last - 1 of (rows, columns) filtered along themselves, into ``out`` REACH rows further down."""
    width = image.shape[1]
    line = np.zeros(width + 2 * REACH, np.float32)
    t0, t1, t2, t3, t4, t5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for v in range(first, last):
        line[REACH : REACH + width] = image[v]
        target = out[v + REACH]
        for u in range(width):
            near = t0 * line[u + 5] + t1 * (line[u + 4] + line[u + 6]) + t2 * (line[u + 3] + line[u + 7])
            far = t3 * (line[u + 2] + line[u + 8]) + t4 * (line[u + 1] + line[u + 9]) + t5 * (line[u] + line[u + 10])
            target[u] = near + far


@_compiled
def _sum_rows(centre, above, below, further_above, further_below, weights, target):
    """Weighted sum of five rows; in twos, for with more the compiler gives up on vectors."""
    w0, w1, w2 = weights
    for u in range(len(target)):
        target[u] = w0 * centre[u] + w1 * (above[u] + below[u]) + w2 * (further_above[u] + further_below[u])


@_compiled
def filter_across_rows(image, taps, first, last, out):
    """Rows first .. last - 1 of ``out``: ``image``, which has REACH rows more above and below, filtered across rows."""
    one = np.float32(1)
    for v in range(first, last):
        at, target = v + REACH, out[v]
        _sum_rows(
            image[at], image[at - 1], image[at + 1], image[at - 2], image[at + 2], (taps[0], taps[1], taps[2]), target
        )
        _sum_rows(target, image[at - 3], image[at + 3], image[at - 4], image[at + 4], (one, taps[3], taps[4]), target)
        for u in range(len(target)):
            target[u] += taps[5] * (image[at - 5, u] + image[at + 5, u])


@_compiled
def _spline(t):
    """Weights of the four nodes round a point ``t`` (0 to 1) beyond the second."""
    f = np.float32
    rest = f(1) - t
    first, last = rest * rest * rest * f(1 / 6), t * t * t * f(1 / 6)
    second = f(2 / 3) - t * t * (f(1) - f(0.5) * t)
    return first, second, f(1) - first - second - last, last


@_compiled
def _spline_slope(t):
    """Derivatives of the weights by the position."""
    f = np.float32
    rest = f(1) - t
    first, last = f(-0.5) * rest * rest, f(0.5) * t * t
    second = t * (f(1.5) * t - f(2))
    return first, second, -first - second - last, last


@_compiled
def _mix(weights, nodes, first):
    """Weighted sum of four neighbours of a flat array."""
    a0, a1, a2, a3 = weights
    first = np.uint64(first)
    right = first + np.uint64(2)
    return a0 * nodes[first] + a1 * nodes[first + np.uint64(1)] + a2 * nodes[right] + a3 * nodes[right + np.uint64(1)]


@_compiled
def _mix_rows(weights, nodes, first, stride):
    """The same in four neighbouring rows."""
    return (
        _mix(weights, nodes, first),
        _mix(weights, nodes, first + stride),
        _mix(weights, nodes, first + 2 * stride),
        _mix(weights, nodes, first + 3 * stride),
    )


@_compiled
def _dot(one, other):
    """Sum of products of two groups of four."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2] + one[3] * other[3]


@_compiled
def _places(weights):
    """Weights times the distance from the second of the four nodes."""
    return -weights[0], np.float32(0), weights[2], np.float32(2) * weights[3]


@_compiled
def _at(matrix, row, i, j):
    """Component ``row`` of a (3, 3) matrix times (column j, row i, 1)."""
    return matrix[row, 0] * j + matrix[row, 1] * i + matrix[row, 2]


@_compiled
def _length(rays_mm, i, j):
    """Length of the ray through pixel (column j, row i), mm."""
    x, y, z = _at(rays_mm, 0, i, j), _at(rays_mm, 1, i, j), _at(rays_mm, 2, i, j)
    return math.sqrt(x * x + y * y + z * z)


@_compiled
def warp(lattice, corner, pitch, source, plane, rays, rays_mm, window, first, last, factor, out):
    """Add ``factor`` times the picture to rows first .. last - 1 of a window of ``out`` (rows, columns).

    lattice: (1, rows, columns) spline coefficients; corner: index (u, v) of its first node; pitch: its pitch; source:
    (x, y, k) and rays: (3, 3), both in voxels along (x, y, k); rays_mm: (3, 3) the same rays in mm; plane: kr; window:
    (column, row, width, height).
    """
    rows, columns = lattice.shape[1:]
    nodes = lattice.reshape(-1)
    depth = plane - source[2]
    for i in range(window[1] + first, window[1] + last):
        for j in range(window[0], window[0] + window[2]):
            along = _at(rays, 2, i, j)
            u = (source[0] + depth * _at(rays, 0, i, j) / along) / pitch - corner[0]
            v = (source[1] + depth * _at(rays, 1, i, j) / along) / pitch - corner[1]
            iu, iv = int(math.floor(u)), int(math.floor(v))
            if iu < 1 or iv < 1 or iu > columns - 3 or iv > rows - 3:
                continue
            across = _mix_rows(_spline(np.float32(u - iu)), nodes, (iv - 1) * columns + iu - 1, columns)
            length = factor * _length(rays_mm, i, j) / abs(along)
            out[i, j] += np.float32(length) * _dot(_spline(np.float32(v - iv)), across)


@_compiled
def _pixel(nodes, layer, first, stride, fu, fv):
    """Value, its slopes by u and v, both slope images, and their moment about the second of the four nodes."""
    a, b = _spline(fu), _spline(fv)
    across = _mix_rows(a, nodes, first, stride)
    by_u = _dot(b, _mix_rows(_spline_slope(fu), nodes, first, stride))
    along_x = _mix_rows(a, nodes, first + layer, stride)
    along_y = _mix_rows(a, nodes, first + 2 * layer, stride)
    moment = _dot(b, _mix_rows(_places(a), nodes, first + layer, stride)) + _dot(_places(b), along_y)
    return _dot(b, across), by_u, _dot(_spline_slope(fv), across), _dot(b, along_x), _dot(b, along_y), moment


@_compiled
def _gradient_row(lattice, corner, pitch, source, plane, rays, rays_mm, i, window, value, gradient):
    """Row i of the window: (width,) values and (6, width) their gradient by source (x, y, k) and ray (x, y, k)."""
    rows, columns = lattice.shape[1:]
    nodes = lattice.reshape(-1)
    depth = plane - source[2]
    for place in range(window[2]):
        j = window[0] + place
        along = _at(rays, 2, i, j)
        tx, ty = _at(rays, 0, i, j) / along, _at(rays, 1, i, j) / along
        u = (source[0] + depth * tx) / pitch - corner[0]
        v = (source[1] + depth * ty) / pitch - corner[1]
        iu, iv = int(math.floor(u)), int(math.floor(v))
        if iu < 1 or iv < 1 or iu > columns - 3 or iv > rows - 3:
            value[place] = np.float32(0)
            for q in range(6):
                gradient[q, place] = np.float32(0)
            continue
        start = (iv - 1) * columns + iu - 1
        found, by_u, by_v, gx, gy, moment = _pixel(
            nodes, rows * columns, start, columns, np.float32(u - iu), np.float32(v - iv)
        )
        length = _length(rays_mm, i, j) / abs(along)
        # A node sees slices shifted by (1 - r) ds along x and y, and, by the source's k, in proportion to its place.
        node_x, node_y = (iu + corner[0]) * pitch - source[0], (iv + corner[1]) * pitch - source[1]
        gk = -(node_x * gx + node_y * gy + pitch * moment) / depth
        by_x, by_y = by_u / pitch, by_v / pitch
        reach = depth / along
        value[place] = np.float32(length * found)
        gradient[0, place] = np.float32(length * (gx + by_x))
        gradient[1, place] = np.float32(length * (gy + by_y))
        gradient[2, place] = np.float32(length * (gk - tx * by_x - ty * by_y))
        gradient[3, place] = np.float32(length * reach * by_x)
        gradient[4, place] = np.float32(length * reach * by_y)
        gradient[5, place] = np.float32(-length * (reach * (tx * by_x + ty * by_y) + found / along))


@_compiled
def warp_with_tangents(
    lattice, corner, pitch, source, plane, rays, rays_mm, window, first, last, factor, tangents, out, derivatives
):
    """As :func:`warp`, with the derivatives by P parameters added to ``derivatives`` (P, rows, columns).

    lattice: (3, rows, columns), see ``shear_warp_sums.sums``; factor: of the picture; tangents: (P, 13) per parameter
    the derivatives of source (3), rays (9) and factor (1).
    """
    width = window[2]
    value, gradient = np.zeros(width, np.float32), np.zeros((6, width), np.float32)
    for i in range(window[1] + first, window[1] + last):
        _gradient_row(lattice, corner, pitch, source, plane, rays, rays_mm, i, window, value, gradient)
        target = out[i, window[0] : window[0] + width]
        for place in range(width):
            target[place] += np.float32(factor) * value[place]
        for q in range(len(tangents)):
            t = (tangents[q] * factor).astype(np.float32)
            by_factor = np.float32(tangents[q, 12])
            # Ray derivatives grow linearly along the row: base + slope * place.
            bx = np.float32(factor * (tangents[q, 3] * window[0] + tangents[q, 4] * i + tangents[q, 5]))
            by = np.float32(factor * (tangents[q, 6] * window[0] + tangents[q, 7] * i + tangents[q, 8]))
            bk = np.float32(factor * (tangents[q, 9] * window[0] + tangents[q, 10] * i + tangents[q, 11]))
            target = derivatives[q, i, window[0] : window[0] + width]
            for place in range(width):
                p = np.float32(place)
                target[place] += (
                    gradient[0, place] * t[0]
                    + gradient[1, place] * t[1]
                    + gradient[2, place] * t[2]
                    + gradient[3, place] * (bx + t[3] * p)
                    + gradient[4, place] * (by + t[6] * p)
                    + gradient[5, place] * (bk + t[9] * p)
                    + value[place] * by_factor
                )
