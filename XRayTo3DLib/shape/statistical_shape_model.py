"""Statistical shape models: a mean and the ways in which people differ from it (principal components).

A point distribution model (Cootes et al. 1995, "Active shape models", CVIU 61(1)): shapes with the same vertices,
aligned, become vectors of 3n numbers; the model is their mean and the eigenvectors of their covariance. A shape is
``mean + sum_i theta_i deviations_i modes_i`` with ``theta`` in standard deviations (SD), so that ``theta = 0`` is the
mean and most people lie within +-3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.meshes import enclosed_volume, make_surface

FloatArray = NDArray[np.float64]
SMALLEST_SHARE = 1e-9
"""Modes with a smaller deviation than this share of the largest coordinate are rounding, not anatomy."""
_SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """A statistical shape model of one bone, in its own frame, mm.

    Attributes:
        mean: (n, 3) vertices of the mean shape, mm.
        modes: (k, n, 3) directions in which people differ, orthonormal as vectors of 3n numbers, largest first.
        deviations: (k,) standard deviation of each mode's coefficient, mm (of the vector of 3n numbers; divided by
            sqrt(n) it is the root mean square move of a vertex for 1 SD).
        triangles: (m, 3) vertex numbers, counter-clockwise seen from outside.
        label: The bone ("femur_right").
        people: How many shapes the model was made of.
        synthetic: Whether any of them is no real person; travels with everything made from the model.
        sources: Where the shapes came from, for people to read.

    Raises:
        InputError: Arrays that do not fit together or hold values that are not finite.
    """

    mean: FloatArray
    modes: FloatArray
    deviations: FloatArray
    triangles: NDArray[np.int64]
    label: str = ""
    people: int = 0
    synthetic: bool = False
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        mean = _finite(self.mean, "mean", (-1, 3))
        modes = _finite(self.modes, "modes", (-1, len(mean), 3))
        deviations = _finite(self.deviations, "deviations", (len(modes),))
        if np.any(deviations <= 0):
            raise InputError("shape model: deviations must be larger than zero.")
        triangles = np.array(self.triangles, dtype=np.int64)
        if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.size == 0:
            raise InputError(f"shape model: triangles must have shape (m, 3), not {triangles.shape}.")
        if triangles.min() < 0 or triangles.max() >= len(mean):
            raise InputError(f"shape model: a triangle names a vertex outside 0..{len(mean) - 1}.")
        for name, value in (("mean", mean), ("modes", modes), ("deviations", deviations), ("triangles", triangles)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def size(self) -> int:
        """Number of modes, k."""
        return len(self.deviations)

    def shape(self, theta: Any = ()) -> FloatArray:
        """Vertices (n, 3) in the model's frame, mm, for coefficients ``theta`` (up to k numbers, SD; missing: 0)."""
        theta = self._theta(theta)
        return self.mean + np.tensordot(theta * self.deviations[: len(theta)], self.modes[: len(theta)], axes=1)

    def coefficients(self, points: Any) -> FloatArray:
        """Coefficients (k,) in SD of ``points`` (n, 3), mm, which are already in the model's frame and order.

        Raises:
            InputError: Another number of vertices than the model's.
        """
        points = np.asarray(points, dtype=np.float64)
        if points.shape != self.mean.shape:
            raise InputError(
                f"shape model: {points.shape[0] if points.ndim else 0} points for {len(self.mean)} vertices; "
                f"coefficients need the model's own vertices in its own order (fit_shape_model takes any surface)."
            )
        return np.tensordot(self.modes, points - self.mean, axes=2) / self.deviations

    def projected(self, points: Any) -> FloatArray:
        """The model's shape (n, 3) nearest to ``points`` (n, 3) vertex by vertex; mm, model's frame."""
        return self.shape(self.coefficients(points))

    def truncated(self, modes: int | None = None, variance: float | None = None) -> ShapeModel:
        """The model with its first modes only: a number of them, or as many as hold a share of the variance.

        Raises:
            InputError: Neither or both given, fewer than 0 modes, or a share outside 0..1.
        """
        if (modes is None) == (variance is None):
            raise InputError("shape model: give either a number of modes or a share of the variance.")
        if variance is not None:
            if not 0 < variance <= 1:
                raise InputError(f"shape model: the share of the variance must lie between 0 and 1, not {variance}.")
            share = np.cumsum(self.deviations**2) / np.sum(self.deviations**2)
            modes = min(int(np.searchsorted(share, variance - 1e-12)) + 1, self.size)
        if modes < 0:
            raise InputError(f"shape model: {modes} modes; give 0 (the mean alone) or more.")
        return replace(self, modes=self.modes[:modes], deviations=self.deviations[:modes])

    def mirrored(self, label: str | None = None) -> ShapeModel:
        """The other side's model: x becomes -x, triangles turned so that outside stays outside.

        ``label`` names it; by default "left" and "right" change places in the label.
        """
        flip = np.array([-1.0, 1.0, 1.0])
        name = re.sub("left|right", lambda found: _SIDES[found.group()], self.label) if label is None else label
        return replace(
            self, mean=self.mean * flip, modes=self.modes * flip, triangles=self.triangles[:, ::-1], label=name
        )

    def surface(self, theta: Any = ()) -> vtkPolyData:
        """The shape of ``theta`` (SD) as a surface, mm, model's frame."""
        return make_surface(self.shape(theta), self.triangles)

    def _theta(self, theta: Any) -> FloatArray:
        theta = np.asarray(theta, dtype=np.float64).ravel()
        if len(theta) > self.size:
            raise InputError(f"shape model: {len(theta)} coefficients for {self.size} modes.")
        return theta


