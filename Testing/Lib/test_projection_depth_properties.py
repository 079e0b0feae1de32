"""Depth maps on any surface and camera: order, convexity, pinholes, back-projection, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import looking_camera
from scipy.spatial import ConvexHull
from test_projection_depth import CORNERS, CUBE, POSE, assert_same, potato, unit_ball

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection import mesh_rays
from XRayTo3DLib.projection.depth_maps import (
    bone_depths,
    distance_from_points,
    distance_from_z,
    mesh_depth,
    points_from_distance,
    z_from_distance,
)
from XRayTo3DLib.projection.mesh_rays import mesh_crossings
from XRayTo3DLib.projection.silhouette import mesh_silhouette

ANGLE = st.floats(-180, 180)
CAMERAS = st.builds(
    lambda x, y, z, wide, mirrored: seen_from((x, y, z), wide, mirrored),
    ANGLE,
    ANGLE,
    ANGLE,
    st.booleans(),
    st.booleans(),
)


def seen_from(turn: tuple[float, float, float], wide: bool, mirrored: bool) -> XRayCamera:
    """A camera turned anyhow, close by or far away; a mirrored one counts its columns the other way."""
    distance = 90.0 if wide else 700.0
    camera = looking_camera((47, 53), 2.1, turn_deg=turn, source_centre=distance, sdd=1.4 * distance)
    if not mirrored:
        return camera
    far = camera.pixel_to_world([camera.size[0] - 1, 0])
    return XRayCamera(camera.source, far, -camera.column_direction, camera.row_direction, camera.spacing, camera.size)


def hull(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Convex hull of random points, its faces turned outward."""
    points = np.random.default_rng(seed).normal(size=(30, 3)) * [12, 9, 16]
    found = ConvexHull(points)
    triangles = found.simplices.copy()
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), found.equations[:, :3]) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return points, triangles


