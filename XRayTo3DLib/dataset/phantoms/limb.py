"""Make one synthetic knee or hip: a CT with label map, landmarks and meshes of the same implicit surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.fields import ellipsoid, grid_block
from XRayTo3DLib.dataset.phantoms.forearm import PhantomCase, checked_spacing
from XRayTo3DLib.dataset.phantoms.hip import make_hip_parts
from XRayTo3DLib.dataset.phantoms.knee import make_knee_parts
from XRayTo3DLib.dataset.phantoms.leg_landmarks import hip_landmarks, knee_landmarks
from XRayTo3DLib.dataset.phantoms.leg_shapes import HIP_POPULATION, HipShape, KneeShape
from XRayTo3DLib.dataset.phantoms.meshing import mesh_parts
from XRayTo3DLib.dataset.phantoms.render import Scene, render_ct
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

KNEE_LABELS = {"femur": 1, "tibia": 2, "patella": 3, "fibula": 4}
HIP_LABELS = {"femur": 1, "pelvis": 2}
KNEE_REACH = 145.0
"""How far the knee's volume reaches above and below the joint line, mm."""
HIP_BOX = np.array([[-122.0, -86.0, -145.0], [114.0, 122.0, 150.0]])
"""Corners of the hip's volume for a mean adult's right hip, mm."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """Soft tissue of a region of a mean adult, in the frame of a right limb.

    Attributes:
        skin: (N, 5) z, half width, half depth, centre x, centre y of the skin, mm.
        joint: Half length of the part around z = 0 that has tendons instead of muscle, mm; 0 for none.
        fat_pads: Ellipsoids (centre, half axes), mm.
        fat: Fat that ``skin`` was drawn for, mm.
    """

    skin: FloatArray
    joint: float
    fat_pads: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]
    fat: float


KNEE_ENVELOPE = Envelope(
    np.array([
        (-145.0, 54.0, 56.0, -6.0, 23.0),
        (-100.0, 55.0, 55.0, -6.0, 22.0),
        (-60.0, 52.0, 50.5, -3.0, 16.0),
        (-38.0, 51.0, 49.0, -1.5, 12.5),
        (-10.0, 52.0, 52.0, 0.0, 6.0),
        (12.0, 54.0, 56.5, 0.0, 1.0),
        (32.0, 56.0, 61.0, 0.0, 0.5),
        (60.0, 58.5, 62.0, -3.0, 2.0),
        (100.0, 65.0, 68.0, -9.0, 4.0),
        (145.0, 71.0, 73.0, -14.0, 5.0),
    ]),
    70.0,
    (((-1.0, -27.0, 1.0), (20.0, 12.0, 15.0)), ((-2.0, -33.0, 60.0), (15.0, 5.0, 11.0)),
     ((-2.0, 40.0, 26.0), (15.0, 13.0, 38.0))),
    7.0,
)  # fmt: skip
HIP_ENVELOPE = Envelope(
    np.array([
        (-150.0, 84.0, 80.0, -24.0, 2.0),
        (-100.0, 92.0, 83.0, -20.0, 3.0),
        (-60.0, 104.0, 89.0, -8.0, 8.0),
        (0.0, 110.0, 96.0, -2.0, 14.0),
        (60.0, 105.0, 99.0, 4.0, 18.0),
        (105.0, 99.0, 99.0, 8.0, 18.0),
        (155.0, 95.0, 96.0, 12.0, 17.0),
    ]),
    0.0,
    (),
    18.0,
)  # fmt: skip


def make_knee(
    shape: KneeShape | None = None,
    spacing: float | tuple[float, float, float] = 0.8,
    seed: int = 0,
    *,
    soft_tissue: bool = True,
    mesh_spacing: float = 0.8,
    name: str = "knee",
) -> PhantomCase:
    """Make a SYNTHETIC knee in extension: labels femur 1, tibia 2, patella 3, fibula 4.

    Frame LPS mm as of a standing patient: origin in the middle of the joint line, +x to the patient's left, +y to
    the back, +z up. Femur and lower leg are cut 145 mm above and below the joint line. The left knee is the right
    one mirrored.

    Args:
        shape: The person; the mean adult's right knee if ``None``.
        spacing: Voxel size, one number or (x, y, z), mm.
        seed: Seed of the trabecular and muscle texture; the shape does not depend on it.
        soft_tissue: Skin, fat and muscle around the bones, or air.
        mesh_spacing: Sampling of the meshes, mm.
        name: Short name.

    Raises:
        InputError: Spacing out of range.
    """
    shape = KneeShape() if shape is None else shape
    steps = checked_spacing(spacing, mesh_spacing)
    parts = make_knee_parts(shape, KNEE_REACH, KNEE_REACH)
    wide = 78.0 * shape.size + shape.fat
    low = np.array([-wide - 10.0, -70.0 * shape.size - shape.fat, -KNEE_REACH])
    high = np.array([wide - 12.0, 80.0 * shape.size + shape.fat, KNEE_REACH])
    background = partial(_soft_tissue, KNEE_ENVELOPE, shape) if soft_tissue else tissue.air
    scene = Scene(parts, KNEE_LABELS, steps, low, high, _mirror(shape), background)
    return _make_case(shape, scene, seed, mesh_spacing, name)


def make_hip(
    shape: HipShape | None = None,
    spacing: float | tuple[float, float, float] = 0.8,
    seed: int = 0,
    *,
    soft_tissue: bool = True,
    mesh_spacing: float = 1.0,
    name: str = "hip",
) -> PhantomCase:
    """Make a SYNTHETIC hip: proximal femur (label 1) and hemipelvis (label 2).

    Frame LPS mm as of a standing patient: origin at the centre of the femoral head, +x to the patient's left, +y to
    the back, +z up. The femur is cut 145 mm below the head's centre; the body is closed behind the midline.

    Args:
        shape: The person; the mean adult's right hip if ``None``.
        spacing: Voxel size, one number or (x, y, z), mm.
        seed: Seed of the trabecular and muscle texture; the shape does not depend on it.
        soft_tissue: Skin, fat and muscle around the bones, or air.
        mesh_spacing: Sampling of the meshes, mm.
        name: Short name.

    Raises:
        InputError: Spacing out of range.
    """
    shape = HipShape() if shape is None else shape
    steps = checked_spacing(spacing, mesh_spacing)
    low, high = HIP_BOX * max(shape.size, shape.half_pelvis / HIP_POPULATION["half_pelvis"].mean)
    low[2], high[2] = HIP_BOX[0, 2], max(high[2], HIP_BOX[1, 2])
    extra = np.array([1.0, 1.0, 0.0]) * max(shape.fat - HIP_ENVELOPE.fat, 0.0)
    background = partial(_soft_tissue, HIP_ENVELOPE, shape) if soft_tissue else tissue.air
    parts = make_hip_parts(shape, -float(low[2]))
    scene = Scene(parts, HIP_LABELS, steps, low - extra, high + extra, _mirror(shape), background)
    return _make_case(shape, scene, seed, mesh_spacing, name)


def _mirror(shape: KneeShape | HipShape) -> float:
    return 1.0 if shape.side == "right" else -1.0


def _make_case(shape: KneeShape | HipShape, scene: Scene, seed: int, mesh_spacing: float, name: str) -> PhantomCase:
    meshes = mesh_parts(scene.parts, scene.mirror, mesh_spacing)
    mirror = np.array([scene.mirror, 1.0, 1.0])
    points = {bone: points_of(mesh) * mirror for bone, mesh in meshes.items()}
    found = knee_landmarks(points) if isinstance(shape, KneeShape) else hip_landmarks(points)
    landmarks = {landmark: point * mirror for landmark, point in found.items()}
    hu, labels, voxel_to_lps = render_ct(scene, seed)
    notes = (
        f"SYNTHETIC {shape.region} phantom: computed from parameters, no patient and no real anatomy.",
        "LPS mm as of a standing patient: +x to the patient's left, +y to the back, +z up.",
    )
    ct = CtVolume(hu, voxel_to_lps, labels, dict(scene.label_values), name, notes, synthetic=True)
    return PhantomCase(shape, ct, landmarks, meshes, seed, name)


def _soft_tissue(
    envelope: Envelope, shape: Any, rng: np.random.Generator, x: Any, y: Any, z: Any, width: float
) -> NDArray[np.float32]:
    """HU of skin, fat and muscle at open grid coordinates of a right limb, mm."""
    size = shape.size
    skin = tissue.sleeve(envelope.skin * size, shape.fat - envelope.fat, x, y, z)
    muscular = np.clip(np.abs(z) / size / envelope.joint - 0.25, 0.0, 1.0) if envelope.joint else 1.0
    hu = tissue.soft_tissue_hu(rng, x, y, z, skin, shape.fat, muscular, width)
    for middle, radii in envelope.fat_pads:
        at, reach = np.array(middle) * size, np.array(radii) * size
        near = grid_block(x, y, z, at - reach - 2 * width, at + reach + 2 * width)
        pad = ellipsoid(at, reach)
        values = pad(x[:, :, near[2]], y[:, near[1], :], z[near[0]])
        hu[near] = tissue.blend(hu[near], tissue.FAT, tissue.coverage(values, 4.0 * width))
    return hu
