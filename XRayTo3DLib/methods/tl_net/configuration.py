"""Configuration of TL-net; the defaults are those of Shiode et al. 2021 where the paper states them."""

from __future__ import annotations

from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT, StageConfiguration
from XRayTo3DLib.methods.data import DataConfiguration

LATENT_LOSSES = ("formula", "text")
PREDICTORS = ("resnet", "alexnet")


@dataclass(frozen=True)
class NetworkConfiguration:
    """Sizes the paper does not state are our choice (docs/tl-net.md).

    Attributes:
        latent: Length of the code.
        channels: Of the autoencoder's first level; each of the ``depth`` levels has twice as many.
        depth: Levels of stride two; 0 for as many as leave a side of 8 or less.
        up_sampling: "transposed-k4", "transposed-k2" or "resize".
        head: "convolution", or "sub-voxel" (much faster on a CPU).
        norm: "batch", "instance" or "group".
        predictor: "resnet" (ResNet-18) or "alexnet".
        width: Of the ResNet's first level; 64 is ResNet-18.
        predictor_norm: Of the ResNet.
        stem_stride: How much the ResNet's first layers shrink the picture: 4 as published, 2 for small pictures.
        pooled: Side of the grid of averages that the ResNet reads the code from: 1 as published.
    """

    latent: int = 64
    channels: int = 16
    depth: int = 4
    up_sampling: str = "transposed-k4"
    head: str = "convolution"
    norm: str = "batch"
    predictor: str = "resnet"
    width: int = 64
    predictor_norm: str = "group"
    stem_stride: int = 4
    pooled: int = 1


@dataclass(frozen=True)
class LossConfiguration:
    """Weights of the losses.

    Attributes:
        code: Of the L1 norm of the code (paper: 1e-4).
        latent: Of the latent loss of the joint stage (paper: 1e-4).
        latent_of: What E(y) is compared with: "formula", E(D(P(x))), as the paper's formula, or "text", P(x), as its
            sentence.
        squared: Square the distances of codes: pulls harder from far away.
        noise: Standard deviation of the noise on the autoencoder's input (not in the paper).
    """

    code: float = 1e-4
    latent: float = 1e-4
    latent_of: str = "formula"
    squared: bool = False
    noise: float = 0.1


@dataclass(frozen=True)
class StagesConfiguration:
    """The paper's three stages, with its learning rates and numbers of updates."""

    autoencoder: StageConfiguration = StageConfiguration(35_000, 1e-4)
    predictor: StageConfiguration = StageConfiguration(35_000, 1e-4)
    joint: StageConfiguration = StageConfiguration(15_000, 1e-5)


@dataclass(frozen=True)
class TlNetConfiguration:
    """Everything ``xrayto3d train`` needs to know about a TL-net."""

    data: DataConfiguration
    format: str = FORMAT
    method: str = "tl-net"
    name: str = "TL-net"
    anatomy: str = "distal forearm"
    seed: int = 0
    network: NetworkConfiguration = field(default_factory=NetworkConfiguration)
    loss: LossConfiguration = field(default_factory=LossConfiguration)
    stages: StagesConfiguration = field(default_factory=StagesConfiguration)

    def __post_init__(self) -> None:
        if self.loss.latent_of not in LATENT_LOSSES:
            raise InputError(f"configuration: loss.latent_of must be one of {', '.join(LATENT_LOSSES)}.")
        if self.network.predictor not in PREDICTORS:
            raise InputError(f"configuration: network.predictor must be one of {', '.join(PREDICTORS)}.")
