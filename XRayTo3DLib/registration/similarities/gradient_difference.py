"""Gradient difference: how small the edges are that are left when the DRR is subtracted from the radiograph.

    GD(I, J) = max over s of  1/2 sum over d = x, y of  sum over pixels w A_d / ( A_d + (dJ/dd - s dI/dd)^2 )

J is the radiograph, A_d the variance of its derivative along d, w the mask's weights (sum 1). Penney et al., IEEE TMI
17:586, 1998, there as a plain sum. A leftover edge counts at most one pixel's worth however strong it is: metal or
another bone costs a constant. As in xreg, the DRR's gain ``s`` is the best one; found by reweighted least squares.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.registration.similarities.filters import gradients, reach_of
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat


class GradientDifference:
    """Gradient difference in (0, 1]; 1 where the DRR explains every edge.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        sigma: Standard deviation of the Gaussian derivative, pixels.
        gain_steps: Reweighted steps for the gain; each is another pass over the picture.

    Raises:
        InputError: An empty mask or a picture without any edge under it.
    """

    def __init__(self, target: Tensor, weight: Tensor, sigma: float = 1.0, gain_steps: int = 5) -> None:
        self._sigma, self._gain_steps = sigma, gain_steps
        self._window = Window(target, weight, reach_of(sigma))
        self._weight = self._window.weight.reshape(-1) / 2
        self._target = self._gradients(target[None])
        mean = (self._target * self._weight).sum(dim=-1, keepdim=True) * 2
        variance = ((self._target - mean).square() * self._weight).sum(dim=-1, keepdim=True) * 2
        refuse_flat(variance.sum().sqrt(), self._window.crop(target[None]).abs().max())
        self._variance = variance + 1e-6 * variance.sum()  # a picture with edges in one direction only

    def __call__(self, images: Tensor) -> Tensor:
        """GD (B,) of DRRs (B, rows, columns); differentiable. A DRR with opposite contrast scores as a flat one."""
        moving = self._gradients(images)
        trust = self._weight / self._variance
        gain = self._gain(moving, trust)
        for _ in range(self._gain_steps):
            gain = self._gain(moving, trust * self._closeness(moving, gain).square())
        return (self._closeness(moving, gain) * self._weight).sum(dim=(1, 2))

    def _gain(self, moving: Tensor, trust: Tensor) -> Tensor:
        """(B, 1, 1) gain of the DRR, at least 0, by least squares with weights ``trust``."""
        along = (moving * self._target * trust).sum(dim=(1, 2), keepdim=True)
        energy = (moving.square() * trust).sum(dim=(1, 2), keepdim=True)
        return (along / (energy + 1e-12)).clamp(min=0)

    def _closeness(self, moving: Tensor, gain: Tensor) -> Tensor:
        return self._variance / (self._variance + (self._target - gain * moving).square())

    def _gradients(self, images: Tensor) -> Tensor:
        """(B, 2, n)"""
        return torch.stack(gradients(self._window.crop(images), self._sigma), dim=1).flatten(2)
