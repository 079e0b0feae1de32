"""The part of a picture that is compared: where the weights are above zero, and the weights themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.errors import InputError

FEWEST_PIXELS = 16


class Window:
    """Rows and columns that hold every weight above zero, with a margin for the filters.

    Args:
        target: (rows, columns) radiograph; its type is what everything is computed in, float32 unless it is float64.
        weight: (rows, columns) weights >= 0.
        reach: Margin in pixels round the weights that filters see.

    Raises:
        InputError: The shapes differ, a weight is negative or not finite, or fewer than 16 weights are above zero.
    """

    def __init__(self, target: Tensor, weight: Tensor, reach: int = 0) -> None:
        if target.ndim != 2 or target.shape != weight.shape:
            raise InputError(
                f"similarity: picture {tuple(target.shape)} and mask {tuple(weight.shape)} must be one (rows, columns)."
            )
        if not bool((torch.isfinite(weight) & (weight >= 0)).all()):
            raise InputError("similarity: the mask's weights must be finite and not negative.")
        filled = torch.nonzero(weight)
        if len(filled) < FEWEST_PIXELS:
            raise InputError(
                f"similarity: fewer than {FEWEST_PIXELS} pixels to compare; the mask or the picture is too small."
            )
        self.dtype = torch.float64 if target.dtype == torch.float64 else torch.float32
        low = (filled.amin(dim=0) - reach).clamp(min=0).tolist()
        high = (filled.amax(dim=0) + 1 + reach).tolist()
        self._rows, self._columns = slice(low[0], high[0]), slice(low[1], high[1])
        self._shape = target.shape
        self.weight = weight[self._rows, self._columns].to(self.dtype)
        """(r, c) weights in the window, sum 1."""
        self.weight = self.weight / self.weight.sum()

    def crop(self, images: Tensor) -> Tensor:
        """The window (B, r, c) of images (B, rows, columns).

        Raises:
            InputError: The images have another size than the radiograph.
        """
        if images.shape[1:] != self._shape:
            raise InputError(
                f"similarity: images of {tuple(images.shape[1:])} pixels against a radiograph of {tuple(self._shape)}."
            )
        return images[:, self._rows, self._columns].to(self.dtype)


def refuse_flat(contrast: Tensor, scale: Tensor) -> None:
    """Raise InputError where a radiograph's contrast is nothing but rounding of its values.

    Args:
        contrast: Standard deviation, or root mean square derivative, of the radiograph under the mask.
        scale: Its largest absolute value there.
    """
    if float(contrast) <= 1e-6 * float(scale) + 1e-12:
        raise InputError("similarity: the radiograph is flat where the bone should be; check its intensities.")
