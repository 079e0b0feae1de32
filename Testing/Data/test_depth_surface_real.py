"""Surfaces from depth maps of real bones: points on the bone, thickness that sums to its volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.projection.depth_maps import mesh_depth, z_from_distance
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.depth_surface import depth_points, depth_surface, thickness_volume
from XRayTo3DLib.shape.meshes import boundary_edges, boundary_length, enclosed_volume, points_of, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data

BONES = (
    "femur_proximal_pairs_libhip/m3_lfemur.ply",
    "femur_proximal_pairs_libhip/m3_rfemur.ply",
    "knee_ssm_instances_clouthier/S001_femur.ply",
    "knee_ssm_instances_clouthier/S001_tibia.ply",
    "knee_ssm_instances_clouthier/S001_patella.ply",
)
FULL = "femur_full_10_gias2/femur_left_00.ply"


def seen(bone: vtkPolyData, size: int, field_mm: float) -> tuple[XRayCamera, np.ndarray, np.ndarray]:
    """A camera on the bone, 120 mm before the detector, and the z of its front and back."""
    middle = (points_of(bone).min(axis=0) + points_of(bone).max(axis=0)) / 2
    pixel = field_mm / size
    camera = standard_camera(1000, (pixel, pixel), (size, size), source_isocentre=880, isocentre=middle)
    maps = mesh_depth(camera, points_of(bone), triangles_of(bone), strict=False)
    return camera, z_from_distance(camera, maps.front_mm), z_from_distance(camera, maps.back_mm)


@pytest.mark.parametrize("name", (*BONES, FULL))
@pytest.mark.parametrize("size", [128, 256])
def test_back_projected_points_lie_on_the_bone(data_dir: Path, name: str, size: int) -> None:
    bone = read_surface(data_dir / name)
    camera, front, back = seen(bone, size, 400.0)
    points = depth_points(camera, front, back)
    assert len(points) > 200
    assert closest_points(bone, points).distances.max() < 0.1
    as_float32 = depth_points(camera, front.astype(np.float32), back.astype(np.float32))
    assert closest_points(bone, as_float32).distances.max() < 0.1


@pytest.mark.parametrize("name", BONES)
def test_thickness_times_pixel_area_is_the_volume_of_the_bone(data_dir: Path, name: str) -> None:
    bone = read_surface(data_dir / name)
    assert boundary_length(bone) == 0
    for size in (128, 256, 512):
        camera, front, back = seen(bone, size, 400.0)
        assert thickness_volume(camera, front, back) == pytest.approx(enclosed_volume(bone), rel=0.01), size


@pytest.mark.parametrize("name", BONES)
def test_the_surface_is_closed_and_near_the_bone_and_finer_pixels_bring_it_nearer(data_dir: Path, name: str) -> None:
    bone = read_surface(data_dir / name)
    means = []
    for size in (64, 128, 256):
        surface = depth_surface(*seen(bone, size, 400.0))
        assert boundary_length(surface) == 0
        means.append(closest_points(bone, points_of(surface)).distances.mean())
    assert means[0] > means[1] > means[2] and means[2] < 0.05


def test_a_femur_longer_than_the_picture_is_open_at_its_border_alone(data_dir: Path) -> None:
    bone = read_surface(data_dir / FULL)
    camera, front, back = seen(bone, 128, 400.0)
    surface = depth_surface(camera, front, back)
    assert boundary_length(surface) > 50
    rows = camera.project(points_of(surface)[np.unique(boundary_edges(surface))])[:, 1]
    assert np.minimum(np.abs(rows), np.abs(rows - 127)).max() < 1e-6
