"""Make both hips of one synthetic person: femora, hemipelves and sacrum as an AP pelvis radiograph shows them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import ellipsoid, grid_block, smooth_max, smooth_min
from XRayTo3DLib.dataset.phantoms.forearm import PhantomCase, checked_spacing
from XRayTo3DLib.dataset.phantoms.hip import make_hip_parts
from XRayTo3DLib.dataset.phantoms.hips_shape import HipsShape
from XRayTo3DLib.dataset.phantoms.leg_landmarks import hip_landmarks
from XRayTo3DLib.dataset.phantoms.leg_shapes import HIP_POPULATION, HipShape
from XRayTo3DLib.dataset.phantoms.meshing import mesh_parts
from XRayTo3DLib.dataset.phantoms.render import Scene, render_ct
from XRayTo3DLib.dataset.phantoms.sacrum import make_sacrum_parts
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

HIPS_LABELS = {"femur_right": 1, "pelvis_right": 2, "femur_left": 3, "pelvis_left": 4, "sacrum": 5}
REACH = (-265.0, 240.0)
"""Where femora and body end, mm below and above the heads: outside an AP pelvis radiograph."""
HALF_WIDTH, FRONT, BACK = 196.0, -118.0, 116.0
"""The volume of a mean adult round the midpoint of the heads, mm."""
SIGNS = {"right": 1.0, "left": -1.0}
MEAN_FAT = HIP_POPULATION["fat"].mean
# z, half width, half depth, centre x, centre y of the skin of trunk and right thigh of a mean adult, mm
TRUNK = np.array([
    (-90.0, 160.0, 92.0, 0.0, 14.0),
    (-40.0, 176.0, 101.0, 0.0, 14.0),
    (10.0, 178.0, 108.0, 0.0, 12.0),
    (70.0, 172.0, 109.0, 0.0, 8.0),
    (120.0, 160.0, 104.0, 0.0, 2.0),
    (180.0, 148.0, 99.0, 0.0, -4.0),
    (240.0, 150.0, 102.0, 0.0, -6.0),
])  # fmt: skip
THIGH = np.array([
    (-250.0, 70.0, 76.0, -104.0, 6.0),
    (-160.0, 79.0, 84.0, -98.0, 8.0),
    (-80.0, 86.0, 92.0, -93.0, 12.0),
    (-30.0, 83.0, 90.0, -92.0, 14.0),
    (10.0, 74.0, 78.0, -90.0, 14.0),
    (60.0, 40.0, 40.0, -84.0, 14.0),
])  # fmt: skip
CROTCH = -78.0
"""Where the trunk ends between the thighs, mm."""
TABLE = 108.0
"""Where the back lies flat on the table, mm behind the heads."""
GAS_HU = -820.0
"""Bowel gas, partly faeces."""


def make_hips(
    shape: HipsShape | None = None,
    spacing: float | tuple[float, float, float] = 1.5,
    seed: int = 0,
    *,
    soft_tissue: bool = True,
    mesh_spacing: float = 1.5,
    name: str = "hips",
) -> PhantomCase:
    """Make both hips of one SYNTHETIC person: the labels of :data:`HIPS_LABELS`.

    Frame LPS mm as of a standing patient: origin midway between the (unworn) femoral heads, +x to the patient's left,
    +y to the back, +z up. The femora are cut 265 mm below the heads; sacrum, coccyx and L5 to L2 share one
    label.

    Args:
        shape: The person; the mean adult if ``None``.
        spacing: Voxel size, one number or (x, y, z), mm.
        seed: Seed of the texture of bone and muscle and of the bowel gas; the bones' shape does not depend on it.
        soft_tissue: Skin, fat, muscle and some bowel gas around the bones, or air.
        mesh_spacing: Sampling of the meshes, mm.
        name: Short name.

    Raises:
        InputError: Spacing out of range.
    """
    shape = HipsShape() if shape is None else shape
    steps = checked_spacing(spacing, mesh_spacing)
    parts = make_hips_parts(shape)
    size = _size(shape)
    extra = max(shape.fat - MEAN_FAT, 0.0)
    low = np.array([-HALF_WIDTH * size - extra, FRONT * size - extra, REACH[0]])
    high = np.array([HALF_WIDTH * size + extra, BACK * size, REACH[1]])
    background = partial(_soft_tissue, shape) if soft_tissue else tissue.air
    meshes = mesh_parts(parts, 1.0, mesh_spacing)
    # Waves shorter than two voxels would show as stripes.
    finest = max(1.2, 2.2 * float(steps.max()))
    texture = ((finest, max(4.0, 2.0 * finest)), (max(4.0, finest), 16.0))
    scene = Scene(parts, HIPS_LABELS, steps, low, high, 1.0, background, texture)
    hu, labels, voxel_to_lps = render_ct(scene, seed)
    notes = (
        f"SYNTHETIC hips phantom ({shape.group}): computed from parameters, no patient and no real anatomy.",
        "LPS mm as of a standing patient: +x to the patient's left, +y to the back, +z up.",
    )
    ct = CtVolume(hu, voxel_to_lps, labels, dict(HIPS_LABELS), name, notes, synthetic=True)
    return PhantomCase(shape, ct, _landmarks(shape, meshes), meshes, seed, name)


def make_hips_parts(shape: HipsShape) -> list[Part]:
    """The bones round the midpoint of the heads, LPS mm; both hemipelves leave a gap at the symphysis."""
    parts = [part for side in (shape.right, shape.left) for part in _side_parts(side)]
    ilia = [part.field for part in parts if part.label.startswith("pelvis")]
    scale = shape.half_pelvis / HIP_POPULATION["half_pelvis"].mean
    return parts + make_sacrum_parts(scale, ilia, shape.right.trabecular_hu)


def _side_parts(shape: HipShape) -> list[Part]:
    """Femur and hemipelvis of one side, moved from the frame of a right hip to the person's."""
    sign, half = SIGNS[shape.side], shape.half_pelvis

    def moved(part: Part) -> Part:
        ends = np.sort([sign * (part.low[0] - half), sign * (part.high[0] - half)])
        low, high = np.array([ends[0], *part.low[1:]]), np.array([ends[1], *part.high[1:]])

        def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
            return part.field(sign * x + half, y, z)

        def hounsfield(texture: Any, x: Any, y: Any, z: Any, values: Any, width: float) -> Any:
            return part.hounsfield(texture, sign * x + half, y, z, values, width)

        return Part(f"{part.label}_{shape.side}", field, low, high, hounsfield)

    return [moved(part) for part in make_hip_parts(shape, -REACH[0])]


