"""From computed line integrals to what a detector shows of them: scatter flattens the dense parts.

With the share s of scattered light and the gain g of the attenuation (energy, tissue), a picture's line integral is

    y = -log( (exp(-g x) + s) / (1 + s) )

up to a factor and an offset, which no correlation minds. Left out, it shifts a bone found in one view by millimetres
along the beam: dense middles pull less than the model says, rims more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

GAINS = (0.6, 0.75, 0.9, 1.0, 1.15, 1.35, 1.6)
SCATTER = (0.0, 0.02, 0.05, 0.1, 0.17, 0.26, 0.4, 0.6)
"""What is tried. Scatter behind a grid is 0.05 to 0.3 of the primary light for limbs."""
WORTH_FITTING = 0.0006
"""Least gain of similarity: SYNTHETIC pictures without scatter gain up to 0.0004, with 0.12 of it from 0.0007."""
WORTH_SHARE = 0.25
METAL_SCATTER = 0.02
"""For solid metal, whose shadow is flat: more of it than some 4 / mu mm makes no difference."""


@dataclass(frozen=True)
class Response:
    """What becomes of a line integral: ``gain`` g and ``scatter`` s of the formula; s = 0 leaves it as it is."""

    gain: float = 1.0
    scatter: float = 0.0

    def __call__(self, integrals: Tensor) -> Tensor:
        """Line integrals as the picture shows them, same shape."""
        if self.scatter == 0:
            return integrals
        return -torch.log((torch.exp(-self.gain * integrals) + self.scatter) / (1 + self.scatter))

    def slope(self, integrals: Tensor) -> Tensor:
        """Derivative by the line integral, same shape."""
        if self.scatter == 0:
            return torch.ones_like(integrals)
        primary = torch.exp(-self.gain * integrals)
        return self.gain * primary / (primary + self.scatter)


def fitted_response(integrals: Tensor, similarity: Callable[[Tensor], Tensor]) -> Response:
    """The response under which computed line integrals (rows, columns) are most like the picture.

    It must gain :data:`WORTH_FITTING`, or :data:`WORTH_SHARE` of what is missing to 1: a little scatter always seems to
    help a little.
    """
    tried = [Response()] + [Response(gain, scatter) for scatter in SCATTER[1:] for gain in GAINS]
    with torch.no_grad():
        scores = [float(similarity(response(integrals)[None])) for response in tried]
    best = max(range(len(tried)), key=scores.__getitem__)
    gain = scores[best] - scores[0]
    return tried[best] if gain > WORTH_FITTING or gain > WORTH_SHARE * (1 - scores[0]) else tried[0]
