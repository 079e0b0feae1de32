"""The compiled projector: against closed forms and the torch engine, its derivatives, its smoothness, its limits."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phantoms_analytic import (
    LIMB,
    SMOOTH_LIMB,
    Ellipsoid,
    Gaussian,
    centred_grid,
    line_integrals,
    looking_camera,
    relative_rms,
    voxelised,
)
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection import engines
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.registration.motion import CentredMotion

pytest.importorskip("numba", reason="the compiled projector needs numba (pip install XRayTo3DLib[fast])")
from XRayTo3DLib.projection import shear_warp, shear_warp_views  # noqa: E402
from XRayTo3DLib.projection.shear_warp import ShearWarpProjector  # noqa: E402

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
CAMERA = looking_camera((48, 40), 3.0)


def smooth_volume(size: tuple[int, int, int] = (72, 64, 68), spacing: Any = 1.5, turn: Any = (0, 0, 0)) -> Any:
    """Two soft blobs in air: nothing below 1e-5 of a blob's height."""
    grid = centred_grid(size, spacing, turn)
    volume = voxelised(SMOOTH, size, grid)
    volume[volume < 3e-7] = 0
    return volume, grid


def bone_volume(spacing: Any = 0.8, turn: Any = (0, 0, 0)) -> Any:
    size = tuple(int(n) for n in np.ceil(76 / np.broadcast_to(spacing, 3)))
    grid = centred_grid(size, spacing, turn)
    return voxelised(BONE, size, grid), grid


def joseph(volume: Any, grid: Any) -> DrrProjector:
    """The torch engine without its shear-warp: another method altogether."""
    return DrrProjector(volume, grid, shear_warp=False)


def drawn(volume: Any, grid: Any, camera: XRayCamera = CAMERA, pose: Any = POSE) -> np.ndarray:
    """The compiled projector's picture, which it must have made itself."""
    projector = ShearWarpProjector(volume, grid)
    image = projector(camera, pose).numpy()
    assert projector.fallbacks == 0
    return image


# ---- against the torch engine -----------------------------------------------------------------------------------


@st.composite
def exposures(draw: st.DrawFn) -> tuple[XRayCamera, RigidPose, Any]:
    """Any view of a bone: oblong pixels, off centre, tilted or mirrored detector, any pose; and the grid's rotation."""
    number = st.floats(-1, 1, allow_nan=False)
    angles = [180 * draw(number) for _ in range(3)]
    distance = 620 + 150 * draw(number)
    camera = looking_camera(
        (draw(st.integers(40, 90)), draw(st.integers(40, 90))),
        2.0 + draw(number),
        sdd=distance + 300 + 180 * draw(number),
        source_centre=distance,
        turn_deg=angles,
        target=[15 * draw(number) for _ in range(3)],
    )
    tilt = Rotation.from_rotvec([15 * draw(number) for _ in range(3)], degrees=True).as_matrix()
    mirror = draw(st.sampled_from([-1.0, 1.0]))
    column, row = tilt @ camera.column_direction * mirror, tilt @ camera.row_direction
    spacing = (camera.spacing[0], camera.spacing[1] * (1 + 0.4 * draw(number)))
    corner = np.array(spacing) * (np.array(camera.size) - 1) / 2
    origin = camera.centre - column * corner[0] - row * corner[1]
    camera = XRayCamera(camera.source, origin, column, row, spacing, camera.size)
    pose = RigidPose.from_rotation([90 * draw(number) for _ in range(3)], [10 * draw(number) for _ in range(3)])
    return camera, pose, [180 * draw(number) for _ in range(3)]


def torch_picture(volume: Any, grid: Any, camera: XRayCamera, pose: RigidPose) -> tuple[np.ndarray, float]:
    """What the torch engine draws, and its limit: where two axes share ours, torch's single one may differ more."""
    projector = ShearWarpProjector(volume, grid)
    view = shear_warp_views.VoxelView.of(camera, pose.matrix, projector._lps_to_voxel)
    alone = shear_warp_views.axis_weights(projector._middle - view.source).max() == 1
    return joseph(volume, grid)(camera, pose).numpy(), 0.003 if alone else 0.005


