"""The histogram-matching baseline of Shiode et al. 2021: bone-segmented radiographs with the grey values of DRRs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.histogram_matching import Template, match, mean_template
from XRayTo3DLib.methods.image_translation.pairs import Pairs

BONE = 0.02
"""Line integral above which a registration-DRR shows bone."""


class HistogramMatching:
    """Radiographs, cut out along the bones, with the mean distribution of training DRRs.

    The bones' outline is that of the registration-DRR: what a perfect segmentation would give, an advantage for this
    baseline that pix2pix does not have.

    Args:
        training: Pairs whose DRRs give the distribution.
    """

    def __init__(self, training: Pairs) -> None:
        self.template: Template = mean_template(list(training.drrs), [drr > BONE for drr in training.drrs])

    def matched(self, pairs: Pairs, oracle: bool = False) -> NDArray[np.float32]:
        """(N, n, n) line integrals; ``oracle`` takes each case's own registration-DRR as template, as the paper did."""
        found = []
        for radiograph, drr in zip(pairs.radiographs, pairs.drrs, strict=True):
            mask = drr > BONE
            template = mean_template([drr], [mask]) if oracle else self.template
            found.append(match(radiograph, mask, template))
        return np.stack(found)
