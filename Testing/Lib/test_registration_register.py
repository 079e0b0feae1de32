"""Registration from end to end: it finds the pose, can be stopped, repeats itself, and says when it failed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from phantoms_analytic import BONE_CAMERAS, bone_ct

from XRayTo3DLib.dataset.phantoms import PhantomCase, make_forearm, wrist_camera
from XRayTo3DLib.dataset.simulate import EXTREMITY_KEV, simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.registration.bodies import Body
from XRayTo3DLib.registration.levels import Level
from XRayTo3DLib.registration.levenberg import LARGEST_STEP_DEG, LARGEST_STEP_MM, climb
from XRayTo3DLib.registration.register import Registration, RegistrationOptions, register
from XRayTo3DLib.registration.result import Verdict
from XRayTo3DLib.shape.meshes import points_of

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
QUICK = RegistrationOptions(starts=4, screened=40, pixel_mm=(1.6, 0.8))


@pytest.fixture(scope="module")
def bone() -> Attenuation:
    return attenuation_of(bone_ct(), "bone")


@pytest.fixture(scope="module")
def pictures(bone: Attenuation) -> list[Radiograph]:
    """The bone's own DRRs at the true pose: nothing but the pose has to be found."""
    projector = make_projector(bone.mu, bone.voxel_to_lps)
    note = IntensityNote("line-integral", None, True, "DRR")
    with torch.no_grad():
        return [
            Radiograph(projector(camera, TRUTH).numpy(), camera, note, SpacingSource.DETECTOR, view, name=view)
            for view, camera in BONE_CAMERAS.items()
        ]


def start(bone: Attenuation, degrees: float = 5.0, millimetres: float = 4.0, seed: int = 0) -> RigidPose:
    """The truth turned and shifted about the bone's centre in random directions."""
    axis, direction = (v / np.linalg.norm(v) for v in np.random.default_rng(seed).normal(size=(2, 3)))
    return RigidPose.from_rotation(degrees * axis, millimetres * direction, TRUTH.apply(bone.centre_lps)) @ TRUTH


def level(bone: Attenuation, pictures: list[Radiograph], pose: RigidPose, pixel_mm: float = 1.0) -> Level:
    everything = [np.ones(picture.pixels.shape, dtype=bool) for picture in pictures]
    return Level([Body(bone)], pictures, everything, (pose,), pixel_mm, 10.0)


# ---- steps ------------------------------------------


