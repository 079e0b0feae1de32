"""TL-net's code as a shape model: a decoder written down in closed form, slopes by differences, a tiny real net."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from shape_intensity_cases import three_cameras
from torch import Tensor, nn

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.tl_net.code_model import CodeModel
from XRayTo3DLib.methods.tl_net.code_model_building import build_code_model
from XRayTo3DLib.networks.tl_net import VoxelDecoder
from XRayTo3DLib.projection.point_mass_drr import PointMassView
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.refine import refine_steps
from XRayTo3DLib.shape.meshes import points_of, transformed
from XRayTo3DLib.shape.surface_distance import surface_distance

GRID = VoxelGrid(16, 2.0, (4.0, -2.0, 1.0))
MIDDLES = np.array([[-4.0, -2.0, 1.0], [12.0, -2.0, 1.0]])
MU = 0.05


class TwoBalls(nn.Module):
    """Codes (B, 2) are the radii of two spheres less 5 mm; a voxel's logits fall by 3 per mm from their surfaces."""

    def forward(self, code: Tensor) -> Tensor:
        """(B, 3, Z, Y, X)."""
        points = torch.as_tensor(GRID.points(), dtype=torch.float32)
        away = torch.stack([(points - torch.as_tensor(each).float()).norm(dim=-1) for each in MIDDLES])
        bones = 3.0 * (5.0 + code[:, :, None, None, None] - away)
        return torch.cat([torch.zeros_like(bones[:, :1]), bones], dim=1)


def codes(count: int = 12) -> np.ndarray:
    """People: the second ball varies less."""
    return np.random.default_rng(0).normal(size=(count, 2)) * [1.0, 0.4]


@functools.cache
def balls() -> CodeModel:
    away = np.linalg.norm(GRID.points()[..., None, :] - MIDDLES, axis=-1)
    shares = [1 / (1 + np.exp(-3.0 * (5.0 + code - away))) for code in codes()]
    attenuation = MU * np.stack([each.max(axis=-1) for each in shares])
    return build_code_model(
        TwoBalls(), GRID, ("left", "right"), codes(), attenuation, shape_modes=2, density_modes=1
    ).model


def test_modes_are_the_principal_components_of_codes() -> None:
    model = balls()
    spread = np.cov(codes().T)
    assert model.mean_code == pytest.approx(codes().mean(axis=0), abs=1e-6)
    assert model.code_modes.T @ model.code_modes == pytest.approx(spread, abs=1e-6)


def test_bones_have_the_radii_that_the_code_says() -> None:
    model = balls()
    theta = [0.8, -0.6]
    radii = 5.0 + model.mean_code + np.array(theta) @ model.code_modes
    carried = np.split(model.surface_points(theta), [len(points_of(model.surfaces()["left"]))])
    for number, (bone, surface) in enumerate(model.surfaces(theta).items()):
        assert bone == model.bones[number]
        for points in (points_of(surface), carried[number]):
            assert np.linalg.norm(points - MIDDLES[number], axis=1) == pytest.approx(radii[number], abs=0.12)
    volume = 4 / 3 * np.pi * (radii**3).sum()
    assert model.instance(theta).masses.sum() == pytest.approx(MU * volume, rel=0.06)
    assert model.triangles.max() == len(model.surface_points()) - 1


def test_surfaces_move_as_the_radii_do() -> None:
    model = balls()
    theta = [0.4, 0.3]
    points = model.surface_points(theta)
    first = len(points_of(model.surfaces()["left"]))
    moves = model.surface_moves(theta)
    for number, part in enumerate((slice(0, first), slice(first, None))):
        outward = points[part] - MIDDLES[number]
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        for mode in range(2):
            wanted = model.code_modes[mode, number]
            assert np.einsum("nd,nd->n", moves[mode, part], outward) == pytest.approx(wanted, rel=0.08, abs=0.01)


@functools.cache
def tiny() -> CodeModel:
    torch.manual_seed(0)
    decoder = VoxelDecoder(2, 16, 6, channels=4, depth=1).eval()
    people = np.random.default_rng(1).normal(size=(9, 6)) * 2.0
    attenuation = np.random.default_rng(2).uniform(0.0, 0.1, (9, 16, 16, 16))
    return build_code_model(decoder, GRID, ("a", "b"), people, attenuation, shape_modes=4, density_modes=2).model


