"""The volume network: sizes counted by hand, what it sees, folding, losses written out slowly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.losses import soft_cross_entropy
from XRayTo3DLib.networks.volume_losses import surface_weights
from XRayTo3DLib.networks.volume_net import VolumeNet, folded

TINY = {"channels": (4, 8), "convolutions": (1, 2)}


def multiplications(net: VolumeNet, size: int) -> int:
    """Of all convolutions for a cube of ``size``, counted from their shapes as a cube of 16 runs through them."""
    counts = []

    def count(module: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        transposed = isinstance(module, nn.ConvTranspose3d)
        places = (given[0] if transposed else made)[0, 0].numel()
        counts.append(module.weight.numel() * places)  # type: ignore[union-attr]

    for module in net.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, 2, 16, 16, 16))
    return sum(counts) * (size // 16) ** 3


def by_hand(channels: tuple[int, ...], convolutions: tuple[int, ...], inputs: int = 2, outputs: int = 5) -> int:
    """Weights of 3^3 convolutions, 1^3 shortcuts, 2^3 transposed ones, their offsets and PReLUs."""

    def stage(before: int, after: int, count: int) -> int:
        kernels = 27 * (before * after + (count - 1) * after * after) + before * after
        return kernels + (count + 1) * after + count * after

    befores = (inputs, *channels[:-1])
    down = sum(stage(*each) for each in zip(befores, channels, convolutions, strict=True))
    pairs = list(zip(channels[:-1], channels[1:], convolutions[:-1], strict=True))
    up = sum(8 * below * above + above + stage(2 * above, above, count) for above, below, count in pairs)
    return down + up + channels[0] * outputs + outputs


@pytest.mark.parametrize(
    ("channels", "millions", "billions"), [((16, 32, 64, 128, 256), 8.60, 105.5), ((8, 16, 32, 64, 128), 2.15, 26.9)]
)
def test_sizes_are_those_of_the_papers_notes(channels: tuple[int, ...], millions: float, billions: float) -> None:
    """8.60 M weights and 105.5 GMAC at 128^3, the light one 2.15 M and 26.9 (docs/papers.md, 1.4 and 3.1)."""
    net = VolumeNet(2, 5, channels)
    assert count_parameters(net) == by_hand(channels, (1, 2, 3, 3, 3))
    assert count_parameters(net) / 1e6 == pytest.approx(millions, abs=0.005)
    assert multiplications(net, 128) / 1e9 == pytest.approx(billions, abs=0.05)


@pytest.mark.parametrize("norm", ["none", "group", "instance", "batch"])
@pytest.mark.parametrize("is_folded", [False, True])
def test_logits_have_the_volume_s_shape_whatever_its_sides(norm: str, is_folded: bool) -> None:
    torch.manual_seed(0)
    net = VolumeNet(3, 4, norm=norm, folded=is_folded, **TINY).eval()
    with torch.no_grad():
        assert net(torch.rand(2, 3, 8, 12, 4)).shape == (2, 4, 8, 12, 4)


@pytest.mark.parametrize("is_folded", [False, True])
def test_every_voxel_learns_from_both_views_and_from_far(is_folded: bool) -> None:
    """Gradients reach every weight, and every input voxel that pooled features of one output voxel see."""
    torch.manual_seed(0)
    net = VolumeNet(2, 3, folded=is_folded, channels=(4, 8, 8), convolutions=(1, 2, 2))
    volumes = torch.rand(1, 2, 16, 16, 16, requires_grad=True)
    logits = net(volumes)
    logits.square().mean().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in net.parameters())
    assert volumes.grad is not None
    assert bool((volumes.grad != 0).any(dim=2).all())


def test_folding_gathers_the_eight_voxels_of_each() -> None:
    volumes = torch.arange(2 * 3 * 4 * 6 * 8).reshape(2, 3, 4, 6, 8)
    found = folded(volumes)
    assert found.shape == (2, 24, 2, 3, 4)
    for number, (c, z, y, x) in enumerate(np.ndindex(3, 2, 2, 2)):
        assert torch.equal(found[:, number], volumes[:, c, z::2, y::2, x::2])


def test_it_learns_two_boxes_from_their_shadows() -> None:
    """Overfits a picture pair in a few steps: nothing between input and loss is cut."""
    torch.manual_seed(0)
    truth = torch.zeros(1, 2, 8, 8, 8)
    truth[0, 0, 1:4, 2:6, 2:7], truth[0, 1, 5:8, 1:5, 3:6] = 1, 1
    volumes = truth.sum(dim=1).sum(dim=1)[:, None, None].expand(1, 1, 8, 8, 8)
    volumes = torch.cat([volumes, truth.sum(dim=1).sum(dim=3)[:, None, :, :, None].expand(1, 1, 8, 8, 8)], dim=1)
    net = VolumeNet(2, 3, (4, 8), (1, 1))
    adam = torch.optim.Adam(net.parameters(), 3e-2)
    for _ in range(40):
        adam.zero_grad()
        loss = soft_cross_entropy(net(volumes), truth)
        loss.backward()
        adam.step()
    bones = net(volumes).softmax(dim=1)[:, 1:] > 0.5
    assert float((bones == (truth > 0.5)).float().mean()) > 0.99


@pytest.mark.parametrize(
    ("change", "told"),
    [({"convolutions": (1,)}, "same number"), ({"channels": (4, 0)}, "1 or more"), ({"norm": "layer"}, "no norm")],
)
def test_networks_that_do_not_exist_are_refused(change: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        VolumeNet(2, 3, **{**TINY, **change})


def test_volumes_that_do_not_fit_are_refused() -> None:
    net = VolumeNet(2, 3, **TINY)
    for shape in ((1, 3, 8, 8, 8), (1, 2, 8, 9, 8)):
        with pytest.raises(InputError, match="multiples of 2"):
            net(torch.zeros(shape))


# ---- surface weights --------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(strength=st.floats(0, 20), width=st.floats(0.5, 10), seed=st.integers(0, 99))
def test_weights_are_the_formula_s(strength: float, width: float, seed: int) -> None:
    distances = np.random.default_rng(seed).uniform(-6, 6, (2, 3, 2, 3, 2))
    found = surface_weights(torch.from_numpy(distances), strength, width).numpy()
    for person, z, y, x in np.ndindex(2, 2, 3, 2):
        nearest = min(abs(distances[person, bone, z, y, x]) for bone in range(3))
        assert found[person, z, y, x] == pytest.approx(1 + strength * np.exp(-((nearest / width) ** 2)))


def test_weights_count_in_the_entropy_as_factors_of_its_voxels() -> None:
    logits, labels = torch.randn(1, 3, 2, 2, 2), torch.rand(1, 2, 2, 2, 2) / 2
    weights = surface_weights(torch.randn(1, 2, 2, 2, 2) * 3)
    shares = torch.cat([1 - labels.sum(dim=1, keepdim=True), labels], dim=1)
    expected = [
        -float(weights[0, z, y, x] * (shares[0, :, z, y, x] * logits[0, :, z, y, x].log_softmax(0)).sum())
        for z, y, x in np.ndindex(2, 2, 2)
    ]
    assert float(soft_cross_entropy(logits, labels, weights)) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("options", [(-1.0, 4.0), (8.0, 0.0)])
def test_weights_out_of_range_are_refused(options: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="surface weights"):
        surface_weights(torch.zeros(1, 1, 2, 2, 2), *options)
