"""Experiments on a tiny data set: who is asked what, what is measured, and what a perfect method gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments import reconstruction, sensitivity
from XRayTo3DLib.experiments.image_translation import ORACLE, WHOLE, run_image_translation
from XRayTo3DLib.experiments.reconstruction import (
    CT_DRR,
    GAN,
    MATCHED,
    MEAN,
    RAW,
    REGISTRATION,
    RIDGE,
    baselines,
    pair_trials,
    run_reconstruction,
)
from XRayTo3DLib.experiments.reconstruction import test_trials as trials_of
from XRayTo3DLib.experiments.sensitivity import run_sensitivity
from XRayTo3DLib.experiments.trials import INSIDE_MM, Trials, judge
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, people_of
from XRayTo3DLib.methods.image_translation.pairs import split_pairs
from XRayTo3DLib.methods.image_translation.translator import Translator
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.shape.meshes import points_of


def methods_in(outcomes: Sequence[ReconstructionOutcome]) -> list[str]:
    """Names of the methods, in their order."""
    return list(dict.fromkeys(outcome.method for outcome in outcomes))


@pytest.fixture(scope="module")
def model(tl_net_bundle: Path) -> GridReconstructor:
    return loaded_model(str(tl_net_bundle), "tl-net")


@pytest.fixture(scope="module")
def translator(translation_bundle: Path) -> Translator:
    return loaded_model(str(translation_bundle), "image-translation")


@pytest.fixture(scope="module")
def tested(model: GridReconstructor, wrists: Path) -> tuple[DataConfiguration, Part]:
    data = DataConfiguration(**{**vars(model.data), "folder": str(wrists)})
    return data, people_of(data, Path()).test


class Truthful:
    """Knows the distances of every exposure; may shift the bones along z."""

    def __init__(self, model: GridReconstructor, exposures: Exposures, trials: Trials, shift_mm: float = 0.0) -> None:
        self.grid, self.fields = model.data.voxels, []
        numbers = {exposures.cases[number].id: number for number in range(len(exposures))}
        shift = RigidPose.from_rotation((0, 0, 0), (0, 0, shift_mm))
        for case, pose in zip(trials.cases, trials.poses, strict=True):
            posed = [shift @ RigidPose(np.asarray(pose))]
            self.fields.append(-exposures.exposed(numbers[case.id], posed, distances=True).distances[0].numpy())

    calibrated = False

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> Sequence[ShapeFields]:
        return [ShapeFields(values, 0.0, self.grid) for values in self.fields]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer points and exposures: numbers as before within some percent."""
    monkeypatch.setattr(reconstruction, "RIDGE_EXPOSURES", 2)
    monkeypatch.setattr(reconstruction, "judge", partial(judge, samples=300))
    monkeypatch.setattr(sensitivity, "SAMPLES", 300)


# ---- trials ----------------------------------------------------------------------------------------------------------


def test_only_test_people_are_asked_each_once(tested: tuple[DataConfiguration, Part]) -> None:
    data, part = tested
    trials = trials_of(data, part, 0)
    assert sorted(case.id for case in trials.cases) == [f"wrist-test-000{number}" for number in (1, 2, 3)]
    assert trials.images.shape == (3, 1, 32, 32) and trials.poses.shape == (3, 4, 4)
    again, other = trials_of(data, part, 0), trials_of(data, part, 1)
    assert np.array_equal(trials.images, again.images) and not np.array_equal(trials.poses, other.poses)


def test_the_truth_lies_where_the_image_shows_it(tested: tuple[DataConfiguration, Part]) -> None:
    data, part = tested
    trials = trials_of(data, part, 0)
    (view,) = data.canonical_views
    for number, image in enumerate(trials.images[:, 0]):
        for mesh in trials.truth(number).values():
            points = points_of(mesh)
            columns, rows = np.round(view.camera().project(points[points[:, 2] > -60])).astype(int).T
            assert (image[rows.clip(0, 31), columns.clip(0, 31)] > 0).mean() > 0.97


