"""V-Net-like volume-to-volume network of Kasten et al. (arXiv 2004.00871, 2020).

3^3 convolutions with PReLU in residual stages (Milletari et al., 3DV 2016), max pooling down, transposed 2^3
convolutions up, skip connections by concatenation, and a 1^3 convolution to logits. The paper prints its channels in a
figure only: (16, 32, 64, 128, 256) with (1, 2, 3, 3, 3) convolutions is our reading, 8.60 M weights.

On a CPU full-resolution feature maps take most of the time. ``folded`` has none: 2 x 2 x 2 voxels become channels on
the way in, and the last layer computes their logits from one (Shi et al., CVPR 2016): several times as fast.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from XRayTo3DLib.networks.layers import channels_together, norm_layer, require
from XRayTo3DLib.networks.tl_net import SubVoxels

CHANNELS = (16, 32, 64, 128, 256)
CONVOLUTIONS = (1, 2, 3, 3, 3)


class VolumeNet(nn.Module):
    """(B, inputs, Z, Y, X) to logits (B, outputs, Z, Y, X).

    Args:
        inputs: Channels given: one per view.
        outputs: Channels wanted: background and bones.
        channels: Feature maps of each stage; the grid is halved between two.
        convolutions: 3^3 convolutions of each stage, the same on the way up.
        norm: One of ``layers.NORMS``; the paper states none.
        folded: Work on voxels of twice the size, see the module.

    Raises:
        InputError: Not as many numbers of convolutions as of channels, or an unknown norm.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: tuple[int, ...] = CHANNELS,
        convolutions: tuple[int, ...] = CONVOLUTIONS,
        norm: str = "none",
        folded: bool = False,
    ) -> None:
        super().__init__()
        fits = len(channels) == len(convolutions) > 0 and min(*channels, *convolutions) > 0
        require(
            fits,
            f"volume net: channels {list(channels)} and convolutions {list(convolutions)} need the same number of "
            f"stages, each 1 or more.",
        )
        self.inputs, self.folded = inputs, folded
        self.multiple = 2 ** (len(channels) - 1 + folded)
        """What the sides of a volume must be multiples of."""
        first = inputs * 8 if folded else inputs
        widths = list(zip(pairwise((first, *channels)), convolutions, strict=True))
        self.down = nn.ModuleList(Stage(before, after, count, norm) for (before, after), count in widths)
        self.pool = nn.MaxPool3d(2)
        ups = list(pairwise(channels))
        self.enlarge = nn.ModuleList(nn.ConvTranspose3d(below, above, 2, stride=2) for above, below in ups)
        self.up = nn.ModuleList(
            Stage(2 * above, above, count, norm) for (above, _), count in zip(ups, convolutions, strict=False)
        )
        self.head: nn.Module = SubVoxels(channels[0], outputs) if folded else nn.Conv3d(channels[0], outputs, 1)

    def forward(self, volumes: Tensor) -> Tensor:
        """Logits (B, outputs, Z, Y, X) of ``volumes`` (B, inputs, Z, Y, X).

        Raises:
            InputError: Another number of inputs, or sides that cannot be halved often enough.
        """
        given = tuple(volumes.shape[1:])
        fits = given[0] == self.inputs and all(side % self.multiple == 0 for side in given[1:])
        require(
            fits,
            f"volume net: it takes {self.inputs} channels with sides that are multiples of {self.multiple}, "
            f"not shape {given}.",
        )
        features = channels_together(folded(volumes) if self.folded else volumes)
        skipped = []
        for stage in self.down:
            features = stage(self.pool(features) if skipped else features)
            skipped.append(features)
        for skip, enlarge, stage in zip(skipped[-2::-1], self.enlarge[::-1], self.up[::-1], strict=True):
            features = stage(torch.cat([enlarge(features), skip], dim=1))
        return self.head(features)


class Stage(nn.Module):
    """Some 3^3 convolutions, and what came in added to what comes out, through a 1^3 convolution."""

    def __init__(self, before: int, after: int, convolutions: int, norm: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(convolutions):
            layers += [nn.PReLU(after)] if number else []
            layers += [nn.Conv3d(after if number else before, after, 3, padding=1), norm_layer(norm, after, 3)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Conv3d(before, after, 1)
        self.activation = nn.PReLU(after)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, Z, Y, X) to (B, after, Z, Y, X)."""
        return self.activation(self.layers(features) + self.shortcut(features))


def folded(volumes: Tensor) -> Tensor:
    """(B, C, 2 Z, 2 Y, 2 X) to (B, 8 C, Z, Y, X): the 2 x 2 x 2 voxels inside each become its channels."""
    batch, channels, *sides = volumes.shape
    z, y, x = (side // 2 for side in sides)
    parts = volumes.reshape(batch, channels, z, 2, y, 2, x, 2).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return parts.reshape(batch, 8 * channels, z, y, x)
