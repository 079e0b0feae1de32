"""Harder conditions of a comparison: noise, metal, turned views and shifts are what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from learning_cases import TL_NET, changed
from safetensors.numpy import save_file

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments import compare_conditions as conditions
from XRayTo3DLib.experiments.compare_trials import TrialMaker, TrialSet
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import DataConfiguration, exposures_of, people_of
from XRayTo3DLib.methods.translation import NoTranslation, ViewTranslators

VIEWS = (CanonicalView("PA", 48), CanonicalView("LAT", 48))


def test_every_condition_has_a_key_of_its_own() -> None:
    keys = [each.key for each in conditions.CONDITIONS]
    assert len(set(keys)) == len(keys) and conditions.CONDITIONS[0] == conditions.AS_TRAINED
    columns = conditions.columns(["one", "two"])
    assert [key for keys in columns.values() for key in keys] == [*keys[1:], "translated-one", "translated-two"]
    assert columns["View 10°"] == ["turned-10", "turned+10"]


@pytest.mark.parametrize("length", [5.0, 10.0])
def test_people_are_shifted_by_that_much_each_another_way(length: float) -> None:
    moved = np.array([conditions.shift_of(number, length, 0).translation for number in range(300)])
    assert np.linalg.norm(moved, axis=1) == pytest.approx(length)
    assert np.abs(moved.mean(axis=0)).max() < 0.15 * length  # evenly over the sphere
    assert np.array_equal(conditions.shift_of(3, length, 0).matrix, conditions.shift_of(3, length, 0).matrix)


def test_the_lateral_view_is_turned_and_nothing_else() -> None:
    assert conditions.turns_of(VIEWS, 7.0) == [0.0, 7.0]
    assert conditions.turns_of((CanonicalView("RL"), CanonicalView("AP")), 7.0) == [7.0, 0.0]
    assert conditions.turns_of(VIEWS[:1], 7.0) is None
    assert conditions.turns_of((CanonicalView("PA"), CanonicalView("AP")), 7.0) is None


@pytest.mark.parametrize("level", [0.0, 1.5])
def test_noise_is_that_of_counted_photons(level: float) -> None:
    """Counts of mean N have that variance; their logarithm's is about 1 / N (delta method), at any density."""
    images = np.full((1, 200, 200), level, dtype=np.float32)
    camera = CanonicalView("PA", 200).camera()
    found = conditions.noisy(images, [camera], 400.0, [1, 2])
    assert found.std() == pytest.approx(400.0**-0.5, rel=0.05) and found.mean() == pytest.approx(level, abs=0.01)
    assert not np.array_equal(found, conditions.noisy(images, [camera], 400.0, [1, 3]))


def test_metal_hides_what_lies_behind_it_and_leaves_the_rest() -> None:
    cameras = [view.camera() for view in VIEWS]
    images = np.random.default_rng(0).uniform(0, 1, (2, 48, 48)).astype(np.float32)
    centre = np.array(VIEWS[0].centre_mm)
    found = conditions.with_metal(images, cameras, centre, 30.0, [0, 1])
    covered = found != images
    assert covered.any(axis=(1, 2)).all() and covered.mean() < 0.2
    assert found[covered].min() > images[covered].min() and found.max() == pytest.approx(conditions.BLADE)
    dense = np.full_like(images, 9.0)  # darker than any metal can be told from
    assert np.array_equal(conditions.with_metal(dense, cameras, centre, 30.0, [0, 1]), dense)


class Halving(NoTranslation):
    """A translator whose work is known."""

    def translate(self, images: np.ndarray) -> np.ndarray:
        return images / 2


@pytest.fixture(scope="module")
def trials(wrists) -> tuple[TrialMaker, TrialSet]:
    data = parsed(DataConfiguration, changed(TL_NET["data"], views=["PA", "LAT"], folder=str(wrists)))
    people = people_of(data, wrists)
    poses = [RigidPose.from_rotation([2.0, 0.0, number], [1.0, 0.0, 0.0]) for number in range(len(people.test))]
    maker = TrialMaker(data, people.test, poses, 2, 0)
    translators = {"none": "it is not there", "half": ViewTranslators((Halving(), NoTranslation()))}
    return maker, maker.made(translators, lambda text, share: None)


