"""Reconstructions from dual-face depth judged, one radiograph and bone at a time (3DDX: Gu et al., MICCAI 2024).

Depth is z along the detector's normal, mm from the source, NaN beside a bone. From one radiograph the distance to the
detector is hardly known, and the centre-aligned loss leaves it open on purpose. So every number is taken twice:
**absolute**, and **aligned**: after one shift of all depth of the radiograph, along the detector's normal, that makes
its mean that of the truth. Shifted depth is projected back anew, along the same rays.

Surfaces are compared where the picture shows them: only points that project into it are measured from; what they are
measured to is never cut, so that the picture's border is neither an error nor a target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import pearsonr
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import surface_numbers
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.projection.depth_maps import mesh_depth, z_from_distance
from XRayTo3DLib.shape.depth_surface import thickness_volume
from XRayTo3DLib.shape.meshes import points_of, sample_surface, triangles_of
from XRayTo3DLib.shape.model_fitting_clip import Clip, frustum_clip
from XRayTo3DLib.shape.point_cloud_distance import chamfer_l2, earth_movers_distance

ALIGNED, ABSOLUTE = "aligned", "absolute"
SAMPLES = 4000
"""Points spread over each surface: ASSD within about 0.02 mm of that of more points, a fifth of the time."""
POINTS = 1024
"""Of each surface for EMD and CD-l2; 0.1 s, four times that for twice as many."""
FROM_EDGE_PX = 0.5
"""Surfaces from depth maps end at the outermost pixels' centres: there nothing is measured from further out."""
FEWEST = 3
"""Pairs that a correlation is made of."""


@dataclass(frozen=True)
class DepthOutcome:
    """How near one bone in one radiograph came to the truth; NaN where there is nothing to measure.

    Attributes:
        case: Which radiograph ("hips-0001 ap-1").
        patient: Whose; several radiographs may be of one patient.
        group: "healthy", "osteoarthritis", ... or "".
        method: What reconstructed it.
        bone: Which bone ("femur_right").
        alignment: "aligned" or "absolute".
        shift_mm: What was added to all depth of the radiograph, mm; 0 when absolute.
        assd_mm: Mean of both directed mean distances, point to surface, in the picture.
        hd95_mm: The larger of the directed 95th percentiles, in the picture.
        emd_mm: Earth mover's distance, ``points`` of each surface in the picture.
        cd_l2_mm2: Chamfer distance, mean squares of both directions added, the same points.
        depth_mae_mm: Mean absolute error of z over the pixels (of all faces known) that show the bone in both.
        depth_rmse_mm: Root mean square of the same.
        volume_mm3: Between front and back.
        true_volume_mm3: The same of the truth.
        whole_assd_mm: ASSD over the whole bone, also beyond the picture; measured for completed bones.
        points: Of EMD and CD-l2; fewer than asked for if few fell into the picture.
        seed: Of these points.
        empty: The method gave no such bone.
    """

    case: str
    patient: str
    group: str
    method: str
    bone: str
    alignment: str
    shift_mm: float = math.nan
    assd_mm: float = math.nan
    hd95_mm: float = math.nan
    emd_mm: float = math.nan
    cd_l2_mm2: float = math.nan
    depth_mae_mm: float = math.nan
    depth_rmse_mm: float = math.nan
    volume_mm3: float = math.nan
    true_volume_mm3: float = math.nan
    whole_assd_mm: float = math.nan
    points: int = 0
    seed: int = 0
    empty: bool = False


class Faces(NamedTuple):
    """One bone's depth, (rows, columns) z in mm, NaN beside the bone; no ``back`` when only the front is known."""

    front: FloatArray
    back: FloatArray | None


def z_centre_shift(found: Any, wanted: Any) -> float:
    """What to add to the depth ``found`` so that its mean becomes that of ``wanted``, mm.

    Args:
        found: z of any shape, mm; NaN beside bones. One shift for all of it.
        wanted: The truth, same shape; only places that both show count.

    Returns:
        NaN when they show no place in common.
    """
    found, wanted = _alike(found, wanted)
    both = np.isfinite(found) & np.isfinite(wanted)
    return float(np.mean(wanted[both] - found[both])) if both.any() else math.nan


