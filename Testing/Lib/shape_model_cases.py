"""A family of bone-like blobs with a known answer: a lopsided ellipsoid and a few smooth ways to differ from it."""

from __future__ import annotations

import numpy as np
from solids import sphere

from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

DEVIATIONS_MM = (2.0, 1.2, 0.7)
"""Root mean square move of a vertex for 1 SD of each way to differ."""


def blob(resolution: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) mm and triangles: 24 x 40 x 90 mm, bent, thicker at one end, a knob at one side."""
    ball = sphere(1.0, resolution)
    unit, triangles = points_of(ball), triangles_of(ball)
    x, y, z = unit.T
    points = np.stack([12 * x * (1 + 0.3 * z), 20 * y * (1 + 0.2 * z), 45 * z], axis=1)
    points[:, 0] += 6 * z**2
    points += 8 * np.exp(-8 * ((x - 0.2) ** 2 + (y - 0.8) ** 2 + (z - 0.5) ** 2))[:, None] * unit
    return points - points.mean(axis=0), triangles


def ways(points: np.ndarray) -> np.ndarray:
    """(3, n, 3) orthonormal smooth fields without rigid motion: longer, thicker, more bent."""
    scaled = points / np.abs(points).max(axis=0)
    x, y, z = scaled.T
    fields = np.zeros((3, len(points), 3))
    fields[0, :, 2], fields[1, :, 1], fields[2, :, 0] = z, y, z**2 - x**2
    fields[1, :, 0] = x
    rigid = np.zeros((6, len(points), 3))
    for axis in range(3):
        rigid[axis, :, axis] = 1.0
        rigid[3 + axis] = np.cross(np.eye(3)[axis], points)
    every = np.concatenate([rigid, fields]).reshape(9, -1)
    return np.linalg.qr(every.T)[0].T[6:].reshape(3, len(points), 3)


def family(people: int, seed: int = 0, resolution: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """(N, n, 3) shapes mm and triangles: normal coefficients on :func:`ways`."""
    points, triangles = blob(resolution)
    sizes = np.random.default_rng(seed).standard_normal((people, 3)) * DEVIATIONS_MM * np.sqrt(len(points))
    return points + np.tensordot(sizes, ways(points), axes=1), triangles


def blob_model(people: int = 20, seed: int = 0, resolution: int = 24) -> ShapeModel:
    """The model of :func:`family`: exactly three modes."""
    shapes, triangles = family(people, seed, resolution)
    return build_shape_model(shapes, triangles, label="blob_left", synthetic=True, sources=("computed",))
