"""Several bodies at once: bones that hide each other, a limb with its flesh, leashes; pictures by closed formula."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms_analytic import BONE, bone_ct
from phantoms_limb import CAMERAS, NEIGHBOUR, bare_ct, limb_ct, limb_pictures, pictures
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.surroundings import surroundings_of
from XRayTo3DLib.imaging.types import CtVolume, Radiograph
from XRayTo3DLib.registration import search
from XRayTo3DLib.registration.bodies import Body
from XRayTo3DLib.registration.levels import Level
from XRayTo3DLib.registration.levenberg import Leash, climb
from XRayTo3DLib.registration.register import Registration, RegistrationOptions, register
from XRayTo3DLib.registration.response import Response
from XRayTo3DLib.registration.result import RegistrationResult, Verdict

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
OPTIONS = RegistrationOptions(starts=3, screened=32, pixel_mm=(2.8, 1.6, 0.8))


def moved(pose: RigidPose, bone: Attenuation, turn: tuple[float, ...], shift: tuple[float, ...]) -> RigidPose:
    """The pose turned (degrees) about the bone's centre and shifted (mm)."""
    return RigidPose.from_rotation(turn, shift, pose.apply(bone.centre_lps)) @ pose


def ended(registration: Registration) -> list[RegistrationResult]:
    for _ in registration.steps():
        pass
    return registration.results


# ---- two bones ------------------------------------------


@pytest.fixture(scope="module")
def bones() -> tuple[Attenuation, Attenuation]:
    ct = bare_ct()
    return attenuation_of(ct, "first"), attenuation_of(ct, "second")


@pytest.fixture(scope="module")
def truths(bones: tuple[Attenuation, Attenuation]) -> tuple[RigidPose, RigidPose]:
    return TRUTH, moved(TRUTH, bones[1], (-3, 5, 4), (0, -3, 3))


@pytest.fixture(scope="module")
def starts(bones: tuple[Attenuation, Attenuation], truths: tuple[RigidPose, RigidPose]) -> list[RigidPose]:
    return [
        moved(truths[0], bones[0], (2, -2, 1), (2, 1, -2)),
        moved(truths[1], bones[1], (-1, -2, 2), (-2, 2, 2)),
    ]


@pytest.fixture(scope="module")
def views(truths: tuple[RigidPose, RigidPose]) -> list[Radiograph]:
    """In the second, LAT, one bone hides the other."""
    return pictures([(BONE, truths[0]), (NEIGHBOUR, truths[1])], CAMERAS)


def distances(
    results: list[RegistrationResult], bones: tuple[Attenuation, ...], truths: tuple[RigidPose, ...]
) -> list[tuple[float, float]]:
    return [r.pose.distance_to(t, b.centre_lps) for r, b, t in zip(results, bones, truths, strict=True)]


@pytest.fixture(scope="module")
def together(
    bones: tuple[Attenuation, Attenuation], starts: list[RigidPose], views: list[Radiograph]
) -> tuple[Registration, list[RegistrationResult]]:
    registration = Registration(bones, views, starts, OPTIONS, names=["first", "second"])
    return registration, ended(registration)


def test_two_bones_explain_each_other_s_shadow(
    together: tuple[Registration, list[RegistrationResult]],
    bones: tuple[Attenuation, Attenuation],
    starts: list[RigidPose],
    truths: tuple[RigidPose, RigidPose],
    views: list[Radiograph],
) -> None:
    """Two views. Measured 0.02 mm, 0.1 and 0.3 degrees together; 0.2 and 0.3 mm, 0.6 and 1.0 degrees alone."""
    both = distances(together[1], bones, truths)
    assert all(degrees < 0.5 and millimetres < 0.06 for degrees, millimetres in both), both
    for bone, start, truth, (degrees, millimetres) in zip(bones, starts, truths, both, strict=True):
        alone = register(bone, views, start, OPTIONS).pose.distance_to(truth, bone.centre_lps)
        assert alone[1] > 2 * millimetres and alone[1] > 0.1 and alone[0] > degrees


