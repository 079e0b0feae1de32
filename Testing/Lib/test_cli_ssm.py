"""``xrayto3d ssm`` as a person and as a script would call it, on blobs of a known family."""

from __future__ import annotations

import json

import numpy as np
import pytest
from shape_model_cases import blob_model, family

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.shape.field_surface import clipped_to_box
from XRayTo3DLib.shape.meshes import make_surface, point_array, points_of, sample_surface, transformed
from XRayTo3DLib.shape.shape_model_file import load_shape_model, save_shape_model
from XRayTo3DLib.shape.surfaces import field_text, read_surface, write_surface

FLIP = np.diag([-1.0, 1.0, 1.0, 1.0])


def call(*words) -> int:
    return main(["ssm", *map(str, words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five blobs as files, the last one mirrored, and all of them in one .npz."""
    folder = tmp_path_factory.mktemp("ssm")
    shapes, triangles = family(5, resolution=14)
    for number, shape in enumerate(shapes):
        surface = make_surface(shape, triangles)
        write_surface(transformed(surface, FLIP) if number == 4 else surface, folder / f"blob_{number}.ply")
    np.savez(folder / "blobs.npz", vertices=shapes, faces=triangles)
    save_shape_model(blob_model(), folder / "model.npz")
    return folder


def blobs(folder):
    return [folder / f"blob_{number}.ply" for number in range(5)]


def test_build_from_surfaces_that_correspond(folder, tmp_path, capsys):
    words = ["--corresponding", "--mirror", folder / "blob_4.ply", "--label", "blob", "--source", "computed"]
    assert call("build", *blobs(folder), *words, "-o", tmp_path / "blob.npz") == 0
    text = capsys.readouterr().out
    assert "5 people, 170 vertices, 4 modes" in text
    assert "from computed" in text
    model = load_shape_model(tmp_path / "blob.npz")
    assert (model.label, model.synthetic) == ("blob", False)
    shares = np.cumsum(model.deviations**2) / np.sum(model.deviations**2)
    assert shares[2] > 0.999, "three ways to differ, and what aligning adds"
    wrong = tmp_path / "wrong.npz"
    assert call("build", *blobs(folder), "--corresponding", "-o", wrong) == 0
    assert load_shape_model(wrong).deviations[0] > 1.5 * model.deviations[0], "one of the other side spoils it"


def test_build_from_one_file_of_vertices(folder, tmp_path, capsys):
    out = tmp_path / "blob.npz"
    assert call("build", folder / "blobs.npz", "--aligned", "--synthetic", "--modes", 2, "-o", out, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["synthetic"] is True
    assert (content["people"], content["modes"]) == (5, 2)
    assert content["variance_held"][-1] == pytest.approx(1)
    assert load_shape_model(out).mean == pytest.approx(np.load(folder / "blobs.npz")["vertices"].mean(axis=0), abs=1e-5)


def test_build_finds_correspondence(folder, tmp_path):
    out = tmp_path / "found.npz"
    words = ["--vertices", 200, "--workers", 1]
    assert call("build", *blobs(folder)[:3], *words, "-o", out) == 0
    model = load_shape_model(out)
    assert model.people == 3
    assert 150 < len(model.mean) < 250


def test_show_prints_modes_and_draws(folder, tmp_path, capsys):
    png = tmp_path / "model.png"
    assert call("show", folder / "model.npz", "--png", png) == 0
    text = capsys.readouterr().out
    assert "SYNTHETIC" in text
    assert "100.0 %" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    assert call("show", folder / "model.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out)["label"] == "blob_left"


def test_fit_to_a_part_of_a_surface(folder, tmp_path, capsys):
    model = load_shape_model(folder / "model.npz")
    theta, pose = [1.0, -1.0, 0.5], RigidPose.from_rotation([10, 5, -8], [5, 5, 5])
    whole = model.surface(theta)
    part = clipped_to_box(whole, np.array([-99.0, -99, -12]), np.array([99.0, 99, 99]))
    write_surface(transformed(part, pose.matrix), tmp_path / "part.vtp")
    assert call("fit", folder / "model.npz", tmp_path / "part.vtp", "-o", tmp_path / "out") == 0
    assert "blob_left fitted to part.vtp (synthetic people in the model)" in capsys.readouterr().out
    found = read_surface(tmp_path / "out" / "fitted.vtp", merge_points=False)
    assert np.linalg.norm(points_of(found) - pose.apply(model.shape(theta)), axis=1).mean() < 0.5
    assert field_text(found, "SYNTHETIC") == "true"
    assert point_array(found, "uncertainty_mm").min() > 0
    content = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert content["theta_sd"] == pytest.approx(theta, abs=0.2)
    assert RigidPose.load(tmp_path / "out" / "pose.tfm").matrix == pytest.approx(np.array(content["pose"]), abs=1e-6)


def test_other_units_are_taken_when_said_and_found_out_when_not(folder, tmp_path, capsys):
    shapes, triangles = family(2, resolution=14)
    model = load_shape_model(folder / "model.npz")
    points, _ = sample_surface(model.surface([1.0, 0.0, 0.0]), 800)
    np.savez(tmp_path / "metres.npz", points=points / 1000)
    words = ["fit", folder / "model.npz", tmp_path / "metres.npz", "-o", tmp_path / "out"]
    assert call(*words) == 2
    assert "give the target in mm" in capsys.readouterr().err
    assert call(*words, "--unit", "m", "--json") == 0
    assert json.loads(capsys.readouterr().out)["residual_mm"] < 0.3
    for number, shape in enumerate(shapes):
        write_surface(make_surface(shape / 1000, triangles), tmp_path / f"{number}.ply")
    words = ["build", tmp_path / "0.ply", tmp_path / "1.ply", "--corresponding", "-o", tmp_path / "new.npz"]
    assert call(*words) == 2
    assert "0.ply looks like metres: largest extent is 0.089; give --unit m" in capsys.readouterr().err
    assert call(*words, "--unit", "m") == 0
    assert np.ptp(load_shape_model(tmp_path / "new.npz").mean, axis=0).max() > 80
    np.savez(tmp_path / "both.npz", vertices=shapes / 1000, faces=triangles)
    assert call("build", tmp_path / "both.npz", "--aligned", "-o", tmp_path / "both_model.npz") == 2
    assert "The model looks like metres" in capsys.readouterr().err


def test_fit_to_points_of_one_face_in_a_camera(folder, tmp_path, capsys):
    model = load_shape_model(folder / "model.npz")
    points, _ = sample_surface(model.surface([0.5, 1.0, 0.0]), 2000)
    front = points[points[:, 1] < 0]
    np.savez(tmp_path / "cloud.npz", points=front)
    standard_camera(1000, (1, 1), (200, 200), source_isocentre=900).save(tmp_path / "ap.json")
    RigidPose.identity().save(tmp_path / "start.tfm")
    words = ["--camera", tmp_path / "ap.json", "--direction", "to_model", "--start", tmp_path / "start.tfm"]
    assert call("fit", folder / "model.npz", tmp_path / "cloud.npz", *words, "-o", tmp_path / "out", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["residual_mm"] < 0.2
    assert content["theta_sd"] == pytest.approx([0.5, 1.0, 0.0], abs=0.3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "{}/blob_0.ply", "-o", "{}/new.npz"], "at least two people"),
        (["build", "{}/blobs.npz", "-o", "{}/new.npz"], "--corresponding or --aligned"),
        (["build", "{}/model.npz", "--aligned", "-o", "{}/new.npz"], "lacks the arrays vertices, faces"),
        (["build", "{}/blob_0.ply", "{}/blob_1.ply", "-o", "{}/new.zip"], "must end in .npz"),
        (["build", "{}/blob_0.ply", "{}/blob_1.ply", "--mirror", "{}/x.ply", "-o", "{}/new.npz"], "x.ply is not among"),
        (["build", "{}/blob_0.ply", "{}/blob_1.ply", "--vertices", "0", "-o", "{}/new.npz"], "--vertices must be 1"),
        (["show", "{}/blobs.npz"], "lacks mean"),
        (["fit", "{}/model.npz", "{}/blobs.npz", "-o", "{}/out"], "lacks the arrays points"),
        (["fit", "{}/model.npz", "{}/blob_0.ply", "--robust", "-1", "-o", "{}/out"], "--robust must be 0 mm or more"),
        (["fit", "{}/model.npz", "{}/nothing.npz", "-o", "{}/out"], "there is no file"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(folder, words, message, capsys):
    assert call(*(word.format(folder) for word in words)) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "new.npz").exists()
    assert not (folder / "out").exists()


def test_surfaces_that_do_not_correspond_are_told_apart(folder, tmp_path, capsys):
    shapes, triangles = family(2, resolution=10)
    write_surface(make_surface(shapes[0], triangles), tmp_path / "other.ply")
    words = [folder / "blob_0.ply", tmp_path / "other.ply", "--corresponding", "-o", tmp_path / "new.npz"]
    assert call("build", *words) == 2
    assert "other.ply has other vertices or triangles than blob_0.ply" in capsys.readouterr().err