@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(exposures(), st.sampled_from(["smooth", "bone"]), st.booleans())
def test_both_engines_agree(exposure: Any, kind: str, oblong: bool) -> None:
    """Of 150: smooth median 0.05 %, most 0.14 %; bone 0.14 %, most 0.28 %, and 0.41 % where two axes share."""
    camera, pose, turn = exposure
    if kind == "smooth":
        volume, grid = smooth_volume((62, 58, 66), (1.5, 1.6, 1.3) if oblong else 1.5, turn)
    else:
        volume, grid = bone_volume((0.7, 0.8, 0.6) if oblong else 0.8, turn)
    truth, limit = torch_picture(volume, grid, camera, pose)
    image = drawn(volume, grid, camera, pose).astype(float)
    assert np.sqrt(np.mean((image - truth) ** 2)) <= limit * np.sqrt(np.mean(truth**2))


@pytest.mark.parametrize("oversampling", [1.0, 1.5, 3.0])
def test_more_oversampling_comes_nearer_to_torch(oversampling: float) -> None:
    """Measured 0.72, 0.38 and 0.12 % on a bone in 0.8 mm voxels."""
    volume, grid = bone_volume()
    image = ShearWarpProjector(volume, grid, oversampling)(CAMERA, POSE)
    assert relative_rms(image, joseph(volume, grid)(CAMERA, POSE)) < {1.0: 0.015, 1.5: 0.007, 3.0: 0.002}[oversampling]


@pytest.mark.parametrize("shapes", [SMOOTH_LIMB, LIMB], ids=["smooth", "sharp"])
@pytest.mark.parametrize("turn", [(7.0, 11.0, 4.0), (30.0, 20.0, 4.0), (0.0, 0.0, 0.0)])
def test_no_further_from_the_truth_than_torch(shapes: Any, turn: Any) -> None:
    size = (128, 128, 128)
    grid, camera = centred_grid(size, 204.8 / 128), looking_camera((128, 128), 300 / 128, turn_deg=turn)
    volume, truth, pose = voxelised(shapes, size, grid), line_integrals(shapes, camera), RigidPose.identity()
    with torch.no_grad():
        reference = relative_rms(joseph(volume, grid)(camera, pose), truth)
    assert relative_rms(drawn(volume, grid, camera, pose), truth) <= 1.02 * reference


# ---- any grid, beam and detector ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1, 2)])
def test_a_flipped_volume_gives_the_same_picture(axes: tuple[int, ...]) -> None:
    volume, grid = smooth_volume()
    turned = grid.copy()
    for axis in axes:
        turned[:3, 3] += turned[:3, 2 - axis] * (volume.shape[axis] - 1)
        turned[:3, 2 - axis] *= -1
    # The lattice lies at other places between the voxels.
    assert relative_rms(drawn(np.flip(volume, axes), turned), drawn(volume, grid)) < 1e-3


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_a_permuted_volume_gives_the_same_picture(order: tuple[int, int, int]) -> None:
    volume, grid = smooth_volume()
    turned = grid.copy()
    turned[:3, :3] = grid[:3, :3][:, [2 - order[2 - column] for column in range(3)]]
    assert relative_rms(drawn(volume.transpose(order), turned), drawn(volume, grid)) < 1e-5


@pytest.mark.parametrize("window", [(0, 0, 10, 40), (20, 15, 9, 7), (-5, -8, 40, 30), (23, 19, 1, 1)])
def test_a_cropped_detector_sees_the_same(window: tuple[int, int, int, int]) -> None:
    """Also where the detector's edge runs through the bone."""
    column, row, columns, rows = window
    volume, grid = smooth_volume()
    whole = np.pad(drawn(volume, grid), 20)[20 + row : 20 + row + rows, 20 + column : 20 + column + columns]
    seen = drawn(volume, grid, CAMERA.cropped(*window))
    inside = np.s_[max(0, -row) :, max(0, -column) :]
    assert np.abs(seen[inside] - whole[inside]).max() < 1e-5


