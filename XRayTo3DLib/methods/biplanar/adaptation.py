"""Test-time use of the projection loss: the network is fitted to one person's pictures, without any ground truth.

A copy of the network takes a few steps that make DRRs of its prediction more like the pictures it came from (Kasten et
al. 2020 train on unlabelled pictures so). What the training learnt of bones is where it starts, few small steps keep it
near, and it stops once the pictures are as alike as those of true bones: beyond, form would explain density.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.networks.projection_losses import projected, projection_loss, seen_whole
from XRayTo3DLib.projection.precision import full_precision

if TYPE_CHECKING:
    from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor


@dataclass(frozen=True)
class Adaptation:
    """How a network is fitted to one person's pictures.

    Attributes:
        steps: Steps of Adam at most.
        lr: Its learning rate.

    Raises:
        InputError: No step, or a rate that is not above zero.
    """

    steps: int = 20
    lr: float = 3e-5

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.lr > 0:
            raise InputError(f"adaptation: steps ({self.steps}) begin at 1, the rate ({self.lr}) lies above zero.")


def adapted(
    predictor: BiplanarPredictor, images: Tensor, cameras: Sequence[XRayCamera] | None, options: Adaptation
) -> Tensor:
    """Logits of one person from a network fitted to the person's own pictures; the predictor's stays as it is.

    Args:
        predictor: The trained model.
        images: (1, views, n, n) line integrals of bone.
        cameras: The views' cameras, in the reconstruction frame, mm; None: the canonical ones.
        options: Steps and rate.

    Returns:
        (1, 1 + labels, Z, Y, X).
    """
    seen_by = predictor.lift.cameras(1, None if cameras is None else [cameras])
    voxel_to_frame = predictor.configuration.data.voxels.voxel_to_frame
    with full_precision(images.device), torch.inference_mode(False), torch.enable_grad():
        images = images.clone()
        network: nn.Module = copy.deepcopy(predictor.network)
        volumes = predictor.lifted(images, cameras)
        seen = seen_whole(seen_by, voxel_to_frame, volumes.shape[2:], images)
        optimiser = torch.optim.Adam(network.requires_grad_().parameters(), options.lr)
        for _ in range(options.steps):
            optimiser.zero_grad()
            bones = network(volumes).softmax(dim=1)[:, 1:]
            pictures = projected(bones, predictor.attenuation, seen_by, voxel_to_frame)
            loss = projection_loss(pictures, images, seen)
            if -loss.item() >= predictor.likeness * len(seen_by[0]):
                break
            loss.backward()
            optimiser.step()
    with full_precision(images.device), torch.no_grad():
        return network(volumes)
