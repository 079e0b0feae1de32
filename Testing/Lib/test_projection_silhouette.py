"""Shadows of surfaces: known areas, the two covering rules, agreement with DRRs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms_analytic import Ellipsoid, centred_grid, looking_camera, voxelised
from solids import vtk_sphere
from vtkmodules.util.numpy_support import vtk_to_numpy

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection import silhouette
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.projection.silhouette import mesh_silhouette, overlap

SQUARE = np.array([[-10.0, 0, -10], [10, 0, -10], [10, 0, 10], [-10, 0, 10]])
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def flat_camera(size: tuple[int, int] = (100, 100), pixel: float = 1.0) -> XRayCamera:
    """Source 500 mm before y = 0, detector 500 mm behind: everything at y = 0 is shown twice as large."""
    return looking_camera(
        size, pixel, sdd=1000.0, source_centre=500.0, turn_deg=(0, 0, 0), target=(0.1 * pixel, 0, 0.1 * pixel)
    )


def ball(radius: float, centre: tuple[float, float, float] = (0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
    mesh = vtk_sphere(radius, 128, 128, centre)
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return vtk_to_numpy(mesh.GetPoints().GetData()).astype(float), triangles


def cone_ellipse_area(camera: XRayCamera, centre: tuple[float, float, float], radius: float) -> float:
    """Pixels inside the sphere's shadow: the ray through a pixel passes the centre nearer than the radius.

    In closed form: the tangent cone cuts the detector in an ellipse. With depth d along the beam and offset e across,
    the semi-axes are a = s d' r / (d^2 - r^2) and b = s r / sqrt(d^2 - r^2), d' = sqrt(d^2 + e^2 - r^2), s = SDD.
    """
    offset = np.array(centre) - camera.source
    depth = abs(float(offset @ camera.normal))
    across = float(np.sqrt(offset @ offset - depth**2))
    square = depth**2 - radius**2
    a = camera.sdd * radius * np.sqrt(depth**2 + across**2 - radius**2) / square
    b = camera.sdd * radius / np.sqrt(square)
    return float(np.pi * a * b / np.prod(camera.spacing))


def test_a_square_covers_the_pixels_it_should() -> None:
    """20 mm shown as 40 mm: 40 x 40 pixels, and their place."""
    mask = mesh_silhouette(flat_camera(), SQUARE, TWO)
    assert mask.dtype == bool and mask.sum() == 1600
    rows, columns = np.nonzero(mask)
    assert np.ptp(rows) == np.ptp(columns) == 39
    assert columns.mean() == pytest.approx(flat_camera().project([0.0, 0, 0])[0], abs=0.6)


@pytest.mark.parametrize("centre", [(0, 0, 0), (35, -150, 20)], ids=["central", "off the beam's axis"])
def test_a_ball_s_shadow_is_the_ellipse_of_its_tangent_cone(centre: tuple[float, float, float]) -> None:
    camera = flat_camera((600, 600), 0.7)
    mask = mesh_silhouette(camera, *ball(30.0, centre))
    assert mask.any() and not mask[[0, -1]].any() and not mask[:, [0, -1]].any()
    assert mask.sum() == pytest.approx(cone_ellipse_area(camera, centre, 30.0), rel=0.004)


def test_a_depth_larger_ball_is_an_ellipse_off_axis() -> None:
    """The formula above is no circle's: off the axis the shadow is longer by the tilt of the rays."""
    camera = flat_camera((600, 600), 0.7)
    assert cone_ellipse_area(camera, (35, -150, 20), 30) > 1.01 * np.pi * (1000 / 350 * 30 / 0.7) ** 2


def test_the_touching_rule_is_half_a_pixel_larger_all_round() -> None:
    camera = flat_camera()
    inner, outer = (mesh_silhouette(camera, *ball(12.0), touching=rule) for rule in (False, True))
    assert not np.any(inner & ~outer)
    perimeter = 2 * np.pi * 24.0
    assert outer.sum() - inner.sum() == pytest.approx(perimeter * 0.5 * 4 / np.pi, rel=0.2)