def test_a_bone_hidden_behind_another_is_found_with_it_only(
    bones: tuple[Attenuation, Attenuation],
    starts: list[RigidPose],
    truths: tuple[RigidPose, RigidPose],
    views: list[Radiograph],
) -> None:
    """LAT alone. Measured in depth 2.6 and 3.3 mm together; alone 13 mm, and the other 43 degrees off."""
    lat = views[1:]
    results = ended(Registration(bones, lat, starts, OPTIONS))
    for (degrees, millimetres), result, truth, bone in zip(
        distances(results, bones, truths), results, truths, bones, strict=True
    ):
        across = (result.pose.apply(bone.centre_lps) - truth.apply(bone.centre_lps))[1:]
        assert degrees < 6 and millimetres < 6 and np.linalg.norm(across) < 0.3
    alone = [register(b, lat, s, OPTIONS) for b, s in zip(bones, starts, strict=True)]
    (_, biased), (lost, _) = distances(alone, bones, truths)
    assert biased > 8 and lost > 20


def test_the_system_of_two_bodies_holds_the_gradient(
    bones: tuple[Attenuation, Attenuation], starts: list[RigidPose], views: list[Radiograph]
) -> None:
    """Twelve numbers, under a response that bends line integrals: J^T r is minus twice the gradient."""
    fields = [np.ones(view.pixels.shape, dtype=bool) for view in views]
    poses = tuple(starts)
    level = Level([Body(bone) for bone in bones], views, fields, poses, 1.0, 10.0, (0, 1))
    for view in level.views:
        view.response = Response(1.4, 0.3)
    value, _, gradient, motions = level.normal_equations(poses, (0, 1))
    assert value == pytest.approx(level.similarity(poses), abs=1e-5)

    def total(parameters: np.ndarray) -> float:
        parts = zip(motions, parameters.reshape(2, 6), poses, strict=True)
        return sum(level.similarities(tuple(motion.pose(part, pose) for motion, part, pose in parts)))

    step = 0.02
    numeric = np.array([total(step * p) - total(-step * p) for p in np.eye(12)]) / (2 * step)
    assert gradient == pytest.approx(-2 * numeric, rel=0.03, abs=0.01)


def test_each_result_knows_its_own_bone_and_where_the_others_are(
    together: tuple[Registration, list[RegistrationResult]], starts: list[RigidPose], tmp_path: Path
) -> None:
    registration, (first, second) = together
    assert registration.result is first and registration.poses == (first.pose, second.pose)
    assert first.others == {"second": second.pose} and second.others == {"first": first.pose}
    assert [first.initial, second.initial] == starts
    assert first.similarity == second.similarity
    stages = dict.fromkeys(point.stage.split(",")[0] for point in first.trace)
    assert list(stages) == ["second", "together"]
    second.save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["others_ct_to_world"] == {"first": first.pose.matrix.tolist()}
    assert content["uncertainty"] == json.loads(json.dumps(second.uncertainty.to_dict()))  # type: ignore[union-attr]