def test_the_system_of_all_views_holds_the_gradient(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """J^T r summed over views is minus twice the gradient of the summed gradient correlations."""
    pose = start(bone, 2.0, 1.0)
    both = level(bone, pictures, pose)
    value, square, gradient, (motion,) = both.normal_equations((pose,), (0,))
    assert value == pytest.approx(both.similarity((pose,)), abs=1e-5)
    step = 0.02

    def total(parameters: np.ndarray) -> float:
        return sum(both.similarities((motion.pose(parameters, pose),)))

    numeric = [total(step * p) - total(-step * p) for p in np.eye(6)]
    assert gradient == pytest.approx(-2 * np.array(numeric) / (2 * step), rel=0.03, abs=0.01)
    assert np.allclose(square, square.T) and np.linalg.eigvalsh(square).min() > 0


def test_climbing_only_goes_up_and_ends_at_the_top(bone: Attenuation, pictures: list[Radiograph]) -> None:
    pose = start(bone)
    both = level(bone, pictures, pose)
    iterates = list(climb(both, (pose,), 30))
    heights = [both.similarity((pose,)), *(iterate.similarity for iterate in iterates)]
    assert len(iterates) > 2 and np.all(np.diff(heights) > 0)
    assert all(iterate.step <= max(LARGEST_STEP_DEG, LARGEST_STEP_MM) for iterate in iterates)
    assert heights[-1] > 0.99 and iterates[-1].step < iterates[0].step
    assert len(list(climb(both, (pose,), 2))) == 2
    assert max(iterates[-1].poses[0].distance_to(TRUTH, bone.centre_lps)) < 0.1


def test_at_the_top_there_is_nowhere_to_climb(bone: Attenuation, pictures: list[Radiograph]) -> None:
    for iterate in climb(level(bone, pictures, TRUTH), (TRUTH,), 10):
        assert iterate.step < 0.05


def test_levels_bin_to_the_wanted_pixel_at_the_bone(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """0.8 mm pixels are 0.72 mm at the bone: 1.5 mm is two of them, and the cut-out camera sees the same points."""
    for view, camera in zip(level(bone, pictures, TRUTH, 1.5).views, BONE_CAMERAS.values(), strict=True):
        point = TRUTH.apply(bone.centre_lps)
        here = view.camera.pixel_size_at(point)
        assert here == pytest.approx([2 * size for size in camera.pixel_size_at(point)])
        # Its detector is farther away: not the pixel's place in the world, but its ray must be the same.
        assert view.camera.rays(view.camera.project(point)) == pytest.approx(
            camera.rays(camera.project(point)), abs=1e-9
        )
    assert level(bone, pictures, TRUTH, 1.5).similarity((TRUTH,)) > 0.98


# ---- whole registrations ------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_pose_of_a_bone_s_own_drrs_is_found_exactly(
    bone: Attenuation, pictures: list[Radiograph], seed: int
) -> None:
    result = register(bone, pictures, start(bone, 8.0, 6.0, seed), QUICK)
    degrees, millimetres = result.pose.distance_to(TRUTH, bone.centre_lps)
    assert degrees < 0.05 and millimetres < 0.02
    assert result.verdict is Verdict.CONVERGED and result.mean_similarity > 0.99
    assert result.moved == pytest.approx((8.0, 6.0), abs=0.1)


def test_a_pixel_shift_of_one_picture_moves_the_bone_by_a_pixel(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """The geometry is taken literally: pictures shifted up by two pixels lift the bone by 2 x 0.9 mm / 1.11."""
    lifted = [replace(p, pixels=np.roll(p.pixels, -2, axis=0)) for p in pictures]
    result = register(bone, lifted, TRUTH, QUICK)
    shift = result.pose.apply(bone.centre_lps) - TRUTH.apply(bone.centre_lps)
    assert shift[2] == pytest.approx(2 * 0.9 * 0.9, abs=0.1)


@pytest.fixture(scope="module")
def forearm() -> tuple[PhantomCase, list[Radiograph], Attenuation]:
    case = make_forearm(spacing=1.0, mesh_spacing=1.0, soft_tissue=False, carpals=False)
    views = [
        simulate_radiograph(case.ct, wrist_camera(view, spacing_mm=0.5), TRUTH, view=view, name=view)
        for view in ("PA", "LAT")
    ]
    return case, views, attenuation_of(case.ct, "radius", energy_kev=EXTREMITY_KEV)


def test_a_simulated_forearm_is_found_to_half_a_millimetre(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation], tmp_path: Path
) -> None:
    """With the ulna in the picture, noise, blur and scatter; mTRE over the surface. Measured 0.25 mm."""
    case, views, radius = forearm
    wrong, targets = start(radius), points_of(case.meshes["radius"])[::10]
    options = RegistrationOptions(starts=3, screened=40, pixel_mm=(1.5, 1.0, 0.5))
    result = register(radius, views, wrong, options)
    assert wrong.mean_target_error(TRUTH, targets) > 3.5
    assert result.pose.mean_target_error(TRUTH, targets) < 0.5
    assert result.verdict is Verdict.CONVERGED and result.synthetic
    stages = [point.stage for point in result.trace]
    ways = [stage.partition(", ")[::2] for stage in dict.fromkeys(stages)]
    assert [pixels for _, pixels in ways] == [f"{size} mm pixels" for size in ("1.5", "1", "0.5")]
    assert [name for name, _ in ways[:2]] == ["bone 1"] * 2
    for stage in set(stages):
        assert np.all(np.diff([p.similarity for p in result.trace if p.stage == stage]) >= 0)
    assert np.all(np.diff([p.seconds for p in result.trace]) >= 0)
    assert result.view_names == ("PA", "LAT")
    result.save(tmp_path / "registration.json")
    content = json.loads((tmp_path / "registration.json").read_text())
    assert content["settings"]["pixel_mm"] == [1.5, 1.0, 0.5] and len(content["trace"]) == len(stages)


def test_the_same_seed_walks_the_same_way(bone: Attenuation, pictures: list[Radiograph]) -> None:
    coarse = RegistrationOptions(starts=3, pixel_mm=(2.5,), iterations=4)

    def walk(seed: int) -> list[np.ndarray]:
        states: list[Any] = []
        register(bone, pictures, start(bone), replace(coarse, seed=seed), on_state=states.append)
        return [state.pose.matrix for state in states]

    first, again, other = walk(1), walk(1), walk(2)
    assert len(first) > 5 and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len(first) != len(other) or not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_single_start_is_judged_by_its_match(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """Without rivals there is no other pose that could fit as well."""
    result = register(bone, pictures, start(bone), RegistrationOptions(starts=1, pixel_mm=(1.6, 0.8)))
    assert result.verdict is Verdict.CONVERGED and "refined from one start" in result.reason.lower()
    assert max(result.pose.distance_to(TRUTH, bone.centre_lps)) < 0.05


def test_one_view_finds_the_picture_s_plane_and_warns_of_depth(bone: Attenuation, pictures: list[Radiograph]) -> None:
    result = register(bone, pictures[:1], start(bone, 3.0, 2.0), QUICK)
    error = result.pose.apply(bone.centre_lps) - TRUTH.apply(bone.centre_lps)
    assert np.linalg.norm(error[[0, 2]]) < 0.2
    assert "one view" in result.reason and "depth" in result.reason


def test_another_similarity_is_climbed_and_gradient_correlation_is_told(
    bone: Attenuation, pictures: list[Radiograph]
) -> None:
    """Verdicts' thresholds are gradient correlation's: a scale of another measure would fool them."""
    options = replace(QUICK, similarity="multi-scale-ncc")
    one, other = (register(bone, pictures, start(bone), each) for each in (QUICK, options))
    assert other.pose.distance_to(TRUTH, bone.centre_lps)[1] < 0.1
    assert other.similarity == pytest.approx(one.similarity, abs=2e-3)
    with pytest.raises(InputError, match="no least-squares form"):
        register(bone, pictures, TRUTH, replace(QUICK, similarity="mutual-information"))


# ---- driving it ------------------------------------------


def test_states_come_in_order_and_end_with_done(bone: Attenuation, pictures: list[Radiograph]) -> None:
    states: list[Any] = []
    register(bone, pictures, start(bone), RegistrationOptions(starts=2, pixel_mm=(2.5, 1.5)), on_state=states.append)
    fractions = [state.fraction for state in states]
    assert fractions[0] == 0.0 and fractions[-1] == 1.0 and states[-1].stage == "done"
    assert np.all(np.diff(fractions) >= 0)
    assert states[0].pose is not states[-1].pose and all(-1 <= state.similarity <= 1 for state in states)


def test_stopping_leaves_nothing_behind(
    bone: Attenuation, pictures: list[Radiograph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(2)
    try:
        registration = Registration(bone, pictures, start(bone), QUICK)
        steps = registration.steps()
        next(steps), next(steps)
        assert torch.get_num_threads() == 2  # its own number of threads holds only inside a step
        steps.close()
    finally:
        torch.set_num_threads(1)
    with pytest.raises(InputError, match=r"has not ended; iterate steps\(\) to its end"):
        _ = registration.result
    assert list(tmp_path.iterdir()) == []


# ---- refusals ------------------------------------------


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ((150, 0, 0), "radiograph PA: the bone's shadow at the initial pose misses the picture; move the CT onto"),
        ((0, 2000, 0), "radiograph PA: at the initial pose the bone lies beside or behind the X-ray source; move"),
    ],
    ids=["beside the picture", "behind the source"],
)
def test_a_start_without_a_shadow_is_told(
    bone: Attenuation, pictures: list[Radiograph], shift: tuple[float, float, float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        register(bone, pictures, RigidPose.from_rotation((0, 0, 0), shift), QUICK)


def test_a_flat_picture_is_told(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """Something shows in a corner, nothing where the bone should be."""
    flat = replace(pictures[0], pixels=np.zeros_like(pictures[0].pixels))
    flat.pixels[3:6, 3:6] = 1.0
    with pytest.raises(InputError, match="flat where the bone should be"):
        register(bone, [flat], TRUTH, QUICK)


def test_no_radiograph_is_told(bone: Attenuation) -> None:
    with pytest.raises(InputError, match="at least one bone and one radiograph"):
        Registration(bone, [], TRUTH)


def test_no_bone_is_told(pictures: list[Radiograph]) -> None:
    with pytest.raises(InputError, match="at least one bone and one radiograph"):
        Registration([], pictures, TRUTH)


def test_every_bone_needs_its_start(bone: Attenuation, pictures: list[Radiograph]) -> None:
    with pytest.raises(InputError, match="2 bones need one initial pose each, not 1"):
        Registration([bone, bone], pictures, [TRUTH])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"starts": 0}, "starts, kept, iterations and threads must be 1 or more"),
        ({"threads": 0}, "1 or more"),
        ({"seed": -1}, "the seed and screened 0 or more"),
        ({"pixel_mm": ()}, "pixel sizes and margin must be greater than zero"),
        ({"pixel_mm": (1.0, -0.5)}, "pixel sizes"),
        ({"pixel_mm": (float("nan"),)}, "pixel sizes"),
        ({"margin_mm": float("nan")}, "margin must be greater than zero"),
        ({"margin_mm": float("inf")}, "margin"),
        ({"spread_deg": -1.0}, "spreads and reaches must be 0 or more"),
        ({"reach_mm": float("nan")}, "spreads and reaches"),
        ({"own_deg": -0.1}, "spreads and reaches"),
        ({"own_mm": float("inf")}, "spreads and reaches"),
        ({"screened": -1}, "the seed and screened 0 or more"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        RegistrationOptions(**options)


# ---- when it must not say converged ------------------------------------------

DOUBTED = RegistrationOptions(starts=3, screened=60, pixel_mm=(1.4, 0.7))


def mirrored(radius: Attenuation) -> Attenuation:
    """The bone of the other side of the body, in the same place."""
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = 2 * radius.centre_lps[0]
    return replace(radius, voxel_to_lps=flip @ radius.voxel_to_lps)


def test_a_start_within_reach_of_the_screening_is_found(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation],
) -> None:
    """17 mm beside along each of two axes, where climbing alone has nothing to hold on to. Measured 0.2 mm."""
    _, views, radius = forearm
    beside = RigidPose.from_rotation((0, 0, 0), (17, 0, -17)) @ TRUTH
    result = register(radius, views, beside, replace(DOUBTED, starts=8))
    degrees, millimetres = result.pose.distance_to(TRUTH, radius.centre_lps)
    assert millimetres < 0.5 and degrees < 1.0 and result.verdict is Verdict.CONVERGED, result.reason
    blind = register(radius, views, beside, replace(DOUBTED, starts=1))
    assert blind.pose.distance_to(TRUTH, radius.centre_lps)[1] > 5.0


@pytest.mark.parametrize("wrong", ["40 mm beside", "upside down"])
def test_a_hopeless_start_is_not_called_converged(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation], wrong: str
) -> None:
    _, views, radius = forearm
    beside = RigidPose.from_rotation((0, 0, 0), (40, 0, 0))
    turned = RigidPose.from_rotation((180, 0, 0), centre=TRUTH.apply(radius.centre_lps))
    result = register(radius, views, (beside if wrong == "40 mm beside" else turned) @ TRUTH, DOUBTED)
    assert result.verdict in (Verdict.FAILED, Verdict.AMBIGUOUS), result.reason


MIRRORED = pytest.param(
    "the other side's bone",
    marks=pytest.mark.xfail(strict=True, reason="the verdict's thresholds are first guesses; a mirrored bone passes"),
)


@pytest.mark.parametrize("wrong", [MIRRORED, "turned back to front", "the ulna"])
def test_a_look_alike_is_not_called_converged(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation], wrong: str
) -> None:
    case, views, radius = forearm
    centre = TRUTH.apply(radius.centre_lps)
    ulna = attenuation_of(case.ct, "ulna", energy_kev=EXTREMITY_KEV)
    bone, pose = {
        "the other side's bone": (mirrored(radius), TRUTH),
        "turned back to front": (radius, RigidPose.from_rotation((0, 0, 180), centre=centre) @ TRUTH),
        "the ulna": (ulna, RigidPose.from_rotation((0, 0, 0), centre - TRUTH.apply(ulna.centre_lps)) @ TRUTH),
    }[wrong]
    result = register(bone, views, pose, DOUBTED)
    assert result.verdict in (Verdict.FAILED, Verdict.AMBIGUOUS), result.reason


def test_a_search_cut_short_is_not_called_converged(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation],
) -> None:
    _, views, radius = forearm
    start = RigidPose.from_rotation((4, -3, 2), (2, 2, -3), TRUTH.apply(radius.centre_lps)) @ TRUTH
    result = register(radius, views, start, RegistrationOptions(starts=1, pixel_mm=(1.4,), iterations=2))
    assert result.verdict in (Verdict.FAILED, Verdict.AMBIGUOUS), result.reason