def _landmarks(shape: HipsShape, meshes: Any) -> dict[str, FloatArray]:
    """Landmarks of both hips, LPS mm, each named with its side."""
    landmarks = {}
    for side, sign in SIGNS.items():
        centre = np.array([-sign * shape.half_pelvis, 0.0, 0.0])
        mirror = np.array([sign, 1.0, 1.0])
        points = {bone: (points_of(meshes[f"{bone}_{side}"]) - centre) * mirror for bone in ("femur", "pelvis")}
        found = hip_landmarks(points)
        landmarks |= {f"{landmark} {side}": point * mirror + centre for landmark, point in found.items()}
    return landmarks


def _size(shape: HipsShape) -> float:
    return max(shape.size, shape.half_pelvis / HIP_POPULATION["half_pelvis"].mean)


def _soft_tissue(shape: HipsShape, rng: np.random.Generator, x: Any, y: Any, z: Any, width: float) -> Any:
    """HU of skin, fat, muscle and bowel gas at open grid coordinates, mm."""
    size, extra = _size(shape), shape.fat - MEAN_FAT
    across = np.array([1.0, size, size, size, size])
    trunk = smooth_max(tissue.sleeve(TRUNK * across, extra, x, y, z), CROTCH - z, 30.0)
    skin = trunk
    low = grid_block(x, y, z, (-1e4, -1e4, -1e4), (1e4, 1e4, 70.0))
    for sign in SIGNS.values():
        thigh = tissue.sleeve(THIGH * across, extra, sign * x, y, z[low[0]])
        thigh = smooth_max(thigh, z[low[0]] - 50.0, 10.0)
        skin[low] = smooth_min(skin[low], thigh, 24.0)
    skin = smooth_max(skin, y - TABLE * size, 25.0)
    hu = tissue.soft_tissue_hu(rng, x, y, z, skin, shape.fat, 1.0, width)
    for middle, radius in _gas(rng, size):
        near = grid_block(x, y, z, middle - radius - width, middle + radius + width)
        bubble = ellipsoid(middle, radius)(x[:, :, near[2]], y[:, near[1], :], z[near[0]])
        hu[near] = tissue.blend(hu[near], GAS_HU, tissue.coverage(bubble, width))
    return hu


def _gas(rng: np.random.Generator, size: float) -> list[tuple[FloatArray, FloatArray]]:
    """Bubbles of bowel gas, some of them in the rectum: centre and half axes, mm."""
    count = int(rng.integers(3, 11))
    middles = rng.uniform((-60.0, -45.0, 70.0), (60.0, 5.0, 215.0), (count, 3))
    middles[: count // 3] = rng.uniform((-12.0, 35.0, 25.0), (12.0, 50.0, 45.0), (count // 3, 3))
    radii = rng.uniform((7.0, 6.0, 6.0), (20.0, 11.0, 15.0), (count, 3))
    return [(size * middle, size * radius) for middle, radius in zip(middles, radii, strict=True)]
