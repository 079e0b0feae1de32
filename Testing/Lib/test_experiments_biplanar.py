"""The biplanar experiment on a tiny data set: what a method that knows the truth gets, in space and in pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_experiments import Truthful

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.dataset.canonical_view import turned_camera
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.segmented_views import segmented_views
from XRayTo3DLib.dataset.splits import patient_folds
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.volume_measures import dice
from XRayTo3DLib.experiments import biplanar, segmented_radiographs
from XRayTo3DLib.experiments.biplanar import MEAN, run_biplanar
from XRayTo3DLib.experiments.biplanar_trials import asked_people, outlines_of, picture_of, turned_trials
from XRayTo3DLib.experiments.reconstruction import case_pictures
from XRayTo3DLib.experiments.segmented_radiographs import judge_radiographs, segmented_cases
from XRayTo3DLib.experiments.trials import judge
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.biplanar.configuration import BiplanarConfiguration, NetworkConfiguration
from XRayTo3DLib.methods.biplanar.networks import make_networks
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.data import GridConfiguration, exposures_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import NoTranslation
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.shape.meshes import points_of, triangles_of

OBLIQUE = "PA turned 45°"
SAMPLES = 200


@pytest.fixture(scope="module")
def model(two_view_bundle: Path) -> GridReconstructor:
    return loaded_model(str(two_view_bundle), "tl-net")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(biplanar, "judge", partial(judge, samples=SAMPLES))
    monkeypatch.setattr(biplanar, "SAMPLES", SAMPLES)


def calibrated(model: GridReconstructor) -> GridReconstructor:
    """A biplanar network that has learnt nothing."""
    settings = BiplanarConfiguration(
        model.data, network=NetworkConfiguration(channels=(4, 8), convolutions=(1, 1), norm="group")
    )
    predictor = BiplanarPredictor(settings, make_networks(settings), np.full(2, 0.05, np.float32))
    return GridReconstructor("biplanar", model.data, predictor, -model.mean.values)


# ---- exposures of people with a CT -----------------------------------------------------------------------------------


def test_who_knows_the_truth_gets_it_in_space_and_in_pictures(model: GridReconstructor, wrists: Path) -> None:
    data = replace(model.data, folder=str(wrists), grid=GridConfiguration(32, 2.5))
    fine = GridReconstructor("fine", data, model.predictor, np.zeros((2, 32, 32, 32), np.float32))
    asked = asked_people(data, 0)
    assert list(asked.cameras) == ["PA", "LAT", OBLIQUE]
    known = Truthful(fine, exposures_of(data, asked.part, 0), asked.trials)
    judged = judge("truth", known, fine, asked.trials, samples=300)
    assert len(judged.outcomes) == 6 and min(o.dice for o in judged.outcomes) > 0.93
    assert all(abs(o.to_truth_mm + o.from_truth_mm - 2 * o.assd_mm) < 1e-9 for o in judged.outcomes)
    assert min(judged.background.values()) > 0.99
    outlines = outlines_of("truth", judged, asked)
    assert {(o.view, o.shown) for o in outlines} == {("PA", True), ("LAT", True), (OBLIQUE, False)}
    assert len(outlines) == 3 * 3 * 2 and not any(o.empty for o in outlines)
    assert max(o.chamfer_mm for o in outlines) < 0.45 and min(o.dice for o in outlines) > 0.97  # voxels of 2.5 mm
    picture = picture_of(case_pictures(judged, asked.trials, "truth")[0], asked, judged, outlines, 0)
    assert [view.name for view in picture.views] == list(asked.cameras)
    for view in picture.views:  # outlines lie on the bones of the picture that they are drawn on
        bones = np.any(list(view.truth.values()), axis=0)
        drawn = np.asarray(Image.fromarray(bones).convert("L").resize(view.image.shape[::-1], Image.Resampling.BOX))
        assert dice(view.image > 0.1 * view.image.max(), drawn > 127) > 0.85, view.name


@pytest.mark.usefixtures("quick")
def test_mean_shape_and_models_stand_side_by_side(model: GridReconstructor, wrists: Path) -> None:
    told: list[str] = []
    other = calibrated(model)
    found = run_biplanar({"tl": model, "net": other}, wrists, adapt=1, view_errors=(10,), report=told.append)
    fitted = "net, fitted (1 steps)"
    names = [MEAN, "tl", "net", fitted]
    for outcomes, each in ((found.volumes, 3 * 2), (found.outlines, 3 * 2 * 3)):
        assert [o.method for o in outcomes] == [name for name in names for _ in range(each)]
    assert set(names) <= set(told) and found.synthetic and found.calibrated == ("net", fitted)
    assert {name: len(values) for name, values in found.background.items()} == dict.fromkeys(names, 3)
    assert sorted(found.turned) == [0.0, 10.0]
    for outcomes in found.turned.values():
        assert list(dict.fromkeys(o.method for o in outcomes)) == names[:3] and len(outcomes) == 3 * 3 * 2
    still = {(o.method, o.case, o.bone): o.assd_mm for o in found.turned[0.0]}
    assert still == {(o.method, o.case, o.bone): o.assd_mm for o in found.volumes if o.method != fitted}
    turned = {(o.case, o.bone): o.assd_mm for o in found.turned[10.0] if o.method == MEAN}
    assert turned == {(case, bone): value for (name, case, bone), value in still.items() if name == MEAN}
    assert found.shown == fitted and [p.title for p in found.cases] == [p.title for p in found.pictures]
    assert all(len(picture.views) == 3 for picture in found.pictures)
    assert not found.radiographs  # its radiographs have no masks


def test_a_lateral_camera_is_truly_turned_every_other_one_the_other_way(model, wrists: Path) -> None:
    data = replace(model.data, folder=str(wrists))
    asked = asked_people(data, 0)
    (_, still), (angle, turned) = turned_trials(asked, (20.0,), 0)
    assert angle == 20 and np.array_equal(still.images, asked.trials.images)
    assert np.array_equal(turned.images[:, 0], still.images[:, 0]) and np.array_equal(turned.poses, still.poses)
    lateral = data.canonical_views[1].camera()
    for number, sign in enumerate((1, -1, 1)):
        camera = turned.cameras[number][1]
        assert camera.is_close(turned_camera(lateral, data.grid.centre_mm, sign * 20))
        shadows = []
        for where in (camera, turned_camera(lateral, data.grid.centre_mm, -sign * 20)):
            meshes = asked.trials.truth(number).values()
            shadows.append(
                np.any([mesh_silhouette(where, points_of(m), triangles_of(m), touching=True) for m in meshes], axis=0)
            )
        shown = turned.images[number, 1] > 0.02 * turned.images[number, 1].max()
        own, mirrored = ((shown ^ shadow).sum() for shadow in shadows)
        assert 2 * own < mirrored and own < 0.15 * shown.sum()


def test_models_that_cannot_be_compared_are_refused(model: GridReconstructor, wrists: Path) -> None:
    def another(**changes) -> GridReconstructor:
        data = replace(model.data, **changes)
        return GridReconstructor("x", data, model.predictor, -model.mean.values[: len(data.labels)])

    for models, message in (
        ({}, "no model"),
        ({MEAN: model}, "may not be called"),
        ({"a": model, "b": another(labels=("radius",))}, "bones"),
        ({"a": model, "b": another(folds=4, fold=1)}, "fold"),
        ({"a": model, "b": another(grid=GridConfiguration(16, 4.0))}, "field"),
        ({"a": model, "b": another(pose=replace(model.data.pose, rotation_deg=(1, 1, 1)))}, "pose"),
    ):
        with pytest.raises(InputError, match=message):
            run_biplanar(models, wrists)
    with pytest.raises(InputError, match="only biplanar networks"):
        run_biplanar({"a": model}, wrists, adapt=2)


# ---- radiographs with outlined bones, and no CT ----------------------------------------------------------------------


class KnowsMeshes:
    """Answers with the true bones of one person after the other."""

    calibrated = False

    def __init__(self, answers: list) -> None:
        self.answers = list(answers)

    def predict(self, images, cameras: Sequence | None = None) -> list:
        assert images.shape == (1, 2, 32, 32) and images.max() > 0
        return [self.answers.pop(0)]


@pytest.fixture(scope="module")
def radiographs(model: GridReconstructor, wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    """Two people's PA, LAT and a third view with masks, in a world of their own; the second has a left wrist."""
    folder = tmp_path_factory.mktemp("radiographs") / "films"
    cases, truths, world = [], [], RigidPose.from_rotation((20, -30, 70), (100, -50, 30))
    for case, side in zip(DatasetFolder.open(wrists).cases("test")[:2], ("right", "left"), strict=True):
        truth = truth_meshes(case)
        place = folder / "cases" / case.id
        lateral = [view.camera() for view in model.data.canonical_views]
        views = dict(zip(("pa", "lat"), lateral, strict=True))
        views["oblique"] = turned_camera(lateral[0], model.data.grid.centre_mm, 40)
        for name, camera in views.items():
            (place / "views" / name).mkdir(parents=True)
            camera = camera.resampled((160, 160))
            masks = {bone: mesh_silhouette(camera, points_of(m), triangles_of(m)) for bone, m in truth.items()}
            moved = camera.moved(world.matrix @ MIRROR if side == "left" else world.matrix)
            moved.save(place / "views" / name / "camera.json")
            pixels = np.sum(list(masks.values()), axis=0).astype(np.float32)
            note, source = IntensityNote("line-integral", None, True, "Made."), SpacingSource.DETECTOR
            picture = Radiograph(pixels, moved, note, source, name=case.id, synthetic=True)
            write_radiograph(picture, place / "views" / name / "radiograph.nrrd")
            for bone, mask in masks.items():
                Image.fromarray(mask).save(place / "views" / name / f"mask_{bone}.png")
        world.save(place / "frame.tfm")
        cases.append(CaseEntry(case.id, case.patient, "test", side))
        truths.append(truth)
    description = {"anatomy": "distal forearm", "labels": ["radius", "ulna"], "frame": "wrist", "synthetic": True,
                   "provenance": "SYNTHETIC.", "licence": "Apache-2.0"}  # fmt: skip
    write_dataset_json(folder, cases, description)
    return folder, truths


