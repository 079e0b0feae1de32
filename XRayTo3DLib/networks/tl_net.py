"""TL-net: an autoencoder of labelled volumes, and a net that finds the code of a shape in its radiographs.

Girdhar et al., ECCV 2016, as Shiode et al., Sci Rep 2021, 11:15249 use it for the wrist: several bones at once (a
softmax with background as class 0) and a finer grid. Shiode et al. print no layer table. Here, on their grid of 128 a
side: four convolutions with kernel 4 and stride 2 (16, 32, 64, 128 channels), a full connection to 64 numbers, and the
mirror of it back; other grids are halved until a side of at most 8 is left. ``girdhar`` holds Girdhar's own layers.

On a CPU the last, full-resolution feature maps take most of the time. ``head="sub-voxel"`` has none: the layer before
computes the logits of the 2 x 2 x 2 voxels inside each of its own (Shi et al., CVPR 2016).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from XRayTo3DLib.networks.layers import channels_together, norm_layer, require

UP_SAMPLINGS = ("transposed-k4", "transposed-k2", "resize")
"""How the decoder doubles its grid: transposed convolution with kernel 4 (smooth, slow on a CPU) or 2 (no overlap, so
no checkerboard), or a 3^3 convolution and trilinear interpolation after it."""
HEADS = ("convolution", "sub-voxel")
COARSEST = 8
"""Voxels a side down to which a grid is halved when no depth is given."""


class VoxelEncoder(nn.Module):
    """Labelled volumes to codes: (B, labels, size, size, size) soft labels in [0, 1] to (B, latent), linear at the end.

    Args:
        labels: Bones; the background is not passed.
        size: Voxels a side.
        latent: Length of the code.
        channels: Feature maps of the first layer, doubled by each next.
        depth: How often the grid is halved; None: down to at most 8 voxels a side.
        norm: One of ``layers.NORMS``.

    Raises:
        InputError: The size cannot be halved ``depth`` times, or an option is unknown.
    """

    def __init__(
        self,
        labels: int,
        size: int,
        latent: int = 64,
        channels: int = 16,
        depth: int | None = None,
        norm: str = "group",
    ) -> None:
        super().__init__()
        self.labels, self.size, self.latent = labels, size, latent
        widths = _widths(size, channels, depth)
        halvings = [_halving(before, after, norm) for before, after in pairwise((labels, *widths))]
        self.features = nn.Sequential(*halvings)
        self.code = nn.Linear(widths[-1] * _coarsest(size, widths) ** 3, latent)

    def forward(self, soft_labels: Tensor) -> Tensor:
        """Codes (B, latent) of ``soft_labels`` (B, labels, size, size, size)."""
        expected = (self.labels, self.size, self.size, self.size)
        given = tuple(soft_labels.shape[1:])
        require(given == expected, f"TL-net: the encoder takes labels of shape {expected}, not {given}.")
        return self.code(self.features(channels_together(soft_labels)).flatten(1))


class VoxelDecoder(nn.Module):
    """Codes to labelled volumes: (B, latent) to logits (B, 1 + labels, size, size, size), background first.

    Args:
        labels: Bones, without the background.
        size: Voxels a side.
        latent: Length of the code.
        channels: Feature maps of the last layer, doubled by each one before.
        depth: How often the grid is doubled; None: from at most 8 voxels a side.
        norm: One of ``layers.NORMS``.
        up_sampling: One of UP_SAMPLINGS.
        head: ``convolution``: features on the full grid, then a 3^3 convolution; ``sub-voxel``: the last doubling gives
            logits at once (much faster on a CPU).

    Raises:
        InputError: The size cannot be halved ``depth`` times, or an option is unknown.
    """

    def __init__(
        self,
        labels: int,
        size: int,
        latent: int = 64,
        channels: int = 16,
        depth: int | None = None,
        norm: str = "group",
        up_sampling: str = "transposed-k4",
        head: str = "convolution",
    ) -> None:
        super().__init__()
        require(head in HEADS, f"TL-net: there is no head {head!r}; choose one of {', '.join(HEADS)}.")
        self.labels, self.size, self.latent = labels, size, latent
        widths = _widths(size, channels, depth)[::-1]
        side = _coarsest(size, widths)
        self.code = nn.Linear(latent, widths[0] * side**3)
        self.grid = nn.Unflatten(1, (widths[0], side, side, side))
        self.start = nn.Sequential(norm_layer(norm, widths[0], 3), nn.PReLU(widths[0]))
        doublings = [_doubling(before, after, norm, up_sampling) for before, after in pairwise(widths)]
        if head == "convolution":
            doublings.append(_doubling(widths[-1], channels, norm, up_sampling))
        self.features = nn.Sequential(*doublings)
        self.head = nn.Conv3d(channels, 1 + labels, 3, padding=1) if head == "convolution" else None
        self.sub_voxels = SubVoxels(widths[-1], 1 + labels) if head == "sub-voxel" else None

    def forward(self, code: Tensor) -> Tensor:
        """Logits (B, 1 + labels, size, size, size) of ``code`` (B, latent)."""
        features = self.features(self.start(channels_together(self.grid(self.code(code)))))
        return self.head(features) if self.head is not None else self.sub_voxels(features)


class SubVoxels(nn.Module):
    """A 3^3 convolution that computes the 2 x 2 x 2 voxels inside each voxel (Shi et al., CVPR 2016, in 3D).

    All eight start with the same weights, so that no checkerboard is there to be unlearnt (Aitken et al., 2017).
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.convolution = nn.Conv3d(channels, 8 * outputs, 3, padding=1)
        with torch.no_grad():
            for parameter in self.convolution.parameters():
                parameter.copy_(parameter[:outputs].repeat_interleave(8, dim=0))

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, Z, Y, X) to (B, outputs, 2 Z, 2 Y, 2 X)."""
        batch, _, *sides = features.shape
        parts = self.convolution(features).reshape(batch, self.outputs, 2, 2, 2, *sides)
        doubled = parts.permute(0, 1, 5, 2, 6, 3, 7, 4)
        return doubled.reshape(batch, self.outputs, *(2 * side for side in sides))


class TlNet(nn.Module):
    """Encoder, decoder and predictor of one code. Any predictor from (B, views, N, N) to (B, latent) will do.

    Raises:
        InputError: Their code lengths, labels or sizes differ.
    """

    def __init__(self, encoder: VoxelEncoder, decoder: VoxelDecoder, predictor: nn.Module) -> None:
        super().__init__()
        lengths = {encoder.latent, decoder.latent, getattr(predictor, "latent", encoder.latent)}
        require(len(lengths) == 1, f"TL-net: encoder, decoder and predictor disagree on the code's length: {lengths}.")
        same = (encoder.labels, encoder.size) == (decoder.labels, decoder.size)
        require(same, "TL-net: encoder and decoder disagree on labels or size.")
        self.encoder, self.decoder, self.predictor = encoder, decoder, predictor

    def autoencode(self, soft_labels: Tensor) -> tuple[Tensor, Tensor]:
        """Code (B, latent) of ``soft_labels`` (B, labels, D, H, W), and logits (B, 1 + labels, D, H, W) from it."""
        code = self.encoder(soft_labels)
        return code, self.decoder(code)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Logits (B, 1 + labels, D, H, W) of the bones seen in ``images`` (B, views, N, N); background first."""
        return self.decoder(self.predictor(images))

    def forward(self, images: Tensor) -> Tensor:
        """As :meth:`reconstruct`."""
        return self.reconstruct(images)


