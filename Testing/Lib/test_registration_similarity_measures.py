"""What holds for every similarity measure: its top, what it ignores, its derivative, its refusals."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from similarity_cases import COLUMNS, ROWS, picture, uneven_weight

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarity import (
    LEAST_SQUARES,
    SIMILARITIES,
    GradientCorrelation,
    GradientDifference,
    LocalNormalisedCrossCorrelation,
    MultiScale,
    MutualInformation,
    NormalisedCrossCorrelation,
    PatchGradientCorrelation,
    WeightedSum,
    similarity_named,
)

EVERY = pytest.mark.parametrize("name", sorted(SIMILARITIES))
SQUARES = pytest.mark.parametrize("name", sorted(LEAST_SQUARES))
EVERYWHERE = torch.ones(ROWS, COLUMNS, dtype=torch.float64)
SEES_NO_SIGN = {"gradient-information", "mutual-information", "normalised-mutual-information"}
EXACT = {
    "local-ncc": partial(LocalNormalisedCrossCorrelation, floor=0),
    "patch-gradient-correlation": partial(PatchGradientCorrelation, floor=0),
    "ncc-and-gradients": partial(
        WeightedSum, measures=(partial(LocalNormalisedCrossCorrelation, floor=0), GradientCorrelation), shares=(1, 3)
    ),
}
"""Without the floor under a patch's contrast, the correlations' system is exact to rounding."""


@EVERY
def test_its_top_is_where_the_pictures_lie_on_each_other(name: str) -> None:
    wide = picture(0, ROWS + 8, COLUMNS + 8)
    shifts = [(row, column) for row in range(9) for column in range(9)]
    images = torch.stack([wide[row : row + ROWS, column : column + COLUMNS] for row, column in shifts])
    values = similarity_named(name)(images[shifts.index((4, 4))], uneven_weight())(images)
    assert shifts[int(values.argmax())] == (4, 4)
    nearer = [float(values[shifts.index((4, column))]) for column in (4, 5, 6)]
    assert nearer[0] > nearer[1] > nearer[2]


@pytest.mark.parametrize("name", sorted(set(SIMILARITIES) - {"mutual-information", "normalised-mutual-information"}))
def test_a_picture_is_wholly_like_itself(name: str) -> None:
    value = float(SIMILARITIES[name](picture(), uneven_weight())(picture()[None]))
    assert value == pytest.approx(1.0, abs=2e-3 if "local" in name or "patch" in name or "and" in name else 1e-6)


@SQUARES
def test_correlations_turn_round_with_the_contrast(name: str) -> None:
    measure = SIMILARITIES[name](picture(), uneven_weight())
    images = torch.stack([picture(1) + picture(), -picture(1) - picture()])
    positive, negative = measure(images).tolist()
    assert positive == pytest.approx(-negative, abs=1e-12) and 0.2 < positive < 0.95


@pytest.mark.parametrize("name", sorted(SEES_NO_SIGN))
def test_some_measures_see_no_sign(name: str) -> None:
    measure = SIMILARITIES[name](picture(), uneven_weight())
    positive, negative = measure(torch.stack([picture(1) + picture(), -picture(1) - picture()])).tolist()
    assert positive == pytest.approx(negative, rel=0.02)


def test_gradient_difference_gives_opposite_contrast_no_more_than_a_flat_picture() -> None:
    measure = GradientDifference(picture(), uneven_weight())
    images = torch.stack([-picture(), torch.zeros(ROWS, COLUMNS, dtype=torch.float64), picture(1) + picture()])
    opposite, flat, like = measure(images).tolist()
    assert opposite == pytest.approx(flat, abs=1e-9) and flat < like < 1


@EVERY
@settings(max_examples=8, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-50, 50), seed=st.integers(1, 50))
def test_gain_and_offset_change_nothing(name: str, gain: float, offset: float, seed: int) -> None:
    target, image, weight = picture(0), picture(0) + picture(seed), uneven_weight()
    plain = float(SIMILARITIES[name](target, weight)(image[None]))
    assert float(SIMILARITIES[name](target, weight)(gain * image[None] + offset)) == pytest.approx(plain, abs=1e-5)
    changed = float(SIMILARITIES[name](gain * target + offset, weight)(image[None]))
    # A grey value on the border of two bins may fall either way.
    assert changed == pytest.approx(plain, abs=2e-3 if "information" in name else 1e-5)


@EVERY
def test_a_batch_is_scored_one_by_one(name: str) -> None:
    measure = SIMILARITIES[name](picture(), uneven_weight())
    images = torch.stack([picture(seed) + picture() for seed in range(1, 5)])
    together = measure(images)
    assert together.shape == (4,)
    assert together.tolist() == pytest.approx([float(measure(image[None])) for image in images], abs=1e-12)
    assert len(set(together.tolist())) == 4


@EVERY
def test_what_the_mask_leaves_out_is_not_seen(name: str) -> None:
    """A marker as bright as metal, beyond the widest filter's reach (10 pixels and 3) outside the mask, and inside."""
    weight = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    weight[4:36, 4:28] = 1
    outside, inside = picture() + picture(1), picture() + picture(1)
    outside[:, 42:] += 500
    inside[10:20, 10:20] += 500
    spoiled = picture()
    spoiled[:, 42:] -= 300
    measure = SIMILARITIES[name](picture(), weight)
    plain = float(measure((picture() + picture(1))[None]))
    assert float(measure(outside[None])) == pytest.approx(plain, abs=1e-9)
    assert float(SIMILARITIES[name](spoiled, weight)(outside[None])) == pytest.approx(plain, abs=1e-9)
    assert abs(float(measure(inside[None])) - plain) > 0.01


