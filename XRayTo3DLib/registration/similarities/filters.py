"""Separable Gaussian filters over batches of small pictures, as sums of shifted copies: differentiable, and on one
CPU thread about four times as fast as ``conv2d``, which is slow for a single channel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

WIDTH_IN_SIGMA = 2.5
"""How far a kernel reaches from its centre, in standard deviations."""


def reach_of(sigma: float) -> int:
    """How many pixels a filter of standard deviation ``sigma`` (pixels) sees to either side."""
    return max(1, math.ceil(WIDTH_IN_SIGMA * sigma)) if sigma > 0 else 0


def gradients(images: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Gaussian derivatives along columns and along rows, each (B, rows, columns), of images (B, rows, columns).

    The picture is continued by its border pixels. ``sigma`` in pixels, above zero.
    """
    smooth, slope = _gaussian(sigma)
    padded = _padded(images, len(smooth) - 1)
    across = _odd(_even(padded, smooth, dim=1), slope, dim=2)
    down = _even(_odd(padded, slope, dim=1), smooth, dim=2)
    return across, down


def smoothed(images: Tensor, sigma: float) -> Tensor:
    """Images (B, rows, columns) under a Gaussian of ``sigma`` pixels; unchanged at zero."""
    if sigma <= 0:
        return images
    smooth, _ = _gaussian(sigma)
    return _even(_even(_padded(images, len(smooth) - 1), smooth, dim=1), smooth, dim=2)


def _gaussian(sigma: float) -> tuple[list[float], list[float]]:
    """A Gaussian and its derivative at 0, 1, ... pixels from the centre; the first sums to one over both sides."""
    gauss = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(reach_of(sigma) + 1)]
    total = 2 * sum(gauss) - gauss[0]
    smooth = [value / total for value in gauss]
    return smooth, [x / sigma**2 * value for x, value in enumerate(smooth)]


def _padded(images: Tensor, reach: int) -> Tensor:
    return functional.pad(images[:, None], (reach,) * 4, mode="replicate")[:, 0]


def _even(padded: Tensor, kernel: list[float], dim: int) -> Tensor:
    """Correlate with a symmetric kernel given from its centre outwards; shortens ``dim`` by the padding."""
    reach = len(kernel) - 1
    length = padded.shape[dim] - 2 * reach
    result = padded.narrow(dim, reach, length) * kernel[0]
    for x in range(1, reach + 1):
        pair = padded.narrow(dim, reach - x, length) + padded.narrow(dim, reach + x, length)
        result.add_(pair, alpha=kernel[x])
    return result


def _odd(padded: Tensor, kernel: list[float], dim: int) -> Tensor:
    """Correlate with an antisymmetric kernel given from its centre outwards. A constant gives exactly zero."""
    reach = len(kernel) - 1
    length = padded.shape[dim] - 2 * reach
    result = torch.zeros_like(padded.narrow(dim, reach, length))
    for x in range(1, reach + 1):
        pair = padded.narrow(dim, reach + x, length) - padded.narrow(dim, reach - x, length)
        result.add_(pair, alpha=kernel[x])
    return result
