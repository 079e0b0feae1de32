"""CycleGAN as a task of the training engine: both generators first, then both discriminators, at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.dataset.image_augmentation import AffineRange, PairAugmentation
from XRayTo3DLib.methods.image_translation.pairs import SplitPairs, translation_metrics, translation_samples
from XRayTo3DLib.methods.image_translation.translator import Translator, to_network
from XRayTo3DLib.methods.style_transfer.configuration import StyleTransferConfiguration
from XRayTo3DLib.methods.style_transfer.unpaired import unpaired
from XRayTo3DLib.networks.cyclegan import PictureDiscriminator, PicturePool, ResnetGenerator
from XRayTo3DLib.networks.losses import least_squares_loss
from XRayTo3DLib.networks.projection_losses import ngcc
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan, seed_of
from XRayTo3DLib.training.samples import TrainingSample

BETAS = (0.5, 0.999)
GENERATORS, DISCRIMINATORS = ("to_drr", "to_radiograph"), ("drrs", "radiographs")


@dataclass(eq=False)
class UnpairedBatch:
    """Radiographs and DRRs of different people, each (B, 1, N, N) in [-1, 1].

    Attributes:
        radiographs: Of some.
        drrs: Of others.
        made: DRRs and radiographs the generators made of them in this step; the generators' loss fills it.
    """

    radiographs: Tensor
    drrs: Tensor
    made: tuple[Tensor, Tensor] | None = None


class CycleGanTask:
    """What the engine needs to train a CycleGAN.

    Args:
        configuration: Sizes and losses.
        pairs: Training people give radiographs or DRRs, nobody both; only the validation people are seen as pairs.
        device: Where pictures are moved about.
    """

    def __init__(self, configuration: StyleTransferConfiguration, pairs: SplitPairs, device: str = "cpu") -> None:
        self.configuration, self._validation = configuration, pairs.validation
        torch.manual_seed(configuration.seed)
        self.networks = make_networks(configuration)
        data, gan = configuration.data, configuration.gan
        people = unpaired(pairs.training)
        self._radiographs = _pictures(people.radiographs, data.radiograph_scale, device)
        self._drrs = _pictures(people.drrs, data.image.scale, device)
        # Seeds of their own: which radiograph meets which DRR is new in every epoch.
        self._moved = tuple(
            PairAugmentation(AffineRange(), seed_of(configuration.seed, name), data.copies)
            for name in ("radiographs", "drrs")
        )
        schedule = Schedule(gan.lr, "linear-decay")
        optimisers = (
            OptimiserPlan("generators", GENERATORS, schedule, BETAS, running=DISCRIMINATORS),
            OptimiserPlan("discriminators", DISCRIMINATORS, schedule, BETAS),
        )
        self.stages = (StagePlan("cyclegan", gan.steps, gan.batch, optimisers, gan.validate_every),)

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> UnpairedBatch:
        """Affine copies of radiographs and, drawn on their own, of DRRs."""
        del stage, step
        radiographs, drrs = self._moved
        return UnpairedBatch(
            radiographs.batch(self._radiographs, items).to(device), drrs.batch(self._drrs, items).to(device)
        )

    def loss(self, stage: str, optimiser: str, batch: UnpairedBatch) -> dict[str, Tensor]:
        """Loss of both generators or of both discriminators."""
        del stage
        return self._generators(batch) if optimiser == "generators" else self._discriminators(batch)

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Mean absolute error in line integrals, and gradient correlation, on the validation people's pairs."""
        del stage, device
        return translation_metrics(Translator(self.configuration, self.networks["to_drr"]), self._validation)

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Radiograph, made and true DRR of the first validation pairs."""
        del stage, device
        translator = Translator(self.configuration, self.networks["to_drr"])
        return translation_samples(translator, self._validation, count, self.configuration.data)

    def _generators(self, batch: UnpairedBatch) -> dict[str, Tensor]:
        gan, nets = self.configuration.gan, self.networks
        to_drr, to_radiograph = (nets[name] for name in GENERATORS)
        drrs, radiographs = to_drr(batch.radiographs), to_radiograph(batch.drrs)
        batch.made = drrs.detach(), radiographs.detach()
        adversarial = least_squares_loss(nets["drrs"](drrs), True)
        adversarial = adversarial + least_squares_loss(nets["radiographs"](radiographs), True)
        cycle = functional.l1_loss(to_radiograph(drrs), batch.radiographs)
        cycle = cycle + functional.l1_loss(to_drr(radiographs), batch.drrs)
        losses = {"adversarial": adversarial, "cycle": cycle}
        total = adversarial + gan.cycle * cycle
        if gan.identity:
            identity = functional.l1_loss(to_drr(batch.drrs), batch.drrs)
            identity = identity + functional.l1_loss(to_radiograph(batch.radiographs), batch.radiographs)
            losses["identity"], total = identity, total + gan.cycle * gan.identity * identity
        if gan.structure:
            lost = 2 - ngcc(drrs, batch.radiographs).mean() - ngcc(radiographs, batch.drrs).mean()
            losses["structure"], total = lost, total + gan.structure * lost
        return {"loss": total, **{name: value.detach() for name, value in losses.items()}}

    def _discriminators(self, batch: UnpairedBatch) -> dict[str, Tensor]:
        """Against made pictures from the pools: some of this step, some of earlier ones."""
        if batch.made is None:
            raise RuntimeError("CycleGAN: the generators' loss of this batch comes first.")
        nets = self.networks
        total = torch.zeros((), device=batch.drrs.device)
        for name, real, made in zip(DISCRIMINATORS, (batch.drrs, batch.radiographs), batch.made, strict=True):
            shown = nets[f"pool_of_{name}"](made)
            judged = least_squares_loss(nets[name](real), True) + least_squares_loss(nets[name](shown), False)
            total = total + 0.5 * judged
        return {"loss": total}


def make_generator(configuration: StyleTransferConfiguration) -> ResnetGenerator:
    """One of the two, with random weights; all that a finished model needs."""
    gan = configuration.gan
    return ResnetGenerator(gan.blocks, gan.channels, norm=gan.norm)


def make_networks(configuration: StyleTransferConfiguration) -> nn.ModuleDict:
    """Two generators and two discriminators with random weights, and the discriminators' empty pools."""
    gan = configuration.gan
    nets: dict[str, nn.Module] = {name: make_generator(configuration) for name in GENERATORS}
    for name in DISCRIMINATORS:
        nets[name] = PictureDiscriminator(gan.discriminator_channels, gan.layers, norm=gan.norm)
        nets[f"pool_of_{name}"] = PicturePool(gan.pool, configuration.data.image.size)
    return nn.ModuleDict(nets)


def _pictures(line_integrals: NDArray[np.float32], scale: float, device: str) -> Tensor:
    """(N, 1, n, n) in [-1, 1]."""
    return to_network(torch.from_numpy(line_integrals), scale)[:, None].to(device)
