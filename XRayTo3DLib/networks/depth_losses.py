"""How far found depth maps are from true ones: scale-invariant, and scale-invariant after centres are aligned.

Gu et al. (3DDX, MICCAI 2024), equations (1) to (4), after Eigen, Puhrsch, Fergus (NIPS 2014). With
g = log(found + epsilon) - log(wanted + epsilon) over the pixels of a bone,

    alpha sqrt(mean g^2 - share (mean g)^2).

**independent**: this of every channel (one face of one bone) by itself, then the mean of all channels. **dependent**:
this of all channels' pixels together. (Released code names both the other way round.) **Centre-aligned** (CASI): before
that, every found map of a picture is moved along depth by the same distance, so that the mean over all pixels of all
its channels is right. How far away the bones are is then left open: a picture hardly tells.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.networks.layers import require

AGGREGATES = ("independent", "dependent")


def scale_invariant_loss(
    found: Tensor,
    wanted: Tensor,
    mask: Tensor,
    *,
    aggregate: str = "independent",
    alpha: float = 10.0,
    share: float = 0.85,
    epsilon: float = 1e-6,
) -> Tensor:
    """SI loss, one number: mean over the pictures of a batch.

    Where found equals wanted everywhere the gradient is zero; everywhere else it is finite. Depth found below zero
    counts as zero. A channel without pixels, and a picture without any, counts nothing; with none at all the loss is 0.

    Args:
        found: (B, P, H, W) z from the source, mm.
        wanted: The same; read only where ``mask`` is true, so it may be NaN elsewhere.
        mask: (B, P, H, W) bool: which pixels see the bone.
        aggregate: One of AGGREGATES.
        alpha: Factor of all.
        share: lambda: 0 counts a common factor of all depths in full, 1 not at all.
        epsilon: Added before the logarithm, mm.

    Raises:
        InputError: Shapes differ, ``mask`` is not bool, or the aggregate is unknown.
    """
    _require_maps(found, wanted, mask)
    known = ", ".join(AGGREGATES)
    require(aggregate in AGGREGATES, f"depth loss: there is no aggregate {aggregate!r}; choose one of {known}.")
    # 1 mm outside the mask: no logarithm of NaN, whose gradient would be NaN too; and g is zero there.
    found, wanted = found.masked_fill(~mask, 1).clamp(min=0), wanted.masked_fill(~mask, 1)
    ratios = (found + epsilon).log() - (wanted + epsilon).log()
    parts, ratios = (part.flatten(1 if aggregate == "dependent" else 2) for part in (mask, ratios))
    counts = parts.sum(-1)
    means = ratios.sum(-1) / counts.clamp(min=1)
    centred = (ratios - means[..., None]) * parts
    # mean g^2 - share (mean g)^2 is this, without the difference of two nearly equal numbers.
    squares = centred.square().sum(-1) / counts.clamp(min=1) + (1 - share) * means.square()
    apart = squares > 0
    roots = alpha * torch.where(apart, torch.where(apart, squares, 1).sqrt(), 0)
    if aggregate == "independent":
        roots, counts = _mean_where(roots, counts > 0), counts.sum(-1)
    return _mean_where(roots, counts > 0)


def centre_aligned_loss(
    found: Tensor,
    wanted: Tensor,
    mask: Tensor,
    *,
    aggregate: str = "independent",
    alpha: float = 10.0,
    share: float = 0.85,
    epsilon: float = 1e-6,
) -> Tensor:
    """CASI loss: :func:`scale_invariant_loss` after :func:`centre_aligned`. The same arguments and errors.

    The shift is part of the formula: gradients go through it, so they sum to zero over a picture (nothing pulls it as
    a whole).
    """
    aligned = centre_aligned(found, wanted, mask)
    options = {"aggregate": aggregate, "alpha": alpha, "share": share, "epsilon": epsilon}
    return scale_invariant_loss(aligned, wanted, mask, **options)


def centre_aligned(found: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """``found`` (B, P, H, W), every picture moved by mean(wanted) - mean(found) over all its pixels in ``mask``, mm.

    Raises:
        InputError: Shapes differ, or ``mask`` is not bool.
    """
    _require_maps(found, wanted, mask)
    apart = (wanted - found).masked_fill(~mask, 0)
    shifts = apart.sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
    return found + shifts[:, None, None, None]


def _mean_where(values: Tensor, kept: Tensor) -> Tensor:
    """Mean along the last axis of what is ``kept``; 0 where nothing is."""
    return (values * kept).sum(-1) / kept.sum(-1).clamp(min=1)


def _require_maps(found: Tensor, wanted: Tensor, mask: Tensor) -> None:
    same = found.ndim == 4 and found.shape == wanted.shape == mask.shape
    shapes = ", ".join(str(tuple(each.shape)) for each in (found, wanted, mask))
    require(same, f"depth loss: found, wanted and mask must all be (B, P, H, W), not {shapes}.")
    require(mask.dtype == torch.bool, f"depth loss: the mask must be bool, not {mask.dtype}.")
