"""NFNet-F0 against timm's dm_nfnet_f0: names, shapes and numbers recorded from timm 1.0.31 on torch 2.13."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.nfnet import NOT_NEEDED, STEPS, NfNet, folded, load_timm_weights, nfnet_f0, nfnet_tiny
from XRayTo3DLib.networks.nfnet_layers import Gelu, SameConv2d, ScaledConv2d

TIMM_NAMES_AND_SHAPES = "7ca3b0ea71fdbf51e2719d4c6a89b0a19c8ffa4799af9308c64cfa12f352c178"
"""SHA-256 of the 233 lines "name shape" of timm's dm_nfnet_f0, sorted, with the head's two."""
HEAD = {"head.fc.weight": (1000, 3072), "head.fc.bias": (1000,)}
TIMM_MAPS = {
    (1, 32, 16, 24): (0.00260297632493, 0.40698633809, 0.75119999709, 0.00236476264444, 0.599811173061),
    (1, 48, 8, 12): (0.00104054235576, 1.3652587916, -0.548477656586, 0.0269860597447, 0.873259916864),
    (1, 72, 4, 6): (0.773704047818, 3.33163285936, -3.37710398612, -6.247183253, -2.93414553344),
    (1, 96, 2, 3): (-0.0239758468848, 4.35082395332, 1.0456013153, -9.06895488744, -0.737318142603),
}
"""Mean, deviation and three values of the maps of timm's NormFreeNet of the same options as :func:`small`, with
:func:`fill_with_waves`, of a picture of waves."""


def small() -> NfNet:
    """Every kind of layer of NFNet-F0, narrow; 72 channels are halved to 36, which group and squeeze round apart."""
    return NfNet((1, 2, 2, 1), (32, 48, 72, 80), stem=32, group=8, final=96)


def fill_with_waves(network: nn.Module) -> None:
    """Parameters that depend on their place and name only; none is zero, so that every one of them matters."""
    count_before_head = sorted([*(name for name, _ in network.named_parameters()), *HEAD])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            places = torch.arange(parameter.numel(), dtype=torch.float64) * 1.7
            wave = 0.4 * torch.sin(places + len(name) + count_before_head.index(name))
            parameter.copy_(wave.reshape(parameter.shape) + name.endswith("gain"))


def wavy_picture() -> Tensor:
    return torch.sin(torch.arange(3 * 64 * 96, dtype=torch.float64) * 0.013).reshape(1, 3, 64, 96)


@pytest.fixture(scope="module")
def f0() -> NfNet:
    return nfnet_f0()


def test_f0_has_timm_s_names_and_shapes(f0: NfNet) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in f0.state_dict().items()}
    lines = "\n".join(f"{name} {shape}" for name, shape in sorted((shapes | HEAD).items()))
    assert set(HEAD) == set(NOT_NEEDED)
    assert len(shapes) == 231
    assert hashlib.sha256(lines.encode()).hexdigest() == TIMM_NAMES_AND_SHAPES


def test_f0_has_its_published_count(f0: NfNet) -> None:
    """71.49 million with the 1000 classes (timm's table of models)."""
    assert count_parameters(f0) == 71_489_284 - 3073 * 1000 == 68_416_284
    assert f0.channels == (256, 512, 1536, 3072)


def test_the_maps_are_timm_s() -> None:
    network = small().double()
    fill_with_waves(network)
    with torch.no_grad():
        maps = network(wavy_picture())
    assert [tuple(each.shape) for each in maps] == list(TIMM_MAPS)
    for found, expected in zip(maps, TIMM_MAPS.values(), strict=True):
        values = (found.mean(), found.std(), found[0, 0, 0, 0], found[0, -1, -1, -1], found[0, 7, 1, 2])
        assert [float(value) for value in values] == pytest.approx(list(expected), rel=1e-9)


def test_standardised_weights_have_mean_zero_and_the_gain_s_deviation() -> None:
    layer = ScaledConv2d(12, 7, 3, groups=1).double()
    nn.init.uniform_(layer.gain, 0.5, 2)
    rows = layer.standardised().detach().flatten(1)
    spread = layer.weight.detach().flatten(1).var(1, unbiased=False)
    wanted = layer.gain.detach().view(-1) * (spread / (spread + layer.epsilon) / rows.shape[1]).sqrt()
    torch.testing.assert_close(rows.mean(1), torch.zeros(7, dtype=torch.double), atol=1e-12, rtol=0)
    torch.testing.assert_close(rows.std(1, unbiased=False), wanted)


def test_signals_keep_their_strength() -> None:
    """What the gains are for: noise of variance one through activation and convolution has variance one."""
    torch.manual_seed(0)
    features = torch.randn(4, 64, 32, 32)
    for _ in range(4):
        features = ScaledConv2d(64, 64, 1)(Gelu()(features))
    assert float(features.detach().var()) == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize(("size", "stride", "kernel"), [(6, 2, 3), (7, 2, 3), (5, 1, 3), (9, 4, 3), (8, 2, 1)])
def test_same_padding_puts_the_odd_pixel_last(size: int, stride: int, kernel: int) -> None:
    """Against tensorflow's rule written out on one row: output i starts at i stride - floor(missing / 2)."""
    layer = SameConv2d(1, 1, kernel, stride).double()
    picture = torch.randn(1, 1, size, size, dtype=torch.double)
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    expected = torch.zeros(outputs, outputs, dtype=torch.double)
    for i in range(outputs):
        for j in range(outputs):
            for a in range(kernel):
                for b in range(kernel):
                    y, x = i * stride + a - before, j * stride + b - before
                    if 0 <= y < size and 0 <= x < size:
                        expected[i, j] += layer.weight[0, 0, a, b].detach() * picture[0, 0, y, x]
    torch.testing.assert_close(layer(picture)[0, 0].detach(), expected + layer.bias.detach())


def test_folding_changes_nothing_but_the_weights() -> None:
    network = small()
    fill_with_waves(network)
    plain = folded(network)
    images = wavy_picture().float()
    assert not [name for name in plain.state_dict() if name.endswith(".gain")]
    assert [name for name in network.state_dict() if name.endswith(".gain")]
    for found, expected in zip(plain(images), network(images), strict=True):
        torch.testing.assert_close(found, expected)


def test_published_weights_load_with_their_head(tmp_path: Path) -> None:
    source, network = small(), small()
    fill_with_waves(source)
    tensors = source.state_dict() | {name: torch.zeros(shape) for name, shape in HEAD.items()}
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    load_timm_weights(network, path)
    for name, tensor in source.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, rtol=0, atol=0)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    network = small()
    complete = network.state_dict()
    path = tmp_path / "weights.safetensors"
    for changed in (
        {name: tensor for name, tensor in complete.items() if name != "stages.1.1.skipinit_gain"},
        complete | {"stages.9.0.conv1.weight": torch.zeros(1)},
        complete | {"stem.conv1.weight": torch.zeros(4, 1, 3, 3)},
    ):
        save_file(changed, path)
        with pytest.raises(InputError, match="not the weights of this NFNet"):
            load_timm_weights(network, path)


