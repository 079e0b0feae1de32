"""Similarities between shapes: known motions come back, mirror images do not, and scipy agrees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between

POINTS = np.random.default_rng(0).normal(size=(40, 3)) * (30.0, 10.0, 5.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.2, 5.0))
def test_a_known_similarity_is_found(seed: int, scale: float) -> None:
    turn, shift = Rotation.random(random_state=seed).as_matrix(), np.array([seed % 97, -3.0, 250.0])
    found = similarity_between(POINTS, scale * POINTS @ turn.T + shift, scaling=True)
    assert found.scale == pytest.approx(scale, rel=1e-9)
    assert np.allclose(found.rotation, turn, atol=1e-9)
    assert np.allclose(found.apply(POINTS), scale * POINTS @ turn.T + shift, atol=1e-8)
    assert np.allclose(found.matrix[:3, :3] @ POINTS[0] + found.matrix[:3, 3], found.apply(POINTS[:1])[0])


def test_the_rotation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    noisy = POINTS @ Rotation.random(random_state=3).as_matrix().T + rng.normal(size=POINTS.shape)
    weights = rng.random(len(POINTS))
    found = similarity_between(POINTS, noisy, weights=weights)
    centred = [p - weights @ p / weights.sum() for p in (POINTS, noisy)]
    peer, _ = Rotation.align_vectors(centred[1], centred[0], weights=weights)
    assert np.allclose(found.rotation, peer.as_matrix(), atol=1e-9)


def test_a_mirror_image_is_never_the_answer() -> None:
    assert np.linalg.det(similarity_between(POINTS, POINTS * (-1, 1, 1), scaling=True).rotation) == pytest.approx(1.0)


@pytest.mark.parametrize("scaling", [False, True])
def test_moved_copies_lie_on_one_another(scaling: bool) -> None:
    rng = np.random.default_rng(2)
    factor = rng.uniform(0.8, 1.2, 6) if scaling else np.ones(6)
    copies = [
        f * POINTS @ Rotation.random(random_state=i).as_matrix().T + rng.normal(size=3) * 50
        for i, f in enumerate(factor)
    ]
    aligned = aligned_shapes(np.stack(copies), scaling)
    assert np.abs(aligned.shapes - aligned.mean).max() < 1e-6
    for pose, copy, shape in zip(aligned.poses, copies, aligned.shapes, strict=True):
        assert np.allclose(pose.apply(copy), shape)
    size = np.sqrt((aligned.mean**2).sum(axis=1).mean())
    assert size == pytest.approx(np.sqrt(((POINTS - POINTS.mean(axis=0)) ** 2).sum(axis=1).mean()) * factor.mean())


def test_no_rigid_motion_of_a_shape_brings_it_nearer_to_the_mean() -> None:
    rng = np.random.default_rng(4)
    aligned = aligned_shapes(POINTS + rng.normal(scale=2.0, size=(5, *POINTS.shape)))
    for shape in aligned.shapes:
        best = ((shape - aligned.mean) ** 2).sum()
        for turn in Rotation.from_rotvec(rng.normal(scale=0.01, size=(20, 3))).as_matrix():
            assert ((shape @ turn.T + rng.normal(scale=0.05, size=3) - aligned.mean) ** 2).sum() > best


@pytest.mark.parametrize(("a", "b"), [(POINTS, POINTS[:-1]), (POINTS[:2], POINTS[:2]), (POINTS[:, :2], POINTS[:, :2])])
def test_shapes_that_do_not_match_are_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(InputError, match="cannot be aligned"):
        similarity_between(a, b)


def test_bad_weights_and_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="weight"):
        similarity_between(POINTS, POINTS, weights=np.zeros(len(POINTS)))
    with pytest.raises(InputError, match="not finite"):
        aligned_shapes(np.full((2, 5, 3), np.nan))
    with pytest.raises(InputError, match="cannot be aligned"):
        aligned_shapes(POINTS)
