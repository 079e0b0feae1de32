"""Gradient correlation between a DRR and a radiograph.

    GC(I, J) = ( NCC(dI/dx, dJ/dx) + NCC(dI/dy, dJ/dy) ) / 2

Each directional derivative is correlated by itself (Penney et al., IEEE TMI 17:586, 1998; Otake et al., IEEE TMI
31:948, 2012): it likes edges that lie together, ignores slow shading of soft tissue, gain and offset.
Derivatives are of Gaussians, so that noise and pixel size do not matter.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.errors import InputError


class GradientCorrelation:
    """Similarity of DRRs to one fixed picture over the pixels of a mask.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        sigma: Standard deviation of the Gaussian derivative, pixels.

    Raises:
        InputError: Nothing to compare: an empty mask or a picture without any edge under it.
    """

    def __init__(self, target: Tensor, weight: Tensor, sigma: float = 1.0) -> None:
        self._kernel = _derivative_kernels(sigma).to(target.device)
        self._chosen = torch.nonzero(weight.reshape(-1) > 0)[:, 0]
        if len(self._chosen) < 16:
            raise InputError("similarity: fewer than 16 pixels to compare; the mask or the picture is too small.")
        chosen_weight = weight.reshape(-1)[self._chosen]
        self._root = (chosen_weight / chosen_weight.sum()).sqrt()
        gradient = self._gradients(target[None])
        if float(gradient.norm()) < 1e-12:
            raise InputError("similarity: the radiograph is flat where the bone should be; check its intensities.")
        self._target, _ = _normalised(gradient)

    def __call__(self, images: Tensor) -> Tensor:
        """GC (B,) in [-1, 1] of DRRs (B, rows, columns); differentiable. A flat DRR scores zero."""
        moving, _ = _normalised(self._gradients(images))
        return (moving * self._target).sum(dim=-1).mean(dim=-1)

    def normal_equations(self, image: Tensor, derivatives: Tensor) -> tuple[float, Tensor, Tensor]:
        """Gauss-Newton system of |normalised gradients of DRR - of radiograph|^2 (which is 4 (1 - GC)).

        Args:
            image: (rows, columns) DRR.
            derivatives: (P, rows, columns) by pose parameter.

        Returns:
            GC, J^T J (P, P) and J^T r (P,), float64.
        """
        gradients = self._gradients(torch.cat([image[None], derivatives]))
        moving, length = _normalised(gradients[:1])
        change = gradients[1:] - self._weighted_mean(gradients[1:])
        jacobian = (change - moving * (moving * change).sum(dim=-1, keepdim=True)) / length
        residual = (moving - self._target).reshape(-1).double()
        flat = jacobian.reshape(len(derivatives), -1).double()
        value = float((moving * self._target).sum(dim=-1).mean())
        return value, flat @ flat.T, flat @ residual

    def _gradients(self, images: Tensor) -> Tensor:
        """(B, 2, n) weighted, weighted-mean-free derivatives along columns and rows at the chosen pixels."""
        reach = self._kernel.shape[-1] // 2
        padded = functional.pad(images[:, None].float(), (reach,) * 4, mode="replicate")
        across = functional.conv2d(
            functional.conv2d(padded, self._kernel[0][None, None, None, :]), self._kernel[1][None, None, :, None]
        )
        down = functional.conv2d(
            functional.conv2d(padded, self._kernel[1][None, None, None, :]), self._kernel[0][None, None, :, None]
        )
        values = torch.cat([across, down], dim=1).flatten(2)[:, :, self._chosen] * self._root
        return values - self._weighted_mean(values)

    def _weighted_mean(self, values: Tensor) -> Tensor:
        return (values * self._root).sum(dim=-1, keepdim=True) * self._root


def _normalised(values: Tensor) -> tuple[Tensor, Tensor]:
    length = values.norm(dim=-1, keepdim=True)
    return values / (length + 1e-9), length + 1e-9


def _derivative_kernels(sigma: float) -> Tensor:
    """(2, n): derivative of a Gaussian, and the Gaussian, sampled to 2.5 sigma."""
    reach = max(1, math.ceil(2.5 * sigma))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    gauss = torch.exp(-(x**2) / (2 * sigma**2))
    gauss = gauss / gauss.sum()
    return torch.stack([x / sigma**2 * gauss, gauss])
