"""How alike the edges of two pictures are, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8


def ngcc(first: Tensor, second: Tensor) -> Tensor:
    """(B,) gradient correlation, -1 to 1, of pictures (B, 1, N, N): the mean of NCC(d/dx) and NCC(d/dy).

    Central differences; each correlation is of zero-mean derivatives over the whole picture. A picture without edges
    correlates with nothing: 0.
    """
    correlations = []
    for axis in (-1, -2):
        one, two = (torch.gradient(each.flatten(0, 1), dim=axis)[0].flatten(1) for each in (first, second))
        one, two = one - one.mean(dim=1, keepdim=True), two - two.mean(dim=1, keepdim=True)
        norms = (one.square().sum(dim=1) * two.square().sum(dim=1) + EPSILON).sqrt()
        correlations.append((one * two).sum(dim=1) / norms)
    return 0.5 * (correlations[0] + correlations[1])
