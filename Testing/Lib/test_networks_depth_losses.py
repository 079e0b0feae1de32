"""Depth losses against a slow, literal transcription of 3DDX's formulas, their gradients and invariances."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.depth_losses import (
    AGGREGATES,
    centre_aligned,
    centre_aligned_loss,
    scale_invariant_loss,
)

ALPHA, SHARE, EPSILON = 10.0, 0.85, 1e-6
LOSSES = [scale_invariant_loss, centre_aligned_loss]
Loss = Callable[..., Tensor]
Maps = tuple[Tensor, Tensor, Tensor]


def random_maps(seed: int, spread: float = 40.0) -> Maps:
    """Found, wanted (NaN outside) and mask (2, 3, 4, 5), about 900 mm; one channel is empty, one has one pixel."""
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, 4, 5)
    found, wanted = (900 + spread * torch.randn(shape, generator=generator, dtype=torch.double) for _ in range(2))
    mask = torch.rand(shape, generator=generator) > 0.4
    mask[0, 1] = False
    mask[1, 2] = False
    mask[1, 2, 2, 3] = True
    return found, wanted.masked_fill(~mask, torch.nan), mask


def slow_loss(found: Tensor, wanted: Tensor, mask: Tensor, aggregate: str, aligned: bool) -> float:
    """Equations (1) to (4), a pixel at a time."""
    pictures = []
    for b in range(found.shape[0]):
        channels = [
            [
                (float(found[b, p, y, x]), float(wanted[b, p, y, x]))
                for y in range(4)
                for x in range(5)
                if mask[b, p, y, x]
            ]
            for p in range(found.shape[1])
        ]
        everything = [pair for channel in channels for pair in channel]
        if aligned:
            shift = sum(y for _, y in everything) / len(everything) - sum(f for f, _ in everything) / len(everything)
            channels = [[(f + shift, y) for f, y in channel] for channel in channels]
            everything = [pair for channel in channels for pair in channel]
        sets = [channel for channel in channels if channel] if aggregate == "independent" else [everything]
        roots = []
        for pixels in sets:
            g = [math.log(f + EPSILON) - math.log(y + EPSILON) for f, y in pixels]
            roots.append(ALPHA * math.sqrt(sum(v * v for v in g) / len(g) - SHARE * (sum(g) / len(g)) ** 2))
        pictures.append(sum(roots) / len(roots))
    return sum(pictures) / len(pictures)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), spread=st.floats(0.5, 100))
@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_their_formulas(loss: Loss, aggregate: str, seed: int, spread: float) -> None:
    maps = random_maps(seed, spread)
    expected = slow_loss(*maps, aggregate, aligned=loss is centre_aligned_loss)
    assert float(loss(*maps, aggregate=aggregate)) == pytest.approx(expected, rel=1e-9)
    found, wanted, mask = maps
    assert float(loss(found.float(), wanted.float(), mask, aggregate=aggregate)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss: Loss, aggregate: str) -> None:
    """Against differences, to 1e-6 of their largest."""
    found, wanted, mask = random_maps(1)
    scale = 1e4  # Gradients per mm are 1e-3: this makes the tolerance a relative one.

    def scaled(values: Tensor) -> Tensor:
        return scale * loss(values, wanted, mask, aggregate=aggregate)

    assert torch.autograd.gradcheck(scaled, found.requires_grad_(), eps=1e-3, atol=1e-6, rtol=1e-6)


def test_the_gradient_of_one_channel_is_the_one_derived_by_hand() -> None:
    """alpha (g_i - share mean g) / (n sqrt(mean g^2 - share (mean g)^2) (found_i + epsilon))."""
    found, wanted, mask = (each[:1, :1] for each in random_maps(2))
    found.requires_grad_()
    scale_invariant_loss(found, wanted, mask).backward()
    values = found.detach()[mask]
    g = (values + EPSILON).log() - (wanted[mask] + EPSILON).log()
    root = (g.square().mean() - SHARE * g.mean() ** 2).sqrt()
    by_hand = ALPHA * (g - SHARE * g.mean()) / (len(g) * root * (values + EPSILON))
    torch.testing.assert_close(found.grad[mask], by_hand, rtol=1e-9, atol=0)
    assert not found.grad[~mask].any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-200, 200).filter(lambda mm: abs(mm) > 1))
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_a_shift_along_depth_changes_only_si(aggregate: str, seed: int, shift: float) -> None:
    found, wanted, mask = random_maps(seed)
    before, after = (centre_aligned_loss(each, wanted, mask, aggregate=aggregate) for each in (found, found + shift))
    assert float(after) == pytest.approx(float(before), rel=1e-9)
    before, after = (scale_invariant_loss(each, wanted, mask, aggregate=aggregate) for each in (found, found + shift))
    assert abs(float(after) - float(before)) > 1e-6


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_one_shift_serves_all_channels(aggregate: str) -> None:
    """Bones moved against each other do cost: only the picture as a whole is free."""
    _, wanted, mask = random_maps(3)
    truth = wanted.nan_to_num(900.0)
    assert float(centre_aligned_loss(truth + 50, wanted, mask, aggregate=aggregate)) == pytest.approx(0, abs=1e-6)
    apart = truth + torch.tensor([20.0, 0.0, -20.0])[None, :, None, None]
    assert float(centre_aligned_loss(apart, wanted, mask, aggregate=aggregate)) > 0.05


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("factor", [0.5, 1.1, 3.0])
def test_a_common_factor_costs_what_the_share_leaves(aggregate: str, factor: float) -> None:
    """g is log(factor) everywhere: alpha sqrt(1 - share) |log factor|; nothing with share 1."""
    _, wanted, mask = random_maps(4)
    found = factor * wanted.nan_to_num(900.0)
    expected = ALPHA * math.sqrt(1 - SHARE) * abs(math.log(factor))
    assert float(scale_invariant_loss(found, wanted, mask, aggregate=aggregate)) == pytest.approx(expected, rel=1e-6)
    invariant = scale_invariant_loss(found, wanted, mask, aggregate=aggregate, share=1.0)
    assert float(invariant) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_channel_is_the_same_for_both_aggregates(loss: Loss) -> None:
    maps = tuple(each[:, :1][1:] for each in random_maps(5))
    both = [float(loss(*maps, aggregate=aggregate)) for aggregate in AGGREGATES]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_nothing_pulls_an_aligned_picture_as_a_whole(aggregate: str) -> None:
    found, wanted, mask = random_maps(6)
    centre_aligned_loss(found.requires_grad_(), wanted, mask, aggregate=aggregate).backward()
    assert found.grad.abs().amax(dim=(1, 2, 3)).min() > 1e-5
    torch.testing.assert_close(found.grad.sum((1, 2, 3)), torch.zeros(2, dtype=torch.double), rtol=0, atol=1e-12)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("error", [0.0, 1e-9, 1e-4])
def test_gradients_are_finite_where_nothing_is_left_to_find(loss: Loss, aggregate: str, error: float) -> None:
    found, wanted, mask = random_maps(7)
    found = (wanted.nan_to_num(900.0) + error * (found - 900)).float().requires_grad_()
    value = loss(found, wanted.float(), mask, aggregate=aggregate)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(found.grad).all()
    assert float(found.grad.abs().max()) < 0.1


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("loss", LOSSES)
def test_pictures_without_bones_count_nothing(loss: Loss, aggregate: str) -> None:
    found, wanted, mask = random_maps(8)
    alone = float(loss(found[:1], wanted[:1], mask[:1], aggregate=aggregate))
    mask[1] = False
    found.requires_grad_()
    with_empty = loss(found, wanted, mask, aggregate=aggregate)
    with_empty.backward()
    assert float(with_empty.detach()) == pytest.approx(alone, rel=1e-12)
    assert not found.grad[1].any()
    nothing = loss(found, wanted, torch.zeros_like(mask), aggregate=aggregate)
    nothing.backward()
    assert float(nothing.detach()) == 0


def test_depth_behind_the_source_is_finite() -> None:
    found, wanted, mask = random_maps(9)
    found[:, 0, 0] = -50.0
    value = scale_invariant_loss(found.requires_grad_(), wanted, mask)
    value.backward()
    clamped = slow_loss(found.detach().clamp(min=0), wanted, mask, "independent", aligned=False)
    assert float(value.detach()) == pytest.approx(clamped, rel=1e-9)
    assert torch.isfinite(found.grad).all()


def test_aligned_pictures_have_the_wanted_centre() -> None:
    found, wanted, mask = random_maps(10)
    aligned = centre_aligned(found, wanted, mask)
    for b in range(2):
        assert float(aligned[b][mask[b]].mean()) == pytest.approx(float(wanted[b][mask[b]].mean()), rel=1e-12)
        moved = (aligned - found)[b]
        assert float(moved.max() - moved.min()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_maps_are_refused(loss: Loss) -> None:
    found, wanted, mask = random_maps(11)
    with pytest.raises(InputError, match="must all be"):
        loss(found, wanted[:, :2], mask)
    with pytest.raises(InputError, match="must be bool"):
        loss(found, wanted, mask.double())
    with pytest.raises(InputError, match="no aggregate 'both'"):
        loss(found, wanted, mask, aggregate="both")
