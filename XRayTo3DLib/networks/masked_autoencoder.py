"""Learning from radiographs without labels: patches are hidden, and guessed (He et al., CVPR 2022).

A convolutional encoder cannot leave patches out, so they are replaced by a learnt value, as Xie et al. do (SimMIM,
CVPR 2022): encoder, one convolution, and the mean square error over hidden patches only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from XRayTo3DLib.networks.layers import require
from XRayTo3DLib.networks.nfnet import STEPS, NfNet


class MaskedAutoencoder(nn.Module):
    """Guesses pictures of which patches are hidden. Only its ``encoder`` is kept after training."""

    def __init__(self, encoder: NfNet) -> None:
        super().__init__()
        self.encoder = encoder
        self.token = nn.Parameter(torch.zeros(()))
        self.decoder = nn.Conv2d(encoder.channels[-1], STEPS[-1] ** 2, 1)

    def forward(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Guessed pictures (B, 1, H, W).

        Args:
            images: (B, 1, H, W), sides multiples of 32, mean about 0 and deviation about 1.
            hidden: (B, 1, H, W) bool: the pixels not to be seen.

        Raises:
            InputError: Other shapes or sides.
        """
        alike = images.ndim == 4 and images.shape[1] == 1 and images.shape == hidden.shape
        require(alike, f"masked autoencoder: pictures {tuple(images.shape)} but hidden {tuple(hidden.shape)}.")
        seen = torch.where(hidden, self.token, images)
        return functional.pixel_shuffle(self.decoder(self.encoder(seen)[-1]), STEPS[-1])


def random_patches(
    count: int, size: tuple[int, int], patch: int = 16, share: float = 0.6, generator: torch.Generator | None = None
) -> Tensor:
    """Which pixels to hide: (count, 1, rows, columns) bool; in every picture the same number of patches, at random.

    Args:
        count: Pictures.
        size: Rows and columns, multiples of ``patch``.
        patch: Side of a patch, pixels.
        share: Of the patches to hide, rounded to whole patches; at least one is hidden and one seen.
        generator: On the CPU; where random numbers come from. None: torch's global ones.

    Raises:
        InputError: The size is no multiple of the patch, or has a single patch.
    """
    rows, columns = size[0] // patch, size[1] // patch
    fits = size == (rows * patch, columns * patch) and rows * columns > 1
    require(fits, f"masked autoencoder: {size[0]} x {size[1]} pixels are not several patches of {patch} a side.")
    hide = min(max(round(share * rows * columns), 1), rows * columns - 1)
    order = torch.rand(count, rows * columns, generator=generator).argsort(dim=1)
    patches = (order < hide).reshape(count, 1, rows, columns)
    return patches.repeat_interleave(patch, 2).repeat_interleave(patch, 3)


def masked_loss(guessed: Tensor, images: Tensor, hidden: Tensor) -> Tensor:
    """Mean square error over the ``hidden`` pixels only. All (B, 1, H, W); 0 where nothing is hidden."""
    squares = torch.where(hidden, guessed - images, 0).square()
    return squares.sum() / hidden.sum().clamp(min=1)
