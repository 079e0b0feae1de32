"""Dice on the grid against closed forms and MONAI; distances told apart by direction."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import vtk_sphere

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import directed_numbers, outcomes_of
from XRayTo3DLib.evaluation.volume_measures import background_dice, dice, filled_voxels, voxels_of, with_dice
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.shape.field_surface import clipped_to_box, surface_from_field
from XRayTo3DLib.shape.meshes import triangulated

GRID = VoxelGrid(48, 1.0, (5.0, -3.0, 2.0))


def sphere(radius: float, centre=GRID.centre_mm, fine: int = 48):
    return triangulated(vtk_sphere(radius, 2 * fine, fine, centre))


def ball(radius: float, centre=GRID.centre_mm) -> np.ndarray:
    """Minus the signed distance on the grid."""
    return (radius - np.linalg.norm(GRID.points() - np.asarray(centre), axis=-1)).astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_dice_is_monais(seed: int, one: float, two: float) -> None:
    import torch
    from monai.metrics import DiceMetric

    random = np.random.default_rng(seed)
    first, second = random.random((5, 6, 7)) < one, random.random((5, 6, 7)) < two
    peer = DiceMetric(include_background=True)(torch.tensor(first)[None, None], torch.tensor(second)[None, None])
    assert dice(first, second) == pytest.approx(float(peer), abs=1e-6)
    assert dice(first, second) == dice(second, first)


def test_dice_of_nothing_and_of_other_sizes() -> None:
    nothing, something = np.zeros((2, 2)), np.eye(2)
    assert math.isnan(dice(nothing, nothing)) and dice(nothing, something) == 0 and dice(something, something) == 1
    with pytest.raises(InputError, match="cannot be compared"):
        dice(nothing, np.zeros((2, 3)))


def test_concentric_spheres_have_the_dice_of_their_volumes() -> None:
    wanted = 2 * 15**3 / (15**3 + 17**3)
    assert dice(voxels_of(sphere(15), GRID), voxels_of(sphere(17), GRID)) == pytest.approx(wanted, abs=0.01)
    assert voxels_of(sphere(15), GRID).sum() == pytest.approx(4 / 3 * math.pi * 15**3, rel=0.01)


@pytest.mark.parametrize("centre", [(5, -3, 2), (26, -3, 2), (26, 18, 23)])
def test_a_bone_that_the_grid_cuts_is_filled_up_to_the_border(centre) -> None:
    """Inside, by a side and by a corner: a surface which a corner cuts has no inside of its own."""
    values = np.stack([ball(12, centre), ball(6, centre)])
    shapes = ShapeFields(values, 0.0, GRID)
    meshes = {"a": surface_from_field(values[0], GRID.voxel_to_frame, 0.0)}
    assert np.array_equal(filled_voxels(shapes, meshes, ("a", "b"), GRID)["a"], values[0] > 0)


def test_specks_beside_a_bone_are_not_filled() -> None:
    values = np.maximum(ball(10), ball(3, (20, 10, 12)))[None]
    meshes = {"a": surface_from_field(values[0], GRID.voxel_to_frame, 0.0)}
    assert np.array_equal(filled_voxels(ShapeFields(values, 0.0, GRID), meshes, ("a",), GRID)["a"], ball(10) > 0)


def test_meshes_are_filled_and_a_stand_in_takes_its_place() -> None:
    shapes = ShapeFields(np.stack([ball(10), np.full((48,) * 3, -1, np.float32)]), 0.0, GRID)
    meshes = {"a": surface_from_field(shapes.values[0], GRID.voxel_to_frame, 0.0), "lost": sphere(8)}
    filled = filled_voxels(shapes, meshes, ("a", "lost"), GRID)
    assert np.array_equal(filled["a"], ball(10) > 0) and np.array_equal(filled["lost"], voxels_of(sphere(8), GRID))
    assert np.array_equal(filled_voxels(meshes, meshes, ("a", "lost"), GRID)["lost"], filled["lost"])


def test_each_bone_gets_its_dice_and_a_lost_one_none() -> None:
    truth = {"a": sphere(15), "b": sphere(4, (22, 10, 12)), "c": sphere(5)}
    outcomes = outcomes_of(truth, {"a": sphere(14), "b": truth["b"]}, case="k", method="m", samples=200)
    filled = {"a": voxels_of(sphere(14), GRID), "b": voxels_of(truth["b"], GRID)}
    found = {o.bone: o for o in with_dice(outcomes, truth, filled, GRID)}
    assert found["a"].dice == pytest.approx(2 * 14**3 / (14**3 + 15**3), abs=0.01)
    assert found["b"].dice == 1 and found["c"].dice == 0 and found["c"].empty
    assert [replace(o, dice=math.nan).assd_mm for o in found.values()][:2] == [o.assd_mm for o in outcomes][:2]


def test_near_the_grids_border_nothing_counts() -> None:
    truth = {"a": sphere(9, (26, -3, 2))}
    inner = voxels_of(truth["a"], GRID).copy()
    wrong = inner.copy()
    wrong[:, :, -3:] = False
    outcomes = outcomes_of(truth, truth, case="k", method="m", samples=100)
    assert with_dice(outcomes, truth, {"a": wrong}, GRID)[0].dice < 0.95
    assert with_dice(outcomes, truth, {"a": wrong}, GRID, 2.5)[0].dice == 1


def test_the_background_is_what_no_bone_fills() -> None:
    truth = {"a": sphere(12), "b": sphere(6, (5, -3, 18))}
    filled = {"a": voxels_of(sphere(10), GRID)}
    free = 48**3 - np.count_nonzero(voxels_of(truth["a"], GRID) | voxels_of(truth["b"], GRID))
    other = 48**3 - np.count_nonzero(filled["a"])
    both = free - np.count_nonzero(filled["a"] & ~voxels_of(truth["a"], GRID) & ~voxels_of(truth["b"], GRID))
    assert background_dice(truth, filled, GRID) == pytest.approx(2 * both / (free + other), abs=1e-12)


def test_the_two_directions_of_the_chamfer_distance_are_told_apart() -> None:
    """Half a sphere: all of it lies on the whole one, whose other half is far from it."""
    whole = sphere(20, (0, 0, 0))
    half = clipped_to_box(whole, np.array([-30.0, -30, 0]), np.array([30.0, 30, 30]))
    found = directed_numbers(whole, half, samples=4000)
    assert found.to_truth_mm < 0.01
    # Of a point of the lower half the nearest is on the rim: distance 2 R sin(angle / 2), averaged over the half.
    angle = np.linspace(0, math.pi / 2, 2001)
    far = np.trapezoid(2 * 20 * np.sin(angle / 2) * np.cos(angle), angle)
    assert found.from_truth_mm == pytest.approx(far / 2, rel=0.02)
    assert found.assd_mm == (found.to_truth_mm + found.from_truth_mm) / 2
