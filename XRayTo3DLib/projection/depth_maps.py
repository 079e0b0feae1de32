"""Dual-face depth: how far from the source each ray enters and leaves a bone, and how much of it lies between.

The targets of dual-face depth estimation (Gu et al., 3DDX, MICCAI 2024): one front and one back map per bone, which
back-projection turns into points on both sides of its surface. Two measures of depth, both in mm from the source:
the **distance** along the ray, and **z** along the detector's normal; :func:`z_from_distance` and
:func:`distance_from_z` convert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.mesh_rays import mesh_crossings

FloatMap = NDArray[np.float64]
UNTIDY_MM = 1e-6
"""Negative thickness that rounding cannot explain."""


@dataclass(frozen=True, eq=False)
class DepthMaps:
    """One bone as one camera sees it; all maps (rows, columns), float64, NaN where the ray misses the bone.

    Attributes:
        front_mm: Distance along the ray from the source to the first crossing, mm.
        back_mm: To the last crossing, mm.
        thickness_mm: Length of the ray inside the bone, mm. At most back minus front; less where the bone is
            concave or hollow. The DRR of the bone with attenuation 1 / mm.
    """

    front_mm: FloatMap
    back_mm: FloatMap
    thickness_mm: FloatMap

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(rows, columns): which rays meet the bone, its silhouette."""
        return np.isfinite(self.front_mm)


def mesh_depth(
    camera: XRayCamera, points: Any, triangles: Any, pose: RigidPose | None = None, *, strict: bool = True
) -> DepthMaps:
    """Exact depth maps of a triangle mesh at the rays through the pixels' centres.

    Thickness is the sum over all crossings of their distance, exits positive, entries negative: no sorting, and
    hollows are left out. The faces may be oriented outward or inward, but all alike. Where two parts of one surface
    overlap the overlap counts twice.

    Args:
        camera: The exposure. What lies beyond the detector counts as well.
        points: (N, 3) vertices, LPS mm.
        triangles: (M, 3) vertex indices.
        pose: Moving-to-world; identity when ``None``.
        strict: Refuse a surface with a ray that does not leave it as often as it enters it, or on which the
            thickness is negative. Otherwise the thickness is NaN on just those rays; front and back stand.

    Raises:
        InputError: No triangles, a vertex that does not exist, part of the mesh beside or behind the source,
            or a surface that ``strict`` refuses.
    """
    columns, rows = camera.size
    front, back = np.full(rows * columns, np.inf), np.full(rows * columns, -np.inf)
    length, balance = np.zeros(rows * columns), np.zeros(rows * columns)
    for found in mesh_crossings(camera, points, triangles, pose):
        np.minimum.at(front, found.pixel, found.fraction)
        np.maximum.at(back, found.pixel, found.fraction)
        np.add.at(length, found.pixel, found.side * found.fraction)
        np.add.at(balance, found.pixel, found.side)
    missed = back < 0
    front[missed] = back[missed] = length[missed] = np.nan
    scale = _ray_lengths(camera)
    front, back, length, balance = (each.reshape(rows, columns) for each in (front, back, length, balance))
    return DepthMaps(front * scale, back * scale, _checked(length * scale, balance, strict))


def bone_depths(
    camera: XRayCamera,
    surfaces: Mapping[str, tuple[Any, Any]],
    poses: Mapping[str, RigidPose] | RigidPose | None = None,
    *,
    strict: bool = True,
) -> dict[str, DepthMaps]:
    """:func:`mesh_depth` of several bones in one camera; bones do not hide each other.

    Args:
        camera: The exposure.
        surfaces: Points (N, 3) and triangles (M, 3) by the bone's name, LPS mm.
        poses: One moving-to-world for all, or one per name; identity where absent.
        strict: As for :func:`mesh_depth`.

    Raises:
        InputError: A pose of a bone that is not among the surfaces, or what :func:`mesh_depth` refuses, with the name.
    """
    each = poses if isinstance(poses, Mapping) else dict.fromkeys(surfaces, poses)
    if unknown := sorted(set(each) - set(surfaces)):
        raise InputError(f"there is a pose for {', '.join(unknown)} but no surface; surfaces: {', '.join(surfaces)}.")
    maps = {}
    for name, (points, triangles) in surfaces.items():
        try:
            maps[name] = mesh_depth(camera, points, triangles, each.get(name), strict=strict)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    return maps


