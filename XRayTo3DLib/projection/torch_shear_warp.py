"""Fast DRRs in plain torch on the CPU: the shear-warp of ``shear_warp`` without numba, with pose gradients.

Slices are added on a lattice in two one-dimensional passes (``torch_shear_warp_sums``; Lacroute, Levoy, SIGGRAPH 1994),
and splines take the lattice to the detector, with the path length of each ray per slice (``splines``). The lattice, the
blending of axes at 45 degrees and what cannot be drawn so are those of the compiled engine (``shear_warp_views``).

By the source's place a node's sums change as the slices shift under it: by (1 - r_k) dV_k / dx along x, likewise along
y, and by the source's k in proportion to the node's place. These sums are splines too, so derivatives are exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.projection import shear_warp_views as views
from XRayTo3DLib.projection import splines
from XRayTo3DLib.projection.shear_warp_slabs import order_of
from XRayTo3DLib.projection.torch_shear_warp_sums import LatticeView, Stack, lattice_sums, make_stack

Array = NDArray[np.float64]

OVERSAMPLING = 2.0
"""Lattice nodes per voxel and direction: agrees with Joseph's method to 0.3 % on sharp bones in 0.8 mm voxels."""
MEMORY_BYTES = 600_000_000
"""What copies of the volume may take before those not needed now are given up."""
PIXELS_AT_ONCE = 65_536


class Sheet(NamedTuple):
    """What one marching axis adds to a picture: spline coefficients on a lattice, and how pixels see it.

    layers: (1, rows, columns) or, for derivatives, (4, ...): also its derivatives by the source's x, y and k; share: of
    the axis in the picture.
    """

    layers: Tensor
    seen: LatticeView
    share: float
    axis: int


class TorchShearWarp:
    """Draws one volume; whoever asks goes to Joseph's method where :meth:`plan` says that it cannot.

    Args:
        volume: (slices, rows, columns) float32 on the CPU, with a layer of air all round.
    """

    def __init__(self, volume: Tensor, oversampling: float = OVERSAMPLING) -> None:
        self._volume = volume.detach()
        self._shape = tuple(n - 2 for n in volume.shape)
        self._pitch = 1.0 / oversampling
        self._stacks: dict[int, Stack] = {}
        self.middle = views.middle_of(self._shape)
        """(3,) of the volume, in voxels (column, row, slice)."""

    def plan(self, view: views.VoxelView, size: tuple[int, int]) -> views.Plan | None:
        """How to draw ``view`` on a detector of ``size`` (columns, rows); None where a shear-warp cannot."""
        return views.plan_of(view, self._shape, self._pitch, size)

    def picture(self, view: views.VoxelView, size: tuple[int, int], plan: views.Plan) -> Tensor:
        """(rows, columns) line integrals."""
        image = torch.zeros(size[::-1])
        if plan.window is not None:
            for sheet in self.sheets(view, plan, with_slopes=False):
                for part, pixels in _blocks(plan.window):
                    image[part] += sheet.share * _values(sheet, pixels)
        return image

    def with_tangents(
        self, view: views.VoxelView, size: tuple[int, int], plan: views.Plan, tangents: views.Tangents
    ) -> tuple[Tensor, Tensor]:
        """(rows, columns) line integrals and their derivatives (P, rows, columns)."""
        image, derivatives = torch.zeros(size[::-1]), torch.zeros(len(tangents.sources), *size[::-1])
        if plan.window is not None:
            for sheet in self.sheets(view, plan, with_slopes=True):
                by_parameter = torch.from_numpy(tangents.ordered(sheet.axis, order_of(sheet.axis))).float()
                for part, pixels in _blocks(plan.window):
                    value, by_view = gradients(sheet, pixels)
                    image[part] += sheet.share * value
                    derivatives[:, part[0], part[1]] += (by_parameter @ by_view).reshape(-1, *value.shape)
        return image, derivatives

    def sheets(self, view: views.VoxelView, plan: views.Plan, with_slopes: bool) -> Iterator[Sheet]:
        """One for each axis that has a share and sees anything."""
        assert plan.window is not None
        for axis, share in plan.weights.items():
            stack, plane = self._stack(axis), float(self.middle[axis])
            ordered = view.ordered(order_of(axis))
            lattice = views.lattice_of(stack.ranges, ordered, plane, self._pitch, plan.window)
            if lattice is not None:
                seen = LatticeView(ordered, plane, self._pitch, lattice)
                sums = lattice_sums(stack, seen, with_slopes)
                if with_slopes:
                    sums = torch.cat([sums, _by_source_k(sums, seen)[None]])
                yield Sheet(torch.stack([splines.coefficients(each) for each in sums]), seen, share, axis)

    def _stack(self, axis: int) -> Stack:
        if axis not in self._stacks:
            used = sum(chunk.nbytes for stack in self._stacks.values() for chunk in stack.chunks)
            if used + self._volume.nbytes > MEMORY_BYTES:
                self._stacks.clear()
            self._stacks[axis] = make_stack(self._volume, axis)
        return self._stacks[axis]