def test_without_a_ct_outlines_judge(model: GridReconstructor, radiographs: tuple[Path, list]) -> None:
    folder, truths = radiographs
    people = segmented_cases(folder, model.data)
    views = [segmented_views(case) for case in people]
    assert [[view.view for view in each] for each in views] == [["LAT", "OBLIQUE", "PA"]] * 2
    for view in views[1]:  # a left wrist's are mirrored: it is seen as a right one
        assert view.radiograph.camera.source[2] == pytest.approx(model.data.grid.centre_mm[2], abs=1e-6)
    exact = judge_radiographs("truth", KnowsMeshes(truths), model, people, [NoTranslation()])
    assert len(exact.outcomes) == 2 * 3 * 2 and {o.view for o in exact.outcomes if not o.shown} == {"OBLIQUE"}
    assert min(o.dice for o in exact.outcomes) > 0.999 and max(o.chamfer_mm for o in exact.outcomes) < 0.01
    assert exact.synthetic
    swapped = judge_radiographs("swapped", KnowsMeshes(truths[::-1]), model, people)
    assert min(o.chamfer_mm for o in swapped.outcomes) > 0.1
    assert [picture.title for picture in swapped.best_to_worst()] == ["Best", "Worst"]


class Doubling(NoTranslation):
    """Takes twice what is there for the bones."""

    def translate(self, images: np.ndarray) -> np.ndarray:
        return 2 * images


