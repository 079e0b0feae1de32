"""Experiments with dual-face depth: what a model that knows the truth gets, and what each fault costs it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from depth_cases import LABELS, write_depth_dataset
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.cli import experiment_depth
from XRayTo3DLib.cli.main import main
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.depth_view_files import depth_views
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import case_rendering
from XRayTo3DLib.evaluation.depth_measures import ABSOLUTE, ALIGNED, DepthOutcome, bone_numbers
from XRayTo3DLib.evaluation.depth_tables import BIDIRECTIONAL, DIRECTIONAL, SEEN
from XRayTo3DLib.experiments import completion, depth_trials
from XRayTo3DLib.experiments.completion import run_completion
from XRayTo3DLib.experiments.depth_losses import described, run_depth_losses
from XRayTo3DLib.experiments.depth_trials import as_seen, judge_depth, shifted
from XRayTo3DLib.experiments.depth_trials import depth_trials as trials_of
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.dual_face_depth.configuration import (
    DepthDataConfiguration,
    DepthLossConfiguration,
    DepthNetworkConfiguration,
    DepthStageConfiguration,
    DepthStagesConfiguration,
    DualFaceConfiguration,
)
from XRayTo3DLib.methods.dual_face_depth.reconstruct import DualFaceReconstructor
from XRayTo3DLib.methods.types import DepthPrediction
from XRayTo3DLib.shape.meshes import transformed

Out = pytest.CaptureFixture[str]
PEOPLE, TESTED, VIEWS = 3, 3, 2
GEOMETRY = StandardGeometry(64, 200.0, 1000.0)


class Truthful:
    """Knows the depth of every radiograph; wrong only as it is told to be."""

    synthetic = True

    def __init__(self, configuration: DualFaceConfiguration, folder: Path) -> None:
        self.configuration, self.asked = configuration, 0
        self.cases = {case.id: case for case in DatasetFolder.open(folder).cases("test")}
        self.views = {
            view.image.tobytes(): view
            for view in depth_views(list(self.cases.values()), configuration.data.geometry, workers=1)
        }
        self.shift_mm, self.noise_mm, self.lost = 0.0, 0.0, ""

    def predict_depth(self, image: NDArray[np.float32], camera: XRayCamera) -> DepthPrediction:
        self.asked += 1
        view = self.latest = self.views[image.tobytes()]
        noise = np.random.default_rng(self.asked).normal(self.shift_mm, self.noise_mm, (2, *view.front_mm.shape))
        shown = np.array([label != self.lost for label in view.labels])[:, None, None]
        front, back = (np.where(shown, z, np.nan).astype(np.float32) for z in (view.front_mm, view.back_mm) + noise)
        back_known = self.configuration.faces == "dual"
        return DepthPrediction(front, back if back_known else None, np.isfinite(front), camera, view.labels)

    seen = DualFaceReconstructor.seen

    def complete(self, prediction: DepthPrediction, direction: str) -> dict[str, vtkPolyData]:
        """The whole truth, half a millimetre off, or two where only one direction counts."""
        case, view = self.cases[self.latest.case], self.latest
        off = RigidPose.from_rotation((0, 0, 0), (0, {"both": 0.5, "to_model": 2.0}[direction], 0))
        pose = off @ RigidPose.load(case.folder / "views" / view.view / "pose.tfm")
        return {label: transformed(mesh, pose.matrix) for label, mesh in case.meshes().items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_dataset(tmp_path_factory.mktemp("experiments") / "ellipsoids", PEOPLE, TESTED, VIEWS)


@pytest.fixture(scope="module")
def configuration(folder: Path) -> DualFaceConfiguration:
    data = DepthDataConfiguration(folder=str(folder), labels=LABELS, geometry=GEOMETRY, validation_share=0.3)
    return DualFaceConfiguration(data=data, network=DepthNetworkConfiguration(segmentation="tiny"))


@pytest.fixture
def truthful(configuration: DualFaceConfiguration, folder: Path) -> Truthful:
    return Truthful(configuration, folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer points: numbers as before within some percent; pictures less smooth."""
    monkeypatch.setattr(depth_trials, "bone_numbers", partial(bone_numbers, samples=400))
    monkeypatch.setattr(depth_trials, "depth_views", partial(depth_views, workers=1))
    monkeypatch.setattr(case_rendering, "SUPERSAMPLING", 1)


