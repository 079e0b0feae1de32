"""Mean shape, nearest shape and ridge regression as systems: trained without steps, kept in bundles, asked alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import TL_NET, write_yaml

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.view_pairs import read_pair
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.baselines import learnt as learning
from XRayTo3DLib.methods.baselines import ridge_method
from XRayTo3DLib.methods.baselines.configuration import NearestConfiguration, RidgeConfiguration
from XRayTo3DLib.methods.baselines.nearest_shape import (
    NearestShape,
    simple_surface,
    standardised,
    stored_surface,
    surface_arrays,
)
from XRayTo3DLib.methods.baselines.ridge import ImageRidge
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, Part, People, exposures_of, people_of
from XRayTo3DLib.methods.finish import mean_distances, mean_exposures
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.methods.validation import grid_box, meshes_of, posed_truth
from XRayTo3DLib.models.bundle import LoadedBundle, load_bundle
from XRayTo3DLib.shape.meshes import boundary_length, make_surface, points_of, transformed
from XRayTo3DLib.shape.surface_distance import surface_distance
from XRayTo3DLib.shape.surfaces import read_surface

LABELS = ("radius", "ulna")
DATA = TL_NET["data"]
OPTIONS: dict[str, dict[str, Any]] = {
    "mean-shape": {},
    "nearest-shape": {"exposures": 3, "vertices": 200},
    "ridge": {"exposures": 3, "image_components": 12, "shape_components": 9},
}
Out = pytest.CaptureFixture[str]


def content_of(method: str, wrists: Path) -> dict[str, Any]:
    about = {"format": TL_NET["format"], "method": method, "name": f"tiny {method}", "anatomy": "distal forearm"}
    return {**about, "data": {**DATA, "folder": str(wrists)}, **OPTIONS[method]}


@pytest.fixture(scope="module")
def data(wrists: Path) -> DataConfiguration:
    return parsed(RidgeConfiguration, content_of("ridge", wrists)).data


@pytest.fixture(scope="module")
def people(data: DataConfiguration) -> People:
    return people_of(data, Path())


@pytest.fixture(scope="module")
def bundles(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each, made as a user makes it."""
    folder = tmp_path_factory.mktemp("baselines")
    for method in OPTIONS:
        config = write_yaml(folder / f"{method}.yaml", content_of(method, wrists))
        assert main(["train", str(config), "-o", str(folder / method), "--device", "cpu", "--json"]) == 0
    return {method: folder / method / "bundle" for method in OPTIONS}


@pytest.fixture(scope="module")
def test_images(data: DataConfiguration, people: People) -> np.ndarray:
    return exposures_of(data, people.test, 0).sample("test", range(3)).images.numpy()


def model_of(folder: Path) -> tuple[LoadedBundle, GridReconstructor]:
    found = load_bundle(folder)
    return found, method_named(found.bundle.method).load_model(found.bundle.configuration, found.weights, found.array)


