"""Several bones in one picture: against closed forms, derivatives of all, gradients, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from phantoms_analytic import Gaussian, centred_grid, line_integrals, looking_camera, relative_rms, voxelised

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.projection.engines import Engine, make_projector
from XRayTo3DLib.projection.scene import BoneScene
from XRayTo3DLib.registration.motion import CentredMotion

CAMERA = looking_camera((40, 34), 3.5)
RADIUS = (Gaussian((6, -3, 5), (7, 6, 12), (20, -10, 30), 0.03),)
ULNA = (Gaussian((-12, 4, -6), (6, 7, 9), (0, 25, 0), 0.05),)
POSES = (RigidPose.from_rotation((12, -7, 20), (3, -4, 5)), RigidPose.from_rotation((-20, 15, 60), (-6, 3, 1)))


@pytest.fixture(scope="module", params=["torch", "numba", "both"])
def scene(request: pytest.FixtureRequest) -> BoneScene:
    """Two bones that overlap in the picture, by either engine, or one by each."""
    if request.param != "torch":
        pytest.importorskip("numba", reason="the compiled projector needs numba (pip install XRayTo3DLib[fast])")
    kinds: tuple[Engine, Engine] = ("torch", "numba") if request.param == "both" else (request.param,) * 2
    size, projectors = (70, 66, 76), []
    for shapes, kind in zip((RADIUS, ULNA), kinds, strict=True):
        grid = centred_grid(size, 1.35)
        volume = voxelised(shapes, size, grid)
        volume[volume < 3e-7] = 0
        projectors.append(make_projector(volume, grid, engine=kind))
    return BoneScene(projectors)


def truth(poses: Any) -> np.ndarray:
    """The two bones' line integrals in closed form."""
    return line_integrals(RADIUS, CAMERA, poses[0]) + line_integrals(ULNA, CAMERA, poses[1])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.lists(st.floats(-90, 90), min_size=6, max_size=6),
    shifts=st.lists(st.floats(-8, 8), min_size=6, max_size=6),
)
@example(angles=[0.0, 0.0, 0.0, -72.0, -9.0, 0.0], shifts=[0.0, 0.0, 0.0, -6.0, 0.0, 2.0])
def test_bones_add_up_wherever_they_are(scene: BoneScene, angles: list[float], shifts: list[float]) -> None:
    poses = [RigidPose.from_rotation(angles[at : at + 3], shifts[at : at + 3]) for at in (0, 3)]
    assert relative_rms(scene(CAMERA, poses), truth(poses)) < 0.005


def test_poses_in_every_form_and_in_batches(scene: BoneScene) -> None:
    """What is asked for in a batch is what is asked for one by one."""
    stacked = np.stack([pose.matrix for pose in POSES])
    image = scene(CAMERA, POSES)
    assert image.dtype == torch.float32 and torch.equal(image, scene(CAMERA, stacked))
    assert torch.equal(image, scene(CAMERA, [torch.tensor(each) for each in stacked]))
    batch = scene(CAMERA, np.stack([stacked, stacked[::-1]]))
    assert batch.shape == (2, 34, 40) and torch.equal(batch[0], image)
    assert relative_rms(batch[1], truth(POSES[::-1])) < 0.005 < relative_rms(batch[1], image)


def test_derivatives_of_every_bone(scene: BoneScene) -> None:
    """Central differences, the median over pixels that change; autograd gives the same sums."""
    motions = [CentredMotion((6.0, -3.0, 5.0)), CentredMotion((-12.0, 4.0, -6.0))]
    image, jacobian = scene.with_jacobian(CAMERA, POSES, motions)
    assert jacobian.shape == (12, 34, 40) and torch.allclose(image, scene(CAMERA, POSES), atol=1e-5)
    errors, step = [], 0.03
    for number, derivative in enumerate(jacobian.numpy()):
        bone, parameter = number // 6, np.eye(6)[number % 6] * step
        ends = []
        for sign in (1, -1):
            poses = list(POSES)
            poses[bone] = motions[bone].pose(sign * parameter, POSES[bone])
            ends.append(scene(CAMERA, poses).double().numpy())
        expected = (ends[0] - ends[1]) / (2 * step)
        seen = np.abs(expected) > 0.01 * np.abs(expected).max()
        errors.append(np.abs(derivative - expected)[seen] / np.abs(expected)[seen])
    assert np.median(np.concatenate(errors)) < 1e-3

    weights = torch.sin(0.1 * torch.arange(40.0) + 0.2 * torch.arange(34.0)[:, None])
    parameters = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    moved = [m(p) @ torch.tensor(pose.matrix.copy()) for m, p, pose in zip(motions, parameters, POSES, strict=True)]
    (scene(CAMERA, torch.stack(moved)) * weights).sum().backward()
    exact = (jacobian.double() * weights).sum(dim=(1, 2)).reshape(2, 6)
    assert float((parameters.grad - exact).abs().max()) < 3e-3 * float(exact.abs().max())


def test_gradients_to_one_bone_s_voxels() -> None:
    """A picture is linear in the voxels of either bone: the gradient's product with them is its own weighted sum."""
    grid = centred_grid((20, 20, 20), 3.0)
    mu = torch.tensor(voxelised(RADIUS, (20, 20, 20), grid), requires_grad=True)
    scene = BoneScene([make_projector(mu, grid), make_projector(voxelised(ULNA, (20, 20, 20), grid), grid)])
    weights = torch.linspace(0, 1, 34 * 40).reshape(34, 40)
    (scene(CAMERA, POSES) * weights).sum().backward()
    alone = make_projector(mu.detach(), grid, engine="torch")(CAMERA, POSES[0])
    assert float((mu.grad * mu.detach()).sum()) == pytest.approx(float((alone * weights).sum()), rel=5e-3)


def test_what_is_no_scene_is_refused(scene: BoneScene) -> None:
    with pytest.raises(InputError, match="needs one bone at least"):
        BoneScene([])
    for poses in (POSES[:1], np.eye(4), np.stack([np.eye(4)] * 3), np.zeros((2, 3, 4, 4))):
        with pytest.raises(InputError, match=r"scene of 2 bones needs a pose for each, \(2, 4, 4\)"):
            scene(CAMERA, poses)
    motions = [CentredMotion((0, 0, 0))] * 2
    with pytest.raises(InputError, match="as many motions, not 1"):
        scene.with_jacobian(CAMERA, POSES, motions[:1])
    with pytest.raises(InputError, match="one set of poses at a time"):
        scene.with_jacobian(CAMERA, np.stack([np.stack([np.eye(4)] * 2)] * 2), motions)
    with pytest.raises(InputError, match="pose holds values that are not finite"):
        scene(CAMERA, np.full((2, 4, 4), np.nan))