def test_oblong_pixels_and_a_mirrored_detector() -> None:
    camera = replace(CAMERA, column_direction=-CAMERA.column_direction, spacing=(2.0, 3.0))
    camera = replace(camera, origin=camera.origin + CAMERA.column_direction * 110.0)
    assert relative_rms(drawn(*smooth_volume(), camera), line_integrals(SMOOTH, camera, POSE)) < 0.01


def test_a_batch_of_poses_is_the_single_ones() -> None:
    projector = ShearWarpProjector(*smooth_volume())
    poses = [POSE, RigidPose.identity(), RigidPose.from_rotation((0, 90, 0))]
    batch = projector(CAMERA, np.stack([pose.matrix for pose in poses]))
    assert batch.shape == (3, 40, 48) and batch.dtype == torch.float32
    for image, pose in zip(batch, poses, strict=True):
        assert torch.equal(image, projector(CAMERA, pose))


def test_threads_change_nothing() -> None:
    projector, motion = ShearWarpProjector(*smooth_volume()), CentredMotion((0, 0, 0))
    alone = projector.with_jacobian(CAMERA, POSE, motion)
    torch.set_num_threads(3)
    for one, many in zip(alone, projector.with_jacobian(CAMERA, POSE, motion), strict=True):
        assert torch.equal(one, many)


@pytest.mark.parametrize("shift", [(900, 0, 0), (0, 0, -900)], ids=["beside", "below"])
def test_a_bone_outside_the_beam_leaves_no_shadow(shift: tuple[float, float, float]) -> None:
    away = RigidPose.from_rotation((0, 0, 0), shift)
    projector = ShearWarpProjector(*smooth_volume())
    image, jacobian = projector.with_jacobian(CAMERA, away, CentredMotion((0, 0, 0)))
    assert image.shape == (40, 48) and jacobian.shape == (6, 40, 48)
    assert not image.any() and not jacobian.any() and not projector(CAMERA, away).any()


# ---- empty space --------------------------------------------------------------------------------------------------


def test_skipping_empty_space_changes_nothing() -> None:
    """Two bones far apart and a cavity; a volume that is nowhere quite zero has nothing to skip."""
    size = (60, 90, 70)
    grid = centred_grid(size, 1.4)
    shapes = (
        Ellipsoid((-25, -40, 5), (12, 9, 30), (20, 5, 30), 0.04),
        Ellipsoid((24, 38, -12), (10, 12, 20), (-10, 15, 0), 0.05),
        Ellipsoid((24, 38, -12), (6, 8, 14), (-10, 15, 0), -0.05),
    )
    volume = voxelised(shapes, size, grid)
    volume[volume < 1e-6] = 0
    volume[0, 0, 0] = volume[-1, -1, -1] = 1e-9  # the filled box, and with it the lattice, are the same for both
    assert np.mean(volume == 0) > 0.9
    camera = looking_camera((80, 70), 2.5)
    for turn in ((0, 0, 0), (90, 0, 0), (0, 0, 80), (40, 30, 45)):
        pose = RigidPose.from_rotation(turn)
        image = drawn(volume, grid, camera, pose)
        assert image.max() > 0.5
        assert np.abs(image - drawn(volume + np.float32(1e-9), grid, camera, pose)).max() < 1e-5


def test_one_voxel_is_found_wherever_it_lies() -> None:
    """A single voxel's picture sums up to what torch's does, in every block and at every border."""
    generator, camera = np.random.default_rng(3), looking_camera((70, 70), 3.0)
    for place in [(0, 0, 0), (17, 18, 19), (0, 18, 7), *generator.integers(0, (18, 19, 20), (5, 3)).tolist()]:
        volume = np.zeros((18, 19, 20), np.float32)
        volume[tuple(place)] = 1.0
        grid = centred_grid((20, 19, 18), 5.0)
        expected = float(joseph(volume, grid)(camera, POSE).double().sum())
        assert expected > 10
        assert float(drawn(volume, grid, camera).sum()) == pytest.approx(expected, rel=0.02)


