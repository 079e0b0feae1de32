"""Configuration of the style transfer; the defaults are CycleGAN's."""

from __future__ import annotations

from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.image_translation.configuration import PairsConfiguration


@dataclass(frozen=True)
class CycleGanConfiguration:
    """CycleGAN; every weight stands beside the adversarial loss's 1.

    Attributes:
        channels: Of the generators' first level.
        blocks: Residual blocks of the generators.
        discriminator_channels: Of the discriminators' first level.
        layers: Halvings in the discriminators.
        norm: "instance" (published), "group", "batch" or "none".
        cycle: Weight of the L1 loss of a picture that went there and back.
        identity: Weight of the L1 loss of a picture that is of the wanted kind already, as a share of ``cycle``.
        structure: Weight of 1 - gradient correlation of what goes in and what comes out; 0 as published.
        pool: Made pictures kept to show the discriminators again.
        steps: Updates (published: 200 epochs).
        batch: Radiographs and DRRs per update.
        lr: Of both Adams (betas 0.5, 0.999); it falls linearly to 0 in the second half.
        validate_every: Updates between validations.
    """

    channels: int = 64
    blocks: int = 9
    discriminator_channels: int = 64
    layers: int = 3
    norm: str = "instance"
    cycle: float = 10.0
    identity: float = 0.5
    structure: float = 0.0
    pool: int = 50
    steps: int = 660_000
    batch: int = 1
    lr: float = 2e-4
    validate_every: int = 3300


@dataclass(frozen=True)
class StyleTransferConfiguration:
    """Everything ``xrayto3d train`` needs to know; how ``data`` is split in two: ``unpaired``."""

    data: PairsConfiguration
    format: str = FORMAT
    method: str = "style-transfer"
    name: str = "CycleGAN"
    anatomy: str = "distal forearm"
    seed: int = 0
    gan: CycleGanConfiguration = field(default_factory=CycleGanConfiguration)

    def __post_init__(self) -> None:
        gan, size = self.gan, self.data.image.size
        if size % 4 or size < 8:
            raise InputError(f"configuration: data.image.size {size} must be a multiple of 4, 8 or more.")
        if size < 3 * 2**gan.layers:
            raise InputError(
                f"configuration: data.image.size {size} must be at least {3 * 2**gan.layers} (gan.layers {gan.layers})."
            )
        if min(gan.cycle, gan.identity, gan.structure, gan.pool) < 0:
            raise InputError("configuration: gan.cycle, gan.identity, gan.structure and gan.pool must not be negative.")