def chosen(outcomes: list[DepthOutcome], alignment: str, method: str | None = None) -> list[DepthOutcome]:
    return [o for o in outcomes if o.alignment == alignment and method in (None, o.method)]


def judged(model: Truthful, folder: Path, **options: int) -> list[DepthOutcome]:
    trials = trials_of(model.configuration.data, folder)
    return judge_depth(model, {"it": partial(as_seen, model)}, trials, points=64, **options)


def test_every_radiograph_of_the_test_people_is_asked_once(truthful: Truthful, folder: Path) -> None:
    outcomes = judged(truthful, folder, seed=5)
    assert truthful.asked == TESTED * VIEWS
    assert len(outcomes) == TESTED * VIEWS * 2 * len(LABELS)
    assert {o.patient for o in outcomes} == {"p-3", "p-4", "p-5"}
    assert {o.case for o in outcomes} == {f"p-{n} ap-{v}" for n in (3, 4, 5) for v in (1, 2)}
    assert all((o.points, o.seed) == (64, 5) for o in outcomes)
    assert len(trials_of(truthful.configuration.data, folder, most=1).views) == TESTED


def test_the_truth_gets_no_error(truthful: Truthful, folder: Path) -> None:
    outcomes = judged(truthful, folder)
    assert max(o.assd_mm for o in outcomes) < 0.25 and max(o.depth_mae_mm for o in outcomes) < 1e-4
    assert all(o.volume_mm3 == pytest.approx(o.true_volume_mm3) for o in outcomes)


def test_a_shift_along_depth_vanishes_with_alignment_and_shows_without(truthful: Truthful, folder: Path) -> None:
    truthful.shift_mm = 12.0
    outcomes = judged(truthful, folder)
    assert all(o.shift_mm == pytest.approx(-12.0, abs=1e-3) for o in chosen(outcomes, ALIGNED))
    assert max(o.assd_mm for o in chosen(outcomes, ALIGNED)) < 0.25
    assert max(o.depth_mae_mm for o in chosen(outcomes, ALIGNED)) < 1e-3
    for o in chosen(outcomes, ABSOLUTE):
        assert o.shift_mm == 0.0 and o.depth_mae_mm == pytest.approx(12.0, abs=1e-3) and o.assd_mm > 3.0


def test_noise_is_measured_as_it_is(truthful: Truthful, folder: Path) -> None:
    truthful.noise_mm = 3.0
    aligned = chosen(judged(truthful, folder), ALIGNED)
    assert np.mean([o.depth_rmse_mm for o in aligned]) == pytest.approx(3.0, rel=0.05)
    assert np.mean([o.depth_mae_mm for o in aligned]) == pytest.approx(3.0 * np.sqrt(2 / np.pi), rel=0.05)


def test_a_lost_bone_counts_as_lost(truthful: Truthful, folder: Path) -> None:
    truthful.lost = LABELS[1]
    outcomes = judged(truthful, folder)
    assert {o.bone for o in outcomes if o.empty} == {LABELS[1]} and all(
        np.isnan(o.assd_mm) for o in outcomes if o.empty
    )
    assert not any(o.empty for o in outcomes if o.bone == LABELS[0])


def test_shifting_leaves_masks_and_faces(truthful: Truthful) -> None:
    view = next(iter(truthful.views.values()))
    found = truthful.predict_depth(view.image, view.camera)
    moved = shifted(found, 5.0)
    assert np.nanmax(np.abs(moved.front_mm - found.front_mm - 5)) < 1e-3 and (moved.mask == found.mask).all()
    assert shifted(replace(found, back_mm=None), 5.0).back_mm is None


# ---- depth losses ----------------------------------------------------------------------------------------------------


