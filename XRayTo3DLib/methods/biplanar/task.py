"""The training of a biplanar network, as a task of the training engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import Exposures, Sample
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.biplanar.attenuation import bone_attenuation, true_likeness
from XRayTo3DLib.methods.biplanar.configuration import BiplanarConfiguration
from XRayTo3DLib.methods.biplanar.networks import VOLUME, Lift, make_networks
from XRayTo3DLib.methods.biplanar.predictor import fields_of
from XRayTo3DLib.methods.data import People, exposures_of, moved, require_bones_in_grid
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.methods.validation import shape_samples, surface_errors
from XRayTo3DLib.networks.losses import soft_cross_entropy
from XRayTo3DLib.networks.projection_losses import projected, projection_loss, seen_whole
from XRayTo3DLib.networks.volume_losses import surface_weights
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan
from XRayTo3DLib.training.samples import TrainingSample

STAGE = "network"
VALIDATION_CASES = 8
"""People looked at in a validation while training; the experiments look at everybody."""


class BiplanarTask:
    """What the engine needs to train a biplanar network.

    Args:
        configuration: Sizes, losses, updates.
        people: Who is learned from; the test people are not touched.
        device: Where exposures are rendered.
    """

    def __init__(self, configuration: BiplanarConfiguration, people: People, device: str = "cpu") -> None:
        self.configuration = configuration
        data, training = configuration.data, configuration.training
        torch.manual_seed(configuration.seed)
        self.networks: nn.ModuleDict = make_networks(configuration)
        self.lift = Lift(data, configuration.network.lift)
        self._exposures = exposures_of(data, people.training, configuration.seed, device, turned=True)
        self._validation: Exposures = exposures_of(data, people.validation, configuration.seed, device)
        self._validation_cases = people.validation.cases
        adam = OptimiserPlan("adam", (VOLUME,), Schedule(training.lr, training.schedule))  # type: ignore[arg-type]
        self.stages: Sequence[StagePlan] = [
            StagePlan(STAGE, training.steps, training.batch, (adam,), training.validate_every)
        ]
        require_bones_in_grid(self._exposures, data.labels)
        self.attenuation = bone_attenuation(self._exposures)
        """(labels, 2) of each bone, and what its cortex has more, 1/mm."""
        self.likeness = true_likeness(self._exposures, self.attenuation)
        """NGCC that true bones' DRRs reach in their pictures."""

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> Sample:
        """Random exposures."""
        del step
        weighted = self.configuration.loss.surface > 0
        return moved(self._exposures.sample(stage, items, distances=weighted), device)

    def loss(self, stage: str, optimiser: str, batch: Sample) -> dict[str, Tensor]:
        """Weighted cross entropy, and the projection loss where it has a weight."""
        del stage, optimiser
        logits = self._logits(batch, self.configuration.data.noise)
        options = self.configuration.loss
        entropy = soft_cross_entropy(logits, batch.soft_labels, self._weights(batch))
        if not options.projection:
            return {"loss": entropy}
        projection = self._projection(logits, batch)
        return {"loss": entropy + options.projection * projection, "cross_entropy": entropy, "projection": projection}

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Mean surface distance per bone on people not trained on, mm, and how many bones were lost."""
        del stage
        data = self.configuration.data
        return surface_errors(*self._answers(device, VALIDATION_CASES), data.labels, data.voxels)

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Bones of the first validation people."""
        del stage
        data = self.configuration.data
        return shape_samples(*self._answers(device, count), data.labels, data.voxels)

    def _answers(self, device: Any, most: int) -> tuple[list[ShapeFields], list[DatasetCase], list[FloatArray]]:
        """Bones of at most so many validation people as the network has them now, who they are, how they are held."""
        count = min(len(self._validation_cases), most)
        found, cases, poses = [], [], []
        for item in range(count):
            sample = moved(self._validation.sample("validation", [item]), device)
            with torch.no_grad():
                found.append(fields_of(self._logits(sample), self.configuration))
            cases.append(self._validation_cases[int(sample.case_index[0])])
            poses.append(sample.poses[0])
        return found, cases, poses

    def _logits(self, sample: Sample, noise: float = 0.0) -> Tensor:
        images = sample.images / self.configuration.data.image.scale
        if noise:
            images = images + noise * torch.randn_like(images)
        return self.networks[VOLUME](self.lift(images, sample.cameras))

    def _weights(self, sample: Sample) -> Tensor | None:
        if sample.distances is None:
            return None
        return surface_weights(sample.distances, self.configuration.loss.surface, self.configuration.loss.surface_mm)

    def _projection(self, logits: Tensor, sample: Sample) -> Tensor:
        bones = logits.float().softmax(dim=1)[:, 1:]
        attenuation = torch.as_tensor(self.attenuation, device=bones.device)
        cameras, to_frame = self.lift.cameras(len(bones), sample.cameras), self.configuration.data.voxels.voxel_to_frame
        seen = seen_whole(cameras, to_frame, bones.shape[2:], bones)
        return projection_loss(projected(bones, attenuation, cameras, to_frame), sample.images, seen)
