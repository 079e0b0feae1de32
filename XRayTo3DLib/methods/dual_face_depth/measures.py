"""Quick figures of depth and masks while training and at its end; ``evaluation.depth_measures`` has all of them."""

from __future__ import annotations

import torch
from torch import Tensor


def depth_errors(found: Tensor, wanted: Tensor, mask: Tensor) -> dict[str, float]:
    """Mean absolute error of depth over all pixels of all bones, mm, mean over pictures.

    Args:
        found: (B, channels, N, N) z, mm.
        wanted: The same; read where ``mask`` is true only.
        mask: (B, channels, N, N) bool.

    Returns:
        "depth_mae_mm" as it is, and "depth_mae_aligned_mm" after every picture was moved along depth to the true mean.
    """
    absolute, aligned = [], []
    for here, there, inside in zip(found, wanted, mask, strict=True):
        apart = (here - there)[inside]
        if len(apart):
            absolute.append(apart.abs().mean())
            aligned.append((apart - apart.mean()).abs().mean())
    return {"depth_mae_mm": _mean(absolute), "depth_mae_aligned_mm": _mean(aligned)}


def dice(found: Tensor, wanted: Tensor) -> float:
    """Mean Dice coefficient of masks (B, bones, N, N), over pictures and bones that are in them."""
    both = 2.0 * (found & wanted).sum((2, 3)).double()
    sums = (found.sum((2, 3)) + wanted.sum((2, 3))).double()
    shown = wanted.any(-1).any(-1)
    return float((both / sums.clamp(min=1))[shown].mean())


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean()) if values else float("nan")
