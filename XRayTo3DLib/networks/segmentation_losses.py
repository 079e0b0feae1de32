"""Losses of multi-label segmentation: every label by itself, since bones overlap in a radiograph.

Gu et al. (3DDX, MICCAI 2024) sum a Dice semimetric and a cross-entropy with smoothed labels.
"""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.networks.layers import require


def dice_semimetric_loss(probabilities: Tensor, labels: Tensor, smooth: float = 1e-3) -> Tensor:
    """1 - (|p| + |l| - |p - l| + smooth) / (|p| + |l| + smooth), mean over pictures and labels; |.| sums over pixels.

    Wang et al. (Dice Semimetric Losses, MICCAI 2023). Unlike the soft Dice loss it is zero where p equals l for soft
    labels too. For labels of 0 and 1 both are equal.

    Args:
        probabilities: p (B, labels, H, W) in [0, 1].
        labels: l, the same, in [0, 1].
        smooth: Makes a label that is nowhere, and found nowhere, cost nothing.

    Raises:
        InputError: Shapes differ.
    """
    _require_alike(probabilities, labels)
    sums = (probabilities + labels).flatten(2).sum(-1)
    apart = (probabilities - labels).abs().flatten(2).sum(-1)
    return (1 - (sums - apart + smooth) / (sums + smooth)).mean()


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.1) -> Tensor:
    """Mean binary cross-entropy of ``logits`` against labels drawn towards 1/2: (1 - smoothing) l + smoothing / 2.

    Szegedy et al. (CVPR 2016) for two classes.

    Args:
        logits: (B, labels, H, W), above zero inside.
        labels: l, the same shape, in [0, 1].
        smoothing: Share of the label that is spread evenly.

    Raises:
        InputError: Shapes differ.
    """
    _require_alike(logits, labels)
    return functional.binary_cross_entropy_with_logits(logits, (1 - smoothing) * labels + smoothing / 2)


def segmentation_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.1, smooth: float = 1e-3) -> Tensor:
    """Sum of both losses of ``logits`` and ``labels`` (B, labels, H, W); see there for the options."""
    dice = dice_semimetric_loss(logits.sigmoid(), labels, smooth)
    return dice + smoothed_cross_entropy(logits, labels, smoothing)


def _require_alike(found: Tensor, labels: Tensor) -> None:
    same = found.ndim == 4 and found.shape == labels.shape
    require(
        same,
        "segmentation loss: found and labels must both be (B, labels, H, W),"
        f" not {tuple(found.shape)} and {tuple(labels.shape)}.",
    )