@EVERY
def test_only_the_proportions_of_the_weights_matter(name: str) -> None:
    image = (picture() + picture(1))[None]
    one, hundred = (SIMILARITIES[name](picture(), factor * uneven_weight())(image) for factor in (1, 100))
    assert float(one) == pytest.approx(float(hundred), abs=1e-9)
    even = SIMILARITIES[name](picture(), (uneven_weight() > 0).double())(image)
    assert abs(float(one) - float(even)) > 1e-5


@EVERY
def test_its_derivative_is_that_of_central_differences(name: str) -> None:
    measure = SIMILARITIES[name](picture(0, 24, 26), uneven_weight(9, 24, 26))
    images = torch.stack([picture(1, 24, 26) + picture(0, 24, 26), picture(2, 24, 26)]).requires_grad_()
    assert torch.autograd.gradcheck(measure, (images,), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)
    (slope,) = torch.autograd.grad(measure(images).sum(), images)
    assert float(slope.abs().max()) > 1e-5


@EVERY
@pytest.mark.parametrize("grey", [0.0, 3.7])
def test_a_flat_drr_has_a_low_score_and_no_nan(name: str, grey: float) -> None:
    """A bone that has left the picture: the optimiser must survive it."""
    measure = SIMILARITIES[name](picture(dtype=torch.float32), uneven_weight())
    image = torch.full((1, ROWS, COLUMNS), grey).requires_grad_()
    value = measure(image)
    value.sum().backward()
    assert bool(torch.isfinite(image.grad).all())
    like = float(measure((picture() + picture(1))[None].float()))
    slopes = torch.stack(torch.gradient(picture()))
    # Gradient difference counts every pixel of the radiograph that has no edge; plain differences are near enough.
    flat = (1 / (1 + slopes.square() / slopes.var(dim=(1, 2), keepdim=True)))[:, uneven_weight() > 0].mean()
    bottom = {"normalised-mutual-information": 1.0, "gradient-difference": float(flat)}.get(name, 0.0)
    assert value.item() == pytest.approx(bottom, abs=0.02) and like > bottom + 0.05


