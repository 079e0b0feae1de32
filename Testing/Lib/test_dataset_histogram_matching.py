"""Histogram matching inside bones, against scikit-image and the definition of a distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.exposure import match_histograms

from XRayTo3DLib.dataset.histogram_matching import Template, equalize, match, mean_template
from XRayTo3DLib.errors import InputError


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A radiograph, a DRR of other values, and the bones' mask."""
    rng = np.random.default_rng(3)
    mask = np.zeros((60, 50), dtype=bool)
    mask[10:50, 8:40] = True
    return rng.normal(1.0, 0.4, mask.shape) ** 3, np.where(mask, rng.gamma(2.0, 0.05, mask.shape), 0.0), mask


def test_it_does_what_scikit_image_does(pictures) -> None:
    radiograph, drr, mask = pictures
    ours = match(radiograph, mask, mean_template([drr], [mask]))
    theirs = match_histograms(radiograph[mask], drr[mask])
    error = np.abs(ours[mask] - theirs)
    assert error[theirs < np.quantile(theirs, 0.99)].max() < 0.005 * np.ptp(drr)
    assert np.sqrt(np.mean(error**2)) < 0.002 * np.ptp(drr)


def test_values_are_distributed_as_the_template_in_their_old_order(pictures) -> None:
    radiograph, drr, mask = pictures
    found = match(radiograph, mask, mean_template([drr], [mask]))
    assert not found[~mask].any() and found.dtype == np.float32
    order = np.argsort(radiograph[mask])
    assert np.all(np.diff(found[mask][order]) >= 0)
    shares = np.linspace(0.01, 0.99, 40)
    assert np.quantile(found[mask], shares) == pytest.approx(np.quantile(drr[mask], shares), abs=0.002)


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.2, 5), offset=st.floats(-2, 2), curve=st.floats(0.5, 3))
def test_any_rising_curve_of_the_detector_is_undone(gain: float, offset: float, curve: float) -> None:
    values = np.random.default_rng(0).gamma(2.0, 0.05, (20, 20))
    mask = np.ones(values.shape, dtype=bool)
    seen = gain * values**curve + offset
    template = mean_template([values], [mask])
    assert match(seen, mask, template) == pytest.approx(match(values, mask, template), abs=1e-6)
    assert match(seen, mask, template) == pytest.approx(values, abs=0.02 * values.max())


def test_the_mean_template_averages_distributions_not_pixels() -> None:
    mask = np.ones((1, 101), dtype=bool)
    ramp = np.linspace(0, 1, 101)[None]
    template = mean_template([ramp, 3 * ramp[:, ::-1]], [mask, mask])
    assert template.quantiles == pytest.approx(2 * template.shares, abs=1e-9)


def test_equalised_values_are_uniform_and_ties_stay_ties(pictures) -> None:
    radiograph, _, mask = pictures
    even = equalize(radiograph, mask, 0.0, 0.2)[mask]
    assert np.histogram(even, bins=10, range=(0, 0.2))[0] == pytest.approx(mask.sum() / 10, abs=2)
    tied = equalize(np.array([[1.0, 1.0, 5.0, 9.0]]), np.ones((1, 4), dtype=bool))
    assert tied[0, 0] == tied[0, 1] == pytest.approx(0.5 / 3) and tied[0, 3] == 1.0


def test_nothing_to_match_is_refused(pictures) -> None:
    radiograph, drr, mask = pictures
    with pytest.raises(InputError, match="hold bone"):
        match(radiograph, ~mask & mask, Template(np.array([0.0, 1.0])))
    with pytest.raises(InputError, match="shapes must agree"):
        equalize(radiograph[1:], mask)
    with pytest.raises(InputError, match="one mask each"):
        mean_template([drr], [])
    with pytest.raises(InputError, match="from low to high"):
        equalize(radiograph, mask, 1.0, 0.0)
    for wrong in ([1.0], [1.0, 0.0], [0.0, np.nan]):
        with pytest.raises(InputError, match="rising"):
            Template(np.array(wrong))
