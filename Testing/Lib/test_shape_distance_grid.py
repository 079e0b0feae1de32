"""Signed distance grids against the formula of a sphere and against libigl."""

from __future__ import annotations

import igl
import numpy as np
import pytest
from solids import sphere

from XRayTo3DLib.dataset.phantoms import make_forearm
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.distance_grid import EXACT_MM, inside_grid, signed_distance_grid
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

SHAPE, ORIGIN = (20, 22, 24), (-12.0, -11.0, -10.0)


def grid_points() -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return np.stack([x, y, z], axis=-1) + np.array(ORIGIN)


def test_a_sphere() -> None:
    surface = sphere(7.0, 120)
    wanted = np.linalg.norm(grid_points(), axis=-1) - 7.0
    found = signed_distance_grid(surface, ORIGIN, 1.0, SHAPE, 4.0)
    assert np.abs(found - np.clip(wanted, -4, 4)).max() < 0.02
    np.testing.assert_array_equal(inside_grid(surface, ORIGIN, 1.0, SHAPE), found < 0)


def test_a_bone_against_libigl() -> None:
    surface = make_forearm(spacing=3.0, length_mm=60, soft_tissue=False, carpals=False, mesh_spacing=1.5).meshes["ulna"]
    origin, shape = points_of(surface).min(axis=0) - 7.3, (52, 28, 28)
    found = signed_distance_grid(surface, origin, 1.5, shape, 6.0)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    queries = (np.stack([x, y, z], axis=-1) * 1.5 + origin).reshape(-1, 3)
    peer = igl.signed_distance(queries, points_of(surface), triangles_of(surface))[0].reshape(shape)
    near = np.abs(peer) < EXACT_MM
    assert near.sum() > 2000 and (peer < -EXACT_MM).any()
    assert np.abs(found - peer)[near].max() < 1e-4
    assert np.abs(found - np.clip(peer, -6, 6)).max() < 0.1


def test_an_open_surface_is_refused() -> None:
    triangle = make_surface(np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="open"):
        signed_distance_grid(triangle, ORIGIN, 1.0, SHAPE, 4.0)
