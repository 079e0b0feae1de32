"""pix2pix as a task of the training engine: discriminator first, then generator, at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from XRayTo3DLib.dataset.image_augmentation import AffineRange, PairAugmentation
from XRayTo3DLib.methods.image_translation.configuration import ImageTranslationConfiguration
from XRayTo3DLib.methods.image_translation.pairs import Pairs, SplitPairs, translation_metrics, translation_samples
from XRayTo3DLib.methods.image_translation.translator import Translator, to_network
from XRayTo3DLib.networks.losses import discriminator_loss, generator_loss
from XRayTo3DLib.networks.pix2pix import PatchDiscriminator, UNetGenerator
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan
from XRayTo3DLib.training.samples import TrainingSample

BETAS = (0.5, 0.999)


@dataclass(frozen=True, eq=False)
class PairBatch:
    """Radiographs and wanted pictures, each (B, 1, N, N) in [-1, 1]."""

    radiographs: Tensor
    wanted: Tensor


class Pix2PixTask:
    """What the engine needs to train a pix2pix.

    Args:
        configuration: Sizes and losses.
        pairs: The test pairs are not touched.
        device: Where pictures are moved about.
    """

    def __init__(self, configuration: ImageTranslationConfiguration, pairs: SplitPairs, device: str = "cpu") -> None:
        self.configuration, self._validation = configuration, pairs.validation
        torch.manual_seed(configuration.seed)
        self.networks = make_networks(configuration)
        self._pictures = _as_channels(configuration, pairs.training).to(device)
        self._augmentation = PairAugmentation(AffineRange(), configuration.seed, configuration.data.copies)
        gan = configuration.gan
        schedule = Schedule(gan.lr, "linear-decay")
        optimisers = (
            OptimiserPlan("discriminator", ("discriminator",), schedule, BETAS, running=("generator",)),
            OptimiserPlan("generator", ("generator",), schedule, BETAS, running=("discriminator",)),
        )
        self.stages = (StagePlan("pix2pix", gan.steps, gan.batch, optimisers, gan.validate_every),)

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> PairBatch:
        """Affine copies of training pairs."""
        del stage, step
        moved = self._augmentation.batch(self._pictures, items).to(device)
        return PairBatch(moved[:, :1], moved[:, 1:])

    def loss(self, stage: str, optimiser: str, batch: PairBatch) -> dict[str, Tensor]:
        """Loss of one of both networks."""
        del stage
        made = self.networks["generator"](batch.radiographs)
        discriminator = self.networks["discriminator"]
        if optimiser == "discriminator":
            real = discriminator(batch.radiographs, batch.wanted)
            return {"loss": discriminator_loss(real, discriminator(batch.radiographs, made.detach()))}
        l1 = nn.functional.l1_loss(made, batch.wanted)
        logits = discriminator(batch.radiographs, made)
        return {"loss": generator_loss(logits, made, batch.wanted, self.configuration.gan.l1), "l1": l1.detach()}

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Mean absolute error in line integrals, and gradient correlation, on pairs not trained on."""
        del stage, device
        return translation_metrics(Translator(self.configuration, self.networks["generator"]), self._validation)

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Radiograph, made and true DRR of the first validation pairs."""
        del stage, device
        translator = Translator(self.configuration, self.networks["generator"])
        return translation_samples(translator, self._validation, count, self.configuration.data)


def make_generator(configuration: ImageTranslationConfiguration) -> UNetGenerator:
    """All that a finished model needs, with random weights."""
    gan = configuration.gan
    return UNetGenerator(gan.downs, gan.channels, norm=gan.norm, dropout_when_used=gan.dropout_when_used)


def make_networks(configuration: ImageTranslationConfiguration) -> nn.ModuleDict:
    """Generator and discriminator, with random weights."""
    gan = configuration.gan
    return nn.ModuleDict(
        {
            "generator": make_generator(configuration),
            "discriminator": PatchDiscriminator(2, gan.channels, gan.layers, gan.norm),
        }
    )


def _as_channels(configuration: ImageTranslationConfiguration, pairs: Pairs) -> Tensor:
    """(N, 2, n, n) in [-1, 1]: radiograph and DRR as the networks see them."""
    data = configuration.data
    radiographs = to_network(torch.from_numpy(pairs.radiographs), data.radiograph_scale)
    return torch.stack([radiographs, to_network(torch.from_numpy(pairs.drrs), data.image.scale)], dim=1)
