"""Image translation with a conditional GAN: pix2pix (Isola et al., CVPR 2017), from a radiograph to a bone-only DRR.

Layers, counts and starting weights are those of the authors' PyTorch code: with the defaults 54.41 million parameters
in the generator and 2.76 million in the discriminator. Pictures are scaled to [-1, 1] by a FIXED factor before and
after, never by their own range: how bright a bone is tells how thick it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from XRayTo3DLib.networks.initialise import initialise_pix2pix
from XRayTo3DLib.networks.layers import norm_layer, require

WIDEST = 8
"""Feature maps grow to this many times ``channels``."""
DROPOUT = 0.5


class UNetGenerator(nn.Module):
    """Pictures (B, inputs, N, N) in [-1, 1] to pictures (B, outputs, N, N) in [-1, 1]; N a multiple of 2^downs.

    Args:
        downs: How often the picture is halved: 8 for 256 pixels (the paper), 6 for 64.
        channels: Feature maps of the first layer, doubled up to 8 times that.
        inputs: Channels of the picture given.
        outputs: Channels of the picture made.
        norm: ``batch`` as published. With a batch of one its training equals ``instance``, which also uses it so.
        dropout: Drop half of the innermost features while training (the layers between the innermost and the fourth).
        dropout_when_used: Also afterwards, as the paper does for noise.

    Raises:
        InputError: Fewer than five halvings, or an unknown norm.
    """

    def __init__(
        self,
        downs: int = 8,
        channels: int = 64,
        inputs: int = 1,
        outputs: int = 1,
        norm: str = "batch",
        dropout: bool = True,
        dropout_when_used: bool = False,
    ) -> None:
        super().__init__()
        require(downs >= 5, f"pix2pix: the generator needs at least 5 halvings, not {downs}.")
        self.downs, self.inputs = downs, inputs
        widths = [channels * min(2**level, WIDEST) for level in range(downs)]
        self.down = nn.ModuleList(_down(level, (inputs, *widths), norm) for level in range(downs))
        self.up = nn.ModuleList(_up(level, (outputs, *widths), norm) for level in range(downs))
        self.dropped = frozenset(range(4, downs - 1)) if dropout else frozenset()
        self.dropout_when_used = dropout_when_used
        initialise_pix2pix(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Translated pictures (B, outputs, N, N) in (-1, 1)."""
        rows, columns = pictures.shape[-2:]
        step = 2**self.downs
        fits = rows % step == 0 and columns % step == 0
        require(fits, f"pix2pix: pictures must be a multiple of {step} pixels high and wide, not {rows} x {columns}.")
        kept = [self.down[0](pictures)]
        for down in self.down[1:]:
            kept.append(down(kept[-1]))
        features = self._raised(self.downs - 1, kept.pop())
        for level in range(self.downs - 2, -1, -1):
            features = self._raised(level, torch.cat([kept.pop(), features], dim=1))
        return torch.tanh(features)

    def _raised(self, level: int, features: Tensor) -> Tensor:
        raised = self.up[level](features)
        if level not in self.dropped:
            return raised
        return functional.dropout(raised, DROPOUT, training=self.training or self.dropout_when_used)


class PatchDiscriminator(nn.Module):
    """Tells real pairs from made ones, patch by patch: each logit sees 70 x 70 pixels with the default three halvings.

    Args:
        inputs: Channels of the radiograph and of the picture together.
        channels: Feature maps of the first layer.
        layers: How often the picture is halved.
        norm: ``batch`` as published, or another of ``layers.NORMS``.
    """

    def __init__(self, inputs: int = 2, channels: int = 64, layers: int = 3, norm: str = "batch") -> None:
        super().__init__()
        widths = [channels * min(2**level, WIDEST) for level in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(inputs, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            parts += [
                nn.Conv2d(widths[level - 1], widths[level], 4, stride=stride, padding=1, bias=False),
                norm_layer(norm, widths[level], 2),
                nn.LeakyReLU(0.2),
            ]
        self.patches = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))
        initialise_pix2pix(self)

    def forward(self, radiographs: Tensor, pictures: Tensor) -> Tensor:
        """Logits (B, 1, n, n), above zero for a real pair, of ``radiographs`` with ``pictures``, (B, C, N, N) each."""
        return self.patches(torch.cat([radiographs, pictures], dim=1))


def _down(level: int, widths: tuple[int, ...], norm: str) -> nn.Sequential:
    """The outermost halving has no norm, the innermost sees a single pixel and has none either."""
    before, after = widths[level], widths[level + 1]
    innermost = level == len(widths) - 2
    convolution = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
    parts: list[nn.Module] = [convolution] if level == 0 else [nn.LeakyReLU(0.2), convolution]
    if level > 0 and not innermost:
        parts.append(norm_layer(norm, after, 2))
    return nn.Sequential(*parts)


def _up(level: int, widths: tuple[int, ...], norm: str) -> nn.Sequential:
    """Doubles what comes from below together with what was kept at this level; the outermost makes the picture."""
    innermost = level == len(widths) - 2
    before = widths[level + 1] * (1 if innermost else 2)
    outermost = level == 0
    convolution = nn.ConvTranspose2d(before, widths[level], 4, stride=2, padding=1, bias=outermost)
    parts: list[nn.Module] = [nn.ReLU(), convolution]
    if not outermost:
        parts.append(norm_layer(norm, widths[level], 2))
    return nn.Sequential(*parts)
