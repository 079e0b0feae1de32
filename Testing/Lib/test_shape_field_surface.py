"""Surfaces of values on a grid: exact on a ball, open at the grid's border, outward, and cut to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.field_surface import clipped_to_box, surface_from_field
from XRayTo3DLib.shape.meshes import boundary_length, enclosed_volume, points_of, surface_area

RADIUS = 10.0


def ball(centre: tuple[float, float, float] = (0, 0, 0), size: int = 33, mirrored: bool = False):  # type: ignore[no-untyped-def]
    """Minus the distance to a sphere, on a grid of 1 mm whose middle is the origin, and its matrix."""
    matrix = np.eye(4)
    matrix[:3, 3] = -(size - 1) / 2
    if mirrored:
        matrix[0] *= -1
    z, y, x = np.meshgrid(*[np.arange(size)] * 3, indexing="ij")
    points = np.stack([x, y, z], axis=-1) @ matrix[:3, :3].T + matrix[:3, 3]
    return RADIUS - np.linalg.norm(points - centre, axis=-1), matrix


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_ball_is_found_between_the_voxels_facing_outward(mirrored: bool) -> None:
    surface = surface_from_field(*ball(mirrored=mirrored), level=0.0)
    assert np.linalg.norm(points_of(surface), axis=1) == pytest.approx(RADIUS, abs=0.03)
    assert enclosed_volume(surface) == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.01)
    assert boundary_length(surface) == 0


def test_what_leaves_the_grid_is_open_there() -> None:
    """A ball whose centre is in the last slice: half of it, its edge a great circle."""
    values, matrix = ball((0, 0, 16))
    surface = surface_from_field(values, matrix, 0.0)
    assert boundary_length(surface) == pytest.approx(2 * np.pi * RADIUS, rel=0.01)
    assert surface_area(surface) == pytest.approx(2 * np.pi * RADIUS**2, rel=0.01)


def test_specks_go_and_nothing_is_nothing() -> None:
    values, matrix = ball()
    values[1, 1, 1] = 5
    assert np.linalg.norm(points_of(surface_from_field(values, matrix, 0.0)), axis=1).max() < RADIUS + 0.1
    assert surface_from_field(np.full((4, 4, 4), -1.0), np.eye(4)).GetNumberOfPoints() == 0


def test_a_box_cuts_a_cap_off() -> None:
    """Area of a spherical zone: 2 pi R h."""
    whole = surface_from_field(*ball(), level=0.0)
    cap = clipped_to_box(whole, np.full(3, -20.0), np.array([20.0, 20.0, 4.0]))
    assert surface_area(cap) == pytest.approx(2 * np.pi * RADIUS * 14, rel=0.01)
    assert points_of(cap)[:, 2].max() == pytest.approx(4, abs=1e-4)


def test_bad_grids_and_boxes_are_refused() -> None:
    with pytest.raises(InputError, match="finite values"):
        surface_from_field(np.full((4, 4, 4), np.nan), np.eye(4))
    with pytest.raises(InputError, match="2 x 2 x 2"):
        surface_from_field(np.zeros((4, 4)), np.eye(4))
    with pytest.raises(InputError, match="field of view"):
        clipped_to_box(surface_from_field(*ball(), level=0.0), np.full(3, 100.0), np.full(3, 110.0))
