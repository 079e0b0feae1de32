"""The scene that `xrayto3d demo` leaves opens in Slicer's own reader with everything in place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.geometry import RigidPose, XRayCamera

pytestmark = [pytest.mark.host, pytest.mark.gl]
FLIP = np.array([-1.0, -1.0, 1.0])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "-o", str(folder), "--people", "1", "--spacing", "1.0", "--json"]) == 0
    return folder


def test_bundle_opens_with_bone_radiographs_and_colours(slicer_app, demo):
    import slicer

    slicer.util.loadScene(str(demo / "wrist-1" / "scene" / "wrist-1.mrb"), {"clear": True})
    models = [n for n in slicer.util.getNodesByClass("vtkMRMLModelNode") if "radius" in n.GetName()]
    assert len(models) == 2
    assert all("synthetic" in node.GetName() for node in models)
    registered = next(node for node in models if "registered" in node.GetName())
    assert registered.GetDisplayNode().GetActiveScalarName() == "SurfaceDistance_mm"
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert {name for node in volumes for name in ("CT", "PA", "LAT") if name in node.GetName()} == {"CT", "PA", "LAT"}


def test_the_scene_agrees_with_the_files_beside_it(slicer_app, demo):
    import slicer

    person = demo / "wrist-1"
    slicer.util.loadScene(str(person / "scene" / "wrist-1.mrml"), {"clear": True})
    pose = RigidPose.load(person / "registration_2_views" / "pose.tfm")
    transform = next(n for n in slicer.util.getNodesByClass("vtkMRMLTransformNode") if "CT pose" in n.GetName())
    found = slicer.util.arrayFromTransformMatrix(transform)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    assert np.abs(flip @ found @ flip - pose.matrix).max() < 1e-6
    camera = XRayCamera.load(person / "case" / "views" / "pa" / "camera.json")
    radiograph = next(n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "PA" in n.GetName())
    matrix = vtkMatrix4x4()
    radiograph.GetIJKToRASMatrix(matrix)
    corner = np.array([matrix.GetElement(row, 3) for row in range(3)])
    assert np.abs(FLIP * corner - camera.origin).max() < 1e-3
    truth = next(n for n in slicer.util.getNodesByClass("vtkMRMLModelNode") if "true" in n.GetName())
    points = FLIP * vtk_to_numpy(truth.GetPolyData().GetPoints().GetData())
    result = json.loads((person / "registration_2_views" / "registration.json").read_text())
    centre = pose.apply(result["centre_ct"])
    assert np.linalg.norm(points.mean(axis=0) - centre) < 15.0


def test_the_module_takes_the_scene_s_radiographs(module_widget, demo):
    """Opened in the module, the demonstration's radiographs are in its table with their geometry."""
    import slicer

    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode, radiographNodes

    slicer.util.loadScene(str(demo / "wrist-1" / "scene" / "wrist-1.mrml"), {"clear": True})
    nodes = radiographNodes()
    assert len(nodes) == 2
    radiograph = radiographFromNode(nodes[0])
    camera = XRayCamera.load(demo / "wrist-1" / "case" / "views" / "pa" / "camera.json")
    assert radiograph.camera.is_close(camera, 1e-3)
    assert radiograph.synthetic and radiograph.view == "PA" and radiograph.intensity.absolute
    assert "SYNTHETIC" in " ".join(radiograph.notes)
