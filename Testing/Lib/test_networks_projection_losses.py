"""Projection loss: gradient correlation against its formula written out, DRRs of probabilities, gradients to voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from phantoms_analytic import Gaussian, line_integrals, relative_rms, voxelised
from scipy.ndimage import binary_erosion, gaussian_filter, sobel

from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.networks.projection_losses import (
    SHELL_MM,
    image_gradients,
    inside_and_cortex,
    ngcc,
    projected,
    projection_loss,
    whole_rays,
)
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.registration.similarity import GradientCorrelation

Picture = NDArray[np.float64]
GRID = VoxelGrid(24, 3.0, (0.0, 5.0, 0.0))
CAMERAS = tuple(CanonicalView(view, 28, 3.2, 1000.0, GRID.centre_mm).camera() for view in ("AP", "LAT"))


def literal(a: Picture, b: Picture, seen: NDArray[np.bool_] | None = None) -> float:
    """1/2 [NCC(dx a, dx b) + NCC(dy a, dy b)], each gradient with mean 0 and variance 1 over the pixels that count."""
    counted = np.ones_like(a, dtype=bool) if seen is None else binary_erosion(seen, np.ones((3, 3)), border_value=1)
    found = []
    for axis in (1, 0):
        one, other = (sobel(each, axis=axis)[1:-1, 1:-1][counted[1:-1, 1:-1]] / 8 for each in (a, b))
        one, other = ((each - each.mean()) / each.std() for each in (one, other))
        found.append(float((one * other).mean()))
    return 0.5 * (found[0] + found[1])


def picture(seed: int, rows: int = 15, columns: int = 18) -> Picture:
    return np.random.default_rng(seed).standard_normal((rows, columns))


def shown(*pictures: Picture) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures))[:, None]


@settings(max_examples=20, deadline=None)
@given(a=st.integers(0, 999), b=st.integers(0, 999), share=st.floats(0, 0.95))
def test_ngcc_is_the_formula_s(a: int, b: int, share: float) -> None:
    one = picture(a)
    other = share * one + (1 - share) * picture(b)
    assert ngcc(shown(one, other), shown(other, one)).tolist() == pytest.approx([literal(one, other)] * 2, abs=1e-9)


def test_pixels_that_do_not_count_change_nothing() -> None:
    generator = np.random.default_rng(7)
    one, other = picture(1), picture(2)
    seen = np.ones(one.shape, dtype=bool)
    seen[:4], seen[7:9, 5:8] = False, False
    weights = shown(seen.astype(np.float64))
    expected = literal(one, other, seen)
    assert float(ngcc(shown(one), shown(other), weights)) == pytest.approx(expected, abs=1e-9)
    elsewhere = np.where(seen, one, generator.standard_normal(one.shape))
    assert float(ngcc(shown(elsewhere), shown(other), weights)) == pytest.approx(expected, abs=1e-9)
    assert float(ngcc(shown(one), shown(other))) != pytest.approx(expected, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-50, 50), seed=st.integers(0, 99))
def test_a_picture_under_gain_and_offset_is_like_itself(gain: float, offset: float, seed: int) -> None:
    one = shown(picture(seed))
    assert float(ngcc(one, gain * one + offset)) == pytest.approx(1.0, abs=1e-6)
    assert float(ngcc(one, -gain * one + offset)) == pytest.approx(-1.0, abs=1e-6)


def test_registration_s_gradient_correlation_says_the_same_of_shifted_pictures() -> None:
    """It takes derivatives of Gaussians; on smooth pictures that is nearly Sobel's."""
    noise = torch.from_numpy(np.random.default_rng(4).standard_normal((1, 1, 80, 80))).float()
    kernel = torch.exp(-(torch.arange(-9.0, 10.0) ** 2) / 18)
    smooth = torch.nn.functional.conv2d(noise, (kernel[:, None] * kernel)[None, None])[0, 0]
    fixed = smooth[8:54, 8:54]
    moved = torch.stack([smooth[8:54, 8 + k : 54 + k] for k in range(7)])
    theirs = GradientCorrelation(fixed, torch.ones_like(fixed))(moved)
    ours = ngcc(moved[:, None], fixed.expand(7, 1, 46, 46))
    assert np.allclose(ours.numpy(), theirs.numpy(), atol=0.03)
    assert float(ours[-1]) < 0.3


