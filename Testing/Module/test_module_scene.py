"""Golden conventions: the same point by camera, by DRR, by the scene's own geometry, before and after saving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import oblique_camera, small_radiograph

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging import CtVolume

pytestmark = pytest.mark.host
POSE = RigidPose.from_rotation([10, -40, 65], [12.345678, -30.0, 7.0], [1, 2, 3])
MARK = (5, 3, 7)
"""Voxel (column, row, slice) of the one dense voxel of the phantom: nowhere near a centre of symmetry."""


@pytest.fixture
def gui(slicer_module: Any) -> Any:
    """The bridge, importable once the module is loaded."""
    from XRayTo3DGui.scene import mrml, mrml_radiographs

    return mrml, mrml_radiographs


def oblique_ct() -> CtVolume:
    """A small CT, turned, anisotropic, one axis flipped, with one dense voxel."""
    hu = np.full((12, 10, 9), -1000, dtype=np.float32)
    hu[MARK[2], MARK[1], MARK[0]] = 3000
    matrix = np.eye(4)
    turn = RigidPose.from_rotation([20, 10, -35]).rotation
    matrix[:3, :3] = turn @ np.diag([1.1, -1.3, 2.0])
    matrix[:3, 3] = [-3.0, 9.0, -12.0]
    labels = np.zeros(hu.shape, dtype=np.uint8)
    labels[3:9, 1:6, 2:8] = 1
    return CtVolume(hu, matrix, labels, {"bone": 1}, "phantom")


def picked(node: Any, world_lps: np.ndarray) -> np.ndarray:
    """Pixel (column, row) of a world point on the detector, by the volume node alone (as a crosshair picks it)."""
    import vtk

    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    to_ras.Invert()
    ras = [-world_lps[0], -world_lps[1], world_lps[2], 1.0]
    return np.array(to_ras.MultiplyPoint(ras)[:3])


def check_golden(gui: Any, node: Any) -> None:
    """Projection, DRR and scene agree on where the phantom's mark falls."""
    from XRayTo3DLib.imaging import attenuation_of
    from XRayTo3DLib.projection.drr import DrrProjector

    camera = gui[1].cameraFromNode(node)
    ct = oblique_ct()
    world = POSE.apply(ct.voxel_points(MARK))
    pixel = camera.project(world)
    assert camera.is_close(oblique_camera(), 1e-3)
    in_scene = picked(node, camera.pixel_to_world(pixel))
    assert in_scene[:2] == pytest.approx(pixel, abs=0.01)
    assert in_scene[2] == pytest.approx(0, abs=1e-3)
    attenuation = attenuation_of(ct)
    image = DrrProjector(attenuation.mu, attenuation.voxel_to_lps)(camera, POSE).numpy()
    weights = image / image.sum()
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    assert [(weights * columns).sum(), (weights * rows).sum()] == pytest.approx(pixel, abs=0.03)


def test_the_same_point_everywhere_and_after_saving(gui: Any, tmp_path: Path) -> None:
    import slicer

    original = small_radiograph()
    node = gui[1].radiographToScene(original)
    check_golden(gui, node)
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    (again,) = gui[1].radiographNodes()
    check_golden(gui, again)
    read = gui[1].radiographFromNode(again)
    assert np.array_equal(read.pixels, original.pixels)
    for name in ("intensity", "spacing_source", "view", "laterality", "notes", "synthetic", "name"):
        assert getattr(read, name) == getattr(original, name), name


def test_synthetic_radiographs_say_so(gui: Any) -> None:
    node = gui[1].radiographToScene(small_radiograph(synthetic=True))
    assert node.GetName() == "view (synthetic)"
    read = gui[1].radiographFromNode(node)
    assert (read.synthetic, read.name) == (True, "view")


def test_a_radiograph_moved_by_a_transform_moves_its_camera(gui: Any) -> None:
    import slicer

    node = gui[1].radiographToScene(small_radiograph())
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    gui[0].setPose(transform, POSE)
    for each in (node, gui[1].sourceNode(node)):
        each.SetAndObserveTransformNodeID(transform.GetID())
    assert gui[1].cameraFromNode(node).is_close(oblique_camera().moved(POSE.matrix), 1e-3)


def test_a_source_dragged_by_hand_is_the_camera_s(gui: Any) -> None:
    node = gui[1].radiographToScene(small_radiograph())
    source = gui[1].sourceNode(node)
    source.SetNthControlPointPosition(0, -100.0, -200.0, 300.0)
    assert gui[1].cameraFromNode(node).source == pytest.approx([100.0, 200.0, 300.0])
    source.RemoveAllControlPoints()
    with pytest.raises(InputError, match="lost its X-ray source"):
        gui[1].cameraFromNode(node)


def test_pixels_of_points_on_the_radiograph(gui: Any) -> None:
    node, camera = gui[1].radiographToScene(small_radiograph()), oblique_camera()
    pixels = np.array([[3.25, 8.5], [60.0, 1.0]])
    assert gui[1].pixelOf(node, camera.pixel_to_world(pixels)) == pytest.approx(pixels, abs=1e-6)


def test_pose_node_both_ways_and_under_a_parent(gui: Any) -> None:
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    gui[0].setPose(node, POSE)
    assert gui[0].poseFromNode(node).matrix == pytest.approx(POSE.matrix, abs=1e-9)
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    gui[0].setPose(parent, RigidPose.from_rotation([0, 0, 30], [5, 0, 0]))
    node.SetAndObserveTransformNodeID(parent.GetID())
    gui[0].setPose(node, POSE)
    assert gui[0].poseFromNode(node).matrix == pytest.approx(POSE.matrix, abs=1e-9)


