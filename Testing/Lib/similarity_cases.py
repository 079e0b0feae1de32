"""Pictures and masks that the tests of similarity measures share."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

ROWS, COLUMNS = 40, 50


def picture(
    seed: int = 0, rows: int = ROWS, columns: int = COLUMNS, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Smooth noise, standard deviation about 1."""
    noise = np.random.default_rng(seed).normal(size=(rows, columns))
    return torch.tensor(gaussian_filter(noise, 2.5) * 10, dtype=dtype)


def uneven_weight(seed: int = 9, rows: int = ROWS, columns: int = COLUMNS) -> torch.Tensor:
    """Weights between 0.2 and 1 on a rectangle off the middle, zero elsewhere."""
    weight = torch.zeros(rows, columns, dtype=torch.float64)
    inside = np.random.default_rng(seed).uniform(0.2, 1.0, size=(rows - 14, columns - 13))
    weight[6 : rows - 8, 8 : columns - 5] = torch.tensor(inside)
    return weight


def weighted_correlation(one: np.ndarray, other: np.ndarray, weight: np.ndarray) -> float:
    """Pearson's correlation by numpy's own weighted covariance."""
    covariance = np.cov(np.stack([one.ravel(), other.ravel()]), aweights=weight.ravel(), ddof=0)
    return covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
