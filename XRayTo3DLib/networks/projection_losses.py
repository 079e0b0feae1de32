"""Comparing predicted volumes with the pictures they came from: no ground truth is needed (Kasten et al., 2020).

Bone probabilities times the bones' attenuation are projected along the cameras' rays and compared with the pictures by
normalised gradient cross-correlation, blind to gain and offset. Gradients flow to every voxel.

A bone is no block: its cortex attenuates more than what is inside. With one number a bone the true shape itself reaches
an NGCC of 0.87 in its own pictures, and fitting to them makes shapes worse; with a second one for the cortex 0.97
(SYNTHETIC knees). So p m + p (1 - blurred p) c stands for a bone of probability p: the second term is a shell of about
SHELL_MM under the surface.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.projection.drr import DrrProjector

SMOOTH = (0.25, 0.5, 0.25)
SLOPE = (-0.5, 0.0, 0.5)
"""Sobel's operator, divided by 8: a derivative along one axis, smoothed along the other."""
FLAT = 1e-6
"""Length of all of a picture's derivatives (less their mean) below which it counts as without edges."""
SHELL_MM = 2.0
"""Standard deviation of the blur that tells a bone's cortex from its inside, mm."""
BLUR_REACH = 2.5
"""How far the blur sees, in standard deviations."""


def image_gradients(images: Tensor) -> Tensor:
    """(B, 2, rows - 2, columns - 2) derivatives along columns and along rows of ``images`` (B, 1, rows, columns)."""
    smooth, slope = (torch.tensor(each, dtype=images.dtype, device=images.device) for each in (SMOOTH, SLOPE))
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    return functional.conv2d(images, kernels)


def ngcc(a: Tensor, b: Tensor, seen: Tensor | None = None) -> Tensor:
    """Normalised gradient cross-correlation (B,) of pictures (B, 1, rows, columns), -1 to 1.

    1/2 [NCC(dx a, dx b) + NCC(dy a, dy b)], NCC being the mean product of both, each with mean 0 and variance 1 over
    the picture. A direction in which one picture has no edges counts 0.

    Args:
        a: Pictures.
        b: Pictures.
        seen: (B, 1, rows, columns) which pixels count, 0 or 1; all if None. A derivative counts where all of its
            3 x 3 pixels do.
    """
    weights = None if seen is None else usable(seen).flatten(2)
    one, other = (_centred(image_gradients(each).flatten(2), weights) for each in (a, b))
    return functional.cosine_similarity(one, other, dim=2, eps=FLAT).mean(dim=1)


def usable(seen: Tensor) -> Tensor:
    """(B, 1, rows - 2, columns - 2) where derivatives see pixels that count alone; ``seen`` (B, 1, rows, columns)."""
    return -functional.max_pool2d(-seen, 3, stride=1)


def _centred(values: Tensor, weights: Tensor | None) -> Tensor:
    """(B, 2, n) less their (weighted) mean, 0 where the weight is."""
    if weights is None:
        return values - values.mean(dim=2, keepdim=True)
    mean = (values * weights).sum(dim=2, keepdim=True) / weights.sum(dim=2, keepdim=True).clamp(min=1.0)
    return (values - mean) * weights


# ---- from probabilities to pictures ---------------------------------------------------------------------------------


def inside_and_cortex(probabilities: Tensor, spacing_mm: float) -> Tensor:
    """What attenuates in each bone: (B, labels, 2, Z, Y, X), how much of it is bone, and how much of that is cortex.

    Args:
        probabilities: (B, labels, Z, Y, X) share of each voxel that a bone fills; gradients flow to them.
        spacing_mm: Of the voxels.
    """
    cortex = probabilities * (1.0 - _blurred(probabilities, SHELL_MM / spacing_mm))
    return torch.stack([probabilities, cortex], dim=2)


def projected(
    probabilities: Tensor,
    attenuation: Tensor,
    cameras: Sequence[Sequence[XRayCamera]],
    voxel_to_frame: NDArray[np.float64],
) -> Tensor:
    """Line integrals of what the bones attenuate: (B, views, rows, columns), dimensionless.

    Args:
        probabilities: (B, labels, Z, Y, X) share of each voxel that a bone fills; gradients flow to them.
        attenuation: (labels,) linear attenuation of each bone, 1/mm; or (labels, 2): of all of it, and what its cortex
            has more.
        cameras: For each of the batch its views' cameras in the grid's frame.
        voxel_to_frame: (4, 4) from voxels (column, row, slice) to that frame, mm.
    """
    if attenuation.ndim == 1:
        volumes = torch.einsum("blzyx,l->bzyx", probabilities, attenuation)
    else:
        spacing = float(np.linalg.norm(voxel_to_frame[:3, 0]))
        volumes = torch.einsum("blkzyx,lk->bzyx", inside_and_cortex(probabilities, spacing), attenuation)
    return torch.stack([drrs(volume, views, voxel_to_frame) for volume, views in zip(volumes, cameras, strict=True)])