def test_the_ct_is_read_in_its_own_coordinates(gui: Any) -> None:
    import slicer

    ct = oblique_ct()
    volume, segmentation = gui[0].ctToScene(ct)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    gui[0].setPose(transform, POSE)
    for posed in (False, True):
        if posed:
            volume.SetAndObserveTransformNodeID(transform.GetID())
            segmentation.SetAndObserveTransformNodeID(transform.GetID())
        read = gui[0].ctFromNodes(volume, segmentation, "bone")
        assert read.voxel_to_lps == pytest.approx(ct.voxel_to_lps, abs=1e-6)
        assert np.array_equal(read.hu, ct.hu)
        assert np.array_equal(read.label_mask("bone"), ct.labels == 1)


def test_ct_problems_are_sentences(gui: Any) -> None:
    radiograph = gui[1].radiographToScene(small_radiograph())
    with pytest.raises(InputError, match="is a radiograph; choose the CT"):
        gui[0].ctFromNodes(radiograph)
    volume, segmentation = gui[0].ctToScene(oblique_ct())
    with pytest.raises(InputError, match="has no segment ulna"):
        gui[0].ctFromNodes(volume, segmentation, "ulna")


def test_the_bone_model_lies_where_the_ct_is(gui: Any) -> None:
    from XRayTo3D import XRayTo3DLogic
    from XRayTo3DGui.registration import bone

    ct = oblique_ct()
    volume, segmentation = gui[0].ctToScene(ct)
    parameters = XRayTo3DLogic().getParameterNode()
    parameters.ctVolume, parameters.segmentation, parameters.segmentId = volume, segmentation, "bone"
    chosen = bone.boneOf(parameters)
    model = bone.modelOf(chosen, bone.surfaceWork(chosen)())
    bounds = np.zeros(6)
    gui[0].surfaceFromNode(model).GetBounds(bounds)
    middle = ct.mask_centre(ct.labels == 1)
    assert bounds.reshape(3, 2).mean(axis=1) == pytest.approx(middle, abs=0.6)


def test_four_views_at_most(gui: Any) -> None:
    letters = [gui[1].viewLetter(gui[1].radiographToScene(small_radiograph())) for _ in range(4)]
    assert letters == list("ABCD")
    with pytest.raises(InputError, match="4 radiographs are loaded"):
        gui[1].radiographToScene(small_radiograph())
    gui[1].removeRadiograph(gui[1].radiographNodes()[1])
    assert gui[1].viewLetter(gui[1].radiographToScene(small_radiograph())) == "B"


def test_removing_a_radiograph_removes_what_is_its(gui: Any) -> None:
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode")
    gui[1].removeRadiograph(gui[1].radiographToScene(small_radiograph()))
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayableNode") == before


def test_hand_moves_are_in_the_words_of_the_radiograph(slicer_module: Any) -> None:
    from XRayTo3DGui.registration import pose

    camera, centre = oblique_camera(), np.array([1.0, 2.0, 3.0])
    base = pose.centredInBeams(RigidPose.identity(), centre, [camera])
    before = camera.project(base.apply(centre))
    to_right = pose.nudged(base, centre, camera, right=2.0)
    assert (camera.project(to_right.apply(centre)) - before)[0] > 1.5
    assert (camera.project(to_right.apply(centre)) - before)[1] == pytest.approx(0, abs=1e-6)
    nearer = pose.nudged(base, centre, camera, away=-50.0)
    assert camera.project(nearer.apply(centre)) == pytest.approx(before, abs=1e-6)
    assert camera.magnification(nearer.apply(centre)) > camera.magnification(base.apply(centre))
    above = centre + base.rotation.T @ -camera.row_direction * 10
    turned = pose.nudged(base, centre, camera, turn=(0, 0, 5.0))
    # Clockwise: the top goes to the right.
    assert camera.project(turned.apply(above))[0] > camera.project(base.apply(above))[0]
    tilted = pose.nudged(base, centre, camera, turn=(5.0, 0, 0))
    assert camera.magnification(tilted.apply(above)) > camera.magnification(base.apply(above))  # towards the source


def test_sliders_move_along_slicer_s_axes(slicer_module: Any) -> None:
    from XRayTo3DGui.registration import pose
    from XRayTo3DGui.scene import mrml

    moved = pose.turnedAndMoved(POSE, [1, 2, 3], [0, 0, 90], [10, 20, 30])
    shift_ras = mrml.rasFromLps(moved.apply([1, 2, 3]) - POSE.apply([1, 2, 3]))
    assert shift_ras == pytest.approx([10, 20, 30])
    turn = mrml.rasFromLps(moved.rotation @ POSE.rotation.T @ mrml.lpsFromRas([1, 0, 0]))
    assert turn == pytest.approx([0, 1, 0], abs=1e-9)  # from R to A about S, by the right hand


def test_a_camera_s_meeting_point(slicer_module: Any) -> None:
    from XRayTo3DGui.registration import pose

    second = replace(oblique_camera(), **_turned(oblique_camera()))
    placed = pose.centredInBeams(RigidPose.identity(), [50, 60, 70], [oblique_camera(), second])
    where = placed.apply([50, 60, 70])
    for camera in (oblique_camera(), second):
        across = np.cross(where - camera.source, camera.view_direction)
        assert np.linalg.norm(across) < 0.5


def _turned(camera: Any) -> dict[str, Any]:
    centre = camera.source + camera.view_direction * 780
    moved = camera.moved(RigidPose.from_rotation([0, 0, 80], centre=centre).matrix)
    return {name: getattr(moved, name) for name in ("source", "origin", "column_direction", "row_direction")}
