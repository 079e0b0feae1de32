"""Registration trials: the errors by hand, starts within their limits, tables of made-up outcomes, a real small run."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import BONE_CAMERAS, bone_ct, looking_camera

from XRayTo3DLib.dataset.simulate import simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.capture_range import CaptureCurve, capture_curves
from XRayTo3DLib.evaluation.registration_figures import capture_figure
from XRayTo3DLib.evaluation.registration_setups import (
    TrialAnatomy,
    phantom_anatomy,
    registered_parts,
    trial_cameras,
    usual_moving,
)
from XRayTo3DLib.evaluation.registration_study import (
    TrialOutcome,
    registration_solver,
    run_trials,
    summarise,
    table_text,
    trials_csv,
)
from XRayTo3DLib.evaluation.registration_trials import (
    EASY,
    HARD,
    NO_RESULT,
    Reach,
    TrialErrors,
    TrialMaker,
    errors_of,
    wrong_start,
)
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.registration.options import RegistrationOptions

STILL = RigidPose.identity()
CAMERA = standard_camera(1020.0, (0.6, 0.6), (500, 500), source_isocentre=700.0, view="AP")


def shifted(*millimetres: float) -> RigidPose:
    return RigidPose.from_rotation((0, 0, 0), millimetres)


@pytest.fixture(scope="module")
def maker() -> TrialMaker:
    return TrialMaker(bone_ct(1.8), "bone", list(BONE_CAMERAS.values()))


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_errors_across_and_along_the_beam() -> None:
    """A point on the central ray, 700 mm from the source: 3 mm across are 3 x 1020 / 700 mm on the detector."""
    origin = np.zeros((1, 3))
    across = errors_of(shifted(3, 0, 0), STILL, origin, CAMERA)
    assert (across.mtre_mm, across.plane_mm, across.rotation_deg) == pytest.approx((3, 3, 0))
    assert across.projection_mm == pytest.approx(3 * 1020 / 700)
    along = errors_of(shifted(0, 5, 0), STILL, origin, CAMERA)
    assert (along.mtre_mm, along.plane_mm, along.projection_mm) == pytest.approx((5, 0, 0), abs=1e-9)


def test_errors_are_means_over_points() -> None:
    """10 degrees about the beam: points at 10 and 30 mm go along chords of 2 r sin 5."""
    targets = np.array([[10.0, 0, 0], [0, 0, 30]])
    turned = errors_of(RigidPose.from_rotation((0, 10, 0)), STILL, targets, CAMERA)
    assert turned.rotation_deg == pytest.approx(10)
    assert turned.mtre_mm == pytest.approx(2 * 20 * math.sin(math.radians(5)))
    assert turned.projection_mm == pytest.approx(turned.mtre_mm * 1020 / 700)


def test_depth_is_along_each_point_s_own_ray() -> None:
    """70 mm off the axis, 7 mm towards the source along the ray leave the projection where it is."""
    target = np.array([[70.0, 0, 0]])
    ray = target[0] - CAMERA.source
    errors = errors_of(shifted(*(-7 * ray / np.linalg.norm(ray))), STILL, target, CAMERA)
    assert (errors.mtre_mm, errors.plane_mm, errors.projection_mm) == pytest.approx((7, 0, 0), abs=1e-9)


def test_behind_the_source_nothing_is_projected() -> None:
    assert errors_of(shifted(0, -800, 0), STILL, np.zeros((1, 3)), CAMERA).projection_mm == math.inf


# ---- starts and trials -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    limits=st.tuples(st.floats(0, 30), st.floats(0, 30), st.floats(0, 60)),
    turn=st.tuples(*[st.floats(-40, 40)] * 3),
)
def test_wrong_starts_stay_within_their_reach(
    seed: int, limits: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    """Measured along columns, rows and beam of any camera, turned about the bone's centre."""
    camera = looking_camera((100, 100), 1.0, turn_deg=turn)
    centre, truth = np.array([20.0, -7, 11]), RigidPose.from_rotation((20, 10, -30), (4, 5, 6))
    start = wrong_start(truth, centre, camera, Reach(*limits), np.random.default_rng(seed))
    axes = np.stack([camera.column_direction, camera.row_direction, camera.view_direction])
    shift = axes @ (start.apply(centre) - truth.apply(centre))
    rotation = axes @ (start @ truth.inverse()).parameters()[0]
    assert np.all(np.abs(shift) <= np.array([limits[1], limits[1], limits[2]]) + 1e-6)
    assert np.all(np.abs(rotation) <= limits[0] + 1e-6)


