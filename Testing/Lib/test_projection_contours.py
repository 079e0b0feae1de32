"""Outlines of pictures: known shapes, sub-pixel, closed also where they leave the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from XRayTo3DLib.projection.contours import EDGE_SHARE, drr_outline


def area(line: np.ndarray) -> float:
    """Enclosed by a closed polyline (shoelace)."""
    x, y = line[:, 0], line[:, 1]
    return 0.5 * abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))


def closed(line: np.ndarray) -> bool:
    return bool(np.array_equal(line[0], line[-1]))


def disc(radius: float = 12.0, column: float = 30.25, row: float = 20.5) -> np.ndarray:
    """Falls linearly from 1 to 0 over 6 pixels, so that the level 0.5 is a circle of exactly ``radius``."""
    r, c = np.mgrid[:48, :64]
    return np.clip((radius + 3 - np.hypot(c - column, r - row)) / 6, 0, 1)


def test_a_disc_s_outline_is_its_circle_to_a_hundredth_of_a_pixel() -> None:
    lines = drr_outline(disc(), level=0.5)
    assert len(lines) == 1 and closed(lines[0])
    radii = np.hypot(lines[0][:, 0] - 30.25, lines[0][:, 1] - 20.5)
    assert np.abs(radii - 12.0).max() < 0.05
    assert np.abs(radii.mean() - 12.0) < 0.01
    assert area(lines[0]) == pytest.approx(np.pi * 144, rel=0.005)


def test_a_square_of_pixels_is_outlined_half_way_to_its_neighbours() -> None:
    picture = np.zeros((20, 30))
    picture[5:9, 10:16] = 1.0
    (line,) = drr_outline(picture, level=0.5)
    assert closed(line)
    assert line.min(axis=0).tolist() == [9.5, 4.5] and line.max(axis=0).tolist() == [15.5, 8.5]
    assert area(line) == pytest.approx(6 * 4 - 0.5)  # the four corners are cut: half of a half by a half each


def test_columns_come_first() -> None:
    picture = np.zeros((20, 30))
    picture[3, 25] = 1.0
    (line,) = drr_outline(picture)
    assert line.mean(axis=0) == pytest.approx([25, 3], abs=0.3)


def test_an_outline_that_leaves_the_picture_is_closed_at_its_border() -> None:
    picture = np.zeros((20, 30))
    picture[:7, :8] = 2.0
    (line,) = drr_outline(picture, level=1.0)
    assert closed(line)
    assert line.min(axis=0).tolist() == [-0.5, -0.5] and line.max(axis=0).tolist() == [7.5, 6.5]


def test_without_a_level_the_visible_edge_is_followed() -> None:
    """12 % of the peak, whatever the scale, and whole: tensors and integers too."""
    for picture in (disc() * 7, torch.tensor(disc() * 7), (disc() * 200).astype(np.uint8)):
        (line,) = drr_outline(picture)
        radii = np.hypot(line[:, 0] - 30.25, line[:, 1] - 20.5)
        assert radii.mean() == pytest.approx(12 + 3 - 6 * EDGE_SHARE, abs=0.1)


def test_separate_shadows_and_holes_are_separate_lines() -> None:
    picture = np.zeros((40, 60))
    picture[5:15, 5:15] = picture[20:35, 30:50] = 1.0
    picture[25:30, 35:45] = 0.0
    lines = drr_outline(picture, level=0.5)
    assert len(lines) == 3 and all(closed(line) for line in lines)
    assert sorted(round(area(line)) for line in lines) == [50, 100, 300]


def test_nothing_has_no_outline() -> None:
    assert drr_outline(np.zeros((8, 8))) == []
    assert drr_outline(np.full((8, 8), -1.0)) == []
    assert drr_outline(disc(), level=5.0) == []
