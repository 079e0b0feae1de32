"""A trained TL-net at work: canonical images in, probabilities of bone out. Needs neither Lightning nor MONAI."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.projection.precision import inference

BATCH = 8
"""Shapes decoded at once: at the paper's 128 voxels one takes 0.3 GB."""


class TlNetPredictor:
    """Shapes from canonical images.

    Args:
        configuration: The one it was trained with.
        networks: At least "predictor" and "decoder".
    """

    calibrated = False

    def __init__(self, configuration: TlNetConfiguration, networks: nn.ModuleDict) -> None:
        self.configuration, self._networks = configuration, networks.eval()

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        """Shapes of (N, views, rows, columns) line integrals of bone, canonical images."""
        del cameras
        scaled = torch.as_tensor(images, dtype=torch.float32) / self.configuration.data.image.scale
        device = next(self._networks.parameters()).device
        with inference(device):
            parts = [self._networks["predictor"](part) for part in scaled.to(device).split(BATCH)]
            found = [fields_of(self._networks["decoder"](part), self.configuration.data.voxels) for part in parts]
        return [fields for part in found for fields in part]


def fields_of(logits: Tensor, grid: VoxelGrid) -> list[ShapeFields]:
    """Probabilities of each bone against everything else, from (N, 1 + bones, D, H, W) logits."""
    bones = torch.softmax(logits.float(), dim=1)[:, 1:].cpu().numpy()
    return [ShapeFields(values, 0.5, grid) for values in bones]
