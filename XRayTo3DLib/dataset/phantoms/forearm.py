"""Make one synthetic forearm: a CT with label map, landmarks and meshes of the same implicit surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import make_anatomy
from XRayTo3DLib.dataset.phantoms.carpals import DISTAL_END
from XRayTo3DLib.dataset.phantoms.hips_shape import HipsShape
from XRayTo3DLib.dataset.phantoms.landmarks import find_landmarks
from XRayTo3DLib.dataset.phantoms.meshing import mesh_parts
from XRayTo3DLib.dataset.phantoms.render import LABELS, Scene, render_ct
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape, PersonShape
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

SYNTHETIC_NOTE = "SYNTHETIC forearm phantom: computed from parameters, no patient and no real anatomy."
FRAME_NOTE = "LPS mm: +z distal, -y volar (palm forward, hand raised); radial is +x in a right, -x in a left forearm."
MINIMUM_LENGTH, MAXIMUM_LENGTH = 60.0, 200.0
LARGEST_TURN = 60.0
"""Beyond it the ulna would run into the radius' shaft, degrees."""


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """A synthetic forearm, knee, hip or both hips, in LPS mm.

    A forearm's origin is the centre of the radius' joint surface, +z distal, -y volar: the hand is raised with the
    palm forward, radial is +x in a right forearm and -x in a left one. Knee and hip: see :func:`make_knee`,
    :func:`make_hip`.

    Attributes:
        shape: The parameters it was made from.
        ct: HU and labels, in a forearm radius 1, ulna 2, carpals 3.
        landmarks: Name to point (3,), LPS mm.
        meshes: By bone ("radius", "ulna" and, if asked for, "carpals"): closed surfaces, LPS mm, outward normals.
        seed: Seed of the texture.
        name: Short name.
        forearm_turn_deg: How far a forearm's ulna is turned, see :func:`make_forearm`.
        synthetic: Always true.
    """

    shape: PersonShape | HipsShape
    ct: CtVolume
    landmarks: dict[str, FloatArray]
    meshes: dict[str, vtkPolyData]
    seed: int = 0
    name: str = "phantom"
    forearm_turn_deg: float = 0.0
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
    forearm_turn_deg: float = 0.0,
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
        forearm_turn_deg: Pro- or supination: the ulna turned about the axis through its head along z, degrees, as
            seen on a right forearm from its hand: positive turns its radial side dorsally; at most 60 either way.

    Raises:
        InputError: Spacing, length or turn out of range.
    """
    shape = ForearmShape() if shape is None else shape
    steps = checked_spacing(spacing, mesh_spacing)
    if not MINIMUM_LENGTH <= length_mm <= MAXIMUM_LENGTH:
        raise InputError(f"phantom length {length_mm:g} mm is outside {MINIMUM_LENGTH:g} to {MAXIMUM_LENGTH:g} mm.")
    if not abs(forearm_turn_deg) <= LARGEST_TURN:
        raise InputError(f"phantom forearm turn {forearm_turn_deg:g} deg is outside +-{LARGEST_TURN:g} deg.")
    anatomy = make_anatomy(shape, length_mm, carpals, forearm_turn_deg)
    mirror = np.array([1.0 if shape.side == "right" else -1.0, 1.0, 1.0])
    meshes = mesh_parts(anatomy.parts, float(mirror[0]), mesh_spacing)
    points = {bone: points_of(meshes[bone]) * mirror for bone in ("radius", "ulna")}
    found = find_landmarks(anatomy.radius, anatomy.ulna, points, length_mm)
    landmarks = {landmark: point * mirror for landmark, point in found.items()}
    low, high = _box(shape.size, length_mm, carpals)
    background = partial(tissue.forearm_background, shape, hand=carpals) if soft_tissue else tissue.air
    scene = Scene(anatomy.parts, LABELS, steps, low, high, float(mirror[0]), background)
    hu, labels, voxel_to_lps = render_ct(scene, seed)
    names = {bone: value for bone, value in LABELS.items() if bone in meshes}
    ct = CtVolume(hu, voxel_to_lps, labels, names, name, (SYNTHETIC_NOTE, FRAME_NOTE), synthetic=True)
    return PhantomCase(shape, ct, landmarks, meshes, seed, name, forearm_turn_deg)


def _box(size: float, length: float, hand: bool) -> tuple[FloatArray, FloatArray]:
    """Corners of the volume of a right forearm, mm; it begins exactly at the proximal cut."""
    low = np.array([-53.0 * size, -36.0 * size, -length])
    return low, np.array([(56.0 if hand else 38.0) * size, 34.0 * size, (DISTAL_END if hand else 18.0) * size])


def checked_spacing(spacing: float | tuple[float, float, float], mesh_spacing: float) -> FloatArray:
    """Voxel size (3,) mm of a phantom.

    Raises:
        InputError: Voxels outside 0.1 to 5 mm or meshes outside 0.1 to 3 mm.
    """
    steps = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,))
    if not np.all((steps >= 0.1) & (steps <= 5.0)) or not 0.1 <= mesh_spacing <= 3.0:
        raise InputError(f"phantom spacing {spacing} mm cannot be used; give 0.1 to 5 mm (meshes 0.1 to 3 mm).")
    return steps
