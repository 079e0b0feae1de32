"""Configuration of histogram matching: nothing but the pictures whose grey values are taken."""

from __future__ import annotations

from dataclasses import dataclass

from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.image_translation.configuration import PairsConfiguration


@dataclass(frozen=True)
class HistogramMatchingConfiguration:
    """Everything ``xrayto3d train`` needs to know about histogram matching."""

    data: PairsConfiguration
    format: str = FORMAT
    method: str = "histogram-matching"
    name: str = "histogram matching"
    anatomy: str = "distal forearm"
    seed: int = 0