def test_one_view_counts_agreement_in_the_picture_s_plane(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation],
) -> None:
    """From one view the depth drifts between levels; a solution's own coarser self is no rival."""
    _, views, radius = forearm
    start = RigidPose.from_rotation((1, -1, 1), (1, 1, -1), TRUTH.apply(radius.centre_lps)) @ TRUTH
    options = RegistrationOptions(starts=3, spread_deg=0.5, reach_mm=0.5, pixel_mm=(1.4, 0.7))
    result = register(radius, views[:1], start, options)
    assert result.agreeing >= 1
    assert "0 of" not in result.reason


def test_views_placed_by_their_names_are_not_called_converged(
    forearm: tuple[PhantomCase, list[Radiograph], Attenuation],
) -> None:
    _, views, radius = forearm
    placed = [replace(view, assumed_placement=True) for view in views]
    result = register(radius, placed, TRUTH, RegistrationOptions(starts=1, pixel_mm=(1.4, 0.7)))
    assert result.verdict is Verdict.AMBIGUOUS
    assert "not calibrated" in result.reason


def test_screening_makes_more_starts_agree(forearm: tuple[PhantomCase, list[Radiograph], Attenuation]) -> None:
    """From 20 degrees and 8 mm off, starts chosen among many agree more often than as many random ones.

    Measured: 2 of 8 random ones, 4 of the first 5 chosen ones (at four the search knows enough).
    """
    _, views, radius = forearm
    axis, direction = np.array([2.0, -1.0, 2.0]) / 3, np.array([1.0, 2.0, -2.0]) / 3
    wrong = RigidPose.from_rotation(20 * axis, 8 * direction, TRUTH.apply(radius.centre_lps)) @ TRUTH
    options = RegistrationOptions(starts=8, spread_deg=12.0, pixel_mm=(1.4,))
    random, chosen = (register(radius, views, wrong, replace(options, screened=n)) for n in (0, 80))
    assert random.agreeing >= 1 and chosen.agreeing / chosen.starts > 1.5 * random.agreeing / random.starts
    assert chosen.mean_similarity >= random.mean_similarity - 1e-3


