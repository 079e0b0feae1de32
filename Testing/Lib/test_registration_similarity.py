"""Gradient correlation: its range, what it ignores, and its Gauss-Newton system."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarity import GradientCorrelation

ROWS, COLUMNS = 40, 50
ALL = torch.ones(ROWS, COLUMNS)


def picture(seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS))
    return torch.tensor(gaussian_filter(noise, 2.5) * 10, dtype=torch.float32)


def score(image: torch.Tensor, target: torch.Tensor, weight: torch.Tensor = ALL) -> float:
    return float(GradientCorrelation(target, weight)(image[None]))


def test_a_picture_matches_itself_and_opposes_its_negative() -> None:
    assert score(picture(), picture()) == pytest.approx(1.0, abs=1e-5)
    assert score(-picture(), picture()) == pytest.approx(-1.0, abs=1e-5)
    assert abs(score(picture(1), picture(2))) < 0.3


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-5, 5), seed=st.integers(1, 50))
def test_gain_and_offset_change_nothing_and_it_stays_in_range(gain: float, offset: float, seed: int) -> None:
    target, image = picture(0), picture(0) + picture(seed)
    plain = score(image, target)
    assert -1 <= plain <= 1
    assert score(gain * image + offset, target) == pytest.approx(plain, abs=2e-3)
    assert score(image, gain * target + offset) == pytest.approx(plain, abs=2e-3)


def test_it_is_the_mean_of_two_correlations_of_gaussian_derivatives() -> None:
    """Written down again with scipy: both directional derivatives, each with its own NCC."""
    from scipy.ndimage import correlate1d

    x = np.arange(-3, 4)
    gauss = np.exp(-(x**2) / 2)
    gauss = gauss / gauss.sum()
    image, target = picture(3).double().numpy(), picture(4).double().numpy()

    def derivatives(values: np.ndarray) -> list[np.ndarray]:
        both = ((x * gauss, gauss), (gauss, x * gauss))  # along columns, along rows
        return [
            correlate1d(correlate1d(values, across, axis=1, mode="nearest"), down, axis=0, mode="nearest").ravel()
            for across, down in both
        ]

    expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(derivatives(image), derivatives(target), strict=True)])
    assert score(picture(3), picture(4)) == pytest.approx(expected, abs=1e-5)


def test_masked_pixels_are_ignored() -> None:
    """A marker beyond the derivative filter's reach outside the mask is not seen; inside it is."""
    weight = torch.zeros(ROWS, COLUMNS)
    weight[5:35, 5:30] = 1
    spoiled = picture()
    spoiled[10:20, 36:44] += 50
    assert score(spoiled, picture(), weight) == pytest.approx(1.0, abs=1e-5)
    assert score(spoiled, picture()) < 0.9


def test_weights_count() -> None:
    """Half of the picture matches, half opposes: the weights decide."""
    image = picture().clone()
    image[:, 25:] *= -1
    left = ALL.clone()
    left[:, 25:] = 0.05
    assert score(image, picture(), left) > 0.7 > 0.3 > abs(score(image, picture()))


def test_a_batch_is_scored_one_by_one() -> None:
    images = torch.stack([picture(1), picture(0), torch.zeros(ROWS, COLUMNS)])
    scores = GradientCorrelation(picture(0), ALL)(images)
    assert scores.shape == (3,)
    assert float(scores[1]) == pytest.approx(1.0, abs=1e-5) and float(scores[2]) == 0.0
    assert float(scores[0]) == pytest.approx(score(picture(1), picture(0)), abs=1e-6)


def test_its_normal_equations_hold_the_gradient_of_gc() -> None:
    """J^T r is half the gradient of the squared distance 4 (1 - GC): minus twice that of GC."""
    similarity = GradientCorrelation(picture(0), ALL)
    image, derivatives = picture(0) + picture(1), torch.stack([picture(seed) for seed in (2, 3, 4)])
    value, square, gradient = similarity.normal_equations(image, derivatives)
    assert value == pytest.approx(float(similarity(image[None])), abs=1e-6)
    step = 1e-2
    numeric = [
        float(similarity((image + step * d)[None]) - similarity((image - step * d)[None])) / (2 * step)
        for d in derivatives
    ]
    assert gradient.numpy() == pytest.approx(-2 * np.array(numeric), rel=0.01, abs=1e-3)
    assert max(map(abs, numeric)) > 0.01
    assert torch.allclose(square, square.T) and float(torch.linalg.eigvalsh(square).min()) > 0


def test_at_the_target_nothing_pulls() -> None:
    derivatives = torch.stack([picture(seed) for seed in (2, 3)])
    value, _, gradient = GradientCorrelation(picture(0), ALL).normal_equations(picture(0), derivatives)
    assert value == pytest.approx(1.0, abs=1e-5) and float(gradient.abs().max()) < 1e-5


def test_it_is_differentiable() -> None:
    image = picture(1).requires_grad_()
    similarity = GradientCorrelation(picture(0), ALL)
    similarity(image[None]).sum().backward()
    direction = picture(5)
    step = 0.01
    plain = image.detach()
    numeric = float(similarity((plain + step * direction)[None]) - similarity((plain - step * direction)[None]))
    assert float((image.grad * direction).sum()) == pytest.approx(numeric / (2 * step), rel=0.02)


def test_nothing_to_compare_is_refused() -> None:
    few = torch.zeros(ROWS, COLUMNS)
    few[0, :10] = 1
    with pytest.raises(InputError, match="fewer than 16 pixels to compare"):
        GradientCorrelation(picture(), few)
    with pytest.raises(InputError, match="flat where the bone should be; check its intensities"):
        GradientCorrelation(ALL * 3, ALL)