def test_a_needle_between_pixel_centres_is_seen_only_by_touch() -> None:
    camera = flat_camera()
    start = camera.source + 0.5 * (camera.pixel_to_world([20.3, 30.5]) - camera.source)
    end = camera.source + 0.5 * (camera.pixel_to_world([60.3, 30.5]) - camera.source)
    needle = np.stack([start, end, 0.5 * (start + end) + [0, 0, 0.01]])
    assert not mesh_silhouette(camera, needle, [[0, 1, 2]]).any()
    touched = mesh_silhouette(camera, needle, [[0, 1, 2]], touching=True)
    assert touched.any(axis=0).sum() == 41 and set(np.nonzero(touched)[0]) <= {30, 31}


def test_a_triangle_without_area_casts_the_shadow_of_a_line() -> None:
    line = [[0, 2, 2]]
    assert mesh_silhouette(flat_camera(), SQUARE, line).sum() <= 40
    assert 40 <= mesh_silhouette(flat_camera(), SQUARE, line, touching=True).sum() <= 130
    assert mesh_silhouette(flat_camera(), SQUARE, [*TWO, [0, 2, 2]]).sum() == 1600


def test_the_shadow_agrees_with_the_drr_of_the_same_thing() -> None:
    camera = looking_camera((130, 120), 1.0)
    pose = RigidPose.from_rotation((20, -35, 10), (5, 8, -6))
    points, triangles = ball(1.0)
    shape = Ellipsoid((2, -3, 4), (14, 24, 18), (0, 0, 0), 0.05)
    grid = centred_grid((120, 120, 120), 0.5)
    with torch.no_grad():
        volume = voxelised([shape], (120, 120, 120), grid)
        image = DrrProjector(volume, grid)(camera, pose).numpy()
    mask = mesh_silhouette(camera, points * shape.radii + shape.centre, triangles, pose)
    assert overlap(mask, image > 0.1) > 0.97


def test_a_pose_moves_the_surface() -> None:
    pose = RigidPose.from_rotation((10, 20, 30), (4, 5, 6))
    moved = mesh_silhouette(flat_camera(), SQUARE, TWO, pose)
    assert np.array_equal(moved, mesh_silhouette(flat_camera(), pose.apply(SQUARE), TWO))
    assert not np.array_equal(moved, mesh_silhouette(flat_camera(), SQUARE, TWO))


def test_what_lies_beside_the_picture_is_cut_off() -> None:
    camera = flat_camera()
    away = RigidPose.from_rotation((0, 0, 0), (500, 0, 0))
    assert not mesh_silhouette(camera, SQUARE, TWO, away).any()
    half = mesh_silhouette(camera, SQUARE, TWO, RigidPose.from_rotation((0, 0, 0), (25.0, 0, 0)))
    assert half[:, -1].sum() == 40 and half.sum() < 1000


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mesh_silhouette(flat_camera(), *ball(12.0))
    monkeypatch.setattr(silhouette, "CANDIDATES_PER_CHUNK", 50)
    assert np.array_equal(mesh_silhouette(flat_camera(), *ball(12.0)), whole)


def test_impossible_surfaces_are_refused() -> None:
    with pytest.raises(InputError, match="beside or behind the X-ray source; check pose and camera"):
        mesh_silhouette(flat_camera(), SQUARE, TWO, RigidPose.from_rotation((0, 0, 0), (0, -600, 0)))
    with pytest.raises(InputError, match="no triangles"):
        mesh_silhouette(flat_camera(), SQUARE, np.zeros((0, 3)))
    with pytest.raises(InputError, match="beside or behind"):
        mesh_silhouette(flat_camera(), np.full((4, 3), np.nan), TWO)


def test_overlap_is_intersection_over_union() -> None:
    first = np.zeros((4, 4), dtype=bool)
    second = first.copy()
    first[:2], second[1:3] = True, True
    assert overlap(first, second) == pytest.approx(4 / 12)
    assert overlap(first, first) == 1.0 and overlap(first, ~first) == 0.0
    with pytest.raises(InputError, match="both masks are empty"):
        overlap(first & False, first & False)
    with pytest.raises(InputError, match=r"shape \(4, 4\) and \(3, 4\) cannot be compared"):
        overlap(first, first[:3])
