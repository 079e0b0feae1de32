"""Every similarity measure against somebody else's: numpy, scipy, scikit-image, ITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar
from similarity_cases import COLUMNS, ROWS, picture, uneven_weight, weighted_correlation
from skimage.feature import match_template

from XRayTo3DLib.registration.similarities.filters import gradients, reach_of, smoothed
from XRayTo3DLib.registration.similarity import (
    GradientCorrelation,
    GradientDifference,
    GradientInformation,
    LocalNormalisedCrossCorrelation,
    MultiScale,
    MutualInformation,
    NormalisedCrossCorrelation,
    PatchGradientCorrelation,
    WeightedSum,
)

IMAGE, TARGET = picture(3) + picture(4), picture(4)
WEIGHT = uneven_weight()
EVERYWHERE = torch.ones(ROWS, COLUMNS, dtype=torch.float64)


def score(measure, image: torch.Tensor = IMAGE) -> float:
    return float(measure(image[None])[0])


def slopes(image: torch.Tensor, sigma: float = 1.0) -> list[np.ndarray]:
    """scipy's Gaussian derivatives along columns and along rows."""
    options = {"sigma": sigma, "mode": "nearest", "radius": reach_of(sigma)}
    return [gaussian_filter(image.numpy(), order=order, **options) for order in ((0, 1), (1, 0))]


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_the_filters_are_scipys(sigma: float) -> None:
    for ours, theirs in zip(gradients(IMAGE[None], sigma), slopes(IMAGE, sigma), strict=True):
        assert ours[0].numpy() == pytest.approx(theirs, abs=1e-12)
    blurred = gaussian_filter(IMAGE.numpy(), sigma, mode="nearest", radius=reach_of(sigma))
    assert smoothed(IMAGE[None], sigma)[0].numpy() == pytest.approx(blurred, abs=1e-12)


def test_ncc_is_pearsons_correlation() -> None:
    expected = weighted_correlation(IMAGE.numpy(), TARGET.numpy(), WEIGHT.numpy())
    assert score(NormalisedCrossCorrelation(TARGET, WEIGHT)) == pytest.approx(expected, abs=1e-12)


def test_ncc_is_scikit_images_template_match() -> None:
    expected = match_template(IMAGE.numpy(), TARGET.numpy())[0, 0]
    assert score(NormalisedCrossCorrelation(TARGET, EVERYWHERE)) == pytest.approx(expected, abs=1e-9)


def test_gradient_correlation_is_the_mean_of_two_correlations() -> None:
    pairs = zip(slopes(IMAGE, 1.5), slopes(TARGET, 1.5), strict=True)
    expected = np.mean([weighted_correlation(one, other, WEIGHT.numpy()) for one, other in pairs])
    assert score(GradientCorrelation(TARGET, WEIGHT, sigma=1.5)) == pytest.approx(expected, abs=1e-12)


