"""From radiographs to the code of a shape: an AlexNet, as Girdhar et al. and Shiode et al. use it, and a ResNet-18.

Both take the views as channels of one picture, as line integrals scaled by a fixed factor.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from XRayTo3DLib.networks.layers import channels_together, norm_layer, require

STEM_STRIDES = (1, 2, 4)
ALEXNET_LEAST = 63
"""Fewest pixels a side: less leaves the last pooling nothing to pool."""


class ResNetPredictor(nn.Module):
    """ResNet-18 (He et al., CVPR 2016): (B, views, N, N) to (B, latent); 11.2 million parameters at width 64.

    Args:
        views: Radiographs of one bone.
        latent: Length of the code.
        width: Feature maps of the first stage; 16 is a good size for 64 pixels on a CPU.
        norm: One of ``layers.NORMS``.
        stem_stride: How much the first layers shrink the picture: 4 as published (a 7 x 7 convolution and a pooling), 2
            without the pooling, 1 with a 3 x 3 convolution, for small pictures.
        pooled: Side of the grid of averages that the code is read from: 1 as published; 2 to 4 keep where things are.

    Raises:
        InputError: An option is unknown.
    """

    def __init__(
        self,
        views: int = 1,
        latent: int = 64,
        width: int = 64,
        norm: str = "group",
        stem_stride: int = 4,
        pooled: int = 1,
    ) -> None:
        super().__init__()
        self.views, self.latent = views, latent
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stem = _stem(views, width, norm, stem_stride)
        stages = [_stage(before, after, norm, first=i == 0) for i, (before, after) in enumerate(pairwise(widths))]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.code = nn.Linear(widths[-1] * pooled**2, latent)
        _initialise_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """Codes (B, latent) of ``images`` (B, views, N, N)."""
        require_views(images, self.views)
        return self.code(self.pool(self.stages(self.stem(channels_together(images)))).flatten(1))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which a 1 x 1 convolution adapts where shapes differ."""

    def __init__(self, before: int, after: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = norm_layer(norm, after, 2)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = norm_layer(norm, after, 2)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            adapted = nn.Conv2d(before, after, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(adapted, norm_layer(norm, after, 2))

    def forward(self, features: Tensor) -> Tensor:
        """(B, before, rows, columns) to (B, after, rows / stride, columns / stride)."""
        changed = self.first_norm(self.first(features)).relu()
        return (self.second_norm(self.second(changed)) + self.shortcut(features)).relu()


class AlexNetPredictor(nn.Module):
    """AlexNet with two groups (Krizhevsky et al., NIPS 2012): (B, views, N, N) to (B, latent); 57.1 million parameters.

    Other sizes than the published 227 pixels are averaged to the same 6 x 6 grid before the full connections.

    Args:
        views: Radiographs of one bone; 3 for the published colour pictures.
        latent: Length of the code.
        width: Feature maps of the first layer, a multiple of 12.
        hidden: Length of the two full connections before the code.
        dropout: Share of these dropped while training.

    Raises:
        InputError: The width is no multiple of 12.
    """

    def __init__(
        self, views: int = 1, latent: int = 64, width: int = 96, hidden: int = 4096, dropout: float = 0.5
    ) -> None:
        super().__init__()
        require(width > 0 and width % 12 == 0, f"AlexNet: the width must be a multiple of 12, not {width}.")
        self.views, self.latent = views, latent
        second, third = width * 8 // 3, width * 4
        self.features = nn.Sequential(
            *(nn.Conv2d(views, width, 11, stride=4), nn.ReLU(), _pooling(), _response_norm()),
            *(nn.Conv2d(width, second, 5, padding=2, groups=2), nn.ReLU(), _pooling(), _response_norm()),
            *(nn.Conv2d(second, third, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(third, third, 3, padding=1, groups=2), nn.ReLU()),
            *(nn.Conv2d(third, second, 3, padding=1, groups=2), nn.ReLU(), _pooling()),
        )
        self.pool = nn.AdaptiveAvgPool2d(6)
        self.hidden = nn.Sequential(
            *(nn.Linear(second * 36, hidden), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout)),
        )
        self.code = nn.Linear(hidden, latent)

    def forward(self, images: Tensor) -> Tensor:
        """Codes (B, latent) of ``images`` (B, views, N, N), N at least 63."""
        require_views(images, self.views)
        least = min(images.shape[-2:])
        require(least >= ALEXNET_LEAST, f"AlexNet: pictures need at least {ALEXNET_LEAST} pixels a side, not {least}.")
        return self.code(self.hidden(self.pool(self.features(images)).flatten(1)))


def require_views(images: Tensor, views: int) -> None:
    """Raise :class:`InputError` unless ``images`` is (B, views, rows, columns)."""
    fits = images.ndim == 4 and images.shape[1] == views
    require(fits, f"predictor: made for {views} view(s), (B, {views}, N, N), but given {tuple(images.shape)}.")


def _stem(views: int, width: int, norm: str, stride: int) -> nn.Sequential:
    known = ", ".join(map(str, STEM_STRIDES))
    require(stride in STEM_STRIDES, f"predictor: there is no stem with stride {stride}; choose one of {known}.")
    kernel = 3 if stride == 1 else 7
    convolution = nn.Conv2d(views, width, kernel, stride=min(stride, 2), padding=kernel // 2, bias=False)
    pooling = [nn.MaxPool2d(3, stride=2, padding=1)] if stride == 4 else []
    return nn.Sequential(convolution, norm_layer(norm, width, 2), nn.ReLU(), *pooling)


def _stage(before: int, after: int, norm: str, first: bool) -> nn.Sequential:
    start = ResidualBlock(before, after, stride=1 if first else 2, norm=norm)
    return nn.Sequential(start, ResidualBlock(after, after, stride=1, norm=norm))


def _initialise_he(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _pooling() -> nn.MaxPool2d:
    """Rounds sizes up, as Caffe does: the same at 227 pixels, and 64 still leave something."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _response_norm() -> nn.LocalResponseNorm:
    return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