def test_methods_are_shown_translated_pictures_in_the_models_order(model, radiographs) -> None:
    folder, truths = radiographs
    person = segmented_cases(folder, model.data)[:1]
    shown: list[np.ndarray] = []

    class Looks(KnowsMeshes):
        def predict(self, images, cameras: Sequence | None = None) -> list:
            shown.append(images)
            return super().predict(images, cameras)

    judge_radiographs("truth", Looks(truths), model, person, [NoTranslation(), Doubling()])
    by_name = {view.view: view.radiograph for view in segmented_views(person[0])}
    for number, view in enumerate(model.data.canonical_views):
        plain = view.resampled(by_name[view.view], RigidPose.identity())
        assert np.array_equal(shown[0][0, number], plain * (1, 2)[number])
    assert [view.view for view in model.data.canonical_views] == ["PA", "LAT"] and len(shown) == 1


def test_finer_pictures_than_needed_are_compared_in_larger_pixels(model, radiographs, monkeypatch) -> None:
    folder, truths = radiographs
    monkeypatch.setattr(segmented_radiographs, "FINEST_MM", 2.0)
    found = judge_radiographs("truth", KnowsMeshes(truths), model, segmented_cases(folder, model.data))
    assert {view.image.shape for picture in found.pictures for view in picture.views} == {(53, 53)}
    assert min(o.dice for o in found.outcomes) > 0.97 and max(o.chamfer_mm for o in found.outcomes) < 0.3


