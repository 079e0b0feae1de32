"""EMD and CD-l2 against POT, against all pairings tried, against loops; and that they tell their counts."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import ot
import pytest
from depth_cases import ellipsoid
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.point_cloud_distance import chamfer_l2, earth_movers_distance

CLOUDS = st.integers(0, 10_000).map(lambda seed: np.random.default_rng(seed).normal(0, 20, (2, 6, 3)))


def test_emd_is_that_of_pot() -> None:
    random = np.random.default_rng(3)
    one, two = random.normal(0, 20, (512, 3)), random.normal(2, 25, (512, 3))
    weights = np.full(512, 1 / 512)
    expected = ot.emd2(weights, weights, ot.dist(one, two, metric="euclidean"))
    assert earth_movers_distance(one, two, 512).value == pytest.approx(expected, abs=1e-6)


@given(CLOUDS)
@settings(max_examples=25, deadline=None)
def test_no_pairing_is_cheaper(clouds: np.ndarray) -> None:
    one, two = clouds
    best = min(np.linalg.norm(one - two[list(order)], axis=1).mean() for order in permutations(range(6)))
    assert float(earth_movers_distance(one, two)) == pytest.approx(best)


@given(CLOUDS)
@settings(max_examples=25, deadline=None)
def test_chamfer_is_the_sum_of_both_mean_squares(clouds: np.ndarray) -> None:
    one, two = clouds
    there = [min(sum((p - q) ** 2) for q in two) for p in one]
    back = [min(sum((p - q) ** 2) for p in one) for q in two]
    assert chamfer_l2(one, two).value == pytest.approx(sum(there) / 6 + sum(back) / 6)


def test_a_shifted_cloud_is_as_far_as_its_shift() -> None:
    cloud = np.random.default_rng(0).normal(0, 20, (300, 3))
    assert earth_movers_distance(cloud, cloud + [3, 0, 4]).value == pytest.approx(5.0)
    assert earth_movers_distance(cloud, cloud).value == chamfer_l2(cloud, cloud).value == 0.0


def test_they_print_their_count_and_seed() -> None:
    one, two = ellipsoid([0, 0, 0], [20, 20, 20]), np.random.default_rng(0).normal(0, 20, (400, 3))
    assert "(128 points, seed 7)" in str(earth_movers_distance(one, two, 128, 7))
    assert "mm^2 (128 points, seed 7)" in str(chamfer_l2(one, two, 128, 7))
    few = earth_movers_distance(one, two, 1000)
    assert few.points == 400 and "(400 points, seed 0)" in str(few)


def test_the_seed_decides_and_more_points_come_nearer() -> None:
    one, two = ellipsoid([0, 0, 0], [20, 20, 20]), ellipsoid([0, 0, 0], [22, 22, 22])
    assert earth_movers_distance(one, two, 200, 1) == earth_movers_distance(one, two, 200, 1)
    assert earth_movers_distance(one, two, 200, 1).value != earth_movers_distance(one, two, 200, 2).value
    values = [earth_movers_distance(one, two, count).value for count in (100, 400, 1600)]
    assert values[0] > values[1] > values[2] > 2.0  # two mm apart, and the gaps between points
    far = [chamfer_l2(one, two, count).value for count in (100, 1600)]
    assert far[0] > far[1] > 8.0  # 2 mm squared, both ways


@pytest.mark.parametrize("cloud", [np.zeros((0, 3)), np.zeros((3, 2)), [[0, 0, np.nan]]])
def test_what_is_no_cloud_is_refused(cloud: object) -> None:
    with pytest.raises(InputError, match="point cloud"):
        earth_movers_distance(cloud, np.zeros((3, 3)))
    with pytest.raises(InputError, match="at least one"):
        chamfer_l2(np.zeros((3, 3)), np.zeros((3, 3)), 0)
