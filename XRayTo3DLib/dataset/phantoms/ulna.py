"""The distal ulna as an implicit surface, for a RIGHT forearm: +x radial, +y dorsal, +z distal, mm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms.fields import Field, Loft, cone, fitted_section, smooth_max, smooth_min
from XRayTo3DLib.dataset.phantoms.radius import PROXIMAL, Radius
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.geometry.frames import FloatArray

STYLOID_ANGLE = np.deg2rad(152.0)
"""Direction of the styloid from the axis of the head: ulnar and somewhat dorsal."""

CORNER_DROP = 1.05
"""How far the rounded ulnar corner of the radius lies below the sharp one, mm."""

_TURN = np.deg2rad(np.arange(16) * 22.5)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
# The shaft's interosseous border points to the radius (+x), its posterior border dorsally and ulnarly.
SHAFT = CIRCLE * (1 + 0.16 * np.cos(3 * (_TURN - 0.06)))[:, None]

# d (mm proximal of the dome), width (0 shaft .. 1 head), depth, shift x, shift y (mm), blend to SHAFT
TAPER = np.array([
    (110.0, 0.02, 0.10, -1.6, -1.2, 1.0),
    (45.0, 0.00, 0.00, -1.6, -1.0, 1.0),
    (27.0, 0.02, 0.04, -1.2, -0.6, 0.8),
    (18.0, 0.20, 0.22, -0.8, -0.3, 0.4),
    (12.0, 0.62, 0.62, -0.4, 0.0, 0.1),
    (8.0, 0.92, 0.92, -0.1, 0.0, 0.0),
    (5.0, 1.00, 1.00, 0.0, 0.0, 0.0),
    (2.0, 0.98, 0.98, 0.0, 0.0, 0.0),
    (0.0, 0.90, 0.90, 0.0, 0.0, 0.0),
    (-4.0, 0.80, 0.80, 0.0, 0.0, 0.0),
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ulna:
    """Field of the ulna: lofted shaft and head under a dome with a fovea, and the styloid.

    Attributes:
        sides: The lofted shaft and head.
        styloid: The styloid process.
        head: (3,) centre of the head, mm.
        head_radius: mm.
        dome: z of the top of the head, mm.
        box: (2, 2) least and greatest x and y, mm.
        top: Greatest z, mm.
        styloid_angle: Direction of the styloid from the axis of the head, rad.
    """

    sides: Field
    styloid: Field
    head: FloatArray
    head_radius: float
    dome: float
    box: FloatArray
    top: float
    styloid_angle: float = STYLOID_ANGLE

    def joint(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Signed height above the dome with its fovea, nearly mm."""
        dx, dy = x - self.head[0], y - self.head[1]
        reach = 0.50 * self.head_radius
        pit = (dx - reach * np.cos(self.styloid_angle)) ** 2 + (dy - reach * np.sin(self.styloid_angle)) ** 2
        top = self.dome - 0.030 * (dx * dx + dy * dy) - 1.1 * np.exp(-pit / (0.30 * self.head_radius) ** 2)
        return (z - top).astype(np.float32)

    def subchondral(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Signed height above what the dense plate under the cartilage follows, mm: the dome, but not the styloid."""
        return np.minimum(self.joint(x, y, z), self.styloid(x, y, z) - 0.6).astype(np.float32)

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Nearly signed distance to the bone, mm."""
        body = smooth_max(self.sides(x, y, z), self.joint(x, y, z), 3.2)
        return smooth_min(body, self.styloid(x, y, z).astype(np.float32), 4.0)


def make_ulna(shape: ForearmShape, radius: Radius) -> Ulna:
    """Build the ulna beside ``radius``, its dome ``ulnar_variance`` beyond the radius' ulnar corner."""
    radius_mm = shape.ulna_head_diameter / 2
    dome = radius.surface.rim(radius.surface.ulnar_x, 0.0) - CORNER_DROP + shape.ulnar_variance
    sides = _sides(shape, radius.ulna_head, dome)
    out = np.array([np.cos(STYLOID_ANGLE), np.sin(STYLOID_ANGLE)])
    scale = radius_mm / 8.0
    base = np.array([*(radius.ulna_head + (radius_mm - 4.3 * scale) * out), dome - 5.0])
    end = np.array([*(radius.ulna_head + (radius_mm - 2.1 * scale) * out), dome + shape.ulnar_styloid_length - 1.6])
    reach = radius_mm + 4.0
    box = np.stack([radius.ulna_head - reach, radius.ulna_head + reach])
    head = np.array([*radius.ulna_head, dome - 5.0])
    return Ulna(
        sides, cone(base, end, 4.7 * scale, 1.6), head, radius_mm, dome, box, dome + shape.ulnar_styloid_length + 2.0
    )


def turned_ulna(ulna: Ulna, turn_deg: float) -> Ulna:
    """The ulna turned about the axis of its head, which is that of the sigmoid notch and of pro- and supination.

    Args:
        ulna: Of a right forearm, not yet turned.
        turn_deg: Positive from radial to dorsal, degrees; 0 changes nothing.
    """
    if turn_deg == 0.0:
        return ulna
    turn = float(np.deg2rad(turn_deg))
    sides, styloid = (_turned(field, ulna.head, turn) for field in (ulna.sides, ulna.styloid))
    return replace(ulna, sides=sides, styloid=styloid, styloid_angle=ulna.styloid_angle + turn)


def _turned(field: Field, axis: FloatArray, turn: float) -> Field:
    cosine, sine, (across, deep) = float(np.cos(turn)), float(np.sin(turn)), axis[:2].tolist()

    def turned(x: Any, y: Any, z: Any) -> NDArray[Any]:
        dx, dy = x - across, y - deep
        return field(across + cosine * dx + sine * dy, deep - sine * dx + cosine * dy, z)

    return turned


def _sides(shape: ForearmShape, axis: FloatArray, dome: float) -> Loft:
    distance, width, depth, shift_x, shift_y, blend = TAPER[:, :].T
    head, shaft = shape.ulna_head_diameter / 2, shape.ulna_shaft_diameter / 2
    stations = dome - distance * shape.size
    centres = axis + np.stack([shift_x, shift_y], axis=1)
    half = np.stack([shaft + width * (head - shaft), 1.06 * shaft + depth * (head - 1.06 * shaft)], axis=1)
    sections = [
        fitted_section((1 - mix) * CIRCLE + mix * SHAFT, centre - size, centre + size)
        for mix, centre, size in zip(blend, centres, half, strict=True)
    ]
    stations = np.concatenate([[-PROXIMAL], stations])
    return Loft.from_sections(stations, [sections[0], *sections], np.concatenate([centres[:1], centres]))