def test_a_model_whose_views_are_not_there_is_asked_nothing(model, radiographs) -> None:
    other = GridReconstructor("x", replace(model.data, views=("AP",)), model.predictor, -model.mean.values)
    found = judge_radiographs("x", model.predictor, other, segmented_cases(radiographs[0], other.data))
    assert found.outcomes == [] and found.best_to_worst() == [] and not found.synthetic
    with pytest.raises(InputError, match="all views of all models"):
        run_biplanar({"x": other}, radiographs[0])


def test_names_that_no_bone_has_are_refused(radiographs: tuple[Path, list], tmp_path: Path) -> None:
    folder = shutil.copytree(radiographs[0], tmp_path / "films")
    for mask in folder.glob("cases/*/views/pa/mask_ulna.png"):
        mask.rename(mask.with_name("mask_elbow.png"))
    with pytest.raises(InputError, match="outlines elbow"):
        like = loaded_model_like(folder)
        judge_radiographs("x", KnowsMeshes([]), like, segmented_cases(folder, like.data))
    for path in folder.glob("cases/*/views/*/mask_*"):
        path.unlink()
    with pytest.raises(InputError, match="no CTs and no radiographs with masks"):
        run_biplanar({"a": loaded_model_like(folder)}, folder)


def loaded_model_like(folder: Path) -> GridReconstructor:
    from XRayTo3DLib.methods.data import DataConfiguration

    data = DataConfiguration(str(folder), grid=GridConfiguration(16, 5.0))
    return GridReconstructor("x", data, KnowsMeshes([]), np.zeros((2, 16, 16, 16), np.float32))


class AnyViews:
    """Answers every question with the same surfaces; notes how many pictures it was shown."""

    calibrated = False

    def __init__(self, meshes: dict) -> None:
        self.meshes, self.asked = meshes, []

    def predict(self, images, cameras: Sequence | None = None) -> list:
        self.asked.append(images.shape[1])
        return [self.meshes] * len(images)


def test_only_people_whom_every_model_can_be_shown_are_compared(model, radiographs, tmp_path: Path) -> None:
    """Else a model that wants fewer views would be judged by other people than the rest."""
    folder = shutil.copytree(radiographs[0], tmp_path / "films")
    first = segmented_cases(folder, model.data)[0]
    for mask in first.folder.glob("views/lat/mask_*"):
        mask.unlink()
    models = {
        "two": GridReconstructor("two", model.data, AnyViews(radiographs[1][0]), -model.mean.values),
        "one": GridReconstructor("one", replace(model.data, views=("PA",)), AnyViews(radiographs[1][0]),
                                 -model.mean.values),
    }  # fmt: skip
    found = run_biplanar(models, folder)
    assert models["two"].predictor.asked == [2] and models["one"].predictor.asked == [1]
    assert {o.method for o in found.radiographs} == {MEAN, "two", "one"}
    assert first.id not in {o.case for o in found.radiographs}
    assert len(run_biplanar({"one": models["one"]}, folder).radiographs) == 2 * (2 + 3) * 2  # two views, and three


def test_nobody_is_asked_who_taught_a_fold(model: GridReconstructor, radiographs) -> None:
    folder = radiographs[0]
    cases = DatasetFolder.open(folder).cases()
    parts = []
    for fold in range(2):
        data = replace(model.data, folds=2, fold=fold, validation_share=0.0)
        parts.append({case.id for case in segmented_cases(folder, data)})
        assert parts[-1] == set(patient_folds(cases, 2, 0, 0.0)[fold].test)
    assert [len(part) for part in parts] == [1, 1] and set.union(*parts) == {case.id for case in cases}


