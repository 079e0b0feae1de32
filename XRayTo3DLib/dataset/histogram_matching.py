"""The histogram-matching baseline: a radiograph's bones given the grey values of a DRR, no network.

Shiode et al. (Sci Rep 11:15249, 2021) compare image translation with it; their text says both matching and
equalisation, so both are here. Only pixels of the bones count: the zero background would swallow the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

LEVELS = 1024
"""Quantiles a template keeps: as many as the bones of a small picture have pixels."""


@dataclass(frozen=True, eq=False)
class Template:
    """A distribution of grey values.

    Attributes:
        quantiles: (levels,) values at evenly spaced shares from 0 to 1, never falling.

    Raises:
        InputError: Fewer than two quantiles, falling or not finite.
    """

    quantiles: NDArray[np.float64]

    def __post_init__(self) -> None:
        values = np.asarray(self.quantiles, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or np.any(np.diff(values) < 0):
            raise InputError("a histogram's template needs two rising quantiles or more.")
        object.__setattr__(self, "quantiles", values)

    @property
    def shares(self) -> NDArray[np.float64]:
        """(levels,) share of pixels below each quantile."""
        return np.linspace(0.0, 1.0, len(self.quantiles))


def mean_template(pictures: Sequence[Any], masks: Sequence[Any]) -> Template:
    """The mean distribution of training DRRs inside their bones: quantiles averaged over the pictures.

    Of a single picture (a case's own registration-DRR) it is that picture's: the paper's "oracle" template.

    Args:
        pictures: (rows, columns) each.
        masks: (rows, columns) bool each, true on bones.

    Raises:
        InputError: No pictures, or one without bone.
    """
    if len(pictures) == 0 or len(pictures) != len(masks):
        raise InputError(f"{len(pictures)} pictures and {len(masks)} masks for a template; one mask each is needed.")
    shares = np.linspace(0.0, 1.0, LEVELS)
    return Template(
        np.mean([np.quantile(_inside(*pair), shares) for pair in zip(pictures, masks, strict=True)], axis=0)
    )


def match(picture: Any, mask: Any, template: Template) -> NDArray[np.float32]:
    """A picture whose values inside the mask are distributed as the template's, in their old order; 0 outside.

    Args:
        picture: (rows, columns).
        mask: (rows, columns) bool, true on bones.
        template: Distribution wanted.

    Raises:
        InputError: Another shape, or no pixel in the mask.
    """
    return _with_values(mask, np.interp(_ranks(_inside(picture, mask)), template.shares, template.quantiles))


def equalize(picture: Any, mask: Any, low: float = 0.0, high: float = 1.0) -> NDArray[np.float32]:
    """A picture whose values inside the mask are spread evenly from ``low`` to ``high``; 0 outside.

    Raises:
        InputError: Another shape, no pixel in the mask, or a range that is none.
    """
    if not low < high:
        raise InputError(f"equalisation spreads values from low to high, not from {low} to {high}.")
    return match(picture, mask, Template(np.array([low, high])))


def _inside(picture: Any, mask: Any) -> NDArray[np.float64]:
    values, chosen = np.asarray(picture, dtype=np.float64), np.asarray(mask, dtype=bool)
    if values.shape != chosen.shape or not chosen.any():
        raise InputError(
            f"histogram of a picture {values.shape} inside a mask {chosen.shape} with {int(chosen.sum())} pixels: "
            f"shapes must agree and the mask hold bone."
        )
    return values[chosen]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative distribution at each value: from 0 for the least to 1 for the greatest, equal for equal values."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * (counts + 1)
    return (middle / max(len(values) - 1, 1))[place]


def _with_values(mask: Any, values: NDArray[np.float64]) -> NDArray[np.float32]:
    result = np.zeros(np.shape(mask), dtype=np.float32)
    result[np.asarray(mask, dtype=bool)] = values
    return result
