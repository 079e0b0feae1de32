"""Configuration of the encoder-decoder; sizes default to those of the xrayto3D benchmark, which printed them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT, StageConfiguration
from XRayTo3DLib.methods.data import DataConfiguration

HEADS = ("softmax", "sigmoid")


@dataclass(frozen=True)
class NetworkConfiguration:
    """Sizes (``networks.encoder_decoder``).

    Attributes:
        channels: Feature maps of each encoder's first layer; everything else doubles from it.
        code: Numbers that all views come down to.
        norm: "batch", "group" or "none".
        head: "softmax" (ours: background and bones share each voxel) or "sigmoid" (the benchmark's: one channel per
            bone, each by itself).
        dropout: Share of values dropped while training.
    """

    channels: int = 32
    code: int = 256
    norm: str = "batch"
    head: str = "softmax"
    dropout: float = 0.1


@dataclass(frozen=True)
class LossConfiguration:
    """Weights of the losses.

    Attributes:
        cross_entropy: Of the mean cross-entropy with soft labels (binary with a sigmoid head).
        dice: Of the Dice semimetric loss of the bones; the benchmark trains with Dice alone.
    """

    cross_entropy: float = 1.0
    dice: float = 0.0


@dataclass(frozen=True)
class EncoderDecoderConfiguration:
    """Everything ``xrayto3d train`` needs to know about an encoder-decoder."""

    data: DataConfiguration
    format: str = FORMAT
    method: str = "encoder-decoder"
    name: str = "Encoder-decoder"
    anatomy: str = "bones"
    seed: int = 0
    network: NetworkConfiguration = field(default_factory=NetworkConfiguration)
    loss: LossConfiguration = field(default_factory=LossConfiguration)
    training: StageConfiguration = StageConfiguration(4000, 2e-3, 8)

    def __post_init__(self) -> None:
        if self.network.head not in HEADS:
            raise InputError(f"configuration: network.head must be one of {', '.join(HEADS)}.")
        if min(self.network.channels, self.network.code) < 1:
            raise InputError("configuration: network.channels and network.code must be 1 or more.")
        weights = self.loss.cross_entropy, self.loss.dice
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise InputError("configuration: loss.cross_entropy and loss.dice must be 0 or more, one of them more.")
        if self.network.norm == "batch" and self.training.batch < 2:
            raise InputError(
                "configuration: training.batch must be 2 or more with network.norm batch: one exposure's code, a "
                "single voxel, has no spread to divide by. Take norm: group for single exposures."
            )
