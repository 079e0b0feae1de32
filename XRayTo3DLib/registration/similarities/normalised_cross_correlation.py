"""Normalised cross correlation of the grey values themselves, over the whole mask or in patches.

    NCC(I, J) = cov(I, J) / sqrt( var(I) var(J) )              (all three weighted by the mask)
    LNCC(I, J) = sum over patches k of  share_k NCC_k(I, J)

Global: Penney et al., IEEE TMI 17:586, 1998. In patches: LaRose, "Iterative X-ray/CT registration using accelerated
volume rendering", PhD thesis, Carnegie Mellon 2001 (there weighted by variance). Both together: xvr, see ``combined``.
"""

from __future__ import annotations

from torch import Tensor

from XRayTo3DLib.registration.similarities.correlation import Correlation, WholeMatch
from XRayTo3DLib.registration.similarities.patches import Patches, PatchMatch
from XRayTo3DLib.registration.similarities.window import Window, refuse_flat


class _GreyValues(Correlation):
    def _prepared(self, target: Tensor, weight: Tensor) -> Tensor:
        """The radiograph's feature (r, c); sets the window."""
        self._window = Window(target, weight)
        picture = self._window.crop(target[None])
        values = self._features(picture)[0][0]
        refuse_flat((values.square() * self._window.weight).sum().sqrt(), picture.abs().max())
        return values

    def _features(self, images: Tensor) -> tuple[Tensor]:
        """The grey values, centred: squares of values far from zero would lose the contrast to rounding."""
        return (images - (images * self._window.weight).sum(dim=(1, 2), keepdim=True),)


class NormalisedCrossCorrelation(_GreyValues):
    """Correlation of grey values: blind to gain and offset, but not to shading or to what the CT does not hold.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.

    Raises:
        InputError: An empty mask or a flat picture under it.
    """

    def __init__(self, target: Tensor, weight: Tensor) -> None:
        values = self._prepared(target, weight)
        super().__init__(self._window, [WholeMatch(values, self._window.weight)])


class LocalNormalisedCrossCorrelation(_GreyValues):
    """Correlation of grey values in overlapping patches: gain and offset may differ from patch to patch.

    Args:
        target: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) weights >= 0; pixels of weight zero are ignored.
        patch: Side of a patch, pixels.
        stride: From one patch to the next, pixels; None: half a patch.
        floor: Share of the whole picture's standard deviation that is added (squared) to a patch's, so that a nearly
            flat patch of the DRR counts for little.

    Raises:
        InputError: An empty mask, a flat picture under it, or patches below 3 pixels.
    """

    def __init__(
        self, target: Tensor, weight: Tensor, patch: int = 13, stride: int | None = None, floor: float = 2e-3
    ) -> None:
        values = self._prepared(target, weight)
        patches = Patches(self._window, patch, stride)
        super().__init__(self._window, [PatchMatch(values, patches, patches.share, floor)])
