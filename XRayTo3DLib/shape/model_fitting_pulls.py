"""What pulls on a shape model while it is fitted: pairs of a model point and where it should go.

Every kind of evidence becomes the same few arrays: points of a surface (pulled along the surface's normal), pixels of
an outline (pulled towards the plane that its ray and the outline's tangent span; free along the ray) and landmarks
(pulled from all sides). :mod:`model_fitting_energy` adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import barycentric, closest_points
from XRayTo3DLib.shape.meshes import make_surface, vertex_normals

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pulls:
    """P pairs; the misfit of one is ``(n.d)^2 + sideways (|d|^2 - (n.d)^2)``, d = model point - target, less ``blind``.

    Attributes:
        corners: (P, 3) vertex numbers whose weighted sum is the model point.
        shares: (P, 3) their weights, each row adds up to 1.
        targets: (P, 3) where the point should go, world mm.
        normals: (P, 3) unit direction in which the distance counts fully, world; zeros: in no direction more.
        blind: (P, 3) unit direction in which the distance does not count (along a ray), world; zeros: none.
        sideways: (P,) 0..1, how much the distance across ``normals`` counts.
        weights: (P,) of the pair in the energy; one kind of evidence adds up to its own weight.
        reach: (P,) mm, distance at which a pair stops counting more (Geman-McClure); inf: a plain square.
    """

    corners: NDArray[np.int64]
    shares: FloatArray
    targets: FloatArray
    normals: FloatArray
    blind: FloatArray
    sideways: FloatArray
    weights: FloatArray
    reach: FloatArray


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Named places of a model and where they were found.

    Attributes:
        vertices: (l,) vertex numbers of the model.
        points: (l, 3) where they lie, world mm; rows of NaN are passed over.
        weight: Of all of them together against the surface's distance (whose weight is 1).
    """

    vertices: NDArray[np.int64]
    points: FloatArray
    weight: float = 1.0

    def pulls(self, vertex_count: int) -> Pulls:
        """The pulls of the landmarks that were found.

        Raises:
            InputError: Vertex numbers and points do not fit together, or a vertex the model lacks.
        """
        vertices, points = np.asarray(self.vertices, dtype=np.int64).ravel(), np.asarray(self.points, dtype=np.float64)
        if points.shape != (len(vertices), 3):
            raise InputError(f"landmarks: {len(vertices)} vertices for points of shape {points.shape}.")
        if len(vertices) and (vertices.min() < 0 or vertices.max() >= vertex_count):
            raise InputError(f"landmarks: a vertex lies outside 0..{vertex_count - 1}, the model's vertices.")
        found = np.all(np.isfinite(points), axis=1)
        count = int(found.sum())
        return pulls_of(
            *at_vertices(vertices[found]),
            points[found],
            np.zeros((count, 3)),
            sideways=1.0,
            weight=self.weight,
            reach=np.inf,
        )


def pulls_of(
    corners: NDArray[np.int64],
    shares: FloatArray,
    targets: FloatArray,
    normals: FloatArray,
    *,
    sideways: float,
    weight: float,
    reach: float,
    blind: FloatArray | None = None,
) -> Pulls:
    """Pulls of one kind of evidence, all of the same ``sideways`` and ``reach``, sharing ``weight`` evenly."""
    count = len(targets)
    return Pulls(
        corners,
        shares,
        targets,
        normals,
        np.zeros((count, 3)) if blind is None else blind,
        np.full(count, sideways),
        np.full(count, weight / max(count, 1)),
        np.full(count, reach),
    )


def joined(parts: Sequence[Pulls]) -> Pulls:
    """All pulls together."""
    return Pulls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pulls)))


def at_vertices(vertices: Any) -> tuple[NDArray[np.int64], FloatArray]:
    """``corners`` and ``shares`` of model points that are vertices."""
    vertices = np.asarray(vertices, dtype=np.int64)
    return np.repeat(vertices[:, None], 3, axis=1), np.tile([1.0, 0.0, 0.0], (len(vertices), 1))


