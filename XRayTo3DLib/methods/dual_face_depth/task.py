"""The stages of dual-face depth, as tasks of the training engine.

1. Pretraining (optional): the depth network's encoder guesses hidden patches of radiographs.
2. Segmentation: which pixels see which bone.
3. Depth: front and back of every bone, z along the detector's normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from XRayTo3DLib.methods.dual_face_depth.augmentation import augmented
from XRayTo3DLib.methods.dual_face_depth.configuration import DepthStageConfiguration, DualFaceConfiguration
from XRayTo3DLib.methods.dual_face_depth.measures import depth_errors, dice
from XRayTo3DLib.methods.dual_face_depth.networks import DEPTH, PRETRAINING, SEGMENTATION
from XRayTo3DLib.methods.dual_face_depth.samples import front_samples, mask_samples
from XRayTo3DLib.methods.dual_face_depth.statistics import Views, ViewStatistics
from XRayTo3DLib.networks.depth_losses import centre_aligned_loss, scale_invariant_loss
from XRayTo3DLib.networks.masked_autoencoder import masked_loss, random_patches
from XRayTo3DLib.networks.segmentation_losses import segmentation_loss
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan, seed_of
from XRayTo3DLib.training.samples import TrainingSample

VALIDATION_VIEWS = 64
"""Looked at in a validation while training, evenly chosen; the experiments look at everybody."""
VALIDATION_BATCH = 8
LEAST_MM = 1.0
"""Depth has a logarithm: a network that has learnt nothing yet may not put a bone behind the source."""


@dataclass(frozen=True, eq=False)
class DepthBatch:
    """Training views on the device.

    Attributes:
        images: (B, 1, N, N) pictures as networks see them.
        depth: (B, channels, N, N) z, mm; 0 outside bones.
        mask: The same shape: which pixels it is of.
    """

    images: Tensor
    depth: Tensor
    mask: Tensor


class DualFaceTask:
    """What the engine needs to train dual-face depth.

    Args:
        configuration: Losses, augmentation, stages.
        networks: "depth", "segmentation", and "pretraining" where that is done.
        training: Views to learn from.
        validation: Views to judge by while training.
        statistics: Of depth in the training views.
        unlabelled: Further pictures (N, N) over the scale for pretraining.
    """

    def __init__(
        self,
        configuration: DualFaceConfiguration,
        networks: nn.ModuleDict,
        training: Views,
        validation: Views,
        statistics: ViewStatistics,
        unlabelled: Sequence[Tensor] = (),
    ) -> None:
        self.configuration, self.networks = configuration, networks
        self._training, self._validation, self._unlabelled = training, validation, unlabelled
        self._statistics = statistics
        stages = configuration.stages
        wanted = ((PRETRAINING, stages.pretraining), (SEGMENTATION, stages.segmentation), (DEPTH, stages.depth))
        self.stages: Sequence[StagePlan] = [self._plan(name, stage) for name, stage in wanted if stage.trained]

    def batch(self, stage: str, items: Sequence[int], step: int, device: Any) -> DepthBatch:
        """Training views, each changed at random; every view comes once before any comes again."""
        del step
        return self._batch([self._changed(stage, item) for item in items], device)

    def loss(self, stage: str, optimiser: str, batch: DepthBatch) -> dict[str, Tensor]:
        """Losses of one update."""
        del optimiser
        network = self.networks[stage]
        if stage == PRETRAINING:
            images = batch.images
            hidden = random_patches(len(images), (images.shape[-2], images.shape[-1])).to(images.device)
            return {"loss": masked_loss(network(images, hidden), images, hidden)}
        if stage == SEGMENTATION:
            return {"loss": segmentation_loss(network(batch.images), batch.mask.float())}
        loss = self.configuration.loss
        compare = centre_aligned_loss if loss.kind == "casi" else scale_invariant_loss
        found = self._depth(batch.images).clamp(min=LEAST_MM)
        return {"loss": compare(found, batch.depth, batch.mask, aggregate=loss.aggregate)}

    def validate(self, stage: str, device: Any) -> dict[str, float]:
        """Views not trained on: depth errors in mm, Dice of the masks, or the masked patches' error."""
        batches = [self._validation_batch(stage, part, device) for part in _parts(len(self._validation))]
        if stage == PRETRAINING:
            losses = [self.loss(stage, stage, batch)["loss"] for batch in batches]
            return {"masked_mse": float(torch.stack(losses).mean())}
        if stage == SEGMENTATION:
            found = [(self.networks[SEGMENTATION](batch.images) > 0, batch.mask) for batch in batches]
            return {"dice": dice(torch.cat([f for f, _ in found]), torch.cat([m for _, m in found]))}
        depths = torch.cat([self._depth(batch.images) for batch in batches])
        return depth_errors(depths, torch.cat([b.depth for b in batches]), torch.cat([b.mask for b in batches]))

    def samples(self, stage: str, device: Any, count: int) -> list[TrainingSample]:
        """Radiograph, present answer and truth of the first validation views: masks, or how near front faces are."""
        if stage == PRETRAINING:
            return []
        batch = self._validation_batch(stage, range(min(count, len(self._validation))), device)
        images, bones = self._validation_pictures(len(batch.images)), len(self.configuration.data.labels)
        if stage == SEGMENTATION:
            return mask_samples(images, self.networks[SEGMENTATION](batch.images) > 0, batch.mask)
        return front_samples(
            images, self._depth(batch.images)[:, :bones], batch.depth[:, :bones], batch.mask[:, :bones]
        )

    def _validation_pictures(self, count: int) -> Tensor:
        return torch.stack([self._validation.item(index)[0] for index in range(count)])

    def _depth(self, images: Tensor) -> Tensor:
        return self._statistics.depth_of(self.networks[DEPTH](images).float())

    def _changed(self, stage: str, item: int) -> tuple[Tensor, Tensor]:
        views = self._views_of(stage)
        epoch, place = divmod(item, views)
        seed = self.configuration.seed
        order = Generator().manual_seed(seed_of(seed, stage, "order", epoch))
        index = int(torch.randperm(views, generator=order)[place])
        image, depth = self._view(stage, index)
        random = Generator().manual_seed(seed_of(seed, stage, "item", item))
        return augmented(image, depth, self.configuration.data.labels, self.configuration.augmentation, random)

    def _views_of(self, stage: str) -> int:
        return len(self._training) + (len(self._unlabelled) if stage == PRETRAINING else 0)

    def _view(self, stage: str, index: int) -> tuple[Tensor, Tensor]:
        if index >= len(self._training):
            image = self._unlabelled[index - len(self._training)]
            return image, image.new_full((0, *image.shape), torch.nan)
        image, depth = self._training.item(index)
        return image, depth[: self._channels(stage)]

    def _channels(self, stage: str) -> int:
        bones = len(self.configuration.data.labels)
        return {PRETRAINING: 0, SEGMENTATION: bones, DEPTH: self.configuration.outputs}[stage]

    def _validation_batch(self, stage: str, indices: Sequence[int], device: Any) -> DepthBatch:
        views = [self._validation.item(index) for index in indices]
        return self._batch([(image, depth[: self._channels(stage)]) for image, depth in views], device)

    def _batch(self, views: Sequence[tuple[Tensor, Tensor]], device: Any) -> DepthBatch:
        images, depths = (torch.stack(each) for each in zip(*views, strict=True))
        seen = self._statistics.seen(images)[:, None].to(device)
        return DepthBatch(seen, torch.nan_to_num(depths).to(device), depths.isfinite().to(device))

    def _plan(self, name: str, stage: DepthStageConfiguration) -> StagePlan:
        views = self._views_of(name)
        per_epoch = -(-views // stage.batch)
        steps = stage.steps or stage.epochs * per_epoch
        first = stage.first * (1 if stage.steps else per_epoch)
        schedule = Schedule(stage.lr, stage.schedule, first, stage.factor)  # type: ignore[arg-type]
        optimiser = OptimiserPlan("adamw", (name,), schedule, weight_decay=stage.weight_decay)
        return StagePlan(name, steps, stage.batch, (optimiser,), stage.validate_every)


def _parts(views: int) -> list[list[int]]:
    """At most VALIDATION_VIEWS of so many, evenly chosen, in batches."""
    count = min(views, VALIDATION_VIEWS)
    chosen = [number * views // count for number in range(count)]
    return [chosen[start : start + VALIDATION_BATCH] for start in range(0, count, VALIDATION_BATCH)]
