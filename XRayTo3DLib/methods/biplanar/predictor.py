"""A trained biplanar network at work: pictures and their cameras in, probabilities of bone out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.methods.biplanar.adaptation import Adaptation, adapted
from XRayTo3DLib.methods.biplanar.configuration import BiplanarConfiguration
from XRayTo3DLib.methods.biplanar.networks import VOLUME, Lift
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.projection.precision import inference


class BiplanarPredictor:
    """Shapes from pictures.

    Args:
        configuration: The one it was trained with.
        networks: With the volume network.
        attenuation: (labels, 2) of each bone, and what its cortex has more, 1/mm; for adaptation.
        likeness: NGCC of true bones' DRRs with their pictures: as far as adaptation goes.
        adaptation: Fit the network to each person's pictures first; None: use it as it is.
    """

    def __init__(
        self,
        configuration: BiplanarConfiguration,
        networks: nn.ModuleDict,
        attenuation: ArrayLike,
        likeness: float = 1.0,
        adaptation: Adaptation | None = None,
    ) -> None:
        self.configuration, self.networks, self.adaptation = configuration, networks.eval(), adaptation
        self.network: nn.Module = networks[VOLUME]
        self.lift = Lift(configuration.data, configuration.network.lift)
        self.likeness = float(likeness)
        self._device = next(self.network.parameters()).device
        self.attenuation = torch.as_tensor(np.asarray(attenuation), dtype=torch.float32, device=self._device)

    @property
    def calibrated(self) -> bool:
        """Whether it looks at the cameras; a replicated lift cannot."""
        return self.lift.calibrated

    def adapting(self, options: Adaptation) -> BiplanarPredictor:
        """The same model, fitted to each person's pictures before it answers."""
        return BiplanarPredictor(self.configuration, self.networks, self.attenuation.cpu(), self.likeness, options)

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[ShapeFields]:
        """Probabilities of each bone from (N, views, n, n) line integrals of bone.

        Args:
            images: As ``cameras`` saw them; for a replicated lift canonical images.
            cameras: For each person the views' cameras, in the reconstruction frame, mm; None: the canonical ones.

        Raises:
            InputError: Not as many views as the model was trained for, or cameras that do not fit.
        """
        pictures = torch.as_tensor(np.asarray(images), dtype=torch.float32, device=self._device)
        self.lift.check(pictures, cameras)
        seen_by = [None] * len(pictures) if cameras is None else cameras
        return [self._shapes(one[None], each) for one, each in zip(pictures, seen_by, strict=True)]

    def lifted(self, images: Tensor, cameras: Sequence[XRayCamera] | None) -> Tensor:
        """(1, views, Z, Y, X) of one person's pictures (1, views, n, n), scaled as the network wants them."""
        return self.lift(images / self.configuration.data.image.scale, None if cameras is None else [cameras])

    def _shapes(self, images: Tensor, cameras: Sequence[XRayCamera] | None) -> ShapeFields:
        if self.adaptation is not None:
            logits = adapted(self, images, cameras, self.adaptation)
        else:
            with inference(self._device):
                logits = self.network(self.lifted(images, cameras))
        return fields_of(logits, self.configuration)


def fields_of(logits: Tensor, configuration: BiplanarConfiguration) -> ShapeFields:
    """Probabilities of each bone of one person, from (1, 1 + labels, Z, Y, X) logits."""
    bones = logits[0].float().softmax(dim=0)[1:]
    return ShapeFields(bones.cpu().numpy(), 0.5, configuration.data.voxels)
