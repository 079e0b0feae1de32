"""``xrayto3d train`` and ``reconstruct`` with dual-face depth as a user runs them: no frame, no side, whole bones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from depth_cases import LABELS, SIZE, write_depth_dataset
from learning_cases import write_yaml

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.shape.meshes import boundary_edges, enclosed_volume, point_array, points_of, transformed
from XRayTo3DLib.shape.surface_distance import surface_distance
from XRayTo3DLib.shape.surfaces import read_surface

Out = pytest.CaptureFixture[str]
CONFIG = {
    "format": "xrayto3d.training/1",
    "method": "dual-face-depth",
    "name": "tiny depth",
    "anatomy": "ellipsoids",
    "data": {
        "folder": "people",
        "labels": list(LABELS),
        "geometry": {"size": SIZE, "field_mm": 200, "sdd_mm": 1000, "view": "AP"},
        "scale": 2.0,
        "validation_share": 0.2,
    },
    "loss": {"kind": "si", "aggregate": "dependent"},
    "network": {"encoder": "tiny", "channels": 16, "segmentation": "tiny"},
    "augmentation": {"operations": 0, "rotation_deg": 0},
    "stages": {
        "segmentation": {"steps": 40, "batch": 4, "lr": 0.01, "schedule": "one-cycle"},
        "depth": {"steps": 30, "batch": 4, "lr": 0.005, "schedule": "one-cycle"},
    },
    "completion": {"people": 4, "points": 250, "modes": 3},
}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_dataset(tmp_path_factory.mktemp("depth") / "people", 5, 1)


@pytest.fixture(scope="module")
def bundle(people: Path) -> Path:
    config = write_yaml(people.parent / "depth.yaml", CONFIG)
    words = ["--float16", "--device", "cpu", "--threads", "1", "--set", "loss.kind=casi", "--json"]
    assert main(["train", str(config), "-o", str(people.parent / "run"), *words]) == 0
    return people.parent / "run" / "bundle"


def view_of(people: Path, case: str = "p-5") -> str:
    place = people / "cases" / case / "views" / "ap-1"
    return f"{place / 'radiograph.nrrd'}:{place / 'camera.json'}"


def reconstruct(bundle: Path, *words: object) -> int:
    return main(["reconstruct", "--model", str(bundle), *map(str, words)])


def test_the_bundle_says_what_it_is(bundle: Path) -> None:
    told = load_bundle(bundle).bundle
    assert told.method == "dual-face-depth" and told.synthetic and told.labels == LABELS
    assert told.configuration["loss"] == {"kind": "casi", "aggregate": "dependent"}  # --set changed one of both
    assert told.views == ({"size": SIZE, "field_mm": 200.0, "sdd_mm": 1000.0, "view": "AP"},)
    assert told.training["people"] == {"training": 4, "validation": 1, "test": 1}
    assert told.training["views"] == {"training": 8, "validation": 2, "test": 2}
    assert told.metrics["dice"] > 0.7 and 0 < told.metrics["depth_mae_aligned_mm"] <= told.metrics["depth_mae_mm"]
    assert any("not estimated" in limit for limit in told.limitations)


def test_bones_from_one_radiograph_and_nothing_else(bundle: Path, people: Path, tmp_path: Path, capsys: Out) -> None:
    assert reconstruct(bundle, "--view", view_of(people), "-o", tmp_path / "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bones"] == list(LABELS) and told["method"] == "dual-face-depth" and told["side"] is None
    assert told["frame_to_world"] == np.eye(4).tolist() and told["missing"] == [] and told["synthetic"]
    assert any("from the detector is not estimated" in note for note in told["notes"])
    place = people / "cases" / "p-5"
    pose = RigidPose.load(place / "views" / "ap-1" / "pose.tfm")
    camera = XRayCamera.load(place / "views" / "ap-1" / "camera.json")
    for label in LABELS:
        whole, seen = (read_surface(tmp_path / "out" / f"{label}{part}.vtp") for part in ("", "_seen"))
        truth = transformed(read_surface(place / "meshes" / f"{label}.vtp"), pose.matrix)
        # The networks have hardly been trained: what is tested is where bones land, and that they are whole.
        shift = points_of(whole).mean(axis=0) - points_of(truth).mean(axis=0)
        assert np.abs(shift[[0, 2]]).max() < 10 and abs(shift[1]) < 25
        assert surface_distance(truth, whole).assd < 15
        assert not len(boundary_edges(whole)) and enclosed_volume(whole) > 4e4
        assert point_array(whole, "uncertainty_mm").min() > 0
        assert len(boundary_edges(seen))  # the picture cuts both bones
        assert np.nanmax(camera.project(points_of(seen))) < camera.size[1]
        assert points_of(whole)[:, 2].min() < points_of(seen)[:, 2].min() - 5
    written = json.loads((tmp_path / "out" / "reconstruction.json").read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*written["files"], "reconstruction.json"}


def test_a_person_reads_what_was_seen_and_what_was_assumed(
    bundle: Path, people: Path, tmp_path: Path, capsys: Out
) -> None:
    assert reconstruct(bundle, "--view", view_of(people), "-o", tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "bone_right_seen.vtp" in out and "NOTE: how far the bones are" in out and "RESEARCH USE ONLY" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--side", "right"], "finds the bones by itself; leave --side out"),
        (["--origin", "10,20", "--side", "left"], "leave --origin and --side out"),
        (["--pose", "frame.tfm"], "leave --pose out"),
        (["--translation", "gan"], "leave --translation out"),
    ],
)
def test_what_it_does_not_ask_is_refused(
    words: list[str], message: str, bundle: Path, people: Path, tmp_path: Path, capsys: Out
) -> None:
    assert reconstruct(bundle, "--view", view_of(people), *words, "-o", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_radiograph_of_the_models_view(bundle: Path, people: Path, tmp_path: Path, capsys: Out) -> None:
    twice = ["--view", view_of(people), "--view", view_of(people, "p-0"), "-o", tmp_path / "out"]
    assert reconstruct(bundle, *twice) == 2
    assert "from one radiograph, not from 2" in capsys.readouterr().err
    assert reconstruct(bundle, "--view", view_of(people), "--view-position", "LAT", "-o", tmp_path / "out") == 2
    assert "AP views only" in capsys.readouterr().err


def test_a_value_that_is_not_known_is_refused_before_training(people: Path, tmp_path: Path, capsys: Out) -> None:
    config = write_yaml(people.parent / "other.yaml", CONFIG)
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--set", "loss.king=si"]) == 2
    assert "loss.king is not known" in capsys.readouterr().err


def test_people_lie_as_far_before_the_detector_however_far_the_source_is(bundle: Path, people: Path) -> None:
    model = loaded_model(str(bundle), "dual-face-depth")
    place = people / "cases" / "p-5" / "views" / "ap-1"
    near = XRayCamera.load(place / "camera.json")
    far = replace(near, source=near.source - 50 * near.normal)
    heights = []
    for camera in (near, far):
        found = model.reconstruct_view(read_radiograph(place / "radiograph.nrrd", camera=camera))
        assert found.depth is not None and found.depth.back_mm is not None
        middle = np.nanmean(np.stack([found.depth.front_mm, found.depth.back_mm]), dtype=np.float64)
        heights.append(camera.sdd - middle)
    assert far.sdd == pytest.approx(near.sdd + 50)
    assert heights == pytest.approx([1000 - model.predictor.statistics.mean_mm] * 2, abs=0.01)