def build_shape_model(
    shapes: Any,
    triangles: Any,
    *,
    label: str = "",
    synthetic: bool = False,
    sources: tuple[str, ...] = (),
    modes: int | None = None,
) -> ShapeModel:
    """Principal components of shapes that correspond vertex by vertex and are aligned (procrustes.aligned_shapes).

    Args:
        shapes: (N, n, 3) mm, N >= 2 people.
        triangles: (m, 3) vertex numbers, the same for all; turned round if they face inward.
        label: The bone.
        synthetic: Whether any shape is no real person.
        sources: Where the shapes came from.
        modes: Keep the first ones only; all that vary (at most N - 1) when ``None``.

    Raises:
        InputError: Fewer than two shapes, shapes that are all the same, or values that are not finite.
    """
    shapes = _finite(shapes, "shapes", (-1, -1, 3))
    if len(shapes) < 2:
        raise InputError(f"A shape model needs at least two shapes, not {len(shapes)}.")
    mean = shapes.mean(axis=0)
    _, values, directions = np.linalg.svd((shapes - mean).reshape(len(shapes), -1), full_matrices=False)
    deviations = values / np.sqrt(len(shapes) - 1)
    kept = int(np.count_nonzero(deviations[: len(shapes) - 1] > SMALLEST_SHARE * max(np.abs(mean).max(), 1e-300)))
    if kept == 0:
        raise InputError("The shapes are all the same: there is nothing to make a shape model of.")
    kept = kept if modes is None else min(kept, modes)
    model = ShapeModel(
        mean,
        directions[:kept].reshape(kept, *mean.shape),
        deviations[:kept],
        triangles,
        label=label,
        people=len(shapes),
        synthetic=synthetic,
        sources=tuple(sources),
    )
    # Outlines and uncertain sides are told by the normals: a file whose triangles face inward would spoil them.
    inward = enclosed_volume(model.surface()) < 0
    return replace(model, triangles=model.triangles[:, ::-1]) if inward else model


def _finite(values: Any, what: str, shape: tuple[int, ...]) -> FloatArray:
    """``values`` as a new float64 array of ``shape`` (-1: any length), checked to be finite."""
    array = np.array(values, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        wanted in (-1, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if each == -1 else str(each) for each in shape)
        raise InputError(f"shape model: {what} must have shape ({wanted}), not {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise InputError(f"shape model: {what} holds a value that is not finite.")
    return array