@dataclass(frozen=True, eq=False)
class Target:
    """Measured points, indexed once per fit.

    Attributes:
        points: (q, 3) world mm: all of them; where the model looks for its nearest.
        normals: (q, 3) unit, outward; or None.
        chosen: Indices of those that pull on the model.
        tree: KD-tree of ``points``.
    """

    points: FloatArray
    normals: FloatArray | None
    chosen: NDArray[np.int64]
    tree: cKDTree


def make_target(points: Any, normals: Any, count: int) -> Target:
    """Check measured points (q, 3) (and normals) and choose ``count`` that pull on the model, the same every time.

    Raises:
        InputError: Fewer than 4 points, points or normals that are not finite, or other normals than points.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1:] != (3,) or len(points) < 4:
        raise InputError(f"fit: the target must be at least 4 points of shape (n, 3), not {points.shape}.")
    if not np.all(np.isfinite(points)):
        raise InputError("fit: the target holds points that are not finite; leave them out.")
    if normals is not None:
        normals = np.asarray(normals, dtype=np.float64)
        if normals.shape != points.shape:
            raise InputError(f"fit: normals of shape {normals.shape} for {len(points)} points.")
        if not np.all(np.isfinite(normals)):
            raise InputError("fit: the target holds normals that are not finite; leave those points out.")
        normals = _unit(normals)
    chosen = np.sort(np.random.default_rng(0).permutation(len(points))[:count])
    return Target(points, normals, chosen, cKDTree(points))


def to_model(
    world: FloatArray, triangles: NDArray[np.int64], target: Target, *, sideways: float, weight: float, reach: float
) -> tuple[Pulls, FloatArray]:
    """Every chosen target point pulls the nearest point of the model's surface; also their distances (p,), mm.

    Where the target has normals, points that face away from the model's surface there are left out.
    """
    asked = target.points[target.chosen]
    closest = closest_points(make_surface(world, triangles), asked)
    corners = triangles[closest.triangles]
    shares = np.clip(barycentric(world[corners], closest.points), 0.0, 1.0)
    shares /= shares.sum(axis=1, keepdims=True)
    normals = np.einsum("pk,pkd->pd", shares, vertex_normals(world, triangles)[corners])
    normals = _unit(normals)
    facing = _facing(normals, target, target.chosen)
    pulls = pulls_of(
        corners[facing],
        shares[facing],
        asked[facing],
        normals[facing],
        sideways=sideways,
        weight=weight,
        reach=reach,
    )
    return pulls, closest.distances


def to_target(
    world: FloatArray,
    normals: FloatArray,
    vertices: NDArray[np.int64],
    target: Target,
    *,
    sideways: float,
    weight: float,
    reach: float,
) -> Pulls:
    """Each of the model's ``vertices`` is pulled to the nearest target point, along the model's own normal.

    The normal is the mean of those at the vertex and where the target point meets the model: a target point beside
    the vertex lies below its tangent plane, and the mean is free of that pull inward (Rusinkiewicz 2019, "A symmetric
    objective function for ICP").
    """
    _, nearest = target.tree.query(world[vertices])
    facing = _facing(normals[vertices], target, nearest)
    vertices, nearest = vertices[facing], nearest[facing]
    _, met = cKDTree(world).query(target.points[nearest])
    return pulls_of(
        *at_vertices(vertices),
        target.points[nearest],
        _unit(normals[vertices] + normals[met]),
        sideways=sideways,
        weight=weight,
        reach=reach,
    )


def _unit(vectors: FloatArray) -> FloatArray:
    """Each of ``vectors`` (p, 3) at length one; zero stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _facing(normals: FloatArray, target: Target, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    if target.normals is None:
        return np.ones(len(normals), dtype=bool)
    return np.einsum("pd,pd->p", normals, target.normals[numbers]) > 0