@SQUARES
def test_its_normal_equations_hold_value_and_gradient(name: str) -> None:
    measure = EXACT.get(name, SIMILARITIES[name])(picture(), uneven_weight())
    image, derivatives = picture() + picture(1), torch.stack([picture(seed) for seed in (2, 3, 4)])
    value, square, gradient = measure.normal_equations(image, derivatives)
    steps = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    height = measure((image + torch.einsum("p,prc->rc", steps, derivatives))[None])
    (slope,) = torch.autograd.grad(height.sum(), steps)
    assert value == pytest.approx(height.item(), abs=1e-12)
    assert gradient.numpy() == pytest.approx(-2 * slope.numpy(), rel=1e-6) and float(slope.abs().min()) > 1e-4
    assert square.shape == (3, 3) and square.dtype == gradient.dtype == torch.float64


@SQUARES
def test_at_the_target_its_square_is_the_curvature(name: str) -> None:
    """Where the residual vanishes, J^T J is half the second derivative of 4 (1 - S)."""
    measure = EXACT.get(name, SIMILARITIES[name])(picture(), uneven_weight())
    derivatives = torch.stack([picture(seed) for seed in (2, 3, 4)])

    def distance(steps: torch.Tensor) -> torch.Tensor:
        return 4 * (1 - measure((picture() + torch.einsum("p,prc->rc", steps, derivatives))[None])[0])

    curvature = torch.autograd.functional.hessian(distance, torch.zeros(3, dtype=torch.float64))
    value, square, gradient = measure.normal_equations(picture(), derivatives)
    assert value == pytest.approx(1, abs=1e-9) and float(gradient.abs().max()) < 1e-9
    assert square.numpy() == pytest.approx(curvature.numpy() / 2, rel=1e-6)
    assert float(torch.linalg.eigvalsh(square).min()) > 0.01


@pytest.mark.parametrize("measure", [LocalNormalisedCrossCorrelation, PatchGradientCorrelation])
def test_with_a_floor_value_and_gradient_stay_exact(measure) -> None:
    measure = measure(picture(), uneven_weight(), floor=0.3)
    image, derivatives = picture() + picture(1), torch.stack([picture(seed) for seed in (2, 3)])
    value, square, gradient = measure.normal_equations(image, derivatives)
    steps = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    height = measure((image + torch.einsum("p,prc->rc", steps, derivatives))[None])
    (slope,) = torch.autograd.grad(height.sum(), steps)
    assert value == pytest.approx(height.item(), abs=1e-12)
    assert gradient.numpy() == pytest.approx(-2 * slope.numpy(), rel=1e-6)
    assert float(torch.linalg.eigvalsh(square).min()) > 0


@SQUARES
def test_single_precision_is_good_to_six_digits(name: str) -> None:
    image, derivatives = picture() + picture(1) + 5, torch.stack([picture(seed) for seed in (2, 3, 4)])
    exact = SIMILARITIES[name](picture() + 5, uneven_weight()).normal_equations(image, derivatives)
    single = SIMILARITIES[name]((picture() + 5).float(), uneven_weight().float())
    value, square, gradient = single.normal_equations(image.float(), derivatives.float())
    assert value == pytest.approx(exact[0], abs=3e-6)
    assert square.numpy() == pytest.approx(exact[1].numpy(), abs=1e-5 * float(exact[1].max()))
    assert gradient.numpy() == pytest.approx(exact[2].numpy(), abs=1e-5 * float(exact[2].abs().max()))


def test_the_list_says_which_measures_have_a_least_squares_form() -> None:
    derivatives = torch.stack([picture(2), picture(3)])
    for name in set(SIMILARITIES) - LEAST_SQUARES:
        assert not hasattr(SIMILARITIES[name](picture(), EVERYWHERE), "normal_equations")
    assert {"gradient-correlation", "ncc", "local-ncc", "patch-gradient-correlation"} <= LEAST_SQUARES
    mixed = WeightedSum(picture(), EVERYWHERE, (NormalisedCrossCorrelation, MutualInformation))
    with pytest.raises(InputError, match="MutualInformation has no least-squares form"):
        mixed.normal_equations(picture(1), derivatives)
    with pytest.raises(InputError, match="no measure is called 'nmi'; choose one of gradient-correlation"):
        similarity_named("nmi")


