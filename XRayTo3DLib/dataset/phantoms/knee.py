"""The bones of a knee as implicit surfaces, for a RIGHT knee in LPS mm: -x lateral, -y anterior, +z up, extended.

The origin is the middle of the joint line. The femoral condyles are a stack of sagittal profiles along the
transverse axis, all other bones are stacks of axial sections.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import (
    Field,
    Loft,
    cone,
    ellipsoid,
    fitted_section,
    smooth_max,
    smooth_min,
)
from XRayTo3DLib.dataset.phantoms.leg_sections import (
    ASPERA,
    CONDYLE,
    CONDYLES,
    CREST,
    FACETS,
    FEMUR_DISTAL,
    FEMUR_SHAFT,
    FIBULA_SHAFT,
    GROOVE,
    PATELLA,
    PLATEAU,
    POPLITEAL,
    ROUND,
    TIBIA_SHAFT,
    axial_loft,
)
from XRayTo3DLib.dataset.phantoms.leg_shapes import KneeShape
from XRayTo3DLib.geometry.frames import FloatArray

FEMUR_FLARE, TIBIA_FLARE, FIBULA_FLARE = 72.0, 62.0, 32.0
"""How far trabecular bone and the thin cortex reach from the joint in a mean adult, mm."""


@dataclass(frozen=True, eq=False)
class Condyles:
    """Field of the femoral condyles with trochlea and notch.

    Attributes:
        profiles: Sagittal profiles along x; called with (y, z, x).
        notch: The intercondylar notch, which is taken away.
        half: Half of the epicondylar width, mm.
    """

    profiles: Loft
    notch: Field
    half: float

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Nearly signed distance, mm."""
        block = smooth_max(self.profiles(y, z, x), np.abs(x) - self.half, 7.0)
        return smooth_max(block, -self.notch(x, y, z), 3.0).astype(np.float32)


def make_condyles(shape: KneeShape) -> Condyles:
    """The femoral condyles of ``shape``."""
    wide, deep, size = shape.epicondylar_width / 82.0, shape.condyle_depth / 62.0, shape.size
    x, front, back, bottom, top = CONDYLES.T
    front = deep * front + GROOVE * (shape.groove_depth - 5.5)
    bottom = FEMUR_DISTAL + (bottom - FEMUR_DISTAL) * size
    low, high = np.stack([front, bottom], axis=1), np.stack([deep * back, size * top], axis=1)
    sections = [fitted_section(CONDYLE, *corners) for corners in zip(low, high, strict=True)]
    profiles = Loft.from_sections(x * wide, sections, (low + high) / 2)
    along = np.array([0.0, 0.56, 0.83])
    roof = np.stack([[1.0, 0.0, 0.0], along, np.cross(along, [1.0, 0.0, 0.0])])
    radii = np.array([0.5 * shape.notch_width + 0.5, 60.0 * size, 18.0 * deep])
    middle = np.array([-1.0 * wide, 22.0 * deep, 13.0 * size])
    return Condyles(profiles, ellipsoid(middle, radii, roof, 2.6), shape.epicondylar_width / 2)


def make_femur(shape: KneeShape, condyles: Condyles) -> Field:
    """The distal femur."""
    table, size = FEMUR_SHAFT.copy(), shape.size
    slim = np.clip((table[:, 0] - 50.0) / 60.0, 0.0, 1.0)
    width = size * (1 - slim) + slim * shape.femur_shaft_width / 29.0
    table[:, 1] *= width
    table[:, 2] *= width
    table[:, :1] *= size
    table[:, 3:5] *= size
    table[:, 3] -= np.tan(np.deg2rad(shape.femur_valgus)) * np.maximum(table[:, 0] - 35.0 * size, 0.0)
    shaft = axial_loft(table, POPLITEAL, ASPERA)
    low = 26.0 * size

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        upper = smooth_max(shaft(x, y, z), low - z, 4.0)
        return smooth_min(condyles(x, y, z), upper, 11.0).astype(np.float32)

    return field


