"""Uncertainty of measurements: against the formula where there is one, against the truth where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from shape_model_cases import blob, family
from test_measurements_forearm import drawn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.measurements import (
    CarriedLandmarks,
    Measurement,
    learn_from_people,
    learn_landmarks,
    measurements_of,
)
from XRayTo3DLib.measurements.propagate import measured

RNG = np.random.default_rng
DRAWS = 20_000


def difference(points) -> dict[str, float]:
    return {"rise": float(points["b"][2] - points["a"][2])}


def draws(seed: int, sd: float) -> dict[str, np.ndarray]:
    return {name: RNG(seed + number).normal(size=(DRAWS, 3)) * sd for number, name in enumerate("ab")}


def test_both_sources_add_as_squares_and_are_told_apart() -> None:
    """A difference of two heights, each off by s: off by sqrt(2) s; two independent sources add as squares."""
    mean = {"a": np.zeros(3), "b": np.array([0.0, 0.0, 10.0])}
    shape = {name: mean[name] + each for name, each in draws(0, 0.3).items()}
    spread = measured(difference, mean, shape, draws(10, 0.4))["rise"]
    assert spread.value == 10.0
    assert spread.sd_of_shape == pytest.approx(0.3 * np.sqrt(2), rel=0.03)
    assert spread.sd_of_landmarks == pytest.approx(0.4 * np.sqrt(2), rel=0.03)
    assert spread.sd == pytest.approx(0.5 * np.sqrt(2), rel=0.03)
    assert spread.interval_95 == pytest.approx((10 - 1.96 * 0.5 * 2**0.5, 10 + 1.96 * 0.5 * 2**0.5), abs=0.06)


def test_errors_that_go_together_cancel() -> None:
    mean = {"a": np.zeros(3), "b": np.ones(3)}
    shape = {name: mean[name] + draws(0, 5.0)["a"] for name in "ab"}
    assert measured(difference, mean, shape, {})["rise"].sd == pytest.approx(0.0, abs=1e-9)


def test_what_is_not_known_is_not_said() -> None:
    mean, errors = {"a": np.zeros(3), "b": np.ones(3)}, draws(0, 0.1)
    alone = measured(difference, mean, None, errors)["rise"]
    assert (alone.sd, alone.interval_95, alone.sd_of_shape) == (None, None, None)
    assert alone.sd_of_landmarks == pytest.approx(0.1 * np.sqrt(2), rel=0.03)
    shape = measured(difference, mean, {name: mean[name] + errors[name] for name in "ab"}, None)["rise"]
    assert shape.sd is None and shape.sd_of_shape is not None


def test_the_truth_lies_in_the_interval_as_often_as_it_says() -> None:
    """Landmarks clicked with error on people who differ; 250 new people, known to 0.5 SD of every mode."""
    shapes, _ = family(80)
    rng = RNG(3)
    vertices = {"a": 10, "b": 300}
    clicked = {name: shapes[:, vertex] + rng.normal(size=(80, 3)) * 0.4 for name, vertex in vertices.items()}
    carried = learn_landmarks(shapes, clicked)

    def length(points) -> dict[str, float]:
        return {"length": float(np.linalg.norm(points["a"] - points["b"]))}

    inside = 0
    new = family(250, seed=11)[0]
    unsure, errors = (0.5 * (family(count, seed=12 + count)[0] - blob()[0]) for count in (120, len(new)))
    for number, person in enumerate(new):
        own = {name: person[vertex] + rng.normal(size=3) * 0.4 for name, vertex in vertices.items()}
        seen = person + errors[number]
        spread = measured(
            length, carried.at(seen), carried.at(seen + unsure), carried.errors(seen, len(unsure), RNG(number))
        )["length"]
        low, high = spread.interval_95
        inside += low <= length(own)["length"] <= high
    assert 0.91 <= inside / len(new) <= 0.98


def wrist_model(sd: float) -> dict[str, CarriedLandmarks]:
    """Landmarks that are vertices themselves: every bone's points are its landmarks; errors of ``sd`` mm per axis."""
    own = drawn()
    names = {"radius": [name for name in own if "ulnar" not in name], "ulna": ["ulnar head dome"]}
    models = {}
    for label, kept in names.items():
        # Four more vertices tell which way the bone lies.
        mean = np.array([own[name] for name in kept] + [[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]], dtype=float)
        count = len(kept)
        models[label] = CarriedLandmarks(
            label, tuple(kept), np.arange(count)[:, None], np.ones((count, 1)), sd**2 * np.eye(3 * count), mean
        )
    return models


