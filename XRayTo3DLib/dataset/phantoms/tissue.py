"""Hounsfield units of synthetic limbs: air, skin, fat, muscle, cortical and trabecular bone, marrow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from XRayTo3DLib.dataset.phantoms.fields import cone, smooth_min
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape

AIR, SKIN, FAT, MUSCLE, TENDON = -1000.0, 45.0, -95.0, 52.0, 30.0
CORTICAL, CORTICAL_THIN, MARROW, CARPAL_TRABECULAR = 1650.0, 1250.0, -30.0, 330.0
SKIN_THICKNESS = 1.3

# z (mm), half width, half depth, centre x, centre y of the skin, for a mean adult
ENVELOPE = np.array([
    (-130.0, 37.5, 30.0, -9.5, -1.0),
    (-110.0, 36.0, 28.5, -9.0, -1.0),
    (-70.0, 32.5, 25.0, -8.5, -1.0),
    (-40.0, 30.0, 21.5, -8.0, -1.0),
    (-15.0, 29.5, 19.5, -7.8, -1.0),
    (0.0, 29.5, 19.0, -7.2, -1.5),
    (15.0, 31.5, 19.0, -5.5, -2.5),
    (35.0, 37.0, 18.0, -4.5, -2.5),
    (60.0, 41.0, 16.5, -4.5, -2.0),
])  # fmt: skip

THENAR = ((16.0, -9.0, 14.0), (38.0, -17.0, 62.0), 9.0, 14.5)
"""Ball of the thumb: a cone's start, end and radii, mm."""


class Texture:
    """Band-limited noise with unit variance: seeded plane waves, the same at every sampling.

    Args:
        rng: Source of the waves.
        across: Shortest and longest wavelength across the bone, mm.
        along: Shortest and longest wavelength along the bone, mm.
        waves: How many plane waves are added.
    """

    def __init__(
        self, rng: np.random.Generator, across: tuple[float, float], along: tuple[float, float], waves: int
    ) -> None:
        turn, phase = rng.uniform(0, 2 * np.pi, (2, waves))
        radial, axial = 2 * np.pi / rng.uniform(*across, waves), 2 * np.pi / rng.uniform(*along, waves)
        sign = rng.choice([-1.0, 1.0], waves)
        waves_xyz = (radial * np.cos(turn), radial * np.sin(turn), sign * axial)
        self._waves = np.stack([*waves_xyz, phase], axis=1).astype(np.float32)

    def __call__(self, x: Any, y: Any, z: Any) -> NDArray[np.float32]:
        """Noise at points in mm."""
        total = 0.0
        for wave_x, wave_y, wave_z, phase in self._waves:
            total = total + np.cos(wave_x * x + wave_y * y + (wave_z * z + phase))
        return total * np.float32(np.sqrt(2.0 / len(self._waves)))


def coverage(field: NDArray[Any], width: float) -> NDArray[np.float32]:
    """Share of a voxel of ``width`` mm that lies inside the surface (partial volume), 0..1."""
    return np.clip(0.5 - field / np.float32(width), 0.0, 1.0).astype(np.float32)


def blend(below: NDArray[Any], above: Any, share: NDArray[Any]) -> NDArray[np.float32]:
    """``above`` painted over ``below`` with opacity ``share``."""
    return below + share * (above - below)


def skin_field(shape: ForearmShape, x: Any, y: Any, z: Any, thumb: bool) -> NDArray[np.float32]:
    """Signed distance to the skin, mm: a sleeve that swells with the muscles, and the ball of the thumb."""
    sleeve = _sleeve(shape, x, y, z)
    if not thumb:
        return sleeve
    ball = cone(*(np.array(end) * shape.size for end in THENAR[:2]), *(shape.size * radius for radius in THENAR[2:]))
    return smooth_min(sleeve, ball(x, y, z), 14.0).astype(np.float32)


def _sleeve(shape: ForearmShape, x: Any, y: Any, z: Any) -> NDArray[np.float32]:
    return sleeve(ENVELOPE * shape.size, shape.wrist_fat - 3.0, x, y, z)


def sleeve(envelope: Any, extra: float, x: Any, y: Any, z: Any) -> NDArray[np.float32]:
    """Signed distance to a limb's skin, mm.

    Args:
        envelope: (N, 5) z, half width, half depth, centre x, centre y, mm; constant beyond its ends.
        extra: Added to both half axes, mm.
        x, y, z: Coordinates, mm.
    """
    profile = PchipInterpolator(envelope[:, 0], envelope[:, 1:])(np.clip(z, envelope[0, 0], envelope[-1, 0]))
    half_x, half_y, centre_x, centre_y = np.moveaxis(profile, -1, 0).astype(np.float32)
    half_x, half_y = half_x + np.float32(extra), half_y + np.float32(extra)
    u, v = np.abs(x - centre_x) / half_x, np.abs(y - centre_y) / half_y
    norm = np.sqrt(np.sqrt(u * u * u * u + v * v * v * v + 1.1 * u * u * v * v) + 1e-6)
    slope = np.sqrt((u / half_x) ** 2 + (v / half_y) ** 2) / norm + 1e-4
    return ((norm - 1.0) / slope).astype(np.float32)