def depth_errors(found: Any, wanted: Any) -> tuple[float, float]:
    """Mean absolute and root mean square error of z, mm, over the places that both show; NaN without any."""
    found, wanted = _alike(found, wanted)
    error = (found - wanted)[np.isfinite(found) & np.isfinite(wanted)]
    return (float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))) if error.size else (math.nan, math.nan)


def correlation(found: Sequence[float], wanted: Sequence[float]) -> tuple[float, int]:
    """Pearson's r of the finite pairs, and their number; NaN below three pairs or when all are equal."""
    one, two = _alike(found, wanted)
    finite = np.isfinite(one) & np.isfinite(two)
    one, two = one[finite], two[finite]
    if len(one) < FEWEST or not np.ptp(one) or not np.ptp(two):
        return math.nan, len(one)
    return float(pearsonr(one, two).statistic), len(one)


def faces_of(camera: XRayCamera, surface: vtkPolyData) -> Faces:
    """Front and back of a surface as the camera sees it; an open one from its first to its last crossing."""
    maps = mesh_depth(camera, points_of(surface), triangles_of(surface), strict=False)
    return Faces(z_from_distance(camera, maps.front_mm), z_from_distance(camera, maps.back_mm))


def bone_numbers(
    camera: XRayCamera,
    truth: vtkPolyData,
    true_faces: Faces,
    result: vtkPolyData | None,
    faces: Faces | None = None,
    *,
    points: int = POINTS,
    seed: int = 0,
    samples: int = SAMPLES,
    whole: bool = False,
) -> dict[str, float]:
    """Every number of a :class:`DepthOutcome` about one bone, by the name of its attribute.

    Args:
        camera: The picture.
        truth: The true surface, LPS mm.
        true_faces: Its depth.
        result: The surface that is judged; ``None`` when the method gave none.
        faces: The depth it came from; computed from the surface if ``None``.
        points: For EMD and CD-l2.
        seed: Of all points.
        samples: For the other distances.
        whole: Also the distance over the whole bone.

    Raises:
        InputError: The picture does not show the truth.
    """
    field = frustum_clip(camera, FROM_EDGE_PX)
    numbers = {"seed": seed, "true_volume_mm3": thickness_volume(camera, *true_faces)}
    near = surface_numbers(truth, result, field, samples, seed)
    if result is None or near is None:
        return {**numbers, "empty": True}
    faces = faces_of(camera, result) if faces is None else faces
    clouds = [_cloud(each, field, points, seed) for each in (result, truth)]
    emd, chamfer = earth_movers_distance(*clouds, points, seed), chamfer_l2(*clouds, points, seed)
    everywhere = surface_numbers(truth, result, None, samples, seed) if whole else None
    known = slice(0, 1 if faces.back is None else 2)
    mae, rmse = depth_errors(np.stack(faces[known]), np.stack(true_faces[known]))
    return {
        **numbers,
        "assd_mm": near[0],
        "hd95_mm": near[2],
        "emd_mm": emd.value,
        "cd_l2_mm2": chamfer.value,
        "points": emd.points,
        "depth_mae_mm": mae,
        "depth_rmse_mm": rmse,
        "volume_mm3": math.nan if faces.back is None else thickness_volume(camera, *faces),
        "whole_assd_mm": math.nan if everywhere is None else everywhere[0],
    }


def _cloud(surface: vtkPolyData, field: Clip, points: int, seed: int) -> FloatArray:
    """Points spread over the part of a surface that is in the field, at least ``points`` where a quarter is."""
    spread = sample_surface(surface, 4 * points, seed)[0]
    return spread[field(spread)]


def _alike(one: Any, two: Any) -> tuple[FloatArray, FloatArray]:
    one, two = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    if one.shape != two.shape:
        raise InputError(f"numbers of shape {one.shape} cannot be compared with numbers of shape {two.shape}.")
    return one, two
