"""Nets from pictures to codes, and Girdhar's own: the literal counts, shapes, and that they learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.girdhar import LATENT, VOXEL_WEIGHT, GirdharAutoencoder, GirdharEncoder, GirdharPredictor
from XRayTo3DLib.networks.image_encoders import AlexNetPredictor, ResidualBlock, ResNetPredictor
from XRayTo3DLib.networks.initialise import initialise_girdhar
from XRayTo3DLib.networks.layers import NORMS, count_parameters
from XRayTo3DLib.networks.losses import code_distance, girdhar_code_loss, girdhar_voxel_loss


def spots(count: int, size: int) -> torch.Tensor:
    """Pictures (count, 1, size, size) that differ by where one bright spot is."""
    rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, size),) * 2, indexing="ij")
    angles = torch.arange(count) * 2 * torch.pi / count
    places = 0.6 * torch.stack([angles.cos(), angles.sin()])
    return torch.stack([(-((rows - y) ** 2 + (columns - x) ** 2) / 0.05).exp()[None] for y, x in places.T])


def learn_codes(predictor: nn.Module, steps: int, rate: float) -> float:
    """Mean distance to four random codes of length 6 after training on four pictures of 64 pixels."""
    codes = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    images = spots(4, 64)
    optimiser = torch.optim.Adam(predictor.parameters(), rate)
    for _ in range(steps):
        optimiser.zero_grad()
        code_distance(predictor(images), codes).backward()
        optimiser.step()
    return float(code_distance(predictor.eval()(images), codes).detach())


def test_resnet_18_has_its_published_count() -> None:
    """11 689 512 parameters with three channels and 1000 classes, as every table says."""
    assert count_parameters(ResNetPredictor(3, 1000, norm="batch")) == 11_689_512
    assert count_parameters(ResNetPredictor(3, 1000, norm="group")) == 11_689_512
    assert count_parameters(ResNetPredictor()) == 11_689_512 - 2 * 49 * 64 - 513 * (1000 - 64)


def test_alexnet_with_groups_has_its_published_count() -> None:
    """60 965 224 parameters with 1000 classes (BVLC reference)."""
    assert count_parameters(AlexNetPredictor(3, 1000)) == 60_965_224


@pytest.fixture(scope="module")
def autoencoder() -> GirdharAutoencoder:
    torch.manual_seed(0)
    return GirdharAutoencoder()


def test_girdhar_s_counts(autoencoder: GirdharAutoencoder) -> None:
    """35.35 and 57.13 million; encoder and decoder written out from the layer table."""
    channels = 96 + 256 + 384 + 256
    kernels = 343 * 96 + 125 * 96 * 256 + 27 * (256 * 384 + 384 * 256)
    assert count_parameters(autoencoder.encoder) == kernels + 2 * channels + 256 * 216 * 64 + 64
    kernels = 27 * (256 + 256 * 384) + 125 * 384 * 256 + 343 * 256 * 96 + 96
    assert count_parameters(autoencoder.decoder) == kernels + 2 * channels + 1 + 65 * 216
    assert count_parameters(autoencoder) == 35_349_145
    assert count_parameters(GirdharPredictor()) == 57_130_432


def test_girdhar_s_sides_go_from_20_to_6_and_back(autoencoder: GirdharAutoencoder) -> None:
    sides = [20, *(layer_side(layer) for layer in autoencoder.encoder.features if isinstance(layer, nn.Conv3d))]
    assert sum(sides) == 6
    raised = (layer for layer in autoencoder.decoder.features if isinstance(layer, nn.ConvTranspose3d))
    assert 6 - sum(layer_side(layer) for layer in raised) == 20
    with torch.no_grad():
        code = autoencoder.encoder((torch.rand(1, 1, 20, 20, 20) > 0.5).float())
        assert code.shape == (1, LATENT)
        assert autoencoder.decoder(code).shape == (1, 1, 20, 20, 20)
    with pytest.raises(InputError, match="volumes of shape"):
        autoencoder.encoder(torch.zeros(1, 1, 24, 24, 24))


def layer_side(layer: nn.Conv3d | nn.ConvTranspose3d) -> int:
    """Voxels a side that a layer without padding adds."""
    assert layer.stride == (1, 1, 1)
    assert set(layer.padding) == {0}
    return 1 - layer.kernel_size[0]


def test_girdhar_s_starting_weights(autoencoder: GirdharAutoencoder) -> None:
    first, code = autoencoder.encoder.features[2], autoencoder.encoder.code
    assert float(first.weight.detach().std()) == pytest.approx(0.01, rel=0.01)
    assert float(code.weight.detach().std()) == pytest.approx(0.005, rel=0.01)
    assert float(first.bias.detach().abs().max()) == 0
    assert set(code.bias.tolist()) == {1.0}


def test_girdhar_s_encoder_sees_voxels_times_255() -> None:
    """Its first layer's answer to a full block is 255 times the sum of the kernel."""
    encoder = GirdharEncoder()
    seen: list[torch.Tensor] = []
    encoder.features[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        encoder(torch.ones(1, 1, 20, 20, 20))
        sums = encoder.features[0].weight.sum((1, 2, 3, 4))
    torch.testing.assert_close(seen[0][0, :, 0, 0, 0], 255 * sums, rtol=1e-4, atol=1e-4)


def test_girdhar_s_autoencoder_learns_two_shapes_by_heart() -> None:
    """A narrow copy, with both losses as they are weighed."""
    torch.manual_seed(0)
    network = GirdharAutoencoder((4, 8, 8, 8))
    wanted = torch.zeros(2, 1, 20, 20, 20)
    wanted[0, :, 6:14, 4:12, 8:16] = 1
    wanted[1, :, 3:17, 8:12, 8:12] = 1
    targets = torch.randn(2, LATENT)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(150):
        optimiser.zero_grad()
        code = network.encoder(wanted)
        loss = VOXEL_WEIGHT * girdhar_voxel_loss(network.decoder(code), wanted) + girdhar_code_loss(code, targets)
        loss.backward()
        optimiser.step()
    found = (network(wanted) > 0).float()
    overlap = 2 * (found * wanted).sum((1, 2, 3, 4)) / (found + wanted).sum((1, 2, 3, 4))
    assert overlap.min() > 0.9, overlap


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("stem_stride", [1, 2, 4])
def test_resnets_of_every_kind(norm: str, stem_stride: int) -> None:
    predictor = ResNetPredictor(2, 7, width=4, norm=norm, stem_stride=stem_stride, pooled=2)
    seen: list[torch.Tensor] = []
    predictor.stem.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    assert predictor(torch.rand(3, 2, 64, 64)).shape == (3, 7)
    assert seen[0].shape[-1] == 64 // stem_stride


def test_a_residual_block_whose_convolutions_are_zero_passes_its_input_on() -> None:
    block = ResidualBlock(8, 8, stride=1, norm="group")
    nn.init.zeros_(block.second.weight)
    features = torch.rand(2, 8, 5, 5)
    torch.testing.assert_close(block(features), features)


def test_without_batch_norm_pictures_do_not_influence_each_other() -> None:
    predictor = ResNetPredictor(1, 6, width=8)
    together, alone = predictor(spots(3, 64)), predictor(spots(3, 64)[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [63, 64, 100, 227])
def test_alexnet_takes_pictures_of_many_sizes(size: int) -> None:
    assert AlexNetPredictor(1, 5, width=12, hidden=16)(torch.rand(2, 1, size, size)).shape == (2, 5)


def test_at_227_pixels_alexnet_s_own_pooling_leaves_six() -> None:
    with torch.no_grad():
        assert AlexNetPredictor(1, 5, width=12, hidden=16).features(torch.rand(1, 1, 227, 227)).shape[-2:] == (6, 6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="2 view"):
        ResNetPredictor(2, 5, width=4)(torch.rand(1, 1, 64, 64))
    with pytest.raises(InputError, match="1 view"):
        AlexNetPredictor(1, 5, width=12, hidden=8)(torch.rand(64, 64))
    with pytest.raises(InputError, match="63 pixels"):
        AlexNetPredictor(1, 5, width=12, hidden=8)(torch.rand(1, 1, 40, 40))
    with pytest.raises(InputError, match="multiple of 12"):
        AlexNetPredictor(width=64)
    with pytest.raises(InputError, match="stride 3"):
        ResNetPredictor(stem_stride=3)


def test_a_resnet_learns_codes_by_heart() -> None:
    torch.manual_seed(0)
    assert learn_codes(ResNetPredictor(1, 6, width=8, stem_stride=2), 60, 3e-3) < 0.4


def test_an_alexnet_learns_codes_by_heart() -> None:
    torch.manual_seed(0)
    assert learn_codes(AlexNetPredictor(1, 6, width=12, hidden=32, dropout=0.0), 150, 2e-3) < 0.4


def test_girdhar_s_start_leaves_activations_alone() -> None:
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.PReLU(2), nn.BatchNorm3d(2))
    initialise_girdhar(network)
    assert network[1].weight.tolist() == [0.25, 0.25]
    assert network[2].weight.tolist() == [1.0, 1.0]