def corners(size: int, patch: int) -> list[int]:
    """Where patches begin: at most half a patch apart, the last at the end. All cases here divide evenly."""
    return list(range(0, size - patch + 1, patch // 2))


def in_patches(one: np.ndarray, other: np.ndarray, weight: np.ndarray, patch: int) -> list[tuple[slice, slice, float]]:
    """Patches that the mask covers by a quarter, each with its weighted correlation."""
    cuts = [
        (slice(row, row + patch), slice(column, column + patch))
        for row in corners(one.shape[0], patch)
        for column in corners(one.shape[1], patch)
    ]
    fullest = max(weight[cut].sum() for cut in cuts)
    return [
        (*cut, weighted_correlation(one[cut], other[cut], weight[cut]))
        for cut in cuts
        if weight[cut].sum() >= 0.25 * fullest
    ]


def patch_case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """36 x 48 pixels, which patches of 12 cover evenly, with an L-shaped mask that leaves whole patches out."""
    image, target = picture(3, 36, 48) + picture(4, 36, 48), picture(4, 36, 48)
    weight = torch.tensor(np.random.default_rng(1).uniform(0.2, 1, size=(36, 48)))
    weight[:20, 20:] = 0
    return image, target, weight


def test_local_ncc_is_the_mean_over_patches_that_the_mask_covers() -> None:
    image, target, weight = patch_case()
    found = in_patches(image.numpy(), target.numpy(), weight.numpy(), 12)
    assert 10 < len(found) < 35
    shares = [float(weight[rows, columns].sum()) for rows, columns, _ in found]
    expected = np.average([value for *_, value in found], weights=shares)
    assert score(LocalNormalisedCrossCorrelation(target, weight, patch=12, floor=0), image) == pytest.approx(
        expected, abs=1e-9
    )


def test_patch_gradient_correlation_weighs_patches_by_the_radiographs_variance() -> None:
    image, target, weight = patch_case()
    mask = weight.numpy()
    directions = []
    for one, other in zip(slopes(image), slopes(target), strict=True):
        found = in_patches(one, other, mask, 12)
        shares = []
        for rows, columns, _ in found:
            grey, inside = target.numpy()[rows, columns], mask[rows, columns]
            shares.append(inside.sum() * np.cov(grey.ravel(), aweights=inside.ravel(), ddof=0))
        directions.append(np.average([value for *_, value in found], weights=shares))
    ours = PatchGradientCorrelation(target, weight, patch=12, floor=0)
    assert score(ours, image) == pytest.approx(np.mean(directions), abs=1e-9)


def test_gradient_difference_is_penneys_at_scipys_best_gain() -> None:
    weight = WEIGHT.numpy() / WEIGHT.numpy().sum()
    moving, fixed = slopes(IMAGE), slopes(TARGET)
    variances = [np.cov(one.ravel(), aweights=weight.ravel(), ddof=0) for one in fixed]

    def lost(gain: float) -> float:
        parts = zip(fixed, moving, variances, strict=True)
        return -np.mean([(weight * v / (v + (f - gain * m) ** 2)).sum() for f, m, v in parts])

    best = minimize_scalar(lost, bounds=(0, 3), method="bounded")
    assert 0.3 < best.x < 1 and 0.5 < -best.fun < 0.95
    ours = score(GradientDifference(TARGET, WEIGHT))
    assert ours == pytest.approx(-best.fun, abs=1e-4) and ours <= -best.fun + 1e-5


def test_gradient_information_is_pluims() -> None:
    weight = WEIGHT.numpy() / WEIGHT.numpy().sum()

    def scaled(image: torch.Tensor) -> np.ndarray:
        field = np.stack(slopes(image))
        return field / np.sqrt((weight * (field**2).sum(axis=0)).sum())

    one, other = scaled(IMAGE), scaled(TARGET)
    angle = np.arctan2(one[1], one[0]) - np.arctan2(other[1], other[0])
    lengths = [np.hypot(*field) for field in (one, other)]
    shared = (weight * (np.cos(2 * angle) + 1) / 2 * np.minimum(*lengths)).sum()
    expected = shared / (weight * lengths[1]).sum()
    assert score(GradientInformation(TARGET, WEIGHT)) == pytest.approx(expected, abs=1e-6)
    both = score(GradientInformation(TARGET, WEIGHT, with_information=True))
    assert both == pytest.approx(expected * score(MutualInformation(TARGET, WEIGHT)), abs=1e-6)


def itk_metric(method: sitk.ImageRegistrationMethod, inside: np.ndarray) -> float:
    """What ITK's metric says of IMAGE against TARGET, as they lie, under the mask."""
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    method.SetMetricFixedMask(mask)
    method.SetMetricMovingMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(sitk.TranslationTransform(2))
    return method.MetricEvaluate(sitk.GetImageFromArray(TARGET.numpy()), sitk.GetImageFromArray(IMAGE.numpy()))


def test_ncc_is_itks_correlation() -> None:
    """ITK's metric is minus the square."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    inside = (WEIGHT > 0).double()
    ours = score(NormalisedCrossCorrelation(TARGET, inside))
    assert -(ours**2) == pytest.approx(itk_metric(method, inside.numpy()), abs=1e-6)


@pytest.mark.parametrize("bins", [16, 32, 50])
def test_mutual_information_is_itks_of_mattes(bins: int) -> None:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(bins)
    inside = (WEIGHT > 0).double()
    ours = score(MutualInformation(TARGET, inside, bins=bins))
    assert -ours == pytest.approx(itk_metric(method, inside.numpy()), abs=1e-5)
    assert ours > 0.2


def test_mutual_information_is_the_entropies_of_a_parzen_density() -> None:
    """The density once more, with scipy's B-spline and uneven weights; MI and NMI from it."""
    bins, weight = 20, WEIGHT.numpy()[WEIGHT.numpy() > 0]
    values = [image.numpy()[WEIGHT.numpy() > 0] for image in (TARGET, IMAGE)]
    at = [(v - v.min()) / (v.max() - v.min()) * (bins - 4) + 2 for v in values]
    spline = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    joint = np.zeros((bins, bins))
    for where, position, share in zip(
        np.minimum(at[0].astype(int), bins - 3), at[1], weight / weight.sum(), strict=True
    ):
        joint[where] += share * np.nan_to_num(spline(np.arange(bins) - position))

    def entropy(density: np.ndarray) -> float:
        return -(density[density > 0] * np.log(density[density > 0])).sum()

    single = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))
    assert joint.sum() == pytest.approx(1)
    assert score(MutualInformation(TARGET, WEIGHT, bins=bins)) == pytest.approx(single - entropy(joint), abs=1e-9)
    normalised = MutualInformation(TARGET, WEIGHT, bins=bins, normalised=True)
    assert score(normalised) == pytest.approx(single / entropy(joint), abs=1e-9)


def test_multi_scale_is_the_weighted_mean_over_scipys_gaussians() -> None:
    sigmas, shares = (0.0, 1.0, 3.0), (1.0, 2.0, 5.0)
    values = []
    for sigma in sigmas:
        both = [
            gaussian_filter(image.numpy(), sigma, mode="nearest", radius=reach_of(sigma)) for image in (IMAGE, TARGET)
        ]
        values.append(weighted_correlation(*both, WEIGHT.numpy()))
    ours = score(MultiScale(TARGET, WEIGHT, sigmas=sigmas, shares=shares))
    assert ours == pytest.approx(np.average(values, weights=shares), abs=1e-9)
    assert max(values) - min(values) > 0.01


def test_a_weighted_sum_is_one() -> None:
    parts = (NormalisedCrossCorrelation, MutualInformation)
    expected = np.average([score(part(TARGET, WEIGHT)) for part in parts], weights=(3, 1))
    assert score(WeightedSum(TARGET, WEIGHT, parts, (3, 1))) == pytest.approx(expected, abs=1e-12)