def test_what_is_sure_is_not_refined_further_and_easy_pictures_are_soon_found(
    bone: Attenuation, pictures: list[Radiograph]
) -> None:
    """The bone's own DRRs leave nothing uncertain; one in noise six times as strong does."""
    options = RegistrationOptions(starts=8, screened=160, pixel_mm=(3.2, 1.6, 1.2, 0.8))

    def walk(views: list[Radiograph], enough_mm: float) -> tuple[set[str], int]:
        states: list[Any] = []
        chosen = replace(options, enough_mm=enough_mm)
        result = register(bone, views, start(bone), chosen, on_state=states.append)
        sizes = {point.stage.partition(", ")[2] for point in result.trace}
        return sizes, sum("choosing" in state.stage for state in states)

    noise = np.random.default_rng(0).normal
    noisy = [replace(p, pixels=p.pixels + noise(0, 6 * p.pixels.max(), p.pixels.shape).astype("f4")) for p in pictures]
    coarse, soon = walk(pictures, 0.1)
    fine, _ = walk(pictures, 0.0)
    doubtful, late = walk(noisy, 0.1)
    assert fine == doubtful == {f"{size:g} mm pixels" for size in options.pixel_mm}
    assert coarse == fine - {"0.8 mm pixels"}
    assert soon < 6 and late >= 18