# ---- derivatives --------------------------------------------------------------------------------------------------


def central_differences(projector: Any, pose: RigidPose, motion: CentredMotion, step: float) -> np.ndarray:
    """(6, rows, columns) per degree and mm."""
    found = []
    for parameter in np.eye(6):
        after, before = (projector(CAMERA, motion.pose(sign * step * parameter, pose)) for sign in (1, -1))
        found.append((after.double() - before.double()).numpy() / (2 * step))
    return np.stack(found)


SHARED_TURN = (0, 0, 47)
"""A pose at which two marching axes share the picture."""


@pytest.mark.parametrize(("kind", "step"), [("smooth", 0.03), ("bone", 0.01)])
@pytest.mark.parametrize("turn", [(12, -7, 20), SHARED_TURN, (88, 10, 0), (0, 0, 90)])
def test_the_jacobian_is_the_central_difference(kind: str, step: float, turn: Any) -> None:
    """Median over the pixels that change by at least 1 % of the most.

    Measured 2e-4 and 5e-4: rounding in the two float32 pictures and kinks of the linear interpolation between voxels.
    """
    projector = ShearWarpProjector(*(smooth_volume() if kind == "smooth" else bone_volume()))
    pose = RigidPose.from_rotation(turn, (3, -4, 5))
    motion = CentredMotion(pose.apply((2.0, -1.0, 3.0)))
    image, jacobian = projector.with_jacobian(CAMERA, pose, motion)
    assert torch.allclose(image, projector(CAMERA, pose), atol=1e-5)
    errors = []
    for derivative, truth in zip(jacobian.numpy(), central_differences(projector, pose, motion, step), strict=True):
        seen = np.abs(truth) > 0.01 * np.abs(truth).max()
        errors.append(np.abs(derivative - truth)[seen] / np.abs(truth)[seen])
        assert np.median(errors[-1]) < 4e-3
    assert np.median(np.concatenate(errors)) < 1e-3
    assert projector.fallbacks == 0


def test_one_of_these_poses_is_shared_by_two_axes() -> None:
    projector = ShearWarpProjector(*smooth_volume())
    pose = RigidPose.from_rotation(SHARED_TURN, (3, -4, 5))
    view = shear_warp_views.VoxelView.of(CAMERA, pose.matrix, projector._lps_to_voxel)
    towards = projector._middle - view.source
    assert 0.3 < shear_warp_views.axis_weights(towards).max() < 0.7


