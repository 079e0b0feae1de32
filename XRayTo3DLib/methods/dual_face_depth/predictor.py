"""Trained networks of dual-face depth at work: pictures in the standard geometry in, masks and depth out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.methods.dual_face_depth.networks import DEPTH, SEGMENTATION
from XRayTo3DLib.methods.dual_face_depth.statistics import ViewStatistics
from XRayTo3DLib.methods.types import DepthPrediction
from XRayTo3DLib.projection.precision import inference

SPECK = 0.1
"""Parts of a mask smaller than this share of its largest part are no bone."""


class DualFacePredictor:
    """Masks and depth from pictures.

    Args:
        configuration: The one it was trained with.
        networks: "depth" and "segmentation".
        statistics: Of depth in its training views.
    """

    def __init__(
        self, configuration: DualFaceConfiguration, networks: nn.ModuleDict, statistics: ViewStatistics
    ) -> None:
        self.configuration, self._networks, self.statistics = configuration, networks.eval(), statistics

    @property
    def places(self) -> bool:
        """Whether it says how far away bones are; else they are put where the training people's were, on average."""
        return self.configuration.loss.kind == "si"

    def predict_depth(
        self, image: NDArray[np.float32], camera: XRayCamera, covered: NDArray[np.bool_] | None = None
    ) -> DepthPrediction:
        """Masks and depth of one picture.

        Args:
            image: (N, N) line integrals in the standard geometry.
            camera: Whose picture it is.
            covered: (N, N), where the radiograph reaches: no bone is seen elsewhere. None: everywhere.

        Raises:
            InputError: A picture of another size.
        """
        data = self.configuration.data
        size = data.geometry.size
        if image.shape != (size, size) or camera.size != (size, size):
            raise InputError(f"this model sees pictures of {size} x {size} pixels, not {image.shape}.")
        device = next(self._networks[DEPTH].parameters()).device
        seen = self.statistics.seen(torch.from_numpy(np.float32(image / data.scale)))[None, None].to(device)
        with inference(device):
            found = (self._networks[SEGMENTATION](seen)[0] > 0).cpu().numpy()
            depth = self.statistics.depth_of(self._networks[DEPTH](seen).float())[0].cpu().numpy()
        found = found if covered is None else found & covered
        mask = np.stack([_without_specks(each) for each in found])
        front, back = self._faces(depth, mask)
        return DepthPrediction(front, back, mask, camera, data.labels)

    def _faces(
        self, depth: NDArray[np.float32], mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Front and back (bones, N, N) of (channels, N, N): placed, in order, NaN outside the bones."""
        faces = depth.reshape(-1, *mask.shape)
        if mask.any() and not self.places:
            faces = faces + np.float32(self.statistics.mean_mm - faces[:, mask].mean(dtype=np.float64))
        faces = np.where(mask, faces, np.float32(np.nan))
        if len(faces) == 1:
            return faces[0], None
        middle, half = faces.mean(axis=0), np.maximum(faces[1] - faces[0], 0) / 2
        return middle - half, middle + half


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes >= SPECK * sizes.max())[parts] & mask
