"""TL-net: shapes, counts against arithmetic by hand, options, and that it learns a shape."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.image_encoders import ResNetPredictor
from XRayTo3DLib.networks.layers import NORMS, count_parameters
from XRayTo3DLib.networks.losses import soft_cross_entropy
from XRayTo3DLib.networks.tl_net import (
    HEADS,
    UP_SAMPLINGS,
    SubVoxels,
    TlNet,
    VoxelDecoder,
    VoxelEncoder,
    bone_probabilities,
)


def two_balls(size: int, shift: float) -> Tensor:
    """Soft labels (2, size, size, size) of two balls, ``shift`` voxels off the middle along x."""
    z, y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32),) * 3, indexing="ij")
    middle = (size - 1) / 2
    balls = []
    for offset, radius in ((-0.22 * size, 0.2 * size), (0.22 * size, 0.12 * size)):
        distance = ((x - middle - shift) ** 2 + (y - middle - offset) ** 2 + (z - middle) ** 2).sqrt() - radius
        balls.append((0.5 - distance).clamp(0, 1))
    return torch.stack(balls)


def small_net(**options: object) -> TlNet:
    torch.manual_seed(0)
    decoder = VoxelDecoder(2, 16, latent=8, channels=4, **options)
    return TlNet(
        VoxelEncoder(2, 16, latent=8, channels=4), decoder, ResNetPredictor(1, 8, width=4, stem_stride=2, pooled=2)
    )


def test_the_paper_s_size_has_the_parameters_that_arithmetic_gives() -> None:
    """16-32-64-128 channels, kernel 4, 8^3 x 128 numbers into 64: written out."""
    convolutions = 64 * (2 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + (16 + 32 + 64 + 128)
    norms_and_slopes = 3 * (16 + 32 + 64 + 128)
    code = 128 * 8**3 * 64 + 64
    assert count_parameters(VoxelEncoder(2, 128)) == convolutions + norms_and_slopes + code

    raising = 64 * (128 * 64 + 64 * 32 + 32 * 16 + 16 * 16) + (64 + 32 + 16 + 16)
    norms_and_slopes = 3 * (128 + 64 + 32 + 16 + 16)
    code = 64 * 128 * 8**3 + 128 * 8**3
    head = 27 * 16 * 3 + 3
    assert count_parameters(VoxelDecoder(2, 128)) == raising + norms_and_slopes + code + head
    assert count_parameters(VoxelEncoder(2, 128)) + count_parameters(VoxelDecoder(2, 128)) == 9_852_051


@pytest.mark.parametrize("up_sampling", UP_SAMPLINGS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_option_gives_logits_of_every_class(up_sampling: str, head: str, norm: str) -> None:
    labels = 3
    encoder = VoxelEncoder(labels, 16, latent=5, channels=2, norm=norm)
    decoder = VoxelDecoder(labels, 16, latent=5, channels=2, norm=norm, up_sampling=up_sampling, head=head)
    net = TlNet(encoder, decoder, ResNetPredictor(2, 5, width=4))
    code, logits = net.autoencode(torch.rand(2, labels, 16, 16, 16))
    assert code.shape == (2, 5)
    assert logits.shape == (2, 1 + labels, 16, 16, 16)
    assert net.reconstruct(torch.rand(2, 2, 64, 64)).shape == logits.shape
    logits.square().mean().backward()
    assert all(parameter.grad is not None for module in (encoder, decoder) for parameter in module.parameters())


@pytest.mark.parametrize(("size", "coarsest"), [(16, 8), (32, 8), (40, 5), (48, 6), (64, 8), (96, 6), (128, 8)])
def test_a_grid_is_halved_to_at_most_eight_voxels(size: int, coarsest: int) -> None:
    encoder = VoxelEncoder(1, size, channels=1, latent=1)
    depth = len(encoder.features)
    assert size == coarsest * 2**depth
    assert encoder.code.in_features == 2 ** (depth - 1) * coarsest**3


@pytest.mark.parametrize(("size", "depth"), [(50, None), (48, 5), (17, None), (16, 4), (16, 0)])
def test_a_size_that_cannot_be_halved_is_refused(size: int, depth: int | None) -> None:
    with pytest.raises(InputError, match="cannot be halved"):
        VoxelEncoder(1, size, depth=depth)
    with pytest.raises(InputError, match="cannot be halved"):
        VoxelDecoder(1, size, depth=depth)


def test_unknown_options_name_what_there_is() -> None:
    with pytest.raises(InputError, match="transposed-k4"):
        VoxelDecoder(1, 16, up_sampling="cubic")
    with pytest.raises(InputError, match="sub-voxel"):
        VoxelDecoder(1, 16, head="mesh")
    with pytest.raises(InputError, match="instance"):
        VoxelEncoder(1, 16, norm="layer")


def test_parts_that_do_not_fit_are_refused() -> None:
    encoder = VoxelEncoder(1, 16, latent=8, channels=2)
    with pytest.raises(InputError, match="length"):
        TlNet(encoder, VoxelDecoder(1, 16, latent=9, channels=2), ResNetPredictor(1, 8, width=4))
    with pytest.raises(InputError, match="length"):
        TlNet(encoder, VoxelDecoder(1, 16, latent=8, channels=2), ResNetPredictor(1, 9, width=4))
    with pytest.raises(InputError, match="labels or size"):
        TlNet(encoder, VoxelDecoder(2, 16, latent=8, channels=2), ResNetPredictor(1, 8, width=4))
    with pytest.raises(InputError, match="labels of shape"):
        encoder(torch.rand(1, 2, 16, 16, 16))


def test_sub_voxels_lie_inside_the_voxel_they_come_from() -> None:
    """A head that sees only its own voxel: each block of 2 x 2 x 2 shows the eight outputs of that voxel, in order."""
    head = SubVoxels(1, 1)
    with torch.no_grad():
        head.convolution.weight.zero_()
        head.convolution.bias.zero_()
        head.convolution.weight[:, 0, 1, 1, 1] = torch.arange(1.0, 9.0)
    features = torch.zeros(1, 1, 3, 4, 5)
    features[0, 0, 1, 2, 3] = 1
    doubled = head(features)
    assert doubled.shape == (1, 1, 6, 8, 10)
    block = doubled[0, 0, 2:4, 4:6, 6:8]
    assert torch.equal(block, torch.arange(1.0, 9.0).reshape(2, 2, 2))
    assert doubled.sum() == block.sum()


def test_sub_voxels_start_without_a_checkerboard() -> None:
    torch.manual_seed(1)
    doubled = SubVoxels(3, 2)(torch.randn(2, 3, 4, 4, 4)).detach()
    nearest = torch.nn.functional.interpolate(doubled[..., ::2, ::2, ::2], scale_factor=2, mode="nearest")
    torch.testing.assert_close(doubled, nearest)
    assert doubled.std() > 0.05


def test_probabilities_leave_the_background_out() -> None:
    logits = torch.randn(2, 3, 4, 4, 4)
    bones = bone_probabilities(logits)
    expected = logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(bones, expected[:, 1:])


def test_the_same_seed_makes_the_same_net_and_the_same_answer() -> None:
    images = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(small_net().reconstruct(images), small_net().reconstruct(images), rtol=0, atol=0)


@pytest.mark.parametrize("head", HEADS)
def test_the_autoencoder_learns_two_shapes_by_heart(head: str) -> None:
    net = small_net(up_sampling="transposed-k2", head=head)
    shapes = torch.stack([two_balls(16, -2.0), two_balls(16, 2.5)])
    optimiser = torch.optim.Adam([*net.encoder.parameters(), *net.decoder.parameters()], lr=1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        soft_cross_entropy(net.autoencode(shapes)[1], shapes).backward()
        optimiser.step()
    made = bone_probabilities(net.autoencode(shapes)[1]).detach()
    overlap = 2 * torch.minimum(made, shapes).sum((2, 3, 4)) / (made + shapes).sum((2, 3, 4))
    assert overlap.min() > 0.9, overlap
    swapped = 2 * torch.minimum(made, shapes.flip(0)).sum((2, 3, 4)) / (made + shapes.flip(0)).sum((2, 3, 4))
    assert swapped.max() < 0.85, "both codes give the same shape"


def test_an_image_finds_the_shape_it_shows() -> None:
    """Predictor and decoder together tell two pictures apart that differ by where the bones' shadow is."""
    net = small_net(up_sampling="resize", head="sub-voxel")
    shapes = torch.stack([two_balls(16, -2.0), two_balls(16, 2.5)])
    shadows = shapes.sum(1).sum(2, keepdim=True).transpose(1, 2) / 8
    images = torch.nn.functional.interpolate(shadows, size=(32, 32), mode="bilinear")
    optimiser = torch.optim.Adam([*net.predictor.parameters(), *net.decoder.parameters()], lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        soft_cross_entropy(net.reconstruct(images), shapes).backward()
        optimiser.step()
    made = bone_probabilities(net(images)).detach()
    overlap = 2 * torch.minimum(made, shapes).sum((2, 3, 4)) / (made + shapes).sum((2, 3, 4))
    assert overlap.min() > 0.9, overlap
