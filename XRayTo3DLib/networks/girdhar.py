"""TL-net as first published (Girdhar, Fouhey, Rodriguez, Gupta, ECCV 2016), layer by layer.

20^3 binary volumes of one object, colour pictures of 227 pixels. It costs 42 billion multiplications per shape already
at this size, so it is here to compare with, not to be scaled up: ``tl_net`` is what wrists are reconstructed with.
"""

from __future__ import annotations

from torch import Tensor, nn

from XRayTo3DLib.networks.image_encoders import AlexNetPredictor
from XRayTo3DLib.networks.initialise import initialise_girdhar
from XRayTo3DLib.networks.layers import require

SIZE = 20
WIDTHS = (96, 256, 384, 256)
"""Feature maps of the encoder's convolutions; the decoder has them the other way round."""
LATENT = 64
SCALE = 255.0
"""Voxels are multiplied by this, like a picture's grey values."""
VOXEL_WEIGHT = 1500.0
"""Of ``losses.girdhar_voxel_loss`` beside ``losses.girdhar_code_loss``."""


class GirdharEncoder(nn.Module):
    """(B, 1, 20, 20, 20) in {0, 1} to (B, 64), linear at the end. ``widths``: other than published only for tests."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.features = nn.Sequential(
            *(nn.Conv3d(1, first, 7), nn.PReLU(first)),
            *(nn.Conv3d(first, second, 5), nn.PReLU(second)),
            *(nn.Conv3d(second, third, 3), nn.PReLU(third)),
            *(nn.Conv3d(third, fourth, 3), nn.PReLU(fourth)),
        )
        self.code = nn.Linear(fourth * 6**3, LATENT)
        initialise_girdhar(self)

    def forward(self, occupancy: Tensor) -> Tensor:
        """Codes (B, 64) of ``occupancy`` (B, 1, 20, 20, 20)."""
        expected = (1, SIZE, SIZE, SIZE)
        given = tuple(occupancy.shape[1:])
        require(given == expected, f"Girdhar: the encoder takes volumes of shape {expected}, not {given}.")
        return self.code(self.features(SCALE * occupancy).flatten(1))


class GirdharDecoder(nn.Module):
    """(B, 64) to logits (B, 1, 20, 20, 20), above zero inside; their sigmoid is the published output."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.code = nn.Linear(LATENT, 6**3)
        self.features = nn.Sequential(
            *(nn.ConvTranspose3d(1, fourth, 3), nn.PReLU(fourth)),
            *(nn.ConvTranspose3d(fourth, third, 3), nn.PReLU(third)),
            *(nn.ConvTranspose3d(third, second, 5), nn.PReLU(second)),
            *(nn.ConvTranspose3d(second, first, 7), nn.PReLU(first)),
            nn.ConvTranspose3d(first, 1, 1),
        )
        initialise_girdhar(self)

    def forward(self, code: Tensor) -> Tensor:
        """Logits (B, 1, 20, 20, 20) of ``code`` (B, 64)."""
        return self.features(self.code(code).reshape(-1, 1, 6, 6, 6))


class GirdharAutoencoder(nn.Module):
    """Encoder and decoder: 35.35 million parameters."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        self.encoder, self.decoder = GirdharEncoder(widths), GirdharDecoder(widths)

    def forward(self, occupancy: Tensor) -> Tensor:
        """Logits (B, 1, 20, 20, 20) of ``occupancy`` of the same shape, in {0, 1}."""
        return self.decoder(self.encoder(occupancy))


class GirdharPredictor(AlexNetPredictor):
    """AlexNet from colour pictures (B, 3, 227, 227) to codes (B, 64): 57.13 million parameters."""

    def __init__(self) -> None:
        super().__init__(views=3, latent=LATENT)
        initialise_girdhar(self)
