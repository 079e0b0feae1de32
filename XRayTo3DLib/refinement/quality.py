"""What a person should know of a refinement before believing it: how well each view is explained, and warnings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray


@dataclass(frozen=True)
class Finding:
    """Something about a refinement that a person should look at.

    Attributes:
        code: For programs: "wrong-side", "not-these-bones", "implant", "poor-match", "unusual-shape" or
            "camera-moved-far".
        text: One sentence: what, where, what to do.
    """

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class ViewQuality:
    """How one radiograph is explained.

    Attributes:
        name: Of the radiograph.
        before: LNCC with what the refinement started from, -1 to 1.
        after: With its result.
        camera: Of the pictures, in the radiographs' world, as the refinement corrected it.
        moved_deg: By how much it turned the view.
        moved_mm: And shifted it.
        picture: (rows, columns) the model's DRR.
        residual: (rows, columns) model minus radiograph, locally normalised; NaN where not compared.
    """

    name: str
    before: float
    after: float
    camera: XRayCamera
    moved_deg: float
    moved_mm: float
    picture: FloatArray
    residual: FloatArray


@dataclass(frozen=True, eq=False)
class Quality:
    """Of a refined reconstruction: its views, and what to look at."""

    views: tuple[ViewQuality, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def likeness(self) -> float:
        """Mean LNCC over views."""
        return float(np.mean([view.after for view in self.views]))