@pytest.mark.parametrize("model", [balls, tiny])
def test_slopes_of_masses(model) -> None:
    model = model()
    rng = np.random.default_rng(3)
    theta, phi = rng.normal(size=model.size), rng.normal(size=model.density_size)
    found = model.instance(theta, phi)
    assert found.moves is None and found.by_shape.shape == (len(found.points), model.size)
    for number, step in enumerate(0.05 * np.eye(model.size)):
        slope = (model.instance(theta + step, phi).masses - model.instance(theta - step, phi).masses) / 0.1
        # A net's slopes jump where a PReLU does: a few voxels may differ, all together may not.
        assert np.linalg.norm(found.by_shape[:, number] - slope) < 0.06 * np.linalg.norm(slope)
    largest = float(np.abs(found.masses).max())
    assert model.instance(theta).masses + found.by_density @ phi == pytest.approx(found.masses, abs=1e-5 * largest)


def test_a_refinement_takes_it() -> None:
    """Radiographs that the model itself draws lead back to the shape and pose they were drawn of."""
    model, pose = balls(), RigidPose.from_rotation([0.0, 0.0, 0.0], [1.0, -0.5, 0.5])
    anatomy = Anatomy(
        {model.label: model},
        {model.label: RigidPose.identity()},
        independent({model.label: (2, 1)}, {model.label: PosePrior((0.5,) * 3, (2.0,) * 3)}),
    )
    drawn = model.instance([1.0, -1.0])
    views = [
        View(PointMassView.of(camera, pose.apply(drawn.points)).picture(drawn.masses), camera)
        for camera in three_cameras(24, 2.2)[:2]
    ]
    levels = (Level(2.0, 6.0, 1, False, 2, 1, False, 20),)
    placed = list(refine_steps(anatomy, views, RefineOptions(1e4, levels=levels, draws=0)))[-1].state.bones[model.label]
    off = []
    for theta, where in (([], RigidPose.identity()), (placed.theta, placed.pose)):
        for bone, truth in model.surfaces([1.0, -1.0]).items():
            pair = transformed(truth, pose.matrix), transformed(model.surfaces(theta)[bone], where.matrix)
            off.append(surface_distance(*pair, samples=2000).assd)
    assert max(off[:2]) > 0.8 and max(off[2:]) < 0.4


def test_larger_cubes_hold_as_much() -> None:
    model = balls()
    thin = model.thinned(2, 1, 0)
    assert (thin.size, thin.density_size, thin.part_mm) == (1, 0, 4.0)
    whole = model.thinned(1, 1, 0).instance([0.5]).masses.sum()
    assert thin.instance([0.5]).masses.sum() == pytest.approx(whole, rel=0.1)
    assert thin.thinned(1, 0, 0).instance().by_shape.shape == (len(thin.parts), 0)
    assert model.middle == pytest.approx(model.surface_points().mean(axis=0), abs=0.05)


class Rod(nn.Module):
    """Codes (B, 1): the radius less 5 mm of a rod along x, from end to end of the grid."""

    def forward(self, code: Tensor) -> Tensor:
        """(B, 2, Z, Y, X)."""
        points = torch.as_tensor(GRID.points(), dtype=torch.float32)
        away = (points[..., 1:] - torch.tensor([-2.0, 1.0])).norm(dim=-1)
        bone = 3.0 * (5.0 + code[:, :, None, None, None] - away)
        return torch.cat([torch.zeros_like(bone), bone], dim=1)


def test_bones_go_on_past_the_grid() -> None:
    """A rod of 32 mm goes on for 8 mm at both ends; nothing is added where no bone runs out."""
    attenuation = MU * np.ones((6, 16, 16, 16))
    made = [
        build_code_model(Rod(), GRID, ("rod",), codes(6)[:, :1], attenuation, shape_modes=1, past_mm=past).model
        for past in (0.0, 8.0)
    ]
    whole, longer = (model.instance([0.5]) for model in made)
    assert longer.masses.sum() == pytest.approx(whole.masses.sum() * 48 / 32, rel=1e-4)
    assert longer.by_shape.sum() == pytest.approx(whole.by_shape.sum() * 48 / 32, rel=1e-3)
    reach = [model.points[:, 0].astype(float) for model in made]
    assert reach[1].min() == pytest.approx(reach[0].min() - 8) and reach[1].max() == pytest.approx(reach[0].max() + 8)
    assert np.ptp(made[1].points[:, 1:], axis=0) == pytest.approx(np.ptp(made[0].points[:, 1:], axis=0))
    assert len(np.unique(np.round(made[1].points, 2), axis=0)) == len(made[1].points)


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="do not fit"):
        build_code_model(TwoBalls(), GRID, ("a", "b"), codes(), np.zeros((3, 16, 16, 16)))
    with pytest.raises(InputError, match="coefficients for 2 modes"):
        balls().instance([0.0] * 3)
    with pytest.raises(InputError, match="nothing is left"):
        balls().thinned(40, 1, 1)