def test_everybody_is_asked_as_in_training_and_a_few_under_harder_conditions(trials) -> None:
    maker, made = trials
    assert made.cases == tuple(case.id for case in maker.part.cases) and len(made.cases) == 3
    keys = [*(each.key for each in conditions.CONDITIONS), "translated-half"]
    assert {key: len(each.images) for key, each in made.asked.items()} == {
        key: 3 if key == "plain" else 2 for key in keys
    }
    assert made.refused == {"translated-none": "it is not there"}
    plain, harder = made.asked["plain"], made.asked["noise-25"]
    assert np.array_equal(plain.poses[:2], harder.poses)
    assert np.array_equal(plain.poses, [pose.matrix for pose in maker.poses])


def test_the_turned_camera_is_the_one_that_took_the_picture(trials) -> None:
    maker, made = trials
    turned, plain = made.asked["turned+10"], made.asked["plain"]
    assert turned.cameras[0].is_close(plain.cameras[0]) and not turned.cameras[1].is_close(plain.cameras[1])
    beams = [camera.view_direction for camera in (turned.cameras[1], plain.cameras[1])]
    assert np.rad2deg(np.arccos(beams[0] @ beams[1])) == pytest.approx(10.0, abs=1e-6)
    exposures = exposures_of(maker.data, maker.part, 5)
    again = exposures.exposed(1, [maker.poses[1]], turns_deg=[0.0, 10.0]).images[0].numpy()
    assert np.array_equal(turned.images[1], again) and np.array_equal(again[0], plain.images[1, 0])


@pytest.mark.parametrize("length", [5.0, 10.0])
def test_the_shifted_person_is_the_one_in_the_picture(trials, length: float) -> None:
    maker, made = trials
    shifted, plain = made.asked[f"shifted-{length:g}"], made.asked["plain"]
    moves = shifted.poses[:, :3, 3] - plain.poses[:2, :3, 3]
    assert np.linalg.norm(moves, axis=1) == pytest.approx(length) and not np.allclose(*moves)
    assert shifted.poses[:, :3, :3] == pytest.approx(plain.poses[:2, :3, :3])
    again = exposures_of(maker.data, maker.part, 5).exposed(1, [RigidPose(shifted.poses[1])]).images[0].numpy()
    assert np.array_equal(shifted.images[1], again) and not np.array_equal(again, plain.images[1])


def test_translators_are_shown_the_soft_tissue_view_by_view(trials) -> None:
    _, made = trials
    raw, found = made.asked["tissue"], made.asked["translated-half"]
    assert np.array_equal(found.images[:, 0], raw.images[:, 0] / 2)
    assert np.array_equal(found.images[:, 1], raw.images[:, 1]) and np.array_equal(found.poses, raw.poses)


def test_soft_tissue_only_adds(trials) -> None:
    _, made = trials
    whole, bones = made.asked["tissue"].images, made.asked["plain"].images[:2]
    beside = bones == 0
    assert (whole[beside] > 0.1).mean() > 0.15
    assert np.quantile(whole - bones, 0.02) > -0.05 and (whole - bones).mean() > 0.3


def test_pictures_come_back_from_their_file(trials, tmp_path) -> None:
    _, made = trials
    made.save(tmp_path / "pictures.safetensors")
    again = TrialSet.load(tmp_path / "pictures.safetensors")
    assert again.cases == made.cases and again.refused == made.refused and list(again.asked) == list(made.asked)
    for key, each in made.asked.items():
        found = again.asked[key]
        assert found.condition == each.condition and np.array_equal(found.images, each.images)
        assert all(one.is_close(two) for one, two in zip(found.cameras, each.cameras, strict=True))


def test_a_file_of_other_pictures_is_refused(tmp_path) -> None:
    path, about = tmp_path / "other.safetensors", {"cases": [], "conditions": {"plain": {"name": "of another version"}}}
    save_file({"plain/images": np.zeros(1)}, path, metadata={"about": json.dumps(about)})
    with pytest.raises(InputError, match="has another format; delete it"):
        TrialSet.load(path)
