"""Pictures lifted into volumes: the paper's replication written out, rays by themselves, sources that move away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import looking_camera
from scipy.ndimage import map_coordinates

from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.back_projection import ParallelView, back_projected, lifting_grid

GRID = VoxelGrid(32, 2.0, (3.0, 5.0, -4.0))
POINTS = GRID.points()
VIEWS = [CanonicalView(view, 32, 2.0, 1040.0, GRID.centre_mm) for view in ("AP", "LAT")]


def pictures(seed: int, size: int = 32, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 2, size, size, generator=torch.Generator().manual_seed(seed))


def grids_of(views: list[XRayCamera] | list[ParallelView]) -> torch.Tensor:
    return torch.stack([lifting_grid(view, POINTS) for view in views])


def parallel(size: int = 32) -> list[ParallelView]:
    """AP and lateral with one pixel per voxel: columns along x and y, rows downwards."""
    x, y, z = (axis[0] for axis in GRID.axes())
    top = z + 2.0 * (GRID.size - 1)
    pitch, first = GRID.extent_mm / size, GRID.extent_mm / size / 2 - 1.0
    down = np.array([0.0, 0.0, -1.0])
    ap = ParallelView(np.array([x + first, 0.0, top - first]), np.array([1.0, 0, 0]), down, (pitch,) * 2, (size,) * 2)
    lateral = replace(ap, origin=np.array([0.0, y + first, top - first]), column_direction=np.array([0.0, 1.0, 0]))
    return [ap, lateral]


def replicated(images: torch.Tensor) -> torch.Tensor:
    """The paper's: each picture repeated along its view's axis; (B, 2, Z, Y, X), z upwards."""
    ap, lateral = images.flip(2).unbind(dim=1)
    count = images.shape[-1]
    along_y = ap[:, :, None, :].expand(-1, -1, count, -1)
    along_x = lateral[:, :, :, None].expand(-1, -1, -1, count)
    return torch.stack([along_y, along_x], dim=1)


# ---- parallel views ---------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_perpendicular_parallel_views_are_the_paper_s_replication_to_the_last_bit(seed: int) -> None:
    images = pictures(seed)
    assert torch.equal(back_projected(images, grids_of(parallel())), replicated(images))


def test_pictures_of_another_size_are_replicated_after_bilinear_resizing() -> None:
    images = pictures(1, size=24)
    resized = torch.nn.functional.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    inner = (..., slice(1, -1), slice(1, -1), slice(1, -1))  # at the border resizing repeats what lies outside
    found = back_projected(images, grids_of(parallel(24)))
    torch.testing.assert_close(found[inner], replicated(resized)[inner], atol=2e-6, rtol=0)


def test_a_camera_taken_as_parallel_has_its_true_size_at_the_centre() -> None:
    for view, literal in zip(VIEWS, parallel(), strict=True):
        taken = ParallelView.of(view.camera(), view.centre_mm)
        assert np.allclose(taken.project(POINTS), literal.project(POINTS), atol=1e-9)
    turned = turned_camera(VIEWS[0].camera(), GRID.centre_mm, 25.0)
    middle = ParallelView.of(turned, GRID.centre_mm).project(GRID.centre_mm)
    assert np.allclose(middle, turned.project(GRID.centre_mm), atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 20.0])
def test_as_the_source_moves_away_the_calibrated_lift_becomes_the_parallel_one(turn: float) -> None:
    """The difference of both falls with one over the distance."""
    errors = []
    for source_mm in (1e4, 1e5, 1e6):
        cameras = [replace(view, source_mm=source_mm).camera() for view in VIEWS]
        cameras = [turned_camera(camera, GRID.centre_mm, turn) for camera in cameras]
        flat = [ParallelView.of(camera, GRID.centre_mm) for camera in cameras]
        errors.append(float((grids_of(cameras) - grids_of(flat)).abs().max()) * 16)  # pixels
    assert errors[0] == pytest.approx(10 * errors[1], rel=0.02)
    assert errors[2] < 0.002


# ---- calibrated views -------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    turn=st.tuples(*[st.floats(-60, 60)] * 3),
    columns=st.integers(9, 40),
    rows=st.integers(9, 40),
    seed=st.integers(0, 1000),
)
def test_a_voxel_takes_the_value_of_the_pixel_it_projects_to(
    turn: tuple[float, ...], columns: int, rows: int, seed: int
) -> None:
    """Against the camera's own projection and scipy's interpolation, for oblique cameras and pictures of any shape."""
    camera = looking_camera((columns, rows), 70.0 / columns).moved(RigidPose.from_rotation(turn, (2, -3, 4)).matrix)
    image = np.random.default_rng(seed).random((rows, columns)).astype(np.float32)
    points = np.random.default_rng(seed + 1).uniform(-25, 25, (4, 5, 6, 3))
    lifted = back_projected(torch.from_numpy(image)[None, None], lifting_grid(camera, points)[None])[0, 0]
    places = np.moveaxis(camera.project(points)[..., ::-1], -1, 0)
    expected = map_coordinates(image, places, order=1, mode="grid-constant")
    assert np.allclose(lifted.numpy(), expected, atol=2e-4)


def test_nothing_is_lifted_from_outside_a_picture_or_behind_its_source() -> None:
    camera = VIEWS[0].camera()
    beside = camera.source + np.array([[400.0, 500.0, 0.0], [0.0, -100.0, 0.0], [0.0, 0.0, 10.0]])
    behind = camera.source - camera.view_direction * np.array([[1.0], [900.0]])
    points = np.concatenate([beside, behind])[:, None, None]
    lifted = back_projected(torch.ones(1, 1, 32, 32), lifting_grid(camera, points)[None])
    assert torch.equal(lifted, torch.zeros_like(lifted))


def test_each_person_has_the_own_cameras_and_any_number_of_views_will_do() -> None:
    images = torch.cat([pictures(3), pictures(4)], dim=1)[:, :3]
    base = VIEWS[0].camera()
    cameras = [[turned_camera(base, GRID.centre_mm, turn) for turn in turns] for turns in ((0, 40, 80), (-9, 3, 120))]
    own = torch.stack([grids_of(each) for each in cameras])
    together = back_projected(images, own)
    assert together.shape == (2, 3, 32, 32, 32)
    for person in range(2):
        alone = [back_projected(images[person : person + 1, k : k + 1], own[person, k : k + 1]) for k in range(3)]
        assert torch.equal(together[person], torch.cat(alone, dim=1)[0])


def test_lifting_is_linear_and_its_gradient_the_adjoint() -> None:
    """<L x, v> = <x, L^T v>."""
    grids = grids_of([view.camera() for view in VIEWS])
    images, volume = pictures(5, batch=1).requires_grad_(), torch.rand(1, 2, 32, 32, 32)
    product = (back_projected(images, grids) * volume).sum()
    product.backward()
    assert images.grad is not None
    other = pictures(6, batch=1)
    expected = (back_projected(other, grids).double() * volume).sum()
    assert float((images.grad.double() * other).sum()) == pytest.approx(float(expected), rel=1e-5)


def test_a_grid_for_every_view_or_nothing() -> None:
    with pytest.raises(InputError, match="each view needs its own"):
        back_projected(pictures(1), grids_of([VIEWS[0].camera()]))