# ---- from one measure to the other --------------------------------------------------------------------------


def z_from_distance(camera: XRayCamera, distance_mm: Any) -> FloatMap:
    """Depth z along the detector's normal of maps (..., rows, columns) of distances along the rays; both mm.

    z = distance * SDD / |pixel - source|.

    Raises:
        InputError: Maps of another size than the camera's.
    """
    return _as_map(camera, distance_mm) * (camera.sdd / _ray_lengths(camera))


def distance_from_z(camera: XRayCamera, z_mm: Any) -> FloatMap:
    """Inverse of :func:`z_from_distance`."""
    return _as_map(camera, z_mm) * (_ray_lengths(camera) / camera.sdd)


def points_from_distance(camera: XRayCamera, distance_mm: Any) -> FloatMap:
    """Back-projection: the points (..., rows, columns, 3), LPS mm, that maps (..., rows, columns) of distances show.

    NaN stays NaN; ``points[mask]`` is the point cloud.

    Raises:
        InputError: Maps of another size than the camera's.
    """
    to_pixel = _to_pixels(camera)
    share = _as_map(camera, distance_mm) / np.linalg.norm(to_pixel, axis=-1)
    return camera.source + share[..., None] * to_pixel


def distance_from_points(camera: XRayCamera, points: Any) -> tuple[FloatMap, FloatMap]:
    """Where points (..., 3), LPS mm, are seen, and how far: pixels (..., 2) as (column, row), distances (...,) in mm.

    NaN for points behind the source.
    """
    pixels = camera.project(points)
    distance = np.linalg.norm(np.asarray(points, dtype=np.float64) - camera.source, axis=-1)
    return pixels, np.where(np.isfinite(pixels[..., 0]), distance, np.nan)


# ---- helpers ------------------------------------------------------------------------------------------------


def _checked(thickness: FloatMap, balance: FloatMap, strict: bool) -> FloatMap:
    """Thickness made positive whichever way the faces look, without the rays on which it means nothing."""
    open_rays = balance != 0
    if np.sum(thickness, where=~open_rays & np.isfinite(thickness)) < 0:
        thickness = -thickness
    untidy = open_rays | (thickness < -UNTIDY_MM)
    if strict and untidy.any():
        row, column = np.argwhere(untidy)[0]
        what = "not closed" if open_rays.any() else "folded, or its faces look partly inward and partly outward"
        raise InputError(
            f"the surface is {what}: {np.count_nonzero(untidy)} rays have no thickness, the first at column {column}, "
            f"row {row}. Repair the surface, or use strict=False."
        )
    return np.where(untidy, np.nan, np.maximum(thickness, 0.0))


def _to_pixels(camera: XRayCamera) -> FloatMap:
    """(rows, columns, 3) from the source to each pixel's centre, mm."""
    columns, rows = camera.size
    across, down, first = camera.ray_matrix.T
    return np.arange(rows)[:, None, None] * down + np.arange(columns)[:, None] * across + first


def _ray_lengths(camera: XRayCamera) -> FloatMap:
    """(rows, columns) distances from the source to the pixels, mm."""
    return np.linalg.norm(_to_pixels(camera), axis=-1)


def _as_map(camera: XRayCamera, values: Any) -> FloatMap:
    values = np.asarray(values, dtype=np.float64)
    if values.shape[-2:] != camera.size[::-1]:
        columns, rows = camera.size
        raise InputError(f"a map of shape {values.shape} does not fit a camera of {rows} rows and {columns} columns.")
    return values