def test_two_faces_beat_one(configuration: DualFaceConfiguration, folder: Path) -> None:
    pretrained = DepthStagesConfiguration(pretraining=DepthStageConfiguration(steps=5))
    single = replace(configuration, faces="single", loss=DepthLossConfiguration("si", "dependent"), stages=pretrained)
    models = {"one": Truthful(single, folder), "two": Truthful(configuration, folder)}
    for model in models.values():
        model.noise_mm = 1.0
    found = run_depth_losses(models, folder, points=64, most=1)
    errors = {name: np.mean([o.assd_mm for o in chosen(found.outcomes, ALIGNED, name)]) for name in models}
    assert errors["two"] < 0.5 * errors["one"]
    one, two = found.models
    assert (one.pixels, one.faces, one.loss, one.aggregation, one.pretrained) == (
        *("64", "single", "SI", "dependent", "yes"),
    )
    assert two == described("two", configuration) and two.loss == "CASI" and two.pretrained == "no"
    assert found.synthetic and found.shown == "two"
    assert [row.title for row in found.pictures] == ["Best", "Median", "Worst"]


def test_models_of_different_splits_are_not_compared(configuration: DualFaceConfiguration, folder: Path) -> None:
    other = replace(configuration, data=replace(configuration.data, folds=3, fold=1))
    with pytest.raises(InputError, match="fold 1 of 3"):
        run_depth_losses({"a": Truthful(configuration, folder), "b": Truthful(other, folder)}, folder)
    with pytest.raises(InputError, match="at least one"):
        run_depth_losses({}, folder)


# ---- completion ------------------------------------------------------------------------------------------------------


def test_completion_reaches_beyond_the_picture(truthful: Truthful, folder: Path) -> None:
    found = run_completion(truthful, folder, points=64)
    assert truthful.asked == TESTED * 1 + 3  # one radiograph each, and the pictures
    means = {
        name: np.mean([(o.assd_mm, o.whole_assd_mm) for o in chosen(found.outcomes, ALIGNED, name)], axis=0)
        for name in (SEEN, DIRECTIONAL, BIDIRECTIONAL)
    }
    assert means[SEEN][0] < means[BIDIRECTIONAL][0] < means[DIRECTIONAL][0] < 2.0
    assert means[BIDIRECTIONAL][1] < means[SEEN][1]  # the right bone is cut by the picture
    volumes = chosen(found.outcomes, ALIGNED, BIDIRECTIONAL)
    assert all(o.volume_mm3 == pytest.approx(o.true_volume_mm3, rel=0.03) for o in volumes)


# ---- the command -----------------------------------------------------------------------------------------------------


def run(*words: object) -> int:
    return main(["experiment", *map(str, words)])


def test_the_command_writes_tables_pictures_and_one_page(
    truthful: Truthful,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
) -> None:
    monkeypatch.setattr(experiment_depth, "loaded_model", lambda name, method: truthful)
    words = ("--data", folder, "--points", 64, "--views", 1)
    assert run("depth-losses", "--model", "a=x", "--model", "b=y", *words, "-o", tmp_path / "losses") == 0
    out = capsys.readouterr().out
    assert "SYNTHETIC people" in out and "64 points" in out and "seed 0" in out and "Why aligned" in out
    assert out.index("Depth losses, aligned") < out.index("Depth losses, absolute")
    page = (tmp_path / "losses" / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" in page and "data:image/png;base64," in page and str(folder) not in page
    with (tmp_path / "losses" / "outcomes.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2 * TESTED * 2 * len(LABELS)
    monkeypatch.setattr(completion, "pictures_of", lambda *words: [])  # slow, and the same as before
    assert run("completion", "--model", "x", *words, "-o", tmp_path / "completion", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["synthetic"] and told["lost"] == 0 and set(told["assd_mm"]) == {ALIGNED, ABSOLUTE}
    assert set(told["assd_mm"][ALIGNED]) == {SEEN, DIRECTIONAL, BIDIRECTIONAL}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "x"), "NAME=BUNDLE"),
        (("--model", "a=x", "--model", "a=y"), "called a"),
        (("--model", "a=x", "--points", "0"), "--points"),
        (("--model", "a=x", "--views", "-1"), "--views"),
    ],
)
def test_words_that_cannot_be_are_refused(
    words: tuple[str, ...], said: str, folder: Path, tmp_path: Path, capsys: Out
) -> None:
    assert run("depth-losses", *words, "--data", folder, "-o", tmp_path) == 2
    assert said in capsys.readouterr().err
