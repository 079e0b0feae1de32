"""Segmentation: the network is MONAI's, its files hold each weight once; losses against slow formulas and MONAI's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss
from monai.networks.nets import DynUNet

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.segmentation import FILTERS, SegmentationNetwork, segmentation_network
from XRayTo3DLib.networks.segmentation_losses import dice_semimetric_loss, segmentation_loss, smoothed_cross_entropy


def random_pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and soft labels (2, 3, 4, 5); one label is nowhere."""
    generator = np.random.default_rng(seed)
    found, labels = generator.uniform(0, 1, (2, 2, 3, 4, 5))
    labels[0, 1] = 0
    return torch.tensor(found), torch.tensor(labels)


def slow_semimetric(found: torch.Tensor, labels: torch.Tensor, smooth: float) -> float:
    losses = []
    for b, c in np.ndindex(*found.shape[:2]):
        p, t = ([float(value) for value in each[b, c].flatten()] for each in (found, labels))
        norms, apart = sum(p) + sum(t), sum(abs(x - y) for x, y in zip(p, t, strict=True))
        losses.append(1 - (norms - apart + smooth) / (norms + smooth))
    return sum(losses) / len(losses)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), smooth=st.sampled_from([1e-3, 0.5]))
def test_dice_semimetric_is_its_formula(seed: int, smooth: float) -> None:
    found, labels = random_pair(seed)
    assert float(dice_semimetric_loss(found, labels, smooth)) == pytest.approx(slow_semimetric(found, labels, smooth))


def test_dice_semimetric_is_a_distance_of_soft_labels() -> None:
    """Zero where both are equal, which the soft Dice loss is not; symmetric; a label that is nowhere costs nothing."""
    found, labels = random_pair(1)
    assert float(dice_semimetric_loss(labels, labels)) == pytest.approx(0, abs=1e-12)
    assert float(DiceLoss()(labels, labels)) > 0.1
    assert float(dice_semimetric_loss(found, labels)) == pytest.approx(float(dice_semimetric_loss(labels, found)))
    empty = torch.zeros(1, 1, 4, 4)
    assert float(dice_semimetric_loss(empty, empty)) == 0


def test_dice_semimetric_of_hard_labels_is_dice() -> None:
    found, labels = random_pair(2)
    hard = (labels > 0.5).double()
    monai = DiceLoss(smooth_nr=1e-3, smooth_dr=1e-3)(found, hard)
    torch.testing.assert_close(dice_semimetric_loss(found, hard), monai)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_is_its_formula(smoothing: float) -> None:
    logits, labels = torch.randn(2, 3, 4, 5, dtype=torch.double), random_pair(3)[1]
    total = 0.0
    for z, label in zip(logits.flatten().tolist(), labels.flatten().tolist(), strict=True):
        p, target = 1 / (1 + math.exp(-z)), label * (1 - smoothing) + smoothing / 2
        total -= target * math.log(p) + (1 - target) * math.log(1 - p)
    expected = total / logits.numel()
    assert float(smoothed_cross_entropy(logits, labels, smoothing)) == pytest.approx(expected)
    both = expected + slow_semimetric(logits.sigmoid(), labels, 1e-3)
    assert float(segmentation_loss(logits, labels, smoothing)) == pytest.approx(both)


def test_smoothed_labels_are_best_met_short_of_certainty() -> None:
    """With smoothing s the best logit inside is log((2 - s) / s)."""
    logits = torch.linspace(-8, 8, 3201, dtype=torch.double)
    values = [float(smoothed_cross_entropy(z.expand(1, 1, 1, 1), torch.ones(1, 1, 1, 1).double())) for z in logits]
    assert float(logits[int(np.argmin(values))]) == pytest.approx(math.log(1.9 / 0.1), abs=0.005)


def test_losses_of_other_shapes_are_refused() -> None:
    found, labels = random_pair(4)
    for loss in (dice_semimetric_loss, smoothed_cross_entropy):
        with pytest.raises(InputError, match="must both be"):
            loss(found, labels[:, :2])


def test_gradients() -> None:
    found, labels = random_pair(5)
    logits = (4 * found - 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: segmentation_loss(z, labels), logits, eps=1e-6, atol=1e-6)


def test_the_network_is_monai_s_with_each_weight_once() -> None:
    filters = (4, 8, 8, 8)
    ours = SegmentationNetwork(3, filters)
    theirs = DynUNet(2, 1, 3, [3] * 4, [1, 2, 2, 2], [2, 2, 2], filters)
    left = theirs.load_state_dict(ours.network.state_dict(), strict=False)
    assert not left.unexpected_keys
    tensors = list(ours.state_dict().values())
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)
    assert sum(tensor.numel() for tensor in tensors) == count_parameters(theirs) == count_parameters(ours)
    images = torch.randn(2, 1, 32, 48)
    torch.testing.assert_close(ours(images), theirs(images))


def test_full_size_is_nnu_net_s_plan() -> None:
    """Eight stages from 32 to at most 512 feature maps, as it plans pictures of 512 pixels: down to 4 x 4."""
    assert FILTERS["full"] == tuple(min(32 * 2**i, 512) for i in range(8))
    assert 512 // 2 ** (len(FILTERS["full"]) - 1) == 4


def test_sizes_that_do_not_fit_are_refused() -> None:
    network = segmentation_network(4, "tiny")
    assert network(torch.zeros(1, 1, 128, 64)).shape == (1, 4, 128, 64)
    for shape in ((128, 100), (16, 16)):
        with pytest.raises(InputError, match="multiple of 16 pixels"):
            network(torch.zeros(1, 1, *shape))
    with pytest.raises(InputError, match="no size 'huge'; choose one of full, tiny"):
        segmentation_network(4, "huge")


def test_overlapping_labels_are_learnt() -> None:
    """Two squares that overlap: both are found where they overlap."""
    torch.manual_seed(0)
    labels = torch.zeros(1, 2, 32, 32)
    labels[0, 0, 4:20, 4:20] = 1
    labels[0, 1, 12:28, 12:28] = 1
    images = labels.sum(1, keepdim=True) + 0.1 * torch.randn(1, 1, 32, 32)
    network = SegmentationNetwork(2, (8, 8, 8))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(50):
        optimiser.zero_grad()
        segmentation_loss(network(images), labels).backward()
        optimiser.step()
    found = network(images) > 0
    assert float((found == (labels > 0)).float().mean()) > 0.97
    assert found[0, :, 14:18, 14:18].all()


@pytest.mark.parametrize("size", sorted(FILTERS))
def test_for_use_it_needs_no_monai(size: str) -> None:
    """The same weights, names and numbers as the network that was trained, to the bit."""
    torch.manual_seed(0)
    trained = segmentation_network(3, size).eval()
    for parameter in trained.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    used = segmentation_network(3, size, learns=False).eval()
    used.load_state_dict(trained.state_dict(), strict=True)
    images = torch.randn(2, 1, 2 * trained.step, 3 * trained.step)
    with torch.inference_mode():
        torch.testing.assert_close(used(images), trained(images), rtol=0, atol=0)
