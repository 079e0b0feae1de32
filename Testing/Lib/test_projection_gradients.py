"""Gradients of DRRs: to voxels (the adjoint), to the pose by autograd and by the exact Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from phantoms_analytic import Gaussian, centred_grid, looking_camera, relative_rms, voxelised

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.registration.motion import CentredMotion

SIZE = (40, 44, 36)
GRID = centred_grid(SIZE, (2.0, 1.8, 2.2), (10, 5, -8))
CAMERA = looking_camera((36, 30), 3.0)
POSE = RigidPose.from_rotation((12, -7, 20), (3, -4, 5))
CENTRE = POSE.apply((2.0, -1.0, 3.0))
SHAPES = (
    Gaussian((2, -1, 3), (12, 8, 14), (20, -10, 30), 0.03),
    Gaussian((-12, 8, -10), (7, 8, 6), (0, 25, 0), 0.05),
)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return voxelised(SHAPES, SIZE, GRID)


@pytest.fixture(scope="module", params=[True, False], ids=["shear-warp", "joseph"])
def shear_warp(request: pytest.FixtureRequest) -> bool:
    """Which of the torch engine's two methods."""
    return request.param


@pytest.fixture(scope="module")
def central_differences(volume: np.ndarray, shear_warp: bool) -> np.ndarray:
    """(6, rows, columns) per degree and mm, from pictures a small step to either side."""
    projector, motion, step = DrrProjector(volume, GRID, shear_warp=shear_warp), CentredMotion(CENTRE), 0.02
    found = []
    with torch.no_grad():
        for parameter in np.eye(6):
            after, before = (projector(CAMERA, motion.pose(sign * step * parameter, POSE)) for sign in (1, -1))
            found.append((after.double() - before.double()).numpy() / (2 * step))
    return np.stack(found)


# ---- voxels ------------------------------------------


def voxel_gradient(mu: torch.Tensor, weights: torch.Tensor, pose: Any = POSE) -> torch.Tensor:
    (DrrProjector(mu, GRID)(CAMERA, pose) * weights).sum().backward()
    assert mu.grad is not None
    return mu.grad


def test_projection_and_gradient_are_adjoint() -> None:
    """<A x, y> = <x, A^T y>: the gradient of <A x, y> is A^T y whatever x is, for the DRR is linear in its voxels."""
    generator = torch.Generator().manual_seed(4)
    x = torch.rand(SIZE[::-1], generator=generator)
    y = torch.randn(30, 36, generator=generator)
    with torch.no_grad():
        forward = float((DrrProjector(x, GRID, shear_warp=False)(CAMERA, POSE).double() * y).sum())
    back = voxel_gradient(torch.rand(SIZE[::-1], generator=generator).requires_grad_(), y)
    assert float((x.double() * back).sum()) == pytest.approx(forward, rel=1e-4)
    assert float((x.double() * back).abs().sum()) > 2 * abs(forward)  # no accident: large terms that cancel


def test_a_voxel_s_gradient_is_its_finite_difference(volume: np.ndarray) -> None:
    weights = torch.linspace(-1, 2, 30 * 36).reshape(30, 36)
    gradient = voxel_gradient(torch.tensor(volume, requires_grad=True), weights)
    projected = []
    for voxel in ((18, 22, 20), (10, 30, 12), (25, 15, 28)):
        single = np.zeros_like(volume)
        single[voxel] = 1.0
        with torch.no_grad():
            projector = DrrProjector(single, GRID, shear_warp=False)
            projected.append(float((projector(CAMERA, POSE) * weights).sum()))
        assert float(gradient[voxel]) == pytest.approx(projected[-1], rel=1e-3)
    assert max(map(abs, projected)) > 0.1


def test_gradients_of_several_poses_add_up(volume: np.ndarray) -> None:
    weights = torch.ones(30, 36)
    poses = [POSE, RigidPose.identity()]
    single = [voxel_gradient(torch.tensor(volume, requires_grad=True), weights, pose) for pose in poses]
    batch = voxel_gradient(torch.tensor(volume, requires_grad=True), weights, np.stack([p.matrix for p in poses]))
    assert torch.allclose(batch, sum(single), rtol=1e-4, atol=1e-5)


