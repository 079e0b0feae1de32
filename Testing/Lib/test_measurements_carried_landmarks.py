"""Landmarks that a shape model carries: they move with the bone, are learnt, and know how far off they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load, save
from scipy.spatial.transform import Rotation
from shape_model_cases import blob, family

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.measurements import CarriedLandmarks, arrays_of, landmarks_from, learn_landmarks
from XRayTo3DLib.shape.statistical_shape_model import build_shape_model

NOISE = np.array([0.6, 0.3, 0.1])
PEOPLE = 60


def own_landmarks(shapes: np.ndarray) -> dict[str, np.ndarray]:
    """Of every person: a vertex, the middle of the upper end (inside), and a point past the lower end."""
    height = blob()[0][:, 2]
    upper, lower = height > np.percentile(height, 90), height < np.percentile(height, 10)
    top, bottom = shapes[:, upper].mean(axis=1), shapes[:, lower].mean(axis=1)
    return {"tip": shapes[:, np.argmax(height)], "head centre": top, "axis": bottom + 0.5 * (bottom - top)}


@pytest.fixture(scope="module")
def people() -> np.ndarray:
    return family(PEOPLE)[0]


@pytest.fixture(scope="module")
def carried(people) -> CarriedLandmarks:
    return learn_landmarks(people, own_landmarks(people), "blob")


@pytest.fixture(scope="module")
def noisy(people) -> CarriedLandmarks:
    tip = own_landmarks(people)["tip"]
    return learn_landmarks(people, {"tip": tip + np.random.default_rng(1).normal(size=tip.shape) * NOISE}, "blob")


def test_landmarks_on_inside_and_past_the_bone_are_found_on_new_people(carried) -> None:
    new = family(20, seed=7)[0]
    for name, own in own_landmarks(new).items():
        error = np.linalg.norm(carried.at(new)[name] - own, axis=1)
        moved = np.linalg.norm(own - own.mean(axis=0), axis=1)
        assert error.max() < 0.02
        assert moved.max() > 1.0, "people differ there, so it was not the mean that was found"


@settings(max_examples=25, deadline=None)
@given(matrix=arrays(float, (3, 3), elements=st.floats(-2, 2)), shift=arrays(float, 3, elements=st.floats(-500, 500)))
def test_landmarks_go_wherever_the_bone_goes(carried, people, matrix, shift) -> None:
    """Turned, mirrored, stretched or flattened: an affine map of the vertices is one of the landmarks."""
    for name, point in carried.at(people[3]).items():
        moved = carried.at(people[3] @ matrix.T + shift)[name]
        assert moved == pytest.approx(matrix @ point + shift, abs=1e-6)


def test_many_shapes_at_once_are_the_shapes_one_by_one(carried, people) -> None:
    together = carried.at(people[:4].reshape(2, 2, *people.shape[1:]))
    assert together["axis"].shape == (2, 2, 3)
    assert together["axis"][1, 0] == pytest.approx(carried.at(people[2])["axis"], abs=1e-9)


def test_the_covariance_is_that_of_people_left_out(noisy) -> None:
    """Landmarks clicked with a known error: what is left over on people left out is that error, and a little more."""
    spread = np.sqrt(np.diag(noisy.covariance))
    assert np.all(spread > 0.8 * NOISE) and np.all(spread < 1.5 * NOISE + 0.1)
    assert noisy.sd_mm["tip"] == pytest.approx(np.sqrt(np.trace(noisy.covariance)))


def test_landmarks_that_err_together_are_drawn_together(people) -> None:
    """Two landmarks with the same error: their difference has none."""
    tip = own_landmarks(people)["tip"]
    both = tip + np.random.default_rng(2).normal(size=tip.shape)
    drawn = learn_landmarks(people, {"one": both, "other": both}).errors(people[0], 500, np.random.default_rng(0))
    assert np.std(drawn["one"], axis=0).min() > 0.7
    assert np.abs(drawn["one"] - drawn["other"]).max() < 0.01


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_errors_turn_with_the_bone(noisy, people, mirror) -> None:
    turn = Rotation.from_rotvec([20, -50, 100], degrees=True).as_matrix() @ np.diag([mirror, 1.0, 1.0])
    drawn = noisy.errors(people[0] @ turn.T + [10, 20, 30], 4000, np.random.default_rng(0))["tip"]
    expected = turn @ noisy.covariance @ turn.T
    assert np.abs(np.cov(drawn.T) - expected).max() < 0.12 * np.abs(expected).max()


def test_what_the_model_leaves_out_counts_as_error(people) -> None:
    """With one mode of three, the tip is as far off as models of the others show it off; with all three it is not."""
    tip = own_landmarks(people)["tip"]
    one, three = (learn_landmarks(people, {"tip": tip}, modes=modes).sd_mm["tip"] for modes in (1, 3))
    vertex, missed = int(np.argmax(blob()[0][:, 2])), []
    for number, person in enumerate(people):
        model = build_shape_model(np.delete(people, number, axis=0), family(2)[1], modes=1)
        missed.append(np.sum((model.projected(person)[vertex] - person[vertex]) ** 2))
    assert np.sqrt(np.mean(missed)) > 0.5
    # A linear combination of what the model shows may be a little better than the vertex itself.
    assert one == pytest.approx(np.sqrt(np.mean(missed)), rel=0.2)
    assert three < 0.05


def test_landmarks_come_back_from_a_bundle(carried, people) -> None:
    back = landmarks_from(load(save(arrays_of(carried))))
    assert (back.label, back.names) == ("blob", carried.names)
    for name, point in carried.at(people[5]).items():
        assert back.at(people[5])[name] == pytest.approx(point, abs=1e-3)
    assert back.covariance == pytest.approx(carried.covariance, rel=1e-5, abs=1e-9)


def test_few_people_do_not_say_how_far_off_a_landmark_is(people) -> None:
    few = learn_landmarks(people[:5], {"tip": own_landmarks(people)["tip"][:5]})
    assert np.isnan(few.covariance).all()
    with pytest.raises(InputError, match="not known"):
        few.errors(people[0], 10, np.random.default_rng(0))


def test_what_does_not_fit_is_refused(carried, people) -> None:
    with pytest.raises(InputError, match="vertices of its shape model"):
        carried.at(people[0, :-1])
    with pytest.raises(InputError, match='"tip" needs three finite numbers'):
        learn_landmarks(people, {"tip": np.zeros((3, 3))})
    with pytest.raises(InputError, match="at least one landmark"):
        learn_landmarks(people, {})
    arrays_, wrong = arrays_of(carried), {"weights": carried.weights * 2}
    with pytest.raises(InputError, match='"weights" is missing'):
        landmarks_from({name: array for name, array in arrays_.items() if name != "weights"})
    with pytest.raises(InputError, match="sum to 1"):
        landmarks_from(arrays_ | wrong)
    with pytest.raises(InputError, match="header is damaged"):
        landmarks_from(arrays_ | {"header": np.frombuffer(b"{", dtype=np.uint8)})
    with pytest.raises(InputError, match="does not exist"):
        landmarks_from(arrays_ | {"mean": carried.mean[:10]})
