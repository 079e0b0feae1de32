"""The bones of a hip as implicit surfaces, for a RIGHT hip in LPS mm: -x lateral, -y anterior, +z up.

The origin is the centre of the femoral head.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import Field, cone, ellipsoid, smooth_max, smooth_min
from XRayTo3DLib.dataset.phantoms.leg_sections import ASPERA, ROUND, axial_loft
from XRayTo3DLib.dataset.phantoms.leg_shapes import HipShape
from XRayTo3DLib.dataset.phantoms.pelvis import make_pelvis
from XRayTo3DLib.geometry.frames import FloatArray

FEMUR_FLARE = 88.0
"""How far trabecular bone and the thin cortex reach below the head's centre in a mean adult, mm."""

# z, half width, half depth, shift x, shift y from the shaft's axis (mm), blend to the diaphysis
SHAFT = np.array([
    (-230.0, 14.0, 14.5, 0.0, 0.0, 1.0),
    (-120.0, 14.5, 14.6, 0.0, 0.0, 1.0),
    (-90.0, 15.2, 15.0, 0.5, 0.5, 0.9),
    (-70.0, 16.5, 15.8, 1.5, 1.0, 0.6),
    (-50.0, 19.5, 17.2, 2.0, 1.0, 0.2),
    (-32.0, 20.5, 18.0, 0.0, 1.5, 0.0),
    (-18.0, 17.0, 17.0, -3.0, 3.0, 0.0),
    (5.0, 12.0, 15.0, -5.0, 6.0, 0.0),
])  # fmt: skip


def make_femur(shape: HipShape) -> Field:
    """The proximal femur, turned about the head's centre by ``shape.adduction``."""
    upright = _upright_femur(shape)
    turn = np.deg2rad(shape.adduction)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        return upright(cosine * x + sine * z, y, cosine * z - sine * x).astype(np.float32)

    return field


def _upright_femur(shape: HipShape) -> Field:
    """The femur with its shaft along z."""
    size, radius = shape.size, shape.head_diameter / 2
    turn, lean = np.deg2rad(shape.anteversion), np.deg2rad(180.0 - shape.neck_shaft_angle)
    axis = shape.femoral_offset * np.array([-np.cos(turn), np.sin(turn), 0.0])
    down = np.array([-np.sin(lean) * np.cos(turn), np.sin(lean) * np.sin(turn), -np.cos(lean)])
    base = down * shape.femoral_offset / np.sin(lean)
    head = _head(shape, down)
    pit = np.array([0.93, 0.22, 0.02])
    fovea = ellipsoid(pit / np.linalg.norm(pit) * (radius + 4.0), (7.0, 7.0, 7.0))
    neck = _neck(shape, down, base)
    solids = [_shaft(shape, axis), *_trochanters(shape, axis, size)]

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        body = reduce(lambda a, b: smooth_min(a, b, 7.0 * size), [solid(x, y, z) for solid in solids])
        body = smooth_min(body, neck(x, y, z), 9.0 * size)
        ball = smooth_max(head(x, y, z), -fovea(x, y, z), 2.0)
        return smooth_min(body, ball, 3.0 * size)

    return field


def _head(shape: HipShape, down: FloatArray) -> Field:
    """A ball; worn flat on top, with a rim of osteophytes where the neck begins, in osteoarthritis."""
    radius, worn = shape.head_diameter / 2, shape.head_flattening
    ball = ellipsoid((0.0, 0.0, 0.0), (radius, radius, radius))
    if worn == 0:
        return ball
    axes = np.linalg.svd(down[None])[2]
    rim = ellipsoid(0.55 * radius * down, (0.26 * radius, radius + 0.4 * worn, radius + 0.4 * worn), axes, 2.6)
    top = np.array([-0.42, -0.08, 0.9])
    top = top / np.linalg.norm(top)
    # The worn head moves up until its flat part meets the cup.
    shift = (0.7 * worn * top).tolist()

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        x, y, z = x - shift[0], y - shift[1], z - shift[2]
        flat = top[0] * x + top[1] * y + top[2] * z - (radius - worn)
        return smooth_min(smooth_max(ball(x, y, z), flat, 8.0), rim(x, y, z), 4.0)

    return field