class PictureOfPose(torch.autograd.Function):
    """A picture whose gradients flow to source (3,) and rays (3, 3) of a voxel view, float64. Once differentiable."""

    @staticmethod
    def forward(
        context: Any, source: Tensor, rays: Tensor, drawer: TorchShearWarp, rays_mm: Array, size: Any, plan: views.Plan
    ) -> Tensor:
        """(rows, columns) line integrals."""
        view = views.VoxelView(source.detach().numpy(), rays.detach().numpy(), rays_mm)
        context.sheets, context.window = [], plan.window
        context.towards = drawer.middle - view.source
        image = torch.zeros(size[::-1])
        if plan.window is None:
            return image
        for sheet in drawer.sheets(view, plan, with_slopes=True):
            context.sheets.append(sheet)
            for part, pixels in _blocks(plan.window):
                image[part] += sheet.share * _values(sheet, pixels)
        return image

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, upstream: Tensor) -> Any:
        """What a picture's gradient (rows, columns) is by source and rays."""
        source, rays, by_share = np.zeros(3), np.zeros((3, 3)), np.zeros(3)
        for sheet in context.sheets:
            found = sum(
                gradients(sheet, pixels)[1].double() @ upstream[part].double().reshape(-1)
                for part, pixels in _blocks(context.window)
            ).numpy()
            order = order_of(sheet.axis)
            source[order] += found[:3]
            rays[order] += found[3:12].reshape(3, 3)
            by_share[sheet.axis] = found[12]
        source += views.weight_derivatives(context.towards, -np.eye(3)) @ by_share
        return torch.from_numpy(source), torch.from_numpy(rays), None, None, None, None


def _by_source_k(sums: Tensor, seen: LatticeView) -> Tensor:
    """(columns, rows) what slopes (sums 1 and 2) make of moving the source by one voxel along k."""
    columns, rows = sums.shape[1:]
    corner, source = seen.lattice.corner, seen.view.source
    x = torch.from_numpy((np.arange(columns) + corner[0]) * seen.pitch - source[0]).float()
    y = torch.from_numpy((np.arange(rows) + corner[1]) * seen.pitch - source[1]).float()
    return (x[:, None] * sums[1] + y * sums[2]) / (source[2] - seen.plane)


# ---- from the lattice to the detector ----------------------------------------------------------------------------


class Pixels(NamedTuple):
    """A block of pixels: columns (1, C) and rows (R, 1), float64."""

    column: Tensor
    row: Tensor

    def times(self, matrix: Array) -> Tensor:
        """(n, R, C) rows of a matrix (n, 3) times (column, row, 1)."""
        by_column, by_row, rest = torch.from_numpy(matrix.T.copy())[:, :, None, None]
        return by_column * self.column + (by_row * self.row + rest)


def _blocks(window: views.Window) -> Iterator[tuple[tuple[slice, slice], Pixels]]:
    """The window, some rows at a time: where in the picture, and its pixels."""
    column = torch.arange(window.column, window.column + window.width, dtype=torch.float64)[None]
    height = max(1, PIXELS_AT_ONCE // window.width)
    for first in range(window.row, window.row + window.height, height):
        last = min(first + height, window.row + window.height)
        rows = torch.arange(first, last, dtype=torch.float64)[:, None]
        yield (slice(first, last), slice(window.column, window.column + window.width)), Pixels(column, rows)


def _rays(sheet: Sheet, pixels: Pixels) -> tuple[Tensor, Tensor, Tensor]:
    """Rays of pixels: slopes (2, N) along x and y per slice, float64; speed (N,) along k; length (N,) mm per slice."""
    x, y, along = pixels.times(sheet.seen.view.rays).reshape(3, -1)
    mm = pixels.times(sheet.seen.view.rays_mm).float().norm(dim=0).reshape(-1)
    return torch.stack([x, y]) / along, along.float(), mm / along.abs().float()


def _nodes(sheet: Sheet, slopes: Tensor) -> Tensor:
    """(2, N) where rays of these slopes meet the lattice, in nodes from its first."""
    seen = sheet.seen
    start = torch.from_numpy(seen.view.source[:2] / seen.pitch - np.array(seen.lattice.corner))
    return start[:, None] + slopes * ((seen.plane - seen.view.source[2]) / seen.pitch)


def _values(sheet: Sheet, pixels: Pixels) -> Tensor:
    """(rows, columns) line integrals of a block of pixels."""
    slopes, _, length = _rays(sheet, pixels)
    u, v = _nodes(sheet, slopes)
    rows, columns = sheet.layers.shape[1:]
    found = splines.sample(sheet.layers[:1], splines.value_pairs(u, columns), splines.value_pairs(v, rows))[0]
    return (found * length).reshape(len(pixels.row), -1)


def gradients(sheet: Sheet, pixels: Pixels) -> tuple[Tensor, Tensor]:
    """(rows, columns) line integrals of a block of N pixels, and (13, N) derivatives of what they add to the picture.

    By source (x, y, k), by rays (3 x 3, x, y and k times column, row and 1) and by the axis' share.
    """
    slopes, along, length = _rays(sheet, pixels)
    u, v = _nodes(sheet, slopes)
    rows, columns = sheet.layers.shape[1:]
    across, down = splines.value_pairs(u, columns), splines.value_pairs(v, rows)
    found, by_x, by_y, by_k = splines.sample(sheet.layers, across, down) * length
    first, per_node = sheet.layers[:1], length / sheet.seen.pitch
    moved_x = splines.sample(first, splines.slope_pairs(u, columns), down)[0] * per_node
    moved_y = splines.sample(first, across, splines.slope_pairs(v, rows))[0] * per_node
    slopes = slopes.float()
    sideways = slopes[0] * moved_x + slopes[1] * moved_y
    reach = (sheet.seen.plane - sheet.seen.view.source[2]) / along
    by_ray = torch.stack([reach * moved_x, reach * moved_y, -(reach * sideways + found / along)])
    column, row = (each.float().expand(len(pixels.row), pixels.column.shape[1]).reshape(-1) for each in pixels)
    by_rays = torch.stack([by_ray * column, by_ray * row, by_ray], dim=1).reshape(9, -1)
    by_source = torch.stack([by_x + moved_x, by_y + moved_y, by_k - sideways])
    by_view = torch.cat([sheet.share * by_source, sheet.share * by_rays, found[None]])
    return found.reshape(len(pixels.row), -1), by_view