@pytest.mark.parametrize("measure", [LocalNormalisedCrossCorrelation, PatchGradientCorrelation])
def test_flat_patches_do_no_harm(measure) -> None:
    """Half of the radiograph is flat, another half of the DRR: patches without contrast are neither NaN nor noise."""
    target, image = picture(), picture()
    target[:, 30:] = 2.0
    image[:18] = 0.0
    found = measure(target, EVERYWHERE, patch=9)(image.requires_grad_()[None])
    (slope,) = torch.autograd.grad(found.sum(), image)
    assert 0.3 < found.item() < 0.75 and bool(torch.isfinite(slope).all())
    assert float(measure(target, EVERYWHERE, patch=9)(target[None])) == pytest.approx(1, abs=2e-3)
    faint = image.detach().clone()
    faint[:18] += 1e-6 * picture(5)[:18]
    assert float(measure(target, EVERYWHERE, patch=9)(faint[None])) == pytest.approx(found.item(), abs=1e-3)


def test_a_wrong_half_costs_patches_only_that_half() -> None:
    """Metal over a corner of the DRR: local measures lose a corner, the global one loses nearly everything."""
    image = picture()
    image[:10, :10] += 60
    local, whole = (
        float(measure(picture(), EVERYWHERE)(image[None]))
        for measure in (LocalNormalisedCrossCorrelation, NormalisedCrossCorrelation)
    )
    assert whole < 0.3 < 0.7 < local


@EVERY
def test_nothing_to_compare_is_refused(name: str) -> None:
    few = torch.zeros(ROWS, COLUMNS)
    few[0, :10] = 1
    make = SIMILARITIES[name]
    with pytest.raises(InputError, match="fewer than 16 pixels to compare"):
        make(picture(), few)
    with pytest.raises(InputError, match="fewer than 16 pixels to compare"):
        make(picture(), torch.zeros(ROWS, COLUMNS))
    for grey in (0.0, 3.0, 1e4):
        with pytest.raises(InputError, match="flat where the bone should be; check its intensities"):
            make(torch.full((ROWS, COLUMNS), grey), EVERYWHERE)
    with pytest.raises(InputError, match=r"picture \(40, 50\) and mask \(50, 40\)"):
        make(picture(), EVERYWHERE.T)
    with pytest.raises(InputError, match="finite and not negative"):
        make(picture(), EVERYWHERE - 2 * uneven_weight())
    with pytest.raises(InputError, match=r"images of \(30, 50\) pixels against a radiograph of \(40, 50\)"):
        make(picture(), EVERYWHERE)(picture()[None, :30])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(LocalNormalisedCrossCorrelation, patch=2), "patches of 2 pixels"),
        (partial(PatchGradientCorrelation, stride=0), "every 0"),
        (partial(MutualInformation, bins=5), "5 bins are too few"),
        (partial(MultiScale, sigmas=()), "0 measures"),
        (partial(MultiScale, sigmas=(0.0, -1.0)), "none may be negative"),
        (partial(WeightedSum, measures=(NormalisedCrossCorrelation,), shares=(1.0, 2.0)), "1 measures with shares"),
        (partial(WeightedSum, measures=(NormalisedCrossCorrelation,), shares=(0.0,)), "one share above zero"),
    ],
)
def test_bad_options_are_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(picture(), EVERYWHERE)


def test_patches_larger_than_the_mask_become_one() -> None:
    weight = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    weight[10:18, 10:19] = 1
    image = picture() + picture(1)
    local = LocalNormalisedCrossCorrelation(picture(), weight, patch=60, floor=0)
    whole = NormalisedCrossCorrelation(picture(), weight)
    assert float(local(image[None])) == pytest.approx(float(whole(image[None])), abs=1e-12)
    assert np.isfinite(float(local(image[None])))
