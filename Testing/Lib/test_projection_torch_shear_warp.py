"""The torch engine's shear-warp: against Joseph's method, its gradients where axes share, its limits."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, Gaussian, centred_grid, looking_camera, relative_rms, voxelised

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.projection import shear_warp_views, splines, torch_shear_warp, torch_shear_warp_sums
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.registration.motion import CentredMotion

SMOOTH = (
    Gaussian((4, -3, 5), (9, 7, 12), (20, -10, 30), 0.03),
    Gaussian((-12, 8, -10), (5, 6, 4), (0, 25, 0), 0.05),
)
BONE = (
    Ellipsoid((0, 0, 0), (30, 26, 34), (0, 0, 0), 0.006),
    Ellipsoid((4, -2, 0), (11, 10, 30), (10, -8, 5), 0.050),
    Ellipsoid((4, -2, 0), (7, 6, 27), (10, -8, 5), -0.032),
    Ellipsoid((-14, 6, 4), (6, 7, 20), (-6, 12, 0), 0.040),
)
POSE = RigidPose.from_rotation((12, -7, 20), (3, -4, 5))
SHARED = RigidPose.from_rotation((0, 0, 47), (3, -4, 5))
"""A pose at which two marching axes share the picture."""
CAMERA = looking_camera((48, 40), 3.0)


def smooth_volume(size: tuple[int, int, int] = (62, 58, 66), spacing: float = 1.6, turn: Any = (0, 0, 0)) -> Any:
    grid = centred_grid(size, spacing, turn)
    volume = voxelised(SMOOTH, size, grid)
    volume[volume < 3e-7] = 0
    return volume, grid


def bone_volume(spacing: float = 0.8, turn: Any = (0, 0, 0)) -> Any:
    grid = centred_grid((95, 95, 95), spacing, turn)
    return voxelised(BONE, (95, 95, 95), grid), grid


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(-180, 180), min_size=6, max_size=6), st.sampled_from(["smooth", "bone"]))
def test_it_agrees_with_joseph(angles: list[float], kind: str) -> None:
    """Within 0.3 %, and 0.5 % where two axes share, since Joseph's has one axis only."""
    volume, grid = smooth_volume(turn=angles[3:]) if kind == "smooth" else bone_volume(turn=angles[3:])
    pose = RigidPose.from_rotation(angles[:3], (3, -4, 5))
    joseph, projector = DrrProjector(volume, grid, shear_warp=False), DrrProjector(volume, grid)
    view = shear_warp_views.VoxelView.of(CAMERA, pose.matrix, projector._lps_to_voxel.numpy())
    alone = shear_warp_views.axis_weights(projector._shear_warp.middle - view.source).max() == 1
    assert relative_rms(projector(CAMERA, pose), joseph(CAMERA, pose)) < (0.003 if alone else 0.005)


@pytest.mark.parametrize(
    "pose", [POSE, SHARED, RigidPose.from_rotation((88, 10, 0))], ids=["plain", "shared", "turned"]
)
def test_the_compiled_engine_draws_the_same(pose: RigidPose) -> None:
    """Same lattice, same splines: what is left is rounding (measured 1e-6; of the derivatives 4e-4)."""
    pytest.importorskip("numba", reason="the compiled projector needs numba (pip install XRayTo3DLib[fast])")
    from XRayTo3DLib.projection.shear_warp import ShearWarpProjector

    volume, grid = bone_volume()
    motion = CentredMotion((2.0, -1.0, 3.0))
    ours, theirs = (
        kind(volume, grid).with_jacobian(CAMERA, pose, motion) for kind in (DrrProjector, ShearWarpProjector)
    )
    assert relative_rms(ours[0], theirs[0]) < 1e-5
    for one, other in zip(ours[1], theirs[1], strict=True):
        assert relative_rms(one, other) < 2e-3


@pytest.mark.parametrize("pose", [POSE, SHARED], ids=["plain", "shared"])
@pytest.mark.parametrize("kind", ["smooth", "bone"])
def test_derivatives_are_central_differences(kind: str, pose: RigidPose) -> None:
    """Median over the pixels that change by at least 1 % of the most; autograd gives the same numbers."""
    projector = DrrProjector(*(smooth_volume() if kind == "smooth" else bone_volume()))
    motion, step = CentredMotion(pose.apply((2.0, -1.0, 3.0))), 0.03 if kind == "smooth" else 0.01
    image, jacobian = projector.with_jacobian(CAMERA, pose, motion)
    errors = []
    for parameter, derivative in zip(np.eye(6), jacobian.numpy(), strict=True):
        after, before = (projector(CAMERA, motion.pose(sign * step * parameter, pose)) for sign in (1, -1))
        truth = (after.double() - before.double()).numpy() / (2 * step)
        seen = np.abs(truth) > 0.01 * np.abs(truth).max()
        errors.append(np.abs(derivative - truth)[seen] / np.abs(truth)[seen])
    assert np.median(np.concatenate(errors)) < 1e-3

    weights = torch.sin(0.1 * torch.arange(48.0) + 0.2 * torch.arange(40.0)[:, None])
    parameters = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    same = projector(CAMERA, motion(parameters) @ torch.tensor(pose.matrix.copy()))
    (same * weights).sum().backward()
    exact = (jacobian.double() * weights).sum(dim=(1, 2))
    assert torch.allclose(same.detach(), image, atol=1e-6)
    assert float((parameters.grad - exact).abs().max()) < 1e-4 * float(exact.abs().max())