def test_a_steep_view_is_refused_by_no_one_who_knows_its_camera(model, radiographs, tmp_path: Path) -> None:
    """The mean shape, which looks at no picture, does not refuse it either."""
    folder = shutil.copytree(radiographs[0], tmp_path / "films")
    for place in folder.glob("cases/*/views"):
        shutil.rmtree(place / "lat")
        (place / "oblique").rename(place / "lat")
    found = run_biplanar({"net": calibrated(model)}, folder)
    assert {o.method for o in found.radiographs} == {MEAN, "net"} and found.calibrated == ("net",)
    with pytest.raises(InputError, match="degrees off the LAT view"):
        run_biplanar({"tl": model}, folder)


def test_nothing_that_was_asked_for_is_passed_over(model: GridReconstructor, wrists: Path, radiographs) -> None:
    from XRayTo3DLib.methods.translation import CanonicalTranslator

    films = radiographs[0]
    frontal = GridReconstructor("x", replace(model.data, views=("PA",)), model.predictor, -model.mean.values)
    fold = SimpleNamespace(data=SimpleNamespace(folds=4, fold=1, validation_share=0.15))
    for models, folder, options, message in (
        (model, wrists, {"translators": [NoTranslation()]}, "leave the translations out"),
        (model, films, {"view_errors": [5]}, "has a CT"),
        (frontal, wrists, {"view_errors": [5]}, "m sees no lateral view"),
        (model, films, {"translators": [CanonicalTranslator(fold)]}, "same fold"),
    ):
        with pytest.raises(InputError, match=message):
            run_biplanar({"m": models}, folder, **options)


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_the_command_prints_both_tables(wrists: Path, two_view_bundle: Path, tmp_path: Path, capsys) -> None:
    words = ["--model", f"tl={two_view_bundle}", "--data", str(wrists), "-o", str(tmp_path), "--view-errors", "5"]
    assert main(["experiment", "biplanar", *words]) == 0
    out = capsys.readouterr().out
    for text in ("SYNTHETIC people", "Bones in space", "Outlines in pictures", OBLIQUE, "Lateral view turned",
                 "Published numbers", "1.724", "Seconds", "report:"):  # fmt: skip
        assert text in out, text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" in page and page.count("data:image/png;base64,") == 4
    for name in ("outcomes.csv", "outcomes_outlines.csv", "bones-in-space.csv", "lateral-view-turned.csv"):
        assert len((tmp_path / name).read_text().splitlines()) > 2, name


@pytest.mark.usefixtures("quick")
def test_the_command_for_radiographs_alone(radiographs, two_view_bundle: Path, tmp_path: Path, capsys) -> None:
    words = ["--model", f"tl={two_view_bundle}", "--data", str(radiographs[0]), "-o", str(tmp_path), "--json"]
    assert main(["experiment", "biplanar", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["chamfer_mm"] == {} and set(told["radiograph_dice"]["shown"]) == {MEAN, "tl"}
    assert 0 < told["radiograph_dice"]["not_shown"][MEAN]["radius"] < 1 and told["synthetic"]
    assert (tmp_path / "outcomes_radiographs.csv").exists() and "Outlines in radiographs" in (
        tmp_path / "report.html"
    ).read_text(encoding="utf-8")


def test_what_cannot_be_asked(wrists: Path, two_view_bundle: Path, translation_bundle: Path, tmp_path, capsys) -> None:
    model = ("--model", f"a={two_view_bundle}")
    for words, message in (
        (("--model", str(two_view_bundle)), "NAME=BUNDLE"),
        ((*model, *model), "two models are called a"),
        (("--model", f"a={translation_bundle}"), "does not reconstruct"),
        ((*model, "--view-errors", "50"), "--view-errors"),
        ((*model, "--adapt", "-1"), "--adapt"),
    ):
        command = ["experiment", "biplanar", *words, "--data", str(wrists), "-o", str(tmp_path / "out")]
        assert main(command) == 2, words
        assert message in capsys.readouterr().err, words
    assert not (tmp_path / "out").exists()
