"""Priors of a refinement against sampling, the formulas of the paper written out, and linear algebra's own facts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.refinement.prior import (
    JointPrior,
    PosePrior,
    common_motion,
    independent,
    learnt,
    parts_of,
    pose_unknowns,
)

SIZES = {"radius": (2, 1), "ulna": (1, 2)}
COUNT = 18
MIDDLES = {"radius": np.array([10.0, 5.0, -40.0]), "ulna": np.array([-12.0, 4.0, -35.0])}
POSES = {name: PosePrior((2.0, 1.0, 3.0), (1.0, 2.0, 1.5)) for name in SIZES}


def random_prior(sizes: dict[str, tuple[int, int]], seed: int) -> JointPrior:
    """Everything goes with everything."""
    rng = np.random.default_rng(seed)
    count = sum(6 + k + m for k, m in sizes.values())
    rows = rng.normal(size=(2 * count, count))
    return JointPrior(sizes, rng.normal(size=count), rows.T @ rows / count + 0.1 * np.eye(count))


def shrunk_in_loops(people: np.ndarray) -> tuple[np.ndarray, float]:
    """Covariance and intensity of Schaefer & Strimmer (2005): section 2.4, table 2 target D, and their appendix A."""
    n, p = people.shape
    x = [(people[:, i] - people[:, i].mean()) / people[:, i].std(ddof=1) for i in range(p)]
    above = below = 0.0
    r = np.eye(p)
    for i in range(p):
        for j in range(p):
            if i == j:
                continue
            w = [x[i][k] * x[j][k] for k in range(n)]
            mean = sum(w) / n
            r[i, j] = n / (n - 1) * mean
            above += n / (n - 1) ** 3 * sum((each - mean) ** 2 for each in w)
            below += r[i, j] ** 2
    intensity = max(0.0, min(1.0, above / below))
    shrunk = np.empty((p, p))
    for i in range(p):
        for j in range(p):
            own = 1.0 if i == j else r[i, j] * (1 - intensity)
            shrunk[i, j] = own * np.sqrt(people[:, i].var(ddof=1) * people[:, j].var(ddof=1))
    return shrunk, intensity


@pytest.mark.parametrize("count", [4, 15, 60])
def test_shrinkage_is_schaefer_and_strimmers(count: int) -> None:
    rng = np.random.default_rng(count)
    mixing = np.eye(COUNT) + 0.4 * rng.normal(size=(COUNT, COUNT))
    people = rng.normal(size=(count, COUNT)) @ mixing * rng.uniform(0.1, 9.0, COUNT) + 3.0
    covariance, intensity = shrunk_in_loops(people)
    found = learnt(SIZES, people)
    assert found.covariance == pytest.approx(covariance, rel=1e-9, abs=1e-12)
    assert found.mean == pytest.approx(people.mean(axis=0))
    assert np.diag(found.covariance) == pytest.approx(people.var(axis=0, ddof=1))
    assert 0 < intensity < 1 and np.linalg.eigvalsh(found.covariance).min() > 0


def test_many_people_are_believed_and_few_are_not() -> None:
    truth = random_prior(SIZES, 1).covariance
    rng = np.random.default_rng(2)
    many = learnt(SIZES, rng.multivariate_normal(np.zeros(COUNT), truth, 20000)).covariance
    assert many == pytest.approx(truth, abs=0.05 * np.abs(truth).max())
    # Unknowns that have nothing to do with each other are told so, though the sample's correlations are large.
    alone = learnt(SIZES, rng.normal(size=(12, COUNT))).covariance
    sample = np.corrcoef(rng.normal(size=(12, COUNT)).T)
    away = ~np.eye(COUNT, dtype=bool)
    assert np.abs(alone[away]).mean() < 0.25 * np.abs(sample[away]).mean()


def test_whoever_never_differs_is_nearly_certain() -> None:
    people = np.random.default_rng(0).normal(size=(10, COUNT))
    people[:, 4] = 7.0
    found = learnt(SIZES, people)
    assert found.mean[4] == 7.0 and 0 < found.covariance[4, 4] <= 1e-6
    assert np.isfinite(found.whitened(SIZES)[1]).all()


@settings(max_examples=25, deadline=None)
@given(st.data(), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=3))
def test_part_of_the_unknowns_has_the_marginals_precision(data: st.DataObject, counts: list[tuple[int, int]]) -> None:
    sizes = {f"bone {number}": each for number, each in enumerate(counts)}
    prior = random_prior(sizes, data.draw(st.integers(0, 99)))
    fewer = {name: (data.draw(st.integers(0, k)), data.draw(st.integers(0, m))) for name, (k, m) in prior.sizes.items()}
    names = [
        (name, kind, number)
        for name, (k, m) in sizes.items()
        for kind, count in (("pose", 6), ("shape", k), ("density", m))
        for number in range(count)
    ]
    limits = {name: {"pose": 6, "shape": k, "density": m} for name, (k, m) in fewer.items()}
    kept = [place for place, (name, kind, number) in enumerate(names) if number < limits[name][kind]]
    mean, whitening = prior.whitened(fewer)
    assert mean == pytest.approx(prior.mean[kept])
    # The marginal of a Gaussian is the block of its covariance (Bishop 2006, eq. 2.98).
    marginal = prior.covariance[np.ix_(kept, kept)]
    assert whitening.T @ whitening @ marginal == pytest.approx(np.eye(len(kept)), abs=1e-8)
    parts = parts_of(sizes)
    assert list(parts) == list(sizes) and [part.stop - part.start for part in parts.values()] == [
        6 + k + m for k, m in counts
    ]
    assert np.concatenate([np.arange(part.start, part.stop) for part in parts.values()]).tolist() == list(
        range(len(names))
    )


def test_whitened_draws_have_variance_one() -> None:
    prior = random_prior(SIZES, 3)
    people = np.random.default_rng(4).multivariate_normal(prior.mean, prior.covariance, 8000)
    mean, whitening = prior.whitened(SIZES)
    away = (people - mean) @ whitening.T
    assert np.cov(away.T) == pytest.approx(np.eye(COUNT), abs=0.06) and np.abs(away.mean(axis=0)).max() < 0.05


def test_people_held_otherwise_spread_as_the_prior_says() -> None:
    """Bones of people who are turned and shifted as a whole, exactly, and then looked at."""
    spread = PosePrior((3.0, 1.5, 2.0), (2.0, 4.0, 1.0))
    usual = {name: RigidPose.from_rotation([20.0, -10.0, 5.0], [3.0, 4.0, 5.0]) for name in SIZES}
    middles = {name: usual[name].apply(MIDDLES[name]) for name in SIZES}
    prior = independent(SIZES, POSES).held(spread, middles)
    rng = np.random.default_rng(5)
    found = []
    for _ in range(700):
        whole = spread.deviations * rng.normal(size=6)
        motion = RigidPose.from_rotation(whole[:3], whole[3:])
        values = []
        for name, counts in SIZES.items():
            own = POSES[name].deviations * rng.normal(size=6)
            pose = motion @ RigidPose.from_rotation(own[:3], own[3:], middles[name]) @ usual[name]
            values += [pose_unknowns(pose, usual[name], MIDDLES[name]), rng.normal(size=sum(counts))]
        found.append(np.concatenate(values))
    deviations = np.sqrt(np.diag(prior.covariance))
    scale = np.outer(deviations, deviations)
    assert np.cov(np.array(found).T) / scale == pytest.approx(prior.covariance / scale, abs=0.15)
    assert prior.covariance[0, 9] == pytest.approx(3.0**2)  # both bones turn alike
    assert np.array_equal(prior.mean, np.zeros(COUNT))


def test_a_common_motion_moves_every_middle_as_it_says() -> None:
    centre = np.array([4.0, -3.0, 20.0])
    motion = np.array([0.02, -0.01, 0.03, 0.5, -0.2, 0.1])
    change = common_motion(SIZES, MIDDLES, centre) @ motion
    moved = RigidPose.from_rotation(motion[:3], motion[3:], centre)
    for name, part in parts_of(SIZES).items():
        wanted = np.r_[motion[:3], moved.apply(MIDDLES[name]) - MIDDLES[name]]
        assert change[part][:6] == pytest.approx(wanted, abs=1e-4)
        assert not change[part][6:].any()


def test_what_a_method_tells_of_one_bone() -> None:
    """It moves that bone's pose and shape; errors correlate as people do, of a share of their variance."""
    prior, share = random_prior(SIZES, 6), 0.25
    told = np.arange(8.0)
    found = prior.about({"radius": told}, share)
    assert found.mean[:8] == pytest.approx(told) and found.mean[8:] == pytest.approx(prior.mean[8:])
    drawn = np.random.default_rng(7).multivariate_normal(np.zeros(COUNT), prior.covariance, 8000)
    drawn[:, :8] *= 0.5
    deviations = np.sqrt(np.diag(prior.covariance))
    scale = np.outer(deviations, deviations)
    assert np.cov(drawn.T) / scale == pytest.approx(found.covariance / scale, abs=0.06)
    assert found.covariance[8:, 8:] == pytest.approx(prior.covariance[8:, 8:])
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_bones_that_know_nothing_of_each_other() -> None:
    prior = independent(SIZES, {"radius": PosePrior(), "ulna": PosePrior((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))})
    deviations = [*[5.0] * 6, 1, 1, 1, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1, 1, 1]
    assert prior.covariance == pytest.approx(np.diag(np.square(deviations)))
    assert prior.parts == {"radius": slice(0, 9), "ulna": slice(9, 18)}