def air(rng: np.random.Generator, x: Any, y: Any, z: Any, width: float) -> NDArray[np.float32]:
    """No soft tissue: HU of air at open grid coordinates (mm); draws nothing from ``rng``."""
    return np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), AIR, dtype=np.float32)


def forearm_background(
    shape: ForearmShape, rng: np.random.Generator, x: Any, y: Any, z: Any, width: float, hand: bool
) -> NDArray[np.float32]:
    """HU of a forearm's skin, fat and muscle at coordinates in mm."""
    skin = skin_field(shape, x, y, z, hand)
    muscular = np.clip((-z - 20.0) / 60.0, 0.0, 1.0)
    return soft_tissue_hu(rng, x, y, z, skin, shape.wrist_fat, muscular, width)


def soft_tissue_hu(
    rng: np.random.Generator, x: Any, y: Any, z: Any, skin: NDArray[Any], fat: float, muscular: Any, width: float
) -> NDArray[np.float32]:
    """HU of everything but bone.

    Args:
        rng: Source of the texture.
        x, y, z: Coordinates, mm.
        skin: Signed distance to the skin, mm.
        fat: Thickness of the subcutaneous fat, mm.
        muscular: How muscular it is inside, from 0 (tendons) to 1.
        width: Voxel width, mm.
    """
    coarse = Texture(rng, (6.0, 16.0), (40.0, 90.0), 6)
    pattern = coarse(x, y, z)
    inside = TENDON + (MUSCLE - TENDON) * muscular + 7.0 * np.clip(pattern, -2, 2)
    hu = blend(np.full_like(skin, AIR), SKIN, coverage(skin, width))
    hu = blend(hu, FAT, coverage(skin + SKIN_THICKNESS, width))
    return blend(hu, inside, coverage(skin + fat + SKIN_THICKNESS, width))


def long_bone_hu(
    shape: Any, texture: Texture, x: Any, y: Any, z: Any, field: Any, joint: Any, flare: float, width: float
) -> NDArray[np.float32]:
    """HU inside a long bone: cortex that thickens to the shaft, trabeculae that fade into marrow.

    Args:
        shape: The person: cortex and metaphyseal_cortex (mm), trabecular_hu.
        texture: Pattern of the trabeculae.
        x, y, z: Coordinates, mm.
        field: Signed distance to the bone's surface, mm.
        joint: Signed height above the joint surface, under which lies a dense plate, mm.
        flare: How far the metaphysis reaches proximally, mm (about 40 in the radius).
        width: Voxel width, mm.
    """
    shaft = np.clip((-z - 0.30 * flare) / (0.85 * flare), 0.0, 1.0).astype(np.float32)
    thickness = shape.metaphyseal_cortex + (shape.cortex - shape.metaphyseal_cortex) * shaft * shaft * (3 - 2 * shaft)
    inner = np.maximum(field + thickness, joint + 1.5)
    cancellous = np.clip(1.0 - (-z - 0.25 * flare) / (0.75 * flare), 0.0, 1.0).astype(np.float32)
    denser = 0.8 + 0.6 * np.exp(np.minimum(joint, 0.0) / 7.0)
    pattern = 1.0 + 0.55 * texture(x, y, z)
    inside = MARROW + (shape.trabecular_hu * denser * np.clip(pattern, 0.05, 2.6) - MARROW) * cancellous
    cortical = CORTICAL_THIN + (CORTICAL - CORTICAL_THIN) * np.clip(2 * shaft, 0, 1)
    return blend(cortical + np.zeros_like(field), inside, coverage(inner, width))


def short_bone_hu(
    cortex: float,
    texture: Texture,
    x: Any,
    y: Any,
    z: Any,
    field: NDArray[Any],
    width: float,
    trabecular: float = CARPAL_TRABECULAR,
) -> NDArray[np.float32]:
    """HU inside a short or flat bone: a thin cortex (mm) around trabecular bone of a given mean HU."""
    inside = trabecular * np.clip(1.0 + 0.45 * texture(x, y, z), 0.1, 2.4)
    return blend(np.full_like(field, CORTICAL_THIN), inside, coverage(field + cortex, width))
