"""Radiographs brought into a volume: every voxel takes the value of the pixel that its ray meets.

Kasten et al. (arXiv 2004.00871, 2020) repeat each of two pictures along its view's axis into a volume, as if rays were
parallel and the views at right angles. A :class:`ParallelView` does that: the voxel takes the pixel on its line along
the axis. With an :class:`XRayCamera` the voxel takes the pixel it projects to, from any number of views at any angle;
as the source moves away, that becomes the parallel case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix, unit

OUTSIDE = -4.0
"""Place of a voxel that no ray of the view meets (behind the source): outside any picture."""


class View(Protocol):
    """What a volume is seen by: an :class:`XRayCamera`, or a :class:`ParallelView`."""

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows) in pixels."""
        ...

    @property
    def projection_matrix(self) -> FloatArray:
        """(3, 4) P with P @ (x, y, z, 1) = w (column, row, 1), mm to pixels; w > 0 in front of the source."""
        ...


@dataclass(frozen=True, eq=False)
class ParallelView:
    """Parallel rays at right angles to a picture: a source infinitely far.

    Attributes:
        origin: (3,) centre of pixel [row 0, column 0], mm; where along the rays does not matter.
        column_direction: (3,) unit vector towards increasing column.
        row_direction: (3,) unit vector towards increasing row.
        spacing: (column, row) pixel pitch, mm.
        size: (columns, rows) in pixels.
    """

    origin: FloatArray
    column_direction: FloatArray
    row_direction: FloatArray
    spacing: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def of(cls, camera: XRayCamera, centre: Any) -> ParallelView:
        """What the paper takes ``camera`` for: its picture in true size at ``centre`` (3,) mm, all rays parallel.

        Raises:
            InputError: The centre lies beside or behind the source.
        """
        shrunk = 1.0 / camera.magnification(centre)
        origin = camera.source + shrunk * (camera.origin - camera.source)
        spacing = (camera.spacing[0] * shrunk, camera.spacing[1] * shrunk)
        return cls(origin, camera.column_direction, camera.row_direction, spacing, camera.size)

    @property
    def projection_matrix(self) -> FloatArray:
        """(3, 4) as an :class:`XRayCamera` has it; w is 1 everywhere."""
        across = unit(self.column_direction, "column direction") / self.spacing[0]
        down = unit(self.row_direction, "row direction") / self.spacing[1]
        rows = [np.append(each, -(each @ np.asarray(self.origin, dtype=np.float64))) for each in (across, down)]
        return np.stack([*rows, np.array([0.0, 0.0, 0.0, 1.0])])

    def project(self, points: Any) -> FloatArray:
        """Pixel coordinates (..., 2) as (column, row) of points (..., 3) in mm."""
        return apply_matrix(np.vstack([self.projection_matrix[:2], np.eye(4)[2:]]), points)[..., :2]


def lifting_grid(view: View, points: Any) -> Tensor:
    """Where a view's picture shows each voxel.

    Args:
        view: Camera, in the frame of the points.
        points: (Z, Y, X, 3) voxel centres (x, y, z) in mm, or (..., 3); array or float64 tensor (its device is kept).

    Returns:
        (Z, Y, X, 2) float32 (column, row) as ``torch.nn.functional.grid_sample`` takes them with
        ``align_corners=False``: -1 and 1 are the picture's outer edges.
    """
    places = torch.as_tensor(points, dtype=torch.float64)
    matrix = torch.as_tensor(np.array(view.projection_matrix), device=places.device)
    across, down, depth = (places @ matrix[:, :3].T + matrix[:, 3]).unbind(dim=-1)
    seen = depth > 0
    depth = torch.where(seen, depth, 1.0)
    columns, rows = view.size
    where = torch.stack([(2.0 * across / depth + 1.0) / columns, (2.0 * down / depth + 1.0) / rows], dim=-1) - 1.0
    return torch.where(seen[..., None], where, OUTSIDE).float()


def back_projected(images: Tensor, grids: Tensor) -> Tensor:
    """Pictures lifted into volumes, bilinear; 0 outside a picture. Differentiable in the images.

    Args:
        images: (B, views, rows, columns).
        grids: (views, Z, Y, X, 2) of :func:`lifting_grid` for all, or (B, views, Z, Y, X, 2).

    Returns:
        (B, views, Z, Y, X).

    Raises:
        InputError: Not one grid per view.
    """
    batch, views = images.shape[:2]
    if grids.ndim == 5:
        grids = grids.expand(batch, *grids.shape)
    if grids.shape[:2] != images.shape[:2]:
        raise InputError(
            f"back-projection: {views} views of {batch} people were given with grids of shape {tuple(grids.shape)}; "
            f"each view needs its own."
        )
    sides = grids.shape[2:5]
    flat = grids.reshape(batch * views, sides[0] * sides[1], sides[2], 2)
    lifted = functional.grid_sample(images.reshape(batch * views, 1, *images.shape[2:]), flat, align_corners=False)
    return lifted.reshape(batch, views, *sides)
