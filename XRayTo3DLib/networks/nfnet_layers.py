"""Layers of normaliser-free nets (Brock, De, Smith, Simonyan, ICML 2021), with the numbers of timm's ``dm_nfnet``."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

GELU_GAIN = 1.7015043497085571
"""Makes the variance of gelu(x) one where x is normal; the published weights expect this value."""


class SameConv2d(nn.Conv2d):
    """Convolution with ceil(size / stride) pixels out: zeros are padded, the odd row or column after the last."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(before, after, kernel, stride, padding, groups=groups)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, rows, columns) to (B, after, rows / stride, columns / stride), rounded up."""
        return self.convolved(features, self.weight)

    def convolved(self, features: Tensor, weight: Tensor) -> Tensor:
        """As :meth:`forward`, with another weight."""
        if self.stride[0] > 1:
            missing = [_missing(size, self.kernel_size[0], self.stride[0]) for size in features.shape[:1:-1]]
            features = functional.pad(features, [side for m in missing for side in (m // 2, m - m // 2)])
        return self._conv_forward(features, weight, self.bias)


class ScaledConv2d(SameConv2d):
    """Convolution with scaled weight standardisation (section 2, eq. 1): W = gain (w - mean w) / (sd w sqrt(fan in)).

    ``gain``: (after, 1, 1, 1), learnt.
    """

    epsilon = 1e-5

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups)
        self.gain = nn.Parameter(torch.ones(after, 1, 1, 1))
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear")
        nn.init.zeros_(self.bias)

    def standardised(self) -> Tensor:
        """The weight (after, before / groups, kernel, kernel) that is convolved with.

        A batch norm over the weights' rows: the same numbers, computed and differentiated in one go.
        """
        fan_in = self.weight[0].numel()
        scale = (self.gain * fan_in**-0.5).view(-1)
        rows = self.weight.reshape(1, len(self.weight), -1)
        normal = functional.batch_norm(rows, None, None, scale, training=True, momentum=0.0, eps=self.epsilon)
        return normal.reshape_as(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, rows, columns) to (B, after, rows / stride, columns / stride), rounded up."""
        return self.convolved(features, self.standardised())

    @torch.no_grad()
    def folded(self) -> SameConv2d:
        """A plain convolution that does the same and standardises nothing at use."""
        after, before, kernel, _ = self.weight.shape
        plain = SameConv2d(before * self.groups, after, kernel, self.stride[0], self.groups)
        plain.weight.copy_(self.standardised())
        plain.bias.copy_(self.bias)
        return plain.to(self.weight)


class Gelu(nn.Module):
    """gelu(x) times GELU_GAIN."""

    def forward(self, features: Tensor) -> Tensor:
        """Any shape, unchanged."""
        return functional.gelu(features).mul_(GELU_GAIN)


class SqueezeExcite(nn.Module):
    """Each channel times a number in (0, 1) that depends on all channels' means (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        between = divisible(channels / 2)
        self.fc1, self.fc2 = nn.Conv2d(channels, between, 1), nn.Conv2d(between, channels, 1)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, rows, columns), unchanged."""
        means = features.mean((2, 3), keepdim=True)
        return features * self.fc2(self.fc1(means).relu()).sigmoid()


def divisible(channels: float) -> int:
    """The nearest multiple of 8, halves up; 8 at least."""
    return max(8, int(channels + 4) // 8 * 8)


def _missing(size: int, kernel: int, stride: int) -> int:
    """Pixels a side must be padded by for ceil(size / stride) outputs."""
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)
