"""How alike a radiograph and what the model shows are, locally, as sums of squares: what Gauss-Newton needs.

Both pictures are brought to local mean 0 and local variance 1 under a Gaussian window, so that gain, offset, a smooth
background (soft tissue, scatter) and a gain that drifts across the picture do not matter. Of what is left, the mean of
squares is ``2 - 2 LNCC``. Pixels that no model explains (metal, markers, plaster, other bones) lose their weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

Array = NDArray[np.floating]
FEWEST_PIXELS = 64
SAME = 1e-5
"""Pixels that differ by a smaller share of their values differ by rounding."""
BESIDE = "the model's bones are in none of a radiograph's pixels; check pose and camera."


@dataclass(frozen=True)
class LikenessOptions:
    """How pictures are compared.

    Attributes:
        floor: Share of a picture's contrast below which a window counts as flat.
        robust: Residuals beyond so many times their usual size lose weight (Cauchy); None: all count alike.
    """

    floor: float = 0.2
    robust: float | None = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.floor < 10 or (self.robust is not None and not self.robust > 0):
            raise InputError("refinement: likeness needs a floor between 0 and 10, and robust above zero or None.")


class LocalLikeness:
    """One radiograph to be matched.

    Args:
        target: (rows, columns) radiograph.
        mask: (rows, columns) bool, what may be compared.
        window: Standard deviation of the window in pixels (column, row).
        options: How.
        name: For messages.

    Raises:
        InputError: Too little to compare, or a radiograph without any contrast.
    """

    def __init__(
        self,
        target: Array,
        mask: NDArray[np.bool_],
        window: tuple[float, float],
        options: LikenessOptions,
        name: str = "radiograph",
    ) -> None:
        self.mask, self.options = mask, options
        if np.count_nonzero(mask) < FEWEST_PIXELS:
            raise InputError(
                f"{name}: fewer than {FEWEST_PIXELS} pixels to compare near the bones; check pose, camera and field."
            )
        rows, columns = mask.shape
        self._down, self._across = _blur(rows, window[1]), _blur(columns, window[0])
        self._cover = np.maximum(self._smooth(mask.astype(np.float32)[None])[0], 1e-6)
        self._inside = mask.ravel()
        target = np.asarray(target, dtype=np.float32)
        if np.ptp(target[mask]) <= SAME * np.abs(target[mask]).max():
            raise InputError(f"{name}: it shows nothing where the bones should be: all its pixels are the same.")
        self.target = self._normalised(target[None])[0].ravel()[self._inside]

    def residuals(self, picture: Array) -> NDArray[np.float32]:
        """(r,) what is left between both, over the mask's pixels."""
        return self._normalised(np.asarray(picture, dtype=np.float32)[None])[0].ravel()[self._inside] - self.target

    def linearised(self, picture: Array, derivatives: Array) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Residuals (r,) and their change (r, P), from a picture and its derivatives (rows * columns, P)."""
        picture = np.asarray(picture, dtype=np.float32)
        spread, centred, contrast = self._parts(picture[None])
        if not np.all(contrast > 0):
            raise InputError(BESIDE)
        unit = centred[0] / spread[0]
        slopes = np.ascontiguousarray(derivatives.T, dtype=np.float32).reshape(-1, *picture.shape)
        slopes = slopes - self._mean(slopes)
        # d spread = (G * (centred d centred) + floor^2 d contrast / 2) / spread.
        wider = self._mean(centred * slopes)
        wider += self.options.floor**2 * (wider * self.mask).sum(axis=(1, 2), keepdims=True) / self._inside.sum()
        changes = (slopes - unit[None] * (wider / spread)) / spread
        inside = changes.reshape(len(slopes), -1)[:, self._inside]
        return unit.ravel()[self._inside] - self.target, inside.T

    def weights(self, residuals: Array) -> NDArray[np.float32]:
        """(r,) Cauchy weights of residuals: 1 where they are small."""
        if self.options.robust is None:
            return np.ones(len(residuals), dtype=np.float32)
        usual = 1.4826 * float(np.median(np.abs(residuals))) + 1e-6
        return np.asarray(1.0 / (1.0 + (residuals / (self.options.robust * usual)) ** 2), dtype=np.float32)

    def value(self, picture: Array) -> float:
        """LNCC over the mask, -1 to 1, every pixel counting alike."""
        return 1.0 - 0.5 * float(np.mean(self.residuals(picture) ** 2))

    def _normalised(self, pictures: Array) -> Array:
        spread, centred, contrast = self._parts(pictures)
        if not np.all(contrast > 0):
            raise InputError(BESIDE)
        return centred / spread

    def _parts(self, pictures: Array) -> tuple[Array, Array, Array]:
        """Local spread, local departure from the mean, and the whole contrast of (P, rows, columns)."""
        centred = pictures - self._mean(pictures)
        square = self._mean(centred**2)
        contrast = (square * self.mask).sum(axis=(1, 2), keepdims=True) / self._inside.sum()
        return np.sqrt(np.maximum(square, 0) + self.options.floor**2 * contrast + 1e-12), centred, contrast

    def _mean(self, pictures: Array) -> Array:
        """Local means over the mask of (P, rows, columns)."""
        return self._smooth(pictures * self.mask) / self._cover

    def _smooth(self, pictures: Array) -> Array:
        return self._down @ pictures @ self._across.T


def _blur(count: int, sigma: float) -> NDArray[np.float32]:
    """(count, count) Gaussian window as a matrix."""
    away = np.arange(count)[:, None] - np.arange(count)
    weight = np.exp(-0.5 * (away / max(sigma, 1e-3)) ** 2)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