@pytest.fixture(scope="module")
def fine(model: GridReconstructor) -> GridReconstructor:
    """The same model's place on a grid of 2.5 mm."""
    from XRayTo3DLib.methods.data import GridConfiguration

    data = DataConfiguration(**{**vars(model.data), "grid": GridConfiguration(32, 2.5)})
    found = GridReconstructor("fine", data, model.predictor, np.zeros((2, 32, 32, 32), np.float32))
    found.mean = model.mean
    return found


def test_the_truth_gets_no_error_and_a_shift_gets_its_own(fine: GridReconstructor, wrists: Path) -> None:
    data = DataConfiguration(**{**vars(fine.data), "folder": str(wrists)})
    part = people_of(data, Path()).test
    trials, exposures = trials_of(data, part, 0), exposures_of(data, part, 0)
    exact = judge("exact", Truthful(fine, exposures, trials), fine, trials).outcomes
    assert len(exact) == 6 and not any(outcome.empty for outcome in exact)
    assert max(outcome.assd_mm for outcome in exact) < 0.3  # a ninth of a voxel
    moved = judge("moved", Truthful(fine, exposures, trials, 3.0), fine, trials).outcomes
    for one, two in zip(exact, moved, strict=True):
        assert (one.case, one.bone) == (two.case, two.bone)
        assert one.assd_mm + 0.1 < two.assd_mm < 3.0 and two.hd95_mm < 3.4  # shafts slide along themselves


def test_where_the_grid_cuts_a_shaft_there_is_no_error(fine: GridReconstructor, wrists: Path) -> None:
    low = fine.data.voxels.axes()[2][0]
    data = DataConfiguration(**{**vars(fine.data), "folder": str(wrists)})
    part = people_of(data, Path()).test
    trials = trials_of(data, part, 0)
    ends = [points_of(mesh)[:, 2].min() for mesh in trials.truth(0).values()]
    assert min(ends) < low and INSIDE_MM >= 0.5 * 2.5


def test_people_held_out_of_the_grid_are_left_out(model: GridReconstructor, tested) -> None:
    data, part = tested
    exposures = exposures_of(data, part, 0)
    away = RigidPose.from_rotation((0, 0, 0), (0, 200, 0)).matrix
    trials = Trials(part.cases, np.zeros((3, 1, 32, 32), np.float32), np.stack([np.eye(4), away, np.eye(4)]))
    outcomes = judge("some", Truthful(model, exposures, trials), model, trials).outcomes
    assert [outcome.case for outcome in outcomes] == [part.cases[0].id] * 2 + [part.cases[2].id] * 2


def test_baselines_learn_from_training_people_only(tested, wrists: Path, monkeypatch) -> None:
    data, _ = tested
    people = people_of(data, Path())
    monkeypatch.setattr(reconstruction, "RIDGE_EXPOSURES", 2)
    one, same = (baselines(data, people.training, people.validation, 0) for _ in range(2))
    assert np.array_equal(one[0].distances, same[0].distances) and one[1].penalty == same[1].penalty
    exposures = exposures_of(data, people.training, 0)
    drawn = exposures.sample("baselines", range(2 * len(people.training)), images=False, distances=True).distances
    assert one[0].distances == pytest.approx(drawn.numpy().mean(axis=0), abs=3e-3)  # mm: float16
    fields = one[1].predict(trials_of(data, people.test, 0).images)
    assert len(fields) == 3 and fields[0].values.shape == (2, 16, 16, 16)


# ---- the experiments -------------------------------------------------------------------------------------------------


def test_people_who_taught_one_model_do_not_test_the_other(model, translator, wrists: Path, monkeypatch) -> None:
    monkeypatch.setattr(model, "data", replace(model.data, folds=4, fold=1))
    with pytest.raises(InputError, match="train both on the same fold"):
        run_reconstruction(model, wrists, {GAN: translator})


