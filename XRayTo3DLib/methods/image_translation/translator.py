"""A trained pix2pix at work: canonical images of actual radiographs in, line integrals of bone out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.dataset.voxel_grid import WRIST_CENTRE_MM
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration

BATCH = 16


class Translator:
    """From radiographs to the DRRs of their bones.

    Args:
        configuration: The one it was trained with.
        generator: The trained U-Net.
    """

    def __init__(self, configuration: ImageTranslationConfiguration, generator: nn.Module) -> None:
        self.configuration, self._generator = configuration, generator.eval()
        self.synthetic = False
        """Whether its training data were made up."""

    def require_for(self, data: DataConfiguration) -> None:
        """Refuse a model that was made for other images.

        Raises:
            InputError: Its view or the size or geometry of its images differ.
        """
        mine = self.configuration.data
        # A scale is each network's own: between them go line integrals.
        image = replace(mine.image, scale=data.image.scale)
        same = (mine.view,) == data.views and image == data.image and data.grid.centre_mm == WRIST_CENTRE_MM
        if not same:
            raise InputError(
                "the translation bundle was made for other images than the model; train both with the same view and "
                "data.image."
            )

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, rows, columns) line integrals of whole limbs, canonical images, to those of the bones alone."""
        data = self.configuration.data
        device = next(self._generator.parameters()).device
        scaled = to_network(torch.as_tensor(images, dtype=torch.float32), data.radiograph_scale)[:, None].to(device)
        with torch.inference_mode():
            made = torch.cat([self._generator(part) for part in scaled.split(BATCH)])
        return np.asarray(((made[:, 0].float() + 1) / 2 * data.image.scale).cpu().numpy(), dtype=np.float32)


def to_network(line_integrals: Tensor, scale: float) -> Tensor:
    """0 .. ``scale`` to -1 .. 1, the same for every image; what lies outside is clipped."""
    return (line_integrals / scale).clamp(0, 1) * 2 - 1
