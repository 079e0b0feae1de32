"""Mutual information of DRR and radiograph: how well one's grey values foretell the other's, whatever the relation.

    MI(I, J) = sum over bins p(i, j) log( p(i, j) / (p(i) p(j)) )           in nats
    NMI(I, J) = ( H(I) + H(J) ) / H(I, J)

Viola and Wells, IJCV 24:137, 1997; the joint density by Parzen windows as Mattes et al., IEEE TMI 22:120, 2003: a cubic
B-spline for the DRR, which makes it differentiable, plain bins for the radiograph. NMI: Studholme et al., Pattern
Recognition 32:71, 1999. Values agree with ITK's ``MattesMutualInformationImageToImageMetricv4``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat

PADDING = 2
"""Empty bins at either end, which the B-spline spills into."""


class MutualInformation:
    """Mutual information, at least 0 (nats); normalised, between 1 and 2.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        bins: Bins per picture, with two empty ones at either end, over its range under the mask.
        normalised: NMI instead of MI.

    Raises:
        InputError: An empty mask, a flat picture under it, or fewer than 6 bins.
    """

    def __init__(self, target: Tensor, weight: Tensor, bins: int = 32, normalised: bool = False) -> None:
        if bins < 2 * PADDING + 2:
            raise InputError(f"similarity: {bins} bins are too few for mutual information; take at least 6.")
        self._bins, self._normalised = bins, normalised
        self._window = Window(target, weight)
        self._chosen = torch.nonzero(self._window.weight.reshape(-1))[:, 0]
        self._weight = self._window.weight.reshape(-1)[self._chosen]
        values = self._values(target[None])
        refuse_flat(values.amax() - values.amin(), values.abs().max())
        self._row = self._position(values)[0].floor().long().clamp(PADDING, bins - PADDING - 1) * bins

    def __call__(self, images: Tensor) -> Tensor:
        """MI or NMI (B,) of DRRs (B, rows, columns); differentiable. A flat DRR scores 0 (NMI: 1)."""
        joint = self._joint(self._values(images))
        entropies = [_entropy(joint.sum(dim=axis)) for axis in (1, 2)]
        both = _entropy(joint.flatten(1))
        if self._normalised:
            return (entropies[0] + entropies[1]) / both
        return entropies[0] + entropies[1] - both

    def _values(self, images: Tensor) -> Tensor:
        return self._window.crop(images).flatten(1)[:, self._chosen]

    def _position(self, values: Tensor) -> Tensor:
        """Where (B, n) values lie on the axis of bins: their range fills all but the padding."""
        low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
        flat = high - low <= 1e-6 * high.abs()
        width = torch.where(flat, torch.ones_like(low), high - low) / (self._bins - 2 * PADDING)
        return torch.where(flat, torch.zeros_like(values), values - low) / width + PADDING

    def _joint(self, values: Tensor) -> Tensor:
        """(B, bins, bins) joint density: rows for the radiograph, columns for the DRR."""
        position = self._position(values)
        first = position.detach().floor().long().clamp(max=self._bins - PADDING - 1) - 1
        joint = values.new_zeros(len(values), self._bins**2)
        for step in range(4):
            share = _cubic(position - (first + step)) * self._weight
            joint = joint.scatter_add(1, self._row + first + step, share)
        return joint.view(len(values), self._bins, self._bins)


def _cubic(x: Tensor) -> Tensor:
    """Cubic B-spline at x in [-2, 2]."""
    x = x.abs()
    inner, outer = (4 - 6 * x**2 + 3 * x**3) / 6, (2 - x).clamp(min=0) ** 3 / 6
    return torch.where(x < 1, inner, outer)


def _entropy(density: Tensor) -> Tensor:
    """(B,) entropy in nats of (B, n) densities; empty bins add nothing."""
    return -(density * density.clamp(min=torch.finfo(density.dtype).tiny).log()).sum(dim=1)
