"""Real calibrations with known truth: the implant's CAD silhouette must fall on the published masks (JTML).

JointTrack counts pixels from the picture's corner and its masks hold every pixel that the shadow touches. Both were
found here by trying the alternatives (no shift 0.986-0.990, half a pixel 0.996-0.997), and both are options of ours.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOPLY import vtkPLYReader

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import opencv_camera
from XRayTo3DLib.projection.silhouette import mesh_silhouette, overlap

pytestmark = pytest.mark.data


def read_mesh(path):
    reader = vtkPLYReader()
    reader.SetFileName(str(path))
    reader.Update()
    mesh = reader.GetOutput()
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return vtk_to_numpy(mesh.GetPoints().GetData()).astype(float), triangles


@pytest.fixture(scope="module")
def study(data_dir):
    folder = data_dir / "knee_tka_fluoro_jtml" / "biplane"
    geometry = json.loads((folder / "geometry.json").read_text())
    return folder, geometry, read_mesh(folder / "femur_component.ply")


@pytest.mark.parametrize("frame", ["000", "060", "140", "220"])
@pytest.mark.parametrize("number", [1, 2])
def test_biplane_silhouette_falls_on_the_published_mask(study, frame, number):
    folder, geometry, (points, triangles) = study
    calibration = geometry["cameras"][f"cam{number}"]
    camera = opencv_camera(
        calibration["K"],
        calibration["R_world_to_camera"],
        calibration["t_world_to_camera_mm"],
        tuple(calibration["image_size"]),
        sdd=1300.0,
        from_corner=True,
    )
    pose = RigidPose(geometry["frames"][frame]["world_from_femur_component"])
    mask = np.asarray(Image.open(folder / f"cam{number}_frame{frame}_femur_mask.png")) > 0
    assert overlap(mesh_silhouette(camera, points, triangles, pose, touching=True), mask) >= 0.99


def test_one_pixel_of_error_would_be_seen(study):
    """The test above is sharp: the same silhouette one pixel off scores visibly less."""
    folder, geometry, (points, triangles) = study
    calibration = geometry["cameras"]["cam1"]
    shifted = np.array(calibration["K"])
    scores = []
    for shift in (0.0, 1.0):
        shifted[0, 2] = calibration["K"][0][2] + shift
        camera = opencv_camera(
            shifted,
            calibration["R_world_to_camera"],
            calibration["t_world_to_camera_mm"],
            (1024, 1024),
            sdd=1300.0,
            from_corner=True,
        )
        pose = RigidPose(geometry["frames"]["000"]["world_from_femur_component"])
        mask = np.asarray(Image.open(folder / "cam1_frame000_femur_mask.png")) > 0
        scores.append(overlap(mesh_silhouette(camera, points, triangles, pose, touching=True), mask))
    assert scores[0] > scores[1] + 0.005
