"""Outlines against closed forms: two discs in the plane, spheres before a camera, a shaft that the grid cuts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_evaluation_volume_measures import sphere
from vtkmodules.vtkFiltersSources import vtkCubeSource

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.outline_measures import (
    field_window,
    fine_camera,
    outline_numbers,
    outline_outcomes,
    outline_points,
    shadow,
)
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.shape.meshes import make_surface, triangulated

SIZE = 240


def disc(radius: float, column: float = 119.5, row: float = 119.5) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return (columns - column) ** 2 + (rows - row) ** 2 <= radius**2


def camera(view: str = "AP"):
    return standard_camera(1300.0, (0.5, 0.5), (400, 400), source_isocentre=1000.0, view=view)


def box(low, high):
    source = vtkCubeSource()
    source.SetBounds(low[0], high[0], low[1], high[1], low[2], high[2])
    source.Update()
    return triangulated(source.GetOutput())


def test_concentric_discs() -> None:
    found = outline_numbers(disc(60), disc(70), (0.5, 0.5))
    assert found.chamfer_mm == pytest.approx(5.0, abs=0.05)
    assert found.to_truth_mm == pytest.approx(5.0, abs=0.05) and found.from_truth_mm == pytest.approx(5.0, abs=0.05)
    assert found.dice == pytest.approx(2 * 60**2 / (60**2 + 70**2), abs=0.002)


@pytest.mark.parametrize("shift", [10, 40])
def test_discs_beside_each_other(shift: int) -> None:
    """Dice from the lens that two discs share; distances from a numerical mean over the circle."""
    radius = 60
    found = outline_numbers(disc(radius), disc(radius, 119.5 + shift), (1.0, 1.0))
    lens = 2 * radius**2 * math.acos(shift / 2 / radius) - shift / 2 * math.sqrt(4 * radius**2 - shift**2)
    assert found.dice == pytest.approx(lens / (math.pi * radius**2), abs=0.003)
    angle = np.linspace(0, 2 * math.pi, 20001)[:-1]
    away = np.abs(np.hypot(radius * np.cos(angle) - shift, radius * np.sin(angle)) - radius).mean()
    assert found.to_truth_mm == pytest.approx(away, abs=0.1) and found.from_truth_mm == pytest.approx(away, abs=0.1)


def test_pixels_need_not_be_square() -> None:
    found = outline_numbers(disc(60), disc(60, 119.5 + 30), (2.0, 1.0))
    wide = outline_numbers(disc(60), disc(60, 119.5, 119.5 + 30), (1.0, 2.0))
    assert found.chamfer_mm == pytest.approx(wide.chamfer_mm, rel=1e-6)
    assert found.chamfer_mm > outline_numbers(disc(60), disc(60, 119.5 + 30), (1.0, 1.0)).chamfer_mm


def test_the_same_shadow_is_perfect_and_a_lost_one_has_no_distance() -> None:
    same = outline_numbers(disc(50), disc(50), (1, 1))
    assert same.dice == 1 and same.chamfer_mm == 0
    lost = outline_numbers(disc(50), np.zeros((SIZE, SIZE)), (1, 1))
    assert lost.dice == 0 and math.isnan(lost.chamfer_mm)
    assert outline_numbers(np.zeros((SIZE, SIZE)), disc(50), (1, 1)) is None
    with pytest.raises(InputError, match="differ"):
        outline_numbers(disc(50), disc(50)[1:], (1, 1))


def test_the_pictures_border_is_no_outline() -> None:
    points = outline_points(disc(60, 0, 119.5))
    assert np.hypot(points[:, 0], points[:, 1] - 119.5) == pytest.approx(60, abs=0.6)
    assert len(outline_points(np.ones((9, 9)))) == 0 and len(outline_points(np.zeros((9, 9)))) == 0


def test_a_sphere_throws_the_shadow_that_it_must() -> None:
    """Its outline is seen where rays touch it: D tan(asin(R / D)) in the plane through its middle."""
    fine = fine_camera(camera(), np.zeros(3), 0.5)
    assert fine.pixel_size_at((0, 0, 0)) == pytest.approx((0.5, 0.5), rel=0.01)
    mask = shadow(fine, sphere(30, (0, 0, 0), 64))
    wanted = 1000 * math.tan(math.asin(30 / 1000))
    points = (outline_points(mask) - np.array(fine.size) / 2 + 0.5) * fine.pixel_size_at((0, 0, 0))
    assert np.hypot(*points.T).mean() == pytest.approx(wanted, abs=0.05)
    other = shadow(fine, sphere(33, (0, 0, 0), 64))
    found = outline_numbers(mask, other, fine.pixel_size_at((0, 0, 0)))
    assert found.chamfer_mm == pytest.approx(1000 * math.tan(math.asin(33 / 1000)) - wanted, abs=0.05)


@pytest.mark.parametrize("view", ["AP", "LAT"])
def test_rays_that_count_stay_in_the_grid(view: str) -> None:
    low, high = np.array([-40.0, -35.0, -30.0]), np.array([40.0, 35.0, 30.0])
    own = camera(view)
    inside = field_window(own, low, high)
    rows, columns = np.nonzero(inside)
    rays = own.rays(np.stack([columns, rows], axis=1))
    across = 0 if view == "AP" else 1
    for along in np.linspace(-40, 40, 9):  # as deep as any corner
        points = own.source + rays * ((1000 + along) / (rays @ (-own.source / 1000)))[:, None]
        assert (np.abs(points[:, 2]) <= 30 + 1e-9).all()
        assert (np.abs(points[:, across]) <= (high[across]) + 1e-9).all()
    # No more is left out than perspective asks for.
    width = np.ptp(rows) * own.pixel_size_at((0, 0, 0))[1]
    assert 60 * 0.95 - 1 < width < 60


def test_a_shaft_that_the_grid_cuts_is_no_error() -> None:
    own, low, high = camera(), np.full(3, -40.0), np.full(3, 40.0)
    truth = shadow(own, box((-8, -8, -55), (8, 8, 20)))
    names = {"case": "k", "patient": "p", "method": "m", "view": "AP", "shown": True}
    (cut,) = outline_outcomes({"a": truth}, {"a": box((-8, -8, -42), (8, 8, 20))}, own, (low, high), **names)
    assert cut.dice == 1 and cut.chamfer_mm == 0 and not cut.empty
    (short,) = outline_outcomes({"a": truth}, {"a": box((-8, -8, -20), (8, 8, 20))}, own, (low, high), **names)
    assert short.dice < 0.85 and short.from_truth_mm > 1 > short.to_truth_mm


def test_a_stand_in_is_a_failure_and_bones_out_of_sight_are_left_out() -> None:
    own, low, high = camera(), np.full(3, -40.0), np.full(3, 40.0)
    ball = sphere(15, (0, 0, 0))
    mask, beyond = shadow(own, ball), shadow(own, sphere(5, (0, 0, 60)))
    nothing = make_surface(np.empty((0, 3)), np.empty((0, 3), dtype=int))
    found = outline_outcomes(
        {"a": mask, "b": mask, "c": mask, "far": beyond}, {"a": ball, "b": nothing}, own, (low, high), case="k",
        patient="p", method="m", view="AP", shown=False, empty=("a",),
    )  # fmt: skip
    assert [(o.bone, o.empty, o.dice) for o in found] == [("a", True, 1), ("b", True, 0), ("c", True, 0)]
    assert found[0].chamfer_mm == 0 and math.isnan(found[1].chamfer_mm) and math.isnan(found[2].chamfer_mm)
