"""Signed-distance models: a bone as a field of distances to its surface on a lattice that stays where it is.

People's fields, laid on one another rigidly, are averaged and taken apart into principal components (Leventon et al.,
CVPR 2000; Tsai et al., IEEE TMI 22(2), 2003). Nobody's vertices need to correspond, and the shape may grow parts. What
a cube of the lattice holds follows from its middle's distance by a smooth step, so pictures change smoothly with shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.field_surface import surface_from_field
from XRayTo3DLib.shape.level_surface import ROUNDS, carried, per_unit, read_changes, read_field
from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.shape_intensity_model import Instance

FloatArray = NDArray[np.float64]
Field = NDArray[np.float32]
COARSEST_MM = 3.4
"""Cubes in a fit's coarse stages."""


@dataclass(frozen=True, eq=False)
class SignedDistanceModel:
    """A bone's shape and attenuation, in the model's frame, mm.

    Attributes:
        label: The bone.
        origin: (3,) place of the lattice's first point, mm.
        spacing_mm: Between its points.
        mean: (Z, Y, X) mean signed distance, negative inside, mm.
        modes: (k, Z, Y, X) what each way to differ adds for +1 SD, mm.
        parts: (N,) numbers of the lattice points that bone may reach: the middles of cubes that attenuate.
        part_mm: Edge of such a cube: ``spacing_mm`` or a multiple.
        density: (N,) attenuation of the bone there where its surface is as far as in the mean, 1/mm.
        by_depth: (N,) what it changes by where the surface is farther (deeper: less), 1/mm per mm: cortex follows the
            surface.
        density_modes: (m, N) what each way to differ in density adds for +1 SD, 1/mm.

    Raises:
        InputError: Arrays that do not fit together or are not finite.
    """

    label: str
    origin: FloatArray
    spacing_mm: float
    mean: Field
    modes: Field
    parts: NDArray[np.intp]
    part_mm: float
    density: Field
    by_depth: Field
    density_modes: Field

    def __post_init__(self) -> None:
        count = len(self.parts)
        fits = self.mean.ndim == 3 and self.modes.shape[1:] == self.mean.shape and self.parts.shape == (count,)
        fits = fits and count > 0 and self.density.shape == self.by_depth.shape == (count,)
        if not fits or self.density_modes.shape[1:] != (count,):
            raise InputError(f"signed-distance model of {self.label}: its arrays do not fit together; make it again.")
        arrays = (self.mean, self.modes, self.density, self.by_depth, self.density_modes)
        if not all(np.isfinite(each).all() for each in arrays):
            raise InputError(f"signed-distance model of {self.label}: a distance or density is not finite.")
        if not (self.spacing_mm > 0 and self.part_mm > 0):
            raise InputError(f"signed-distance model of {self.label}: its spacing must be above 0 mm.")

    # ---- what a fit asks ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many shape modes."""
        return len(self.modes)

    @property
    def density_size(self) -> int:
        """How many density modes."""
        return len(self.density_modes)

    @cached_property
    def middle(self) -> FloatArray:
        """(3,) middle of the mean surface's vertices, mm."""
        return np.asarray(self._mean_surface[0].mean(axis=0))

    @cached_property
    def points(self) -> Field:
        """(N, 3) middles of the parts, mm."""
        place = np.stack(np.unravel_index(self.parts, self.mean.shape)[::-1], axis=1)
        return (self.origin + self.spacing_mm * place).astype(np.float32)

    def instance(self, theta: Any = (), phi: Any = ()) -> Instance:
        """The bone with shape coefficients ``theta`` (up to k, SD) and density coefficients ``phi`` (up to m, SD)."""
        theta, phi = self._filled(theta, self.size), self._filled(phi, self.density_size)
        mean, along = self._at_parts
        farther = along @ theta
        share, slope = filled_share(mean + farther, self.part_mm)
        attenuation = self.density + self.by_depth * farther + phi @ self.density_modes
        volume = np.float32(self.part_mm**3)
        return Instance(
            self.points,
            share * attenuation * volume,
            along * ((slope * attenuation + share * self.by_depth) * volume)[:, None],
            (self.density_modes * (share * volume)).T,
        )

    def thinned(self, factor: int, shape_modes: int, density_modes: int) -> SignedDistanceModel:
        """The model with its first modes only, on cubes ``factor`` times as large: every so many-th of the lattice.

        Cubes stay below :data:`COARSEST_MM` (or as they are), or their shadows would no longer touch.

        Raises:
            InputError: Nothing is left of it.
        """
        factor = max(1, min(factor, int(COARSEST_MM / self.part_mm)))
        place = np.stack(np.unravel_index(self.parts, self.mean.shape))
        kept = np.all(place % factor == factor // 2, axis=0)
        if not kept.any():
            raise InputError(f"signed-distance model of {self.label}: nothing is left of it {factor} times as coarse.")
        return replace(
            self,
            modes=self.modes[:shape_modes],
            parts=self.parts[kept],
            part_mm=self.part_mm * factor,
            density=self.density[kept],
            by_depth=self.by_depth[kept],
            density_modes=self.density_modes[:density_modes, kept],
        )

    # ---- surfaces -------------------------------------------------------------------------------------------------

    @property
    def voxel_to_frame(self) -> FloatArray:
        """(4, 4) from lattice points (column, row, slice, 1) to the model's frame, mm."""
        result = np.diag([self.spacing_mm] * 3 + [1.0])
        result[:3, 3] = self.origin
        return result

    def distances(self, theta: Any = ()) -> Field:
        """(Z, Y, X) field of a shape (SD), mm. A sum of distances: right near the surface, no distance far from it."""
        theta = self._filled(theta, self.size)
        return np.asarray(self.mean + np.tensordot(theta, self.modes, axes=1))

    def coefficients(self, distances: Any) -> FloatArray:
        """(k,) SD of a field (Z, Y, X) on the model's lattice, mm."""
        away = (np.asarray(distances, dtype=np.float64) - self.mean).ravel()
        modes = self.modes.reshape(self.size, -1).astype(np.float64)
        return (modes @ away) / np.einsum("kn,kn->k", modes, modes)

    def surface(self, theta: Any = ()) -> vtkPolyData:
        """Where the field of a shape (SD) is 0, mm; open where the lattice ends. Vertices do not correspond."""
        return surface_from_field(-self.distances(theta), self.voxel_to_frame, 0.0)

    @property
    def triangles(self) -> NDArray[np.int64]:
        """(t, 3) vertex numbers of the mean surface and of :meth:`surface_points`."""
        return self._mean_surface[1]

    def surface_points(self, theta: Any = ()) -> FloatArray:
        """(n, 3) the mean surface's vertices carried along the fields' gradients to the surface of a shape, mm."""
        theta = self._filled(theta, self.size)
        return carried(
            self._mean_surface[0],
            lambda share: self.distances(share * theta),
            self.origin,
            self.spacing_mm,
            ROUNDS if theta.any() else 1,
        )

    def surface_moves(self, theta: Any = ()) -> FloatArray:
        """(k, n, 3) how the surface at those vertices moves along its normal per SD of each mode, mm."""
        points = self.surface_points(theta)
        _, gradient = read_field(self.distances(theta), points, self.origin, self.spacing_mm)
        changes = read_changes(self.modes, points, self.origin, self.spacing_mm)
        return -changes[:, :, None] * per_unit(gradient)

    # ---- helpers --------------------------------------------------------------------------------------------------

    @cached_property
    def _at_parts(self) -> tuple[Field, Field]:
        """Mean distance (N,) and modes (N, k) at the parts."""
        modes = self.modes.reshape(self.size, self.mean.size)[:, self.parts]
        return self.mean.ravel()[self.parts], np.ascontiguousarray(modes.T)

    @cached_property
    def _mean_surface(self) -> tuple[FloatArray, NDArray[np.int64]]:
        surface = surface_from_field(-self.mean, self.voxel_to_frame, 0.0)
        if surface.GetNumberOfPoints() == 0:
            raise InputError(f"signed-distance model of {self.label}: its mean has no surface.")
        return points_of(surface), triangles_of(surface)

    def _filled(self, values: Any, count: int) -> Field:
        values = np.asarray(values, dtype=np.float32).ravel()
        if len(values) > count:
            raise InputError(f"{len(values)} coefficients for {count} modes of {self.label}.")
        return np.concatenate([values, np.zeros(count - len(values), dtype=np.float32)])


def filled_share(distances: NDArray[np.floating], edge_mm: float) -> tuple[Any, Any]:
    """How much of a cube is bone, 0 to 1, from its middle's signed distance; and the slope of that, 1/mm.

    The step that a surface is, blurred by a hat function as wide as two cubes: along a line of cubes the shares add up
    to the length inside exactly, wherever the surface lies, and the slope has no jumps.

    Args:
        distances: Any shape, negative inside, mm.
        edge_mm: Of the cube.
    """
    inward = np.clip(-np.asarray(distances) / edge_mm, -1.0, 1.0)
    size = np.abs(inward)
    return 0.5 + inward - 0.5 * inward * size, -(1.0 - size) / edge_mm
