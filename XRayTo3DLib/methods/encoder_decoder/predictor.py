"""A trained encoder-decoder at work: canonical images in, probabilities of bone out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.methods.encoder_decoder.configuration import EncoderDecoderConfiguration
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.networks.encoder_decoder import EncoderDecoder
from XRayTo3DLib.projection.precision import inference

BATCH = 4
"""Shapes decoded at once."""


class EncoderDecoderPredictor:
    """Shapes from canonical images.

    Args:
        configuration: The one it was trained with.
        network: The network.
    """

    calibrated = False

    def __init__(self, configuration: EncoderDecoderConfiguration, network: EncoderDecoder) -> None:
        self.configuration, self._network = configuration, network.eval()

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        """Shapes of (N, views, rows, columns) line integrals of bone, canonical images.

        Raises:
            InputError: Not the views, or the size of pictures, that it was made for.
        """
        del cameras
        data, head = self.configuration.data, self.configuration.network.head
        scaled = torch.as_tensor(images, dtype=torch.float32) / data.image.scale
        device = next(self._network.parameters()).device
        with inference(device):
            parts = [bone_probabilities(self._network(part.to(device)), head) for part in scaled.split(BATCH)]
        return [ShapeFields(values, 0.5, data.voxels) for part in parts for values in part.cpu().numpy()]


def made_network(configuration: EncoderDecoderConfiguration) -> EncoderDecoder:
    """The network with random weights."""
    network, data = configuration.network, configuration.data
    return EncoderDecoder(
        views=len(data.views),
        outputs=len(data.labels) + (network.head == "softmax"),
        size=data.grid.size,
        image_size=data.image.size,
        channels=network.channels,
        code=network.code,
        norm=network.norm,
        dropout=network.dropout,
    )


def bone_probabilities(logits: Tensor, head: str) -> Tensor:
    """(B, bones, D, H, W) probabilities of ``logits``, which hold the background first if the head is "softmax"."""
    return logits.float().sigmoid() if head == "sigmoid" else logits.float().softmax(dim=1)[:, 1:]
