"""How good a statistical shape model is: compactness, generalisation, specificity (Davies 2002, Styner et al. 2003).

``compactness``      share of the variance that the first modes hold; more is better
``generalisation``   how far the model of everybody else is from a person it has not seen; less is better
``specificity``      how far a shape drawn from the model is from the nearest real one; less is better
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.processes import process_pool
from XRayTo3DLib.shape.meshes import make_surface
from XRayTo3DLib.shape.procrustes import similarity_between
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model
from XRayTo3DLib.shape.surface_distance import surface_distance

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Generalisation:
    """Errors of people left out, one at a time.

    Attributes:
        modes: (c,) numbers of modes tried; 0 is the mean shape alone.
        vertex_mm: (N, c) mean distance between corresponding vertices, mm.
        surface_mm: (N, c) average symmetric surface distance (ASSD), mm; NaN where it was not asked for.
    """

    modes: tuple[int, ...]
    vertex_mm: FloatArray
    surface_mm: FloatArray


def compactness(model: ShapeModel) -> FloatArray:
    """Share of the variance, 0..1, that the first 1, 2 ... k modes hold, (k,)."""
    variance = model.deviations**2
    return np.cumsum(variance) / max(float(variance.sum()), 1e-300)


def generalisation(
    shapes: Any,
    triangles: Any,
    modes: Sequence[int] | None = None,
    *,
    samples: int = 0,
    workers: int = 1,
) -> Generalisation:
    """Leave one out: a model of the others, and how near its best shape comes to the one left out.

    The one left out is laid rigidly on the others' mean, and again on the model's shape, so that its pose counts
    nowhere.

    Args:
        shapes: (N, n, 3) mm, in correspondence and aligned, N >= 3.
        triangles: (m, 3).
        modes: Numbers of modes to try; None: 0 to N - 2.
        samples: Points on each surface for the surface error; 0 leaves it out (it takes most of the time).
        workers: Processes.

    Raises:
        InputError: Fewer than three shapes, or more modes than N - 2.
    """
    shapes, triangles = np.asarray(shapes, dtype=np.float64), np.asarray(triangles, dtype=np.int64)
    if shapes.ndim != 3 or len(shapes) < 3:
        raise InputError(f"Leaving one out needs at least three shapes (N, n, 3), not {shapes.shape}.")
    tried = tuple(range(len(shapes) - 1)) if modes is None else tuple(modes)
    if not tried or min(tried) < 0 or max(tried) > len(shapes) - 2:
        raise InputError(f"Of {len(shapes)} shapes with one left out there are 0 to {len(shapes) - 2} modes.")
    one = partial(_left_out, shapes, triangles, tried, samples)
    if workers == 1:
        found = [one(number) for number in range(len(shapes))]
    else:
        with process_pool(workers) as pool:
            found = list(pool.map(one, range(len(shapes))))
    return Generalisation(tried, np.array([each[0] for each in found]), np.array([each[1] for each in found]))


def specificity(model: ShapeModel, shapes: Any, samples: int = 100, seed: int = 0) -> FloatArray:
    """Mean vertex distance, mm, of shapes drawn from the model to the nearest of the real ``shapes`` (N, n, 3).

    Returns:
        (samples,) one number per drawn shape; same seed, same numbers.

    Raises:
        InputError: No shapes, or shapes of another model.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    if shapes.ndim != 3 or len(shapes) < 1 or shapes.shape[1:] != model.mean.shape:
        raise InputError(f"Shapes of {shapes.shape} for a model of {len(model.mean)} vertices.")
    random = np.random.default_rng(seed)
    drawn = (model.shape(random.standard_normal(model.size)) for _ in range(samples))
    return np.array([np.linalg.norm(shapes - each, axis=2).mean(axis=1).min() for each in drawn])


def _left_out(
    shapes: FloatArray, triangles: NDArray[np.int64], tried: tuple[int, ...], samples: int, number: int
) -> tuple[list[float], list[float]]:
    model = build_shape_model(np.delete(shapes, number, axis=0), triangles)
    vertex, surface = [], []
    for count in tried:
        truth, found = nearest_shape(model.truncated(min(count, model.size)), shapes[number])
        vertex.append(float(np.linalg.norm(truth - found, axis=1).mean()))
        both = (make_surface(truth, triangles), make_surface(found, triangles))
        surface.append(surface_distance(*both, samples=samples, require_overlap=False).assd if samples else np.nan)
    return vertex, surface


def nearest_shape(model: ShapeModel, points: FloatArray, rounds: int = 5) -> tuple[FloatArray, FloatArray]:
    """``points`` (n, 3) laid rigidly on the model's nearest shape, and that shape; both in the model's frame, mm."""
    truth, found = np.asarray(points, dtype=np.float64), model.mean
    for _ in range(rounds):
        truth = similarity_between(truth, found).apply(truth)
        found = model.projected(truth)
    return truth, found
