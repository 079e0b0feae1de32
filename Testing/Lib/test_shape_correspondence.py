"""Template vertices found again on surfaces bent in a known way, remeshed, turned, cut open and mirrored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from solids import vtk_sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.correspondence import (
    CorrespondenceOptions,
    correspond_population,
    corresponding_points,
    other_side,
)
from XRayTo3DLib.shape.even_surface import even_surface
from XRayTo3DLib.shape.meshes import boundary_edges, make_surface, points_of, surface_area, transformed, triangles_of

OPTIONS = CorrespondenceOptions(target_points=1500, vertices=400, passes=1)


def bone(grow: float = 1.0, knob: float = 1.0, levels: int = 40, cut: float | None = None) -> vtkPolyData:
    """A club with two knobs at different heights: no two ways to lay it are alike, and left is not right."""
    source = vtk_sphere(1.0, 2 * levels, levels)
    unit = points_of(source)
    x, y, z = unit.T
    radius = 12 + 5 * z + 12 * knob * np.exp(-4 * ((x - 0.8) ** 2 + y**2 + (z - 0.5) ** 2))
    radius += 10 * np.exp(-4 * (x**2 + (y - 0.9) ** 2 + (z + 0.2) ** 2))
    points = np.stack([x * radius, y * radius, 40 * z * grow], axis=1)
    triangles = triangles_of(source)
    if cut is not None:
        triangles = triangles[(points[triangles][:, :, 2] > cut).all(axis=1)]
        used, triangles = np.unique(triangles, return_inverse=True)
        return make_surface(points[used], triangles.reshape(-1, 3))
    return make_surface(points, triangles)


@pytest.fixture(scope="module")
def template() -> vtkPolyData:
    return even_surface(bone(), 400)


def edge_counts(surface: vtkPolyData) -> np.ndarray:
    edges = np.sort(triangles_of(surface)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def test_even_surface_is_closed_even_and_where_the_surface_was(template) -> None:
    points, triangles = points_of(template), triangles_of(template)
    assert 370 <= len(points) <= 400
    assert np.all(edge_counts(template) == 2)
    assert len(points) - len(edge_counts(template)) + len(triangles) == 2  # Euler: a sphere
    lengths = np.linalg.norm(points[triangles] - points[np.roll(triangles, 1, axis=1)], axis=2)
    assert np.percentile(lengths, 95) < 2.2 * np.percentile(lengths, 5)
    assert closest_points(bone(), points).distances.max() < 1e-5
    assert (
        closest_points(template, points_of(bone())).distances.mean() < 0.3
    )  # a chord's sag: 4.3 mm edges, 10 mm radius


def test_even_surface_keeps_an_open_edge_where_it_was() -> None:
    opened = bone(cut=-20.0)
    coarse = even_surface(opened, 400)
    assert set(edge_counts(coarse)) == {1, 2}
    border = points_of(coarse)[np.unique(boundary_edges(coarse))]
    assert closest_points(opened, border).distances.max() < 1e-5
    assert np.abs(border[:, 2] + 20.0).max() < 3.0
    assert surface_area(coarse) == pytest.approx(surface_area(opened), rel=0.02)


# 10 % longer, nothing else: the drift starts from length, width and depth each, the passes from one scale for all.
@pytest.mark.parametrize(("bend", "bound"), [("passes", 1.3), ("drift", 0.6)])
def test_vertices_are_found_on_a_bent_turned_and_remeshed_surface(template, bend: str, bound: float) -> None:
    wanted = points_of(template) * (1.0, 1.0, 1.1)  # what bone() makes of every point when it grows
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = Rotation.from_rotvec([2.0, 1.0, -1.5]).as_matrix(), (100, -50, 20)
    target = transformed(even_surface(bone(grow=1.1), 900, seed=5), turn)
    found = corresponding_points(template, target, replace(OPTIONS, bend=bend))
    error = np.linalg.norm(found.points - (wanted @ turn[:3, :3].T + turn[:3, 3]), axis=1)
    assert error.mean() < bound and np.percentile(error, 95) < 2.5 * bound
    assert found.seen.all() and found.distance_mm.mean() < 0.3
    assert closest_points(target, found.points).distances.max() < 1e-5


def test_a_trusted_place_is_not_searched(template) -> None:
    options = CorrespondenceOptions(target_points=1500, align=False, stretch=False)
    found = corresponding_points(template, bone(knob=1.3), options)
    assert np.allclose(found.start, np.eye(4))
    assert np.linalg.norm(found.points - points_of(template), axis=1).mean() < 1.2


def test_points_past_the_open_edge_are_flagged_and_not_folded_back(template) -> None:
    found = corresponding_points(template, bone(cut=-20.0), OPTIONS)
    z = points_of(template)[:, 2]
    assert not found.seen[z < -24].any()
    assert found.seen[z > -16].all()
    assert np.abs(found.points - points_of(template))[z < -24].max() < 6.0  # carried on, not drawn to the edge
    inside = np.linalg.norm(found.points - points_of(template), axis=1)[z > -16]
    assert inside.mean() < 1.0  # a quarter of the way between vertices


def test_a_longer_surface_does_not_stretch_an_open_template() -> None:
    opened = even_surface(bone(cut=-15.0), 400)
    found = corresponding_points(opened, bone(), OPTIONS)
    assert np.linalg.norm(found.points - points_of(opened), axis=1).mean() < 0.8


def test_the_other_side_is_told(template) -> None:
    mirrored = transformed(bone(knob=1.2), np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert other_side(template, mirrored)
    assert not other_side(template, bone(knob=1.2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_population_shares_vertices_and_what_all_of_them_hold(workers: int) -> None:
    told: list[float] = []
    people = [bone(), bone(grow=1.05, cut=-25.0), bone(grow=0.95, knob=1.2)]
    shapes, triangles = correspond_population(
        people, options=OPTIONS, workers=workers, report=lambda what, share: told.append(share)
    )
    assert shapes.shape[0] == 3 and shapes.shape[1] == triangles.max() + 1
    assert 250 < shapes.shape[1] < 400
    assert told == sorted(told) and told[-1] == 1.0
    for shape, person in zip(shapes, people, strict=True):
        assert closest_points(person, shape).distances.max() < 1e-5
    assert np.abs(shapes[2][:, 2] / 0.95 - shapes[0][:, 2]).mean() < 1.0


def test_the_other_side_is_refused_by_name_or_turned(template) -> None:
    people = [bone(), transformed(bone(knob=1.2), np.diag([-1.0, 1.0, 1.0, 1.0])), bone(grow=0.95)]
    names = ["ann", "bob", "cleo"]
    with pytest.raises(InputError, match="do not mix: bob looks like"):  # the odd one, though it is the template
        correspond_population(people, people[1], OPTIONS, workers=1, names=names)
    shapes, _ = correspond_population(people[:2], template, replace(OPTIONS, mirror=True), workers=1)
    assert closest_points(bone(knob=1.2), shapes[1]).distances.max() < 1e-5


def test_nothing_to_work_on_is_refused() -> None:
    with pytest.raises(InputError, match="at least one surface"):
        correspond_population([])
    with pytest.raises(InputError, match="no triangles"):
        corresponding_points(vtkPolyData(), bone())
    with pytest.raises(InputError, match="at least 12"):
        even_surface(bone(), 5)
