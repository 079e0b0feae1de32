"""Sums of measures: several at once, or one at several scales.

    sum_m share_m S_m(I, J)          and          sum over sigma of  share S(G_sigma * I, G_sigma * J)

xvr (Gopalakrishnan et al., "Rapid patient-specific neural networks for intraoperative X-ray to volume registration",
2025) maximises NCC, NCC in patches and gradient NCC together: what it calls multi-scale is whole picture and patch.
A pyramid of Gaussian scales is the older meaning; a coarse scale is seen from further away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarities.correlation import Similarity
from XRayTo3DLib.registration.similarities.filters import smoothed
from XRayTo3DLib.registration.similarities.normalised_cross_correlation import NormalisedCrossCorrelation

Factory = Callable[[Tensor, Tensor], Similarity]
"""Makes a measure from target (rows, columns) and weight (rows, columns)."""


class WeightedSum:
    """Several measures of one picture.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        measures: What makes each measure from target and weight: a class, or ``functools.partial`` with options.
        shares: How much each counts, above zero; scaled to sum 1. None: alike.

    Raises:
        InputError: No measure, or shares that do not fit; or what a measure raises.
    """

    def __init__(
        self, target: Tensor, weight: Tensor, measures: Sequence[Factory], shares: Sequence[float] | None = None
    ) -> None:
        self._shares = _shares(len(measures), shares)
        self._measures = [measure(target, weight) for measure in measures]

    def __call__(self, images: Tensor) -> Tensor:
        """Weighted mean (B,) of the measures of DRRs (B, rows, columns); differentiable."""
        scores = [share * measure(images) for share, measure in zip(self._shares, self._measures, strict=True)]
        return sum(scores[1:], scores[0])

    def normal_equations(self, image: Tensor, derivatives: Tensor) -> tuple[float, Tensor, Tensor]:
        """The measures' systems, summed: see :meth:`Correlation.normal_equations`.

        Raises:
            InputError: A measure is not a correlation and has no least-squares form.
        """
        value, square, gradient = 0.0, 0.0, 0.0
        for share, measure in zip(self._shares, self._measures, strict=True):
            part_value, part_square, part_gradient = _system(measure)(image, derivatives)
            value = value + share * part_value
            square, gradient = square + share * part_square, gradient + share * part_gradient
        return value, square, gradient


class MultiScale(WeightedSum):
    """One measure of both pictures under Gaussians of several widths.

    Pixels up to 2.5 sigma outside the mask have a faint say; the picture is continued by its border.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0.
        measure: What makes the measure from target and weight.
        sigmas: Standard deviations, pixels; 0 is the picture as it is.
        shares: How much each scale counts; None: alike.

    Raises:
        InputError: No scale, a negative one, or shares that do not fit; or what the measure raises.
    """

    def __init__(
        self,
        target: Tensor,
        weight: Tensor,
        measure: Factory = NormalisedCrossCorrelation,
        sigmas: Sequence[float] = (0.0, 2.0, 4.0),
        shares: Sequence[float] | None = None,
    ) -> None:
        if any(sigma < 0 for sigma in sigmas):
            raise InputError(f"similarity: scales {tuple(sigmas)} pixels; none may be negative.")

        def at(sigma: float) -> Factory:
            return lambda picture, mask: _Smoothed(picture, mask, measure, sigma)

        super().__init__(target, weight, [at(sigma) for sigma in sigmas], shares)


class _Smoothed:
    """A measure of smoothed pictures. Smoothing is linear, so derivatives are simply smoothed too."""

    def __init__(self, target: Tensor, weight: Tensor, measure: Factory, sigma: float) -> None:
        self._sigma = sigma
        self._measure = measure(smoothed(target[None], sigma)[0], weight)

    def __call__(self, images: Tensor) -> Tensor:
        return self._measure(smoothed(images, self._sigma))

    @torch.no_grad()
    def normal_equations(self, image: Tensor, derivatives: Tensor) -> tuple[float, Tensor, Tensor]:
        both = smoothed(torch.cat([image[None], derivatives]), self._sigma)
        return _system(self._measure)(both[0], both[1:])


def _system(measure: Similarity) -> Callable[[Tensor, Tensor], tuple[float, Tensor, Tensor]]:
    found = getattr(measure, "normal_equations", None)
    if found is None:
        raise InputError(
            f"similarity: {type(measure).__name__} has no least-squares form; "
            f"choose a correlation, or an optimiser that needs none."
        )
    return found


def _shares(count: int, shares: Sequence[float] | None) -> list[float]:
    shares = [1.0] * count if shares is None else [float(share) for share in shares]
    if count == 0 or len(shares) != count or not all(0 < share < float("inf") for share in shares):
        raise InputError(f"similarity: {count} measures with shares {shares}; one share above zero for each is needed.")
    return [share / sum(shares) for share in shares]
