"""What the nets are trained to make small. Each returns one number (a scalar tensor), averaged over the batch.

Soft labels are (B, labels, D, H, W): how much of a voxel each bone fills, in [0, 1]. Logits are (B, 1 + labels, ...),
background first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from XRayTo3DLib.networks.layers import require

LATENT_VARIANTS = ("formula", "text")
"""Shiode et al. print ||E(y) - E(D(P(x)))|| as a formula, but describe codes "from the encoder and predictor"."""


def with_background(soft_labels: Tensor) -> Tensor:
    """Shares (B, 1 + labels, ...) that sum to one: what no bone fills is background; bones that overlap are shared."""
    total = soft_labels.sum(dim=1, keepdim=True)
    return torch.cat([(1 - total).clamp(min=0), soft_labels / total.clamp(min=1)], dim=1)


def soft_cross_entropy(logits: Tensor, soft_labels: Tensor, voxel_weights: Tensor | None = None) -> Tensor:
    """Mean over voxels of -sum_c t_c log softmax(logits)_c, t being the soft labels with their background.

    Args:
        logits: (B, 1 + labels, D, H, W).
        soft_labels: (B, labels, D, H, W).
        voxel_weights: (B, D, H, W) factors; the sum is still divided by the number of voxels.
    """
    entropies = -(with_background(soft_labels) * logits.log_softmax(dim=1)).sum(dim=1)
    return entropies.mean() if voxel_weights is None else (entropies * voxel_weights).mean()


def code_l1(codes: Tensor) -> Tensor:
    """Mean over the batch of sum |z| of ``codes`` (B, latent). Shiode et al. weigh it by 1e-4."""
    return codes.abs().sum(dim=1).mean()


def code_distance(codes: Tensor, targets: Tensor, squared: bool = False) -> Tensor:
    """Mean over the batch of the Euclidean distance of ``codes`` and ``targets``, each (B, latent).

    ``squared``: of its square, which pulls harder from far away. The distance has gradient zero where both are equal.
    """
    squares = (codes - targets).square().sum(dim=1)
    if squared:
        return squares.mean()
    apart = squares > 0
    return torch.where(apart, torch.where(apart, squares, 1.0).sqrt(), 0.0).mean()


def latent_loss(
    encoder: nn.Module,
    soft_labels: Tensor,
    codes: Tensor,
    logits: Tensor,
    variant: str = "formula",
    squared: bool = False,
) -> Tensor:
    """How far apart true shapes y and those found in radiographs x are as codes; E encodes, D decodes, P predicts.

    ``formula`` (Shiode et al., their equation): ||E(y) - E(D(P(x)))||; ``text`` (their sentence): ||E(y) - P(x)||.
    With ``squared`` the formula is the shape prior of Oktay et al. (ACNN).

    Args:
        encoder: E, frozen: its own weights get no gradient from E(y), only ``logits`` do through it.
        soft_labels: y (B, labels, D, H, W).
        codes: P(x) (B, latent).
        logits: D(P(x)) (B, 1 + labels, D, H, W); E sees their softmax.
        variant: One of LATENT_VARIANTS.
        squared: See :func:`code_distance`.

    Raises:
        InputError: The variant is unknown.
    """
    known = ", ".join(LATENT_VARIANTS)
    require(variant in LATENT_VARIANTS, f"latent loss: there is no variant {variant!r}; choose one of {known}.")
    with torch.no_grad():
        true = encoder(soft_labels)
    found = encoder(logits.softmax(dim=1)[:, 1:]) if variant == "formula" else codes
    return code_distance(found, true, squared)


def girdhar_voxel_loss(logits: Tensor, occupancy: Tensor) -> Tensor:
    """Sigmoid cross-entropy SUMMED over voxels, mean over the batch: Girdhar et al. weigh it by 1500.

    Args:
        logits: (B, 1, D, H, W).
        occupancy: (B, 1, D, H, W) in {0, 1}.
    """
    summed = functional.binary_cross_entropy_with_logits(logits, occupancy, reduction="sum")
    return summed / len(logits)


def girdhar_code_loss(codes: Tensor, targets: Tensor) -> Tensor:
    """Half the squared Euclidean distance of (B, latent), mean over the batch: Girdhar et al. weigh it by 1."""
    return 0.5 * code_distance(codes, targets, squared=True)


def adversarial_loss(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of a discriminator's ``logits`` (any shape) against all real or all made, mean over all."""
    return functional.softplus(-logits if real else logits).mean()


def discriminator_loss(real_logits: Tensor, made_logits: Tensor) -> Tensor:
    """Half the sum of both adversarial losses (Isola et al., CVPR 2017). ``made_logits`` are of detached pictures."""
    return 0.5 * (adversarial_loss(real_logits, real=True) + adversarial_loss(made_logits, real=False))


def generator_loss(made_logits: Tensor, made: Tensor, wanted: Tensor, l1_weight: float = 100.0) -> Tensor:
    """Adversarial loss of passing for real, plus ``l1_weight`` times the mean absolute difference (Isola et al.).

    Args:
        made_logits: The discriminator's, of the pictures made.
        made: Pictures (B, 1, N, N) in [-1, 1].
        wanted: The same shape.
        l1_weight: Of the mean absolute difference of both.
    """
    return adversarial_loss(made_logits, real=True) + l1_weight * functional.l1_loss(made, wanted)


def least_squares_loss(answers: Tensor, real: bool) -> Tensor:
    """Mean squared distance of a discriminator's ``answers`` (any shape) from 1 (real) or 0 (made): LSGAN."""
    return (answers - float(real)).square().mean()
