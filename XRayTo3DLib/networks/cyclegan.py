"""CycleGAN (Zhu et al., ICCV 2017): residual generators, discriminators of single pictures, and a pool of made ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from XRayTo3DLib.networks.initialise import initialise_pix2pix
from XRayTo3DLib.networks.layers import channels_together, norm_layer, require

WIDEST = 8
"""Feature maps of the discriminator grow to this many times ``channels``."""


class ResnetGenerator(nn.Module):
    """Pictures (B, inputs, N, N) in [-1, 1] to pictures (B, outputs, N, N) in (-1, 1); N a multiple of 4, 8 or more.

    A 7 x 7 convolution, two halvings, ``blocks`` residual blocks of two 3 x 3 convolutions, two doublings and a 7 x 7
    convolution with tanh; borders are reflected. 11.37 million parameters with the defaults.

    Args:
        blocks: Residual blocks: 9 for 256 pixels, 6 for 128 (the paper).
        channels: Feature maps of the first layer; four times as many in the blocks.
        inputs: Channels of the picture given.
        outputs: Channels of the picture made.
        norm: ``instance`` as published, without weights of its own; or another of ``layers.NORMS``, with them.

    Raises:
        InputError: No block, or an unknown norm.
    """

    def __init__(
        self, blocks: int = 9, channels: int = 64, inputs: int = 1, outputs: int = 1, norm: str = "instance"
    ) -> None:
        super().__init__()
        require(blocks >= 1, f"CycleGAN: the generator needs at least one residual block, not {blocks}.")
        wide = 4 * channels
        parts: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, channels, 7), _norm(norm, channels)]
        parts.append(nn.ReLU())
        for width in (channels, 2 * channels):
            halving = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
            parts += [halving, _norm(norm, 2 * width), nn.ReLU()]
        parts += [_Residual(wide, norm) for _ in range(blocks)]
        for width in (wide, wide // 2):
            doubling = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
            parts += [doubling, _norm(norm, width // 2), nn.ReLU()]
        parts += [nn.ReflectionPad2d(3), nn.Conv2d(channels, outputs, 7), nn.Tanh()]
        self.layers = nn.Sequential(*parts)
        initialise_pix2pix(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Translated pictures (B, outputs, N, N).

        Raises:
            InputError: Sides that are not multiples of 4, or shorter than 8 pixels.
        """
        rows, columns = pictures.shape[-2:]
        fits = rows % 4 == 0 and columns % 4 == 0 and min(rows, columns) >= 8
        require(fits, f"CycleGAN: pictures must be multiples of 4 pixels, 8 or more, not {rows} x {columns}.")
        return self.layers(channels_together(pictures))


class PictureDiscriminator(nn.Module):
    """Tells real pictures (B, inputs, N, N) from made ones, patch by patch, 70 x 70 pixels with three halvings.

    As :class:`.pix2pix.PatchDiscriminator`, but of a picture alone: there is no radiograph that belongs to it. 2.76
    million parameters with the defaults.

    Args:
        channels: Feature maps of the first layer, doubled up to 8 times that.
        layers: How often the picture is halved.
        inputs: Channels of the picture.
        norm: As in :class:`ResnetGenerator`.
    """

    def __init__(self, channels: int = 64, layers: int = 3, inputs: int = 1, norm: str = "instance") -> None:
        super().__init__()
        widths = [channels * min(2**level, WIDEST) for level in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(inputs, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1)
            parts += [convolution, _norm(norm, widths[level]), nn.LeakyReLU(0.2)]
        self.patches = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))
        initialise_pix2pix(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 1, n, n): near 1 where a patch looks real, near 0 where it looks made."""
        return self.patches(channels_together(pictures))


class PicturePool(nn.Module):
    """Made pictures of earlier steps, so that a discriminator does not forget them (Shrivastava et al., CVPR 2017).

    Its pictures are buffers: a training's checkpoint holds them, so that going on is as never having stopped. Random
    numbers are torch's own, which the engine seeds at every step. Each of several processes has its own pool; going on,
    all begin with the first one's.

    Args:
        places: How many pictures it keeps; 0: none, every picture passes.
        size: Pixels of a side.
    """

    pictures: Tensor
    kept: Tensor

    def __init__(self, places: int, size: int) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(places, 1, size, size))
        self.register_buffer("kept", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, made: Tensor) -> Tensor:
        """As many pictures as ``made`` (B, 1, N, N): each itself or, every second time, an earlier one it replaces.

        Until the pool is full every picture is kept and passes.
        """
        return torch.stack([self._exchanged(picture) for picture in made.detach().to(self.pictures.dtype)])

    def _exchanged(self, picture: Tensor) -> Tensor:
        places, kept = len(self.pictures), int(self.kept)
        if kept < places:
            self.pictures[kept] = picture
            self.kept += 1
            return picture
        if places == 0 or float(torch.rand(())) < 0.5:
            return picture
        place = int(torch.randint(places, ()))
        earlier = self.pictures[place].clone()
        self.pictures[place] = picture
        return earlier


class _Residual(nn.Module):
    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            _norm(norm, channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            _norm(norm, channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


def _norm(kind: str, channels: int) -> nn.Module:
    """The published instance norm learns no scale and no offset; the convolution before it has an offset instead."""
    return nn.InstanceNorm2d(channels) if kind == "instance" else norm_layer(kind, channels, 2)
