"""Starting weights that papers prescribe; everything else starts as torch has it."""

from __future__ import annotations

from torch import nn

NORMALISATIONS = (nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def initialise_pix2pix(network: nn.Module) -> None:
    """Isola et al., CVPR 2017: weights N(0, 0.02), norm scales N(1, 0.02), every offset 0. In place."""
    initialise_normal(network, convolution=0.02, linear=0.02, norm=0.02)


def initialise_girdhar(network: nn.Module) -> None:
    """Girdhar et al., ECCV 2016: convolutions N(0, 0.01) with offset 0, full connections N(0, 0.005) with offset 1."""
    initialise_normal(network, convolution=0.01, linear=0.005, linear_bias=1.0)


def initialise_normal(
    network: nn.Module, convolution: float, linear: float, norm: float = 0.0, linear_bias: float = 0.0
) -> None:
    """Draw weights from normal distributions, in place, with torch's global random numbers.

    Args:
        network: Its convolutions, full connections and norms are set; activations keep theirs.
        convolution: Standard deviation of convolution weights about 0; their offsets become 0.
        linear: The same for full connections; their offsets become ``linear_bias``.
        norm: Standard deviation of the norms' scales about 1; their offsets become 0.
        linear_bias: See ``linear``.
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            _normal(module, 0.0, convolution, bias=0.0)
        elif isinstance(module, nn.Linear):
            _normal(module, 0.0, linear, bias=linear_bias)
        elif isinstance(module, NORMALISATIONS):
            _normal(module, 1.0, norm, bias=0.0)


def _normal(module: nn.Module, mean: float, deviation: float, bias: float) -> None:
    if module.weight is not None:
        nn.init.normal_(module.weight, mean, deviation)
    if module.bias is not None:
        nn.init.constant_(module.bias, bias)
