"""Encoder-decoder: published parameter counts, MONAI's layers with the same weights, options, and that it learns."""

from __future__ import annotations

import pytest
import torch
from monai.networks.blocks.convolutions import Convolution
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.networks.encoder_decoder import NORMS, EncoderDecoder
from XRayTo3DLib.networks.layers import count_parameters
from XRayTo3DLib.networks.losses import soft_cross_entropy


def test_the_benchmark_s_sizes_have_the_parameters_that_it_counts() -> None:
    """40.62 and 38.99 million (xrayto3D benchmark, OneDConcat), and the first of them written out."""
    widths = (1, 32, 64, 128, 256, 512, 1024)
    encoder = sum(9 * before * after + 3 * after for before, after in zip(widths, widths[1:], strict=False))
    code = 2 * 1024 * 2 * 2 * 256 + 256 + 2 * 256
    widths = (256, 1024, 512, 256, 128, 64, 32)
    decoder = sum(27 * before * after + 3 * after for before, after in zip(widths, widths[1:], strict=False))
    with torch.device("meta"):  # no numbers are drawn
        large, small = EncoderDecoder(), EncoderDecoder(size=64, image_size=64)
    assert count_parameters(large) == 2 * encoder + code + decoder + 27 * 32 + 1
    assert round(count_parameters(large) / 1e6, 2) == 40.62
    assert round(count_parameters(small) / 1e6, 2) == 38.99


class Reference(nn.Module):
    """The same in MONAI's blocks, as the benchmark puts them together."""

    def __init__(self, views: int, outputs: int, side: int, channels: int, code: int, depth: int, drop: float) -> None:
        super().__init__()
        up = [channels * 2**level for level in range(6)]
        common = {"kernel_size": 3, "strides": 2, "act": "RELU", "norm": "BATCH", "dropout": drop}
        self.encoders = nn.ModuleList(
            nn.Sequential(*(Convolution(2, a, b, **common) for a, b in zip((1, *up), up, strict=False)), nn.Flatten())
            for _ in range(views)
        )
        self.code = nn.Sequential(nn.Linear(views * up[-1] * side**2, code), nn.BatchNorm1d(code), nn.ReLU())
        down = [code, *up[::-1][: depth - 1], outputs]
        self.decoder = nn.Sequential(
            *(
                Convolution(3, a, b, is_transposed=True, conv_only=number == depth - 1, **common)
                for number, (a, b) in enumerate(zip(down, down[1:], strict=False))
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        codes = [encoder(images[:, [view]]) for view, encoder in enumerate(self.encoders)]
        code = self.code(torch.cat(codes, dim=1))
        return self.decoder(code[:, :, None, None, None])


@pytest.mark.parametrize("training", [True, False])
def test_with_the_same_weights_it_answers_as_the_benchmark_s_layers(training: bool) -> None:
    torch.manual_seed(0)
    ours = EncoderDecoder(views=2, outputs=3, size=16, image_size=100, channels=2, code=12)
    theirs = Reference(2, 3, side=2, channels=2, code=12, depth=4, drop=0.0)
    mine, wanted = ours.state_dict(), theirs.state_dict()
    assert [tensor.shape for tensor in mine.values()] == [tensor.shape for tensor in wanted.values()]
    theirs.load_state_dict(dict(zip(wanted, mine.values(), strict=True)))
    images = torch.randn(3, 2, 100, 100)
    found, expected = ours.train(training)(images), theirs.train(training)(images)
    assert found.shape == (3, 3, 16, 16, 16)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_dropout_lies_where_the_benchmark_has_it() -> None:
    def order(network: nn.Module) -> list[str]:
        known = ("Conv", "BatchNorm", "Dropout", "ReLU", "Linear")
        names = [type(module).__name__ for module in network.modules()]
        return [kind for name in names for kind in known if kind in name and name != "Convolution"]

    ours = EncoderDecoder(size=16, image_size=64, channels=2, code=4, dropout=0.1)
    assert order(ours) == order(Reference(2, 1, side=1, channels=2, code=4, depth=4, drop=0.1))
    shares = {module.p for module in ours.modules() if isinstance(module, nn.Dropout)}
    assert shares == {0.1}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("views", "size", "image"), [(1, 8, 20), (3, 32, 64)])
def test_any_number_of_views_and_size_of_pictures(norm: str, views: int, size: int, image: int) -> None:
    network = EncoderDecoder(views, 2, size, image, channels=1, code=8, norm=norm)
    images = torch.randn(2, views, image, image)
    assert network(images).shape == (2, 2, size, size, size)
    changed = images.clone()
    changed[:, -1] += 1  # every view is looked at
    network.eval()
    assert not torch.equal(network(images), network(changed))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 48}, "grid of 48 voxels a side is no doubling of one; choose 32, 64 or 128"),
        ({"size": 4}, "grid of 4 voxels"),
        ({"norm": "instance"}, "norm must be one of batch, group, none, not 'instance'"),
        ({"dropout": 1.0}, "from 0 to below 1"),
        ({"image_size": 1}, "show nothing"),
    ],
)
def test_what_it_cannot_be(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        EncoderDecoder(**{"size": 8, "image_size": 16, "channels": 1, **options})  # type: ignore[arg-type]


def test_what_it_cannot_be_shown() -> None:
    network = EncoderDecoder(2, 1, 8, 32, channels=1, code=4)
    with pytest.raises(InputError, match=r"made for 2 view\(s\)"):
        network(torch.zeros(2, 1, 32, 32))
    with pytest.raises(InputError, match=r"made for pictures of \(32, 32\) pixels, but given \(32, 40\)"):
        network(torch.zeros(2, 2, 32, 40))
    with pytest.raises(InputError, match="two exposures or more"):
        network(torch.zeros(1, 2, 32, 32))
    assert network.eval()(torch.zeros(1, 2, 32, 32)).shape == (1, 1, 8, 8, 8)


def test_it_learns_where_a_ball_lies() -> None:
    """Three balls and their shadows: after some steps every voxel's label is told from the shadows alone."""
    torch.manual_seed(0)
    middles = torch.tensor([[2.5, 3, 4], [5, 4, 3.5], [3, 5, 4.5]])
    places = torch.stack(torch.meshgrid(*(torch.arange(8.0),) * 3, indexing="ij"))
    balls = torch.stack([((places - m[:, None, None, None]).square().sum(0) < 5).float() for m in middles])[:, None]
    shadows = torch.cat([balls.sum(dim=2), balls.sum(dim=4)], dim=1)
    network = EncoderDecoder(2, 2, 8, 8, channels=2, code=16, norm="batch")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        loss = soft_cross_entropy(network(shadows), balls)
        loss.backward()
        optimiser.step()
    found = network(shadows).argmax(dim=1, keepdim=True)
    assert float((found != balls).float().mean()) < 0.02
    assert not torch.equal(found[0], found[1])
