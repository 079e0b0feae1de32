"""From radiographs to labelled voxels through one vector: 2D encoders, a full connection, a 3D decoder.

Chen and Fang (ICBHI 2019, IFMBE Proceedings 74, 2020) for the spine from two views. Their chapter prints no layer
table; the layers here are those of the xrayto3D benchmark (2023, "OneDConcat"), which gave the idea its numbers. Every
view has an encoder of its own: six convolutions with kernel 3 and stride 2. What is left of all views is laid end to
end, brought to 256 numbers, and a single voxel of so many channels is doubled, by transposed convolutions with kernel 3
and stride 2, until the grid is full. With two views and one output that is 40.62 million parameters at 128 voxels and
pixels a side, and 38.99 million at 64.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from XRayTo3DLib.networks.image_encoders import require_views
from XRayTo3DLib.networks.layers import channels_together, norm_layer, require

NORMS = ("batch", "group", "none")
"""Of ``layers.NORMS`` those that work on a single voxel, as which the volume begins."""
ENCODER_DEPTH = 6
LEAST, MOST = 8, 256
"""Voxels a side."""


class EncoderDecoder(nn.Module):
    """(B, views, N, N) line integrals to logits (B, outputs, size, size, size).

    Args:
        views: Radiographs of one person, each with its own encoder.
        outputs: Channels of the result: bones, and background where it counts as a class.
        size: Voxels a side, a power of two from 8 to 256.
        image_size: Pixels a side, N.
        channels: Feature maps of each encoder's first layer, doubled by each next (the last has 32 times as many), and
            halved again by the decoder; 32 as published.
        code: Numbers that all views come down to; 256 as published.
        norm: One of NORMS; "batch" as published.
        dropout: Share of feature maps' values that are dropped while training; 0.1 as published.

    Raises:
        InputError: A grid that doubling does not reach, or an option that is unknown.
    """

    def __init__(
        self,
        views: int = 2,
        outputs: int = 1,
        size: int = 128,
        image_size: int = 128,
        channels: int = 32,
        code: int = 256,
        norm: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check(size, image_size, norm, dropout)
        self.views, self.outputs, self.size, self.image_size, self.norm = views, outputs, size, image_size, norm
        widths = [channels * 2**level for level in range(ENCODER_DEPTH)]
        self.encoders = nn.ModuleList(_encoder(widths, norm, dropout) for _ in range(views))
        side = math.ceil(image_size / 2**ENCODER_DEPTH)
        self.code = nn.Linear(views * widths[-1] * side**2, code)
        self.start = nn.Sequential(nn.Unflatten(1, (code, 1, 1, 1)), norm_layer(norm, code, 3), nn.ReLU())
        self.decoder = _decoder(code, widths[-1], outputs, size.bit_length() - 1, norm, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, outputs, size, size, size) of ``images`` (B, views, N, N), N being ``image_size``.

        Raises:
            InputError: Not as many views, or pictures of another size, than it was made for; or, in training with batch
                norm, a single exposure.
        """
        require_views(images, self.views)
        expected, given = (self.image_size,) * 2, tuple(images.shape[2:])
        require(given == expected, f"encoder-decoder: made for pictures of {expected} pixels, but given {given}.")
        alone = self.training and self.norm == "batch" and len(images) == 1
        require(not alone, "encoder-decoder: batch norm learns from two exposures or more at once, in every process.")
        pictures = images.split(1, dim=1)
        seen = [
            encoder(channels_together(picture)).flatten(1)
            for encoder, picture in zip(self.encoders, pictures, strict=True)
        ]
        return self.decoder(channels_together(self.start(self.code(torch.cat(seen, dim=1)))))


def _check(size: int, image_size: int, norm: str, dropout: float) -> None:
    doubles = LEAST <= size <= MOST and size.bit_count() == 1
    require(doubles, f"encoder-decoder: a grid of {size} voxels a side is no doubling of one; choose 32, 64 or 128.")
    require(image_size >= 2, f"encoder-decoder: pictures of {image_size} pixels a side show nothing.")
    known = ", ".join(NORMS)
    require(norm in NORMS, f"encoder-decoder: norm must be one of {known}, not {norm!r}: it begins with one voxel.")
    require(0 <= dropout < 1, f"encoder-decoder: dropout is a share from 0 to below 1, not {dropout}.")


def _encoder(widths: list[int], norm: str, dropout: float) -> nn.Sequential:
    layers = []
    for before, after in pairwise((1, *widths)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), *_after(after, norm, dropout, 2)]
    return nn.Sequential(*layers)


def _decoder(code: int, width: int, outputs: int, depth: int, norm: str, dropout: float) -> nn.Sequential:
    widths = [code, *(max(width // 2**level, 1) for level in range(depth - 1)), outputs]
    layers: list[nn.Module] = []
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        layers.append(nn.ConvTranspose3d(before, after, 3, stride=2, padding=1, output_padding=1))
        layers += _after(after, norm, dropout, 3) if level < depth else []
    return nn.Sequential(*layers)


def _after(channels: int, norm: str, dropout: float, dimensions: int) -> list[nn.Module]:
    dropped = [nn.Dropout(dropout)] if dropout else []
    return [norm_layer(norm, channels, dimensions), *dropped, nn.ReLU()]
