"""Depth views of real bones against VTK's ray casting, and the synthetic pelvis against a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkFiltersGeneral import vtkOBBTree

from XRayTo3DLib.dataset.depth_views import depth_view
from XRayTo3DLib.dataset.phantoms import HipsShape
from XRayTo3DLib.dataset.phantoms.hips import make_hips_parts
from XRayTo3DLib.dataset.phantoms.meshing import mesh_field
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.shape.meshes import points_of, transformed
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data

BONES = (
    "femur_proximal_pairs_libhip/m3_lfemur.ply",
    "femur_proximal_pairs_libhip/m3_rfemur.ply",
    "femur_full_10_gias2/femur_left_00.ply",
    "knee_ssm_instances_clouthier/S001_femur.ply",
    "knee_ssm_instances_clouthier/S001_tibia.ply",
)
GEOMETRY = StandardGeometry(40, 300.0)


@pytest.mark.parametrize("name", BONES)
def test_front_and_back_are_where_vtk_s_rays_meet_the_bone(data_dir: Path, name: str) -> None:
    bone = read_surface(data_dir / name)
    points = points_of(bone)
    pose = RigidPose.from_rotation((12, -8, 17), (4, 20, -9), centre=(points.min(axis=0) + points.max(axis=0)) / 2)
    middle = pose.apply((points.min(axis=0) + points.max(axis=0)) / 2)
    taken = standard_camera(1040.0, (1.3, 1.1), (250, 300), source_isocentre=880.0, isocentre=middle)
    note = IntensityNote("line-integral", None, True, "test")
    picture = Radiograph(np.ones((300, 250), np.float32), taken, note, SpacingSource.DETECTOR, "AP")
    view = depth_view(picture, {"bone": bone}, ("bone",), GEOMETRY, pose=pose)
    tree = vtkOBBTree()
    tree.SetDataSet(transformed(bone, pose.matrix))
    tree.SetTolerance(1e-9)
    tree.BuildLocator()
    camera, seen = view.camera, view.mask[0]
    towards = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    missed = 0
    for row, column in np.ndindex(seen.shape):
        hits = vtkPoints()
        tree.IntersectWithLine(camera.source, camera.pixel_to_world([column, row]), hits, None)
        if hits.GetNumberOfPoints() == 0 or not seen[row, column]:
            missed += seen[row, column] != (hits.GetNumberOfPoints() > 0)
            continue
        depths = (vtk_to_numpy(hits.GetData()) - camera.source) @ towards
        assert view.front_mm[0, row, column] == pytest.approx(depths.min(), abs=0.05)
        assert view.back_mm[0, row, column] == pytest.approx(depths.max(), abs=0.05)
    assert seen.sum() > 60 and missed <= 1


def test_the_mean_pelvis_has_the_size_and_the_places_of_a_real_one(data_dir: Path) -> None:
    """Boxes of the bones round the midpoint of the heads (3 mm voxels, one patient of a network's labels)."""
    folder = data_dir / "ct_pelvis_totalsegmentator"
    ct = read_ct(folder / "example_ct.nii.gz", labels=folder / "example_seg_fast_force_split.nii.gz", name="real")
    values = {"femur_right": 76, "pelvis_right": 78, "pelvis_left": 77, "sacrum": 25}
    real = {name: ct.voxel_points(np.argwhere(ct.labels == value)[:, ::-1]) for name, value in values.items()}
    parts = make_hips_parts(HipsShape())[:5]  # Without the lumbar vertebrae.
    made = {part.label: points_of(mesh_field(part.field, part.low, part.high, 2.5)) for part in parts}

    def sizes(bones: dict) -> np.ndarray:
        """Width of pelvis and sacrum; how far the sacrum's back and top lie beyond the pelvis', mm."""
        pelvis, sacrum = np.concatenate([bones["pelvis_right"], bones["pelvis_left"]]), bones["sacrum"]
        beyond = sacrum.max(axis=0) - pelvis.max(axis=0)
        return np.array([np.ptp(pelvis[:, 0]), np.ptp(sacrum[:, 0]), beyond[1], beyond[2]])

    assert np.abs(sizes(made) - sizes(real)).max() < 15.0
