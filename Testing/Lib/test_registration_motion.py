"""Motions about the bone's centre: the same in torch, in numpy and by RigidPose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from geometry_cases import finite, rotations, vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.motion import CentredMotion

FEW = settings(max_examples=25, deadline=None)


@FEW
@given(turn=vectors(80.0), shift=vectors(50.0), centre=vectors(300.0))
def test_torch_and_rigid_pose_are_the_same_motion(turn: np.ndarray, shift: np.ndarray, centre: np.ndarray) -> None:
    motion = CentredMotion(centre)
    expected = RigidPose.from_rotation(turn, shift, centre).matrix
    parameters = np.concatenate([turn, shift])
    assert np.allclose(motion(torch.tensor(parameters)).numpy(), expected, atol=1e-9)
    assert np.allclose(motion.pose(parameters, RigidPose.identity()).matrix, expected, atol=1e-12)


@FEW
@given(rotation=rotations(), shift=vectors(50.0), step=st.tuples(*[finite(-5, 5)] * 6))
def test_the_motion_comes_after_the_pose_and_keeps_the_centre(
    rotation: np.ndarray, shift: np.ndarray, step: tuple[float, ...]
) -> None:
    base = np.eye(4)
    base[:3, :3], base[:3, 3] = rotation, shift
    pose, bone = RigidPose(base), np.array([3.0, -20.0, 8.0])
    moved = CentredMotion(pose.apply(bone)).pose(step, pose)
    assert np.allclose(moved.apply(bone), pose.apply(bone) + step[3:], atol=1e-9)
    turned, _ = pose.distance_to(moved, bone)
    assert turned == pytest.approx(np.linalg.norm(step[:3]), abs=1e-5)


def test_its_derivative_at_rest_is_the_cross_product() -> None:
    """Per degree; a zero rotation has no gimbal and no 0/0."""
    centre, point = np.array([10.0, -5.0, 2.0]), torch.tensor([13.0, 4.0, -6.0, 1.0], dtype=torch.float64)
    jacobian = torch.func.jacfwd(lambda p: (CentredMotion(centre)(p) @ point)[:3])(torch.zeros(6, dtype=torch.float64))
    arm = point[:3].numpy() - centre
    expected = [np.cross(axis, arm) * np.pi / 180 for axis in np.eye(3)] + list(np.eye(3))
    assert np.allclose(jacobian.numpy(), np.stack(expected, axis=1), atol=1e-12)


def test_a_centre_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="centre of rotation"):
        CentredMotion((1.0, np.nan, 2.0))


def test_its_tangents_are_its_derivatives_at_zero() -> None:
    motion = CentredMotion((10.0, -20.0, 30.0))
    derivative = torch.func.jacfwd(motion)(torch.zeros(6, dtype=torch.float64)).numpy()
    assert np.allclose(np.moveaxis(derivative, -1, 0), motion.tangents(), atol=1e-12)
