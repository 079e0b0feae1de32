"""Gradient information: how much of the radiograph's edges the DRR has at the same place, in the same direction.

    GI(I, J) = sum over pixels w cos^2(angle between grad I and grad J) min(|grad I|, |grad J|)  /  sum w |grad J|

Pluim et al., IEEE TMI 19:809, 2000, where the angle's weight is written (cos 2a + 1) / 2, the sum has no denominator
and is multiplied with (normalised) mutual information: option ``with_information``. Here both gradients are first
divided by their root mean square, so that gain does not matter and the value is at most 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.registration.similarities.filters import gradients, reach_of
from XRayTo3DLib.registration.similarities.mutual_information import MutualInformation
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat


class GradientInformation:
    """Gradient information in [0, 1]; blind to which side of an edge is the brighter one.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        sigma: Standard deviation of the Gaussian derivative, pixels.
        with_information: Multiply with mutual information (nats), as Pluim et al. do.

    Raises:
        InputError: An empty mask or a picture without any edge under it.
    """

    def __init__(self, target: Tensor, weight: Tensor, sigma: float = 1.0, with_information: bool = False) -> None:
        self._sigma = sigma
        self._window = Window(target, weight, reach_of(sigma))
        self._weight = self._window.weight.reshape(-1)
        across, down, length = self._gradients(target[None])
        picture = self._window.crop(target[None])
        raw = torch.cat(gradients(picture, sigma))
        refuse_flat((raw.square() * self._window.weight).sum().sqrt(), picture.abs().max())
        self._across, self._down, self._length = across, down, length
        self._most = (length * self._weight).sum()
        self._information = MutualInformation(target, weight) if with_information else None

    def __call__(self, images: Tensor) -> Tensor:
        """GI (B,) of DRRs (B, rows, columns); differentiable nearly everywhere. A flat DRR scores zero."""
        across, down, length = self._gradients(images)
        product = across * self._across + down * self._down
        cosine = product / (length * self._length + 1e-9)
        shared = (cosine.square() * torch.minimum(length, self._length) * self._weight).sum(dim=1) / self._most
        return shared if self._information is None else shared * self._information(images)

    def _gradients(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Derivatives along columns and rows, and their length, each (B, n), in units of the root mean square."""
        across, down = (values.flatten(1) for values in gradients(self._window.crop(images), self._sigma))
        squared = across.square() + down.square()
        size = (squared @ self._weight + 1e-18)[:, None].sqrt()
        length = (squared / size.square() + 1e-12).sqrt()
        return across / size, down / size, length
