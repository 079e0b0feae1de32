"""The scene file without Slicer: XML, relative names, labels, refusals. Testing/Module opens it with Slicer."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import SimpleITK as sitk
from solids import sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.comparison import DISTANCE_ARRAY, SIGNED_ARRAY, compare
from XRayTo3DLib.evaluation.scene_colours import BONE, RESULT, colour_points
from XRayTo3DLib.evaluation.scene_file import SceneFile
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

POSE = RigidPose.from_rotation([5, 10, -20], [3, 4, 5])
CAMERA = XRayCamera([10, -900, 5], [-50, 100, 60], [1, 0, 0], [0, 0, -1], (0.5, 0.4), (200, 300))


def radiograph(synthetic: bool = False) -> Radiograph:
    pixels = np.linspace(0, 5, 300 * 200, dtype=np.float32).reshape(300, 200)
    note = IntensityNote("line-integral", None, True, "Made up.")
    return Radiograph(pixels, CAMERA, note, SpacingSource.USER, "AP", "R", "wrist AP", synthetic=synthetic)


def write_volume(path: Path) -> Path:
    image = sitk.GetImageFromArray(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6))
    image.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(image, str(path))
    return path


def filled(folder: Path, name: str = "demo", synthetic: bool = True) -> SceneFile:
    scene = SceneFile(folder, name, synthetic=synthetic)
    pose = scene.add_transform(POSE, "Pose")
    scene.add_volume(write_volume(folder / "ct.nrrd"), "CT", parent=pose)
    scene.add_radiograph(radiograph())
    scene.add_model(sphere(20, 40), 'Radius <"truth"> & more', BONE, opacity=0.4, parent=pose)
    scene.add_model(sphere(21, 40), "Result", RESULT, visible=False)
    compared = compare(sphere(20, 40), sphere(21, 40), samples=2000).distance_map
    scene.add_model(compared, "Distance", scalars=DISTANCE_ARRAY, scalar_range=(0, 5))
    scene.add_model(compared, "Distance", scalars=SIGNED_ARRAY, scalar_range=(-2, 2), visible=False)
    return scene


def nodes(path: Path) -> list[ET.Element]:
    return list(ET.parse(path).getroot())


def named(path: Path) -> list[str]:
    return [node.get("name", "") for node in nodes(path)]


def test_every_file_named_exists_and_is_relative(tmp_path: Path) -> None:
    saved = filled(tmp_path / "out").save()
    files = [unquote(node.get("fileName", "")) for node in nodes(saved) if node.get("fileName")]
    assert len(files) == len(set(files)) == 10
    for name in files:
        assert not Path(name).is_absolute()
        assert (saved.parent / name).is_file(), name
    assert str(tmp_path) not in saved.read_text()
    assert not list(saved.parent.rglob(".writing-*"))


def test_what_lies_in_the_folder_is_not_copied_and_the_rest_is(tmp_path: Path) -> None:
    write_volume(tmp_path / "elsewhere.nrrd")
    scene = SceneFile(tmp_path / "out")
    scene.add_volume(write_volume(tmp_path / "out" / "ct.nrrd"), "CT")
    scene.add_volume(tmp_path / "elsewhere.nrrd", "Other")
    files = [node.get("fileName") for node in nodes(scene.save()) if node.get("fileName")]
    assert files == ["ct.nrrd", "scene_Data/elsewhere.nrrd"]


def test_every_reference_leads_to_a_node(tmp_path: Path) -> None:
    found = nodes(filled(tmp_path).save())
    identifiers = [node.get("id", "") for node in found]
    assert len(identifiers) == len(set(identifiers))
    known = {*identifiers, "vtkMRMLColorTableNodeGrey"}
    wanted = {
        identifier
        for node in found
        for part in node.get("references", "").split(";")
        if part
        for identifier in part.split(":", 1)[1].split()
    } | {node.get("colorNodeID", "") for node in found if node.get("colorNodeID")}
    assert wanted <= known


def test_names_survive_xml_and_say_synthetic(tmp_path: Path) -> None:
    names = named(filled(tmp_path).save())
    assert 'Radius <"truth"> & more (synthetic)' in names
    assert "wrist AP (synthetic)" in names
    plain = named(filled(tmp_path / "real", synthetic=False).save())
    assert not [name for name in plain if "synthetic" in name]


def test_a_synthetic_radiograph_is_labelled_in_a_real_scene(tmp_path: Path) -> None:
    scene = SceneFile(tmp_path)
    scene.add_radiograph(radiograph(synthetic=True))
    scene.add_model(sphere(5, 40), "Bone")
    names = named(scene.save())
    assert "wrist AP (synthetic)" in names
    assert "wrist AP source (synthetic)" in names
    assert "Bone" in names


def test_bundle_holds_the_scene_and_its_data(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    scene.save()
    with zipfile.ZipFile(scene.save_bundle()) as bundle:
        assert bundle.testzip() is None
        entries = bundle.namelist()
        root = ET.fromstring(bundle.read("demo/demo.mrml"))
    files = [unquote(node.get("fileName", "")) for node in root if node.get("fileName")]
    assert {f"demo/{name}" for name in files} <= set(entries)
    assert all(name.startswith("demo/") and ".." not in name for name in entries)


def test_the_camera_file_and_the_source_agree(tmp_path: Path) -> None:
    filled(tmp_path)
    data = tmp_path / "demo_Data"
    assert XRayCamera.load(data / "wrist_AP_camera.json").is_close(CAMERA)
    markup = json.loads((data / "wrist_AP_source.mrk.json").read_text())["markups"][0]
    assert markup["coordinateSystem"] == "LPS"
    assert markup["controlPoints"][0]["position"] == pytest.approx([10, -900, 5])


def test_maps_of_one_range_share_their_colours(tmp_path: Path) -> None:
    scene = SceneFile(tmp_path)
    compared = compare(sphere(20, 40), sphere(21, 40), samples=2000).distance_map
    for name in ("one", "two"):
        scene.add_model(compared, name, scalars=DISTANCE_ARRAY, scalar_range=(0, 5))
    tags = [node.tag for node in nodes(scene.save())]
    assert tags.count("ProceduralColor") == 1


def test_saving_twice_gives_the_same_file(tmp_path: Path) -> None:
    scene = filled(tmp_path)
    first = scene.save().read_bytes()
    assert scene.save().read_bytes() == first


@pytest.mark.parametrize(("low", "high", "middle"), [(0, 4, 2), (-3, 3, 0)])
def test_colour_points_span_the_range(low: float, high: float, middle: float) -> None:
    points = colour_points(low, high)
    assert [points[0][0], points[4][0], points[-1][0]] == [low, middle, high]
    if low < 0:
        assert min(points[4][1:]) > 0.85  # agreement is light


def lightness(rgb: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 116 * float(np.dot(linear, [0.2126, 0.7152, 0.0722])) ** (1 / 3) - 16


def test_signed_colours_darken_steadily_from_the_middle() -> None:
    values = [lightness(rgb) for _, *rgb in colour_points(-1, 1)]
    assert np.all(np.diff(values[:5]) > 5)
    assert np.all(np.diff(values[4:]) < -5)


@pytest.mark.parametrize("name", ["a/b", "", "..", "x\n", "C:\\x"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Scene name"):
        SceneFile(tmp_path, name)


def test_refusals_name_the_problem(tmp_path: Path) -> None:
    scene = SceneFile(tmp_path)
    with pytest.raises(InputError, match="no file"):
        scene.add_volume(tmp_path / "none.nrrd", "CT")
    (tmp_path / "bad.nrrd").write_text("not a volume")
    with pytest.raises(InputError, match="not a readable NRRD"):
        scene.add_volume(tmp_path / "bad.nrrd", "CT")
    with pytest.raises(InputError, match=".nrrd file"):
        scene.add_volume(write_volume(tmp_path / "ct.mha"), "CT")
    with pytest.raises(InputError, match="SurfaceDistance"):
        scene.add_model(sphere(5, 40), "Bone", scalars=DISTANCE_ARRAY)
    with pytest.raises(InputError, match="empty"):
        scene.add_model(type(sphere(5, 40))(), "Bone")
    with pytest.raises(InputError, match="range"):
        colour_points(1, 1)
    assert [node.tag for node in nodes(scene.save())] == ["Layout", "View"]
