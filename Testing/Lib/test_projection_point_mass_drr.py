"""Pictures of clouds of parts against closed-form line integrals and the volume projector; slopes, differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Box, Ellipsoid, Gaussian, line_integrals, voxelised

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.projection.point_mass_drr import PointMassView, like_footprints

SUBPIXELS = 4


def camera(columns: int = 40, rows: int = 36, pitch: float = 2.5) -> XRayCamera:
    """A detector that is turned, shifted and tilted against the beam; pixels are not square."""
    pose = RigidPose.from_rotation([8.0, -20.0, 5.0])
    column, row = pose.rotation[:, 0], pose.rotation[:, 1]
    origin = np.array([6.0, -4.0, 250.0]) - 0.5 * (columns - 1) * pitch * column - 0.5 * (rows - 1) * 1.1 * pitch * row
    return XRayCamera([0.0, 0.0, -700.0], origin, column, row, (pitch, 1.1 * pitch), (columns, rows))


def pixel_means(shapes: list, seen_by: XRayCamera) -> np.ndarray:
    """(rows, columns) closed-form line integrals, the mean of 16 rays over each pixel."""
    columns, rows = seen_by.size
    fine = line_integrals(shapes, seen_by.resampled((columns * SUBPIXELS, rows * SUBPIXELS)))
    return fine.reshape(rows, SUBPIXELS, columns, SUBPIXELS).mean(axis=(1, 3))


def parts_of(shapes: list, spacing: float, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Middles (n, 3) and masses (n,) of the cubes that shapes fill."""
    voxel_to_lps = np.diag([spacing, spacing, spacing, 1.0])
    voxel_to_lps[:3, 3] = -0.5 * (size - 1) * spacing
    volume = voxelised(shapes, (size, size, size), voxel_to_lps)
    filled = volume > 1e-5 * volume.max()
    return np.argwhere(filled)[:, ::-1] * spacing + voxel_to_lps[:3, 3], volume[filled] * spacing**3


SMOOTH = [Gaussian((4.0, -3.0, 5.0), (6.0, 9.0, 12.0), (20.0, 10.0, -30.0), 0.05)]
SHARP = [
    Ellipsoid((3.0, 2.0, -4.0), (12.0, 18.0, 9.0), (10.0, 40.0, 0.0), 0.04),
    Box((-8.0, -6.0, 10.0), (7.0, 5.0, 8.0), (0.0, 25.0, 15.0), 0.03),
]


@pytest.mark.parametrize(("shapes", "most", "mean"), [(SMOOTH, 0.008, 0.001), (SHARP, 0.04, 0.005)])
def test_pictures_are_the_blurred_line_integrals(shapes: list, most: float, mean: float) -> None:
    """Sharp edges are blurred a little differently: within a pixel or two of them up to 4 % of the brightest pixel."""
    seen_by = camera()
    points, masses = parts_of(shapes, 1.0)
    picture = PointMassView.of(seen_by, points).picture(masses)
    truth = like_footprints(pixel_means(shapes, seen_by))
    away = np.abs(picture - truth) / truth.max()
    assert away.max() < most and np.sqrt((away**2).mean()) < mean
    assert picture.sum() == pytest.approx(truth.sum(), rel=0.001)


def test_larger_cubes_show_the_same() -> None:
    seen_by = camera()
    fine, coarse = (
        PointMassView.of(seen_by, points).picture(masses)
        for points, masses in (parts_of(SMOOTH, 1.0), parts_of(SMOOTH, 2.0, 48))
    )
    assert np.abs(fine - coarse).max() < 0.03 * fine.max()


def test_the_volume_projector_shows_the_same() -> None:
    spacing, size = 1.0, 64
    voxel_to_lps = np.diag([spacing, spacing, spacing, 1.0])
    voxel_to_lps[:3, 3] = -0.5 * (size - 1) * spacing
    volume = voxelised(SHARP, (size, size, size), voxel_to_lps)
    seen_by, pose = camera(), RigidPose.from_rotation([3.0, -5.0, 10.0], [2.0, 1.0, -30.0])
    fine = DrrProjector(volume, voxel_to_lps)(seen_by.resampled((80, 72)), pose).numpy()
    truth = like_footprints(fine.reshape(36, 2, 40, 2).mean(axis=(1, 3)))
    where = np.argwhere(volume > 0)
    points = pose.apply(where[:, ::-1] * spacing + voxel_to_lps[:3, 3])
    picture = PointMassView.of(seen_by, points).picture(volume[volume > 0] * spacing**3)
    assert np.abs(picture - truth).max() < 0.05 * truth.max()
    assert np.sqrt(((picture - truth) ** 2).mean()) < 0.005 * truth.max()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_slopes_are_those_of_small_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen_by = camera(12, 10, 6.0)
    points, masses = rng.uniform(-25, 25, (30, 3)), rng.uniform(0.5, 2.0, 30)
    moves, growth = rng.normal(size=(30, 3)), rng.normal(size=30)
    view = PointMassView.of(seen_by, points)
    moved = tuple(
        np.sum(each * moves, axis=1)[:, None] for each in (view.column_slope, view.row_slope, view.size_slope)
    )
    slope = view.derivatives(masses, moved, growth[:, None]).reshape(10, 12)
    step = 1e-3
    ahead, behind = (
        PointMassView.of(seen_by, points + sign * step * moves).picture(masses + sign * step * growth)
        for sign in (1.0, -1.0)
    )
    # The spline's slope has corners: a part that crosses one within the step is off by about the step.
    assert slope == pytest.approx((ahead - behind) / (2 * step), abs=0.003 * float(np.abs(slope).max()) + 1e-6)
    assert view.heavier(growth[:, None]).reshape(10, 12) == pytest.approx(view.picture(growth), abs=1e-6)


def test_what_lies_beside_the_picture_falls_away() -> None:
    seen_by = camera(8, 8, 4.0)
    middle = seen_by.pixel_to_world([[3.5, 3.5], [-0.5, 3.0], [-40.0, 3.0]])
    points = seen_by.source + 0.7 * (middle - seen_by.source)
    view = PointMassView.of(seen_by, points)
    whole, edge, beside = (view.picture(mass) for mass in np.eye(3))
    assert whole.sum() == pytest.approx(view.amplitudes[0], rel=1e-5)
    assert edge.sum() == pytest.approx(0.5 * view.amplitudes[1], rel=1e-4)
    assert not beside.any()


def test_parts_behind_the_source_are_refused() -> None:
    seen_by = camera()
    with pytest.raises(InputError, match="behind the X-ray source"):
        PointMassView.of(seen_by, [[0.0, 0.0, 0.0], 2 * seen_by.source])


def test_blurring_keeps_a_picture_that_is_even() -> None:
    assert like_footprints(np.full((5, 7), 2.5)) == pytest.approx(2.5)
    dot = np.zeros((5, 5))
    dot[2, 2] = 1.0
    assert like_footprints(dot)[2, 1:4] == pytest.approx(np.array([1, 10, 1]) / 12 * 10 / 12)
