"""What the training views are like: between pictures and what networks see, and between their numbers and mm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.errors import InputError


class Views(Protocol):
    """Pictures (N, N) and depth (channels, N, N; mm, NaN outside) by number."""

    def __len__(self) -> int: ...  # noqa: D105

    def item(self, index: int) -> tuple[Tensor, Tensor]:
        """One of them."""
        ...


@dataclass(frozen=True, eq=False)
class ViewStatistics:
    """Means and spread over the training views.

    Attributes:
        grey: Mean and standard deviation of the pictures' pixels (line integrals over the scale), the same two numbers
            for every picture: how dark a picture is stays to be seen.
        base_mm: (channels,) mean of each channel, mm.
        span_mm: Standard deviation about these means, mm.
        mean_mm: Mean over all pixels of all channels, mm.
    """

    grey: tuple[float, float]
    base_mm: NDArray[np.float32]
    span_mm: float
    mean_mm: float

    def seen(self, images: Tensor) -> Tensor:
        """What the networks see of pictures: mean about 0, standard deviation about 1."""
        return (images - self.grey[0]) / self.grey[1]

    def depth_of(self, raw: Tensor) -> Tensor:
        """z in mm from the network's numbers (B, channels, N, N)."""
        base = torch.as_tensor(self.base_mm, dtype=raw.dtype, device=raw.device)
        return base[:, None, None] + self.span_mm * raw

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """What a bundle keeps; inverse of :meth:`from_arrays`."""
        return {
            "grey": np.array(self.grey, dtype=np.float32),
            "depth_base_mm": self.base_mm,
            "depth_span_mm": np.array([self.span_mm], dtype=np.float32),
            "depth_mean_mm": np.array([self.mean_mm], dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Callable[[str], NDArray[np.generic]]) -> ViewStatistics:
        """From a bundle's arrays by name."""
        span, mean = (float(np.ravel(arrays(f"depth_{name}_mm"))[0]) for name in ("span", "mean"))
        mean_grey, spread = (float(value) for value in arrays("grey"))
        return cls((mean_grey, spread), np.asarray(arrays("depth_base_mm"), dtype=np.float32), span, mean)


def statistics_of(views: Views, channels: int, most: int = 400) -> ViewStatistics:
    """Statistics of pictures and of the first so many channels of depth, over (at most so many, evenly chosen) views.

    Raises:
        InputError: A bone is in no picture.
    """
    chosen = np.unique(np.linspace(0, len(views) - 1, min(most, len(views))).round().astype(int))
    sums, squares, counts = torch.zeros(3, channels, dtype=torch.float64)
    greys = torch.zeros(2, dtype=torch.float64)
    for index in chosen:
        image, depth = views.item(int(index))
        depth = depth[:channels].double()
        greys += torch.stack([image.double().mean(), image.double().square().mean()]) / len(chosen)
        counts += depth.isfinite().sum((1, 2))
        sums += depth.nansum((1, 2))
        squares += (depth**2).nansum((1, 2))
    if not bool((counts > 0).all()):
        raise InputError("a bone of data.labels is in no training picture; take it out of data.labels.")
    base = sums / counts
    variance = (squares - counts * base**2).sum() / counts.sum()
    mean = float(sums.sum() / counts.sum())
    grey = float(greys[0]), float((greys[1] - greys[0] ** 2).clamp(min=1e-6).sqrt())
    return ViewStatistics(grey, base.numpy().astype(np.float32), float(variance.clamp(min=1.0).sqrt()), mean)
