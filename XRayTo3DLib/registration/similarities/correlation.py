"""What every correlation shares: features of the picture, compared by normalised cross correlation in groups of pixels.

    S(I, J) = mean over features f of  sum over groups k of  share_k NCC_k(f(I), f(J))

With ``u`` the feature in group k minus its weighted mean, divided by its length (weights inside every product),
NCC_k = <u_I, u_J>. So |u_I - u_J|^2 = 2 (1 - NCC_k), which makes it a least-squares problem: the residuals
of every measure here are scaled so that their squared sum is **4 (1 - S)**, hence J^T r is -2 times the gradient of S.
Measures can then be added, and several views, without one of them shouting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from XRayTo3DLib.registration.similarities.window import Window

TINY = 1e-18
"""Added to squared lengths: a flat DRR scores zero and not NaN."""


class Similarity(Protocol):
    """How like one radiograph DRRs are."""

    def __call__(self, images: Tensor) -> Tensor:
        """Similarity (B,), higher is better, of DRRs (B, rows, columns); differentiable."""
        ...


class Match(Protocol):
    """Normalised cross correlation of one feature, in one group of pixels or many."""

    def score(self, values: Tensor) -> Tensor:
        """Correlation (B,) of features (B, r, c)."""
        ...

    def system(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score, J^T J (P, P) and J^T r (P,) of (1 + P, r, c): the feature of the DRR, then of its derivatives."""
        ...


class Correlation:
    """Base of the correlations: say what the features are, and how each is matched."""

    def __init__(self, window: Window, matches: Sequence[Match]) -> None:
        self._window, self._matches = window, matches

    def __call__(self, images: Tensor) -> Tensor:
        """Similarity (B,) in [-1, 1] of DRRs (B, rows, columns); differentiable. A flat DRR scores zero."""
        features = self._features(self._window.crop(images))
        scores = [match.score(values) for match, values in zip(self._matches, features, strict=True)]
        return sum(scores[1:], scores[0]) / len(scores)

    @torch.no_grad()
    def normal_equations(self, image: Tensor, derivatives: Tensor) -> tuple[float, Tensor, Tensor]:
        """Gauss-Newton system of residuals whose squared sum is 4 (1 - similarity).

        Args:
            image: (rows, columns) DRR.
            derivatives: (P, rows, columns) by pose parameter.

        Returns:
            Similarity, J^T J (P, P) and J^T r (P,), float64. J^T r is -2 times the similarity's gradient.
        """
        features = self._features(self._window.crop(torch.cat([image[None], derivatives])))
        systems = [match.system(values) for match, values in zip(self._matches, features, strict=True)]
        value, square, gradient = (sum(parts) / len(systems) for parts in zip(*systems, strict=True))
        return float(value), 2 * square, 2 * gradient

    def _features(self, images: Tensor) -> Sequence[Tensor]:
        """Features, each (B, r, c), of the window's images (B, r, c); linear in them."""
        raise NotImplementedError


class WholeMatch:
    """NCC of one feature over all pixels at once.

    Args:
        target: (r, c) feature of the radiograph.
        weight: (r, c) weights, which sum to one.
    """

    def __init__(self, target: Tensor, weight: Tensor) -> None:
        self._root = weight.sqrt()
        weighted = (target - (target * weight).sum()) * self._root
        self._target = weighted / (weighted.square().sum() + TINY).sqrt()

    def score(self, values: Tensor) -> Tensor:
        """Correlation (B,) of features (B, r, c)."""
        weighted = values * self._root
        mean = (weighted * self._root).flatten(1).sum(dim=1)
        along = (weighted * self._target).flatten(1).sum(dim=1)
        squared = weighted.square().flatten(1).sum(dim=1) - mean.square()
        return along / (squared.clamp(min=0) + TINY).sqrt()

    def system(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score, J^T J (P, P) and J^T r (P,) of (1 + P, r, c)."""
        rows = torch.cat([values * self._root, self._root[None], self._target[None]]).transpose(0, 1)
        # One product per row of pixels, summed in double: as fast as one large product, and 100 times as exact.
        products = (rows @ rows.transpose(1, 2)).double().sum(dim=0)
        mean, along = products[:-2, -2], products[:-2, -1]
        centred = products[:-2, :-2] - mean[:, None] * mean
        return gauss_newton(centred[None], along[None], centred.new_ones(1))


def gauss_newton(
    products: Tensor, along: Tensor, share: Tensor, extra: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Score and system of sum_k share_k |c / s - t|^2 from inner products alone; no Jacobian is ever written down.

    Args:
        products: (K, 1 + P, 1 + P) inner products of the centred feature c and its derivatives, per group.
        along: (K, 1 + P) their inner products with the radiograph's t, which has length one.
        share: (K,) what each group counts.
        extra: (1 + P,) added to <c, c> and half its derivatives, so that s^2 = <c, c> + extra; none: zero.

    Returns:
        sum_k share_k <c, t> / s, J^T J (P, P), and J^T r (P,) as minus the derivative of the score.
    """
    length = products[:, 0, 0]
    turn = products[:, 0, 1:]
    half = turn if extra is None else turn + extra[1:]  # s ds/dp
    squared = (length if extra is None else length + extra[0]).clamp(min=0) + TINY
    scale = share / squared
    mixed = torch.einsum("k,kp,kq->pq", scale / squared, turn, half)
    square = torch.einsum("k,kpq->pq", scale, products[:, 1:, 1:]) - mixed - mixed.T
    square = square + torch.einsum("k,kp,kq->pq", scale * length / squared**2, half, half)
    change = along[:, 1:] - (along[:, :1] / squared[:, None]) * half
    weight = share / squared.sqrt()
    return (weight * along[:, 0]).sum(), square, -(weight[:, None] * change).sum(dim=0)