@pytest.mark.parametrize("towards", [(500.0, 480.0, 20.0), (300.0, 310.0, 320.0), (-400.0, 405.0, 395.0)])
def test_derivatives_of_the_shares(towards: Any) -> None:
    towards, by_parameter = np.array(towards), np.random.default_rng(1).normal(size=(4, 3)) * 20
    shares = shear_warp_views.axis_weights(towards)
    assert shares.sum() == pytest.approx(1) and shares.max() < 0.95
    moved = [shear_warp_views.axis_weights(towards + s * 1e-3 * by_parameter) for s in (1, -1)]
    expected = (moved[0] - moved[1]) / 2e-3
    assert np.allclose(shear_warp_views.weight_derivatives(towards, by_parameter), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_the_jacobian_is_torch_s() -> None:
    """To what slopes between voxels differ by: ours are smoother. Both are 1.5 to 2.5 % from the analytic ones."""
    volume, grid = smooth_volume()
    motion = CentredMotion(POSE.apply((2.0, -1.0, 3.0)))
    _, ours = ShearWarpProjector(volume, grid).with_jacobian(CAMERA, POSE, motion)
    _, theirs = joseph(volume, grid).with_jacobian(CAMERA, POSE, motion)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    weights = torch.sin(0.1 * torch.arange(48.0) + 0.2 * torch.arange(40.0)[:, None])
    for one, other in zip(ours, theirs, strict=True):
        assert relative_rms(one, other) < 0.03
        assert float((one * weights).sum()) == pytest.approx(float((other * weights).sum()), rel=0.01, abs=0.01)


def test_a_motion_may_bring_its_own_derivatives() -> None:
    """What ``tangents`` of a motion are: (P, 4, 4), here two shifts."""

    class Shifts:
        parameter_count = 2

        def tangents(self) -> np.ndarray:
            result = np.zeros((2, 4, 4))
            result[0, 0, 3] = result[1, 2, 3] = 1.0
            return result

    projector = ShearWarpProjector(*smooth_volume())
    _, both = projector.with_jacobian(CAMERA, POSE, Shifts())
    _, all_six = projector.with_jacobian(CAMERA, POSE, CentredMotion((0, 0, 0)))
    assert torch.allclose(both, all_six[[3, 5]], atol=1e-6)


# ---- smoothness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0, 0), (0.4, 0.3, 0.87)])
def test_half_a_turn_without_a_jump(axis: Any) -> None:
    """Steps of 0.1 degrees: no pixel leaves the line between its neighbours by 0.3 % of the picture's range."""
    projector = ShearWarpProjector(*smooth_volume((44, 40, 42), 2.4))
    camera = looking_camera((24, 20), 6.0, turn_deg=(0, 0, 0))
    unit = np.array(axis) / np.linalg.norm(axis)
    angles = np.arange(0, 180.05, 0.1)
    images = np.stack([projector(camera, RigidPose.from_rotation(unit * angle)).numpy() for angle in angles])
    bend = np.abs(images[2:] - 2 * images[1:-1] + images[:-2]).max(axis=(1, 2)) / 2
    assert bend.max() <= 0.003 * images.max()
    assert projector.fallbacks == 0


def test_the_volume_s_border_fades() -> None:
    """A full block moves under the pixels in steps of a tenth of a voxel: no pixel changes by more than a sixth."""
    grid = centred_grid((30, 30, 30), 2.0)
    projector = ShearWarpProjector(np.full((30, 30, 30), 0.02, np.float32), grid)
    camera = looking_camera((30, 30), 3.3, turn_deg=(0, 0, 0), target=(0, 0, 0))
    images = [projector(camera, RigidPose.from_rotation((0, 0, 0), (0.2 * n, 0, 0.1 * n))) for n in range(30)]
    steps = [float((after - before).abs().max()) for before, after in zip(images, images[1:], strict=False)]
    assert max(steps) < float(images[0].max()) / 6


# ---- what a shear-warp cannot do ------------------------------------------------------------------------------------


def inner_camera(source_y: float, detector_y: float, pixel: float) -> XRayCamera:
    """Beam along +y between two planes."""
    corner = -19.5 * pixel
    origin = (1.0 + corner, detector_y, 2.0 - corner)
    return XRayCamera((1.0, source_y, 2.0), origin, (1, 0, 0), (0, 0, -1), (pixel, pixel), (40, 40))


@pytest.mark.parametrize(
    "camera",
    [
        inner_camera(0.3, 300.0, 4.0),
        inner_camera(-300.0, 0.3, 2.0),
        inner_camera(-60.0, 200.0, 6.0),
        looking_camera((40, 40), 12.0, sdd=130.0, source_centre=48.0, turn_deg=(2, 3, 4), target=(0, 0, 0)),
    ],
    ids=["source inside", "detector inside", "source close", "wide beam"],
)
def test_what_it_cannot_do_goes_to_torch(camera: XRayCamera) -> None:
    volume, grid = smooth_volume()
    projector, reference, motion = (
        ShearWarpProjector(volume, grid),
        joseph(volume, grid),
        CentredMotion((0, 0, 0)),
    )
    pose = RigidPose.identity()
    assert torch.equal(projector(camera, pose), reference(camera, pose))
    ours, theirs = (engine.with_jacobian(camera, pose, motion) for engine in (projector, reference))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert projector.fallbacks == 2 and float(ours[0].max()) > 0.05


def test_a_pose_with_gradients_goes_to_torch() -> None:
    projector = ShearWarpProjector(*smooth_volume())
    pose = torch.tensor(POSE.matrix.copy(), requires_grad=True)
    projector(CAMERA, pose).sum().backward()
    assert pose.grad is not None and projector.fallbacks == 1
    with torch.no_grad():
        projector(CAMERA, pose)
    assert projector.fallbacks == 1


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (np.ones((4, 4)), r"volume \(slices, rows, columns\), not shape \(4, 4\)"),
        (np.zeros((4, 4, 4)), "empty, nothing but air"),
        (np.full((4, 4, 4), np.nan), r"not finite \(NaN\)"),
        (torch.ones(4, 4, 4, requires_grad=True), "no gradients to voxels; use the torch engine"),
    ],
)
def test_what_is_no_volume_is_refused(volume: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ShearWarpProjector(volume, np.eye(4))


def test_other_refusals() -> None:
    with pytest.raises(InputError, match="oversampling of a projector is 1 to 4, not 0.5"):
        ShearWarpProjector(np.ones((4, 4, 4)), np.eye(4), 0.5)
    projector = ShearWarpProjector(*smooth_volume())
    for pose, words in ((np.eye(3), "4 x 4 matrix or a batch"), (np.full((4, 4), np.nan), "not finite")):
        with pytest.raises(InputError, match=words):
            projector(CAMERA, pose)
    with pytest.raises(InputError, match="one pose at a time"):
        projector.with_jacobian(CAMERA, np.stack([np.eye(4)] * 2), CentredMotion((0, 0, 0)))


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_memory_is_three_copies_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = np.ones((128, 128, 128), np.float32)
    grid, camera = centred_grid(volume.shape, 1.0), looking_camera((100, 100), 2.5, turn_deg=(0, 0, 0))
    views = [RigidPose.from_rotation(turn) for turn in ((0, 0, 0), (90, 0, 0), (0, 0, 90))]

    def peak() -> float:
        """Copies of the volume (8.4 MB) at the worst moment."""
        tracemalloc.start()
        projector = ShearWarpProjector(volume, grid)
        for pose in views:
            projector.with_jacobian(camera, pose, CentredMotion((0, 0, 0)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert projector.fallbacks == 0
        return found / volume.nbytes

    assert 2.5 < peak() < 4.2  # slabs 3.3 (whole blocks, a layer of air), lattice and pictures 0.5
    monkeypatch.setattr(shear_warp, "MEMORY_BYTES", volume.nbytes)
    assert peak() < 2.2


# ---- which engine ---------------------------------------------------------------------------------------------------


def test_the_fast_engine_is_taken_where_it_can_be() -> None:
    volume, grid = smooth_volume()
    assert isinstance(engines.make_projector(volume, grid), ShearWarpProjector)
    assert isinstance(engines.make_projector(volume, grid, engine="numba"), ShearWarpProjector)
    assert isinstance(engines.make_projector(volume, grid, engine="torch"), DrrProjector)
    wanting = torch.tensor(volume, requires_grad=True)
    assert isinstance(engines.make_projector(wanting, grid), DrrProjector)
    assert engines.engine_note() == "projector engine: numba (compiled shear-warp on the CPU)"
    assert engines.engine_note("cuda") == "projector engine: torch (numba draws on the CPU only, not on cuda)"
    with pytest.raises(InputError, match="numba projector cannot be used: gradients to voxels"):
        engines.make_projector(wanting, grid, engine="numba")
    with pytest.raises(InputError, match="engine 'fast' is not known; choose auto, torch, numba"):
        engines.make_projector(volume, grid, engine="fast")  # type: ignore[arg-type]


def test_without_numba_torch_serves_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    volume, grid = smooth_volume()
    monkeypatch.setattr(engines.importlib, "import_module", absent)
    engines._numba_problem.cache_clear()
    try:
        assert isinstance(engines.make_projector(volume, grid), DrrProjector)
        assert "install numba (pip install XRayTo3DLib[fast])" in engines.engine_note()
        with pytest.raises(InputError, match="install numba"):
            engines.make_projector(volume, grid, engine="numba")
    finally:
        engines._numba_problem.cache_clear()
