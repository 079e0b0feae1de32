"""All bones of one synthetic forearm as parts that can be meshed and painted, in the frame of a RIGHT forearm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.carpals import CarpalBone, make_carpals
from XRayTo3DLib.dataset.phantoms.fields import Field
from XRayTo3DLib.dataset.phantoms.radius import Radius, make_radius
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.dataset.phantoms.ulna import Ulna, make_ulna, turned_ulna
from XRayTo3DLib.geometry.frames import FloatArray

METAPHYSIS = {"radius": 42.0, "ulna": 31.0}
"""How far trabecular bone and the thin cortex reach proximally in a mean adult, mm."""


@dataclass(frozen=True, eq=False)
class Part:
    """One bone.

    Attributes:
        label: Name of its label and mesh: "radius", "ulna" or "carpals".
        field: Its implicit surface, mm.
        low: (3,) lower corner of the box that holds it, mm; the bone is cut flat there if it is longer.
        high: (3,) upper corner, mm.
        hounsfield: HU inside it, as f(texture, x, y, z, field values, voxel width).
    """

    label: str
    field: Field
    low: FloatArray
    high: FloatArray
    hounsfield: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The bones of one right forearm.

    Attributes:
        radius: The radius.
        ulna: The ulna.
        parts: Every bone, ready to mesh and paint.
    """

    radius: Radius
    ulna: Ulna
    parts: list[Part]


def make_anatomy(shape: ForearmShape, length: float, carpals: bool, ulna_turn_deg: float = 0.0) -> Anatomy:
    """Build all bones; the shafts are cut ``length`` mm proximal of the joint, the ulna is turned about its head."""
    radius = make_radius(shape)
    ulna = turned_ulna(make_ulna(shape, radius), ulna_turn_deg)
    parts = [_long_bone("radius", radius, shape, length), _long_bone("ulna", ulna, shape, length)]
    if carpals:
        parts += [_short_bone(bone) for bone in make_carpals(shape, radius, ulna)]
    return Anatomy(radius, ulna, parts)


def _long_bone(name: str, bone: Any, shape: ForearmShape, length: float) -> Part:
    flare = METAPHYSIS[name] * shape.size * shape.flare_length

    def hounsfield(texture: tissue.Texture, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
        return tissue.long_bone_hu(shape, texture, x, y, z, values, bone.subchondral(x, y, z), flare, width)

    low, high = np.array([*bone.box[0], -length]), np.array([*bone.box[1], bone.top])
    return Part(name, bone, low, high, hounsfield)


def _short_bone(bone: CarpalBone) -> Part:
    cortex = 1.5 if bone.is_metacarpal else 0.8
    return Part("carpals", bone.field, bone.low, bone.high, partial(tissue.short_bone_hu, cortex))