FILES = {
    "no.safetensors": "cannot be read",
    "text.safetensors": "not a safetensors file",
    "weights.pth": "never opened. Where you trust its author, convert it elsewhere: python -c",
    "renamed.safetensors": "is a .zip, as PyTorch's checkpoints are, under another name",
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_weights(tmp_path: Path, name: str) -> None:
    """Among them pickled ones, even of tensors alone: nothing here opens those."""
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save(nfnet_tiny().state_dict(), tmp_path / "weights.pth")
    (tmp_path / "renamed.safetensors").write_bytes((tmp_path / "weights.pth").read_bytes())
    with pytest.raises(InputError) as caught:
        load_timm_weights(nfnet_tiny(), tmp_path / name)
    assert FILES[name] in str(caught.value)


def test_grey_pictures_are_given_to_every_channel() -> None:
    network, grey = small(), torch.randn(2, 1, 64, 64)
    for found, expected in zip(network(grey), network(grey.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_tiny_one_has_maps_of_the_same_steps() -> None:
    network = nfnet_tiny()
    maps = network(torch.randn(2, 1, 64, 96))
    for found, channels, step in zip(maps, network.channels, STEPS, strict=True):
        assert found.shape == (2, channels, 64 // step, 96 // step)


@pytest.mark.parametrize("shape", [(1, 3, 64, 65), (1, 3, 33, 64), (1, 2, 64, 64), (3, 64, 64)])
def test_other_pictures_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="multiple of 32|made for pictures"):
        small()(torch.zeros(shape))


def test_an_odd_stem_is_refused() -> None:
    with pytest.raises(InputError, match="multiple of 8"):
        NfNet((1,), (16,), stem=12, group=4)
