"""The distal radius as an implicit surface, for a RIGHT forearm: +x radial, +y dorsal, +z distal, mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from XRayTo3DLib.dataset.phantoms.fields import Loft, fitted_section, rounded_section, smooth_max
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.geometry.frames import FloatArray

CARTILAGE = 1.9
"""Joint space between radius and ulna, mm (both cartilages)."""
NOTCH_DEPTH = 1.9
"""How far the ulnar head dips into the sigmoid notch, mm."""
ROUNDED_CORNER, ROUNDED_RIM = 1.05, 0.3
"""What rounding the edges adds to the measured radial height (mm) and volar tilt (deg); taken off beforehand."""
PROXIMAL = 260.0
"""Where the lofted shafts end, mm proximal of the joint."""

# Control polygons of the sections, counter-clockwise from the radial side, in half widths and half depths.
METAPHYSIS = (
    (1.00, -0.05), (0.88, 0.35), (0.60, 0.72), (0.30, 0.95), (0.00, 1.00), (-0.30, 0.97), (-0.60, 0.95),
    (-0.98, 0.90), (-0.97, 0.40), (-0.93, 0.00), (-1.00, -0.35), (-1.10, -0.95), (-0.62, -1.02), (-0.10, -0.90),
    (0.42, -0.98), (0.95, -0.95),
)  # fmt: skip
SHAFT = (
    (1.00, -0.10), (0.92, 0.40), (0.68, 0.80), (0.35, 1.00), (0.00, 1.00), (-0.30, 0.90), (-0.55, 0.70),
    (-0.80, 0.46), (-1.00, 0.24), (-1.12, -0.06), (-1.00, -0.36), (-0.80, -0.64), (-0.45, -0.85), (0.00, -0.97),
    (0.45, -0.97), (0.86, -0.66),
)  # fmt: skip
STYLOID_BASE = (
    (1.00, -0.05), (0.88, 0.30), (0.58, 0.62), (0.26, 0.84), (-0.05, 0.95), (-0.35, 0.98), (-0.65, 0.98),
    (-1.00, 0.92), (-1.00, 0.40), (-1.00, 0.00), (-1.02, -0.35), (-1.08, -0.92), (-0.62, -1.00), (-0.10, -0.96),
    (0.42, -0.94), (0.92, -0.76),
)  # fmt: skip
STYLOID_TIP = (
    (0.84, -0.06), (0.76, 0.14), (0.55, 0.36), (0.20, 0.60), (-0.10, 0.75), (-0.35, 0.80), (-0.65, 0.80),
    (-0.90, 0.70), (-0.95, 0.35), (-0.95, 0.00), (-0.95, -0.35), (-0.90, -0.70), (-0.55, -0.80), (-0.05, -0.76),
    (0.45, -0.58), (0.76, -0.32),
)  # fmt: skip

# z (mm), flare of the width, flare of the depth (0 shaft .. 1 joint), centre x, centre y (mm), blend to SHAFT
FLARE = np.array([
    (-110.0, 0.00, 0.02, 0.2, 0.0, 1.00),
    (-52.0, 0.03, 0.00, 0.6, 0.4, 1.00),
    (-37.0, 0.13, 0.06, 0.6, 1.2, 0.80),
    (-28.0, 0.27, 0.14, 0.6, 1.5, 0.45),
    (-20.0, 0.52, 0.38, 0.3, 1.4, 0.18),
    (-14.0, 0.80, 0.68, 0.1, 0.9, 0.04),
    (-9.0, 0.98, 0.94, -0.1, 0.3, 0.00),
    (-4.5, 1.00, 1.00, 0.0, -0.1, 0.00),
])  # fmt: skip


@dataclass(frozen=True)
class ArticularSurface:
    """The joint surface z = height(x, y): a plane of given inclination and tilt, hollowed into two fossae.

    Attributes:
        inclination: Slope dz/dx.
        tilt: Slope dz/dy.
        ulnar_x, styloid_x: Where the chord from the ulnar corner to the styloid tip begins and ends, mm.
        half_depth: mm.
        fossa, ridge: Depth of the fossae and height of the ridge between them, mm.
    """

    inclination: float
    tilt: float
    ulnar_x: float
    styloid_x: float
    half_depth: float
    fossa: float
    ridge: float

    def hollow(self, x: Any, y: Any) -> NDArray[Any]:
        """Depth below the plane of the rims, mm."""
        along = np.clip((x - self.ulnar_x) / (self.styloid_x - self.ulnar_x) * 2 - 1, -1.25, 1.25)
        across = np.clip(y / self.half_depth, -1.25, 1.25)
        bowl = 1 - across**2
        fade = np.clip(1 - along, 0, 1)
        ridge = np.exp(-(((along + 0.12) / 0.21) ** 2)) * np.clip(bowl, 0, 1)
        return 0.75 * self.fossa * (1 - along**2) + self.fossa * bowl * fade * (2 - fade) - self.ridge * ridge

    def height(self, x: Any, y: Any) -> NDArray[Any]:
        """z of the joint surface, mm; zero at x = y = 0."""
        centre = self.hollow(np.zeros(1), np.zeros(1))[0]
        return self.inclination * x + self.tilt * y - self.hollow(x, y) + centre

    def rim(self, x: float, y: float) -> float:
        """z of the plane through the rims (no hollow), mm."""
        return float(self.inclination * x + self.tilt * y + self.hollow(np.zeros(1), np.zeros(1))[0])


@dataclass(frozen=True, eq=False)
class Radius:
    """Field of the radius: its lofted sides, cut by the joint surface and by the sigmoid notch.

    Attributes:
        sides: The lofted shaft, metaphysis and styloid.
        surface: The joint surface.
        ulna_head: (2,) x and y of the axis of the ulnar head, mm.
        notch_radius: Radius of the sigmoid notch, mm.
        box: (2, 2) least and greatest x and y that the bone needs, mm.
        top: Greatest z, mm.
    """

    sides: Loft
    surface: ArticularSurface
    ulna_head: FloatArray
    notch_radius: float
    box: FloatArray
    top: float

    def joint(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Signed height above the joint surface, nearly mm."""
        slope = np.sqrt(1 + self.surface.inclination**2 + self.surface.tilt**2)
        return ((z - self.surface.height(x, y)) / slope).astype(np.float32)

    def subchondral(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Signed height above what the dense plate under the cartilage follows, mm: the joint surface."""
        return self.joint(x, y, z)

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """Nearly signed distance to the bone, mm."""
        notch = self.notch_radius - np.hypot(x - self.ulna_head[0], y - self.ulna_head[1])
        return smooth_max(smooth_max(self.sides(x, y, z), notch, 1.2), self.joint(x, y, z), 1.6)


def make_radius(shape: ForearmShape) -> Radius:
    """Build the radius of ``shape`` in the frame of a right forearm, origin at the centre of its joint surface."""
    half = shape.distal_width / 2
    lean_x, lean_y = _lean(shape)
    surface = ArticularSurface(
        float(np.tan(np.deg2rad(shape.radial_inclination) - lean_x)) - ROUNDED_CORNER / (1.78 * half),
        float(np.tan(np.deg2rad(shape.volar_tilt - ROUNDED_RIM) - lean_y)),
        -0.98 * half,
        0.80 * half,
        shape.distal_depth / 2,
        shape.fossa_depth,
        shape.ridge_height,
    )
    head = shape.ulna_head_diameter / 2
    notch = head + CARTILAGE
    ulna_head = np.array([-half - notch + NOTCH_DEPTH, 0.05 * shape.distal_depth])
    tip = surface.rim(surface.styloid_x, -0.06 * shape.distal_depth / 2) + 0.6
    box = np.array([[-half - 3.0, -0.62 * shape.distal_depth], [half + 3.0, 0.62 * shape.distal_depth + 4.0]])
    return Radius(_sides(shape, tip), surface, ulna_head, notch, box, tip + 2.0)


def _axis(shape: ForearmShape) -> tuple[FloatArray, FloatArray]:
    """Levels (S,) of the stations of :data:`FLARE` and the axis (S, 2) there, mm."""
    levels, centre_x, centre_y = FLARE[:, 0], FLARE[:, 3], FLARE[:, 4]
    levels = np.where(levels < -4.5, -4.5 + (levels + 4.5) * shape.flare_length * shape.size, levels)
    return levels, np.stack([centre_x + _bow(shape, levels), centre_y], axis=1)


def _lean(shape: ForearmShape) -> FloatArray:
    """Angles (radial, dorsal) by which the shaft's axis leans from z, rad: inclination and tilt are against it."""
    levels, axis = _axis(shape)
    ends = PchipInterpolator(levels, axis)(np.clip([-93.0, -44.0], levels[0], None))
    return np.arctan2(ends[1] - ends[0], 49.0)


def _sides(shape: ForearmShape, tip: float) -> Loft:
    levels, centres = _axis(shape)
    width, depth, blend = FLARE[:, 1], FLARE[:, 2], FLARE[:, 5]
    width = (shape.shaft_width + width * (shape.distal_width - shape.shaft_width)) / 2
    depth = (shape.shaft_depth + depth * (shape.distal_depth - shape.shaft_depth)) / 2
    sections = [
        fitted_section((1 - mix) * np.array(METAPHYSIS) + mix * np.array(SHAFT), centre - size, centre + size)
        for mix, centre, size in zip(blend, centres, np.stack([width, depth], axis=1), strict=True)
    ]
    half = np.array([shape.distal_width, shape.distal_depth]) / 2
    spread = half * np.array([2.0, 2.0]) / np.ptp(rounded_section(METAPHYSIS), axis=0)
    above = [(0.45 * tip, STYLOID_BASE), (tip, STYLOID_TIP), (tip + 4.0, 0.55 * np.array(STYLOID_TIP))]
    sections += [rounded_section(polygon) * spread for _, polygon in above]
    stations = np.concatenate([[-PROXIMAL], levels, [level for level, _ in above]])
    axis = np.concatenate([centres[:1], centres, np.zeros((len(above), 2))])
    return Loft.from_sections(stations, [sections[0], *sections], axis, _lister(shape))


def _bow(shape: ForearmShape, z: Any) -> NDArray[Any]:
    """Sideways shift of the axis, mm: a parabola with its apex 60 mm proximal, none at the joint."""
    return shape.radial_bow * PchipInterpolator([-120.0, -60.0, -15.0, 0.0], [0.0, 1.0, 0.2, 0.0])(np.clip(z, -120, 0))


def _lister(shape: ForearmShape) -> Any:
    """Lister's tubercle and, on its ulnar side, the groove of extensor pollicis longus, as added radius (mm)."""
    reach = shape.distal_depth / 2

    def bump(angle: Any, z: Any) -> NDArray[Any]:
        along = np.exp(-(np.abs((z + 9.0) / np.where(z > -9.0, 5.8, 8.0)) ** 2.2))
        x = np.cos(angle) * reach / np.maximum(np.sin(angle), 0.3)
        dorsal = np.sin(angle) > 0.3
        x = x - 0.10 * (z + 8.5)
        ridge = np.exp(-(((x - 1.8) / 2.8) ** 2)) - 0.24 * np.exp(-(((x + 3.8) / 2.6) ** 2))
        return dorsal * along * shape.lister_height * ridge

    return bump
