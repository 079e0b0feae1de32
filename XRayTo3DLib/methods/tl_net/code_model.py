"""A trained TL-net's decoder as a shape model that radiographs can be fitted with: all its bones are one body.

The code is kept to the principal components of codes that people have; a voxel holds as much bone as the decoder says,
times what attenuates there in the mean. Bones share one code, so they share one pose too: how they lie to one another
is part of the shape, as far as the training people show it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.projection.precision import full_precision
from XRayTo3DLib.shape.field_surface import surface_from_field
from XRayTo3DLib.shape.level_surface import carried, per_unit, read_changes, read_field
from XRayTo3DLib.shape.meshes import points_of, triangles_of

FloatArray = NDArray[np.float64]
Field = NDArray[np.float32]
STEP_SD = 0.03
"""Of the differences that slopes are found by: decoding is cheap, and forward differences in single precision do."""
BATCH = 8
"""Codes decoded at once."""


@dataclass(frozen=True, eq=False)
class CodeModel:
    """All bones of a TL-net, in its reconstruction frame, mm.

    Attributes:
        label: All bones, joined by "+".
        decoder: Codes (B, latent) to logits (B, 1 + bones, Z, Y, X), background first; in evaluation mode.
        grid: Where its voxels are.
        mean_code: (latent,) of people.
        code_modes: (k, latent) what each way that codes differ adds for +1 SD.
        parts: (N,) numbers of the voxels whose share of bone each part has.
        points: (N, 3) middles of the parts, mm: the voxels', or past the grid where a bone runs out of it.
        part_mm: Edge of the cubes that attenuate: the grid's spacing or a multiple.
        density: (N,) mean attenuation of bone there, 1/mm.
        density_modes: (m, N) what each way to differ in density adds for +1 SD, 1/mm.

    Raises:
        InputError: Arrays that do not fit together or are not finite.
    """

    label: str
    decoder: nn.Module
    grid: VoxelGrid
    mean_code: Field
    code_modes: Field
    parts: NDArray[np.intp]
    points: Field
    part_mm: float
    density: Field
    density_modes: Field

    def __post_init__(self) -> None:
        count = len(self.parts)
        fits = count > 0 and self.density.shape == (count,) and self.points.shape == (count, 3)
        fits = fits and self.density_modes.shape[1:] == (count,)
        if not fits or self.code_modes.shape[1:] != self.mean_code.shape or self.mean_code.ndim != 1:
            raise InputError(f"code model of {self.label}: its arrays do not fit together; make it again.")
        arrays = (self.mean_code, self.code_modes, self.density, self.density_modes)
        if not all(np.isfinite(each).all() for each in arrays):
            raise InputError(f"code model of {self.label}: a code or density is not finite.")

    # ---- what a fit asks ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many shape modes."""
        return len(self.code_modes)

    @property
    def density_size(self) -> int:
        """How many density modes."""
        return len(self.density_modes)

    @cached_property
    def middle(self) -> FloatArray:
        """(3,) middle of the mean surfaces' vertices, mm."""
        return np.concatenate([points for points, _ in self._mean_surfaces]).mean(axis=0)

    def instance(self, theta: Any = (), phi: Any = ()) -> CodeInstance:
        """The bones with shape coefficients ``theta`` (up to k, SD) and density coefficients ``phi`` (up to m, SD)."""
        theta = self._filled(theta, self.size)
        phi = self._filled(phi, self.density_size)
        return CodeInstance(self, theta, self.density + phi @ self.density_modes)

    def thinned(self, factor: int, shape_modes: int, density_modes: int) -> CodeModel:
        """The model with its first modes only, on cubes ``factor`` times as large: every so many-th voxel.

        Raises:
            InputError: Nothing is left of it.
        """
        place = np.rint((self.points - self.grid.voxel_to_frame[:3, 3]) / self.grid.spacing_mm).astype(int)
        kept = np.all(place % factor == factor // 2, axis=1)
        if not kept.any():
            raise InputError(f"code model of {self.label}: nothing is left of it {factor} times as coarse.")
        return replace(
            self,
            code_modes=self.code_modes[:shape_modes],
            parts=self.parts[kept],
            points=self.points[kept],
            part_mm=self.part_mm * factor,
            density=self.density[kept],
            density_modes=self.density_modes[:density_modes, kept],
        )

    # ---- surfaces -------------------------------------------------------------------------------------------------

    @property
    def bones(self) -> tuple[str, ...]:
        """Names of the bones, in the decoder's order."""
        return tuple(self.label.split("+"))

    def log_odds(self, theta: Any = ()) -> Field:
        """(bones, Z, Y, X) of each bone against all else for a shape (SD), natural logarithm; 0 at the surface."""
        return _log_odds(self._logits(self._filled(theta, self.size)[None]))[0].numpy()

    def log_odds_slopes(self, theta: Any = ()) -> Field:
        """(k, bones, Z, Y, X) how those change per SD of each mode."""
        theta = self._filled(theta, self.size)
        codes = np.concatenate([theta[None], theta + STEP_SD * np.eye(self.size, dtype=np.float32)])
        found = _log_odds(self._logits(codes)).numpy()
        return (found[1:] - found[:1]) / np.float32(STEP_SD)

    def surfaces(self, theta: Any = ()) -> dict[str, vtkPolyData]:
        """Where each bone's log-odds for a shape (SD) are 0, mm; open where the grid ends."""
        fields = zip(self.bones, self.log_odds(theta), strict=True)
        return {bone: surface_from_field(field, self.grid.voxel_to_frame, 0.0) for bone, field in fields}

    @cached_property
    def triangles(self) -> NDArray[np.int64]:
        """(t, 3) vertex numbers of :meth:`surface_points`: all bones, one after the other."""
        first = np.cumsum([0] + [len(points) for points, _ in self._mean_surfaces[:-1]])
        return np.concatenate(
            [triangles + start for (_, triangles), start in zip(self._mean_surfaces, first, strict=True)]
        )

    def surface_points(self, theta: Any = ()) -> FloatArray:
        """(n, 3) the mean surfaces' vertices carried along the gradients to the surfaces of a shape, mm."""
        theta = self._filled(theta, self.size)
        fields: dict[float, Field] = {}

        def at(share: float, bone: int) -> Field:
            if share not in fields:
                fields[share] = self.log_odds(share * theta)
            return fields[share][bone]

        return np.concatenate(
            [
                carried(points, lambda share, bone=bone: at(share, bone), *self._lattice)
                for bone, (points, _) in enumerate(self._mean_surfaces)
            ]
        )

    def surface_moves(self, theta: Any = ()) -> FloatArray:
        """(k, n, 3) how the surfaces at those vertices move along their normals per SD of each mode, mm."""
        counts = np.cumsum([len(points) for points, _ in self._mean_surfaces])[:-1]
        fields, changes = self.log_odds(theta), self.log_odds_slopes(theta)
        moves = []
        for bone, points in enumerate(np.split(self.surface_points(theta), counts)):
            _, gradient = read_field(fields[bone], points, *self._lattice)
            moves.append(-read_changes(changes[:, bone], points, *self._lattice)[:, :, None] * per_unit(gradient))
        return np.concatenate(moves, axis=1)

    # ---- helpers --------------------------------------------------------------------------------------------------

    def shares(self, thetas: NDArray[np.floating]) -> Field:
        """(B, N) how much of each part is bone, 0 to 1, for shapes (B, k), SD."""
        logits = self._logits(np.asarray(thetas, dtype=np.float32)).flatten(2)[:, :, torch.as_tensor(self.parts)]
        return (1.0 - logits.softmax(dim=1)[:, 0]).numpy()

    def _logits(self, thetas: Field) -> torch.Tensor:
        codes = torch.as_tensor(self.mean_code + thetas @ self.code_modes)
        with full_precision(), torch.no_grad():
            return torch.cat([self.decoder(part).float() for part in codes.split(BATCH)])

    @property
    def _lattice(self) -> tuple[FloatArray, float]:
        return self.grid.voxel_to_frame[:3, 3], self.grid.spacing_mm

    @cached_property
    def _mean_surfaces(self) -> list[tuple[FloatArray, NDArray[np.int64]]]:
        return [(points_of(surface), triangles_of(surface)) for surface in self.surfaces().values()]

    def _filled(self, values: Any, count: int) -> Field:
        values = np.asarray(values, dtype=np.float32).ravel()
        if len(values) > count:
            raise InputError(f"{len(values)} coefficients for {count} modes of {self.label}.")
        return np.concatenate([values, np.zeros(count - len(values), dtype=np.float32)])


class CodeInstance:
    """All bones of one shape; slopes, for which every mode's code is decoded, are found when they are asked for.

    Args:
        model: Whose.
        theta: (k,) shape coefficients, SD.
        attenuation: (N,) of bone at the parts, 1/mm.
    """

    moves = None
    """The parts stay where they are."""

    def __init__(self, model: CodeModel, theta: Field, attenuation: Field) -> None:
        self._model, self._theta = model, theta
        self._unit = attenuation * np.float32(model.part_mm**3)
        self.points = model.points

    @cached_property
    def masses(self) -> Field:
        """(N,) attenuation times volume of each part, mm^2."""
        return self._share * self._unit

    @cached_property
    def by_shape(self) -> Field:
        """(N, k) how the masses change per SD of each shape mode."""
        steps = self._theta + STEP_SD * np.eye(len(self._theta), dtype=np.float32)
        if len(steps) == 0:
            return np.zeros((len(self._unit), 0), dtype=np.float32)
        return ((self._model.shares(steps) - self._share) / np.float32(STEP_SD) * self._unit).T

    @cached_property
    def by_density(self) -> Field:
        """(N, m) per SD of each density mode."""
        volume = np.float32(self._model.part_mm**3)
        return (self._model.density_modes * (self._share * volume)).T

    @cached_property
    def _share(self) -> Field:
        return self._model.shares(self._theta[None])[0]


def _log_odds(logits: torch.Tensor) -> torch.Tensor:
    """(B, bones, ...) log of p / (1 - p) of each bone from logits (B, 1 + bones, ...)."""
    odds = []
    for bone in range(1, logits.shape[1]):
        others = torch.cat([logits[:, :bone], logits[:, bone + 1 :]], dim=1)
        odds.append(logits[:, bone] - torch.logsumexp(others, dim=1))
    return torch.stack(odds, dim=1)