def test_a_view_that_misses_the_bone_has_zero_gradients(volume: np.ndarray, shear_warp: bool) -> None:
    away = RigidPose.from_rotation((0, 0, 0), (2000, 0, 0))
    gradient = voxel_gradient(torch.tensor(volume, requires_grad=True), torch.ones(30, 36), away)
    assert not gradient.any()
    parameters = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    pose = CentredMotion(CENTRE)(parameters) @ torch.tensor(away.matrix.copy())
    projector = DrrProjector(volume, GRID, shear_warp=shear_warp)
    projector(CAMERA, pose).sum().backward()
    assert not parameters.grad.any()
    image, jacobian = projector.with_jacobian(CAMERA, away, CentredMotion(CENTRE))
    assert image.shape == (30, 36) and jacobian.shape == (6, 30, 36)
    assert not image.any() and not jacobian.any()


# ---- pose ------------------------------------------


def autograd_pose_gradient(volume: np.ndarray, weights: torch.Tensor, shear_warp: bool = False) -> np.ndarray:
    parameters = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    pose = CentredMotion(CENTRE)(parameters) @ torch.tensor(POSE.matrix.copy())
    (DrrProjector(volume, GRID, shear_warp=shear_warp)(CAMERA, pose) * weights).sum().backward()
    return parameters.grad.numpy()


def test_the_jacobian_is_the_central_difference(
    volume: np.ndarray, central_differences: np.ndarray, shear_warp: bool
) -> None:
    """Median relative error over the pixels that change by at least 1 % of the most."""
    projector = DrrProjector(volume, GRID, shear_warp=shear_warp)
    image, jacobian = projector.with_jacobian(CAMERA, POSE, CentredMotion(CENTRE))
    assert jacobian.shape == (6, 30, 36) and float(image.max()) > 0.5
    errors = []
    for derivative, truth in zip(jacobian.numpy(), central_differences, strict=True):
        assert relative_rms(derivative, truth) < 0.01
        seen = np.abs(truth) > 0.01 * np.abs(truth).max()
        errors.append(np.abs(derivative - truth)[seen] / np.abs(truth)[seen])
    assert np.median(np.concatenate(errors)) < 1e-3


@pytest.mark.parametrize("slope", [(0.1, 0.0), (0.0, 0.2), (0.15, -0.1)])
def test_autograd_and_jacobian_agree(
    volume: np.ndarray, central_differences: np.ndarray, shear_warp: bool, slope: tuple[float, float]
) -> None:
    weights = torch.sin(slope[0] * torch.arange(36.0) + slope[1] * torch.arange(30.0)[:, None])
    automatic = autograd_pose_gradient(volume, weights, shear_warp)
    _, jacobian = DrrProjector(volume, GRID, shear_warp=shear_warp).with_jacobian(CAMERA, POSE, CentredMotion(CENTRE))
    exact = (jacobian.double() * weights).sum(dim=(1, 2)).numpy()
    numeric = (central_differences * weights.numpy()).sum(axis=(1, 2))
    assert np.linalg.norm(exact) > 0.5
    assert np.abs(automatic - exact).max() < 1e-4 * np.abs(exact).max()
    assert np.abs(automatic - numeric).max() < 1e-2 * np.abs(numeric).max()


def test_a_wide_beam_has_the_same_derivatives(volume: np.ndarray) -> None:
    """Rays along several marching axes in one picture."""
    camera = looking_camera((40, 36), 9.0, sdd=130.0, source_centre=48.0, turn_deg=(2, 3, 4), target=(0, 0, 0))
    projector, motion = DrrProjector(volume, GRID), CentredMotion((0, 0, 0))
    weights = torch.rand(36, 40, generator=torch.Generator().manual_seed(7))
    _, jacobian = projector.with_jacobian(camera, RigidPose.identity(), motion)
    parameters = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    (projector(camera, motion(parameters)) * weights).sum().backward()
    exact = (jacobian.double() * weights).sum(dim=(1, 2)).numpy()
    assert np.abs(parameters.grad.numpy() - exact).max() < 1e-4 * np.abs(exact).max()


def test_pose_and_voxels_together(volume: np.ndarray) -> None:
    """Both gradients from one picture are those taken one at a time, twice over."""
    weights = torch.linspace(0, 1, 30 * 36).reshape(30, 36)
    mu = torch.tensor(volume, requires_grad=True)
    parameters = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    projector = DrrProjector(mu, GRID)
    for _ in range(2):
        pose = CentredMotion(CENTRE)(parameters) @ torch.tensor(POSE.matrix.copy())
        (projector(CAMERA, pose) * weights).sum().backward()
    assert np.allclose(parameters.grad.numpy(), 2 * autograd_pose_gradient(volume, weights), rtol=1e-4)
    alone = voxel_gradient(torch.tensor(volume, requires_grad=True), weights)
    assert relative_rms(mu.grad, 2 * alone) < 1e-5
