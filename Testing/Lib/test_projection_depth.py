"""Depth maps against closed forms, other people's ray casting, and the DRR."""

from __future__ import annotations

import igl
import numpy as np
import pytest
from phantoms_analytic import (
    Box,
    Ellipsoid,
    Shape,
    bone_ct,
    centred_grid,
    line_integrals,
    looking_camera,
    relative_rms,
    voxelised,
)
from scipy.spatial.transform import Rotation
from solids import vtk_sphere
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkFiltersGeneral import vtkOBBTree

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.depth_maps import DepthMaps, bone_depths, mesh_depth, z_from_distance
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

POSE = RigidPose.from_rotation((20, -35, 10), (5, 8, -6))
CORNERS = np.array([[x, y, z] for z in (-1.0, 1.0) for y in (-1.0, 1.0) for x in (-1.0, 1.0)])
CUBE = np.array(
    [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4],
     [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]]
)  # fmt: skip


def placed(shape: Shape, unit_points: np.ndarray) -> np.ndarray:
    """Points of the unit shape in mm."""
    turn = Rotation.from_rotvec(shape.turn_deg, degrees=True).as_matrix()
    return (unit_points * shape.radii) @ turn.T + shape.centre


def unit_ball(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    mesh = vtk_sphere(1.0, resolution, resolution, double=True)
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return vtk_to_numpy(mesh.GetPoints().GetData()).astype(float), triangles


def potato(resolution: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A body with dents: some rays cross it four times and more."""
    points, triangles = unit_ball(resolution)
    x, y, z = points.T
    radius = 30 + 9 * np.sin(5 * x + 1) * np.cos(6 * y) + 6 * np.sin(7 * z - 2)
    return points * radius[:, None], triangles


def rays_of(camera: XRayCamera) -> np.ndarray:
    columns, rows = camera.size
    row, column = np.mgrid[:rows, :columns]
    return camera.rays(np.stack([column, row], axis=-1))


def ellipsoid_faces(shape: Ellipsoid, camera: XRayCamera) -> tuple[np.ndarray, np.ndarray]:
    """Distances (rows, columns) to both faces: the roots of |A (source + t ray) + b| = 1."""
    a, b = shape.to_unit()
    start, rays = a @ camera.source + b, rays_of(camera) @ a.T
    square, half = (rays**2).sum(axis=-1), rays @ start
    with np.errstate(invalid="ignore"):
        root = np.sqrt(half**2 - square * (start @ start - 1))
    return (-half - root) / square, (-half + root) / square


def assert_same(first: DepthMaps, second: DepthMaps, tolerance: float = 1e-9) -> None:
    for name in ("front_mm", "back_mm", "thickness_mm"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=0, atol=tolerance)


# ---- closed forms -------------------------------------------------------------------------------------------


def test_a_box_is_exact() -> None:
    """The box's line integral in closed form, and its faces by the slab method, for an oblique camera and pose."""
    shape = Box((4, -3, 6), (11, 17, 23), (12, 25, -8), 1.0)
    camera = looking_camera((96, 110), 1.1)
    maps = mesh_depth(camera, placed(shape, CORNERS), CUBE, POSE)
    np.testing.assert_allclose(np.nan_to_num(maps.thickness_mm), line_integrals([shape], camera, POSE), atol=1e-9)
    a, b = shape.to_unit()
    start = a @ POSE.inverse().apply(camera.source) + b
    rays = rays_of(camera) @ POSE.rotation @ a.T
    slabs = (np.array([-1.0, 1.0])[:, None, None, None] - start) / rays
    front, back = slabs.min(axis=0).max(axis=-1), slabs.max(axis=0).min(axis=-1)
    assert np.array_equal(maps.mask, front < back) and 800 < maps.mask.sum() < maps.mask.size
    np.testing.assert_allclose(maps.front_mm, np.where(maps.mask, front, np.nan), atol=1e-9)
    np.testing.assert_allclose(maps.back_mm, np.where(maps.mask, back, np.nan), atol=1e-9)


def test_a_ball_s_nearest_point_lies_on_the_ray_to_its_centre() -> None:
    camera = looking_camera((101, 101), 0.5, turn_deg=(0, 0, 0), target=(0, 0, 0), source_centre=700.0)
    maps = mesh_depth(camera, unit_ball(100)[0] * 20, unit_ball(100)[1])
    assert maps.front_mm[50, 50] == pytest.approx(680, abs=0.02) == np.nanmin(maps.front_mm)
    assert maps.back_mm[50, 50] == pytest.approx(720, abs=0.02) == np.nanmax(maps.back_mm)


@pytest.mark.parametrize("turn", [(7.0, 11.0, 4.0), (-60.0, 25.0, 100.0)])
def test_an_ellipsoid_s_faces_to_the_fineness_of_its_mesh(turn: tuple[float, float, float]) -> None:
    shape = Ellipsoid((4, -3, 6), (11, 17, 23), (12, 25, -8), 1.0)
    camera = looking_camera((96, 110), 1.1, turn_deg=turn)
    front, back = ellipsoid_faces(shape, camera)
    errors = []
    for resolution in (60, 120):
        points, triangles = unit_ball(resolution)
        maps = mesh_depth(camera, placed(shape, points), triangles)
        well_inside = back - front > 6
        assert maps.mask[well_inside].all() and not maps.mask[np.isnan(front)].any()
        pairs = ((maps.front_mm, front), (maps.back_mm, back), (maps.thickness_mm, back - front))
        errors.append([np.abs((mesh - truth)[well_inside]).max() for mesh, truth in pairs])
    assert max(errors[1]) < 0.15
    assert np.all(np.array(errors[1]) < 0.4 * np.array(errors[0]))  # Second order: a quarter.


def test_z_of_a_plate_that_faces_the_detector_is_one_number() -> None:
    camera = looking_camera((60, 50), 1.0, turn_deg=(0, 0, 0))
    plate = Box((0, 10, 0), (12, 2, 9), (0, 0, 0), 1.0)
    maps = mesh_depth(camera, placed(plate, CORNERS), CUBE)
    z = z_from_distance(camera, maps.front_mm)
    inner = maps.mask & (np.abs(z - np.nanmin(z)) < 1e-6)
    assert inner.sum() > 700 and np.nanmin(z) == pytest.approx(8 - camera.source[1])
    assert np.ptp(maps.front_mm[inner]) > 0.1


# ---- other people's ray casting -------------------------------------------------------------------------------


def test_vtk_s_ray_casting_finds_the_same_crossings() -> None:
    camera = looking_camera((37, 41), 2.3)
    points, triangles = potato()
    maps = mesh_depth(camera, points, triangles, POSE)
    tree = vtkOBBTree()
    tree.SetDataSet(make_surface(POSE.apply(points), triangles))
    tree.SetTolerance(1e-9)
    tree.BuildLocator()
    columns, rows = camera.size
    most = 0
    for row in range(rows):
        for column in range(columns):
            end = camera.pixel_to_world([column, row])
            hits = vtkPoints()
            tree.IntersectWithLine(camera.source, end, hits, None)
            assert (hits.GetNumberOfPoints() > 0) == maps.mask[row, column]
            if maps.mask[row, column]:
                found = np.linalg.norm(vtk_to_numpy(hits.GetData()) - camera.source, axis=1)
                most = max(most, len(found))
                gaps = (np.sort(found) * np.resize([-1, 1], len(found))).sum()
                ours = [part[row, column] for part in (maps.front_mm, maps.back_mm, maps.thickness_mm)]
                np.testing.assert_allclose(ours, [found.min(), found.max(), gaps], atol=5e-4)  # VTK's are float32.
    assert most >= 4


def test_libigl_s_ray_casting_finds_the_same_crossings() -> None:
    camera = looking_camera((37, 41), 2.3)
    points, triangles = potato()
    maps = mesh_depth(camera, points, triangles)
    rays = rays_of(camera)
    crossed = 0
    for row, column in np.argwhere(maps.mask)[::7]:
        hits = igl.ray_mesh_intersect(camera.source, rays[row, column], points, triangles.astype(np.int64))
        found = np.sort([distance for _, distance, _, _ in hits])
        ours = [part[row, column] for part in (maps.front_mm, maps.back_mm, maps.thickness_mm)]
        gaps = (found * np.resize([-1, 1], len(found))).sum()
        np.testing.assert_allclose(ours, [found[0], found[-1], gaps], atol=2e-3)  # libigl's are float32.
        crossed += len(found) >= 4
    assert crossed > 3


# ---- the DRR ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_thickness_is_the_drr_of_a_uniform_body(engine: str) -> None:
    """1 / mm in voxels of 0.5 and 0.25 mm: the same millimetres at the same pixels, but for the voxels' soft edge."""
    shape = Ellipsoid((2, -3, 4), (14, 20, 18), (20, 0, 30), 1.0)
    camera = looking_camera((130, 120), 0.7)
    points, triangles = unit_ball(150)
    thickness = np.nan_to_num(mesh_depth(camera, placed(shape, points), triangles, POSE).thickness_mm)
    errors = []
    for size, spacing in ((96, 0.5), (192, 0.25)):
        grid = centred_grid((size, size, size), spacing, (3, 8, 5))
        volume = voxelised([shape], (size, size, size), grid)
        image = np.asarray(make_projector(volume, grid, engine=engine)(camera, POSE))
        assert image.sum() == pytest.approx(thickness.sum(), rel=0.001)
        assert np.abs(image - thickness)[thickness > 12].max() < spacing
        assert relative_rms(image, np.roll(thickness, 1, axis=1)) > 0.05  # One pixel beside.
        errors.append(relative_rms(image, thickness))
    assert errors[0] < 0.015 and errors[1] < 0.6 * errors[0]


def test_a_labelled_bone_goes_through_its_surface_to_the_same_thickness() -> None:
    ct = bone_ct(0.7)
    camera = looking_camera((120, 130), 0.9, target=(3, 0, 0))
    surface = surface_from_labels(ct.labels, ct.voxel_to_lps, ct.label_names["bone"])
    maps = bone_depths(camera, {"bone": (points_of(surface), triangles_of(surface))}, POSE)["bone"]
    mask = (ct.labels == ct.label_names["bone"]).astype(np.float32)
    image = np.asarray(make_projector(mask, ct.voxel_to_lps)(camera, POSE))
    thickness = np.nan_to_num(maps.thickness_mm)
    assert relative_rms(image, thickness) < 0.03
    assert image.sum() == pytest.approx(thickness.sum(), rel=0.01)
    assert np.array_equal(maps.mask, mesh_silhouette(camera, points_of(surface), triangles_of(surface), POSE))
