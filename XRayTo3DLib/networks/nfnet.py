"""NFNet (Brock, De, Smith, Simonyan, ICML 2021): a normaliser-free ResNet, here as an encoder of four feature maps.

Gu et al. (3DDX, MICCAI 2024) encode radiographs with NFNet-F0. Parameters are named and shaped as in ``dm_nfnet_f0`` of
the timm package, so that its published weights load strictly (:func:`load_timm_weights`); timm itself is not needed.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from XRayTo3DLib.files.tensor_files import read_tensors, require_shapes
from XRayTo3DLib.networks.layers import require
from XRayTo3DLib.networks.nfnet_layers import Gelu, ScaledConv2d, SqueezeExcite, divisible

BRANCH_GAIN = 0.2
"""alpha: how much of each block's branch is added to its shortcut."""
ATTENTION_GAIN = 2.0
STEPS = (4, 8, 16, 32)
"""How many pixels of the picture one value of each of the four maps stands for, along a side."""
NOT_NEEDED = ("head.fc.weight", "head.fc.bias")
"""Published parameters that an encoder has no use for: ImageNet's classes."""


class Shortcut(nn.Module):
    """Averages 2 x 2 pixels where the block halves its map, then changes the number of channels."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        whole = {"ceil_mode": True, "count_include_pad": False}
        self.pool = nn.AvgPool2d(2, stride, **whole) if stride > 1 else nn.Identity()
        self.conv = ScaledConv2d(before, after, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, rows, columns) to (B, after, rows / stride, columns / stride)."""
        return self.conv(self.pool(features))


