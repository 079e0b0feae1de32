"""Sacrum, coccyx and the last two lumbar vertebrae as implicit surfaces, plain but recognisable on an AP radiograph.

Frame LPS mm of a mean adult's pelvis: origin midway between the femoral heads, +y to the back, +z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import Field, cone, ellipsoid, smooth_max, smooth_min
from XRayTo3DLib.geometry.frames import FloatArray

ILIUM_GAP = 2.2
"""Sacroiliac joint space, mm."""
# Level by level: y, z of the middle and its radius, x, y, z of the side's end and its radius (mm).
SACRUM = (
    (46.0, 82.0, 14.0, 50.0, 50.0, 78.0, 13.0),
    (61.0, 63.0, 11.0, 44.0, 62.0, 60.0, 12.0),
    (72.0, 45.0, 9.0, 31.0, 72.0, 43.0, 8.5),
    (78.0, 28.0, 7.5, 22.0, 78.0, 27.0, 6.5),
    (79.0, 13.0, 6.5, 14.0, 78.0, 13.0, 5.0),
)
COCCYX = ((79.0, 8.0, 6.0), (75.0, -4.0, 5.0), (66.0, -13.0, 3.0))
FORAMINA = ((17.5, 5.0), (15.5, 4.6), (13.5, 4.0), (11.5, 3.4))
"""x and radius of the holes below each of the upper four levels, mm."""
# Vertebral bodies: y, z of the middle, half width, half depth, half height (mm), lean of the upper plate (deg).
PROMONTORY = (42.0, 84.0, 25.0, 16.5, 15.0, 38.0)
LUMBAR = ((14.0, 116.0, 26.0, 17.5, 14.0, 18.0), (5.0, 150.0, 25.0, 17.0, 14.5, 2.0))


def make_sacrum_parts(scale: float, ilia: Sequence[Field], trabecular_hu: float) -> list[Part]:
    """Sacrum with coccyx, L5 and L4, all labelled "sacrum".

    Args:
        scale: Size of the pelvis relative to a mean adult's.
        ilia: The hemipelves: the sacrum is cut back to a joint space from them.
        trabecular_hu: Mean of the trabecular bone, HU.
    """
    hounsfield = partial(tissue.short_bone_hu, 1.1, trabecular=0.8 * trabecular_hu)
    low, high = scale * np.array([-64.0, 18.0, -18.0]), scale * np.array([64.0, 100.0, 106.0])
    parts = [Part("sacrum", _cut_back(_scaled(_sacrum(), scale), ilia), low, high, hounsfield)]
    for body in LUMBAR:
        low, high = scale * np.array([-50.0, -22.0, body[1] - 32.0]), scale * np.array([50.0, 82.0, body[1] + 24.0])
        parts.append(Part("sacrum", _scaled(_lumbar(body), scale), low, high, hounsfield))
    return parts


def _scaled(field: Field, scale: float) -> Field:
    return lambda x, y, z: (scale * field(x / scale, y / scale, z / scale)).astype(np.float32)


def _cut_back(field: Field, ilia: Sequence[Field]) -> Field:
    def cut(x: Any, y: Any, z: Any) -> NDArray[Any]:
        result = field(x, y, z)
        for ilium in ilia:
            result = smooth_max(result, ILIUM_GAP - ilium(x, y, z), 1.5)
        return result

    return cut


def _sacrum() -> Field:
    """Bars from side to side that melt into a plate, a body for the promontory, a crest behind, holes."""
    middles = np.array([(0.0, y, z, radius) for y, z, radius, *_ in SACRUM])
    sides = np.array([level[3:] for level in SACRUM])
    links = [cone(middle[:3], side[:3], middle[3], side[3]) for middle, side in zip(middles, sides, strict=True)]
    chain = np.concatenate([middles[-1:], [(0.0, *node) for node in COCCYX]])
    tail = [cone(a[:3], b[:3], a[3], b[3]) for a, b in zip(chain, chain[1:], strict=False)]
    crest = cone((0.0, 72.0, 80.0), (0.0, 92.0, 36.0), 5.5, 3.5)
    body = _body(PROMONTORY)
    holes = [_hole(above, below, *hole) for above, below, hole in zip(middles, middles[1:], FORAMINA, strict=False)]

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        x = np.abs(x)
        plate = reduce(lambda a, b: smooth_min(a, b, 11.0), [link(x, y, z) for link in links])
        rest = reduce(lambda a, b: smooth_min(a, b, 4.0), [part(x, y, z) for part in (*tail, crest, body)])
        result = smooth_min(plate, rest, 7.0)
        for hole in holes:
            result = smooth_max(result, -hole(x, y, z), 2.5)
        return result

    return field


def _hole(above: FloatArray, below: FloatArray, x: float, radius: float) -> Field:
    """From front to back between two levels, at right angles to the plate; wider in front."""
    step = (below - above)[1:3]
    across = np.array([0.0, step[1], -step[0]]) / np.linalg.norm(step)
    across *= np.sign(across[1])
    middle = np.array([x, *(0.5 * (above + below))[1:3]])
    return cone(middle - 16.0 * across, middle + 18.0 * across, 1.25 * radius, 0.8 * radius)


def _body(body: tuple[float, ...]) -> Field:
    """A vertebral body: a box with soft edges and a waist, leaning forward."""
    y, z, width, depth, height, lean = body
    turn = np.deg2rad(lean)
    axes = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(turn), np.sin(turn)], [0.0, -np.sin(turn), np.cos(turn)]])
    box = ellipsoid((0.0, y, z), (width, depth, height), axes, 3.6)

    def field(x: Any, y_: Any, z_: Any) -> NDArray[Any]:
        up = axes[2, 1] * (y_ - y) + axes[2, 2] * (z_ - z)
        return box(x, y_, z_) + 1.8 * np.exp(-((up / (0.55 * height)) ** 2))

    return field


def _lumbar(body: tuple[float, ...]) -> Field:
    """A vertebra: body, pedicles, transverse processes, articular processes and the spinous process."""
    y, z, _, depth, height, lean = body
    turn = np.deg2rad(lean)

    def at(x: float, back: float, up: float) -> FloatArray:
        return np.array([x, y + back * np.cos(turn) - up * np.sin(turn), z + back * np.sin(turn) + up * np.cos(turn)])

    parts = [
        cone(at(14.0, depth - 6.0, 5.0), at(15.0, depth + 10.0, 4.0), 5.5, 5.5),
        cone(at(17.0, depth + 9.0, 3.0), at(41.0, depth + 13.0, 6.0), 5.0, 3.5),
        cone(at(16.0, depth + 13.0, 11.0), at(18.0, depth + 18.0, -14.0), 6.0, 5.5),
        cone(at(14.0, depth + 17.0, -2.0), at(0.0, depth + 25.0, -5.0), 4.5, 4.5),
        cone(at(0.0, depth + 24.0, -4.0), at(0.0, depth + 44.0, -0.6 * height), 3.6, 4.6),
    ]
    block = _body(body)

    def field(x: Any, y_: Any, z_: Any) -> NDArray[Any]:
        x = np.abs(x)
        arch = reduce(lambda a, b: smooth_min(a, b, 4.0), [part(x, y_, z_) for part in parts])
        return smooth_min(block(x, y_, z_), arch, 3.0)

    return field
