"""Plausible carpal bones and metacarpal bases, for a RIGHT forearm: +x radial, +y dorsal, +z distal, mm.

Each bone is a blend of a few superellipsoids, somewhat too large, then cut back to a joint space of constant width
along the bisecting surface with each neighbour. So facing joint surfaces are congruent, as in a wrist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms.fields import Field, cone, ellipsoid, smooth_max, smooth_min
from XRayTo3DLib.dataset.phantoms.radius import Radius
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.dataset.phantoms.ulna import Ulna
from XRayTo3DLib.geometry.frames import FloatArray

JOINT_SPACE, RADIOCARPAL_SPACE, ULNOCARPAL_SPACE = 1.6, 1.9, 4.0
SWELL = 1.09
"""How much too large the untrimmed bones are."""
DISTAL_END = 58.0
"""Where the field of view cuts the metacarpals, mm distal of the joint in a mean adult."""

# Per bone: superellipsoids (centre, half axes, power) for a mean adult, mm.
BLOBS: dict[str, tuple[tuple[tuple[float, ...], tuple[float, ...], float], ...]] = {
    "scaphoid": (((4.2, 1.0, 9.0), (7.2, 7.5, 6.8), 2.3), ((12.0, -5.5, 16.8), (5.8, 6.2, 6.2), 2.3)),
    "lunate": (((-8.6, 0.0, 5.0), (7.9, 9.0, 8.0), 2.4),),
    "triquetrum": (((-20.0, 1.5, 9.8), (6.6, 6.6, 6.6), 2.4),),
    "pisiform": (((-20.5, -9.5, 10.8), (4.3, 4.2, 5.6), 2.2),),
    "capitate": (((-4.6, 0.5, 15.0), (6.6, 7.2, 7.0), 2.0), ((-3.6, 0.8, 25.5), (7.4, 8.6, 8.4), 3.0)),
    "hamate": (((-16.3, 0.8, 23.3), (8.2, 7.8, 7.6), 2.7), ((-13.0, 1.0, 16.5), (4.0, 6.0, 5.5), 2.2)),
    "trapezoid": (((6.9, 1.8, 26.4), (6.2, 7.2, 6.4), 2.8),),
    "trapezium": (((16.2, -5.0, 25.0), (7.4, 6.4, 6.4), 2.6),),
    "metacarpal 1": (((22.5, -8.5, 34.5), (7.8, 7.0, 5.2), 2.5),),
    "metacarpal 2": (((8.6, 1.8, 37.0), (7.3, 7.4, 5.6), 2.6),),
    "metacarpal 3": (((-3.4, 2.2, 38.0), (6.8, 7.6, 6.0), 2.6),),
    "metacarpal 4": (((-13.4, 1.8, 36.6), (5.6, 6.6, 5.4), 2.6),),
    "metacarpal 5": (((-21.8, 0.2, 34.8), (6.2, 6.0, 5.2), 2.6),),
}
# Shafts and the hook of the hamate: start, end, radii at both, mm.
SHAFTS: dict[str, tuple[tuple[float, ...], tuple[float, ...], float, float]] = {
    "hamate": ((-15.5, -4.5, 23.5), (-14.6, -12.0, 24.6), 3.2, 2.4),
    "metacarpal 1": ((22.8, -8.8, 35.5), (38.0, -18.0, 66.0), 6.4, 4.6),
    "metacarpal 2": ((8.6, 1.6, 38.0), (12.4, 1.6, 68.0), 6.2, 3.9),
    "metacarpal 3": ((-3.4, 2.2, 39.0), (-3.2, 2.4, 68.0), 6.0, 3.9),
    "metacarpal 4": ((-13.4, 1.8, 37.0), (-17.4, 1.6, 68.0), 4.8, 3.2),
    "metacarpal 5": ((-22.0, 0.2, 35.0), (-30.0, -0.4, 68.0), 5.2, 3.5),
}


@dataclass(frozen=True, eq=False)
class CarpalBone:
    """One short bone: its final field and the box (low, high), each (3,) mm, that holds it."""

    name: str
    field: Field
    low: FloatArray
    high: FloatArray

    @property
    def is_metacarpal(self) -> bool:
        """Whether it has a shaft that leaves the field of view."""
        return self.name.startswith("metacarpal")


def make_carpals(shape: ForearmShape, radius: Radius, ulna: Ulna) -> list[CarpalBone]:
    """The carpal bones and metacarpal bases that fit ``radius`` and ``ulna``."""
    raw = {name: _raw(name, shape.size) for name in BLOBS}
    boxes = {name: _box(name, shape.size) for name in BLOBS}
    bones = []
    for name, field in raw.items():
        low, high = boxes[name]
        neighbours = [
            raw[other]
            for other, (other_low, other_high) in boxes.items()
            if other != name and np.all(low < other_high) and np.all(other_low < high)
        ]
        trimmed = _trimmed(field, neighbours, radius, ulna, shape.size)
        bones.append(CarpalBone(name, trimmed, low, np.minimum(high, [1e9, 1e9, DISTAL_END * shape.size])))
    return bones


def _raw(name: str, size: float) -> Field:
    parts = [
        ellipsoid(np.array(centre) * size, np.array(radii) * size * SWELL, power=power)
        for centre, radii, power in BLOBS[name]
    ]
    if name in SHAFTS:
        start, end, first, last = SHAFTS[name]
        parts.append(cone(np.array(start) * size, np.array(end) * size, first * size, last * size))
    return lambda x, y, z: reduce(lambda a, b: smooth_min(a, b, 5.0), [part(x, y, z) for part in parts])


def _box(name: str, size: float) -> tuple[FloatArray, FloatArray]:
    balls = [(np.array(centre), np.array(radii) * SWELL) for centre, radii, _ in BLOBS[name]]
    if name in SHAFTS:
        start, end, first, last = SHAFTS[name]
        balls += [(np.array(start), np.full(3, first)), (np.array(end), np.full(3, last))]
    low = np.min([centre - radii for centre, radii in balls], axis=0)
    high = np.max([centre + radii for centre, radii in balls], axis=0)
    return size * low - 1.5, size * high + 1.5


def _trimmed(field: Field, neighbours: Sequence[Field], radius: Radius, ulna: Ulna, size: float) -> Field:
    def trimmed(x: Any, y: Any, z: Any) -> NDArray[Any]:
        own = field(x, y, z)
        result = own
        for neighbour in neighbours:
            result = smooth_max(result, 0.5 * (own - neighbour(x, y, z) + JOINT_SPACE * size), 1.2)
        if np.min(z) < 25.0 * size:
            result = smooth_max(result, RADIOCARPAL_SPACE * size - radius(x, y, z), 1.0)
            result = smooth_max(result, ULNOCARPAL_SPACE * size - ulna(x, y, z), 1.0)
        return result.astype(np.float32)

    return trimmed
