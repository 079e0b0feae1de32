"""Local likeness against its definition written out in loops, numpy's correlation, scipy's filters and differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.refinement.likeness import FEWEST_PIXELS, LikenessOptions, LocalLikeness

ROWS, COLUMNS = 24, 28
WINDOW = (3.0, 2.5)
ROW, COLUMN = np.mgrid[:ROWS, :COLUMNS]
DISC = (ROW - 12) ** 2 + (COLUMN - 14) ** 2 < 100
EVERYWHERE = np.ones((ROWS, COLUMNS), dtype=bool)
PLAIN = LikenessOptions()


def pattern(seed: int, blur: float = 1.5) -> np.ndarray:
    """(rows, columns) random and smooth, SD 1."""
    made = gaussian_filter(np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)), blur)
    return np.asarray(made / made.std())


def normalised_in_loops(picture: np.ndarray, mask: np.ndarray, window: tuple[float, float], floor: float) -> np.ndarray:
    """(rows, columns) local mean 0 and local variance 1, pixel by pixel from the definition."""
    pixels = [tuple(pixel) for pixel in np.argwhere(mask)]

    def mean_about(row: int, column: int, values: np.ndarray) -> float:
        above = below = 0.0
        for r, c in pixels:
            weight = np.exp(-0.5 * ((c - column) / window[0]) ** 2 - 0.5 * ((r - row) / window[1]) ** 2)
            above, below = above + weight * values[r, c], below + weight
        return above / below

    away, variance = np.zeros(picture.shape), np.zeros(picture.shape)
    for row, column in pixels:
        away[row, column] = picture[row, column] - mean_about(row, column, picture)
    for row, column in pixels:
        variance[row, column] = mean_about(row, column, away**2)
    contrast = np.mean([variance[pixel] for pixel in pixels])
    return np.where(mask, away / np.sqrt(variance + floor**2 * contrast + 1e-12), 0.0)


@pytest.mark.parametrize("floor", [0.2, 1.0])
def test_value_is_the_definition_written_out(floor: float) -> None:
    target, picture = pattern(0), pattern(1) + 0.7 * pattern(0)
    small = (ROW - 12) ** 2 + (COLUMN - 14) ** 2 < 30
    likeness = LocalLikeness(target, small, WINDOW, LikenessOptions(floor))
    a, b = (normalised_in_loops(each, small, WINDOW, floor)[small] for each in (picture, target))
    assert likeness.residuals(picture) == pytest.approx(a - b, abs=2e-4)
    assert likeness.value(picture) == pytest.approx(1 - 0.5 * np.mean((a - b) ** 2), abs=1e-5)


@pytest.mark.parametrize("mask", [DISC, EVERYWHERE])
def test_a_window_without_end_is_numpys_correlation(mask: np.ndarray) -> None:
    target, picture = pattern(0), pattern(1) - 0.5 * pattern(0)
    likeness = LocalLikeness(target, mask, (1e5, 1e5), LikenessOptions(1e-3))
    assert likeness.value(picture) == pytest.approx(np.corrcoef(target[mask], picture[mask])[0, 1], abs=1e-4)
    assert likeness.value(target) == pytest.approx(1.0, abs=1e-6)
    assert likeness.value(-target) == pytest.approx(-1.0, abs=1e-4)


def test_local_statistics_are_those_of_scipys_filters() -> None:
    """Without a mask, far from the borders (scipy's carries pictures on, ours ends them)."""
    picture = pattern(3)
    sigma = (1.2, 1.0)
    likeness = LocalLikeness(pattern(4), EVERYWHERE, sigma, LikenessOptions(0.01))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(values, sigma[::-1], truncate=8.0))

    away = picture - mean(picture)
    spread = np.sqrt(mean(away**2))
    ours = (likeness.residuals(picture) + likeness.target).reshape(ROWS, COLUMNS)
    middle = np.s_[9:-9, 10:-10]
    assert ours[middle] == pytest.approx((away / spread)[middle], abs=5e-3)


def test_derivatives_are_those_of_differences() -> None:
    target, picture = pattern(0), pattern(1) + pattern(0)
    slopes = np.stack([pattern(5), pattern(6, 2.5), picture, np.ones_like(picture)])
    likeness = LocalLikeness(target, DISC, WINDOW, LikenessOptions(0.5))
    residuals, changes = likeness.linearised(picture, slopes.reshape(4, -1).T)
    assert residuals == pytest.approx(likeness.residuals(picture), abs=1e-6)
    step = 0.02
    wanted = [
        (likeness.residuals(picture + step * slope) - likeness.residuals(picture - step * slope)) / (2 * step)
        for slope in slopes
    ]
    usual = np.linalg.norm(changes[:, 0])
    for number, difference in enumerate(wanted):
        assert np.linalg.norm(changes[:, number] - difference) < 2e-3 * usual
    # More of the same picture, or more of nothing, changes nothing at all.
    assert np.abs(changes[:, 2:]).max() < 1e-4 * np.abs(changes[:, 0]).max()


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 50.0), st.floats(-20.0, 20.0), st.integers(0, 50))
def test_gain_and_offset_are_no_matter(gain: float, offset: float, seed: int) -> None:
    """Offsets up to 20 times the contrast: single precision."""
    target, picture = pattern(seed), pattern(seed + 1) + pattern(seed)
    plain = LocalLikeness(target, DISC, WINDOW, PLAIN)
    other = LocalLikeness(gain * (target + offset), DISC, WINDOW, PLAIN)
    assert other.value(picture) == pytest.approx(plain.value(picture), abs=1e-3)
    assert plain.value(gain * (picture + offset)) == pytest.approx(plain.value(picture), abs=1e-3)
    assert plain.value(-gain * picture) < plain.value(gain * picture)


