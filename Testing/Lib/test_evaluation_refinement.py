"""Measures of refinements: errors along normals and coverage in closed form; tables and figures of known outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from solids import sphere

from XRayTo3DLib.evaluation.refinement_coverage import coverage, foretold
from XRayTo3DLib.evaluation.refinement_figures import before_after_figure, coverage_figure, foretold_figure
from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome, aligned, assd_mm, normal_errors
from XRayTo3DLib.evaluation.refinement_tables import MEAN_SHAPE, coverage_table, promises, starts_table
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of

BOX = (np.full(3, -100.0), np.full(3, 100.0))
PNG = b"\x89PNG"


def outcome(
    person: int = 0, bone: str = "radius", start: str = MEAN_SHAPE, before: float = 1.0, after: float = 0.3,
    errors: np.ndarray | None = None, sd: np.ndarray | None = None, flag: bool = False,
) -> RefinedOutcome:  # fmt: skip
    """With the errors along normals that are given."""
    wrong = np.zeros(4) if errors is None else errors
    return RefinedOutcome(
        f"case-{person}", f"person-{person}", "PA,LAT", start, bone, before, after, before / 2, after / 2, 2.0, 0.8,
        0.5, flag, wrong, np.ones(len(wrong)) if sd is None else sd,
    )  # fmt: skip


def people(scale: float = 1.0) -> list[RefinedOutcome]:
    """Errors that are ``scale`` times what was predicted of them, of both bones."""
    rng = np.random.default_rng(0)
    made = []
    for person in range(12):
        for bone in ("radius", "ulna"):
            sd = rng.uniform(0.2, 1.0, 800)
            made.append(outcome(person, bone, errors=scale * sd * rng.normal(size=800), sd=sd))
    return made


def test_errors_along_normals_of_a_sphere() -> None:
    """Vertices of a sphere of 20 mm, the truth one of 21.5 or of 19 mm; outside the box nothing is judged."""
    small = points_of(sphere(20.0, 20))
    normals = small / 20.0
    for radius in (21.5, 19.0):
        errors = normal_errors(small, normals, sphere(radius, 60), BOX)
        assert errors == pytest.approx(radius - 20.0, abs=0.06)
    half = (np.array([-100.0, -100.0, 0.0]), np.full(3, 100.0))
    errors = normal_errors(small, normals, sphere(21.5, 60), half)
    assert np.array_equal(np.isnan(errors), small[:, 2] < 0)


def test_errors_along_normals_of_a_moved_sphere_are_the_motion_along_them() -> None:
    """Exact to second order: a sphere that is shifted by 1 mm along x."""
    points = points_of(sphere(20.0, 20))
    truth = transformed(sphere(20.0, 80), RigidPose.from_rotation([0, 0, 0], [1.0, 0, 0]).matrix)
    errors = normal_errors(points, points / 20.0, truth, BOX)
    assert errors == pytest.approx(points[:, 0] / 20.0, abs=0.06)


def test_alignment_takes_a_motion_out_and_leaves_the_shape() -> None:
    ball = sphere(1.0, 30)
    egg = make_surface(points_of(ball) * [10.0, 16.0, 25.0], triangles_of(ball))
    moved = transformed(egg, RigidPose.from_rotation([6.0, -4.0, 0.0], [1.5, -2.0, 1.0]).matrix)
    assert assd_mm(egg, moved, BOX) > 1.0
    assert assd_mm(egg, aligned(egg, moved, BOX), BOX) < 0.1
    larger = make_surface(points_of(egg) * 1.05, triangles_of(egg))
    assert assd_mm(egg, aligned(egg, larger, BOX), BOX) > 0.5
    assert math.isnan(assd_mm(egg, None, BOX))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_coverage_is_that_of_normal_errors(scale: float) -> None:
    seen = coverage(people(scale))
    expected = 2 * norm.cdf(norm.ppf(0.5 + seen.nominal / 2) / scale) - 1
    assert seen.observed == pytest.approx(expected, abs=0.015)
    assert np.all(seen.low <= seen.observed) and np.all(seen.observed <= seen.high)
    assert seen.people == 24


def test_errors_follow_what_was_predicted_of_them() -> None:
    told = foretold(people())
    assert told.error_mm == pytest.approx(told.predicted_mm, rel=0.1)
    assert np.all(np.diff(told.predicted_mm) > 0) and told.by_vertex > 0.3
    rng = np.random.default_rng(1)
    blind = [outcome(n, errors=rng.normal(size=500), sd=rng.uniform(0.2, 1.0, 500)) for n in range(6)]
    assert abs(foretold(blind).by_vertex) < 0.06


def test_promises_are_judged_by_the_numbers() -> None:
    good = people()
    assert all(holds for _, holds, _ in promises(good, 2))
    worse = [*good, outcome(20, before=0.3, after=0.4)]
    broken = {what: holds for what, holds, _ in promises(worse, 2)}
    assert [what for what, holds in broken.items() if not holds] == [
        "no bone ends worse than its start by more than 0.05 mm"
    ]
    flags = [outcome(n, "ulna", flag=n > 0) for n in range(30)]
    one = {what: holds for what, holds, _ in promises([outcome(), *flags], 1)}
    assert one["ulna: unknown depth flagged in at least 95 % of cases"]


def test_tables_and_figures_tell_all_bones_and_starts() -> None:
    both = [*people(), *[outcome(n, b, "TL-net", 0.8, 0.4) for n in range(3) for b in ("radius", "ulna")]]
    table = starts_table(both, "Two views")
    assert [row[:2] for row in table.rows] == [
        (MEAN_SHAPE, "radius"), (MEAN_SHAPE, "ulna"), ("TL-net", "radius"), ("TL-net", "ulna"),
    ]  # fmt: skip
    assert table.rows[0][2:4] == ("1.00", "0.30")
    held = coverage_table(both, "Uncertainty")
    assert len(held.rows) == 2 and held.rows[0][1].startswith(("49 %", "50 %", "51 %"))
    views = {"Two views": both}
    for png in (
        before_after_figure(both, title="t", synthetic=True),
        coverage_figure(views, synthetic=True),
        foretold_figure(views),
    ):
        assert png.startswith(PNG)
