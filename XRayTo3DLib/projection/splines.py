"""Cubic B-splines on the shear-warp lattice: the filter both engines use, and sampling in torch.

Coefficients are the samples filtered by sqrt(3) z^|n|, z = sqrt(3) - 2 (Unser, Aldroubi, Eden, IEEE TSP 41:821, 1993),
here cut off after ``REACH`` nodes, which keeps the result local. Four neighbours weighted by a spline are two linear
interpolations between well chosen places, so a picture takes four bilinear samples instead of sixteen nodes (Sigg,
Hadwiger, GPU Gems 2, ch. 20, 2005). The weights of the derivative pair up in the same way: those of a pair never add up
to zero.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

REACH = 5
"""Nodes to either side in the filter for coefficients (compiled loops are written out); the next weighs 0.0006."""
_POLE = math.sqrt(3.0) - 2.0
_RAW = _POLE ** np.abs(np.arange(-REACH, REACH + 1))
FILTER = (_RAW / _RAW.sum()).astype(np.float32)[REACH:]
"""(REACH + 1,) one half of the symmetric filter, centre first; all of it adds up to 1."""


class Pairs(NamedTuple):
    """Two linear interpolations along one axis that make a spline: weights and places (-1 to 1), each (2, N)."""

    weights: Tensor
    places: Tensor


def coefficients(samples: Tensor) -> Tensor:
    """(rows, columns) spline coefficients of (columns, rows) samples, float32; nothing but zeros beyond them."""
    return _filtered(_filtered(samples).t().contiguous())


def value_pairs(position: Tensor, count: int) -> Pairs:
    """What sampling a spline of ``count`` nodes takes at positions (N,) in nodes, float64."""
    node, t = _split(position, count)
    rest = 1 - t
    first, last = rest**3 / 6, t**3 / 6
    second, third = 2 / 3 - t * t * (1 - 0.5 * t), 2 / 3 - rest * rest * (1 - 0.5 * rest)
    return _paired(node, count, (first, second, third, last))


def slope_pairs(position: Tensor, count: int) -> Pairs:
    """The same for the derivative by the position."""
    node, t = _split(position, count)
    rest = 1 - t
    first, last = -0.5 * rest * rest, 0.5 * t * t
    return _paired(node, count, (first, t * (1.5 * t - 2), rest * (2 - 1.5 * rest), last))


def sample(layers: Tensor, across: Pairs, down: Pairs) -> Tensor:
    """Splines at N places.

    Args:
        layers: (L, rows, columns) coefficients.
        across: Along the columns.
        down: Along the rows.

    Returns:
        (L, N) float32; beyond the nodes all is zero.
    """
    total = layers.new_zeros(len(layers), across.places.shape[1])
    for i in range(2):
        for j in range(2):
            grid = torch.stack([across.places[i], down.places[j]], dim=-1)[None, None]
            found = functional.grid_sample(layers[None], grid, align_corners=True)[0, :, 0]
            total.addcmul_(found, across.weights[i] * down.weights[j])
    return total


def _split(position: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The node before, counted from the middle of ``count``, and the rest: float32 without loss."""
    node = position.floor()
    return (node - 0.5 * (count - 1)).float(), (position - node).float()


def _paired(node: Tensor, count: int, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> Pairs:
    """Weights of the nodes one before, at, one and two after ``node``, two by two."""
    left, right = weights[0] + weights[1], weights[2] + weights[3]
    places = torch.stack([node - 1 + weights[1] / left, node + 1 + weights[3] / right])
    return Pairs(torch.stack([left, right]), places * (2.0 / (count - 1)))


def _filtered(image: Tensor) -> Tensor:
    """(rows, columns) filtered across its rows: each a weighted sum of its neighbours."""
    index, weight = _neighbours(len(image))
    return functional.embedding_bag(index, image, mode="sum", per_sample_weights=weight)


@functools.lru_cache(maxsize=32)
def _neighbours(count: int) -> tuple[Tensor, Tensor]:
    """(count, 2 REACH + 1) rows round each row, and their weights in the filter; none beyond the ends."""
    offset = np.arange(-REACH, REACH + 1)
    index = np.arange(count)[:, None] + offset
    inside = (index >= 0) & (index < count)
    weight = np.where(inside, FILTER[np.abs(offset)], np.float32(0))
    return torch.from_numpy(np.clip(index, 0, count - 1).astype(np.int32)), torch.from_numpy(weight)