# ---- bundles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OPTIONS)
def test_a_bundle_says_what_it_is_and_holds_no_network(method: str, bundles: dict[str, Path], capsys: Out) -> None:
    found, model = model_of(bundles[method])
    assert found.networks == () and found.bundle.method == method and found.bundle.synthetic
    assert found.bundle.training["people"] == {"training": 6, "validation": 2, "test": 3}
    assert set(found.bundle.metrics) == {"radius_mm", "ulna_mm", "lost"}
    assert not model.predictor.calibrated and model.data.labels == LABELS
    assert main(["models", "show", str(bundles[method])]) == 0
    assert f"tiny {method}" in capsys.readouterr().out
    assert main(["models", "verify", str(bundles[method]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == {}
    assert not (bundles[method].parent / "checkpoint").exists()


def test_only_the_nearest_shape_hands_on_people_and_says_so(bundles: dict[str, Path]) -> None:
    told = {method: load_bundle(folder).bundle.limitations for method, folder in bundles.items()}
    assert "holds bones and pictures of 6 training people as they are" in told["nearest-shape"][-1]
    assert not any("as they are" in limit for method in ("mean-shape", "ridge") for limit in told[method])
    assert all("translate actual ones first" in limits[1] for limits in told.values())


def test_figures_are_of_each_test_person_once(
    bundles: dict[str, Path], data: DataConfiguration, people: People
) -> None:
    """Written out: one exposure of each, none of them known from the training."""
    assert not {case.patient for case in people.test.cases} & {
        case.patient for part in (people.training, people.validation) for case in part.cases
    }
    sample = exposures_of(data, people.test, 0).sample("test", range(3))
    assert sorted(sample.case_index.tolist()) == [0, 1, 2]
    found, model = model_of(bundles["ridge"])
    errors = []
    for fields, index, pose in zip(
        model.predictor.predict(sample.images.numpy()), sample.case_index.tolist(), sample.poses, strict=True
    ):
        truth = posed_truth(truth_meshes(people.test.cases[index]), pose, data.voxels)["radius"]
        mesh = meshes_of(fields, LABELS)["radius"]
        errors.append(surface_distance(truth, mesh, ignore_boundary=True, require_overlap=False).assd)
    assert found.bundle.metrics["radius_mm"] == pytest.approx(np.mean(errors), rel=0.02)


def test_its_bundle_does_not_take_the_place_of_another_method_s(
    bundles: dict[str, Path], wrists: Path, tmp_path: Path, capsys: Out
) -> None:
    del bundles
    (tmp_path / "run" / "checkpoint").mkdir(parents=True)
    config = write_yaml(tmp_path / "mean.yaml", content_of("mean-shape", wrists))
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--device", "cpu"]) == 2
    assert "holds the checkpoint of another method; mean-shape has none" in capsys.readouterr().err
    assert not (tmp_path / "run" / "bundle").exists()


def test_data_that_are_no_lines_are_refused(wrists: Path, tmp_path: Path, capsys: Out) -> None:
    config = write_yaml(tmp_path / "mean.yaml", {**content_of("mean-shape", wrists), "data": "wrists"})
    assert main(["train", str(config), "--data", str(wrists), "-o", str(tmp_path / "run")]) == 2
    assert "data must hold 'key: value' lines" in capsys.readouterr().err


@pytest.mark.parametrize("method", [*OPTIONS, "encoder-decoder"])
def test_a_grid_beside_the_bones_is_refused(method: str, wrists: Path) -> None:
    content = {**content_of("mean-shape", wrists), **OPTIONS.get(method, {}), "method": method}
    content["data"] = {**content["data"], "grid": {"size": 16, "spacing_mm": 5.0, "centre_mm": [0.0, 0.0, 200.0]}}
    with pytest.raises(InputError, match=r"nothing of the first person's radius lies in data\.grid"):
        method_named(method).prepare_training(content, Path(), "cpu")


def test_who_looks_at_the_radiograph_does_better(bundles: dict[str, Path]) -> None:
    """Even six wrists teach a regression more than their mean; the test people are held as everybody is."""
    radius = {method: load_bundle(folder).bundle.metrics["radius_mm"] for method, folder in bundles.items()}
    assert radius["ridge"] < radius["mean-shape"]
    assert all(load_bundle(folder).bundle.metrics["lost"] == 0 for folder in bundles.values())


def test_the_mean_shape_is_the_mean_everybody_has(
    bundles: dict[str, Path], data: DataConfiguration, people: People, test_images: np.ndarray
) -> None:
    expected = np.float32(mean_distances(exposures_of(data, people.training, 0)))
    each = exposures_of(data, people.training, 0).sample("mean", range(8 * 6), images=False, distances=True)
    assert each.distances is not None
    assert expected == pytest.approx(each.distances.numpy().mean(axis=0), abs=0.005)  # mm: float16
    assert [mean_exposures(count) for count in (1, 49, 50, 200)] == [8, 392, 400, 400]
    for folder in bundles.values():
        assert np.array_equal(-model_of(folder)[1].mean.values, expected)
    shapes = model_of(bundles["mean-shape"])[1].predictor.predict(test_images, None)
    assert len(shapes) == 3
    for fields in shapes:
        assert np.array_equal(fields.values, -expected) and fields.level == 0.0


def test_the_ridge_of_a_bundle_is_the_ridge_of_the_same_exposures(
    bundles: dict[str, Path], data: DataConfiguration, people: People, test_images: np.ndarray
) -> None:
    training = learning.learnt(data, people.training, 0, "baselines", 3)
    judges = learning.learnt(data, people.validation, 0, "validation", 3)
    fitted = ImageRidge(*training, data.voxels, judges, 12, 9)
    found, model = model_of(bundles["ridge"])
    assert found.bundle.training["penalty"] == pytest.approx(fitted.penalty)
    assert found.bundle.training["exposures"] == 18
    assert found.array("shape_axes").dtype == np.float16
    for one, two in zip(model.predictor.predict(test_images), fitted.predict(test_images), strict=True):
        assert one.values == pytest.approx(two.values, abs=0.02)  # mm: float16
        assert one.values.shape == (2, 16, 16, 16)
    with pytest.raises(InputError, match="fitted to 1024 pixels of all views, but given 2048"):
        model.predictor.predict(np.repeat(test_images, 2, axis=1))


def test_the_penalty_is_chosen_on_people_not_learnt_from(wrists: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[set[str]] = []

    def recorded(data: DataConfiguration, part: Part, *options: Any) -> Any:
        taken.append({case.patient for case in part.cases})
        return learning.learnt(data, part, *options)

    monkeypatch.setattr(ridge_method, "learnt", recorded)
    ridge_method.prepare_training(content_of("ridge", wrists), Path(), "cpu").finish()
    assert [len(patients) for patients in taken] == [6, 2] and not taken[0] & taken[1]


def test_exposures_are_fewer_where_memory_ends(data: DataConfiguration, people: People, monkeypatch) -> None:
    each = 2 * 2 * 16**3
    counts = []
    for room in (0, 8 * each, 1000 * each):
        monkeypatch.setattr(learning, "MOST_BYTES", room)
        images, distances = learning.learnt(data, people.training, 0, "some", 2)
        assert len(images) == len(distances) and distances.nbytes == len(distances) * each
        counts.append(len(images))
    assert counts == [6, 8, 12]


# ---- nearest shape -------------------------------------------------------------------------------------------------


def test_asked_about_an_exposure_it_knows_it_answers_with_that_person(
    bundles: dict[str, Path], data: DataConfiguration, people: People
) -> None:
    sample = exposures_of(data, people.training, 0).sample("nearest", range(18))
    model = model_of(bundles["nearest-shape"])[1]
    predictor = model.predictor
    images = 0.2 + 3 * sample.images.numpy()  # a correlation does not see gain and offset
    assert predictor.nearest(images) == list(range(18))
    for number in (0, 5, 17):
        (found,) = predictor.predict(images[[number]])
        meshes, missing = model.meshes(found)
        assert missing == () and tuple(meshes) == LABELS
        case = people.training.prepared[int(sample.case_index[number])]
        for bone, label in enumerate(LABELS):
            held = transformed(simple_surface(case, bone, 4000), sample.poses[number])
            error = surface_distance(held, meshes[label], samples=2000, ignore_boundary=True, require_overlap=False)
            assert error.assd < 0.3  # 200 vertices a bone
            low, high = grid_box(data.voxels)
            assert (points_of(meshes[label]) > low - 1e-3).all() and (points_of(meshes[label]) < high + 1e-3).all()


def slow_correlation(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, two, strict=True)]))


def test_the_nearest_has_the_highest_mean_correlation_of_its_views(data: DataConfiguration) -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(40, 2, 6, 6)), rng.normal(size=(10, 2, 6, 6)).astype(np.float32)
    arrays = {"images": known, "case": np.zeros(40, int), "poses": np.tile(np.eye(4), (40, 1, 1))}
    predictor = NearestShape(arrays, LABELS, data.voxels)
    for image, nearest in zip(asked, predictor.nearest(asked), strict=True):
        scores = [slow_correlation(image.astype(float), each) for each in known]
        assert scores[nearest] > max(scores) - 1e-6
    with pytest.raises(InputError, match=r"2 view\(s\) of 36 pixels, but was given 1 of 36"):
        predictor.nearest(asked[:, :1])


