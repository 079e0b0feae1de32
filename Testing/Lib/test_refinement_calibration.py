"""Calibration: overconfident posteriors of toys are put right, and hold on people who were not asked."""

from __future__ import annotations

import numpy as np
import pytest
from refinement_cases import BONE, random_precision, toy_posterior, unknowns

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.refinement import calibration
from XRayTo3DLib.refinement.calibration import LEVELS, KnownRefinement, calibrated, trusts_from
from XRayTo3DLib.refinement.posterior import Trust

TRUE = Trust(16.0, {BONE: 0.3})
"""What the toys' errors really are drawn with, while their data claim 16 times the precision."""


def toys(count: int, seed: int, views: int = 2) -> list[KnownRefinement]:
    """People whose errors are drawn as :data:`TRUE` says."""
    rng = np.random.default_rng(seed)
    prior = np.diag(np.r_[np.full(3, 0.1), np.full(3, 0.3), np.ones(unknowns() - 6)])
    found = []
    for _ in range(count):
        posterior = toy_posterior(random_precision(rng, 1.5), prior, views=views)
        really = posterior.trusted(TRUE)
        along = posterior.along_normals(BONE)
        drawn = rng.multivariate_normal(np.zeros(along.shape[1]), really.block(BONE))
        errors = along @ drawn + TRUE.floor_mm[BONE] * rng.normal(size=len(along))
        errors[rng.random(len(errors)) < 0.2] = np.nan
        found.append(KnownRefinement(posterior, {BONE: errors}))
    return found


def covered(known: list[KnownRefinement], trust: Trust) -> np.ndarray:
    """Shares of errors inside 50, 80 and 95 % intervals."""
    ratios = np.concatenate([np.abs(k.errors_mm[BONE]) / k.posterior.trusted(trust).normal_sd_mm(BONE) for k in known])
    ratios = ratios[np.isfinite(ratios)]
    return np.array([(ratios <= width).mean() for width in (0.6745, 1.2816, 1.9600)])


def test_overconfidence_is_put_right_on_people_who_were_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "TEMPERATURES", tuple(np.geomspace(1.0, 256.0, 9).tolist()))
    found = calibrated(toys(60, seed=10))
    others = toys(60, seed=99)
    wanted = np.array([0.5, 0.8, 0.95])
    assert np.abs(covered(others, Trust()) - wanted).max() > 0.3  # as they came
    # A bone's vertices err together: 60 people are a few hundred numbers, no tens of thousands.
    assert np.abs(covered(others, found.trust) - wanted).max() < 0.08
    assert np.abs(covered(others, TRUE) - wanted).max() < 0.08  # the test itself is sound
    assert found.views == 2 and found.people == 60
    assert found.coverage[BONE] == pytest.approx(LEVELS, abs=0.03)


def test_people_who_are_explained_badly_are_believed_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in ten ended elsewhere: their misfit is 0.4 instead of 0.2, and their bones are 3 mm off in any direction."""
    monkeypatch.setattr(calibration, "TEMPERATURES", (8.0, 16.0, 32.0))
    rng = np.random.default_rng(6)

    def failing(known: list[KnownRefinement]) -> list[KnownRefinement]:
        for number, each in enumerate(known):
            lost = number % 10 == 0
            object.__setattr__(each.posterior, "misfit", 0.4 if lost else rng.uniform(0.17, 0.23))
            each.errors_mm[BONE][:] += lost * each.posterior.normals(BONE) @ (3.0 * rng.normal(size=3))
        return known

    found, others = calibrated(failing(toys(40, 20))), failing(toys(40, 21))
    assert 0.17 < found.trust.usual_misfit < 0.24
    assert 1.0 < found.trust.wrong_mm(0.4) < 6.0
    lost = others[::10]
    deaf = Trust(found.trust.temperature, found.trust.floor_mm)
    assert covered(lost, found.trust)[2] > 0.8 > covered(lost, deaf)[2] + 0.1
    unrelated = toys(20, 22)
    for number, each in enumerate(unrelated):
        object.__setattr__(each.posterior, "misfit", 0.05 * number)
    assert calibrated(unrelated).trust.wrong_mm(0.95) < 0.7


def test_the_number_of_views_has_a_trust_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "TEMPERATURES", (4.0, 16.0))
    one, three = calibrated(toys(5, 3, views=1)), calibrated(toys(5, 4, views=3))
    trusts = trusts_from([three, one])
    assert [trusts.of(count) for count in (1, 2, 3, 4)] == [one.trust, three.trust, three.trust, three.trust]


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(InputError, match="give 5 or more of one number"):
        calibrated(toys(4, 0))
    with pytest.raises(InputError, match="of one number"):
        calibrated([*toys(5, 0), *toys(1, 0, views=1)])
    blind = [KnownRefinement(k.posterior, {BONE: np.full(len(k.errors_mm[BONE]), np.nan)}) for k in toys(5, 0)]
    with pytest.raises(InputError, match="no vertex inside"):
        calibrated(blind)
    with pytest.raises(InputError, match="nothing was calibrated"):
        trusts_from([])
