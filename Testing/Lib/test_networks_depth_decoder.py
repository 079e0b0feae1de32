"""The depth decoder: published count, sizes, and that the network learns where a bone's faces are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.depth_decoder import SIZES, DepthDecoder, DepthNetwork, depth_network
from XRayTo3DLib.networks.depth_losses import scale_invariant_loss
from XRayTo3DLib.networks.layers import NORMS, count_parameters
from XRayTo3DLib.networks.nfnet import NfNet, folded


def small(outputs: int = 2, norm: str = "instance") -> DepthNetwork:
    encoder = NfNet((1, 1, 1, 1), (16, 16, 24, 32), stem=16, group=8, inputs=1)
    return DepthNetwork(encoder, DepthDecoder(encoder.channels, outputs, 16, norm=norm))


def balls(count: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (count, 1, size, size) of balls, their depth (count, 2, size, size) seen in parallel, mm, and mask."""
    generator = torch.Generator().manual_seed(1)
    places = torch.arange(size, dtype=torch.float32)
    centre = size * (0.3 + 0.4 * torch.rand(count, 2, generator=generator))
    radius = size * (0.15 + 0.15 * torch.rand(count, 1, 1, generator=generator))
    rows, columns = places[:, None] - centre[:, 0, None, None], places - centre[:, 1, None, None]
    squares = radius**2 - rows**2 - columns**2
    half = squares.clamp(min=0).sqrt()[:, None]
    mask = (squares > 0)[:, None].expand(-1, 2, -1, -1)
    return half / 20 - 0.3, torch.cat([900 - half, 900 + half], dim=1), mask


def test_the_decoder_of_f0_makes_it_as_large_as_recorded() -> None:
    """76.75 million with NFNet-F0 and 8 outputs, as its authors' tutorial has; 68.42 of them are the encoder's."""
    decoder = DepthDecoder((256, 512, 1536, 3072), 8)
    assert (count_parameters(decoder) + 68_416_284) / 1e6 == pytest.approx(76.75, abs=0.005)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (96, 64)])
def test_maps_are_as_large_as_pictures(norm: str, shape: tuple[int, int]) -> None:
    found = small(outputs=3, norm=norm)(torch.randn(2, 1, *shape))
    assert found.shape == (2, 3, *shape)
    assert torch.isfinite(found).all()


def test_a_value_sees_all_around_it() -> None:
    """A picture's every pixel reaches a depth far from it, and every depth depends on the picture."""
    images = torch.randn(1, 1, 64, 64, requires_grad=True)
    small()(images)[0, 0, 5, 60].backward()
    assert float((images.grad != 0).float().mean()) > 0.99


@pytest.mark.parametrize("shape", [(64, 80), (32, 32), (100, 128)])
def test_other_sizes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="multiple of 32 pixels high and wide, at least 64"):
        small()(torch.zeros(1, 1, *shape))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InputError, match="no encoder 'huge'; choose one of tiny, f0"):
        depth_network(8, "huge")
    with pytest.raises(InputError, match="multiple of 4"):
        DepthDecoder((8, 8, 8, 8), 1, 30)


def test_the_network_learns_both_faces_of_balls() -> None:
    """Better than the best constant depth per face by far, and the same when folded for use."""
    torch.manual_seed(0)
    network, (images, wanted, mask) = small(), balls(3, 64)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        scale_invariant_loss(900 + 10 * network(images), wanted, mask).backward()
        optimiser.step()
    with torch.no_grad():
        found = 900 + 10 * network.eval()(images)
        torch.testing.assert_close(900 + 10 * folded(network)(images), found)
    errors = [mean_error(found[:, p], wanted[:, p], mask[:, p]) for p in range(2)]
    constant = [
        mean_error(wanted[:, p][mask[:, p]].median().expand_as(mask[:, p]), wanted[:, p], mask[:, p]) for p in range(2)
    ]
    assert max(errors) < 0.5 * min(constant), (errors, constant)


def mean_error(found: Tensor, wanted: Tensor, mask: Tensor) -> float:
    """Mean absolute difference where the ball is, mm."""
    return float((found - wanted).abs()[mask].mean())


def test_the_tiny_one_is_small_enough_for_a_bundle() -> None:
    """At most 20 MB in half precision, with room for shape models and segmentation."""
    network = depth_network(8, "tiny")
    assert isinstance(network.encoder, nn.Module)
    assert "tiny" in SIZES
    assert count_parameters(network) * 2 < 8e6