def bone_probabilities(logits: Tensor) -> Tensor:
    """Soft labels (B, labels, D, H, W) in [0, 1] of logits (B, 1 + labels, D, H, W): softmax without the background."""
    return logits.softmax(dim=1)[:, 1:]


def _widths(size: int, channels: int, depth: int | None) -> list[int]:
    """Feature maps of each layer of the encoder."""
    halvings = depth if depth is not None else _depth_for(size)
    fits = halvings > 0 and size % 2**halvings == 0 and size >= 2 * 2**halvings
    require(
        fits,
        f"TL-net: a grid of {size} voxels a side cannot be halved {halvings} times; choose a multiple of"
        f" {2 ** max(halvings, 1)} (48, 64, 96, 128, ...) or less depth.",
    )
    return [channels * 2**i for i in range(halvings)]


def _depth_for(size: int) -> int:
    depth = 1
    while size // 2**depth > COARSEST:
        depth += 1
    return depth


def _coarsest(size: int, widths: list[int]) -> int:
    return size // 2 ** len(widths)


def _halving(before: int, after: int, norm: str) -> nn.Sequential:
    convolution = nn.Conv3d(before, after, kernel_size=4, stride=2, padding=1)
    return nn.Sequential(convolution, norm_layer(norm, after, 3), nn.PReLU(after))


def _doubling(before: int, after: int, norm: str, up_sampling: str) -> nn.Sequential:
    return nn.Sequential(*_up(before, after, up_sampling), norm_layer(norm, after, 3), nn.PReLU(after))


def _up(before: int, after: int, up_sampling: str) -> list[nn.Module]:
    if up_sampling == "transposed-k4":
        return [nn.ConvTranspose3d(before, after, kernel_size=4, stride=2, padding=1)]
    if up_sampling == "transposed-k2":
        return [nn.ConvTranspose3d(before, after, kernel_size=2, stride=2)]
    known = ", ".join(UP_SAMPLINGS)
    require(up_sampling == "resize", f"TL-net: there is no up-sampling {up_sampling!r}; choose one of {known}.")
    return [nn.Conv3d(before, after, 3, padding=1), nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)]
