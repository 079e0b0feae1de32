"""Statistical shape and intensity models: what a bone can look like, and how dense it can be where.

A statistical shape model moves the bone's surface; a smooth field carries the move inside, to small parts of known
attenuation (``shape_intensity_extension``); how attenuation differs between people once their shapes are taken off is a
principal component model of its own. As Klima et al. (2015) do on a mesh of tetrahedra, here on a cloud of parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.coherent_point_drift_kernel import spread_out
from XRayTo3DLib.shape.shape_intensity_extension import SmoothExtension
from XRayTo3DLib.shape.shape_model_file import NAMES, arrays_of, model_from_arrays
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
CENTRES = 400
"""Vertices that the field inside goes through exactly."""


@dataclass(frozen=True, eq=False)
class ShapeIntensityModel:
    """A bone's shape and attenuation, in the shape model's frame, mm.

    Attributes:
        shape: The shape model.
        points: (N, 3) middles of cubes with edge ``spacing_mm`` that fill the mean bone, on a lattice.
        spacing_mm: Edge of a cube.
        density: (N,) mean attenuation, 1/mm.
        density_modes: (m, N) what each way to differ in density adds for +1 SD, 1/mm.

    Raises:
        InputError: Arrays that do not fit together or are not finite.
    """

    shape: ShapeModel
    points: NDArray[np.float32]
    spacing_mm: float
    density: NDArray[np.float32]
    density_modes: NDArray[np.float32]
    _fields: tuple[Any, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        count = len(self.points)
        if self.points.shape != (count, 3) or self.density.shape != (count,) or count == 0:
            raise InputError(f"{self.name}: points {self.points.shape} and density {self.density.shape} do not fit.")
        if self.density_modes.ndim != 2 or self.density_modes.shape[1] != count:
            raise InputError(f"{self.name}: density modes {self.density_modes.shape} for {count} points.")
        if not all(np.isfinite(each).all() for each in (self.points, self.density, self.density_modes)):
            raise InputError(f"{self.name}: points or densities are not finite.")
        if not self.spacing_mm > 0:
            raise InputError(f"{self.name}: its spacing must be above 0 mm, not {self.spacing_mm}.")

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"shape and intensity model of {self.shape.label or 'a bone'}"

    @property
    def size(self) -> int:
        """Number of shape modes, k."""
        return self.shape.size

    @property
    def density_size(self) -> int:
        """Number of density modes, m."""
        return len(self.density_modes)

    @cached_property
    def middle(self) -> FloatArray:
        """(3,) middle of the mean surface's vertices, mm: rotations are about it."""
        return np.asarray(self.shape.mean.mean(axis=0))

    @property
    def triangles(self) -> NDArray[np.int64]:
        """(t, 3) vertex numbers of the surface."""
        return self.shape.triangles

    def surface_points(self, theta: Any = ()) -> FloatArray:
        """(n, 3) vertices of the surface for shape coefficients (SD), mm, model's frame."""
        return self.shape.shape(theta)

    def surface_moves(self, theta: Any = ()) -> FloatArray:
        """(k, n, 3) how the vertices move per SD of each mode, mm: the same for every ``theta``."""
        return self.shape.modes * self.shape.deviations[:, None, None]

    @cached_property
    def fields(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Moves (N, 3, k) of the points for +1 SD of each shape mode, mm, and their gradients (N, 3, 3, k)."""
        if self._fields is not None:
            moves, gradients = self._fields
            return moves, gradients
        moves = np.moveaxis(self.shape.modes * self.shape.deviations[:, None, None], 0, -1)
        chosen = spread_out(self.shape.mean, min(CENTRES, len(self.shape.mean)))
        extension = SmoothExtension(self.shape.mean[chosen])
        return (
            extension.at(self.points, moves[chosen]).astype(np.float32),
            extension.gradients(self.points, moves[chosen]).astype(np.float32),
        )

    def instance(self, theta: Any = (), phi: Any = ()) -> Instance:
        """The bone with shape coefficients ``theta`` (up to k, SD) and density coefficients ``phi`` (up to m, SD)."""
        theta = _filled(theta, self.shape.size, "shape coefficients")
        phi = _filled(phi, len(self.density_modes), "density coefficients")
        moves, gradients = self.fields
        change = np.eye(3, dtype=np.float32) + gradients @ theta.astype(np.float32)
        attenuation = self.density + phi.astype(np.float32) @ self.density_modes
        inverse, larger = _inverses(change)
        volumes = self.spacing_mm**3 * larger
        return Instance(
            self.points + moves @ theta.astype(np.float32),
            attenuation * volumes,
            # d det F = det F tr(F^-1 dF)
            np.einsum("nba,nabk->nk", inverse, gradients) * (attenuation * volumes)[:, None],
            (self.density_modes * volumes).T,
            moves,
        )

    def surface(self, theta: Any = ()) -> vtkPolyData:
        """The bone's surface for shape coefficients (SD), mm, model's frame."""
        return self.shape.surface(theta)

    def thinned(self, factor: int, shape_modes: int, density_modes: int) -> ShapeIntensityModel:
        """The model with its first modes only, on cubes ``factor`` times as large: every so many-th of the lattice.

        Raises:
            InputError: Nothing is left of it.
        """
        place = np.rint((self.points - self.points.min(axis=0)) / self.spacing_mm).astype(int)
        kept = np.all(place % factor == factor // 2, axis=1)
        if not kept.any():
            raise InputError(f"{self.name}: nothing is left of it on cubes {factor} times as large.")
        shape = self.shape.truncated(min(shape_modes, self.shape.size))
        return ShapeIntensityModel(
            shape,
            self.points[kept],
            self.spacing_mm * factor,
            self.density[kept],
            self.density_modes[:density_modes, kept],
            tuple(each[kept][..., : shape.size] for each in self.fields),
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """One bone of a model, in the model's frame, mm.

    Attributes:
        points: (N, 3) where its parts are.
        masses: (N,) attenuation times volume of each, mm^2.
        by_shape: (N, k) how much the masses change per SD of each shape mode (parts swell and shrink).
        by_density: (N, m) per SD of each density mode.
        moves: (N, 3, k) how the parts move per SD of each shape mode, mm; None: they never do.
    """

    points: NDArray[np.float32]
    masses: NDArray[np.float32]
    by_shape: NDArray[np.float32]
    by_density: NDArray[np.float32]
    moves: NDArray[np.float32] | None = None


def intensity_arrays(model: ShapeIntensityModel) -> dict[str, NDArray[Any]]:
    """A model as plain arrays by name for a bundle (float16 where that costs nothing); nothing is pickled."""
    return {
        **arrays_of(model.shape, np.float16),
        "points": model.points.astype(np.float32),
        "spacing": np.array([model.spacing_mm]),
        "density": model.density.astype(np.float16),
        "density_modes": model.density_modes.astype(np.float16),
    }


INTENSITY_NAMES = (*NAMES, "points", "spacing", "density", "density_modes")


def intensity_model_from(arrays: Mapping[str, NDArray[Any]], name: str) -> ShapeIntensityModel:
    """Inverse of :func:`intensity_arrays`; ``name`` is what messages call it.

    Raises:
        InputError: Missing arrays, or arrays that do not fit together.
    """
    missing = [each for each in INTENSITY_NAMES if each not in arrays]
    if missing:
        raise InputError(f"{name}: the bundle lacks {', '.join(missing)}; train it again.")
    return ShapeIntensityModel(
        model_from_arrays(arrays, name),
        np.asarray(arrays["points"], dtype=np.float32),
        float(np.ravel(arrays["spacing"])[0]),
        np.asarray(arrays["density"], dtype=np.float32),
        np.asarray(arrays["density_modes"], dtype=np.float32),
    )


def _filled(values: Any, count: int, what: str) -> FloatArray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if len(values) > count:
        raise InputError(f"{len(values)} {what} for {count} modes.")
    return np.concatenate([values, np.zeros(count - len(values))])


_PLACE, _ROW = np.ogrid[:3, :3]
_PLUS, _MINUS = (
    (3 * ((_ROW + 1) % 3) + (_PLACE + first) % 3, 3 * ((_ROW + 2) % 3) + (_PLACE + second) % 3)
    for first, second in ((1, 2), (2, 1))
)
"""Entries of a flat matrix: cross products of its rows, written out, take a third of the time of ``np.cross``."""


def _inverses(matrices: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inverses (N, 3, 3) and determinants (N,) of matrices (N, 3, 3), by cross products of their rows."""
    flat = matrices.reshape(-1, 9)
    columns = flat[:, _PLUS[0]] * flat[:, _PLUS[1]] - flat[:, _MINUS[0]] * flat[:, _MINUS[1]]
    determinants = np.einsum("nd,nd->n", matrices[:, 0], columns[:, :, 0])
    return columns / determinants[:, None, None], determinants
