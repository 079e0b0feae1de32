"""Femora in REAL knee CTs (``ct_extremities_sts``): bone by threshold and clean-up, and a model of such femora.

The CTs (Vallieres et al. 2015) are cropped boxes round a tumour, with slices 3.27 mm apart and no bone labels. What is
done: slices made about as thin as pixels are wide (linear), slight smoothing, bone over 200 HU, nothing below the
joint's slice (by eye), holes filled in the slices of all three planes after closing over 4 mm (also marrow that the
box' side laid open), opened over 3 mm so that patella and tibia come off; the femur is the largest part. Looked at, not
edited by hand.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    gaussian_filter,
    label,
    zoom,
)

from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.field_surface import surface_from_field
from XRayTo3DLib.shape.procrustes import aligned_shapes
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel
from XRayTo3DLib.shape.shape_intensity_of_surfaces import Filling, shape_intensity_of_surfaces

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
BONE_HU, SMOOTH_VOXELS, CLOSED_VOXELS, OPENED_VOXELS = 200.0, 0.7, 4, 3
JOINT_SLICE = {"STS_010": 51, "STS_042": 7, "STS_051": 10}
"""First slice (from below) of the femur, by eye."""
DISTAL_MM = 170.0
"""Of the model's femora, from the condyles up."""


@dataclass(frozen=True, eq=False)
class Knee:
    """A CT and its femur.

    Attributes:
        name: Of the CT.
        ct: As it was read.
        femur: Surface, LPS mm, open where the CT's box cuts it.
        low, high: (3,) corners of the CT's box, LPS mm.
        joint: (3,) middle of the femur's lowest 10 mm, at its lowest point: where a click on the joint line lies.
    """

    name: str
    ct: CtVolume
    femur: object
    low: np.ndarray
    high: np.ndarray
    joint: np.ndarray


def read_knee(name: str) -> Knee:
    """One of the three knees."""
    ct = read_ct(DATA / "ct_extremities_sts" / f"{name}_CT.nii.gz")
    factor = ct.spacing[2] / ct.spacing[0]
    count = round(ct.hu.shape[0] * factor)
    hu = zoom(ct.hu, (count / ct.hu.shape[0], 1, 1), order=1, grid_mode=False)
    step = (ct.hu.shape[0] - 1) * ct.spacing[2] / (count - 1)
    matrix = ct.voxel_to_lps.copy()
    matrix[:3, 2] *= step / ct.spacing[2]
    femur = _femur(hu, round(JOINT_SLICE[name] * ct.spacing[2] / step))
    field = gaussian_filter(femur.astype(np.float32), SMOOTH_VOXELS, mode="nearest")
    low, high = matrix[:3, 3], (matrix @ [*(np.array(hu.shape[::-1]) - 1), 1.0])[:3]
    places = np.argwhere(femur)[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    return Knee(name, ct, surface_from_field(field, matrix), low, high, joint_of(places))


def joint_of(points: np.ndarray) -> np.ndarray:
    """Middle of the lowest 10 mm, at the lowest point; +z is up."""
    lowest = points[:, 2].min()
    return np.array([*points[points[:, 2] < lowest + 10.0, :2].mean(axis=0), lowest])


def _femur(hu: np.ndarray, joint: int) -> np.ndarray:
    """(slices, rows, columns) mask of the femur."""
    bone = gaussian_filter(hu, SMOOTH_VOXELS) > BONE_HU
    bone[:joint] = False
    filled = np.logical_or.reduce([bone, *(_holes(bone, axis) for axis in range(3))])
    filled[:joint] = False
    parts, _ = label(binary_opening(filled, iterations=OPENED_VOXELS))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    # Opening rounds edges off: what lies within its reach of the femur comes back.
    return filled & binary_dilation(parts == int(np.argmax(sizes)), iterations=OPENED_VOXELS)


def _holes(bone: np.ndarray, axis: int) -> np.ndarray:
    """Holes of every slice across an axis, also those that the box' side closes: marrow that the crop laid open."""
    return np.moveaxis(np.stack([_holes_of(each) for each in np.moveaxis(bone, axis, 0)]), 0, axis)


def _holes_of(part: np.ndarray) -> np.ndarray:
    """Of one slice, closed first: thin cortex has gaps. What closing added is taken only beside a hole."""
    wide = 2 * CLOSED_VOXELS
    found = np.zeros_like(part)
    for side in ((1, 0), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 0), (0, 0)):
        bordered = np.pad(np.pad(part, side, constant_values=True), wide, mode="edge")
        closed = binary_closing(bordered, iterations=CLOSED_VOXELS)
        holes = binary_fill_holes(closed) & ~closed
        holes |= binary_dilation(holes, iterations=CLOSED_VOXELS) & closed
        rows, columns = side
        first = wide + rows[0], wide + columns[0]
        found |= holes[first[0] : first[0] + part.shape[0], first[1] : first[1] + part.shape[1]]
    return found


def femur_model(spacing_mm: float, modes: int, around: float) -> ShapeIntensityModel:
    """The distal part of six whole LEFT femora (GIAS2): x left, y back, z up; origin at the joint.

    Args:
        spacing_mm: Of its cubes.
        modes: Of shape.
        around: Attenuation of the tissue that bone displaces, 1/mm.
    """
    arrays = np.load(DATA / "femur_full_10_gias2" / "femur_left_6x.npz")
    triangles = arrays["faces"].astype(np.int64)
    shapes = _standing(aligned_shapes(arrays["vertices"].astype(float)).shapes)
    kept = shapes.mean(axis=0)[:, 2] < shapes.mean(axis=0)[:, 2].min() + DISTAL_MM
    number = np.cumsum(kept) - 1
    faces = number[triangles[kept[triangles].all(axis=1)]]
    shapes = shapes[:, kept]
    shapes = shapes - joint_of(shapes.mean(axis=0))
    filling = Filling(around=around)
    built = shape_intensity_of_surfaces(
        shapes, faces, filling=filling, spacing_mm=spacing_mm, shape_modes=modes, beyond_mm=40.0, label="femur_left"
    )
    return built.model


def mirrored(model: ShapeIntensityModel) -> ShapeIntensityModel:
    """The other side's."""
    points = model.points * np.array([-1, 1, 1], dtype=np.float32)
    return replace(model, shape=model.shape.mirrored(), points=points, _fields=None)


def _standing(shapes: np.ndarray) -> np.ndarray:
    """Whole femora (N, n, 3) with the shaft along z, the head on top and the condyles to the back (+y)."""
    mean = shapes.mean(axis=0)
    up = np.linalg.svd(mean - mean.mean(axis=0), full_matrices=False)[2][0]
    along = (mean - mean.mean(axis=0)) @ up
    reach = np.ptp(along)
    ends = [mean[along < along.min() + 0.08 * reach], mean[along > along.max() - 0.08 * reach]]
    # The condyles are the wider end.
    up = up if np.ptp(ends[0], axis=0).max() > np.ptp(ends[1], axis=0).max() else -up
    along = (mean - mean.mean(axis=0)) @ up
    low = along < along.min() + 0.08 * reach
    shaft = np.abs(along) < 0.15 * reach
    across = mean[low] - mean[low].mean(axis=0)
    across = across - np.outer(across @ up, up)
    # Condyles lie side by side: their wide direction is left-right, and the other one front-back.
    side = np.linalg.svd(across, full_matrices=False)[2][0]
    back = np.cross(up, side)
    line = mean[shaft].mean(axis=0)
    back = back * np.sign((mean[low].mean(axis=0) - line) @ back)
    return shapes @ np.stack([np.cross(back, up), back, up]).T
