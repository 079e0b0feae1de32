"""The one training stage of the encoder-decoder, as a task of the training engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import Sample
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.data import People, exposures_of, moved, require_bones_in_grid
from XRayTo3DLib.methods.encoder_decoder.configuration import EncoderDecoderConfiguration
from XRayTo3DLib.methods.encoder_decoder.predictor import EncoderDecoderPredictor, bone_probabilities, made_network
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.methods.validation import shape_samples, surface_errors
from XRayTo3DLib.networks.losses import soft_cross_entropy
from XRayTo3DLib.networks.segmentation_losses import dice_semimetric_loss
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan
from XRayTo3DLib.training.samples import TrainingSample

STAGE, NETWORK = "training", "network"
VALIDATION_CASES = 8
"""People looked at in a validation while training; the experiments look at everybody."""


class EncoderDecoderTask:
    """What the engine needs to train an encoder-decoder.

    Args:
        configuration: Sizes, losses, steps.
        people: Who is learned from; the test people are not touched.
        device: Where exposures are rendered.
    """

    def __init__(self, configuration: EncoderDecoderConfiguration, people: People, device: str = "cpu") -> None:
        self.configuration = configuration
        torch.manual_seed(configuration.seed)
        self.networks = nn.ModuleDict({NETWORK: made_network(configuration)})
        seed = configuration.seed
        self._exposures = exposures_of(configuration.data, people.training, seed, device, turned=True)
        require_bones_in_grid(self._exposures, configuration.data.labels)
        self._validation_cases = people.validation.cases
        self._validation = exposures_of(configuration.data, people.validation, seed, device)
        plan, adam = configuration.training, "adam"
        optimiser = OptimiserPlan(adam, (NETWORK,), Schedule(plan.lr, plan.schedule))  # type: ignore[arg-type]
        self.stages: Sequence[StagePlan] = [StagePlan(STAGE, plan.steps, plan.batch, (optimiser,), plan.validate_every)]

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> Sample:
        """Random exposures."""
        del step
        return moved(self._exposures.sample(stage, items), device)

    def loss(self, stage: str, optimiser: str, batch: Sample) -> dict[str, Tensor]:
        """Losses of one update."""
        del stage, optimiser
        data, weights = self.configuration.data, self.configuration.loss
        images = batch.images / data.image.scale
        noisy = images + data.noise * torch.randn_like(images) if data.noise else images
        logits, parts = self.networks[NETWORK](noisy), {}
        if weights.cross_entropy:
            parts["cross_entropy"] = weights.cross_entropy * self._entropy(logits, batch.soft_labels)
        if weights.dice:
            found = bone_probabilities(logits, self.configuration.network.head)
            parts["dice"] = weights.dice * dice_semimetric_loss(found.flatten(3), batch.soft_labels.flatten(3))
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Mean surface distance per bone on people not trained on, mm, and how many bones were lost."""
        del stage, device
        data = self.configuration.data
        return surface_errors(*self._answers(VALIDATION_CASES), data.labels, data.voxels)

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Bones of the first validation people."""
        del stage, device
        data = self.configuration.data
        return shape_samples(*self._answers(count), data.labels, data.voxels)

    def _answers(self, most: int) -> tuple[list[ShapeFields], list[DatasetCase], Sequence[FloatArray]]:
        """Bones of at most so many validation people as the network has them now, who they are, how they are held."""
        sample = self._validation.sample("validation", range(min(len(self._validation_cases), most)))
        predictor = EncoderDecoderPredictor(self.configuration, self.networks[NETWORK])
        fields = predictor.predict(sample.images.cpu().numpy())
        return fields, [self._validation_cases[index] for index in sample.case_index], sample.poses

    def _entropy(self, logits: Tensor, soft_labels: Tensor) -> Tensor:
        if self.configuration.network.head == "sigmoid":
            return functional.binary_cross_entropy_with_logits(logits, soft_labels)
        return soft_cross_entropy(logits, soft_labels)