def test_bodies_that_rest_are_others_too(
    bones: tuple[Attenuation, Attenuation], views: list[Radiograph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bones with one and the same start, which no step ever left."""
    monkeypatch.setattr(search, "climb", lambda *_, **__: iter(()))
    registration = Registration(bones, views, TRUTH, replace(OPTIONS, starts=1, pixel_mm=(2.8, 1.6)))
    first, second = ended(registration)
    assert first.others == {"bone 2": TRUTH} and second.others == {"bone 1": TRUTH}
    assert registration.poses == (TRUTH, TRUTH)


def test_states_name_the_bone_that_is_looked_for(
    bones: tuple[Attenuation, Attenuation], starts: list[RigidPose], views: list[Radiograph]
) -> None:
    options = replace(OPTIONS, starts=2, screened=16, pixel_mm=(2.8, 1.6), iterations=2)
    states = list(Registration(bones, views, starts, options, names=["radius"]).steps())
    assert list(dict.fromkeys(state.stage for state in states)) == [
        "radius, choosing starts",
        "radius, 2.8 mm pixels",
        "radius, 1.6 mm pixels",
        "bone 2, choosing starts",
        "bone 2, 2.8 mm pixels",
        "bone 2, 1.6 mm pixels",
        "together, 1.6 mm pixels",
        "done",
    ]
    fractions = [state.fraction for state in states]
    assert fractions[0] == 0 and fractions[-1] == 1 and np.all(np.diff(fractions) >= 0)


# ---- a limb ------------------------------------------


@pytest.fixture(scope="module")
def limb() -> CtVolume:
    return limb_ct()


@pytest.fixture(scope="module")
def first(limb: CtVolume) -> Attenuation:
    return attenuation_of(limb, "first", in_tissue=True)


@pytest.fixture(scope="module")
def own(first: Attenuation) -> RigidPose:
    """Where the first bone is: not where the limb has it."""
    return moved(TRUTH, first, (3, -4, 5), (2, -3, 2))


@pytest.fixture(scope="module")
def start(first: Attenuation) -> RigidPose:
    return moved(TRUTH, first, (3, 3, -3), (5, -4, 5))


LIMB_OPTIONS = RegistrationOptions(starts=3, screened=24, pixel_mm=(2.8, 1.4))


def test_a_bone_moves_in_its_limb(
    limb: CtVolume, first: Attenuation, own: RigidPose, start: RigidPose, tmp_path: Path
) -> None:
    """One view, the bone 7 degrees and 4 mm from its place in the CT. Measured 1.4 mm, mostly depth; alone 4.1 mm."""
    shown = limb_pictures(TRUTH, own, TRUTH, CAMERAS)[:1]
    surroundings = surroundings_of(limb, ["first"])
    registration = Registration(first, shown, start, LIMB_OPTIONS, surroundings=surroundings, names=["first"])
    stages = list(dict.fromkeys(state.stage.partition(",")[0] for state in registration.steps()))
    assert stages == ["limb", "first", "together", "done"]
    result = registration.result
    degrees, millimetres = result.pose.distance_to(own, first.centre_lps)
    assert degrees < 1.5 and millimetres < 3.0 and result.verdict is Verdict.CONVERGED
    across = (result.pose.apply(first.centre_lps) - own.apply(first.centre_lps))[[0, 2]]
    assert np.linalg.norm(across) < 0.2
    alone = register(attenuation_of(limb, "first"), shown, start, LIMB_OPTIONS)
    assert alone.pose.distance_to(own, first.centre_lps)[1] > 2 * millimetres

    rest = result.others["surroundings"]
    across = (rest.apply(first.centre_lps) - TRUTH.apply(first.centre_lps))[[0, 2]]
    assert list(result.others) == ["surroundings"] and np.linalg.norm(across) < 0.5
    assert rest.distance_to(TRUTH, first.centre_lps)[0] < 1.5
    assert registration.poses == (rest, result.pose)
    result.save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["others_ct_to_world"]["surroundings"] == rest.matrix.tolist()


def test_surroundings_of_another_ct_are_refused(limb: CtVolume, bones: tuple[Attenuation, Attenuation]) -> None:
    shown = limb_pictures(TRUTH, TRUTH, TRUTH, CAMERAS)
    with pytest.raises(InputError, match="not parts of one CT; make them from the same volume"):
        Registration(bones[0], shown, TRUTH, surroundings=surroundings_of(limb, ["first"]))


# ---- leashes ------------------------------------------


def depth_after_climbing(leash: Leash | None) -> float:
    """How far a blurred bone goes along the beam of its only view, mm."""
    bone = attenuation_of(bone_ct(), "bone")
    views = [
        replace(view, pixels=gaussian_filter(view.pixels, 6).astype(np.float32))
        for view in pictures([(BONE, TRUTH)], CAMERAS)[:1]
    ]
    level = Level([Body(bone)], views, [np.ones(views[0].pixels.shape, dtype=bool)], (TRUTH,), 2.8, 10.0)
    poses = (TRUTH,)
    for iterate in climb(level, poses, 60, leash=leash):
        poses = iterate.poses
    return float(np.linalg.norm(poses[0].apply(bone.centre_lps) - TRUTH.apply(bone.centre_lps)))


def test_a_leash_keeps_a_bone_from_running_away() -> None:
    """A picture much more blurred than the CT. Measured: 35 mm free, 10.1 and 1.2 mm on leashes of 10 and 1 mm."""
    assert depth_after_climbing(None) > 25
    assert depth_after_climbing(Leash((TRUTH,), (1000.0,))) > 25
    assert 9 < depth_after_climbing(Leash((TRUTH,), (10.0,))) < 11
    assert depth_after_climbing(Leash((TRUTH,), (1.0,))) < 2


def test_a_long_leash_costs_nothing(bones: tuple[Attenuation, Attenuation], views: list[Radiograph]) -> None:
    """Inside it is free; beyond, the cost grows with the square of the way: 0.05 at 10 mm."""
    fields = [np.ones(view.pixels.shape, dtype=bool) for view in views]
    level = Level([Body(bones[0])], views, fields, (TRUTH,), 2.8, 10.0)
    leash = Leash((TRUTH,), (6.0,))
    costs = [
        leash.cost(level, (moved(TRUTH, bones[0], (9, 0, 0), (0.6 * far, -0.8 * far, 0)),)) for far in (0, 6, 11, 16)
    ]
    assert costs == pytest.approx([0, 0, 0.0125, 0.05], abs=1e-9)
