"""Making shape models of a trained TL-net's decoder and of people's codes and attenuation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.tl_net.code_model import BATCH, CodeModel
from XRayTo3DLib.shape.shape_intensity_building import principal
from XRayTo3DLib.shape.signed_distance_building import scores

LEAST_SHARE = 0.02
"""Voxels that hold less bone in every person are left out."""
SHY = 1.0
"""How many people's worth of doubt keeps a voxel's attenuation near the mean of all."""


@dataclass(frozen=True, eq=False)
class BuiltCodes:
    """A model and the people that it was made of.

    Attributes:
        model: In the TL-net's reconstruction frame.
        people: (N, 6 + k + m) six zeros, for all lie as the code says, shape and density coefficients (SD).
    """

    model: CodeModel
    people: NDArray[np.float64]


def build_code_model(
    decoder: nn.Module,
    grid: VoxelGrid,
    bones: Sequence[str],
    codes: Any,
    attenuation: Any,
    *,
    shape_modes: int = 20,
    density_modes: int = 3,
    past_mm: float = 0.0,
) -> BuiltCodes:
    """A model of a trained decoder and of people's codes.

    Args:
        decoder: Of the TL-net.
        grid: Its voxels.
        bones: Its bones, in its order.
        codes: (people, latent), of people in the pose in which the model is to show them.
        attenuation: (people, Z, Y, X) of these people's bones on the grid, 0 outside them, 1/mm.
        shape_modes: Of the codes, at most one fewer than people.
        density_modes: Likewise of the densities.
        past_mm: How far bones go on, as they left it, past the grid: radiographs show more than its cube.

    Raises:
        InputError: Fewer than two people, or arrays of different people or grids.
    """
    codes, shape = np.asarray(codes, dtype=np.float32), (grid.size,) * 3
    inside = np.asarray(attenuation, dtype=np.float32)
    if codes.ndim != 2 or len(codes) < 2 or inside.shape != (len(codes), *shape):
        raise InputError(
            f"code model: codes {codes.shape}, attenuation {inside.shape} and a grid of {shape} do not fit."
        )
    mean, modes = principal(codes, shape_modes)
    every, none = np.arange(grid.size**3), np.zeros((1, grid.size**3), dtype=np.float32)
    points = grid.points().reshape(-1, 3).astype(np.float32)
    usual = CodeModel("+".join(bones), decoder, grid, mean, modes, every, points, grid.spacing_mm, none[0], none[:0])
    thetas = scores(codes, mean, modes)
    share = np.concatenate([usual.shares(part) for part in np.array_split(thetas, -(-len(thetas) // BATCH))])
    parts = np.flatnonzero(share.max(axis=0) > LEAST_SHARE)
    share, inside = share[:, parts], inside.reshape(len(inside), -1)[:, parts]
    overall = float((share * inside).sum() / (share**2).sum())
    density = ((share * inside).sum(axis=0) + SHY * overall) / ((share**2).sum(axis=0) + SHY)
    rest = (inside - share * density) * share / (share**2 + 0.1)
    usual_rest, ways = principal(rest, density_modes)
    steps, source = _past(parts, grid, int(np.ceil(past_mm / grid.spacing_mm)))
    model = replace(
        usual,
        parts=parts[source],
        points=points[parts[source]] + np.float32(grid.spacing_mm) * steps,
        density=density[source].astype(np.float32),
        density_modes=ways[:, source],
    )
    unturned = np.zeros((len(codes), 6))
    return BuiltCodes(model, np.concatenate([unturned, thetas, scores(rest, usual_rest, ways)], axis=1))


def _past(parts: NDArray[np.intp], grid: VoxelGrid, count: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Parts and their copies past the grid's faces: how many voxels each is shifted (N', 3), and whose it is (N',)."""
    place = np.stack(np.unravel_index(parts, [grid.size] * 3)[::-1], axis=1)
    steps, source = [np.zeros((len(parts), 3))], [np.arange(len(parts))]
    for axis in range(3):
        for face, way in ((0, -1.0), (grid.size - 1, 1.0)):
            outermost = np.flatnonzero(place[:, axis] == face)
            for shift in range(1, count + 1):
                steps.append(np.tile(way * shift * np.eye(3)[axis], (len(outermost), 1)))
                source.append(outermost)
    return np.concatenate(steps).astype(np.float32), np.concatenate(source)