@dataclass(frozen=True, eq=False)
class Tibia:
    """Field of the proximal tibia.

    Attributes:
        sides: Shaft and metaphysis.
        spines: The two intercondylar tubercles.
        top: z of the plateau at its middle, mm.
        slope: dz/dy of the plateau.
        size: Relative to the mean adult.
        femur: The femur that it keeps away from.
        space: Joint space, mm.
    """

    sides: Loft
    spines: Field
    top: float
    slope: float
    size: float
    femur: Field
    space: float

    def joint(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Signed height above the plateau, nearly mm: medially hollow, laterally flat."""
        u, v = x / self.size, (y - 2.0) / self.size
        medial = 2.0 * np.exp(-(((u - 19.0) / 11.0) ** 2 + (v / 15.0) ** 2))
        lateral = 0.8 * np.exp(-(((u + 19.0) / 11.0) ** 2 + (v / 12.0) ** 2))
        rise = 2.2 * np.exp(-((u / 7.0) ** 2 + ((v - 1.0) / 11.0) ** 2))
        return (z - (self.top - self.slope * (y - 2.0) - medial - lateral + rise)).astype(np.float32)

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Nearly signed distance, mm."""
        body = smooth_max(self.sides(x, y, z), self.joint(x, y, z), 4.0)
        body = smooth_min(body, self.spines(x, y, z), 5.0)
        if np.max(z) < -20.0:
            return body.astype(np.float32)
        return smooth_max(body, self.space - self.femur(x, y, z), 2.0).astype(np.float32)


def make_tibia(shape: KneeShape, femur: Field) -> Tibia:
    """The proximal tibia under ``femur``."""
    table, size = TIBIA_SHAFT.copy(), shape.size
    slim = np.clip((-table[:, 0] - 25.0) / 50.0, 0.0, 1.0)
    shaft = slim * shape.tibia_shaft_width / 26.0
    table[:, 1] *= (1 - slim) * shape.plateau_width / 75.0 + shaft
    table[:, 2] *= (1 - slim) * shape.plateau_depth / 50.0 + shaft
    table[:, [0, 3, 4]] *= size

    def tuberosity(angle: Any, z: Any) -> NDArray[Any]:
        turn = np.mod(angle - np.deg2rad(262.0) + np.pi, 2 * np.pi) - np.pi
        along = np.exp(-(((z + 38.0 * size) / np.where(z > -38.0 * size, 11.0, 17.0)) ** 2))
        return shape.tuberosity_height * along * np.exp(-((turn / 0.38) ** 2))

    top = FEMUR_DISTAL - shape.joint_space + 0.8
    heights = shape.spine_height - 2.5, shape.spine_height - 3.5
    medial = cone((7.0 * size, 2.0, top - 9.0), (5.0 * size, 1.0, top + heights[0]), 11.0, 2.4)
    lateral = cone((-7.0 * size, 5.0, top - 9.0), (-5.5 * size, 4.5, top + heights[1]), 11.0, 2.4)
    slope = float(np.tan(np.deg2rad(shape.plateau_slope)))

    def spines(x: Any, y: Any, z: Any) -> NDArray[Any]:
        return smooth_min(medial(x, y, z), lateral(x, y, z), 3.0)

    return Tibia(
        axial_loft(table, PLATEAU, CREST, tuberosity), spines, top, slope, size, femur, 0.8 * shape.joint_space
    )


def make_fibula(shape: KneeShape, tibia: Field) -> Field:
    """The proximal fibula, apart from ``tibia``; its styloid points up at the back."""
    table, size = FIBULA_SHAFT.copy(), shape.size
    table[:, 1:3] *= shape.fibula_head_width / 22.0
    table[:, [0, 3, 4]] *= size
    shaft = axial_loft(table, ROUND, np.asarray(CREST) * [1.0, 1.0])
    styloid = cone((-33.0 * size, 25.0 * size, -24.0 * size), (-33.5 * size, 26.5 * size, -12.5 * size), 6.0, 3.0)

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        body = smooth_max(shaft(x, y, z), z + 17.0 * size - 0.2 * (y - 21.0) - 0.1 * (x + 31.0), 5.0)
        body = smooth_min(body, styloid(x, y, z), 4.0)
        return smooth_max(body, 1.8 - tibia(x, y, z), 1.5).astype(np.float32)

    return field


def make_patella(shape: KneeShape, femur: Field) -> tuple[Field, FloatArray, FloatArray]:
    """The patella in front of the trochlea and its box (low, high), each (3,) mm."""
    half = 0.5 * np.array([shape.patella_width, shape.patella_thickness, shape.patella_length])
    groove = -25.5 * shape.condyle_depth / 62.0 + shape.groove_depth - 5.5
    middle = np.array([-2.0 - 0.15 * half[0] - 1.0, groove - 5.0 - half[1], shape.patella_height])
    along, wide, deep, back = PATELLA.T
    table = np.stack([
        middle[2] + along * half[2], wide * half[0], deep * half[1],
        np.full(len(along), middle[0]), middle[1] + back * half[1], np.zeros(len(along)),
    ], axis=1)  # fmt: skip
    sides = axial_loft(table, FACETS, FACETS)

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        body = smooth_max(sides(x, y, z), np.abs(z - middle[2]) - half[2], 6.0)
        return smooth_max(body, 4.0 - femur(x, y, z), 2.0).astype(np.float32)

    return field, middle - half - 2.0, middle + half + 2.0


def make_knee_parts(shape: KneeShape, above: float, below: float) -> list[Part]:
    """Femur, tibia, patella and fibula of a right knee.

    Args:
        shape: The person.
        above, below: Where the femur and the lower leg are cut, mm above and below the joint line.
    """
    condyles = make_condyles(shape)
    femur = make_femur(shape, condyles)
    tibia = make_tibia(shape, femur)
    fibula = make_fibula(shape, tibia)
    patella, low, high = make_patella(shape, femur)
    size, half = shape.size, 0.5 * shape.epicondylar_width
    thin = replace(shape, cortex=max(2.0, 0.62 * shape.cortex))

    def femur_hu(texture: Any, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
        # The dense plate under the cartilage thins out above the condyles.
        joint = np.minimum(condyles(x, y, z), 0.0) + 0.3 - 0.12 * np.maximum(z - 10.0 * size, 0.0)
        return tissue.long_bone_hu(shape, texture, x, y, -z, values, joint, FEMUR_FLARE * size, width)

    def tibia_hu(texture: Any, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
        return tissue.long_bone_hu(shape, texture, x, y, z, values, tibia.joint(x, y, z), TIBIA_FLARE * size, width)

    def fibula_hu(texture: Any, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
        top = z + 15.0 * size
        return tissue.long_bone_hu(thin, texture, x, y, top, values, values, FIBULA_FLARE * size, width)

    patella_hu = partial(tissue.short_bone_hu, 1.4, trabecular=1.25 * shape.trabecular_hu)
    reach = np.array([half + 3.0, 36.0 * size, 0.0])
    shift = np.array([np.tan(np.deg2rad(shape.femur_valgus)) * max(above - 35.0, 0.0), 0.0, 0.0])
    femur_low = np.minimum(-reach, -shift - [24.0 * size, 0.0, 0.0]) * [1.0, 1.0, 0.0]
    return [
        Part(
            "femur", femur, np.array([femur_low[0], -reach[1], -2.0]), np.array([reach[0], reach[1], above]), femur_hu
        ),
        Part(
            "tibia",
            tibia,
            np.array([-reach[0], -36.0 * size, -below]),
            np.array([reach[0], 36.0 * size, 14.0]),
            tibia_hu,
        ),
        Part("patella", patella, low, high, patella_hu),
        Part(
            "fibula",
            fibula,
            np.array([-50.0, 4.0, -below]) * [size, size, 1.0],
            np.array([-12.0, 38.0, -5.0]) * size,
            fibula_hu,
        ),
    ]
