"""On-the-fly samples: pictures and labels against closed forms, and the same bits for the same number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from exposure_cases import ball_case, balls_of
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import line_integrals, relative_rms

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PictureNoise, PoseRange, Sample
from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

VIEWS = (CanonicalView("PA", 32, 3.0), CanonicalView("LAT", 32, 3.0))
GRID = VoxelGrid(24, 80 / 24)
HELD = PoseRange(8.0, 5.0, "normal")
POSE = RigidPose.from_rotation((12, -9, 15), (3, -4, 6), (0, 0, 0))


@pytest.fixture(scope="module")
def cases() -> list[PreparedCase]:
    return [ball_case(number) for number in range(5)]


def exposures(cases: list[PreparedCase], **options: object) -> Exposures:
    return Exposures(cases, VIEWS, GRID, **{"pose": HELD, "seed": 7, **options})


def same(one: Sample, place: int, other: Sample, there: int) -> bool:
    pairs = [(getattr(one, name)[place], getattr(other, name)[there]) for name in ("images", "soft_labels")]
    return all(torch.equal(a, b) for a, b in pairs) and np.array_equal(one.poses[place], other.poses[there])


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_pictures_are_the_line_integrals_of_the_posed_bones(cases: list[PreparedCase], engine: str) -> None:
    if engine == "numba":
        pytest.importorskip("numba")
    views = (CanonicalView("PA", 64, 1.5), CanonicalView("LAT", 64, 1.5))
    sample = Exposures(cases, views, GRID, HELD, 0, engine=engine).exposed(2, [POSE])
    shapes = [ball.shape() for ball in balls_of(2)]
    for picture, view in zip(sample.images[0], views, strict=True):
        fine = line_integrals(shapes, view.camera(4), POSE)
        assert relative_rms(picture, fine.reshape(64, 4, 64, 4).mean(axis=(1, 3))) < 0.02


def test_labels_are_the_filled_shares_of_the_posed_bones(cases: list[PreparedCase]) -> None:
    labels = exposures(cases).exposed(1, [POSE, RigidPose.identity()]).soft_labels.numpy()
    for number, pose in enumerate([POSE, RigidPose.identity()]):
        for channel, ball in enumerate(balls_of(1)):
            exact = np.clip(0.5 - ball.posed(pose).distances(GRID.points()) / GRID.spacing_mm, 0, 1)
            assert np.abs(labels[number, channel] - exact).max() < 0.015
    assert labels.sum() > 100 and labels.max() == 1


def test_distances_are_those_of_the_posed_bones_and_change_no_label(cases: list[PreparedCase]) -> None:
    asked = exposures(cases).exposed(1, [POSE], distances=True)
    for channel, ball in enumerate(balls_of(1)):
        exact = np.clip(ball.posed(POSE).distances(GRID.points()), -6, 6)
        error = np.abs(asked.distances[0, channel].numpy() - exact)
        assert error[np.abs(exact) < 2].max() < 0.05 and error.max() < 0.3  # across the clipping's corner
    assert torch.equal(asked.soft_labels, exposures(cases).exposed(1, [POSE]).soft_labels)
    shapes = exposures(cases).sample("encoder", [3, 4], images=False, distances=True)
    full = exposures(cases).sample("encoder", [3, 4], distances=True)
    assert torch.equal(shapes.distances, full.distances) and shapes.images.shape == (2, 2, 0, 0)


def test_bones_that_leave_the_grid_leave_it_empty_and_those_at_its_border_stay(cases: list[PreparedCase]) -> None:
    away, border = RigidPose.from_rotation((0, 0, 0), (300, 0, 0)), RigidPose.from_rotation((0, 0, 0), (30, 0, 0))
    sample = exposures(cases).exposed(0, [away, border])
    assert not sample.soft_labels[0].any() and not sample.images[0, 0].any()
    exact = np.clip(0.5 - balls_of(0)[0].posed(border).distances(GRID.points()) / GRID.spacing_mm, 0, 1)
    assert np.abs(sample.soft_labels[1, 0].numpy() - exact).max() < 0.015 and 10 < exact.sum() < 100


@settings(max_examples=12, deadline=None)
@given(items=st.lists(st.integers(0, 40), min_size=1, max_size=4), keep=st.booleans())
def test_a_sample_is_the_same_bits_in_any_batch_and_order(items: list[int], keep: bool) -> None:
    sampler = exposures(CASES, noise=NOISE, memory_mb=1024 if keep else 0.0)
    for place, item in enumerate(items):
        assert same(sampler.sample("encoder", items), place, REFERENCE, item)


CASES = [ball_case(number) for number in range(3)]
NOISE = PictureNoise(0.1, 0.02, 0.01)
REFERENCE = exposures(CASES, noise=NOISE).sample("encoder", range(41))


def test_other_stages_seeds_and_items_give_other_samples(cases: list[PreparedCase]) -> None:
    first = exposures(cases).sample("encoder", [0, 1, 5])
    others = [exposures(cases).sample("joint", [0]), exposures(cases, seed=8).sample("encoder", [0])]
    assert not any(np.array_equal(first.poses[0], other.poses[0]) for other in others)
    assert len(np.unique(first.poses, axis=0)) == 3


def test_numbers_on_many_threads_are_those_on_one(cases: list[PreparedCase]) -> None:
    before, alone = torch.get_num_threads(), exposures(cases).sample("encoder", [0, 1])
    torch.set_num_threads(3)
    try:
        assert same(exposures(cases).sample("encoder", [0, 1]), 1, alone, 1)
    finally:
        torch.set_num_threads(before)


def test_every_epoch_shows_each_case_once_in_another_order(cases: list[PreparedCase]) -> None:
    sampler = exposures(cases)
    epochs = [[sampler.case_of("encoder", 5 * epoch + k) for k in range(5)] for epoch in range(8)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5
    assert sampler.sample("encoder", [7]).case_index.tolist() == [epochs[1][2]]


def test_a_prerendered_set_is_k_poses_of_each_case_for_good(cases: list[PreparedCase]) -> None:
    sampler = exposures(cases, prerendered=3, noise=PictureNoise(noise=0.01))
    sample = sampler.sample("encoder", range(60))
    poses: dict[int, list] = {case: [] for case in range(5)}
    for case, pose in zip(sample.case_index.tolist(), sample.poses, strict=True):
        poses[case].append(pose.tobytes())
    assert all(len(found) == 12 and len(set(found)) == 3 for found in poses.values())
    later = sampler.sample("joint", range(5))
    place = sample.case_index.tolist().index(later.case_index[0].item())
    assert same(later, 0, sample, place)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_poses_are_spread_as_asked(distribution: str) -> None:
    held = PoseRange((30.0, 0.0, 10.0), 5.0, distribution, centre_mm=(1.0, 2.0, 3.0))
    drawn = [held.draw(np.random.default_rng(seed)).parameters((1.0, 2.0, 3.0)) for seed in range(1500)]
    turns, shifts = (np.array(each) for each in zip(*drawn, strict=True))
    limit, spread = (1.0, 3**-0.5) if distribution == "uniform" else (3.0, 1.0)
    assert np.abs(turns).max(axis=0) == pytest.approx(limit * np.array([30, 0, 10]), rel=0.08, abs=1e-9)
    assert turns.std(axis=0) == pytest.approx(spread * np.array([30, 0, 10]), rel=0.08, abs=1e-9)
    assert shifts.std(axis=0) == pytest.approx(spread * np.array([5, 5, 5]), rel=0.08)
    assert np.abs(np.corrcoef(np.hstack([turns[:, [0, 2]], shifts]).T) - np.eye(5)).max() < 0.1


def test_noise_has_the_spread_asked_for(cases: list[PreparedCase]) -> None:
    flat = torch.ones(400, 20, 20)
    noisy = PictureNoise(0.2, 0.3, 0.05).apply(flat, np.random.default_rng(0)).numpy().astype(float)
    assert noisy.std(axis=(1, 2)).mean() == pytest.approx(0.05, rel=0.02)
    pure = PictureNoise(0.2).apply(flat, np.random.default_rng(0))[:, 0, 0].numpy()
    assert np.log(pure).std() == pytest.approx(0.2, rel=0.1)
    added = PictureNoise(0.0, 0.3).apply(0 * flat, np.random.default_rng(0))[:, 0, 0].numpy()
    assert added.std() == pytest.approx(0.3, rel=0.1)
    assert torch.equal(PictureNoise().apply(flat, np.random.default_rng(0)), flat)


def test_ready_cases_are_given_up_when_memory_is_short(cases: list[PreparedCase]) -> None:
    short, ample = exposures(cases, memory_mb=0.0), exposures(cases)
    for sampler in (short, ample):
        sampler.sample("encoder", range(5))
    assert (len(short._ready), len(ample._ready)) == (1, 5)


def test_what_cannot_be_sampled_is_refused(cases: list[PreparedCase]) -> None:
    with pytest.raises(InputError, match="0 cases"):
        exposures([])
    with pytest.raises(InputError, match="same size"):
        Exposures(cases, (VIEWS[0], CanonicalView("LAT", 16, 3.0)), GRID, HELD, 0)
    for wrong in ({"seed": -1}, {"prerendered": 0}, {"subpixels": 0}):
        with pytest.raises(InputError, match="or more"):
            exposures(cases, **wrong)
    for items in ([], [-1]):
        with pytest.raises(InputError, match="items"):
            exposures(cases).sample("encoder", items)
    with pytest.raises(InputError, match="uniform or normal"):
        PoseRange(distribution="flat")
    with pytest.raises(InputError, match="rotation_deg"):
        PoseRange(rotation_deg=-1.0)
    with pytest.raises(InputError, match="gain"):
        PictureNoise(gain=-0.1)
    empty = replace(cases[0], mu=0 * cases[0].mu)
    with pytest.raises(InputError, match="case-0 attenuates nothing"):
        exposures([empty]).sample("encoder", [0])
    boneless = replace(cases[0], distances=0 * cases[0].distances + 6)
    with pytest.raises(InputError, match="case-0.*no voxel"):
        exposures([boneless]).sample("encoder", [0])