def test_gradient_of_ngcc_is_its_finite_difference() -> None:
    one, other = (shown(picture(seed, 7, 8)) for seed in (1, 2))
    assert torch.autograd.gradcheck(ngcc, (one.requires_grad_(), other.requires_grad_()))


def test_flat_pictures_are_like_nothing_and_pull_nowhere() -> None:
    flat = torch.full((1, 1, 9, 9), 3.0, requires_grad=True)
    value = ngcc(flat, shown(picture(3, 9, 9)).float())
    value.sum().backward()
    assert float(value.detach()) == pytest.approx(0.0, abs=1e-6)
    assert flat.grad is not None and bool(torch.isfinite(flat.grad).all())


def test_derivatives_of_a_ramp_are_its_slopes() -> None:
    ramp = 2.0 * torch.arange(8.0) - 3.0 * torch.arange(6.0)[:, None]
    across, down = image_gradients(ramp[None, None])[0]
    torch.testing.assert_close(across, torch.full((4, 6), 2.0))
    torch.testing.assert_close(down, torch.full((4, 6), -3.0))


# ---- projections of probabilities ---------------------------------------------------------------------------------


def two_clouds() -> tuple[torch.Tensor, list[Gaussian]]:
    """(1, 2, Z, Y, X) shares of voxels that two soft bones fill, and what they are."""
    shapes = [
        Gaussian((-6.0, 8.0, 5.0), (8.0, 6.0, 9.0), (0, 20, 30), 1.0),
        Gaussian((12.0, -3.0, -10.0), (7.0, 7.0, 7.0), (0, 0, 0), 1.0),
    ]
    filled = [voxelised([shape], (24, 24, 24), GRID.voxel_to_frame) for shape in shapes]
    return torch.from_numpy(np.stack(filled)).float()[None], shapes


def test_projections_add_up_what_rays_meet_of_every_bone() -> None:
    """Against line integrals in closed form."""
    filled, shapes = two_clouds()
    attenuation = torch.tensor([0.04, 0.06])
    found = projected(filled, attenuation, [CAMERAS], GRID.voxel_to_frame)[0].numpy()
    weighed = [replace(shape, value=mu) for shape, mu in zip(shapes, (0.04, 0.06), strict=True)]
    for image, camera in zip(found, CAMERAS, strict=True):
        assert relative_rms(image, line_integrals(weighed, camera)) < 0.02


def test_a_bone_outside_the_grid_casts_no_shadow() -> None:
    nothing = torch.zeros(1, 2, 24, 24, 24, requires_grad=True)
    found = projected(nothing, torch.tensor([0.04, 0.06]), [CAMERAS], GRID.voxel_to_frame)
    assert found.shape == (1, 2, 28, 28) and not found.any()
    projection_loss(found, torch.rand(1, 2, 28, 28)).backward()
    assert nothing.grad is not None and bool(torch.isfinite(nothing.grad).all())


def test_everybody_is_seen_by_the_own_cameras() -> None:
    filled, _ = two_clouds()
    both = filled.expand(2, -1, -1, -1, -1)
    swung = tuple(turned_camera(camera, GRID.centre_mm, 20.0) for camera in CAMERAS)
    attenuation = torch.tensor([0.04, 0.06])
    found = projected(both, attenuation, [CAMERAS, swung], GRID.voxel_to_frame)
    volume = torch.einsum("l,lzyx->zyx", attenuation, filled[0])
    for person, cameras in enumerate((CAMERAS, swung)):
        for view, camera in enumerate(cameras):
            alone = DrrProjector(volume, GRID.voxel_to_frame, shear_warp=False)(camera, RigidPose.identity())
            torch.testing.assert_close(found[person, view], alone, atol=1e-5, rtol=1e-5)
    assert float((found[0] - found[1]).abs().max()) > 0.1