def test_a_picture_of_one_grey_resembles_nothing() -> None:
    images = np.stack([np.full((2, 4, 4), 3.0), np.random.default_rng(0).normal(size=(2, 4, 4))]).astype(np.float32)
    rows = standardised(images)
    assert not rows[0].any() and np.linalg.norm(rows[1], axis=-1) == pytest.approx(1)
    assert rows[1].mean(axis=-1) == pytest.approx(0, abs=1e-7)


def test_a_bone_held_outside_the_grid_is_not_in_the_answer(data: DataConfiguration) -> None:
    square = make_surface(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    far = RigidPose.from_rotation((0, 0, 0), (500, 0, 0)).matrix
    arrays = {
        "images": np.random.default_rng(0).normal(size=(2, 1, 4, 4)),
        "case": np.array([0, 0]),
        "poses": np.stack([np.eye(4), far]),
        **surface_arrays([square, transformed(square, far)]),
    }
    predictor = NearestShape(arrays, LABELS, data.voxels)
    here, there = predictor.predict(arrays["images"])
    assert tuple(here) == ("radius",) and there == {}


def test_surfaces_come_back_as_they_were_stored(people: People) -> None:
    case = people.training.prepared[0]
    surfaces = [simple_surface(case, bone, vertices) for bone in (0, 1) for vertices in (60, 400)]
    arrays = surface_arrays(surfaces)
    assert arrays["triangles"].dtype == np.uint16 and arrays["points"].dtype == np.float32
    for number, surface in enumerate(surfaces):
        found = stored_surface(arrays, number)
        assert points_of(found) == pytest.approx(points_of(surface), abs=1e-4)
        assert found.GetNumberOfCells() == surface.GetNumberOfCells()
    empty = make_surface(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    arrays = surface_arrays([surfaces[0], empty, surfaces[1]])
    assert stored_surface(arrays, 1).GetNumberOfPoints() == 0
    assert stored_surface(arrays, 2).GetNumberOfPoints() == surfaces[1].GetNumberOfPoints()


def test_simple_surfaces_keep_to_the_bone(people: People) -> None:
    case = people.training.prepared[0]
    full, simple = (simple_surface(case, 0, vertices) for vertices in (30_000, 300))
    assert 250 < simple.GetNumberOfPoints() < 400 < full.GetNumberOfPoints()
    assert surface_distance(full, simple, samples=4000, ignore_boundary=True).assd < 0.25
    assert boundary_length(simple) == pytest.approx(boundary_length(full), rel=0.2)  # the shaft stays open


# ---- used ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OPTIONS)
def test_reconstruct_takes_their_bundles(
    method: str, bundles: dict[str, Path], wrists: Path, tmp_path: Path, capsys: Out
) -> None:
    case = DatasetFolder.open(wrists).cases("test")[0]
    pair = read_pair(case, "PA")
    column, row = pair.radiograph.camera.project(pair.frame_to_world.translation)
    view = case.folder / "views" / "pa"
    words = ["--model", bundles[method], "--view", f"{view / 'radiograph.nrrd'}:{view / 'camera.json'}"]
    words += ["--origin", f"{column:.2f},{row:.2f}", "--side", case.side, "-o", tmp_path / "out", "--json"]
    capsys.readouterr()
    assert main(["reconstruct", *map(str, words)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == method and found["bones"] == list(LABELS) and found["missing"] == []
    assert found["synthetic"] is True
    for bone in LABELS:  # where the bones are: six people taught it, and the radiograph shows soft tissue
        truth = pair.pose.apply(points_of(case.meshes()[bone]))
        shape = points_of(read_surface(tmp_path / "out" / f"{bone}.vtp"))
        assert np.linalg.norm(np.median(shape, axis=0) - np.median(truth, axis=0)) < 25


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (NearestConfiguration, {"exposures": 0}, "exposures must be 1 or more"),
        (NearestConfiguration, {"vertices": 3}, "vertices from 12"),
        (RidgeConfiguration, {"shape_components": 0}, "must be 1 or more"),
        (RidgeConfiguration, {"vertices": 100}, "vertices is not known"),
    ],
)
def test_configurations_that_cannot_be(kind: type, changes: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parsed(kind, {"data": {"folder": "wrists"}, **changes})


def test_the_seed_says_how_people_are_held(wrists: Path, data: DataConfiguration, people: People) -> None:
    one, same, other = (learning.learnt(data, people.training, seed, "some", 1)[0] for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.allclose(one, other)
    assert torch.equal(torch.as_tensor(one), exposures_of(data, people.training, 0).sample("some", range(6)).images)
