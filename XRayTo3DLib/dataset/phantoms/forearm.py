"""Make one synthetic forearm: a CT with label map, landmarks and meshes of the same implicit surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.phantoms.anatomy import Anatomy, make_anatomy
from XRayTo3DLib.dataset.phantoms.fields import Field
from XRayTo3DLib.dataset.phantoms.landmarks import find_landmarks
from XRayTo3DLib.dataset.phantoms.meshing import join_meshes, mesh_field
from XRayTo3DLib.dataset.phantoms.render import LABELS, Scene, render_ct
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

SYNTHETIC_NOTE = "SYNTHETIC forearm phantom: computed from parameters, no patient and no real anatomy."
FRAME_NOTE = "LPS mm: +z distal, -y volar (palm forward, hand raised); radial is +x in a right, -x in a left forearm."
MINIMUM_LENGTH, MAXIMUM_LENGTH = 60.0, 200.0


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """A synthetic forearm. Frame LPS mm: origin at the centre of the radius' joint surface, +z distal, -y volar.

    The hand is raised with the palm forward: radial is +x in a right forearm and -x in a left one.

    Attributes:
        shape: The parameters it was made from.
        ct: HU and labels radius 1, ulna 2, carpals 3.
        landmarks: Name to point (3,), LPS mm.
        meshes: "radius", "ulna" and, if asked for, "carpals": closed surfaces, LPS mm, outward normals.
        seed: Seed of the texture.
        name: Short name.
        synthetic: Always true.
    """

    shape: ForearmShape
    ct: CtVolume
    landmarks: dict[str, FloatArray]
    meshes: dict[str, vtkPolyData]
    seed: int = 0
    name: str = "phantom"
    synthetic: bool = field(default=True, init=False)


def make_forearm(
    shape: ForearmShape | None = None,
    *,
    spacing: float | tuple[float, float, float] = 0.6,
    length_mm: float = 110.0,
    seed: int = 0,
    soft_tissue: bool = True,
    carpals: bool = True,
    mesh_spacing: float = 0.5,
    name: str = "phantom",
) -> PhantomCase:
    """Make a SYNTHETIC distal forearm.

    Args:
        shape: The person; the mean adult's right forearm if ``None``.
        spacing: Voxel size, one number or (x, y, z), mm.
        length_mm: How much of the bones lies proximal of the joint, 60 to 200 mm.
        seed: Seed of the trabecular and muscle texture; the shape does not depend on it.
        soft_tissue: Skin, fat and muscle around the bones, or air.
        carpals: Add carpal bones and metacarpal bases.
        mesh_spacing: Sampling of the meshes, mm.
        name: Short name.

    Raises:
        InputError: Spacing or length out of range.
    """
    shape = ForearmShape() if shape is None else shape
    steps = _checked_spacing(spacing, length_mm, mesh_spacing)
    anatomy = make_anatomy(shape, length_mm, carpals)
    mirror = np.array([1.0 if shape.side == "right" else -1.0, 1.0, 1.0])
    meshes = _meshes(anatomy, mirror, mesh_spacing)
    points = {bone: points_of(meshes[bone]) * mirror for bone in ("radius", "ulna")}
    found = find_landmarks(anatomy.radius, anatomy.ulna, points, length_mm)
    landmarks = {landmark: point * mirror for landmark, point in found.items()}
    scene = Scene(shape, anatomy.parts, steps, length_mm, soft_tissue, carpals)
    hu, labels, voxel_to_lps = render_ct(scene, seed)
    names = {bone: value for bone, value in LABELS.items() if bone in meshes}
    ct = CtVolume(hu, voxel_to_lps, labels, names, name, (SYNTHETIC_NOTE, FRAME_NOTE), synthetic=True)
    return PhantomCase(shape, ct, landmarks, meshes, seed, name)


def _meshes(anatomy: Anatomy, mirror: FloatArray, spacing: float) -> dict[str, vtkPolyData]:
    grouped: dict[str, list[Any]] = {}
    for part in anatomy.parts:
        low, high = np.sort([part.low * mirror, part.high * mirror], axis=0)
        grouped.setdefault(part.label, []).append(mesh_field(_mirrored(part.field, mirror[0]), low, high, spacing))
    return {label: join_meshes(meshes) for label, meshes in grouped.items()}


def _mirrored(field: Field, sign: float) -> Field:
    return lambda x, y, z: field(sign * x, y, z)


def _checked_spacing(spacing: Any, length: float, mesh_spacing: float) -> FloatArray:
    steps = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,))
    if not np.all((steps >= 0.1) & (steps <= 5.0)) or not 0.1 <= mesh_spacing <= 3.0:
        raise InputError(f"phantom spacing {spacing} mm cannot be used; give 0.1 to 5 mm (meshes 0.1 to 3 mm).")
    if not MINIMUM_LENGTH <= length <= MAXIMUM_LENGTH:
        raise InputError(f"phantom length {length:g} mm is outside {MINIMUM_LENGTH:g} to {MAXIMUM_LENGTH:g} mm.")
    return steps