def test_backgrounds_and_gains_that_drift_slowly_matter_little() -> None:
    """Slowly: over 3 windows' SD by no more than half the contrast. The plain correlation suffers more."""
    target, picture = pattern(0, 1.0), pattern(0, 1.0) + 0.5 * pattern(1, 1.0)
    likeness = LocalLikeness(target, EVERYWHERE, WINDOW, PLAIN)
    value = likeness.value(picture)
    drift = 0.5 * (COLUMN - 14) / (3 * WINDOW[0])
    bent = 0.5 * ((ROW - 12) / (3 * WINDOW[1])) ** 2
    for shade in (drift, -drift, bent, drift + bent):
        assert likeness.value(picture + shade) == pytest.approx(value, abs=0.04)
    fading = 1.0 + 0.5 * (COLUMN - 14) / 14
    assert likeness.value(picture * fading) == pytest.approx(value, abs=0.02)
    plain = [np.corrcoef(target.ravel(), each.ravel())[0, 1] for each in (picture, picture + drift)]
    assert value - likeness.value(picture + drift) < 0.2 * (plain[0] - plain[1])
    # What changes within a window does matter.
    assert likeness.value(picture + 1.5 * np.sin(COLUMN / 1.2)) < value - 0.2


def test_what_lies_beside_the_mask_is_not_looked_at() -> None:
    target, picture = pattern(0), pattern(1)
    likeness, spoilt = (
        LocalLikeness(each, DISC, WINDOW, PLAIN) for each in (target, np.where(DISC, target, 1e3 * pattern(7)))
    )
    assert spoilt.target == pytest.approx(likeness.target, abs=1e-6)
    assert spoilt.residuals(np.where(DISC, picture, 55.0)) == pytest.approx(likeness.residuals(picture), abs=1e-6)
    assert len(likeness.target) == np.count_nonzero(DISC)


def test_flat_places_count_little() -> None:
    """Noise a hundredth of the contrast, where nothing is shown, must not be blown up to the size of bones."""
    noisy = np.where(COLUMN < 14, pattern(0), 0.01 * pattern(1, 0.5))
    other = np.where(COLUMN < 14, pattern(0), 0.01 * pattern(2, 0.5))
    assert LocalLikeness(noisy, EVERYWHERE, WINDOW, PLAIN).value(other) > 0.98
    assert LocalLikeness(noisy, EVERYWHERE, WINDOW, LikenessOptions(1e-3)).value(other) < 0.96


def test_weights_are_cauchys() -> None:
    likeness = LocalLikeness(pattern(0), DISC, WINDOW, LikenessOptions(robust=2.0))
    rng = np.random.default_rng(0)
    usual = rng.normal(size=4000) * 0.3
    # For a normal distribution the scaled median is its SD, so that two SD halve the weight.
    weights = likeness.weights(np.r_[usual, 0.6, 0.0, -60.0])
    assert weights[-3:] == pytest.approx([0.5, 1.0, 1 / (1 + 100.0**2)], rel=0.05, abs=1e-5)
    assert likeness.weights(5 * usual) == pytest.approx(likeness.weights(usual), abs=1e-4)
    alike = LocalLikeness(pattern(0), DISC, WINDOW, LikenessOptions(robust=None))
    assert np.array_equal(alike.weights(usual), np.ones(4000))


def test_metal_loses_its_weight() -> None:
    target = pattern(0) + np.where((abs(ROW - 12) < 3) & (abs(COLUMN - 14) < 3), 12.0, 0.0)
    likeness = LocalLikeness(target, EVERYWHERE, WINDOW, PLAIN)
    weights = likeness.weights(likeness.residuals(pattern(0))).reshape(ROWS, COLUMNS)
    assert weights[10:15, 12:17].mean() < 0.5 * weights.mean() and np.median(weights) > 0.8


def test_what_cannot_be_compared() -> None:
    few = np.zeros_like(DISC)
    few.ravel()[: FEWEST_PIXELS - 1] = True
    with pytest.raises(InputError, match=r"AP: fewer than 64 pixels .*; check"):
        LocalLikeness(pattern(0), few, WINDOW, PLAIN, "AP")
    for even in (np.zeros((ROWS, COLUMNS)), np.full((ROWS, COLUMNS), 3.7)):
        with pytest.raises(InputError, match="LAT: it shows nothing"):
            LocalLikeness(even, EVERYWHERE, WINDOW, PLAIN, "LAT")
    likeness = LocalLikeness(pattern(0), DISC, WINDOW, PLAIN)
    nothing = np.where(DISC, 0.0, pattern(0))
    for asked in (likeness.value, likeness.residuals, lambda picture: likeness.linearised(picture, np.zeros((672, 1)))):
        with pytest.raises(InputError, match="in none of a radiograph's pixels"):
            asked(nothing)
    for wrong in ({"floor": 0.0}, {"floor": 10.0}, {"robust": 0.0}, {"robust": -1.0}, {"floor": float("nan")}):
        with pytest.raises(InputError, match="floor between"):
            LikenessOptions(**wrong)