def test_wrong_starts_fill_their_reach() -> None:
    """Even over the whole range on every axis: mean 0, standard deviation range / sqrt 12."""
    generator = np.random.default_rng(1)
    starts = [wrong_start(STILL, np.zeros(3), CAMERA, Reach(), generator) for _ in range(500)]
    shifts = np.array([start.translation for start in starts])
    turns = np.array([start.parameters()[0] for start in starts])
    assert shifts.std(axis=0) == pytest.approx(np.array([20, 40, 20]) / math.sqrt(12), rel=0.1)
    assert turns.std(axis=0) == pytest.approx(np.array([20, 20, 20]) / math.sqrt(12), rel=0.1)


def test_axes_are_at_right_angles_where_the_detector_stands_askew() -> None:
    """The beam to the middle of a shifted detector is not its normal; 1 mm stays 1 mm all the same."""
    camera = CAMERA.cropped(400, 400, 500, 500)
    start = wrong_start(STILL, np.zeros(3), camera, Reach(0, 0, 20), np.random.default_rng(3))
    assert np.linalg.norm(np.cross(start.translation, camera.view_direction)) < 1e-9
    flat = wrong_start(STILL, np.zeros(3), camera, Reach(0, 10, 0), np.random.default_rng(3))
    assert abs(flat.translation @ camera.view_direction) < 1e-9


@pytest.mark.parametrize("wrong", [(-1.0, 1, 1), (1, math.nan, 1), (1, 1, math.inf)])
def test_impossible_reaches_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="reach"):
        Reach(*wrong)


def test_a_seed_is_one_trial(maker: TrialMaker) -> None:
    first, again, other = maker.make(5), maker.make(5), maker.make(4)
    assert np.array_equal(first.start.matrix, again.start.matrix)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first.views, again.views, strict=True))
    assert first.truth.distance_to(other.truth, maker.centre)[0] > 1
    assert all(view.synthetic for view in first.views) and first.seed == 5


def test_a_farther_reach_keeps_the_pictures(maker: TrialMaker) -> None:
    near, far = maker.make(2), maker.reaching(Reach().times(3)).make(2)
    assert np.array_equal(near.views[0].pixels, far.views[0].pixels)
    shifts = [trial.start.apply(maker.centre) - trial.truth.apply(maker.centre) for trial in (near, far)]
    np.testing.assert_allclose(shifts[1], 3 * shifts[0], atol=1e-9)
    assert maker.reach == Reach()


def test_the_pictures_are_of_the_truth(maker: TrialMaker) -> None:
    """Gain and offset aside, they are what the CT gives at the true pose, not at the start."""
    trial = maker.make(1)
    for view in trial.views:
        likeness = [
            np.corrcoef(simulate_radiograph(bone_ct(1.8), view.camera, pose, photons=0, energy_kev=60).pixels.ravel(),
                        view.pixels.ravel())[0, 1]
            for pose in (trial.truth, trial.start)
        ]  # fmt: skip
        assert likeness[0] > 0.97 > 0.9 > likeness[1]


def test_in_hard_pictures_the_bone_moves_alone() -> None:
    ct = bone_ct(1.8)
    labels = np.where(ct.labels[:, :, :1] + ct.labels > 0, 1, 0)
    labels[:20][labels[:20] > 0] = 2
    ct = type(ct)(ct.hu, ct.voxel_to_lps, labels, {"bone": 1, "shaft": 2}, "two")
    easy, hard = (TrialMaker(ct, "bone", [CAMERA.resampled((64, 64))], each).make(3) for each in (EASY, HARD))
    assert set(easy.neighbours) == set(hard.neighbours) == {"shaft"}
    assert easy.truth.distance_to(easy.neighbours["shaft"], (0, 0, 0)) == pytest.approx((0, 0), abs=1e-5)
    rotation, _ = hard.truth.distance_to(hard.neighbours["shaft"], (0, 0, 0))
    assert 1 < rotation <= 8 * math.sqrt(3)


def test_impossible_makers_are_refused() -> None:
    with pytest.raises(InputError, match="camera"):
        TrialMaker(bone_ct(3), "bone", [])
    with pytest.raises(InputError, match="femur"):
        TrialMaker(bone_ct(3), "femur", [CAMERA])


# ---- running and tables ----------------------------------------------------------------------------------------------


