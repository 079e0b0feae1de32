"""Similarity measures by name: how like one fixed radiograph DRRs are, higher is better.

Each is made from ``target`` (rows, columns), ``weight`` (rows, columns; zero: ignored) and its own options, and called
with DRRs (B, rows, columns) of many candidate poses at once; differentiable. Formulas and sources are in each class
and in ``docs/similarities.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.similarities.combined import MultiScale, WeightedSum
from XRayTo3DLib.registration.similarities.correlation import Similarity
from XRayTo3DLib.registration.similarities.gradient_correlation import GradientCorrelation
from XRayTo3DLib.registration.similarities.gradient_difference import GradientDifference
from XRayTo3DLib.registration.similarities.gradient_information import GradientInformation
from XRayTo3DLib.registration.similarities.mutual_information import MutualInformation
from XRayTo3DLib.registration.similarities.normalised_cross_correlation import (
    LocalNormalisedCrossCorrelation,
    NormalisedCrossCorrelation,
)
from XRayTo3DLib.registration.similarities.patch_gradient_correlation import PatchGradientCorrelation

__all__ = [
    "LEAST_SQUARES",
    "SIMILARITIES",
    "GradientCorrelation",
    "GradientDifference",
    "GradientInformation",
    "LocalNormalisedCrossCorrelation",
    "MultiScale",
    "MutualInformation",
    "NormalisedCrossCorrelation",
    "PatchGradientCorrelation",
    "Similarity",
    "WeightedSum",
    "similarity_named",
]

SIMILARITIES: dict[str, Callable[..., Similarity]] = {
    "gradient-correlation": GradientCorrelation,
    "multi-scale-gradient-correlation": partial(MultiScale, measure=GradientCorrelation),
    "patch-gradient-correlation": PatchGradientCorrelation,
    "ncc": NormalisedCrossCorrelation,
    "local-ncc": LocalNormalisedCrossCorrelation,
    "multi-scale-ncc": MultiScale,
    "ncc-and-gradients": partial(
        WeightedSum,
        measures=(NormalisedCrossCorrelation, LocalNormalisedCrossCorrelation, GradientCorrelation),
        shares=(0.25, 0.25, 0.5),
    ),
    "gradient-difference": GradientDifference,
    "gradient-information": GradientInformation,
    "mutual-information": MutualInformation,
    "normalised-mutual-information": partial(MutualInformation, normalised=True),
}
"""What makes a measure from target, weight and options."""

LEAST_SQUARES = frozenset(name for name in SIMILARITIES if "ncc" in name or "correlation" in name)
"""Names of the measures with ``normal_equations``, which Levenberg-Marquardt needs."""


def least_squares_similarity(name: str) -> Callable[..., Similarity]:
    """What makes the measure called ``name``, which must have ``normal_equations``.

    Raises:
        InputError: There is none of that name, or it cannot be climbed.
    """
    made = similarity_named(name)
    if name not in LEAST_SQUARES:
        known = ", ".join(sorted(LEAST_SQUARES))
        raise InputError(f"similarity: {name!r} has no least-squares form to climb; choose one of {known}.")
    return made


def similarity_named(name: str) -> Callable[..., Similarity]:
    """What makes the measure called ``name``.

    Raises:
        InputError: There is none of that name.
    """
    if name not in SIMILARITIES:
        raise InputError(f"similarity: no measure is called {name!r}; choose one of {', '.join(sorted(SIMILARITIES))}.")
    return SIMILARITIES[name]