def test_a_wrist_is_measured_with_its_uncertainty() -> None:
    """Ulnar variance: dome minus the mean of both ends of the notch, so off by sqrt(1.5) s."""
    carried = wrist_model(0.02)
    bones = {label: each.mean for label, each in carried.items()}
    rng = RNG(0)
    shifts = {
        label: each.mean + np.array([0, 0, 1.0]) * rng.normal(size=(2000, 1, 1)) for label, each in carried.items()
    }
    found = {each.name: each for each in measurements_of(bones, carried, shifts, "wrist")}
    assert found["volar_tilt"].value == pytest.approx(11.0) and found["volar_tilt"].unit == "deg"
    assert "Medoff" in found["volar_tilt"].definition
    variance = found["ulnar_variance"]
    assert variance.sd_of_shape == pytest.approx(np.sqrt(2), rel=0.06), "both bones slide, each by itself"
    assert variance.sd_of_landmarks == pytest.approx(0.02 * np.sqrt(1.5), rel=0.15)
    assert found["volar_tilt"].sd_of_shape == pytest.approx(0.0, abs=1e-6), "a bone that slides does not tilt"
    assert found["volar_tilt"].sd_of_landmarks == pytest.approx(np.rad2deg(0.02 * np.sqrt(2) / 18), rel=0.2)


def test_bones_that_are_not_there_are_not_measured() -> None:
    carried = wrist_model(0.1)
    radius = measurements_of({"radius": carried["radius"].mean}, carried, None, "wrist")
    assert [each.name for each in radius] == ["radial_inclination", "volar_tilt", "radial_height"]
    assert all(each.sd is None and each.sd_of_landmarks > 0 for each in radius)
    assert measurements_of({"ulna": carried["ulna"].mean}, carried, None, "wrist") == ()
    assert measurements_of({"radius": carried["radius"].mean}, {}, None, "wrist") == ()
    assert measurements_of({"vertebra": np.zeros((5, 3))}, {}, None, "spine") == ()
    with pytest.raises(InputError, match="vertices of its shape model"):
        measurements_of({"radius": np.zeros((4, 3))}, carried, None, "wrist")


def test_landmarks_that_everybody_has_are_learnt_for_every_bone() -> None:
    shapes, _ = family(12)
    people = [{"radius": {"tip": shape[0], "notch": shape[9]}} for shape in shapes]
    del people[4]["radius"]["notch"]
    learnt = learn_from_people({"radius": shapes, "ulna": shapes}, people)
    assert list(learnt) == ["radius"] and learnt["radius"].names == ("tip",)
    with pytest.raises(InputError, match="12 shapes, but landmarks of 11 people"):
        learn_from_people({"radius": shapes}, people[1:])


def test_a_measurement_reads_as_a_sentence_and_checks_itself() -> None:
    one = Measurement("volar_tilt", 11.23, 0.8, "deg", (9.7, 12.8), "lateral view")
    assert str(one) == "volar_tilt 11.2 deg (SD 0.8, 95 % 9.7 to 12.8)"
    assert str(Measurement("radial_height", 11.0, None, "mm", None, "")) == "radial_height 11.0 mm"
    with pytest.raises(InputError, match="deg or mm"):
        Measurement("a", 1.0, None, "cm", None, "")
    with pytest.raises(InputError, match="wrong way round"):
        Measurement("a", 1.0, 1.0, "mm", (2.0, 1.0), "")
