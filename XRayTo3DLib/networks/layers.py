"""Normalisation and memory order that several nets share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError

NORMS = ("batch", "instance", "group", "none")
"""``batch`` keeps running statistics, and its pictures influence each other while training (so does how a batch is
shared among processes); ``instance`` and ``group`` behave alike in training and use, but forget overall strength."""
CHANNELS_PER_GROUP = 8


def norm_layer(kind: str, channels: int, dimensions: int) -> nn.Module:
    """A normalisation of ``channels`` feature maps in 2 or 3 ``dimensions`` with a learnt scale and offset per channel.

    Each kind but ``none`` has the same 2 * ``channels`` parameters. A group has CHANNELS_PER_GROUP channels: with fewer
    it would forget how strongly a whole picture answers.

    Raises:
        InputError: ``kind`` is none of NORMS.
    """
    if kind == "batch":
        return nn.BatchNorm3d(channels) if dimensions == 3 else nn.BatchNorm2d(channels)
    if kind == "instance":
        made = nn.InstanceNorm3d if dimensions == 3 else nn.InstanceNorm2d
        return made(channels, affine=True)
    if kind == "group":
        return nn.GroupNorm(channels // math.gcd(CHANNELS_PER_GROUP, channels), channels)
    if kind == "none":
        return nn.Identity()
    raise InputError(f"network: there is no norm {kind!r}; choose one of {', '.join(NORMS)}.")


def channels_together(features: Tensor) -> Tensor:
    """The same values, on the CPU with the channels of a voxel side by side in memory: 3D convolutions there take half
    the time. Weights stay as they are, so that files of them are plain."""
    if features.device.type != "cpu":
        return features
    order = torch.channels_last_3d if features.ndim == 5 else torch.channels_last
    return features.contiguous(memory_format=order)


def require(condition: bool, message: str) -> None:
    """Raise :class:`InputError` with ``message`` where ``condition`` does not hold."""
    if not condition:
        raise InputError(message)


def count_parameters(network: nn.Module) -> int:
    """How many numbers ``network`` learns."""
    return sum(parameter.numel() for parameter in network.parameters())
