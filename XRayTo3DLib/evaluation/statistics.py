"""Summary of one number over many cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.errors import InputError


@dataclass(frozen=True)
class Summary:
    """n, mean, standard deviation (n - 1), median and 90th percentile; the unit is that of the values."""

    n: int
    mean: float
    sd: float
    median: float
    p90: float


def summary(values: Iterable[float]) -> Summary:
    """Summarise ``values``; the standard deviation of a single value is 0.

    Raises:
        InputError: No values, or one that is not finite (a failed case must be counted as failed, not averaged).
    """
    numbers = np.asarray(list(values), dtype=np.float64)
    if numbers.size == 0:
        raise InputError("There are no values to summarise.")
    if not np.isfinite(numbers).all():
        raise InputError("A value is not finite: count that case as failed instead of averaging it.")
    sd = float(numbers.std(ddof=1)) if numbers.size > 1 else 0.0
    return Summary(
        numbers.size, float(numbers.mean()), sd, float(np.median(numbers)), float(np.percentile(numbers, 90))
    )