@settings(max_examples=20, deadline=None)
@given(*[st.tuples(*[st.floats(-60.0, 60.0)] * 3) for _ in range(4)])
def test_pose_unknowns_say_how_to_get_there(
    turn: tuple[float, ...], shift: tuple[float, ...], usual_turn: tuple[float, ...], middle: tuple[float, ...]
) -> None:
    usual = RigidPose.from_rotation(usual_turn, [1.0, 2.0, 3.0])
    pose = RigidPose.from_rotation(turn, shift, usual.apply(middle)) @ usual
    assert pose_unknowns(pose, usual, np.array(middle)) == pytest.approx(np.r_[turn, shift], abs=1e-6)
    assert pose_unknowns(usual, usual, np.array(middle)) == pytest.approx(np.zeros(6))


def test_priors_that_cannot_be() -> None:
    good = random_prior(SIZES, 8)
    with pytest.raises(InputError, match="three people or more"):
        learnt(SIZES, np.ones((2, COUNT)))
    with pytest.raises(InputError, match="18 unknowns"):
        JointPrior(SIZES, good.mean, good.covariance[:-1])
    with pytest.raises(InputError, match="18 unknowns"):
        learnt(SIZES, np.random.default_rng(0).normal(size=(5, COUNT - 1)))
    with pytest.raises(InputError, match="not finite"):
        JointPrior(SIZES, good.mean, np.full((COUNT, COUNT), np.nan))
    with pytest.raises(InputError, match="make the model again"):
        JointPrior(SIZES, good.mean, -good.covariance).whitened(SIZES)
    for wrong in ((0.0, 1.0, 1.0), (1.0, 1.0), (1.0, float("nan"), 1.0), (1.0, -1.0, 1.0)):
        with pytest.raises(InputError, match="three degrees and three millimetres"):
            PosePrior(wrong)  # type: ignore[arg-type]