@settings(max_examples=40, deadline=None)
@given(camera=CAMERAS, seed=st.integers(0, 10**6))
def test_a_convex_body_is_as_thick_as_its_faces_are_apart(camera: XRayCamera, seed: int) -> None:
    maps = mesh_depth(camera, *hull(seed))
    assert maps.mask.any()
    np.testing.assert_allclose(maps.thickness_mm, maps.back_mm - maps.front_mm, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(camera=CAMERAS, turn=st.tuples(ANGLE, ANGLE, ANGLE))
def test_order_mask_and_direction_on_a_dented_body(camera: XRayCamera, turn: tuple[float, float, float]) -> None:
    pose = RigidPose.from_rotation(turn, (3, -2, 1))
    points, triangles = potato(16)
    maps = mesh_depth(camera, points, triangles, pose)
    seen = maps.mask
    assert np.array_equal(seen, mesh_silhouette(camera, points, triangles, pose))
    for part in (maps.front_mm, maps.back_mm, maps.thickness_mm):
        assert np.array_equal(np.isfinite(part), seen)
    assert np.all(maps.front_mm[seen] <= maps.back_mm[seen])
    assert np.all(maps.thickness_mm[seen] <= (maps.back_mm - maps.front_mm)[seen] + 1e-8)
    assert_same(maps, mesh_depth(camera, points, triangles[:, ::-1], pose))
    assert_same(maps, mesh_depth(camera, pose.apply(points), triangles))


@settings(max_examples=40, deadline=None)
@given(camera=CAMERAS, seed=st.integers(0, 10**6))
def test_depth_to_points_to_pixels_and_back(camera: XRayCamera, seed: int) -> None:
    maps = mesh_depth(camera, *hull(seed))
    points = points_from_distance(camera, maps.front_mm)
    assert points.shape == (*maps.mask.shape, 3) and np.array_equal(np.isfinite(points[..., 0]), maps.mask)
    pixels, distance = distance_from_points(camera, points[maps.mask])
    rows, columns = np.nonzero(maps.mask)
    np.testing.assert_allclose(pixels, np.stack([columns, rows], axis=1), atol=1e-8)
    np.testing.assert_allclose(distance, maps.front_mm[maps.mask], atol=1e-9)
    z = z_from_distance(camera, maps.front_mm)
    along = (points - camera.source) @ camera.normal
    np.testing.assert_allclose(z, np.abs(along), atol=1e-9)
    np.testing.assert_allclose(distance_from_z(camera, z), maps.front_mm, atol=1e-9)


def lattice_block(camera: XRayCamera, first: int, last: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed block between 0.5 and 0.625 of the way to the detector, every vertex on the ray of a pixel.

    Rays run through its vertices, along its edges' planes and through the diagonals of its cells.
    """
    ticks = np.arange(first, last + 1, step)
    n = len(ticks)
    to_pixel = camera.pixel_to_world(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)) - camera.source
    points = camera.source + np.concatenate([0.5 * to_pixel, 0.625 * to_pixel])
    cell = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    face = np.concatenate(
        [np.stack([cell, cell + 1, cell + n + 1], axis=1), np.stack([cell, cell + n + 1, cell + n], axis=1)]
    )
    edge = np.arange(n - 1)
    rim = np.concatenate([edge, n - 1 + n * edge, n * n - 1 - edge, n * (n - 1) - n * edge])
    following, far = np.roll(rim, -1), n * n
    sides = np.concatenate(
        [np.stack([rim, following + far, following], axis=1), np.stack([rim, rim + far, following + far], axis=1)]
    )
    return points, np.concatenate([face, face[:, ::-1] + far, sides])


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (7.0, 11.0, 4.0), (-41.0, 17.0, 123.0)], ids=str)
@pytest.mark.parametrize("step", [1, 2, 5])
def test_rays_through_edges_and_vertices_leave_no_pinholes(turn: tuple[float, float, float], step: int) -> None:
    """Unturned, the vertices fall on pixels' centres to the last bit; turned, beside them by rounding."""
    camera = looking_camera((64, 64), 0.5, turn_deg=turn, sdd=1024.0, source_centre=512.0, target=(0, 0, 0))
    points, triangles = lattice_block(camera, 10, 50, step)
    counts = np.zeros(camera.size[0] * camera.size[1], dtype=int)
    for found in mesh_crossings(camera, points, triangles, None):
        np.add.at(counts, found.pixel, 1)
    counts = counts.reshape(64, 64)
    assert np.all(counts[11:50, 11:50] == 2)
    outside = np.ones((64, 64), dtype=bool)
    outside[10:51, 10:51] = False
    assert not counts[outside].any()
    maps = mesh_depth(camera, points, triangles)
    row, column = np.mgrid[11:50, 11:50]
    whole = np.linalg.norm(camera.pixel_to_world(np.stack([column, row], axis=-1)) - camera.source, axis=-1)
    np.testing.assert_allclose(maps.front_mm[11:50, 11:50], 0.5 * whole, atol=1e-9)
    np.testing.assert_allclose(maps.thickness_mm[11:50, 11:50], 0.125 * whole, atol=1e-9)


def test_hollows_are_left_out_of_the_thickness() -> None:
    camera = looking_camera((61, 61), 1.0)
    ball, faces = unit_ball(40)
    outer, inner = mesh_depth(camera, ball * 20, faces), mesh_depth(camera, ball * 12, faces)
    both = np.concatenate([ball * 20, ball * 12])
    shell = mesh_depth(camera, both, np.concatenate([faces, faces[:, ::-1] + len(ball)]))
    np.testing.assert_allclose(shell.front_mm, outer.front_mm)
    expected = outer.thickness_mm - np.nan_to_num(inner.thickness_mm)
    np.testing.assert_allclose(shell.thickness_mm, expected, atol=1e-9)


def test_an_open_surface_is_refused_or_open_only_where_it_is() -> None:
    camera = looking_camera((61, 61), 1.0)
    points, triangles = potato(30)
    whole = mesh_depth(camera, points, triangles)
    pixels = camera.project(points[triangles].mean(axis=1))
    hole = int(np.argmin(np.abs(pixels - [33.0, 28.0]).max(axis=1)))
    torn = np.delete(triangles, hole, axis=0)
    with pytest.raises(InputError, match="not closed: .* rays have no thickness.*use strict=False"):
        mesh_depth(camera, points, torn)
    maps = mesh_depth(camera, points, torn, strict=False)
    lost = maps.mask & np.isnan(maps.thickness_mm)
    assert 0 < lost.sum() < 40
    affected = mesh_silhouette(camera, points, triangles[[hole]])
    assert np.array_equal(lost, affected)
    for name in ("front_mm", "back_mm", "thickness_mm"):
        np.testing.assert_array_equal(getattr(maps, name)[~lost], getattr(whole, name)[~lost])


def test_faces_that_look_both_ways_are_refused() -> None:
    camera = looking_camera((61, 61), 1.0)
    points = np.concatenate([CORNERS * 6 - [15, 0, 0], CORNERS * 4 + [15, 0, 0]])
    mixed = np.concatenate([CUBE, CUBE[:, ::-1] + 8])
    with pytest.raises(InputError, match="folded, or its faces look partly inward"):
        mesh_depth(camera, points, mixed)
    maps = mesh_depth(camera, points, mixed, strict=False)
    assert_same(mesh_depth(camera, points, np.concatenate([CUBE, CUBE + 8])), maps_without(maps, camera, points))


def maps_without(maps, camera, points):
    """The same maps with the thickness of the second, turned body filled in from its faces."""
    gone = maps.mask & np.isnan(maps.thickness_mm)
    assert np.array_equal(gone, mesh_silhouette(camera, points, CUBE + 8))
    filled = np.where(gone, maps.back_mm - maps.front_mm, maps.thickness_mm)
    return type(maps)(maps.front_mm, maps.back_mm, filled)


def test_a_bone_that_runs_off_the_picture_is_the_same_where_it_is_seen() -> None:
    camera = looking_camera((80, 80), 1.0)
    points, triangles = potato()
    whole = mesh_depth(camera, points, triangles)
    part = mesh_depth(camera.cropped(30, 35, 20, 25), points, triangles)
    window = (slice(35, 60), slice(30, 50))
    assert whole.mask[window].all()
    np.testing.assert_allclose(part.front_mm, whole.front_mm[window], atol=1e-9)
    np.testing.assert_allclose(part.thickness_mm, whole.thickness_mm[window], atol=1e-9)
    away = mesh_depth(camera.cropped(500, 500, 9, 8), points, triangles)
    assert not away.mask.any() and np.isnan(away.thickness_mm).all()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = looking_camera((61, 61), 1.0)
    whole = mesh_depth(camera, *potato())
    monkeypatch.setattr(mesh_rays, "PIXELS_PER_CHUNK", 50)
    assert len(list(mesh_crossings(camera, *potato(), None))) > 20
    assert_same(mesh_depth(camera, *potato()), whole)


def test_several_bones_each_with_its_pose() -> None:
    camera = looking_camera((61, 61), 1.0)
    surfaces = {"radius": (CORNERS * [6, 6, 14], CUBE), "ulna": unit_ball(20)}
    maps = bone_depths(camera, surfaces, {"radius": POSE})
    assert list(maps) == ["radius", "ulna"]
    assert_same(maps["radius"], mesh_depth(camera, CORNERS * [6, 6, 14], CUBE, POSE))
    assert_same(maps["ulna"], mesh_depth(camera, *unit_ball(20)))
    assert_same(bone_depths(camera, surfaces, POSE)["ulna"], mesh_depth(camera, *unit_ball(20), POSE))
    with pytest.raises(InputError, match="pose for femur but no surface; surfaces: radius, ulna"):
        bone_depths(camera, surfaces, {"femur": POSE})
    with pytest.raises(InputError, match="^ulna: the surface is not closed"):
        bone_depths(camera, {"ulna": (CORNERS * 10, CUBE[2:])})


def test_impossible_surfaces_and_maps_are_refused() -> None:
    camera = looking_camera((61, 51), 1.0)
    with pytest.raises(InputError, match="no triangles"):
        mesh_depth(camera, CORNERS, np.zeros((0, 3)))
    with pytest.raises(InputError, match=r"vertex outside 0 \.\.\. 7"):
        mesh_depth(camera, CORNERS, CUBE + 1)
    with pytest.raises(InputError, match="beside or behind the X-ray source"):
        mesh_depth(camera, CORNERS + camera.source, CUBE)
    with pytest.raises(InputError, match="beside or behind the X-ray source"):
        mesh_depth(camera, CORNERS * np.nan, CUBE)
    with pytest.raises(InputError, match=r"shape \(61, 51\) does not fit a camera of 51 rows and 61 columns"):
        z_from_distance(camera, np.zeros((61, 51)))
    assert np.isnan(distance_from_points(camera, camera.source - camera.view_direction)[1])


def test_stacked_maps_convert_at_once_and_vertices_of_no_triangle_do_not_matter() -> None:
    camera = looking_camera((61, 51), 1.0)
    maps = mesh_depth(camera, np.vstack([CORNERS * 9, camera.source]), CUBE)
    stack = np.stack([maps.front_mm, maps.back_mm])
    np.testing.assert_array_equal(z_from_distance(camera, stack)[1], z_from_distance(camera, maps.back_mm))
    assert points_from_distance(camera, stack).shape == (2, 51, 61, 3)