@pytest.mark.usefixtures("quick")
def test_reconstruction_with_every_input(model, translator, wrists: Path) -> None:
    told: list[str] = []
    found = run_reconstruction(model, wrists, {GAN: translator}, report=told.append)
    names = [MEAN, RIDGE, CT_DRR, RAW, MATCHED, GAN, REGISTRATION]
    assert methods_in(found.outcomes) == names and set(names) <= set(told) and found.synthetic and found.shown == GAN
    keys = {(outcome.method, outcome.case, outcome.bone) for outcome in found.outcomes}
    assert len(keys) == len(found.outcomes) == 7 * 3 * 2
    assert all(np.isfinite(outcome.assd_mm) and outcome.assd_mm > 0 for outcome in found.outcomes)
    assert len(found.cases) == 3 and len({picture.case for picture in found.cases}) == 3
    again = run_reconstruction(model, wrists)
    plain = {(o.method, o.case, o.bone): o.assd_mm for o in again.outcomes if o.method == CT_DRR}
    assert plain == {(o.method, o.case, o.bone): o.assd_mm for o in found.outcomes if o.method == CT_DRR}
    assert methods_in(again.outcomes) == [MEAN, RIDGE, CT_DRR] and again.shown == CT_DRR


def test_the_registration_drr_is_what_the_model_would_see(model, translator, wrists: Path) -> None:
    """Image and pose of a pair fit: the model's canonical DRR of the person in that pose is the registration-DRR."""
    from dataclasses import replace

    pairs = split_pairs(replace(translator.configuration.data, folder=str(wrists)), Path())
    data = replace(model.data, folder=str(wrists))
    exposures = exposures_of(data, people_of(data, Path()).test, 0)
    trials = pair_trials(pairs.test)
    for number, pose in enumerate(trials.poses):
        sampled = exposures.exposed(number, [RigidPose(pose)]).images[0, 0].numpy()
        drr = pairs.test.drrs[number]
        assert np.sqrt(np.mean((sampled - drr) ** 2)) < 0.08 * drr.max()


def test_translation_is_judged_beside_its_rivals(translator, wrists: Path) -> None:
    found = run_image_translation({GAN: translator}, wrists)
    assert {outcome.method for outcome in found.outcomes} == {RAW, MATCHED, GAN, WHOLE, ORACLE}
    errors = {
        name: np.mean([outcome.mae for outcome in found.outcomes if outcome.method == name])
        for name in (RAW, MATCHED, GAN, WHOLE, ORACLE)
    }
    assert errors[ORACLE] <= errors[MATCHED] < errors[WHOLE] < errors[RAW]
    pairs = split_pairs(translator.configuration.data.__class__(**{**vars(translator.configuration.data),
                        "folder": str(wrists)}), Path())  # fmt: skip
    expected = np.abs(pairs.test.radiographs - pairs.test.drrs).mean()
    assert errors[RAW] == pytest.approx(expected, rel=1e-5)
    shown = [picture.mae for picture in found.pictures]
    assert shown == sorted(shown) and len(shown) == 3 and found.synthetic


@pytest.mark.usefixtures("quick")
def test_sensitivity_grows_with_what_was_not_foreseen(model, wrists: Path) -> None:
    found, synthetic = run_sensitivity(model, wrists, angles=(-30.0, 0.0, 30.0))
    assert synthetic and [each.varied for each in found] == list(sensitivity.AXES) and len(found) == 3
    for each in found:
        assert set(each.panels) == {"radius", "ulna"}
        for methods in each.panels.values():
            assert set(methods) == {MEAN, RIDGE, CT_DRR}
            (left, low), (middle, none), (right, high) = methods[MEAN]
            assert (left, middle, right) == (-30.0, 0.0, 30.0) and none.n == 3
            # Turned about its own axis a forearm's bone looks much as before.
            assert min(low.mean, high.mean) > none.mean + (0.2 if "forearm" in each.varied else 2)


def test_a_translator_of_other_images_is_refused(model, translator, wrists: Path) -> None:
    from dataclasses import replace

    wrong = GridReconstructor("x", replace(model.data, views=("LAT",)), model.predictor, -model.mean.values)
    with pytest.raises(InputError, match="other images"):
        run_reconstruction(wrong, wrists, {GAN: translator})


def test_another_data_set_of_other_bones_is_refused(model, wrists: Path) -> None:
    from dataclasses import replace

    wrong = GridReconstructor("x", replace(model.data, labels=("femur",)), model.predictor, -model.mean.values[:1])
    with pytest.raises(InputError, match="radius, ulna"):
        run_reconstruction(wrong, wrists)
