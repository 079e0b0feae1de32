"""Fitting a statistical shape model to the outlines of a bone in one or more radiographs.

The rim of the model (the points that make its silhouette) is found anew in every round: it crosses the edges of the
mesh where the smooth surface turns away from the source. A point of an outline pulls the nearest point of the rim
towards the plane that its ray and the outline's tangent span, in mm at the bone; along the ray nothing pulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.shape.meshes import vertex_normals
from XRayTo3DLib.shape.model_fitting import FitOptions, FittedShape, Softness, run_rounds
from XRayTo3DLib.shape.model_fitting_pulls import Landmarks, Pulls, joined, pulls_of
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
TURN_SHARE = 0.1
"""What a difference of 1 between two unit normals counts as, as a share of the outline's extent in the picture."""
SMOOTHING_PX = 1.5
"""Blur of a mask before its outline's directions are read off."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of one bone in one radiograph.

    Attributes:
        camera: The exposure, LPS mm.
        pixels: (q, 2) points (column, row) of the outline.
        directions: (q, 2) in the picture, away from the bone (column, row); need not be unit vectors.

    Raises:
        InputError: Fewer than 4 points, values that are not finite, or other directions than points.
    """

    camera: XRayCamera
    pixels: FloatArray
    directions: FloatArray

    def __post_init__(self) -> None:
        pixels, directions = (np.asarray(each, dtype=np.float64) for each in (self.pixels, self.directions))
        if pixels.ndim != 2 or pixels.shape[1:] != (2,) or len(pixels) < 4 or directions.shape != pixels.shape:
            raise InputError(
                f"outline: give at least 4 points (q, 2) and as many directions, not {pixels.shape} and "
                f"{directions.shape}."
            )
        if not (np.all(np.isfinite(pixels)) and np.all(np.isfinite(directions))):
            raise InputError("outline: points or directions are not finite.")
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "directions", directions)


def outline_of_mask(camera: XRayCamera, mask: Any, border_px: float = 1.5) -> Outline:
    """Outline of a bone's mask (rows, columns) in the picture of ``camera``.

    Points nearer than ``border_px`` to the picture's border are left out: there the field of view ends, not the bone.

    Raises:
        InputError: The mask does not fit the camera, or shows no outline.
    """
    from XRayTo3DLib.projection.contours import drr_outline

    mask = np.asarray(mask, dtype=np.float32)
    if mask.shape != camera.size[::-1]:
        raise InputError(f"outline: mask of shape {mask.shape} for a camera of {camera.size} (columns, rows).")
    points, directions = [np.empty((0, 2))], [np.empty((0, 2))]
    down, across = np.gradient(gaussian_filter(mask, SMOOTHING_PX))
    for line in drr_outline(mask, 0.5):
        at = np.clip(np.rint(line).astype(int), 0, np.array(camera.size) - 1)
        points.append(line)
        directions.append(-np.stack([across[at[:, 1], at[:, 0]], down[at[:, 1], at[:, 0]]], axis=1))
    pixels, away = np.concatenate(points), np.concatenate(directions)
    inside = np.all((pixels > border_px) & (pixels < np.array(camera.size) - 1 - border_px), axis=1)
    kept = inside & (np.linalg.norm(away, axis=1) > 0)
    return Outline(camera, pixels[kept], away[kept])