def drrs(volume: Tensor, cameras: Sequence[XRayCamera], voxel_to_frame: NDArray[np.float64]) -> Tensor:
    """(views, rows, columns) line integrals of a volume (Z, Y, X) in 1/mm, with gradients to its voxels.

    Of a volume of nothing, such as that of a bone held outside the grid, they are 0.
    """
    if not bool(volume.any()):
        return torch.stack([volume.sum() * torch.zeros(camera.size[::-1]).to(volume) for camera in cameras])
    project = DrrProjector(volume, voxel_to_frame, volume.device, shear_warp=False)
    return torch.stack([project(camera, np.eye(4)) for camera in cameras])


def whole_rays(camera: XRayCamera, voxel_to_frame: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.bool_]:
    """(rows, columns) rays that cross a grid from side to side: they meet nothing that the grid cut off.

    Shafts leave it through its first and last slice. A ray that passes there, or beside the grid, meets bone that is in
    the picture but not in the grid.

    Args:
        camera: In the grid's frame.
        voxel_to_frame: (4, 4) from voxels (column, row, slice) to the frame, mm.
        shape: (slices, rows, columns) of the grid.
    """
    to_voxel = np.linalg.inv(voxel_to_frame)
    source = to_voxel[:3, :3] @ camera.source + to_voxel[:3, 3]
    columns, rows = camera.size
    pixels = camera.pixel_to_world(np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1))
    rays = pixels @ to_voxel[:3, :3].T + to_voxel[:3, 3] - source
    faces = np.stack([np.full(3, -0.5), np.array(shape[::-1]) - 0.5])
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (faces[:, None, None] - source) / rays
    enter, leave = along.min(axis=0)[..., :2].max(axis=-1), along.max(axis=0)[..., :2].min(axis=-1)
    ends = source[2] + np.stack([enter, leave]) * rays[..., 2]
    within = ((ends >= faces[0, 2]) & (ends <= faces[1, 2])).all(axis=0)
    return np.asarray((enter < leave) & within)


def seen_whole(
    cameras: Sequence[Sequence[XRayCamera]], voxel_to_frame: FloatArray, shape: Sequence[int], like: Tensor
) -> Tensor:
    """(B, views, rows, columns) 1 where :func:`whole_rays` are, of the type and on the device of ``like``."""
    masks = [[whole_rays(camera, voxel_to_frame, shape) for camera in views] for views in cameras]
    return torch.as_tensor(np.array(masks), dtype=like.dtype, device=like.device)


def projection_loss(pictures: Tensor, images: Tensor, seen: Tensor | None = None) -> Tensor:
    """Minus the NGCC of ``pictures`` and ``images``, each (B, views, rows, columns): views' sum, batch's mean.

    ``seen`` (B, views, rows, columns): which pixels count, see :func:`ngcc`.
    """
    batch, views, *sides = images.shape
    flat = (batch * views, 1, *sides)
    each = ngcc(pictures.reshape(flat), images.reshape(flat), None if seen is None else seen.reshape(flat))
    return -each.reshape(batch, views).sum(dim=1).mean()


def _blurred(volumes: Tensor, sigma: float) -> Tensor:
    """(B, C, Z, Y, X) under a Gaussian of ``sigma`` voxels; the volume goes on as it is at its border.

    Sums of shifted copies: convolutions of single channels are slow on a CPU.
    """
    reach = max(1, math.ceil(BLUR_REACH * sigma))
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(reach + 1)]
    total = 2 * sum(weights) - weights[0]
    for axis in (2, 3, 4):
        padding, count = [0] * 6, volumes.shape[axis]
        padding[2 * (4 - axis)] = padding[2 * (4 - axis) + 1] = reach
        padded = functional.pad(volumes, padding, mode="replicate")
        volumes = padded.narrow(axis, reach, count) * (weights[0] / total)
        for step in range(1, reach + 1):
            pair = padded.narrow(axis, reach - step, count) + padded.narrow(axis, reach + step, count)
            volumes = volumes + pair * (weights[step] / total)
    return volumes
