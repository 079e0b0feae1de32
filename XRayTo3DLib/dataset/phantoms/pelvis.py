"""A simplified hemipelvis as an implicit surface, for a RIGHT hip in LPS mm, origin at the femoral head's centre.

The iliac wing is a curved sheet with an outline; acetabulum, ischium and pubis are spheres and capsules round an
obturator foramen; the cup is cut out by a sphere and stays a joint space away from the femur.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms.fields import (
    Field,
    cone,
    ellipsoid,
    grid_block,
    rounded_section,
    smooth_max,
    smooth_min,
)
from XRayTo3DLib.dataset.phantoms.leg_shapes import HIP_POPULATION, HipShape
from XRayTo3DLib.geometry.frames import FloatArray

# Outline of the iliac wing seen from the side: y, z (mm) for a mean adult, anticlockwise from the front spine.
WING = np.array([
    (-47.0, 62.0), (-40.0, 52.0), (-36.0, 46.0), (-33.0, 33.0), (-24.0, 20.0), (-8.0, 2.0), (18.0, -2.0),
    (38.0, 4.0), (43.0, 22.0), (50.0, 40.0), (66.0, 50.0), (82.0, 60.0), (89.0, 76.0), (88.0, 92.0),
    (76.0, 112.0), (56.0, 127.0), (28.0, 136.0), (2.0, 131.0), (-22.0, 115.0), (-40.0, 92.0), (-48.0, 74.0),
])  # fmt: skip
# Pubis, ischium and the thick parts of the ilium as chains of capsules: x, y, z, radius (mm).
RAMI = (
    ((10.0, -12.0, 10.0, 13.0), (28.0, -21.0, 4.0, 10.0), (48.0, -31.0, -4.0, 8.0), (72.0, -36.0, -17.0, 9.0)),
    ((76.0, -21.0, -38.0, 8.5), (66.0, -9.0, -46.0, 7.0), (54.0, 6.0, -51.0, 6.5), (40.0, 22.0, -51.0, 9.0),
     (33.0, 28.0, -50.0, 12.5), (26.0, 34.0, -30.0, 13.5), (19.0, 24.0, -4.0, 15.0), (12.0, 18.0, 22.0, 14.0)),
    ((24.0, 36.0, 6.0, 7.0), (37.0, 46.0, -4.0, 2.5)),
    ((-2.0, -12.0, 22.0, 13.0), (-12.0, -29.0, 38.0, 6.5)),
    ((28.0, -16.0, 6.0, 7.0), (27.0, 0.0, 14.0, 7.0), (22.0, 16.0, 30.0, 7.0), (21.0, 34.0, 48.0, 4.5)),
)  # fmt: skip
NEAR_HEAD = (np.full(3, -75.0), np.full(3, 75.0))
"""Box in which the femur and the acetabulum lie, mm."""
SYMPHYSIS = 2.5
"""Half of the gap between both pubic bones, mm."""


def make_pelvis(shape: HipShape, femur: Field) -> tuple[Field, FloatArray, FloatArray]:
    """The right hemipelvis round ``femur`` and its box (low, high), each (3,) mm; for open grids only."""
    scale = shape.half_pelvis / HIP_POPULATION["half_pelvis"].mean
    inner = shape.head_diameter / 2 + shape.joint_space
    solids = [_chain(scale * np.array(ramus)) for ramus in RAMI] + [_pubic_body(scale)]
    outer = ellipsoid((3.0, 1.0, 2.0), np.array([inner + 7.0, inner + 6.0, inner + 6.0]))
    outline = rounded_section(WING)[::6]
    opening = _opening(shape)
    holes = _holes(inner, opening)
    midline = shape.half_pelvis - SYMPHYSIS

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        result = _wing(shape, scale, outline, x, y, z).astype(np.float32)
        for solid, low, high in solids:
            near = grid_block(x, y, z, low, high)
            local = solid(x[:, :, near[2]], y[:, near[1]], z[near[0]])
            result[near] = smooth_min(result[near], local, 7.0)
        result = smooth_max(result, x - midline, 4.0)
        near = grid_block(x, y, z, *NEAR_HEAD)
        x, y, z = x[:, :, near[2]], y[:, near[1]], z[near[0]]
        rim = x * opening[0] + y * opening[1] + z * opening[2]
        local = smooth_min(result[near], smooth_max(outer(x, y, z), rim - 3.0, 3.0), 9.0)
        for hole in holes:
            local = smooth_max(local, -hole(x, y, z), 2.0)
        result[near] = smooth_max(local, 0.85 * shape.joint_space - femur(x, y, z), 2.0)
        return result

    return field, scale * np.array([-62.0, -66.0, -76.0]), scale * np.array([93.0, 100.0, 146.0])


def _chain(nodes: FloatArray) -> tuple[Field, FloatArray, FloatArray]:
    """Capsules between nodes (N, 4) x, y, z, radius and the box in which they can touch anything."""
    links = [cone(a[:3], b[:3], a[3], b[3]) for a, b in pairwise(nodes)]
    margin = nodes[:, 3:].max() + 9.0

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        return reduce(lambda a, b: smooth_min(a, b, 1.0), [link(x, y, z) for link in links])

    return field, nodes[:, :3].min(axis=0) - margin, nodes[:, :3].max(axis=0) + margin


def _holes(inner: float, opening: FloatArray) -> list[Field]:
    """What is taken out: the cup, its fossa and the notch at its lower edge."""
    inward = np.array([0.86, 0.10, -0.50])
    return [
        cone((0.0, 0.0, 0.0), 90.0 * opening, inner, 1.35 * inner),
        ellipsoid(inward * (inner - 7.0), (10.0, 11.0, 13.0)),
        cone(np.array([0.30, -0.25, -0.92]) * inner, np.array([0.0, -0.30, -1.5]) * inner, 8.0, 9.0),
    ]


def _opening(shape: HipShape) -> FloatArray:
    """Unit vector out of the acetabulum, outward, downward and forward, from the angles on radiographs."""
    steep, forward = np.deg2rad(shape.cup_inclination), np.deg2rad(shape.cup_anteversion)
    return np.array([-np.cos(forward) * np.sin(steep), -np.sin(forward), -np.cos(forward) * np.cos(steep)])


def _pubic_body(scale: float) -> tuple[Field, FloatArray, FloatArray]:
    """The pubic body and its box: flat, its long axis from front and top to back and bottom."""
    long_axis = np.array([0.0, 0.62, -0.78])
    axes = np.stack([long_axis, [1.0, 0.0, 0.0], np.cross(long_axis, [1.0, 0.0, 0.0])])
    middle = scale * np.array([78.0, -30.0, -27.0])
    body = ellipsoid(middle, scale * np.array([21.0, 14.0, 8.0]), axes, 2.4)
    return body, middle - 32.0 * scale, middle + 32.0 * scale


def _wing(shape: HipShape, scale: float, corners: FloatArray, x: Any, y: Any, z: Any) -> NDArray[Any]:
    """Nearly signed distance to the iliac wing, mm: a curved sheet, thick at its crest, below and at the sacrum."""
    u, v = y / scale, z / scale
    outline = (_polygon_distance(corners, u, v) - 2.0).astype(np.float32)
    bend = np.tanh((u - 2.0 - 0.45 * (np.maximum(v, 36.0) - 60.0)) / 50.0)
    reach = 30.0 + 20.0 / (1.0 + np.exp((54.0 - v) / 8.0))
    steep = 0.02 * reach * (1.0 - bend * bend)
    slope = np.sqrt(1.0 + 1.2 * steep * steep)
    sacral = np.exp(-(((u - 68.0) / 24.0) ** 2 + ((v - 62.0) / 28.0) ** 2))
    thick = 0.5 * shape.ilium_thickness + 3.2 * np.exp(np.minimum(outline, 0.0) / 6.0)
    thick = thick + 6.5 * sacral + 8.0 / (1 + np.exp((v - 28.0) / 6.0))
    sheet = (np.abs(x / scale - reach * bend) - thick * slope) / slope
    return scale * smooth_max(sheet, outline, 9.0)


def _polygon_distance(corners: FloatArray, u: Any, v: Any) -> NDArray[Any]:
    """Signed distance of points to a closed polygon (N, 2), mm; negative inside."""
    u, v = np.broadcast_arrays(u, v)
    nearest = np.full(u.shape, np.inf)
    inside = np.zeros(u.shape, dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        step = end - start
        along = np.clip(((u - start[0]) * step[0] + (v - start[1]) * step[1]) / (step @ step), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(u - start[0] - along * step[0], v - start[1] - along * step[1]))
        crosses = (start[1] > v) != (end[1] > v)
        inside ^= crosses & (u < start[0] + (v - start[1]) * step[0] / (step[1] or 1.0))
    return np.where(inside, -nearest, nearest)
