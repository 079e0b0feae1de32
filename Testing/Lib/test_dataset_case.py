"""A written case opens again with this library's readers and is the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.dataset import case as dataset_case
from XRayTo3DLib.dataset.case import read_phantom, write_case
from XRayTo3DLib.dataset.landmarks_file import read_landmarks, write_landmarks
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.simulate import simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.shape.surfaces import field_text, read_surface


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    shape = ForearmShape.sample(np.random.default_rng(3), side="left")
    return make_forearm(shape, spacing=2.0, mesh_spacing=1.2, length_mm=70, seed=5, name="someone")


@pytest.fixture(scope="module")
def folder(case: PhantomCase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases") / "someone"
    camera = standard_camera(1000.0, (2.0, 2.0), (60, 70), source_isocentre=950.0, view="PA")
    write_case(case, folder, {"PA": simulate_radiograph(case.ct, camera, view="PA", laterality="L")})
    return folder


def test_the_ct_and_its_labels_come_back(case: PhantomCase, folder: Path) -> None:
    ct = read_ct(folder / "ct.nrrd", labels=folder / "labels.seg.nrrd")
    assert np.array_equal(ct.hu, case.ct.hu)
    assert np.allclose(ct.voxel_to_lps, case.ct.voxel_to_lps)
    assert ct.label_names == {"radius": 1, "ulna": 2, "carpals": 3}
    assert np.array_equal(ct.labels, case.ct.labels)


def test_the_landmarks_come_back(case: PhantomCase, folder: Path) -> None:
    landmarks = read_landmarks(folder / "landmarks.mrk.json")
    assert list(landmarks) == list(case.landmarks)
    for name, point in landmarks.items():
        assert point == pytest.approx(case.landmarks[name], abs=1e-5)
    content = json.loads((folder / "landmarks.mrk.json").read_text())
    assert "synthetic" in content["markups"][0]["controlPoints"][0]["description"]


@pytest.mark.parametrize("bone", ["radius", "ulna", "carpals"])
def test_the_meshes_come_back_in_lps(case: PhantomCase, folder: Path, bone: str) -> None:
    mesh = read_surface(folder / "meshes" / f"{bone}.vtp")
    assert points_of(mesh).mean(axis=0) == pytest.approx(points_of(case.meshes[bone]).mean(axis=0), abs=1e-3)
    assert field_text(mesh, "synthetic") == "true"


def test_the_view_comes_back(folder: Path) -> None:
    camera = XRayCamera.load(folder / "views" / "pa" / "camera.json")
    picture = read_radiograph(folder / "views" / "pa" / "radiograph.nrrd", camera=camera)
    assert picture.synthetic and picture.view == "PA" and picture.laterality == "L"
    assert picture.camera.is_close(camera)
    assert picture.pixels.max() > 1.0


def test_a_second_write_leaves_nothing_of_the_first(
    case: PhantomCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = standard_camera(1000.0, (4.0, 4.0), (30, 35), source_isocentre=950.0, view="PA")
    picture = simulate_radiograph(case.ct, camera, view="PA")
    write_case(case, tmp_path, {"PA": picture, "LAT": picture})
    (tmp_path / "views" / "lat" / "mine.txt").write_text("kept")
    fewer = {bone: mesh for bone, mesh in case.meshes.items() if bone != "carpals"}
    write_case(replace(case, meshes=fewer), tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "views").rglob("*")}
    assert left == {"views/lat", "views/lat/mine.txt"}
    assert not (tmp_path / "meshes" / "carpals.vtp").exists()

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(dataset_case, "write_labels", broken)
    with pytest.raises(OSError, match="disk full"):
        write_case(case, tmp_path)
    assert not (tmp_path / "phantom.json").exists(), "a folder with phantom.json is whole"


def test_synthetic_anatomy_is_still_labelled_when_read(folder: Path) -> None:
    assert read_ct(folder / "ct.nrrd").synthetic


def test_the_same_phantom_can_be_made_again(case: PhantomCase, folder: Path) -> None:
    shape, seed = read_phantom(folder / "phantom.json")
    assert shape == case.shape
    again = make_forearm(shape, spacing=2.0, mesh_spacing=1.2, length_mm=70, seed=seed)
    assert np.array_equal(again.ct.hu, case.ct.hu)
    content = json.loads((folder / "phantom.json").read_text())
    assert content["synthetic"] is True and "SYNTHETIC" in content["notes"][0]


def test_a_damaged_phantom_file_is_explained(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "phantom.json").read_text())
    damages = ({"parameters": {"volar_tlit": 3}}, {"parameters": {"volar_tilt": 90.0}}, {"seed": None}, {"format": "x"})
    for number, damage in enumerate(damages):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content | damage))
        with pytest.raises(InputError):
            read_phantom(path)


def test_landmarks_in_ras_are_turned(tmp_path: Path) -> None:
    path = write_landmarks({"here": (1.0, 2.0, 3.0)}, tmp_path / "points.mrk.json")
    path.write_text(path.read_text().replace('"LPS"', '"RAS"'))
    assert read_landmarks(path)["here"] == pytest.approx([-1, -2, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "not a JSON file"),
        ('{"markups": []}', "not a Slicer point list"),
        ('{"markups": [{"coordinateSystem": "IJK", "controlPoints": []}]}', "coordinate system"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.mrk.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_landmarks(path)


def test_a_label_twice_is_refused(tmp_path: Path) -> None:
    path = write_landmarks({"a": (0, 0, 0), "b": (1, 1, 1)}, tmp_path / "points.mrk.json")
    path.write_text(path.read_text().replace('"b"', '"a"'))
    with pytest.raises(InputError, match="twice"):
        read_landmarks(path)
    with pytest.raises(InputError, match="mrk.json"):
        write_landmarks({}, tmp_path / "points.json")


@pytest.mark.parametrize("status", ["undefined", "preview", "missing"])
def test_a_point_that_was_not_placed_is_none(tmp_path: Path, status: str) -> None:
    """Slicer saves points still to be placed, too: they were taken for landmarks at 0 0 0."""
    path = write_landmarks({"a": (1, 2, 3), "b": (4, 5, 6)}, tmp_path / "points.mrk.json")
    content = json.loads(path.read_text())
    content["markups"][0]["controlPoints"][1] |= {"positionStatus": status, "position": [0.0, 0.0, 0.0]}
    path.write_text(json.dumps(content))
    assert list(read_landmarks(path)) == ["a"]
    del content["markups"][0]["controlPoints"][1]["position"]
    path.write_text(json.dumps(content))
    assert list(read_landmarks(path)) == ["a"]
    content["markups"][0]["coordinateUnits"] = "cm"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="not in mm"):
        read_landmarks(path)