class NfBlock(nn.Module):
    """Pre-activation bottleneck without norm: h + alpha f(h / beta), with a learnt gain of f that starts at zero.

    Args:
        before: Channels in.
        after: Channels out; half as many between, in groups of ``group``.
        stride: 2 where the map is halved.
        group: Channels a group; the bottleneck is rounded down to a multiple of it.
        deviation: Standard deviation expected of what comes in (beta).
    """

    def __init__(self, before: int, after: int, stride: int, group: int, deviation: float) -> None:
        super().__init__()
        groups = max(divisible(after / 2) // group, 1)
        middle = groups * group
        self.scale = 1 / deviation
        self.downsample = Shortcut(before, after, stride) if stride > 1 or before != after else None
        self.conv1 = ScaledConv2d(before, middle, 1)
        self.conv2 = ScaledConv2d(middle, middle, 3, stride, groups)
        self.conv2b = ScaledConv2d(middle, middle, 3, 1, groups)
        self.conv3 = ScaledConv2d(middle, after, 1)
        self.attn_last = SqueezeExcite(after)
        self.skipinit_gain = nn.Parameter(torch.zeros(()))
        self.activation = Gelu()

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, rows, columns) to (B, after, rows / stride, columns / stride)."""
        active = self.activation(features) * self.scale
        shortcut = features if self.downsample is None else self.downsample(active)
        changed = self.conv1(active)
        for layer in (self.conv2, self.conv2b, self.conv3):
            changed = layer(self.activation(changed))
        changed = ATTENTION_GAIN * self.attn_last(changed)
        return changed * self.skipinit_gain * BRANCH_GAIN + shortcut


class NfNet(nn.Module):
    """Four feature maps of a picture, at 1/4, 1/8, 1/16 and 1/32 of its size.

    Args:
        depths: Blocks of each of the four stages.
        widths: Channels of each stage.
        stem: Channels of the last of the four convolutions before the stages, a multiple of 8.
        group: Channels a group of the 3 x 3 convolutions.
        final: Channels of a last 1 x 1 convolution on the coarsest map; 0: none.
        inputs: Channels of the pictures; one-channel pictures are given to all of them.

    Attributes:
        channels: Channels of the four maps.

    Raises:
        InputError: The stem is no multiple of 8.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        stem: int,
        group: int,
        final: int = 0,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        require(stem > 0 and stem % 8 == 0, f"NFNet: the stem needs a multiple of 8 channels, not {stem}.")
        self.inputs = inputs
        self.stem = _stem(inputs, stem)
        self.stages = nn.Sequential(*_stages(depths, (stem, *widths), group))
        self.final_conv = ScaledConv2d(widths[-1], final, 1) if final else nn.Identity()
        self.channels = (*widths[:-1], final or widths[-1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps (B, channels[i], H / STEPS[i], W / STEPS[i]) of ``images`` (B, inputs, H, W) or (B, 1, H, W).

        Before activation, as timm's ``features_only`` has them.

        Raises:
            InputError: Other channels, or sides that are no multiple of 32.
        """
        require_sides(images)
        fits = images.ndim == 4 and images.shape[1] in (1, self.inputs)
        require(fits, f"NFNet: made for pictures (B, {self.inputs}, H, W), but given {tuple(images.shape)}.")
        features = self.stem(images.expand(-1, self.inputs, -1, -1))
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return [*maps[:-1], self.final_conv(maps[-1])]


def nfnet_f0() -> NfNet:
    """NFNet-F0 as ``dm_nfnet_f0``: 68.42 million parameters (the 1000 classes left out)."""
    return NfNet((1, 2, 6, 3), (256, 512, 1536, 1536), stem=128, group=128, final=3072)


def nfnet_tiny() -> NfNet:
    """For 128-pixel radiographs on a CPU."""
    return NfNet((1, 1, 2, 1), (64, 128, 192, 256), stem=64, group=32, inputs=1)


def load_timm_weights(network: NfNet, path: Path | str) -> None:
    """Give ``network`` the published weights of timm's ``dm_nfnet_f0``, in place.

    Nothing may be missing or left over, but for NOT_NEEDED.

    Args:
        network: :func:`nfnet_f0`.
        path: A ``.safetensors`` file. Pickled ones (``.pth``) are refused; the message says how to convert them.

    Raises:
        InputError: The file cannot be read, or holds other weights.
    """
    path = Path(path)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    tensors = read_tensors(path, "weights of the encoder")
    tensors = {name: tensor for name, tensor in tensors.items() if name not in NOT_NEEDED}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    require_shapes(
        found, wanted, f"{path.name}: these are not the weights of this NFNet: it", "Take those of its name."
    )
    network.load_state_dict(tensors, strict=True)


def folded(network: nn.Module) -> nn.Module:
    """A copy of ``network`` for use only: the standardised weights of every ScaledConv2d, computed once for all."""
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ScaledConv2d):
                setattr(module, name, child.folded())
    return copied.eval()


def require_sides(images: Tensor, least: int = STEPS[-1]) -> None:
    """Raise :class:`InputError` unless both sides of ``images`` (..., H, W) are multiples of 32, ``least`` or more."""
    rows, columns = images.shape[-2:]
    fits = rows % STEPS[-1] == 0 and columns % STEPS[-1] == 0 and min(rows, columns) >= least
    require(
        fits,
        f"network: pictures must be a multiple of {STEPS[-1]} pixels high and wide, at least {least},"
        f" not {rows} x {columns}.",
    )


def _stem(inputs: int, channels: int) -> nn.Sequential:
    """Four 3 x 3 convolutions; the first and the last halve. Names are timm's."""
    widths = (inputs, channels // 8, channels // 4, channels // 2, channels)
    stem = nn.Sequential()
    for i, stride in enumerate((2, 1, 1, 2)):
        if i > 0:
            stem.add_module(f"act{i + 1}", Gelu())
        stem.add_module(f"conv{i + 1}", ScaledConv2d(widths[i], widths[i + 1], 3, stride))
    return stem


def _stages(depths: Sequence[int], widths: Sequence[int], group: int) -> list[nn.Sequential]:
    """``widths``: the stem's first. Variance grows by alpha^2 with every block and starts anew with every stage."""
    stages, variance, before = [], 1.0, widths[0]
    for i, (depth, after) in enumerate(zip(depths, widths[1:], strict=True)):
        blocks = []
        for j in range(depth):
            stride = 2 if i > 0 and j == 0 else 1
            blocks.append(NfBlock(before, after, stride, group, variance**0.5))
            variance = (1.0 if j == 0 else variance) + BRANCH_GAIN**2
            before = after
        stages.append(nn.Sequential(*blocks))
    return stages