def _neck(shape: HipShape, down: FloatArray, base: FloatArray) -> Field:
    """Two cones side by side: higher than deep."""
    across = np.array([0.0, 0.0, 1.0]) - down[2] * down
    across /= np.linalg.norm(across)
    thin = 0.37 * shape.neck_width
    spread = (0.46 * shape.neck_width - thin) * across
    cones = [cone(sign * spread + 0.20 * base, base + 1.6 * sign * spread, thin, 1.22 * thin) for sign in (-1.0, 1.0)]
    return lambda x, y, z: smooth_min(cones[0](x, y, z), cones[1](x, y, z), 6.0)


def _shaft(shape: HipShape, axis: FloatArray) -> Field:
    table, size = SHAFT.copy(), shape.size
    slim = np.clip((-table[:, 0] - 60.0) / 40.0, 0.0, 1.0)
    table[:, 1:3] *= (size * (1 - slim) + slim * shape.femur_shaft_width / 29.0)[:, None]
    table[:, [0, 3, 4]] *= size
    table[:, 3] += axis[0]
    table[:, 4] += axis[1]
    loft = axial_loft(table, ROUND, ASPERA)
    return lambda x, y, z: smooth_max(loft(x, y, z), z + 15.0 * size, 6.0)


def _trochanters(shape: HipShape, axis: FloatArray, size: float) -> list[Field]:
    """Greater and lesser trochanter and the crest between them."""

    def at(x: float, y: float, z: float) -> FloatArray:
        return axis + size * np.array([x, y, z])

    # The adduction lowers the trochanter, which lies to the side of the head.
    turn = np.deg2rad(shape.adduction)
    tip = ((shape.trochanter_height + np.sin(turn) * (shape.femoral_offset + 8.0 * size)) / np.cos(turn)) / size
    out = shape.lesser_trochanter / size
    return [
        ellipsoid(at(-11.0, 1.0, tip - 26.0), size * np.array([13.0, 18.0, 21.0]), power=2.2),
        cone(at(-9.0, 6.0, tip - 24.0), at(-8.0, 12.0, tip - 8.2), 12.0 * size, 8.0 * size),
        cone(at(-3.0, 14.0, tip - 22.0), at(7.0, 13.0, -56.0), 6.0 * size, 5.0 * size),
        cone(at(4.0, 4.0, -61.0), at(6.0 + 0.62 * out, 7.0 + 0.62 * out, -59.0), 13.0 * size, 8.0 * size),
    ]


def make_hip_parts(shape: HipShape, below: float) -> list[Part]:
    """Femur and hemipelvis of a right hip.

    Args:
        shape: The person.
        below: Where the femur is cut, mm below the head's centre.
    """
    size, radius = shape.size, shape.head_diameter / 2
    femur = make_femur(shape)
    pelvis, low, high = make_pelvis(shape, femur)

    def femur_hu(texture: Any, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
        # The dense plate under the head's cartilage thins out towards the neck.
        ball = np.minimum(np.sqrt(x * x + y * y + z * z) - radius, 0.0)
        joint = ball - 0.25 * np.maximum(-0.8 * x - 0.6 * z - 2.0, 0.0)
        return tissue.long_bone_hu(shape, texture, x, y, z, values, joint, FEMUR_FLARE * size, width)

    pelvis_hu = partial(tissue.short_bone_hu, 1.5, trabecular=0.85 * shape.trabecular_hu)
    reach = shape.femoral_offset + 36.0 * size
    box = np.array([[-reach, -40.0 * size, -below], [radius + 3.0, 60.0 * size, radius + 14.0]])
    return [Part("femur", femur, *box, femur_hu), Part("pelvis", pelvis, low, high, pelvis_hu)]
