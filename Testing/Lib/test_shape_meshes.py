"""Areas, volumes, open edges, sampling and label surfaces against what geometry says."""

from __future__ import annotations

import numpy as np
import pytest
from solids import cube, sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points, oriented, outside_signs
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import (
    boundary_edges,
    boundary_length,
    enclosed_volume,
    make_surface,
    point_array,
    points_of,
    sample_surface,
    surface_area,
    transformed,
    triangles_of,
    vertex_areas,
)


def test_cube_area_volume_and_closed():
    assert surface_area(cube()) == pytest.approx(6 * 900)
    assert enclosed_volume(cube()) == pytest.approx(27000)
    assert len(boundary_edges(cube())) == 0


def test_open_cube_has_the_open_squares_edge():
    assert boundary_length(cube(open_top=True)) == pytest.approx(4 * 30)
    assert len(boundary_edges(cube(open_top=True))) == 4


def test_mirroring_keeps_outward_outward():
    mirrored = transformed(cube(), np.diag([-1.0, 1, 1, 1]))
    assert enclosed_volume(mirrored) == pytest.approx(27000)
    assert points_of(mirrored)[:, 0].min() == -30


def test_oriented_turns_an_inside_out_surface():
    inside_out = make_surface(points_of(cube()), triangles_of(cube())[:, ::-1])
    assert enclosed_volume(inside_out) < 0
    assert enclosed_volume(oriented(inside_out)) == pytest.approx(27000)


def test_vertex_areas_add_up_and_integrate_linear_functions():
    ball = sphere()
    weights = vertex_areas(ball)
    assert weights.sum() == pytest.approx(surface_area(ball))
    points, triangles = points_of(ball), triangles_of(ball)
    corners = points[triangles]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    values = points[:, 2] + 3
    assert weights @ values == pytest.approx((area * values[triangles].mean(axis=1)).sum())


def test_samples_follow_the_area_not_the_triangles():
    corners = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]])
    surface = make_surface(corners, [[0, 1, 2], [3, 4, 5]])
    points, chosen = sample_surface(surface, 10_100, seed=3)
    assert (chosen == 0).sum() == pytest.approx(10_000, abs=1)
    assert points[chosen == 0][:, :2].mean(axis=0) == pytest.approx([10 / 3, 10 / 3], abs=0.1)
    again, _ = sample_surface(surface, 10_100, seed=3)
    assert np.array_equal(points, again)
    assert not np.array_equal(points, sample_surface(surface, 10_100, seed=4)[0])


def test_surface_without_area_cannot_be_sampled():
    with pytest.raises(InputError, match="no area"):
        sample_surface(make_surface(np.zeros((3, 3)), [[0, 1, 2]]), 10)


def test_triangle_naming_a_missing_vertex_is_refused():
    with pytest.raises(InputError, match="vertex 7"):
        make_surface(np.zeros((3, 3)), [[0, 1, 7]])


def test_signs_are_exact_at_edges_and_corners_of_a_cube():
    random = np.random.default_rng(0)
    queries = random.uniform(-15, 45, (4000, 3))
    surface = cube()
    inside = np.all((queries > 0) & (queries < 30), axis=1)
    signs = outside_signs(surface, closest_points(surface, queries))
    assert np.array_equal(signs < 0, inside)


def test_closest_points_lie_on_the_sphere_far_and_near():
    queries = np.random.default_rng(1).normal(size=(500, 3)) * 200
    found = closest_points(sphere(20, 300), queries)
    assert found.distances == pytest.approx(np.abs(np.linalg.norm(queries, axis=1) - 20), abs=0.01)


def ball_labels(spacing: float, radius: float, cut: bool = False) -> np.ndarray:
    size = int(2 * radius / spacing) + 8
    axis = (np.arange(size) - size / 2 + 0.5) * spacing
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    labels = 3 * (x**2 + y**2 + z**2 < radius**2).astype(np.uint8)
    return labels[size // 2 :] if cut else labels


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (-1, -1, -1), (1, -1, 1)])
def test_label_surface_of_a_ball_in_any_orientation(flip):
    spacing, radius = 0.8, 12.0
    labels = ball_labels(spacing, radius)
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(np.array(flip) * spacing)
    middle = (np.array(labels.shape[::-1]) - 1) / 2
    matrix[:3, 3] = np.array([5.0, -7.0, 100.0]) - matrix[:3, :3] @ middle
    surface = surface_from_labels(labels, matrix, 3)
    radii = np.linalg.norm(points_of(surface) - (5.0, -7.0, 100.0), axis=1)
    assert radii.mean() == pytest.approx(radius, abs=0.1)
    assert np.abs(radii - radius).max() < spacing / 2
    assert enclosed_volume(surface) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
    assert len(boundary_edges(surface)) == 0


def test_label_surface_is_anisotropic_and_ordered_column_row_slice():
    labels = np.zeros((9, 20, 30), dtype=np.uint8)
    labels[2:7, 4:16, 5:25] = 1
    matrix = np.diag([1.0, 2.0, 5.0, 1.0])
    points = points_of(surface_from_labels(labels, matrix, 1, smoothing_voxels=0))
    assert points.min(axis=0) == pytest.approx([4.5, 7.0, 7.5])
    assert points.max(axis=0) == pytest.approx([24.5, 31.0, 32.5])


def test_label_surface_is_closed_at_the_volumes_border():
    labels = ball_labels(1.0, 10.0, cut=True)
    assert labels[0].any()
    surface = surface_from_labels(labels, np.eye(4), 3)
    assert len(boundary_edges(surface)) == 0
    assert points_of(surface)[:, 2].min() > -1


def test_missing_and_vanishing_labels_are_told():
    with pytest.raises(InputError, match="Label 9 does not occur"):
        surface_from_labels(ball_labels(1.0, 5.0), np.eye(4), 9)
    speck = np.zeros((5, 5, 5), dtype=np.uint8)
    speck[2, 2, 2] = 1
    with pytest.raises(InputError, match="too thin"):
        surface_from_labels(speck, np.eye(4), 1, smoothing_voxels=2)


def test_asking_for_a_point_array_that_is_not_there():
    with pytest.raises(InputError, match='"thickness"'):
        point_array(cube(), "thickness")
