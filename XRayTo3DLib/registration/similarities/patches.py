"""Square patches over a window, and normalised cross correlation inside each of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarities.correlation import TINY, gauss_newton
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat

LEAST_COVER = 0.25
"""A patch takes part when the mask gives it at least this share of the fullest patch's weight."""
LEAST_CONTRAST = 1e-3
"""A patch of the radiograph with less than this share of the whole picture's standard deviation is flat."""
CACHED_NUMBERS = 2**18
"""Portions of patches hold about so many numbers: all of 16 candidates at once took three times as long on a CPU."""


class Patches:
    """Overlapping squares that cover a window; those that the mask hardly touches are left out.

    Args:
        window: What is compared.
        size: Side of a patch, pixels; smaller where the window is.
        stride: From one patch to the next, pixels; None: half a patch.

    Attributes:
        index: (K, m) pixels of each patch in the flattened window.
        root: (K, m) square roots of the weights, which sum to one in every patch.
        share: (K,) each patch's part of the mask's weight, sum 1.

    Raises:
        InputError: Patches below 3 pixels, or a stride below 1.
    """

    def __init__(self, window: Window, size: int, stride: int | None = None) -> None:
        stride = max(1, size // 2) if stride is None else stride
        if size < 3 or stride < 1:
            raise InputError(f"similarity: patches of {size} pixels every {stride}; take at least 3, every 1.")
        rows, columns = window.weight.shape
        device = window.weight.device
        corners = _starts(rows, size, stride)[:, None] * columns + _starts(columns, size, stride)
        inside = torch.arange(min(size, rows))[:, None] * columns + torch.arange(min(size, columns))
        index = (corners.reshape(-1, 1) + inside.reshape(1, -1)).to(device)
        weight = window.weight.reshape(-1)[index]
        cover = weight.sum(dim=1)
        kept = cover >= LEAST_COVER * cover.max()
        self.index, self.share = index[kept], cover[kept] / cover[kept].sum()
        self.root = (weight[kept] / cover[kept][:, None]).sqrt()
        self._weight = window.weight

    def __call__(self, values: Tensor, part: slice = slice(None)) -> Tensor:
        """(B, k, m) weighted values, minus their weighted mean in each patch of ``part``, of (B, r, c)."""
        index, root = self.index[part], self.root[part]
        cut = values.flatten(1).index_select(1, index.reshape(-1)).view(len(values), *index.shape) * root
        return cut - (cut * root).sum(dim=-1, keepdim=True) * root

    def parts(self, images: int) -> list[slice]:
        """All patches in portions that fit a processor's cache when cut from so many images; one on a GPU."""
        if self.index.is_cuda:
            return [slice(None)]
        portion = max(1, CACHED_NUMBERS // (images * self.index.shape[1]))
        return [slice(first, first + portion) for first in range(0, len(self.index), portion)]

    def covariance(self, values: Tensor, others: Tensor) -> Tensor:
        """(B,) weighted covariance over the whole mask of (B, r, c) with (B or 1, r, c)."""
        mean = (values * self._weight).flatten(1).sum(dim=1)
        other_mean = (others * self._weight).flatten(1).sum(dim=1)
        return (values * others * self._weight).flatten(1).sum(dim=1) - mean * other_mean


class PatchMatch:
    """Shared-out NCC of one feature in patches.

        sum_k share_k cov_k(I, J) / sqrt( (var_k(I) + floor^2 var(I)) var_k(J) )

    Args:
        target: (r, c) feature of the radiograph.
        patches: Where to compare.
        share: (K,) what each patch counts, before those where the radiograph is flat drop out.
        floor: See above; the variance without index is over the whole mask.

    Raises:
        InputError: The radiograph is flat in every patch.
    """

    def __init__(self, target: Tensor, patches: Patches, share: Tensor, floor: float) -> None:
        self._patches, self._floor = patches, floor
        cut = patches(target[None])[0]
        length = cut.square().sum(dim=1).sqrt()
        spread = patches.covariance(target[None], target[None])[0].clamp(min=0).sqrt()
        share = torch.where(length > LEAST_CONTRAST * spread, share, torch.zeros_like(share))
        refuse_flat(share.sum(), target.new_zeros(()))
        self._share = share / share.sum()
        self._target = cut / torch.where(length > 0, length, 1.0)[:, None]

    def score(self, values: Tensor) -> Tensor:
        """Shared-out correlation (B,) of features (B, r, c)."""
        values = values.contiguous()
        extra = self._floor**2 * self._patches.covariance(values, values).clamp(min=0)[:, None] + TINY
        scores = []
        for part in self._patches.parts(len(values)):
            cut = self._patches(values, part)
            squared = cut.square().sum(dim=-1) + extra
            scores.append(((cut * self._target[part]).sum(dim=-1) / squared.sqrt()) @ self._share[part])
        return torch.stack(scores).sum(dim=0)

    def system(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score, J^T J (P, P) and J^T r (P,) of (1 + P, r, c)."""
        values = values.contiguous()
        extra = self._floor**2 * self._patches.covariance(values, values[:1]).double()
        systems = []
        for part in self._patches.parts(len(values)):
            cut = self._patches(values, part).transpose(0, 1)
            products = (cut @ cut.transpose(1, 2)).double()
            along = (cut @ self._target[part, :, None])[..., 0].double()
            systems.append(gauss_newton(products, along, self._share[part].double(), extra))
        value, square, gradient = (torch.stack(sums).sum(dim=0) for sums in zip(*systems, strict=True))
        return value, square, gradient


def _starts(length: int, size: int, stride: int) -> Tensor:
    """First pixels of patches that cover ``length``, evenly spread, at most ``stride`` apart."""
    room = max(length - size, 0)
    return torch.linspace(0, room, math.ceil(room / stride) + 1).round().long()
