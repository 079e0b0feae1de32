"""The small parts: renderer, colours, report pieces."""

from __future__ import annotations

import numpy as np
import pytest
from solids import cube, sphere

from XRayTo3DLib.evaluation import report
from XRayTo3DLib.evaluation.distance_colours import DISTANCE_COLOURS, colour_map
from XRayTo3DLib.evaluation.distance_views import standard_views
from XRayTo3DLib.evaluation.software_render import (
    ANTERIOR,
    FROM_LEFT,
    FROM_RIGHT,
    POSTERIOR,
    downsample,
    rasterise,
    shade,
)
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of, vertex_normals


def seen(surface, view, pixel=0.5, shape=(120, 120)):
    points, triangles = points_of(surface), triangles_of(surface)
    return rasterise(points, triangles, view, np.zeros(3), pixel, shape), points, triangles


def test_a_ball_covers_its_disc_and_shows_its_near_side():
    fragments, points, triangles = seen(sphere(20, 120), ANTERIOR)
    assert fragments.covered.sum() * 0.25 == pytest.approx(np.pi * 400, rel=0.01)
    positions = fragments.interpolate(triangles, points)
    middle = np.argmin(np.hypot(positions[:, 0], positions[:, 2]))
    assert positions[middle, 1] == pytest.approx(-20, abs=0.1)
    assert positions[:, 1].max() < 1.5


@pytest.mark.parametrize(
    ("view", "right", "up"),
    [(ANTERIOR, (1, 0, 0), (0, 0, 1)), (POSTERIOR, (-1, 0, 0), (0, 0, 1)),
     (FROM_LEFT, (0, 1, 0), (0, 0, 1)), (FROM_RIGHT, (0, -1, 0), (0, 0, 1))],
)  # fmt: skip
def test_views_show_the_body_the_right_way_round(view, right, up):
    """In LPS: seen from the front, the patient's left (+x) is on the right of the picture and superior on top."""
    ball = sphere(5, 20)
    for direction, column, row in ((right, 80, 60), (up, 60, 40)):
        moved = make_surface(points_of(ball) + 10 * np.array(direction), triangles_of(ball))
        fragments, _, _ = seen(moved, view)
        rows, columns = np.nonzero(fragments.covered)
        assert (columns.mean(), rows.mean()) == (pytest.approx(column, abs=1), pytest.approx(row, abs=1))
    letters = {(1, 0, 0): "L", (-1, 0, 0): "R", (0, 1, 0): "P", (0, -1, 0): "A"}
    assert view.right_letter == letters[right]
    assert view.left_letter == letters[tuple(-np.array(right))]


def test_the_nearer_of_two_surfaces_hides_the_other():
    near, far = np.array([[-9, -5, -9], [9, -5, -9], [0, -5, 9.0]]), np.array([[-9, 5, -9], [9, 5, -9], [0, 5, 9.0]])
    for points in (np.concatenate([near, far]), np.concatenate([far, near])):
        fragments = rasterise(points, np.array([[0, 1, 2], [3, 4, 5]]), ANTERIOR, np.zeros(3), 0.5, (60, 60))
        assert set(points[3 * fragments.triangle[fragments.covered], 1]) == {-5.0}


def test_what_lies_outside_the_picture_is_cut_off():
    fragments, _, _ = seen(sphere(100, 40), ANTERIOR, shape=(30, 40))
    assert fragments.covered.all()


def test_normals_and_light():
    ball = sphere(20, 60)
    normals = vertex_normals(points_of(ball), triangles_of(ball))
    assert np.einsum("nd,nd->n", normals, points_of(ball) / 20).min() > 0.999
    normals = normals[np.abs(normals[:, 1]) > 1e-6]
    light = shade(normals, ANTERIOR)
    assert light.min() >= 0.4
    assert light.max() == pytest.approx(1, abs=0.01)
    assert shade(-normals, ANTERIOR) == pytest.approx(light), "both sides are lit alike"


def test_downsampling_smooths_edges_without_darkening_colours():
    rgba = np.zeros((6, 6, 4))
    rgba[:, :4] = (0.2, 0.4, 0.6, 1.0)
    small = downsample(rgba, 3)
    assert small[0, 0].tolist() == pytest.approx([0.2, 0.4, 0.6, 1.0])
    assert small[0, 1].tolist() == pytest.approx([0.2, 0.4, 0.6, 1 / 3])


def test_flat_triangles_are_skipped():
    points = np.array([[0.0, 0, 0], [1, 0, 1], [2, 0, 2]])
    assert not rasterise(points, np.array([[0, 1, 2]]), ANTERIOR, np.zeros(3), 0.1, (50, 50)).covered.any()


def test_colours_darken_steadily_from_light_to_dark():
    lightness = np.array([colour_map()(share)[:3] for share in np.linspace(0, 1, 50)]) @ (0.2126, 0.7152, 0.0722)
    assert np.all(np.diff(lightness) < 0)
    assert lightness[0] > 0.85
    assert [DISTANCE_COLOURS[0][0], DISTANCE_COLOURS[-1][0]] == [0.0, 1.0]


def test_lateral_is_the_bodys_own_side():
    assert [(view, name) for view, name in standard_views("left")][1] == (FROM_LEFT, "Lateral")
    assert [(view, name) for view, name in standard_views("right")][1] == (FROM_RIGHT, "Lateral")
    assert [name for _, name in standard_views(None)] == ["Anterior", "From the left", "Posterior", "From the right"]


def test_report_pieces_escape_and_compose():
    html = report.page(
        "A < B",
        [report.section("1 & 2", report.paragraph("<i>"), report.table([("x",), ("a<", "1")], ("", "n"), numeric=[1]))],
        synthetic=True,
    )
    assert "A &lt; B" in html
    assert "1 &amp; 2" in html
    assert "&lt;i&gt;" in html
    assert '<td colspan="2">x</td>' in html
    assert '<td class="number">1</td>' in html
    assert "Synthetic data" in html
    assert "Research use only" in html
    assert report.figure(b"abc", "what") == (
        '<figure><img alt="what" src="data:image/png;base64,YWJj"><figcaption>what</figcaption></figure>'
    )


def test_a_table_row_of_the_wrong_length_is_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        report.table([("a", "b", "c")], ("one", "two"))


def test_an_open_box_shows_its_inside():
    fragments, _, triangles = seen(cube(20, open_top=True), ANTERIOR)
    assert fragments.covered.any()
    assert len(triangles) == 10
