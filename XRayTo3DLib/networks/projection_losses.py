"""Comparing predicted volumes with the pictures they came from: no ground truth is needed (Kasten et al., 2020).

Bone probabilities times each bone's mean attenuation are projected along the cameras' rays and compared with the
pictures by normalised gradient cross-correlation, blind to gain and offset. Gradients flow to every voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.projection.drr import DrrProjector

SMOOTH = (0.25, 0.5, 0.25)
SLOPE = (-0.5, 0.0, 0.5)
"""Sobel's operator, divided by 8: a derivative along one axis, smoothed along the other."""
FLAT = 1e-6
"""Length of all of a picture's derivatives (less their mean) below which it counts as without edges."""


def image_gradients(images: Tensor) -> Tensor:
    """(B, 2, rows - 2, columns - 2) derivatives along columns and along rows of ``images`` (B, 1, rows, columns)."""
    smooth, slope = (torch.tensor(each, dtype=images.dtype, device=images.device) for each in (SMOOTH, SLOPE))
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    return functional.conv2d(images, kernels)


def ngcc(a: Tensor, b: Tensor) -> Tensor:
    """Normalised gradient cross-correlation (B,) of pictures (B, 1, rows, columns), -1 to 1.

    1/2 [NCC(dx a, dx b) + NCC(dy a, dy b)], NCC being the mean product of both, each with mean 0 and variance 1 over
    the picture. A direction in which one picture has no edges counts 0.
    """
    return _correlation(image_gradients(a), image_gradients(b)).mean(dim=1)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """(B, 2) of (B, 2, rows, columns)."""
    a, b = (each.flatten(2) - each.flatten(2).mean(dim=2, keepdim=True) for each in (a, b))
    return functional.cosine_similarity(a, b, dim=2, eps=FLAT)


def projected(
    probabilities: Tensor,
    attenuation: Tensor,
    cameras: Sequence[Sequence[XRayCamera]],
    voxel_to_frame: NDArray[np.float64],
) -> Tensor:
    """Line integrals of what the bones attenuate: (B, views, rows, columns), dimensionless.

    Args:
        probabilities: (B, labels, Z, Y, X) share of each voxel that a bone fills; gradients flow to them.
        attenuation: (labels,) mean linear attenuation of each bone, 1/mm.
        cameras: For each of the batch its views' cameras in the grid's frame.
        voxel_to_frame: (4, 4) from voxels (column, row, slice) to that frame, mm.
    """
    volumes = torch.einsum("blzyx,l->bzyx", probabilities, attenuation)
    pictures = []
    for volume, views in zip(volumes, cameras, strict=True):
        project = DrrProjector(volume, voxel_to_frame, volume.device, shear_warp=False)
        pictures.append(torch.stack([project(camera, np.eye(4)) for camera in views]))
    return torch.stack(pictures)


def projection_loss(pictures: Tensor, images: Tensor) -> Tensor:
    """Minus the NGCC of ``pictures`` and ``images``, each (B, views, rows, columns): views' sum, batch's mean."""
    batch, views, *sides = images.shape
    each = ngcc(pictures.reshape(batch * views, 1, *sides), images.reshape(batch * views, 1, *sides))
    return -each.reshape(batch, views).sum(dim=1).mean()
