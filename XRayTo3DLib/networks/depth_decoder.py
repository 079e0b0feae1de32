"""From an encoder's four maps to depth maps of full size: feature pyramid, pyramid head, and two refining steps.

Gu et al. (3DDX, MICCAI 2024) print no layers; they follow their earlier work, of which a public tutorial has this
decoder: feature pyramid (Lin et al., CVPR 2017), semantic pyramid head (Kirillov et al., CVPR 2019) with instance norm,
and transposed convolutions. With NFNet-F0 76.75 million parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as functional
from torch import Tensor, nn

from XRayTo3DLib.networks.layers import norm_layer, require
from XRayTo3DLib.networks.nfnet import STEPS, NfNet, nfnet_f0, nfnet_tiny, require_sides

SIZES = ("tiny", "f0")
LEAST = 2 * STEPS[-1]
"""Pixels a side: an instance norm of a single value leaves nothing."""
CHANNELS = {"tiny": 64, "f0": 256}


class DepthDecoder(nn.Module):
    """Four maps of an encoder (1/4, 1/8, 1/16, 1/32) to ``outputs`` maps of the picture's size.

    Args:
        in_channels: Of the encoder's maps, finest first.
        outputs: Maps to make.
        channels: Of pyramid and head, a multiple of 4; each of the two refining steps doubles the map and halves them.
        kernel: Side of the last convolution, odd.
        norm: One of ``layers.NORMS``; "instance" as published.

    Raises:
        InputError: ``channels`` is no multiple of 4.
    """

    def __init__(
        self, in_channels: Sequence[int], outputs: int, channels: int = 256, kernel: int = 7, norm: str = "instance"
    ) -> None:
        super().__init__()
        require(channels % 4 == 0, f"depth decoder: channels must be a multiple of 4, not {channels}.")
        self.outputs = outputs
        self.lateral = nn.ModuleList(nn.Conv2d(before, channels, 1) for before in in_channels)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.scale_heads = nn.ModuleList(_scale_head(channels, i, norm) for i in range(len(in_channels)))
        self.head = nn.Conv2d(channels, channels, 1)
        self.refine = nn.Sequential(_doubling(channels, norm), _doubling(channels // 2, norm))
        self.depth = nn.Conv2d(channels // 4, outputs, kernel, padding=kernel // 2, padding_mode="reflect")

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Raw numbers (B, outputs, H, W) of the encoder's maps (B, in_channels[i], H / STEPS[i], W / STEPS[i])."""
        pyramid = [lateral(each) for lateral, each in zip(self.lateral, features, strict=True)]
        for i in range(len(pyramid) - 1, 0, -1):
            above = functional.interpolate(pyramid[i], size=pyramid[i - 1].shape[-2:], mode="nearest")
            pyramid[i - 1] = pyramid[i - 1] + above
        total = None
        for smooth, scale_head, level in zip(self.smooth, self.scale_heads, pyramid, strict=True):
            seen = scale_head(smooth(level))
            total = seen if total is None else total + seen
        return self.depth(self.refine(self.head(total)))


class DepthNetwork(nn.Module):
    """Encoder and decoder: pictures (B, 1, H, W) to raw numbers (B, outputs, H, W). The method makes them mm."""

    def __init__(self, encoder: NfNet, decoder: DepthDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """Raw numbers (B, outputs, H, W) of ``images`` (B, 1, H, W), sides multiples of 32, 64 or more.

        Raises:
            InputError: Other sides or channels.
        """
        require_sides(images, LEAST)
        return self.decoder(self.encoder(images))


def depth_network(outputs: int, size: str = "f0", channels: int = 0, norm: str = "instance") -> DepthNetwork:
    """A depth network by the name of its encoder.

    Args:
        outputs: Depth maps: bones x faces.
        size: "f0" as published (76.75 million parameters with 8 outputs), "tiny" for 128 pixels on a CPU.
        channels: Of the decoder; 0: 256 and 64.
        norm: Of the decoder, one of ``layers.NORMS``.

    Raises:
        InputError: The size or norm is unknown.
    """
    known = ", ".join(SIZES)
    require(size in SIZES, f"depth network: there is no encoder {size!r}; choose one of {known}.")
    encoder = nfnet_f0() if size == "f0" else nfnet_tiny()
    return DepthNetwork(encoder, DepthDecoder(encoder.channels, outputs, channels or CHANNELS[size], norm=norm))


def _scale_head(channels: int, level: int, norm: str) -> nn.Sequential:
    """``level`` doublings, each after a convolution; level 0 has a convolution only."""
    parts: list[nn.Module] = []
    for _ in range(max(level, 1)):
        parts += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm_layer(norm, channels, 2), nn.ReLU()]
        if level:
            parts.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    return nn.Sequential(*parts)


def _doubling(channels: int, norm: str) -> nn.Sequential:
    after = channels // 2
    raised = nn.ConvTranspose2d(channels, after, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(raised, norm_layer(norm, after, 2), nn.ReLU())