def outcome(mtre: float, plane: float | None = None, **fields: Any) -> TrialOutcome:
    end = TrialErrors(mtre, mtre / 2 if plane is None else plane, 2 * mtre, 3 * mtre)
    start = TrialErrors(fields.pop("start", 12.0), 8.0, 9.0, 10.0)
    return TrialOutcome(**{"seed": 0, "start": start, "end": end, "seconds": 2.0, "cpu_seconds": 1.5, **fields})


def test_a_summary_counts_what_it_says() -> None:
    outcomes = [
        outcome(0.5, verdict="converged", seconds=1.0),
        outcome(0.7, verdict="converged", seconds=2.0),
        outcome(1.5, 0.4, verdict="converged", seconds=9.0),
        outcome(1.0, 1.0, verdict="ambiguous", seconds=3.0),
        outcome(30.0, 9.0, verdict="failed", seconds=4.0),
    ]
    summary = summarise(outcomes)
    assert (summary.trials, summary.no_result, summary.judged, summary.converged) == (5, 0, 5, 3)
    assert summary.mtre_mm == 1.0 and summary.rotation_deg == 2.0 and summary.projection_mm == 3.0
    assert summary.mtre_p90_mm == pytest.approx(1.5 + 0.6 * 28.5)
    assert summary.under == {1.0: 40.0, 2.0: 80.0, 5.0: 80.0}
    assert (summary.plane_mm, summary.plane_under_1) == (0.4, 60.0)
    assert summary.converged_under == pytest.approx({1.0: 200 / 3, 2.0: 100.0, 5.0: 100.0})
    assert summary.converged_plane_under_1 == 100.0
    assert (summary.seconds, summary.cpu_seconds) == (3.0, 1.5)
    with pytest.raises(InputError, match="at least one"):
        summarise([])


def test_no_result_is_a_failure_and_no_number() -> None:
    summary = summarise([outcome(0.5), outcome(0.0, end=NO_RESULT, problem="gone"), outcome(0.6, end=NO_RESULT)])
    assert summary.no_result == 2 and summary.under[5.0] == pytest.approx(100 / 3)
    assert summary.mtre_mm == math.inf == summary.mtre_p90_mm
    content = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert content["mtre_mm"] is None and content["under"]["1"] == pytest.approx(33.3333)
    assert content["converged_under"]["1"] is None


def test_coverage_is_counted_per_degree_of_freedom() -> None:
    sure = {"sigma": (1.0, 1.0), "error": (1.9, 2.0)}
    vague = {"sigma": (2.0, 2.0), "error": (-3.9, 4.1)}
    assert outcome(1, **sure).covered == (True, False) and outcome(1).covered == ()
    fits = {"sigma": (1.0, 1.0), "error": (0.0, -1.0)}
    assert summarise([outcome(1, **each) for each in (sure, vague, fits, {})]).covered == pytest.approx((100, 100 / 3))


def test_the_table_has_a_column_for_each_group() -> None:
    text = table_text({"ours": summarise([outcome(0.04, verdict="converged")]), "theirs": summarise([outcome(2.5)])})
    lines = {line[: line.index("  ")] or "head": line.split() for line in text.splitlines() if "  " in line.strip()}
    assert lines["mTRE, median"][-4:] == ["0.040", "mm", "2.50", "mm"]
    assert lines["mTRE under 1 mm"][-4:] == ["100", "%", "0", "%"]
    assert lines["called converged"][-4:] == ["1", "of", "1", "-"]
    assert len({len(line) for line in text.splitlines()}) == 1, "columns are aligned"


def test_the_capture_range_ends_before_the_first_bin_with_failures() -> None:
    far = [outcome(0.5, start=start) for start in (1, 4.9, 6, 7, 16, 22)] + [outcome(1.5, start=5.0)]
    one, two, plane = capture_curves(far)
    assert one.edges == (0, 5, 10, 15, 20, 25) and one.counts == (2, 3, 0, 1, 1)
    assert one.percent == pytest.approx((100, 200 / 3, None, 100, 100))
    assert (one.range_mm, one.ended, one.text) == (5.0, True, "5 mm")
    assert (two.range_mm, two.ended, two.text) == (25.0, False, "25 mm or more")
    assert plane.percent == (100, 100, None, 100, 100)
    assert CaptureCurve("x", (0, 5, 10), (1, 1), (0.0, 100.0)).range_mm == 0
    assert CaptureCurve("x", (0, 5, 10), (20, 20), (95.0, 94.9)).range_mm == 5
    with pytest.raises(InputError, match="at least one"):
        capture_curves([])