def test_cortex_is_a_shell_under_the_surface() -> None:
    """Against scipy's blur; a hollow ball is told from a full one."""
    filled, _ = two_clouds()
    parts = inside_and_cortex(filled, 3.0)[0].numpy()
    for bone, (whole, cortex) in zip(filled[0].numpy(), parts, strict=True):
        assert np.array_equal(whole, bone)
        blurred = gaussian_filter(bone.astype(np.float64), SHELL_MM / 3.0, mode="nearest", truncate=3.0)
        assert np.allclose(cortex, bone * (1 - blurred), atol=2e-3)
    flat = torch.zeros(1, 1, 12, 12, 24)
    flat[..., 12:] = 1.0
    cortex = inside_and_cortex(flat, 1.0)[0, 0, 1, 6, 6]
    assert bool((cortex[:12] == 0).all()) and float(cortex[12]) == pytest.approx(0.4, abs=0.03)
    assert bool((cortex[12:16].diff() < 0).all()) and float(cortex[18:].abs().max()) < 1e-5


def test_cortex_adds_to_what_is_projected() -> None:
    filled, _ = two_clouds()
    whole, cortex = torch.tensor([0.03, 0.05]), torch.tensor([0.1, 0.0])
    both = projected(filled, torch.stack([whole, cortex], dim=1), [CAMERAS], GRID.voxel_to_frame)
    shell = inside_and_cortex(filled, 3.0)[:, :, 1]
    apart = [projected(*each, [CAMERAS], GRID.voxel_to_frame) for each in ((filled, whole), (shell, cortex))]
    torch.testing.assert_close(both, apart[0] + apart[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("turn", [0.0, 35.0])
def test_whole_rays_cross_the_grid_from_side_to_side(turn: float) -> None:
    """A tower that goes on above and below the grid looks the same with and without what was cut, in those rays only.

    The tower fills the grid's cross section, so that every ray through the grid's ends meets some of it outside.
    """
    camera = turned_camera(CanonicalView("AP", 40, 3.2, 260.0, GRID.centre_mm).camera(), GRID.centre_mm, turn)
    tall = np.ones((3 * 24, 24, 24), dtype=np.float32)
    to_frame = GRID.voxel_to_frame.copy()
    to_frame[2, 3] -= 24 * GRID.spacing_mm
    pictures = [
        DrrProjector(volume, matrix)(camera, RigidPose.identity()).numpy()
        for volume, matrix in ((tall, to_frame), (tall[:24], GRID.voxel_to_frame))
    ]
    whole = whole_rays(camera, GRID.voxel_to_frame, (24, 24, 24))
    cut = np.abs(pictures[0] - pictures[1])
    assert 0.3 < whole.mean() < 0.9
    # The border's air that a projector puts round a volume takes up to two voxels of 3 mm from a ray.
    assert float(cut[whole].max()) < 6.0 and float(np.median(cut[whole])) < 0.1
    assert float(cut[~whole].max()) > 20.0
    met = pictures[0] > 6.0  # more than the edge of the tower
    assert float((cut[~whole & met] > 0.5).mean()) > 0.9


def test_projection_loss_falls_where_its_gradient_says_and_is_lowest_at_the_truth() -> None:
    filled, _ = two_clouds()
    attenuation = torch.tensor([0.04, 0.06])
    images = projected(filled, attenuation, [CAMERAS], GRID.voxel_to_frame)

    def loss(volume: torch.Tensor) -> torch.Tensor:
        return projection_loss(projected(volume, attenuation, [CAMERAS], GRID.voxel_to_frame), 3.0 * images + 0.5)

    assert float(loss(filled)) == pytest.approx(-2.0, abs=1e-4)  # both views perfect
    start = (0.7 * filled.roll(2, dims=4) + 0.1).requires_grad_()
    before = loss(start)
    before.backward()
    assert start.grad is not None
    step = 1e-2 / float(start.grad.norm())
    with torch.no_grad():
        after = loss(start - step * start.grad)
    expected = -step * float(start.grad.square().sum())
    assert float(after - before.detach()) == pytest.approx(expected, rel=0.1)
