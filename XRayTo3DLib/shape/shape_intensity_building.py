"""Making shape and intensity models of people whose surfaces correspond and whose attenuation is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.coherent_point_drift_kernel import spread_out
from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between
from XRayTo3DLib.shape.shape_intensity_extension import SmoothExtension
from XRayTo3DLib.shape.shape_intensity_model import CENTRES, ShapeIntensityModel
from XRayTo3DLib.shape.statistical_shape_model import build_shape_model

FloatArray = NDArray[np.float64]
Attenuation = Callable[[int, FloatArray], NDArray[np.floating]]
"""From a person's number and points (m, 3), mm, to the bone's attenuation there (m,), 1/mm; 0 outside the bone."""
MARGIN_MM = 6.0
"""Parts are looked for this far outside the mean surface: partly filled voxels, and shafts that go on past a cut."""
FAINT = 0.02
"""Places with less than this share of the largest mean attenuation are left out."""


@dataclass(frozen=True, eq=False)
class BuiltModel:
    """A model and how people's bones lay when it was made.

    Attributes:
        model: In the frame that people's surfaces were given in, where their mean lies.
        rotation_sd_deg: How much people's bones are turned against the mean, root mean square per axis, degrees.
        translation_sd_mm: How far they are shifted, mm.
        people: (N, 6 + k + m) each person's rotation (degrees) and shift of the middle (mm) against the mean, shape
            and density coefficients (SD); None where it is not known.
    """

    model: ShapeIntensityModel
    rotation_sd_deg: float
    translation_sd_mm: float
    people: FloatArray | None = None


def build_shape_intensity_model(
    shapes: Any,
    triangles: Any,
    attenuation: Attenuation,
    *,
    spacing_mm: float = 2.5,
    shape_modes: int | None = None,
    density_modes: int = 5,
    label: str = "",
    synthetic: bool = False,
) -> BuiltModel:
    """A model of people's surfaces in correspondence and the attenuation inside them.

    Everybody's attenuation is read where the mean bone's parts lie in that person: after the surface's move to that
    person, carried inside. What differs then is density, not shape.

    Args:
        shapes: (N, n, 3) mm, corresponding, as they lie in one frame; N >= 2.
        triangles: (m, 3) vertex numbers.
        attenuation: Of each person; shafts that are cut are best carried on past the cut.
        spacing_mm: Edge of the cubes.
        shape_modes: Keep the first ones only; None: all.
        density_modes: Of the densities, at most one fewer than people.
        label: The bone.
        synthetic: Whether any person is made up.

    Raises:
        InputError: Fewer than two people, or nothing attenuates.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    aligned = aligned_shapes(shapes)
    place = similarity_between(aligned.mean, shapes.mean(axis=0))
    placed = np.stack([place.apply(shape) for shape in aligned.shapes])
    shape = build_shape_model(placed, triangles, label=label, synthetic=synthetic, modes=shape_modes)
    poses = [RigidPose(place.matrix @ each.matrix).inverse() for each in aligned.poses]
    points = _lattice(shape.mean, spacing_mm)
    chosen = spread_out(shape.mean, min(CENTRES, len(shape.mean)))
    moves = SmoothExtension(shape.mean[chosen]).at(points, np.moveaxis(placed - shape.mean, 0, -1)[chosen])
    found = np.stack(
        [attenuation(person, pose.apply(points + moves[..., person])) for person, pose in enumerate(poses)]
    )
    mean = found.mean(axis=0)
    kept = mean > FAINT * mean.max()
    if not kept.any():
        raise InputError(f"shape and intensity model of {label}: nothing attenuates inside its surfaces.")
    density, modes = principal(found[:, kept], density_modes)
    model = ShapeIntensityModel(shape, points[kept].astype(np.float32), float(spacing_mm), density, modes)
    turns, shifts = zip(*(pose.parameters(shape.mean.mean(axis=0)) for pose in poses), strict=True)
    spread = (float(np.sqrt(np.mean(np.square(each)))) for each in (turns, shifts))
    thetas = [shape.coefficients(each) for each in placed]
    people = np.concatenate([turns, shifts, thetas, _coefficients(found[:, kept], density, modes)], axis=1)
    return BuiltModel(model, *spread, people)


def _lattice(mean: FloatArray, spacing_mm: float) -> FloatArray:
    """(m, 3) lattice points of the box round a mean shape (n, 3), :data:`MARGIN_MM` wider, mm."""
    low, high = mean.min(axis=0) - MARGIN_MM, mean.max(axis=0) + MARGIN_MM
    axes = [np.arange(a, b + spacing_mm, spacing_mm) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _coefficients(found: NDArray[np.floating], mean: Any, modes: Any) -> FloatArray:
    """(N, m) of densities (N, n): how many SD of each mode; 0 of modes that are none."""
    length2 = np.maximum(np.sum(np.square(modes, dtype=np.float64), axis=1), 1e-30)
    return np.asarray((found - mean) @ np.asarray(modes, dtype=np.float64).T / length2)


def principal(found: NDArray[np.floating], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (m,) of (N, m) and what each of the first ways to differ adds for +1 SD, (count, m)."""
    mean = found.mean(axis=0)
    _, values, directions = np.linalg.svd(found - mean, full_matrices=False)
    count = min(count, len(found) - 1)
    modes = directions[:count] * (values[:count, None] / np.sqrt(len(found) - 1))
    return mean.astype(np.float32), modes.astype(np.float32)
