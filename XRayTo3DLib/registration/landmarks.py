"""A pose from landmarks named on the CT and on the radiographs: least squares of the reprojection error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

SAME_FIT, OTHER_POSE_DEG = 1.05, 2.0
EQUAL_MM = 0.01
"""Two fits are equally good when their residuals agree within 5 % and 0.01 mm, different beyond 2 degrees."""
TURNS_DEG = ((0, 0, 0), (180, 0, 0), (0, 180, 0), (0, 0, 180), (90, 0, 0), (-90, 0, 0), (0, 90, 0), (0, -90, 0))
"""Rotations tried as starts besides the given one; the best fit wins."""


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """A pose fitted to landmarks.

    Attributes:
        pose: CT-to-world, LPS mm.
        residual_px: Root mean square distance on the detector, pixels.
        residual_mm: The same at the bone, mm.
        used: Number of landmark observations (a landmark seen in two views counts twice).
    """

    pose: RigidPose
    residual_px: float
    residual_mm: float
    used: int


def pose_from_landmarks(
    points_ct: Any,
    observations: Sequence[tuple[XRayCamera, Any]],
    initial: RigidPose | None = None,
) -> LandmarkFit:
    """Fit a rigid pose so that projected landmarks fall on the marked pixels.

    Args:
        points_ct: (N, 3) landmarks in CT coordinates, LPS mm.
        observations: Per view its camera and (N, 2) pixels (column, row); NaN where a landmark was not marked.
        initial: Rough pose if there is one; several turns of it are tried, since few landmarks allow mirror poses.

    Raises:
        InputError: Too few landmarks (4 in one view, or 3 with 4 marks over two), points on one line, or marks that
            two different poses fit equally well.
    """
    points = np.asarray(points_ct, dtype=np.float64).reshape(-1, 3)
    views = [(camera, _pixels(pixels, len(points))) for camera, pixels in observations]
    seen = [np.isfinite(pixels).all(axis=1) for _, pixels in views]
    _check_enough(points, seen)
    centre = points[np.any(seen, axis=0)].mean(axis=0)
    target = _meeting_point(views, seen)
    fits = sorted(
        (_fit(points, views, seen, start, centre) for start in _starts(initial, centre, target)), key=lambda fit: fit[1]
    )
    pose, rms_mm = _chosen(fits, centre, initial)
    count = int(sum(mask.sum() for mask in seen))
    distances = _pixel_distances(pose.apply(points), views, seen)
    return LandmarkFit(pose, float(np.sqrt(np.sum(distances**2) / count)), rms_mm, count)


def _pixels(pixels: Any, count: int) -> FloatArray:
    array = np.asarray(pixels, dtype=np.float64)
    if array.shape != (count, 2):
        raise InputError(f"landmarks: {count} on the CT but pixels of shape {array.shape}; use NaN for unmarked ones.")
    return array


def _check_enough(points: FloatArray, seen: list[NDArray[np.bool_]]) -> None:
    views = sum(bool(mask.any()) for mask in seen)
    distinct = int(np.any(seen, axis=0).sum()) if seen else 0
    marks = int(sum(mask.sum() for mask in seen))
    needed = 4 if views < 2 else 3
    if distinct < needed or marks < 4:
        where = "one radiograph" if views < 2 else f"{views} radiographs"
        raise InputError(
            f"landmarks: {distinct} pairs marked in {where}, at least {needed} are needed (4 in one; 3 over "
            f"two, one of them in both)."
        )
    marked = points[np.any(seen, axis=0)]
    spread = np.linalg.svd(marked - marked.mean(axis=0), compute_uv=False)
    if spread[1] < 1e-3 * spread[0] or spread[0] < 1e-6:
        raise InputError("landmarks: the marked points lie on one line; add one beside it.")


def _starts(initial: RigidPose | None, centre: FloatArray, target: FloatArray) -> list[RigidPose]:
    base = initial or RigidPose.from_rotation((0, 0, 0), target - centre)
    return [RigidPose.from_rotation(turn, centre=base.apply(centre)) @ base for turn in TURNS_DEG]


def _meeting_point(views: Sequence[tuple[XRayCamera, FloatArray]], seen: list[NDArray[np.bool_]]) -> FloatArray:
    """World point nearest to the central rays of the marked pixels; 70 % of the way to the detector for one view."""
    square, right = np.zeros((3, 3)), np.zeros(3)
    for (camera, pixels), mask in zip(views, seen, strict=True):
        if not mask.any():
            continue
        middle = pixels[mask].mean(axis=0)
        ray = camera.rays(middle)
        across = np.eye(3) - np.outer(ray, ray)
        square, right = square + across, right + across @ camera.source
        towards = camera.source + 0.7 * (camera.pixel_to_world(middle) - camera.source)
        square, right = square + 1e-3 * np.eye(3), right + 1e-3 * towards
    return np.linalg.solve(square, right)


def _chosen(
    fits: list[tuple[RigidPose, float]], centre: FloatArray, initial: RigidPose | None
) -> tuple[RigidPose, float]:
    """The best fit; of equally good ones the nearest to the rough pose, without which different ones are refused."""
    equal = [fit for fit in fits if fit[1] < SAME_FIT * fits[0][1] + EQUAL_MM]
    if initial is not None:
        return min(equal, key=lambda fit: fit[0].distance_to(initial, centre)[0])
    if any(fits[0][0].distance_to(other, centre)[0] > OTHER_POSE_DEG for other, _ in equal[1:]):
        raise InputError(
            "landmarks: two different poses fit the marks equally well; mark one more landmark, or place the CT "
            "roughly first."
        )
    return fits[0]


def _fit(
    points: FloatArray,
    views: Sequence[tuple[XRayCamera, FloatArray]],
    seen: list[NDArray[np.bool_]],
    start: RigidPose,
    centre: FloatArray,
) -> tuple[RigidPose, float]:
    """Levenberg-Marquardt from one start; the pose and the root mean square distance in mm at the bone.

    Pixels count in mm at the bone, so that a finer detector or non-square pixels weigh no more than others.
    """
    from scipy.optimize import least_squares

    pivot = start.apply(centre)
    scales = [np.array(camera.pixel_size_at(pivot)) for camera, _ in views]

    def pose_of(parameters: FloatArray) -> RigidPose:
        return RigidPose.from_rotation(parameters[:3], parameters[3:], pivot) @ start

    def residuals(parameters: FloatArray) -> FloatArray:
        world = pose_of(parameters).apply(points)
        parts = []
        for (camera, pixels), mask, scale in zip(views, seen, scales, strict=True):
            difference = (camera.project(world[mask]) - pixels[mask]) * scale
            # Behind the source there is no pixel: a large constant turns the search back.
            parts.append(np.where(np.isfinite(difference), difference, 1e5).ravel())
        return np.concatenate(parts)

    found = least_squares(residuals, np.zeros(6), x_scale=np.array([5.0] * 3 + [10.0] * 3), max_nfev=200)
    marks = sum(int(mask.sum()) for mask in seen)
    return pose_of(found.x), float(np.sqrt(2 * found.cost / marks))


def _pixel_distances(
    world: FloatArray, views: Sequence[tuple[XRayCamera, FloatArray]], seen: list[NDArray[np.bool_]]
) -> FloatArray:
    """Distances on the detector in pixels of all marks."""
    parts = [
        np.linalg.norm(camera.project(world[mask]) - pixels[mask], axis=1)
        for (camera, pixels), mask in zip(views, seen, strict=True)
    ]
    return np.concatenate(parts)
