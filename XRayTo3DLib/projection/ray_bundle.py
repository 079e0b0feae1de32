"""Rays of a camera in the voxel grid of a posed volume: the shared arithmetic of every projector engine.

With the ray of pixel (c, r) written as s + lambda d in voxel coordinates (lambda = 1 on the detector) and d_a its
component along the marching axis a, slice k of the volume is met at

    x_b(k) = offset_b + k slope_b,   slope_b = d_b / d_a,   offset_b = s_b - s_a slope_b      (b: the two other axes)

and each slice stands for a path of |d_world| / |d_a| millimetres (Joseph, IEEE TMI 1:192, 1982).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from XRayTo3DLib.geometry import XRayCamera


class MarchingRays(NamedTuple):
    """Rays that march slice by slice along one volume axis; all tensors (N,), float64, differentiable in the pose."""

    offset_u: Tensor
    offset_v: Tensor
    slope_u: Tensor
    slope_v: Tensor
    step_mm: Tensor
    lambda_zero: Tensor
    lambda_step: Tensor


class VoxelRays:
    """Source and ray matrix of ``camera`` in voxel coordinates of a volume posed by ``pose``.

    Args:
        camera: The exposure.
        pose: (4, 4) CT-to-world, LPS mm, float64; gradients flow through it.
        lps_to_voxel: (4, 4) from CT points in mm to voxel (column, row, slice).
    """

    def __init__(self, camera: XRayCamera, pose: Tensor, lps_to_voxel: Tensor) -> None:
        like = {"dtype": torch.float64, "device": pose.device}
        rotation, translation = pose[:3, :3], pose[:3, 3]
        self._mm_rays = torch.as_tensor(camera.ray_matrix.copy(), **like)
        source = torch.as_tensor(camera.source.copy(), **like)
        # World to CT of a rigid pose is its transpose: exact, and kinder to gradients than a matrix inverse.
        to_voxel = lps_to_voxel[:3, :3] @ rotation.transpose(0, 1)
        self.source = to_voxel @ (source - translation) + lps_to_voxel[:3, 3]
        self.matrix = to_voxel @ self._mm_rays

    def directions(self, pixels: Tensor) -> Tensor:
        """(N, 3) voxel directions d of pixels (N, 2) given as (column, row)."""
        return pixels @ self.matrix[:, :2].transpose(0, 1) + self.matrix[:, 2]

    def march(self, pixels: Tensor, axis: int) -> MarchingRays:
        """Rays of ``pixels`` (N, 2) marching along volume ``axis`` (0 column, 1 row, 2 slice)."""
        u, v = OTHER_AXES[axis]
        direction = self.directions(pixels)
        mm = pixels @ self._mm_rays[:, :2].transpose(0, 1) + self._mm_rays[:, 2]
        along = direction[:, axis]
        slope_u, slope_v = direction[:, u] / along, direction[:, v] / along
        return MarchingRays(
            offset_u=self.source[u] - self.source[axis] * slope_u,
            offset_v=self.source[v] - self.source[axis] * slope_v,
            slope_u=slope_u,
            slope_v=slope_v,
            step_mm=mm.norm(dim=1) / along.abs(),
            lambda_zero=-self.source[axis] / along,
            lambda_step=1.0 / along,
        )


OTHER_AXES = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
"""For a marching axis, the volume axes that vary (fast, slow) inside its slices."""


def pixel_grid(columns: int, rows: int, device: torch.device) -> Tensor:
    """(rows * columns, 2) float64 pixel coordinates (column, row), row by row."""
    column = torch.arange(columns, dtype=torch.float64, device=device)
    row = torch.arange(rows, dtype=torch.float64, device=device)
    r, c = torch.meshgrid(row, column, indexing="ij")
    return torch.stack([c.reshape(-1), r.reshape(-1)], dim=1)
