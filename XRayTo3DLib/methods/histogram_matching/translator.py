"""Whole radiographs with the distribution of grey values of training DRRs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.histogram_matching import Template, match, mean_template
from XRayTo3DLib.methods.translation import CanonicalTranslator, HasPictures


class HistogramTranslator(CanonicalTranslator):
    """Every pixel of a radiograph takes the value that a DRR has at the same share of its pixels; no mask is needed.

    Unlike the papers' baseline (``image_translation.histograms``) it does not know where the bones are, as nobody does
    before a new radiograph: the most opaque pixels become bone, whatever they are.

    Args:
        configuration: What it was trained with.
        template: Mean distribution of whole DRRs, background and all.
    """

    def __init__(self, configuration: HasPictures, template: Template) -> None:
        super().__init__(configuration)
        self.template = template

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, rows, columns) line integrals of whole limbs, matched."""
        return np.stack([match(image, np.ones(image.shape, dtype=bool), self.template) for image in images])


def template_of(drrs: NDArray[np.float32]) -> Template:
    """The mean distribution of whole DRRs (N, n, n)."""
    return mean_template(list(drrs), [np.ones(drr.shape, dtype=bool) for drr in drrs])
