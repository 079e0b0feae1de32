"""Posteriors of refinements against sampling and closed forms; what they call unknown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refinement_cases import BONE, random_precision, toy_posterior, unknowns
from shape_intensity_cases import egg

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.refinement.posterior import Trust, Trusts
from XRayTo3DLib.refinement.reliability import OPEN_MM, depth_sd_mm, open_places, unreliable

TURNED = RigidPose.from_rotation([20.0, -10.0, 30.0], [4.0, -3.0, 8.0])


def test_deviations_along_normals_are_those_of_bones_that_are_really_moved() -> None:
    """Draws of pose and shape from the covariance, each applied exactly, not by derivatives."""
    rng = np.random.default_rng(1)
    prior = np.diag(np.r_[np.full(3, 4.0), np.full(3, 9.0), np.full(unknowns() - 6, 12.0)])
    posterior = toy_posterior(random_precision(rng, 0.6), prior, pose=TURNED)
    model, placed = egg(), posterior.state.bones[BONE]
    points, normals = posterior.points(BONE), posterior.normals(BONE)
    middle = placed.pose.apply(model.middle)
    away = []
    for value in rng.multivariate_normal(np.zeros(unknowns()), posterior.covariance, 900):
        turn = RigidPose.from_rotation(value[:3], value[3:6], middle)
        moved = (turn @ placed.pose).apply(model.surface_points(value[6 : 6 + model.size]))
        away.append(np.einsum("nd,nd->n", moved - points, normals))
    drawn = np.std(away, axis=0)
    assert np.abs(posterior.normal_sd_mm(BONE) / drawn - 1).max() < 0.15
    assert np.median(posterior.normal_sd_mm(BONE) / drawn) == pytest.approx(1.0, abs=0.04)


def test_truth_drawn_from_the_prior_is_covered_by_the_posterior() -> None:
    """Observations y = J u + noise of unknowns drawn from the prior: intervals about the best estimate hold them."""
    rng = np.random.default_rng(2)
    count, noise = unknowns(), 0.7
    slopes = rng.normal(size=(12, count))
    spread = np.r_[np.full(3, 2.0), np.full(3, 1.5), np.ones(count - 6)]
    prior = np.diag(1 / spread**2)
    posterior = toy_posterior(slopes.T @ slopes / noise**2, prior)
    along, sd = posterior.along_normals(BONE), posterior.normal_sd_mm(BONE)
    inside = []
    for _ in range(400):
        truth = rng.normal(size=count) * spread
        seen = slopes @ truth + noise * rng.normal(size=12)
        # The closed form of Bayesian linear regression, by ordinary least squares of stacked equations.
        rows = np.vstack([slopes / noise, np.diag(1 / spread)])
        best = np.linalg.lstsq(rows, np.r_[seen / noise, np.zeros(count)], rcond=None)[0]
        inside.append(np.abs(along @ (truth - best)[: along.shape[1]]) <= 1.2816 * sd)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.02)


def test_draws_spread_as_the_deviations_say() -> None:
    rng = np.random.default_rng(3)
    posterior = toy_posterior(random_precision(rng, 0.8), np.eye(unknowns()), Trust(1.0, {BONE: 0.5}), pose=TURNED)
    drawn = posterior.draws(1500, seed=5)[BONE]
    away = np.einsum("snd,nd->sn", drawn - posterior.points(BONE), posterior.normals(BONE))
    assert np.abs(away.std(axis=0) / posterior.normal_sd_mm(BONE) - 1).max() < 0.12
    assert np.abs(away.mean(axis=0)).max() < 0.1
    # The same person in every draw: neighbours on the surface go together.
    assert np.corrcoef(away[:, 40], away[:, 41])[0, 1] > 0.5


@settings(max_examples=8, deadline=None)
@given(st.floats(1.0, 50.0), st.floats(1.01, 20.0), st.integers(0, 1000))
def test_less_trust_in_radiographs_is_more_uncertainty_and_at_last_the_prior(
    low: float, more: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    prior = np.diag(rng.uniform(0.5, 4.0, unknowns()))
    base = toy_posterior(random_precision(rng, 1.0), prior)
    near, far = (base.trusted(Trust(each)).normal_sd_mm(BONE) for each in (low, low * more))
    assert np.all(far >= near * (1 - 1e-9))
    alone = toy_posterior(np.zeros_like(prior), prior)
    unlimited = base.trusted(Trust(1e12))
    assert np.allclose(unlimited.normal_sd_mm(BONE), alone.normal_sd_mm(BONE), rtol=1e-4)
    assert np.allclose(alone.covariance, np.diag(1 / np.diag(prior)))


def test_trust_is_chosen_by_the_number_of_views() -> None:
    one, two = Trust(4.0), Trust(2.0, {BONE: 0.1})
    trusts = Trusts((one, two))
    assert [trusts.of(count) for count in (1, 2, 3)] == [one, two, two]
    for wrong in (lambda: Trusts(()), lambda: Trust(0.0), lambda: Trust(1.0, {BONE: -1.0})):
        with pytest.raises(InputError):
            wrong()


def test_a_misfit_beyond_what_is_usual_moves_the_whole_bone() -> None:
    """All else known: 10 mm per unit of misfit above 0.25, at 0.4, in any direction."""
    trust = Trust(usual_misfit=0.25, misfit_mm=10.0)
    sure = 1e8 * np.eye(unknowns())
    posterior = toy_posterior(np.zeros_like(sure), sure, trust, misfit=0.4)
    assert posterior.normal_sd_mm(BONE) == pytest.approx(1.5, rel=1e-3)
    shifts = (posterior.draws(2000, seed=1)[BONE] - posterior.points(BONE)).mean(axis=1)
    assert shifts.std(axis=0) == pytest.approx(1.5, rel=0.06)
    usual = toy_posterior(np.zeros_like(sure), sure, trust, misfit=0.2)
    assert usual.normal_sd_mm(BONE).max() < 0.01
    for wrong in (Trust, lambda **k: Trust(usual_misfit=3.0)):
        with pytest.raises(InputError, match="misfit"):
            wrong(misfit_mm=-1.0)


def test_a_bone_known_but_along_one_direction_is_said_to_be_open_there() -> None:
    """All is known but the shift along y: 2 mm."""
    prior = 1e6 * np.eye(unknowns())
    prior[4, 4] = 1 / 2.0**2
    posterior = toy_posterior(np.zeros_like(prior), prior)
    place = open_places(posterior)[BONE]
    assert place.is_open and place.sd_mm == pytest.approx(2.0, rel=1e-3)
    assert abs(place.direction[1]) == pytest.approx(1.0, abs=1e-4)
    for source, sd in (((0.0, -900.0, 0.0), 2.0), ((900.0, 0.0, 0.0), 0.0), ((700.0, 700.0, 0.0), np.sqrt(2.0))):
        assert depth_sd_mm(posterior, BONE, np.array(source)) == pytest.approx(sd, abs=0.02)
    flagged = unreliable(posterior, BONE)
    assert np.array_equal(flagged, np.abs(posterior.normals(BONE)[:, 1]) > np.cos(np.pi / 4))
    assert 0.2 < flagged.mean() < 0.8


def test_a_bone_that_is_known_is_not_called_open() -> None:
    prior = np.eye(unknowns()) / (0.1 * OPEN_MM) ** 2
    posterior = toy_posterior(np.zeros_like(prior), prior)
    assert not open_places(posterior)[BONE].is_open
    assert not unreliable(posterior, BONE).any()
