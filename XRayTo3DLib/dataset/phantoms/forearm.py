"""Make one synthetic forearm: a CT with label map, landmarks and meshes of the same implicit surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.fields import Field
from XRayTo3DLib.dataset.phantoms.landmarks import find_landmarks
from XRayTo3DLib.dataset.phantoms.meshing import mesh_field, mesh_points
from XRayTo3DLib.dataset.phantoms.radius import Radius, make_radius
from XRayTo3DLib.dataset.phantoms.shape import ForearmShape
from XRayTo3DLib.dataset.phantoms.ulna import Ulna, make_ulna
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume

if TYPE_CHECKING:
    import vtk

LABELS = {"radius": 1, "ulna": 2, "carpals": 3}
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
    meshes: dict[str, vtk.vtkPolyData]
    seed: int = 0
    name: str = "phantom"
    synthetic: bool = field(default=True, init=False)


@dataclass(frozen=True, eq=False)
class _Bones:
    """The implicit bones of one right forearm and the sign that mirrors x for a left one."""

    radius: Radius
    ulna: Ulna
    mirror: float

    def boxes(self, length: float) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Lower and upper corner (3,) of each bone, LPS mm."""
        result = {}
        for name, bone in (("radius", self.radius), ("ulna", self.ulna)):
            low, high = np.array([*bone.box[0], -length]), np.array([*bone.box[1], bone.top])
            if self.mirror < 0:
                low[0], high[0] = -high[0], -low[0]
            result[name] = (low, high)
        return result

    def field(self, name: str) -> Field:
        """The bone's field in LPS mm."""
        bone = {"radius": self.radius, "ulna": self.ulna}[name]
        return lambda x, y, z: bone(self.mirror * x, y, z)


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
    radius = make_radius(shape)
    bones = _Bones(radius, make_ulna(shape, radius), 1.0 if shape.side == "right" else -1.0)
    boxes = bones.boxes(length_mm)
    meshes = {bone: mesh_field(bones.field(bone), *boxes[bone], mesh_spacing) for bone in boxes}
    flip = np.array([bones.mirror, 1.0, 1.0])
    points = {bone: mesh_points(mesh) * flip for bone, mesh in meshes.items()}
    landmarks = {key: point * flip for key, point in find_landmarks(radius, bones.ulna, points, length_mm).items()}
    ct = _render_ct(shape, bones, steps, length_mm, seed, soft_tissue, name)
    return PhantomCase(shape, ct, landmarks, meshes, seed, name)


def _checked_spacing(spacing: Any, length: float, mesh_spacing: float) -> FloatArray:
    steps = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,))
    if not np.all((steps >= 0.1) & (steps <= 5.0)) or not 0.1 <= mesh_spacing <= 3.0:
        raise InputError(f"phantom spacing {spacing} mm cannot be used; give 0.1 to 5 mm (meshes 0.1 to 3 mm).")
    if not MINIMUM_LENGTH <= length <= MAXIMUM_LENGTH:
        raise InputError(f"phantom length {length:g} mm is outside {MINIMUM_LENGTH:g} to {MAXIMUM_LENGTH:g} mm.")
    return steps


def _render_ct(
    shape: ForearmShape, bones: _Bones, steps: FloatArray, length: float, seed: int, soft_tissue: bool, name: str
) -> CtVolume:
    axes = _grid(shape, bones, steps, length)
    width = float(np.prod(steps) ** (1 / 3))
    rng = np.random.default_rng(seed)
    hu = _background(shape, rng, axes, bones.mirror, width, soft_tissue)
    labels = np.zeros(hu.shape, dtype=np.uint8)
    for bone, (low, high) in bones.boxes(length).items():
        texture = tissue.Texture(rng, (1.1, 3.2), (5.0, 16.0), 28)
        _paint_long_bone(hu, labels, axes, bones, bone, low, high, shape, texture, width)
    matrix = np.diag([*steps, 1.0])
    matrix[:3, 3] = [axis[0] for axis in axes]
    names = {bone: LABELS[bone] for bone in LABELS if np.any(labels == LABELS[bone])}
    return CtVolume(hu, matrix, labels, names, name, (SYNTHETIC_NOTE, FRAME_NOTE), synthetic=True)


def _grid(shape: ForearmShape, bones: _Bones, steps: FloatArray, length: float) -> list[FloatArray]:
    """Voxel centres along x, y, z; the first slice begins exactly at the proximal cut."""
    half_x, half_y, centre_x = 44.0 * shape.size, 32.0 * shape.size, -8.0 * bones.mirror * shape.size
    low, high = np.array([centre_x - half_x, -half_y, -length]), np.array([centre_x + half_x, half_y, 18.0])
    counts = np.ceil((high - low) / steps).astype(int)
    return [low[axis] + steps[axis] * (np.arange(counts[axis]) + 0.5) for axis in range(3)]


def _background(
    shape: ForearmShape, rng: np.random.Generator, axes: Any, mirror: float, width: float, soft_tissue: bool
) -> NDArray[np.float32]:
    x, y, z = _mesh_axes(axes, mirror)
    if not soft_tissue:
        return np.full((z.size, y.size, x.size), tissue.AIR, dtype=np.float32)
    skin = tissue.skin_field(shape, x, y, z)
    return tissue.soft_tissue_hu(shape, rng, x, y, z, skin, width)


def _mesh_axes(axes: Any, mirror: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, y, z = (axis.astype(np.float32) for axis in axes)
    return (np.float32(mirror) * x)[None, None, :], y[None, :, None], z[:, None, None]


def _block(axes: Any, low: FloatArray, high: FloatArray) -> tuple[tuple[slice, ...], list[FloatArray]]:
    """Slices (z, y, x) of the voxels inside a box and their coordinates along x, y, z."""
    ranges = [
        slice(int(np.searchsorted(axis, least)), int(np.searchsorted(axis, most)))
        for axis, least, most in zip(axes, low, high, strict=True)
    ]
    return tuple(ranges[::-1]), [axis[part] for axis, part in zip(axes, ranges, strict=True)]


def _paint_long_bone(
    hu: Any, labels: Any, axes: Any, bones: _Bones, name: str, low: Any, high: Any, shape: Any, texture: Any, width: Any
) -> None:
    where, local = _block(axes, low - 2 * width, high + 2 * width)
    x, y, z = _mesh_axes(local, bones.mirror)
    bone = bones.radius if name == "radius" else bones.ulna
    values = bone(x, y, z).astype(np.float32)
    near = np.nonzero(values < width)
    x, y, z = x[0, 0, near[2]], y[0, near[1], 0], z[near[0], 0, 0]
    close = values[near]
    flare = 42.0 * shape.size * shape.flare_length * (1.0 if name == "radius" else 0.75)
    inside = tissue.long_bone_hu(shape, texture, x, y, z, close, bone.joint(x, y, z), flare, width)
    block = hu[where]
    block[near] = tissue.blend(block[near], inside, tissue.coverage(close, width))
    labels[where][values < 0] = LABELS[name]
