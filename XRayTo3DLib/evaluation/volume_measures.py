"""Overlap of bones on the voxels of a grid (Dice), for bones given as surfaces or as values on that grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.shape.distance_grid import inside_grid

Voxels = NDArray[np.bool_]


def dice(first: Any, second: Any) -> float:
    """Dice coefficient 2 |A and B| / (|A| + |B|) of two masks of one shape, 0 to 1; NaN when both are empty.

    Raises:
        InputError: Different shapes.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape:
        raise InputError(f"masks of shape {first.shape} and {second.shape} cannot be compared.")
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else math.nan


def voxels_of(surface: vtkPolyData, grid: VoxelGrid) -> Voxels:
    """Which voxels' centres lie inside a surface, bool (Z, Y, X).

    Args:
        surface: In the grid's frame, mm; closed, or open only where one side of the grid cuts it.
        grid: The voxels.
    """
    return inside_grid(surface, grid.voxel_to_frame[:3, 3].tolist(), grid.spacing_mm, (grid.size,) * 3)


def filled_voxels(
    shapes: ShapeFields | Mapping[str, vtkPolyData], meshes: Mapping[str, vtkPolyData], labels: Sequence[str],
    grid: VoxelGrid,
) -> dict[str, Voxels]:  # fmt: skip
    """Which voxels every bone of a reconstruction fills, bool (Z, Y, X) by bone.

    Args:
        shapes: What a method predicted. Values on ``grid`` are taken as they are (the largest part above their level,
            as their surface is): a surface that a corner of the grid cuts has no clear inside.
        meshes: The same as surfaces in the reconstruction frame, mm, with the stand-ins of lost bones.
        labels: Bones in the order of the values.
        grid: The voxels.
    """
    filled = {}
    for bone, mesh in meshes.items():
        above: Voxels = np.zeros(0, dtype=bool)
        if isinstance(shapes, ShapeFields) and shapes.grid == grid:
            above = shapes.values[list(labels).index(bone)] > shapes.level
        filled[bone] = _largest_part(above) if above.any() else voxels_of(mesh, grid)
    return filled


def with_dice(
    outcomes: Sequence[ReconstructionOutcome], truth: Mapping[str, vtkPolyData], filled: Mapping[str, Voxels],
    grid: VoxelGrid, margin_mm: float = 0.0,
) -> list[ReconstructionOutcome]:  # fmt: skip
    """The outcomes of one case with the Dice coefficient of every bone; 0 for one without voxels.

    Args:
        outcomes: Of one case and method.
        truth: Closed surfaces by bone in the grid's frame, mm.
        filled: Voxels of the result by bone, (Z, Y, X).
        grid: The voxels.
        margin_mm: Voxels nearer to the outermost voxels' centres are left out, as they are of surface distances.
    """
    within = _inner(grid, margin_mm)
    nothing: Voxels = np.zeros((grid.size,) * 3, dtype=bool)
    return [
        replace(o, dice=dice(voxels_of(truth[o.bone], grid)[within], filled.get(o.bone, nothing)[within]))
        for o in outcomes
    ]


def background_dice(
    truth: Mapping[str, vtkPolyData], filled: Mapping[str, Voxels], grid: VoxelGrid, margin_mm: float = 0.0
) -> float:
    """Dice coefficient of the voxels that no bone fills; arguments as of :func:`with_dice`."""
    within = _inner(grid, margin_mm)
    solid = {bone: voxels_of(mesh, grid) for bone, mesh in truth.items()}
    nothing: Voxels = np.zeros((grid.size,) * 3, dtype=bool)
    free = [~np.logical_or.reduce([nothing, *each.values()])[within] for each in (solid, filled)]
    return dice(*free)


def _inner(grid: VoxelGrid, margin_mm: float) -> tuple[slice, slice, slice]:
    """The voxels that are ``margin_mm`` or more inside the outermost ones."""
    edge = math.ceil(margin_mm / grid.spacing_mm)
    inner = slice(edge, grid.size - edge)
    return inner, inner, inner


def _largest_part(mask: Voxels) -> Voxels:
    """The connected part with most voxels."""
    numbered, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return np.asarray(numbered == sizes.argmax())
