"""A trained generator at work: canonical images of actual radiographs in, line integrals of bone out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.methods.translation import CanonicalTranslator, HasPictures
from XRayTo3DLib.projection.precision import inference

BATCH = 16


class Translator(CanonicalTranslator):
    """From radiographs to the DRRs of their bones, by a network (pix2pix's or CycleGAN's generator).

    Args:
        configuration: The one it was trained with.
        generator: The trained network, (B, 1, N, N) in [-1, 1] to the same.
    """

    def __init__(self, configuration: HasPictures, generator: nn.Module) -> None:
        super().__init__(configuration)
        self._generator = generator.eval()

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, rows, columns) line integrals of whole limbs, canonical images, to those of the bones alone."""
        data = self.configuration.data
        device = next(self._generator.parameters()).device
        scaled = to_network(torch.as_tensor(images, dtype=torch.float32), data.radiograph_scale)[:, None].to(device)
        with inference(device):
            made = torch.cat([self._generator(part) for part in scaled.split(BATCH)])
        return np.asarray(((made[:, 0].float() + 1) / 2 * data.image.scale).cpu().numpy(), dtype=np.float32)


def to_network(line_integrals: Tensor, scale: float) -> Tensor:
    """0 .. ``scale`` to -1 .. 1, the same for every image; what lies outside is clipped."""
    return (line_integrals / scale).clamp(0, 1) * 2 - 1
