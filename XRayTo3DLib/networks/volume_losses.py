"""Weights of voxels for the cross entropy of Kasten et al. (arXiv 2004.00871, 2020): more near the bones' surfaces.

The paper's formula is not known to us; here w = 1 + K exp(-d^2 / s^2), d being the distance to the nearest surface.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.networks.layers import require


def surface_weights(distances: Tensor, strength: float = 8.0, width_mm: float = 4.0) -> Tensor:
    """Factors (B, Z, Y, X) for ``losses.soft_cross_entropy``: 1 + strength on a surface, towards 1 away from it.

    Args:
        distances: (B, labels, Z, Y, X) signed distances to the bones' surfaces, mm; of those clipped far away only
            that they are far matters.
        strength: K, 0 or more.
        width_mm: s, where the added weight has fallen to 1/e, mm.

    Raises:
        InputError: A strength below zero, or a width that is not above it.
    """
    require(
        strength >= 0 and width_mm > 0,
        f"surface weights: strength ({strength}) must be 0 or more and width_mm ({width_mm}) above zero.",
    )
    nearest = distances.abs().amin(dim=1)
    return 1.0 + strength * torch.exp(-(nearest / width_mm).square())