def test_a_quarter_turn_without_a_jump() -> None:
    """Steps of 0.1 degrees across 45: no pixel leaves the line between its neighbours by 0.3 % of the range."""
    projector = DrrProjector(*smooth_volume((44, 40, 42), 2.4))
    camera = looking_camera((24, 20), 6.0, turn_deg=(0, 0, 0))
    angles = np.arange(38, 52.05, 0.1)
    images = np.stack([projector(camera, RigidPose.from_rotation((0, 0, angle))).numpy() for angle in angles])
    bend = np.abs(images[2:] - 2 * images[1:-1] + images[:-2]).max(axis=(1, 2)) / 2
    assert bend.max() <= 0.003 * images.max()


def test_it_leaves_to_joseph_what_it_cannot_do() -> None:
    volume, grid = smooth_volume()
    joseph, projector = DrrProjector(volume, grid, shear_warp=False), DrrProjector(volume, grid)
    wide = looking_camera((40, 40), 12.0, sdd=130.0, source_centre=48.0, turn_deg=(2, 3, 4), target=(0, 0, 0))
    image = projector(wide, RigidPose.identity())
    assert torch.equal(image, joseph(wide, RigidPose.identity())) and float(image.max()) > 0.05
    wanting = DrrProjector(torch.tensor(volume, requires_grad=True), grid)
    assert wanting._shear_warp is None and relative_rms(wanting(CAMERA, POSE).detach(), joseph(CAMERA, POSE)) < 1e-5
    with pytest.raises(InputError, match="one pose at a time"):
        projector.with_jacobian(CAMERA, np.stack([np.eye(4)] * 2), CentredMotion((0, 0, 0)))


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pixels and slices at a time, copies given up between axes: the same picture."""
    volume, grid = bone_volume(1.0)
    motion = CentredMotion((0, 0, 0))
    whole = DrrProjector(volume, grid).with_jacobian(CAMERA, SHARED, motion)
    monkeypatch.setattr(torch_shear_warp, "PIXELS_AT_ONCE", 100)
    monkeypatch.setattr(torch_shear_warp, "MEMORY_BYTES", 1)
    monkeypatch.setattr(torch_shear_warp_sums, "SLICES_AT_ONCE", 7)
    projector = DrrProjector(volume, grid)
    for one, other in zip(projector.with_jacobian(CAMERA, SHARED, motion), whole, strict=True):
        assert relative_rms(one, other) < 1e-5
    assert len(projector._shear_warp._stacks) == 1


def test_splines_go_through_their_samples() -> None:
    """The cut filter, whose weights add up to 1, leaves 0.3 %; slopes are those of the values."""
    generator = np.random.default_rng(5)
    rows, columns = np.meshgrid(np.arange(40), np.arange(30), indexing="ij")
    samples = torch.from_numpy(np.sin(0.4 * rows) * np.cos(0.3 * columns)).float()
    layers = splines.coefficients(samples.t().contiguous())[None]
    u, v = (
        torch.from_numpy(generator.integers(8, 22, 50)).double(),
        torch.from_numpy(generator.integers(8, 32, 50)).double(),
    )

    def at(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return splines.sample(layers, splines.value_pairs(u, 30), splines.value_pairs(v, 40))[0]

    assert torch.allclose(at(u, v), samples[v.long(), u.long()], atol=4e-3)
    u, v = u + torch.from_numpy(generator.random(50)), v + torch.from_numpy(generator.random(50))
    slope = splines.sample(layers, splines.slope_pairs(u, 30), splines.value_pairs(v, 40))[0]
    assert torch.allclose(slope, (at(u + 1e-2, v) - at(u - 1e-2, v)) / 2e-2, atol=1e-3)
    expected = torch.sin(0.4 * v) * -0.3 * torch.sin(0.3 * u)
    assert torch.allclose(slope.double(), expected, atol=3e-3)


def test_it_works_without_numba() -> None:
    """In a process that cannot import numba."""
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from XRayTo3DLib.geometry import RigidPose\n"
        "from XRayTo3DLib.geometry.calibration import standard_camera\n"
        "from XRayTo3DLib.projection.engines import engine_note, make_projector\n"
        "camera = standard_camera(1000.0, (2.0, 2.0), (20, 20), source_isocentre=900.0, view='PA')\n"
        "projector = make_projector(np.full((9, 9, 9), 0.01), np.eye(4))\n"
        "assert projector._shear_warp is not None\n"
        "assert float(projector(camera, RigidPose.identity()).max()) > 0.05\n"
        "print(engine_note())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch (install numba" in done.stdout