def test_the_capture_figure_is_a_picture() -> None:
    from PIL import Image

    curves = capture_curves([outcome(0.5, start=3.0), outcome(4.0, start=8.0)])
    with Image.open(io.BytesIO(capture_figure(curves, "a knee"))) as picture:
        assert picture.format == "PNG" and picture.size == (1200, 840)
    with pytest.raises(InputError, match="no capture curve"):
        capture_figure([], "nothing")


def test_the_list_of_trials_can_be_read_again() -> None:
    outcomes = {"near": [outcome(0.5, seed=7, sigma=(0.1, 2.0), error=(0.0, 1.0))], "far": [outcome(9, problem="a, b")]}
    near, far = csv.DictReader(io.StringIO(trials_csv(outcomes)))
    assert (near["group"], near["seed"], near["end_mtre_mm"], near["sigma"]) == ("near", "7", "0.5", "0.1 2")
    assert float(far["start_mtre_mm"]) == 12 and far["problem"] == "a, b"


def test_any_method_can_be_run(maker: TrialMaker) -> None:
    """The truth has no error, the start its own, nothing found the largest; what a method says is taken over."""
    (right,) = run_trials(maker, lambda trial: (trial.truth, {"seconds": 0.25, "verdict": "converged"}), [1])
    assert (right.seed, right.seconds, right.verdict) == (1, 0.25, "converged")
    assert right.end.mtre_mm == pytest.approx(0, abs=1e-9) and right.start.mtre_mm > 2
    left, none = run_trials(maker, lambda t: (t.start, {}) if t.seed == 1 else (None, {"problem": "no"}), [1, 2])
    assert left.end == left.start == right.start and left.seconds >= 0
    assert none.end == NO_RESULT and none.problem == "no"


def test_our_registration_finds_the_bone(maker: TrialMaker) -> None:
    """One start from near by, coarse: what is left is far less than where it began, and the outcome tells how."""
    anatomy = TrialAnatomy("bone", bone_ct(1.8), "bone")
    options = RegistrationOptions(starts=1, pixel_mm=(2.8, 1.4))
    solve = registration_solver(*registered_parts(anatomy, "limb", EASY), options, "torch")
    (found,) = run_trials(maker.reaching(Reach(2, 2, 3)), solve, [4])
    assert found.start.mtre_mm > 1 and found.end.mtre_mm < 0.2
    assert found.starts == found.agreeing == 1 and found.similarity > 0.8 and found.verdict
    assert len(found.sigma) == len(found.error) == 6
    blank = registration_solver(*registered_parts(anatomy, "limb", EASY), options, "torch")
    lost = maker.reaching(Reach(0, 500, 0))
    (outcome,) = run_trials(lost, blank, [4])
    assert outcome.problem and outcome.end == NO_RESULT


# ---- what is registered ----------------------------------------------------------------------------------------------


def test_the_parts_add_up_to_the_limb() -> None:
    ct = bone_ct(2.5)
    flesh = np.random.default_rng(0).normal(40, 20, ct.hu.shape)
    anatomy = TrialAnatomy("bone", replace(ct, hu=np.maximum(ct.hu, flesh)), "bone")
    limb, nothing = registered_parts(anatomy, "limb", EASY)
    bone, rest = registered_parts(anatomy, "surroundings", HARD)
    assert nothing is None and limb.whole and rest is not None and not bone.whole
    assert bone.mu.sum() + rest.mu.sum() == pytest.approx(limb.mu.sum(), rel=0.02)
    assert registered_parts(anatomy, "bone", HARD)[1] is None
    assert (usual_moving(EASY), usual_moving(HARD)) == ("limb", "surroundings")
    with pytest.raises(InputError, match="moves by itself"):
        registered_parts(anatomy, "limb", HARD)
    with pytest.raises(InputError, match="one of bone, limb"):
        registered_parts(anatomy, "everything", EASY)


def test_phantoms_and_cameras() -> None:
    wrist = phantom_anatomy("wrist", spacing=4.0)
    assert (wrist.label, wrist.views, wrist.energy_kev) == ("radius", ("PA", "LAT"), 38.0)
    assert wrist.ct.synthetic and wrist.ct.label_mask("radius").any()
    with pytest.raises(InputError, match="shoulder"):
        phantom_anatomy("shoulder")
    front, side = trial_cameras(("AP", "LAT"), 128)
    assert front.sdd == pytest.approx(1020) and np.linalg.norm(front.source) == pytest.approx(700)
    assert front.size == (128, 128) and front.spacing[0] * 128 == pytest.approx(300)
    assert abs(front.view_direction @ side.view_direction) < 1e-9
