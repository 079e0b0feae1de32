"""Gradient correlation in patches, each as important as the radiograph is rich in contrast there.

    PGC(I, J) = 1/2 sum over x, y of  sum over patches k of  share_k NCC_k(dI/dx, dJ/dx)
    share_k in proportion to var_k(J), the radiograph's variance in the patch

The measure of xreg: Grupp et al., "Automatic annotation of hip anatomy in fluoroscopy ...", IJCARS 15:759, 2020, and
"Pose estimation of periacetabular osteotomy fragments ...", IEEE TBME 67:441, 2020. They take Sobel's derivatives
and every patch whose centre the mask holds; here they are Gaussian, and patches overlap by half.
"""

from __future__ import annotations

import torch
from torch import Tensor

from XRayTo3DLib.registration.similarities.correlation import Correlation
from XRayTo3DLib.registration.similarities.filters import gradients, reach_of
from XRayTo3DLib.registration.similarities.patches import Patches, PatchMatch
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat


class PatchGradientCorrelation(Correlation):
    """Gradient correlation that something wrong in one place (metal, another bone) spoils only there.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        sigma: Standard deviation of the Gaussian derivative, pixels.
        patch: Side of a patch, pixels.
        stride: From one patch to the next, pixels; None: half a patch.
        floor: As for :class:`LocalNormalisedCrossCorrelation`.

    Raises:
        InputError: An empty mask, a flat picture under it, or patches below 3 pixels.
    """

    def __init__(
        self,
        target: Tensor,
        weight: Tensor,
        sigma: float = 1.0,
        patch: int = 21,
        stride: int | None = None,
        floor: float = 2e-3,
    ) -> None:
        self._sigma = sigma
        window = Window(target, weight, reach_of(sigma))
        patches = Patches(window, patch, stride)
        picture = window.crop(target[None])
        centred = picture - (picture * window.weight).sum()
        contrast = patches(centred).square().sum(dim=-1)[0]
        refuse_flat(contrast.max().sqrt(), picture.abs().max())
        share = patches.share * contrast
        features = torch.cat(self._features(picture))
        super().__init__(window, [PatchMatch(values, patches, share / share.sum(), floor) for values in features])

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return gradients(images, self._sigma)
