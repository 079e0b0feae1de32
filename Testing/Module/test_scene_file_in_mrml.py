"""Scenes written without Slicer, opened by Slicer's own MRML reader: everything arrives, in place and in colour."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from vtkmodules.vtkFiltersSources import vtkSphereSource

from XRayTo3DLib.dataset.landmarks_file import read_landmarks
from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, compare
from XRayTo3DLib.evaluation.scene_colours import BONE, RESULT, colour_points
from XRayTo3DLib.evaluation.scene_file import SceneFile
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import LPS_TO_RAS
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of, triangulated

pytestmark = [pytest.mark.host, pytest.mark.gl]
FLIP = np.array([-1.0, -1.0, 1.0])
POSE = RigidPose.from_rotation([15, -30, 40], [12, -7, 25], [5, 5, 5])
CAMERAS = {
    "AP": XRayCamera([8, -900, 5], [-50, 110, 62], [1, 0.05, 0], [0.01, -0.2, -1], (0.5, 0.4), (200, 300)),
    "LAT": XRayCamera([900, 4, 3], [-110, -48, 60], [0, 1, 0], [0, 0, -1], (0.45, 0.45), (220, 260)),
}


def bone(radius: float) -> Any:
    """An egg, off the origin."""
    source = vtkSphereSource()
    source.SetRadius(radius)
    source.SetThetaResolution(60)
    source.SetPhiResolution(60)
    source.Update()
    surface = triangulated(source.GetOutput())
    return make_surface(points_of(surface) * [1, 1.3, 2] + [6, 9, -4], triangles_of(surface))


def radiograph(name: str) -> Radiograph:
    columns, rows = CAMERAS[name].size
    row, column = np.mgrid[:rows, :columns]
    pixels = 3 * np.exp(-(((column - columns / 2) / 40) ** 2)) * (1 + row / rows)
    note = IntensityNote("line-integral", None, True, "Made up.")
    return Radiograph(pixels, CAMERAS[name], note, SpacingSource.USER, name, "R", f"wrist {name}", synthetic=True)


def write_volume(path: Path) -> Path:
    image = sitk.GetImageFromArray(np.arange(20 * 30 * 40, dtype=np.int16).reshape(20, 30, 40))
    image.SetSpacing((1.5, 1.5, 2.0))
    image.SetOrigin((-20, -15, -22))
    turn = RigidPose.from_rotation([0, 0, 30]).rotation
    image.SetDirection(turn.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def make_scene(folder: Path) -> SceneFile:
    scene = SceneFile(folder, "fore arm", synthetic=True)
    pose = scene.add_transform(POSE, "Pose")
    scene.add_volume(write_volume(folder / "ct.nrrd"), "CT", window=(2000, 300), parent=pose)
    for name in CAMERAS:
        scene.add_radiograph(radiograph(name))
    scene.add_model(bone(20), 'Radius & "truth" <1>', BONE, opacity=0.3, parent=pose)
    scene.add_model(bone(21), "Result", RESULT, visible=False, parent=pose)
    compared = compare(bone(20), bone(21), samples=2000).distance_map
    scene.add_model(compared, "Distance", scalars=DISTANCE_ARRAY, scalar_range=(0, 4))
    return scene


@pytest.fixture(params=["mrml", "mrb"])
def opened(slicer_app: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """``slicer`` with the scene open; the VTK errors of the reader fail the test."""
    import slicer

    scene = make_scene(tmp_path / "written")
    path = scene.save() if request.param == "mrml" else scene.save_bundle()
    moved = tmp_path / "moved"
    (tmp_path / "written").rename(moved)  # nothing may point to where it was written
    slicer.util.loadScene(str(moved / path.name))
    return slicer


def world_points(slicer: Any, node: Any) -> np.ndarray:
    """Points of a model in the world, RAS, through its parents."""
    import vtk

    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    points = slicer.util.arrayFromModelPoints(node)
    return np.array([transform.TransformPoint(point) for point in points])


def ijk_to_ras(node: Any) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def test_every_stored_node_was_read(opened: Any) -> None:
    nodes = opened.util.getNodesByClass("vtkMRMLStorableNode")
    loaded = {node.GetName(): node.GetStorageNode() for node in nodes if node.GetStorageNode()}
    for name in ("CT", "wrist AP", "wrist LAT", "wrist AP source", 'Radius & "truth" <1>', "Result", "Distance"):
        assert f"{name} (synthetic)" in loaded
        assert Path(loaded[f"{name} (synthetic)"].GetFullNameFromFileName()).is_file()
    model = opened.util.getNode('Radius & "truth" <1> (synthetic)')
    assert model.GetDescription() == "Synthetic data, not a person."


def test_models_are_where_the_library_says(opened: Any) -> None:
    under_pose = world_points(opened, opened.util.getNode('Radius & "truth" <1> (synthetic)'))
    assert np.abs(under_pose - POSE.apply(points_of(bone(20))) * FLIP).max() < 1e-3
    plain = world_points(opened, opened.util.getNode("Distance (synthetic)"))
    assert np.abs(plain - points_of(bone(21)) * FLIP).max() < 1e-3


def test_the_ct_lies_in_its_pose(opened: Any, tmp_path: Path) -> None:
    import vtk

    node = opened.util.getNode("CT (synthetic)")
    image = sitk.ReadImage(str(tmp_path / "moved" / "ct.nrrd"))
    lps = np.array(image.TransformIndexToPhysicalPoint((7, 11, 3)))
    transform = vtk.vtkGeneralTransform()
    opened.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    world = transform.TransformPoint((ijk_to_ras(node) @ [7, 11, 3, 1])[:3])
    assert world == pytest.approx(POSE.apply(lps) * FLIP, abs=1e-3)
    assert opened.util.arrayFromVolume(node)[3, 11, 7] == image[7, 11, 3]
    assert node.GetDisplayNode().GetWindow() == 2000
    assert node.GetDisplayNode().GetLevel() == 300


@pytest.mark.parametrize("view", list(CAMERAS))
def test_a_radiograph_lies_on_its_detector(opened: Any, view: str) -> None:
    node, camera = opened.util.getNode(f"wrist {view} (synthetic)"), CAMERAS[view]
    assert ijk_to_ras(node) == pytest.approx(LPS_TO_RAS @ camera.detector_to_world, abs=1e-3)
    pixels = opened.util.arrayFromVolume(node)
    assert pixels.shape == (1, camera.size[1], camera.size[0])
    assert pixels[0] == pytest.approx(radiograph(view).pixels)
    source = opened.util.arrayFromMarkupsControlPoints(opened.util.getNode(f"wrist {view} source (synthetic)"))
    assert source[0] == pytest.approx(camera.source * FLIP, abs=1e-3)


def test_colours_ranges_and_opacities_arrive(opened: Any) -> None:
    truth = opened.util.getNode('Radius & "truth" <1> (synthetic)').GetDisplayNode()
    assert truth.GetColor() == pytest.approx(BONE)
    assert truth.GetOpacity() == pytest.approx(0.3)
    result = opened.util.getNode("Result (synthetic)").GetDisplayNode()
    assert result.GetColor() == pytest.approx(RESULT)
    assert not result.GetVisibility()


def test_the_distance_map_is_coloured_with_its_own_table_and_legend(opened: Any) -> None:
    node = opened.util.getNode("Distance (synthetic)")
    display = node.GetDisplayNode()
    assert display.IsA("vtkMRMLModelDisplayNode")
    assert display.GetActiveScalarName() == DISTANCE_ARRAY
    assert display.GetScalarVisibility()
    assert display.GetScalarRange() == (0, 4)
    colours = display.GetColorNode()
    assert colours.GetAttribute("Category") == "XRayTo3D"
    assert not colours.GetHideFromEditors()
    function = colours.GetColorTransferFunction()
    for value, *rgb in colour_points(0, 4):
        assert function.GetColor(value) == pytest.approx(rgb, abs=1e-4)
    legend = opened.modules.colors.logic().GetColorLegendDisplayNode(node)
    assert legend.GetTitleText() == "Surface distance (mm)"
    assert legend.GetVisibility()


def test_views_show_the_radiographs_upright(opened: Any, tmp_path: Path) -> None:
    layout = opened.app.layoutManager()
    assert layout.layout == 3
    for name, view in (("Red", "AP"), ("Yellow", "LAT")):
        widget = layout.sliceWidget(name)
        shown = widget.mrmlSliceCompositeNode().GetBackgroundVolumeID()
        assert opened.mrmlScene.GetNodeByID(shown).GetName() == f"wrist {view} (synthetic)"
        assert widget.mrmlSliceNode().GetSliceVisible()
        matrix = widget.mrmlSliceNode().GetSliceToRAS()
        camera = CAMERAS[view]
        axes = np.array([[matrix.GetElement(i, j) for i in range(3)] for j in range(2)])
        assert axes[0] == pytest.approx(camera.column_direction * FLIP, abs=1e-6)
        assert axes[1] == pytest.approx(-camera.row_direction * FLIP, abs=1e-6)
    green = layout.sliceWidget("Green").mrmlSliceNode()
    assert green.GetOrientation() == "Coronal"


def test_all_views_draw_something(opened: Any) -> None:
    layout = opened.app.layoutManager()
    for name in ("Red", "Yellow", "Green"):
        assert layout.sliceWidget(name).view.image().std() > 5, name
    assert layout.threeDWidget(0).view.image().std() > 5


def test_slicer_saves_and_opens_it_again(opened: Any, tmp_path: Path) -> None:
    again = tmp_path / "again.mrb"
    assert opened.util.saveScene(str(again))
    opened.mrmlScene.Clear(False)
    opened.util.loadScene(str(again))
    said = opened.app.vtk_errors.take()  # Slicer's own: it saves the name "Reformat" of a slice and does not know it
    assert all("invalid orientation preset name: Reformat" in text for text in said)
    display = opened.util.getNode("Distance (synthetic)").GetDisplayNode()
    assert display.GetColorNode().GetColorTransferFunction().GetSize() == 9
    test_models_are_where_the_library_says(opened)


def test_the_library_reads_the_source_file(tmp_path: Path) -> None:
    make_scene(tmp_path)
    found = read_landmarks(tmp_path / "fore_arm_Data" / "wrist_AP_source.mrk.json")
    assert found["wrist AP source"] == pytest.approx(CAMERAS["AP"].source)


def test_texts_of_a_node_come_as_they_were_written(slicer_app: Any, tmp_path: Path) -> None:
    import slicer

    from XRayTo3DLib.evaluation.scene_nodes import NodeList, attribute_text

    texts = {"XRayTo3D.Facts": '{"a": "b; 50 %", "c:d": 1.5}', "XRayTo3D.Notes": "first\nsecond: %3B; é", "Empty": ""}
    nodes = NodeList()
    nodes.add("Text", "told", attributes=attribute_text(texts))
    root = ET.Element("MRML", version="Slicer 5.12", userTags="")
    root.extend(nodes.elements)
    path = tmp_path / "scene.mrml"
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)
    slicer.mrmlScene.SetURL(str(path))
    slicer.mrmlScene.Connect()
    node = slicer.util.getNode("told")
    assert {name: node.GetAttribute(name) or "" for name in texts} == texts
