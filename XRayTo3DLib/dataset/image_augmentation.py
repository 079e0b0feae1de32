"""Affine augmentation of radiograph and DRR pairs: both are moved alike, many times, always the same ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray


@dataclass(frozen=True)
class AffineRange:
    """How far pictures are moved: every value is drawn uniformly between minus and plus its limit.

    The paper (Shiode et al., Sci Rep 11:15249, 2021) names translation, rotation, scale and shear, but no limits.

    Attributes:
        translation: Share of the picture's width, along columns and rows each.
        rotation_deg: About the picture's middle, degrees.
        scale: Logarithm of the factor on sizes.
        shear_deg: Angle by which columns lean, degrees.

    Raises:
        InputError: A limit below zero, or a shear of 45 degrees or more.
    """

    translation: float = 0.05
    rotation_deg: float = 10.0
    scale: float = 0.05
    shear_deg: float = 5.0

    def __post_init__(self) -> None:
        limits = [getattr(self, each.name) for each in fields(self)]
        if not (np.isfinite(limits).all() and min(limits) >= 0 and self.shear_deg < 45):
            raise InputError(f"limits of the augmentation must be 0 or more and the shear below 45 degrees: {limits}.")

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """(2, 3) from the moved picture to the given one, in half widths from the middle: (column, row, 1)."""
        units = rng.uniform(-1.0, 1.0, 5)
        angle, lean = np.deg2rad(self.rotation_deg * units[2]), np.tan(np.deg2rad(self.shear_deg * units[4]))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = np.exp(self.scale * units[3]) * turn @ np.array([[1.0, lean], [0.0, 1.0]])
        return np.column_stack([linear, 2.0 * self.translation * units[:2]])


class PairAugmentation:
    """Moves pictures that belong together by one affine map per item.

    Args:
        limits: How far.
        seed: Of all maps.
        copies: How many different maps every pair gets; the paper makes 100 of each.

    Raises:
        InputError: A seed below zero or no copies.
    """

    def __init__(self, limits: AffineRange, seed: int, copies: int = 100) -> None:
        if seed < 0 or copies < 1:
            raise InputError("an augmentation's seed must be 0 or more and its copies 1 or more.")
        self.limits, self.seed, self.copies = limits, int(seed), int(copies)

    def length(self, pairs: int) -> int:
        """Number of different items that so many pairs give."""
        return pairs * self.copies

    def pair_of(self, item: int, pairs: int) -> tuple[int, int]:
        """Which pair and which of its copies an item is; every ``pairs`` items show each pair once, shuffled."""
        epoch, place = divmod(item, pairs)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(pairs)
        return int(order[place]), epoch % self.copies

    def affine(self, pair: int, copy: int) -> FloatArray:
        """(2, 3) map of one copy of a pair, see :meth:`AffineRange.draw`."""
        return self.limits.draw(np.random.default_rng([self.seed, 0, pair, copy]))

    def batch(self, pictures: Tensor, items: Sequence[int]) -> Tensor:
        """Moved pictures of some items; the same bits for an item in any batch.

        Args:
            pictures: (pairs, channels, N, N): radiograph and DRR of a pair as channels.
            items: Numbers of 0 or more, one sample each.

        Returns:
            (len(items), channels, N, N).

        Raises:
            InputError: No items, a number below zero, or no square pictures.
        """
        if pictures.ndim != 4 or pictures.shape[-1] != pictures.shape[-2] or len(pictures) == 0:
            raise InputError(f"pairs to augment must be (pairs, channels, N, N), not {tuple(pictures.shape)}.")
        if len(items) == 0 or min(items) < 0:
            raise InputError("items to augment must be numbers of 0 or more, at least one.")
        moved = []
        for item in items:
            pair, copy = self.pair_of(int(item), len(pictures))
            moved.append(warped(pictures[pair], self.affine(pair, copy)))
        return torch.stack(moved)


def warped(pictures: Tensor, affine: FloatArray) -> Tensor:
    """(channels, N, N) pictures through one affine map (2, 3), bilinear; the border goes on outside.

    The output at p shows the input at affine (p, 1), p = (column, row) in half widths from the middle (-1 to 1 at the
    picture's edges).
    """
    size = pictures.shape[-1]
    steps = torch.as_tensor((2.0 * np.arange(size) + 1.0) / size - 1.0, device=pictures.device)
    # Written out, not a matrix product: the same bits whatever the machine's threads.
    where = [
        ((float(row[0]) * steps)[None, :] + (float(row[1]) * steps + float(row[2]))[:, None]).to(pictures.dtype)
        for row in affine
    ]
    grid = torch.stack(where, dim=-1)[None]
    return functional.grid_sample(pictures[None], grid, padding_mode="border", align_corners=False)[0]
