"""MONAI's DynUNet in two dimensions, for use: the same layers under the same names, so that its weights load strictly.

A network is trained with MONAI's own class; a finished bundle needs MONAI no more. Slicer has none, and importing it
takes two seconds. Isensee et al., Nat Methods 2021, plan such networks (nnU-Net).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

SLOPE = 0.01
"""Of the leaky ReLUs."""


class DynamicUnet(nn.Module):
    """Pictures (B, inputs, H, W) to (B, outputs, H, W), as ``monai.networks.nets.DynUNet`` without deep supervision.

    Args:
        inputs: Channels of the pictures.
        outputs: Channels wanted.
        filters: Feature maps of each stage; all but the first halve.
    """

    def __init__(self, inputs: int, outputs: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.skip_layers = _Level(inputs, filters, 1)
        output = nn.Sequential(OrderedDict(conv=nn.Conv2d(filters[0], outputs, 1)))
        self.output_block = nn.Sequential(OrderedDict(conv=output))

    def forward(self, images: Tensor) -> Tensor:
        """(B, outputs, H, W) of ``images`` (B, inputs, H, W)."""
        return self.output_block(self.skip_layers(images))


class _Block(nn.Module):
    """Twice convolution, instance norm, leaky ReLU; the first convolution may halve."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _named_conv(before, after, stride), _named_conv(after, after, 1)
        self.norm1, self.norm2 = (nn.InstanceNorm2d(after, affine=True) for _ in range(2))
        self.active = nn.LeakyReLU(SLOPE)

    def forward(self, features: Tensor) -> Tensor:
        features = self.active(self.norm1(self.conv1(features)))
        return self.active(self.norm2(self.conv2(features)))


class _Up(nn.Module):
    """Doubles a map, puts the finer level's beside it, and a block."""

    def __init__(self, below: int, after: int) -> None:
        super().__init__()
        doubling = nn.ConvTranspose2d(below, after, 2, 2, bias=False)
        self.transp_conv = nn.Sequential(OrderedDict(conv=doubling))
        self.conv_block = _Block(2 * after, after, 1)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        return self.conv_block(torch.cat([self.transp_conv(below), beside], dim=1))


class _Level(nn.Module):
    """One stage, all coarser ones under it, and the way back up."""

    def __init__(self, before: int, filters: tuple[int, ...], stride: int) -> None:
        super().__init__()
        here, *coarser = filters
        self.downsample = _Block(before, here, stride)
        last = len(coarser) == 1
        self.next_layer = _Block(here, coarser[0], 2) if last else _Level(here, tuple(coarser), 2)
        self.upsample = _Up(coarser[0], here)

    def forward(self, features: Tensor) -> Tensor:
        here = self.downsample(features)
        return self.upsample(self.next_layer(here), here)


def _named_conv(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(before, after, 3, stride, padding=1, bias=False)))