def fit_to_contours(
    model: ShapeModel,
    outlines: Sequence[Outline],
    start: RigidPose,
    options: FitOptions | None = None,
    *,
    landmarks: Landmarks | None = None,
) -> FittedShape:
    """Fit ``model`` to the outlines of one bone in one or more radiographs.

    Args:
        model: The statistical shape model.
        outlines: One per radiograph. With a single one, depth and what the view hides come from the prior alone.
        start: Model to world, about right.
        options: See :class:`FitOptions`; ``direction`` and ``clip`` are not used (outlines pull the model, and what
            lies outside the picture has no outline).
        landmarks: Named vertices that were found as well, in the world.

    Raises:
        InputError: No outline, or the bone beside or behind a source.
    """
    options = options or FitOptions()
    if not outlines:
        raise InputError("fit: give at least one outline.")
    model = model if options.modes is None else model.truncated(options.modes)
    seen = [SeenOutline(outline, max(options.points // len(outlines), 4)) for outline in outlines]
    edges = edges_of(model.triangles)

    def evidence(world: FloatArray, softness: Softness) -> tuple[Pulls, FloatArray]:
        normals = vertex_normals(world, model.triangles)
        found = [each.pulls(world, normals, edges, softness, 1 / len(seen)) for each in seen]
        return joined([pulls for pulls, _ in found]), np.concatenate([distances for _, distances in found])

    return run_rounds(model, start, evidence, options, landmarks)


class SeenOutline:
    """One outline with its rays and the planes they span with its tangent."""

    def __init__(self, outline: Outline, count: int) -> None:
        camera = outline.camera
        chosen = np.sort(np.random.default_rng(0).permutation(len(outline.pixels))[:count])
        pixels, away = outline.pixels[chosen], outline.directions[chosen]
        self.camera, self.pixels = camera, pixels
        self.rays = camera.rays(pixels)
        towards = away * camera.spacing @ np.stack([camera.column_direction, camera.row_direction])
        across = towards - np.einsum("qd,qd->q", towards, self.rays)[:, None] * self.rays
        self.normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
        self.axes = np.stack([camera.column_direction, camera.row_direction], axis=1)
        self.turn = TURN_SHARE * float(np.ptp(pixels, axis=0).max())

    def pulls(
        self, world: FloatArray, normals: FloatArray, edges: NDArray[np.int64], softness: Softness, weight: float
    ) -> tuple[Pulls, FloatArray]:
        """Each point of the outline pulls the nearest point of the model's rim; also their distances (q,), mm."""
        corners, shares = _rim(world, normals, edges, self.camera.source)
        rim = np.einsum("rk,rkd->rd", shares, world[corners])
        shadow = self.camera.project(rim)
        if not len(rim) or not np.all(np.isfinite(shadow)):
            raise InputError("fit: part of the model lies beside or behind the X-ray source; check pose and camera.")
        # Nearest in the picture and facing the same way: the other edge of a thin bone is no candidate.
        facing = np.einsum("rk,rkd->rd", shares, normals[corners]) @ self.axes
        tree = cKDTree(np.concatenate([shadow, self.turn * facing], axis=1))
        nearest = tree.query(np.concatenate([self.pixels, self.turn * self.normals @ self.axes], axis=1))[1]
        depth = np.einsum("qd,qd->q", rim[nearest] - self.camera.source, self.rays)
        targets = self.camera.source + depth[:, None] * self.rays
        pulls = pulls_of(
            corners[nearest],
            shares[nearest],
            targets,
            self.normals,
            sideways=softness.sideways,
            weight=weight,
            reach=softness.reach,
            blind=self.rays,
        )
        return pulls, np.abs(np.einsum("qd,qd->q", rim[nearest] - targets, self.normals))


def edges_of(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every edge once, (e, 2) vertex numbers."""
    return np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)


def _rim(
    world: FloatArray, normals: FloatArray, edges: NDArray[np.int64], source: FloatArray
) -> tuple[NDArray[np.int64], FloatArray]:
    """Points of the silhouette: where the smooth surface turns away from the source, one on every edge it crosses.

    Returns:
        Vertex numbers (r, 3) and their shares (r, 3), as :class:`Pulls` wants them.
    """
    facing = np.einsum("nd,nd->n", normals, source - world)
    first, second = facing[edges[:, 0]], facing[edges[:, 1]]
    crossed = (first > 0) != (second > 0)
    ends, first, second = edges[crossed], first[crossed], second[crossed]
    share = first / (first - second)
    return ends[:, [0, 1, 1]], np.stack([1 - share, share, np.zeros(len(share))], axis=1)
