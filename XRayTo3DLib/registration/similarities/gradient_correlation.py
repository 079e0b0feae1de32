"""Gradient correlation between a DRR and a radiograph.

    GC(I, J) = ( NCC(dI/dx, dJ/dx) + NCC(dI/dy, dJ/dy) ) / 2

Each directional derivative is correlated by itself (Penney et al., IEEE TMI 17:586, 1998; Otake et al., IEEE TMI
31:948, 2012): it likes edges that lie together, ignores slow shading of soft tissue, gain and offset.
Derivatives are of Gaussians, so that noise and pixel size do not matter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.registration.similarities.correlation import Correlation, WholeMatch
from XRayTo3DLib.registration.similarities.filters import gradients, reach_of
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat


class GradientCorrelation(Correlation):
    """Similarity of DRRs to one fixed picture over the pixels of a mask.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        sigma: Standard deviation of the Gaussian derivative, pixels.

    Raises:
        InputError: Nothing to compare: an empty mask or a picture without any edge under it.
    """

    def __init__(self, target: Tensor, weight: Tensor, sigma: float = 1.0) -> None:
        self._sigma = sigma
        window = Window(target, weight, reach_of(sigma))
        picture = window.crop(target[None])
        features = torch.cat(self._features(picture))
        refuse_flat((features.square() * window.weight).sum().sqrt(), picture.abs().max())
        super().__init__(window, [WholeMatch(values, window.weight) for values in features])

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return gradients(images, self._sigma)
