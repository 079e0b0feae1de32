"""Surfaces, points and volumes from depth maps: spheres and slabs in closed form, any mask at all, VTK's own checks."""

from __future__ import annotations

import numpy as np
import pytest
from depth_cases import ap_camera, sphere_z
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkFeatureEdges, vtkMassProperties

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.shape.depth_surface import depth_points, depth_surface, thickness_volume
from XRayTo3DLib.shape.meshes import enclosed_volume, points_of, triangle_areas, triangles_of

CENTRE, RADIUS = np.array([12.0, 3.0, -17.0]), 40.0
BALL_MM3 = 4 / 3 * np.pi * RADIUS**3


def mirrored(camera: XRayCamera) -> XRayCamera:
    """The same detector read from its other side: its normal points back to the source."""
    first = camera.pixel_to_world([camera.size[0] - 1, 0])
    return XRayCamera(camera.source, first, -camera.column_direction, camera.row_direction, camera.spacing, camera.size)


def oblique() -> XRayCamera:
    """Not centred, not square, not perpendicular."""
    return XRayCamera([30, -900, 60], [-120, 90, 100], [1, 0.1, 0], [0.02, -0.2, -1], (2.4, 1.9), (90, 110))


CAMERAS = {"standard": ap_camera(128), "mirrored": mirrored(ap_camera(128)), "oblique": oblique()}


def edges_of(surface: vtkPolyData, **kinds: bool) -> int:
    """How many edges of a kind VTK finds."""
    found = vtkFeatureEdges()
    found.SetInputData(surface)
    found.BoundaryEdgesOff()
    found.FeatureEdgesOff()
    found.NonManifoldEdgesOff()
    found.ManifoldEdgesOff()
    for kind in kinds:
        getattr(found, f"{kind}On")()
    found.Update()
    return found.GetOutput().GetNumberOfCells()


@pytest.mark.parametrize("name", CAMERAS)
def test_a_ball_comes_back(name: str) -> None:
    camera = CAMERAS[name]
    front, back = sphere_z(camera, CENTRE, RADIUS)
    count = np.isfinite(front).sum()
    points = depth_points(camera, front, back)
    assert len(points) == 2 * count > 2000
    assert np.abs(np.linalg.norm(points - CENTRE, axis=1) - RADIUS).max() < 1e-9
    surface = depth_surface(camera, front, back)
    assert np.allclose(points_of(surface)[: 2 * count], points, atol=1e-9)
    assert np.abs(np.linalg.norm(points_of(surface) - CENTRE, axis=1) - RADIUS).max() < 0.25  # the rim: a sixth pixel
    assert edges_of(surface, BoundaryEdges=True, NonManifoldEdges=True) == 0
    assert enclosed_volume(surface) == pytest.approx(BALL_MM3, rel=0.01)  # outward: positive
    assert triangle_areas(points_of(surface), triangles_of(surface)).min() > 0
    mass = vtkMassProperties()
    mass.SetInputData(surface)
    assert mass.GetVolume() == pytest.approx(enclosed_volume(surface), rel=1e-3)
    assert mass.GetSurfaceArea() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.02)


@pytest.mark.parametrize("name", CAMERAS)
def test_thickness_times_pixel_area_is_the_volume(name: str) -> None:
    camera = CAMERAS[name]
    assert thickness_volume(camera, *sphere_z(camera, CENTRE, RADIUS)) == pytest.approx(BALL_MM3, rel=0.003)


def test_the_volume_of_a_slab_is_exact() -> None:
    camera = ap_camera(32)
    front = np.full((32, 32), 700.0)
    area = np.prod(camera.spacing) * 32 * 32 / camera.sdd**2  # of the picture, seen from 1 mm
    assert thickness_volume(camera, front, front + 200.0) == pytest.approx(area * (900**3 - 700**3) / 3, rel=1e-12)
    assert thickness_volume(camera, front, front - 5.0) == 0.0


def test_where_the_picture_cuts_a_ball_the_surface_is_open_and_only_there() -> None:
    camera = ap_camera(128)
    front, back = sphere_z(camera, [0, 0, -85], RADIUS)
    assert np.isfinite(front[-1]).any() and not np.isfinite(front[0]).any()
    surface = depth_surface(camera, front, back)
    found = vtkFeatureEdges()
    found.SetInputData(surface)
    found.FeatureEdgesOff()
    found.NonManifoldEdgesOff()
    found.ManifoldEdgesOff()
    found.Update()
    rows = camera.project(points_of(found.GetOutput()))[:, 1]
    assert len(rows) > 100 and np.abs(rows - 127).max() < 1e-3


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_mask_gives_a_closed_surface_through_all_its_pixels(data: st.DataObject) -> None:
    mask = np.zeros((12, 10), dtype=bool)
    mask[1:-1, 1:-1] = data.draw(arrays(bool, (10, 8)))
    mask[5, 5] = True
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    front = np.where(mask, 880 + 10 * random.standard_normal(mask.shape), np.nan)
    back = front + 15 * random.standard_normal(mask.shape)  # noisy: often before the front
    camera = XRayCamera([0, -880, 0], [-9, 120, 11], [1, 0, 0], [0, 0, -1], (2.0, 2.0), (10, 12))
    surface = depth_surface(camera, front, back)
    assert edges_of(surface, BoundaryEdges=True, NonManifoldEdges=True) == 0
    directed = triangles_of(surface)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)  # neighbours go round the same way
    middle, half = (front + back) / 2, np.maximum((back - front) / 2, 0)
    expected = depth_points(camera, middle - half, middle + half)
    assert np.allclose(points_of(surface)[: len(expected)], expected, atol=1e-9)
    used = np.unique(triangles_of(surface))
    assert len(used) == surface.GetNumberOfPoints()  # every pixel, and nothing that hangs loose


def test_a_front_alone_is_a_sheet_that_looks_to_the_source() -> None:
    for camera in CAMERAS.values():
        front, back = sphere_z(camera, CENTRE, RADIUS)
        sheet = depth_surface(camera, front, None)
        assert len(depth_points(camera, front, None)) == sheet.GetNumberOfPoints() == np.isfinite(front).sum()
        assert np.abs(np.linalg.norm(points_of(sheet) - CENTRE, axis=1) - RADIUS).max() < 1e-9
        a, b, c = (points_of(sheet)[triangles_of(sheet)[:, k]] for k in range(3))
        assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c) / 3 - CENTRE) > 0).all()
        assert edges_of(sheet, BoundaryEdges=True) > 50


@pytest.mark.parametrize(
    ("front", "back", "said"),
    [
        (np.full((3, 4), 800.0), None, "does not fit"),
        (np.full((4, 4), -1.0), None, "in front of the source"),
        (np.full((4, 4), np.inf), None, "in front of the source"),
        (np.full((4, 4), 800.0), np.full((4, 4), np.nan), "different pixels"),
        (np.full((4, 4), np.nan), np.full((4, 4), np.nan), "too little"),
        (np.where(np.eye(4), 800.0, np.nan), None, "too little"),
    ],
)
def test_what_cannot_be_drawn_is_refused(front: np.ndarray, back: np.ndarray | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        depth_surface(ap_camera(4), front, back)


def test_no_pixel_gives_no_points_and_no_volume() -> None:
    nothing = np.full((4, 4), np.nan)
    assert depth_points(ap_camera(4), nothing, nothing).shape == (0, 3)
    assert thickness_volume(ap_camera(4), nothing, nothing) == 0.0
    with pytest.raises(InputError, match="back"):
        thickness_volume(ap_camera(4), nothing, None)
