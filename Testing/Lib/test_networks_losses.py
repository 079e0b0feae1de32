"""Every loss against its formula written out slowly in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks import losses

Array = NDArray[np.float64]


def random_labels(seed: int, labels: int = 2) -> Array:
    """Soft labels (2, labels, 2, 3, 4), some of which overlap to more than one."""
    return np.clip(np.random.default_rng(seed).uniform(-0.4, 1.2, (2, labels, 2, 3, 4)), 0, 1)


def random_logits(seed: int, classes: int = 3) -> Array:
    return np.random.default_rng(seed).normal(0, 3, (2, classes, 2, 3, 4))


def slow_cross_entropy(logits: Array, labels: Array, weights: Array) -> float:
    total, voxels = 0.0, 0
    for b, z, y, x in np.ndindex(weights.shape):
        bones = [float(value) for value in labels[b, :, z, y, x]]
        over = max(sum(bones), 1.0)
        shares = [max(1 - sum(bones), 0.0)] + [value / over for value in bones]
        exponentials = [math.exp(value) for value in logits[b, :, z, y, x]]
        for share, exponential in zip(shares, exponentials, strict=True):
            total -= weights[b, z, y, x] * share * math.log(exponential / sum(exponentials))
        voxels += 1
    return total / voxels


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), labels=st.integers(1, 3))
def test_soft_cross_entropy(seed: int, labels: int) -> None:
    logits, wanted = random_logits(seed, labels + 1), random_labels(seed, labels)
    weights = np.random.default_rng(seed).uniform(0, 3, (2, 2, 3, 4))
    given_ = torch.tensor(logits), torch.tensor(wanted)
    plain = float(losses.soft_cross_entropy(*given_))
    assert plain == pytest.approx(slow_cross_entropy(logits, wanted, np.ones_like(weights)), rel=1e-9)
    weighted = float(losses.soft_cross_entropy(*given_, torch.tensor(weights)))
    assert weighted == pytest.approx(slow_cross_entropy(logits, wanted, weights), rel=1e-9)


def test_soft_cross_entropy_of_whole_voxels_is_torch_s_own() -> None:
    classes = torch.randint(0, 3, (2, 4, 4, 4))
    logits = torch.randn(2, 3, 4, 4, 4, dtype=torch.double)
    one_hot = nn.functional.one_hot(classes, 3).movedim(-1, 1).double()[:, 1:]
    expected = nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(losses.soft_cross_entropy(logits, one_hot), expected)


def test_soft_cross_entropy_is_least_where_the_softmax_is_the_labels() -> None:
    labels = torch.tensor(random_labels(3)) * 0.45 + 0.01
    shares = losses.with_background(labels)
    best = shares.log().requires_grad_(True)
    value = losses.soft_cross_entropy(best, labels)
    (gradient,) = torch.autograd.grad(value, best)
    assert gradient.abs().max() < 1e-12
    assert losses.soft_cross_entropy(best + torch.randn_like(best), labels) > value


def test_shares_always_sum_to_one() -> None:
    shares = losses.with_background(torch.tensor(random_labels(4)))
    torch.testing.assert_close(shares.sum(1), torch.ones_like(shares[:, 0]))
    assert shares.min() >= 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_losses_on_codes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    a, b = torch.tensor(first), torch.tensor(second)
    l1 = sum(abs(first[i, k]) for i in range(3) for k in range(5)) / 3
    squares = [sum((first[i, k] - second[i, k]) ** 2 for k in range(5)) for i in range(3)]
    assert float(losses.code_l1(a)) == pytest.approx(l1)
    assert float(losses.code_distance(a, b)) == pytest.approx(sum(math.sqrt(s) for s in squares) / 3)
    assert float(losses.code_distance(a, b, squared=True)) == pytest.approx(sum(squares) / 3)
    assert float(losses.girdhar_code_loss(a, b)) == pytest.approx(sum(squares) / 6)


def test_equal_codes_have_distance_and_gradient_zero() -> None:
    codes = torch.randn(4, 6, requires_grad=True)
    targets = codes.detach().clone()
    targets[1, 2] += 3.0
    value = losses.code_distance(codes, targets)
    (gradient,) = torch.autograd.grad(value, codes)
    assert float(value.detach()) == pytest.approx(3.0 / 4)
    expected = torch.zeros(4, 6)
    expected[1, 2] = -1 / 4
    torch.testing.assert_close(gradient, expected)


class LinearEncoder(nn.Module):
    """A linear encoder that numpy can repeat: labels (B, 2, 2, 3, 4) to (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Linear(48, 3).double()

    def forward(self, soft_labels: Tensor) -> Tensor:
        return self.code(soft_labels.flatten(1))

    def slow(self, soft_labels: Array) -> Array:
        weight, bias = (parameter.detach().numpy() for parameter in (self.code.weight, self.code.bias))
        return np.array([weight @ volume.ravel() + bias for volume in soft_labels])


def latent_case() -> tuple[LinearEncoder, Array, Array, Array]:
    torch.manual_seed(2)
    return LinearEncoder(), random_labels(5), np.random.default_rng(6).normal(size=(2, 3)), random_logits(7)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("variant", losses.LATENT_VARIANTS)
def test_latent_loss(variant: str, squared: bool) -> None:
    encoder, labels, codes, logits = latent_case()
    exponentials = np.exp(logits)
    probabilities = (exponentials / exponentials.sum(1, keepdims=True))[:, 1:]
    found = encoder.slow(probabilities) if variant == "formula" else codes
    apart = [math.sqrt(sum(row**2)) for row in found - encoder.slow(labels)]
    expected = sum(value**2 if squared else value for value in apart) / 2
    arguments = [torch.tensor(each) for each in (labels, codes, logits)]
    assert float(losses.latent_loss(encoder, *arguments, variant, squared).detach()) == pytest.approx(expected)


def test_the_formula_teaches_the_decoder_and_the_text_only_the_predictor() -> None:
    encoder, labels, codes, logits = latent_case()
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    code, logit = (torch.tensor(each, requires_grad=True) for each in (codes, logits))
    losses.latent_loss(encoder, torch.tensor(labels), code, logit, "formula").backward()
    assert code.grad is None
    assert logit.grad is not None
    assert logit.grad.abs().min() > 0
    logit.grad = None
    losses.latent_loss(encoder, torch.tensor(labels), code, logit, "text").backward()
    assert logit.grad is None
    assert code.grad is not None
    assert code.grad.abs().min() > 0


def test_an_unknown_variant_is_refused() -> None:
    encoder, *arguments = latent_case()
    with pytest.raises(InputError, match="formula, text"):
        losses.latent_loss(encoder, *(torch.tensor(each) for each in arguments), variant="both")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_adversarial_losses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, made = rng.normal(0, 4, (2, 1, 3, 3)), rng.normal(0, 4, (2, 1, 3, 3))
    picture, wanted = rng.uniform(-1, 1, (2, 1, 5, 5)), rng.uniform(-1, 1, (2, 1, 5, 5))
    passes = [1 / (1 + math.exp(-value)) for value in made.ravel()]
    is_real = [1 / (1 + math.exp(-value)) for value in real.ravel()]
    told = -sum(math.log(p) for p in is_real) / 18 - sum(math.log(1 - p) for p in passes) / 18
    fooled = -sum(math.log(p) for p in passes) / 18
    apart = sum(abs(a - b) for a, b in zip(picture.ravel(), wanted.ravel(), strict=True)) / 50
    tensors = [torch.tensor(each) for each in (real, made, picture, wanted)]
    assert float(losses.discriminator_loss(*tensors[:2])) == pytest.approx(told / 2, rel=1e-9)
    assert float(losses.generator_loss(*tensors[1:])) == pytest.approx(fooled + 100 * apart, rel=1e-9)
    assert float(losses.generator_loss(*tensors[1:], l1_weight=7.0)) == pytest.approx(fooled + 7 * apart, rel=1e-9)


def test_adversarial_loss_of_a_very_sure_discriminator_is_finite() -> None:
    logits = torch.tensor([-200.0, 200.0], requires_grad=True)
    value = losses.adversarial_loss(logits, real=True)
    value.backward()
    assert float(value.detach()) == pytest.approx(100.0)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([-0.5, 0.0]))


def test_girdhar_s_voxel_loss_is_a_sum_over_voxels() -> None:
    rng = np.random.default_rng(8)
    logits, inside = rng.normal(size=(2, 1, 2, 3, 2)), rng.integers(0, 2, (2, 1, 2, 3, 2)).astype(float)
    total = 0.0
    for logit, voxel in zip(logits.ravel(), inside.ravel(), strict=True):
        probability = 1 / (1 + math.exp(-logit))
        total -= math.log(probability if voxel else 1 - probability)
    value = losses.girdhar_voxel_loss(torch.tensor(logits), torch.tensor(inside))
    assert float(value) == pytest.approx(total / 2)
