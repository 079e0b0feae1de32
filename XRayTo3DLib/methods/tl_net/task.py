"""The three training stages of TL-net, as tasks of the training engine.

1. Autoencoder: encoder and decoder learn bones, with noise on their input and a small L1 norm of the code.
2. Predictor: from images, the codes that the frozen encoder gives the bones.
3. Joint: predictor and decoder together, the encoder frozen, with the latent loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import Exposures, Sample
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.data import People, exposures_of, moved, require_bones_in_grid
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.methods.tl_net.networks import make_networks
from XRayTo3DLib.methods.tl_net.predictor import BATCH, fields_of
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.methods.validation import shape_samples, surface_errors
from XRayTo3DLib.networks.losses import code_distance, code_l1, latent_loss, soft_cross_entropy
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan
from XRayTo3DLib.training.samples import TrainingSample

AUTOENCODER, PREDICTOR, JOINT = "autoencoder", "predictor", "joint"
VALIDATION_CASES = 16
"""People looked at in a validation while training; the experiments look at everybody."""
ENCODED = "Bones encoded and decoded again, without any radiograph."


class TlNetTask:
    """What the engine needs to train a TL-net.

    Args:
        configuration: Sizes, losses, stages.
        people: Who is learned from; the test people are not touched.
        device: Where exposures are rendered.
    """

    def __init__(self, configuration: TlNetConfiguration, people: People, device: str = "cpu") -> None:
        self.configuration = configuration
        torch.manual_seed(configuration.seed)
        self.networks: nn.ModuleDict = make_networks(configuration)
        self._exposures = exposures_of(configuration.data, people.training, configuration.seed, device)
        self._validation_cases = people.validation.cases
        self._validation: Exposures = exposures_of(configuration.data, people.validation, configuration.seed, device)
        self.stages: Sequence[StagePlan] = self._plans()
        require_bones_in_grid(self._exposures, configuration.data.labels)

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> Sample:
        """Random exposures; the autoencoder needs no images."""
        del step
        return moved(self._exposures.sample(stage, items, images=stage != AUTOENCODER), device)

    def loss(self, stage: str, optimiser: str, batch: Sample) -> dict[str, Tensor]:
        """Losses of one update."""
        del optimiser
        return {AUTOENCODER: self._autoencoder, PREDICTOR: self._predictor, JOINT: self._joint}[stage](batch)

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Mean surface distance per bone on people not trained on, mm, and how many bones were lost."""
        data = self.configuration.data
        return surface_errors(*self._answers(stage, device, VALIDATION_CASES), data.labels, data.voxels)

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Bones of the first validation people; of the autoencoder those it decodes from their own codes."""
        data, note = self.configuration.data, ENCODED if stage == AUTOENCODER else ""
        return shape_samples(*self._answers(stage, device, count), data.labels, data.voxels, note)

    def _answers(
        self, stage: str, device: Any, most: int
    ) -> tuple[list[ShapeFields], list[DatasetCase], Sequence[FloatArray]]:
        """Bones of at most so many validation people as the networks have them now, who they are, how they are held."""
        count = min(len(self._validation_cases), most)
        sample = moved(self._validation.sample("validation", range(count), images=stage != AUTOENCODER), device)
        source = self.networks["encoder" if stage == AUTOENCODER else "predictor"]
        given = sample.soft_labels if stage == AUTOENCODER else self._scaled(sample.images)
        fields: list[ShapeFields] = []
        with torch.no_grad():
            for part in given.split(BATCH):
                fields += fields_of(self.networks["decoder"](source(part)), self.configuration.data.voxels)
        return fields, [self._validation_cases[index] for index in sample.case_index], sample.poses

    def _scaled(self, images: Tensor) -> Tensor:
        return images / self.configuration.data.image.scale

    def _images(self, sample: Sample) -> Tensor:
        images = self._scaled(sample.images)
        noise = self.configuration.data.noise
        return images + noise * torch.randn_like(images) if noise else images

    def _autoencoder(self, sample: Sample) -> dict[str, Tensor]:
        wanted = sample.soft_labels
        code = self.networks["encoder"](wanted + self.configuration.loss.noise * torch.randn_like(wanted))
        entropy = soft_cross_entropy(self.networks["decoder"](code), wanted)
        size = code_l1(code)
        return {"loss": entropy + self.configuration.loss.code * size, "cross_entropy": entropy, "code": size}

    def _predictor(self, sample: Sample) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self.networks["encoder"](sample.soft_labels)
        code = self.networks["predictor"](self._images(sample))
        return {"loss": code_distance(code, wanted, self.configuration.loss.squared)}

    def _joint(self, sample: Sample) -> dict[str, Tensor]:
        code = self.networks["predictor"](self._images(sample))
        logits = self.networks["decoder"](code)
        entropy = soft_cross_entropy(logits, sample.soft_labels)
        loss = self.configuration.loss
        latent = latent_loss(self.networks["encoder"], sample.soft_labels, code, logits, loss.latent_of, loss.squared)
        return {"loss": entropy + loss.latent * latent, "cross_entropy": entropy, "latent": latent}

    def _plans(self) -> list[StagePlan]:
        stages = self.configuration.stages
        trained = {AUTOENCODER: ("encoder", "decoder"), PREDICTOR: ("predictor",), JOINT: ("predictor", "decoder")}
        plans = []
        for name, networks in trained.items():
            stage = getattr(stages, name)
            adam = OptimiserPlan("adam", networks, Schedule(stage.lr, stage.schedule))
            plans.append(StagePlan(name, stage.steps, stage.batch, (adam,), stage.validate_every))
        return plans
