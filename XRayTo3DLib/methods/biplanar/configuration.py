"""Configuration of the biplanar network; what Kasten et al. 2020 do not state is our choice (docs/biplanar.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT, StageConfiguration
from XRayTo3DLib.methods.data import DataConfiguration

CALIBRATED, REPLICATED = "calibrated", "replicated"
LIFTS = (CALIBRATED, REPLICATED)
CHANNELS, CONVOLUTIONS = (16, 32, 64, 128, 256), (1, 2, 3, 3, 3)
"""Those of ``networks.volume_net``, which loads torch; configurations do not."""


@dataclass(frozen=True)
class NetworkConfiguration:
    """The network between lifted pictures and labels.

    Attributes:
        lift: "calibrated": every voxel takes the value where its camera shows it; "replicated", the paper's: pictures
            repeated along the views' axes, whatever the cameras.
        channels: Feature maps of each stage.
        convolutions: Of each stage.
        norm: "none", "batch", "instance" or "group".
        folded: Voxels of twice the size inside the network: four to six times as fast on a CPU.
    """

    lift: str = CALIBRATED
    channels: tuple[int, ...] = CHANNELS
    convolutions: tuple[int, ...] = CONVOLUTIONS
    norm: str = "none"
    folded: bool = False


@dataclass(frozen=True)
class LossConfiguration:
    """Cross entropy, weighted by the distance d to the surface with 1 + surface exp(-d^2 / surface_mm^2), and NGCC.

    Attributes:
        surface: How much more a voxel on a surface counts.
        surface_mm: Where that has fallen to 1/e, mm.
        projection: Weight of minus the gradient cross-correlation between pictures and DRRs of the prediction, summed
            over views; 0 leaves it out.
    """

    surface: float = 8.0
    surface_mm: float = 4.0
    projection: float = 1.0


@dataclass(frozen=True)
class BiplanarConfiguration:
    """Everything ``xrayto3d train`` needs to know about a biplanar network."""

    data: DataConfiguration
    format: str = FORMAT
    method: str = "biplanar"
    name: str = "Biplanar network"
    anatomy: str = "knee"
    seed: int = 0
    network: NetworkConfiguration = field(default_factory=NetworkConfiguration)
    loss: LossConfiguration = field(default_factory=LossConfiguration)
    training: StageConfiguration = StageConfiguration(100_000, 1e-4, batch=1)

    def __post_init__(self) -> None:
        if self.network.lift not in LIFTS:
            raise InputError(f"configuration: network.lift must be one of {', '.join(LIFTS)}.")
        weights = self.loss.surface, self.loss.projection
        if not all(0 <= weight < math.inf for weight in weights) or not self.loss.surface_mm > 0:
            raise InputError("configuration: loss.surface and loss.projection begin at 0, loss.surface_mm above it.")
        if self.network.lift == REPLICATED and self.data.view_turn_deg:
            raise InputError(
                "configuration: the replicated lift knows no cameras, so data.view_turn_deg must be 0; "
                "swung views need network.lift: calibrated."
            )
