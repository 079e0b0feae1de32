"""Fitting a statistical shape model to measured points: shape, pose and scale together.

Equation (5) of 3DDX (Gu et al. 2024, MICCAI): the coefficients that minimise ``dist(clip(model), target) + prior / k *
sum theta^2``. Nearest points are found anew in every round; between them L-BFGS-B minimises
(:mod:`model_fitting_energy`). Early rounds are soft: a far-reaching robust kernel, point-to-point distances and a
strong prior, so that the pose settles before the shape does; late rounds measure along the surface's normal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.pose import RigidPose
from XRayTo3DLib.shape.meshes import make_surface, set_point_array, vertex_normals
from XRayTo3DLib.shape.model_fitting_energy import Energy, Placed, PlacedModel
from XRayTo3DLib.shape.model_fitting_pulls import (
    Landmarks,
    Pulls,
    Target,
    joined,
    make_target,
    to_model,
    to_target,
)
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
Clip = Callable[[FloatArray], NDArray[np.bool_]]
Direction = Literal["both", "to_model"]
MOVED_MM = 0.01
"""A round that moves no vertex further than this ends the fit."""
TRIAL_ROUNDS, TRIAL_POINTS = 6, 200
"""Of the short fits that choose among starts."""
MOST_RATIO = 50.0
"""A target this many times smaller or larger than the model is in another unit, or of something else."""


@dataclass(frozen=True)
class FitOptions:
    """How a model is fitted.

    Attributes:
        prior: Weight of ``sum theta^2 / k``, mm^2 (3DDX: 0.01).
        direction: "both" (model to target and back: whole surfaces, dual-face clouds) or "to_model" (target to model
            only: clouds that show one face).
        robust_mm: Distances beyond this hardly count (Geman-McClure kernel); None counts plain squares.
        scale: Whether the size is free as well.
        clip: Which model points (m, 3), world mm, the target could show at all (:mod:`model_fitting_clip`); the others
            look for no target point. None: all.
        iterations: Rounds at most.
        steps: L-BFGS-B iterations in a round at most.
        points: How many target points, and how many vertices, take part.
        sideways: 0..1, how much distance along the surface counts in late rounds.
        modes: How many of the model's modes may move; None: all.
    """

    prior: float = 0.01
    direction: Direction = "both"
    robust_mm: float | None = 5.0
    scale: bool = False
    clip: Clip | None = None
    iterations: int = 30
    steps: int = 15
    points: int = 1500
    sideways: float = 0.1
    modes: int | None = None

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise InputError(f'fit: direction "{self.direction}"; give one of {", ".join(get_args(Direction))}.')
        if self.prior < 0 or not np.isfinite(self.prior):
            raise InputError(f"fit: the prior's weight must be 0 or more, not {self.prior}.")
        if self.robust_mm is not None and self.robust_mm <= 0:
            raise InputError(f"fit: robust_mm must be larger than 0 mm, not {self.robust_mm}.")
        if min(self.iterations, self.steps, self.points) < 1:
            raise InputError("fit: iterations, steps and points must be 1 or more.")


@dataclass(frozen=True, eq=False)
class FittedShape:
    """A fitted shape.

    Attributes:
        theta: (k,) coefficients, SD.
        pose: Model to world, applied after ``scale``: a vertex is ``pose.apply(scale * model.shape(theta))``.
        scale: 1 = life size.
        points: (n, 3) vertices, world mm.
        triangles: (m, 3) vertex numbers.
        residual_mm: Mean distance from the target's points to the fitted surface (outlines: in the object's plane).
        iterations: Rounds taken.
        energy_mm2: What was minimised, at the end: mean of the squared distances under the robust kernel and prior.
        uncertainty_mm: (n,) how far each vertex may be off (1 SD), if people vary as the model says: small where
            the target pulls, large where only the model speaks. What the model cannot show at all is not in it.
    """

    theta: FloatArray
    pose: RigidPose
    scale: float
    points: FloatArray
    triangles: NDArray[np.int64]
    residual_mm: float
    iterations: int
    energy_mm2: float
    uncertainty_mm: FloatArray = field(default_factory=lambda: np.empty(0))

    def surface(self) -> vtkPolyData:
        """The fitted surface, world mm, with ``uncertainty_mm`` on its vertices."""
        surface = make_surface(self.points, self.triangles)
        if len(self.uncertainty_mm):
            set_point_array(surface, "uncertainty_mm", self.uncertainty_mm)
        return surface


def fit_shape_model(
    model: ShapeModel,
    target: Any,
    options: FitOptions | None = None,
    start: RigidPose | None = None,
    *,
    normals: Any = None,
    landmarks: Landmarks | None = None,
) -> FittedShape:
    """Fit ``model`` to measured points.

    Args:
        model: The statistical shape model.
        target: (q, 3) points on the bone's surface, world mm, in no order; may show a part of the bone only.
        options: See :class:`FitOptions`.
        start: Model to world, about right (10 mm, 15 degrees); None tries the principal axes
            (:func:`model_fitting_start.found_starts`).
        normals: (q, 3) outward unit normals at the target's points: then front and back are never mistaken.
        landmarks: Named vertices that were found as well.

    Raises:
        InputError: Too few points, points of another size than any bone's, or points, normals and landmarks that do
            not fit together.
    """
    options = options or FitOptions()
    model = model if options.modes is None else model.truncated(options.modes)
    cloud = make_target(target, normals, options.points)
    _require_size(model, cloud)
    if start is None:
        start = _best_start(model, cloud, options, landmarks)
    return run_rounds(model, start, _surface_evidence(model, cloud, options), options, landmarks)


def _require_size(model: ShapeModel, target: Target) -> None:
    """Points in metres shrink to one spot of the surface, which they all lie on: a perfect and senseless fit."""
    own, theirs = (_reach(points) for points in (model.mean, target.points))
    if not own / MOST_RATIO < theirs < own * MOST_RATIO:
        raise InputError(
            f"fit: half of the target's points lie within {theirs:.2g} mm of their middle, half of the model's within "
            f"{own:.3g} mm; give the target in mm (metres times 1000)."
        )


def _reach(points: FloatArray) -> float:
    """Median distance from the middle, mm: what a few strays do not change."""
    return float(np.median(np.linalg.norm(points - np.median(points, axis=0), axis=1)))


def _best_start(model: ShapeModel, target: Target, options: FitOptions, landmarks: Landmarks | None) -> RigidPose:
    """Of several starts the one from which a short, coarse fit ends with the least energy."""
    from XRayTo3DLib.shape.model_fitting_start import found_starts

    starts = found_starts(model, target.points)
    if len(starts) == 1:
        return starts[0]
    coarse = replace(options, iterations=TRIAL_ROUNDS, points=TRIAL_POINTS)
    few = replace(target, chosen=target.chosen[:: max(len(target.chosen) // TRIAL_POINTS, 1)])
    evidence = _surface_evidence(model, few, coarse)
    tried = [run_rounds(model, start, evidence, coarse, landmarks) for start in starts]
    return starts[int(np.argmin([each.energy_mm2 for each in tried]))]


@dataclass(frozen=True)
class Softness:
    """What a round counts: ``sideways`` 0..1 and ``reach`` mm of the pulls, ``prior`` of the coefficients."""

    sideways: float
    reach: float
    prior: float


Evidence = Callable[[FloatArray, Softness], tuple[Pulls, FloatArray]]
"""From vertices (n, 3), world mm, and the round's softness to pulls and the distances (p,) mm that the fit reports."""


def run_rounds(
    model: ShapeModel,
    start: RigidPose,
    evidence: Evidence,
    options: FitOptions,
    landmarks: Landmarks | None = None,
) -> FittedShape:
    """Find pairs, minimise, again, until nothing moves (or ``options.iterations``); see the module's head."""
    placed_model = PlacedModel(model)
    placed = placed_model.start(start)
    marks = [] if landmarks is None else [landmarks.pulls(len(model.mean))]
    world = placed_model.world(placed)
    warm = max(options.iterations // 3, 1)
    taken = 0
    for number in range(options.iterations):
        softness = _softness(options, heat=max(0.0, 1 - number / warm))
        pulls = joined([evidence(world, softness)[0], *marks])
        energy = Energy(placed_model, placed, pulls, softness.prior, options.scale)
        placed = energy.minimised(options.steps)
        before, world = world, placed_model.world(placed)
        taken = number + 1
        if number >= warm and np.abs(world - before).max() < MOVED_MM:
            break
    return _result(placed_model, placed, world, evidence, options, marks, taken)


def _softness(options: FitOptions, heat: float) -> Softness:
    """From 1 (soft) to 0 (as asked for), evenly in the logarithm."""
    reach = np.inf if options.robust_mm is None else options.robust_mm
    return Softness(options.sideways ** (1 - heat), reach * 6.0**heat, options.prior * 100.0**heat)


def _surface_evidence(model: ShapeModel, target: Target, options: FitOptions) -> Evidence:
    vertices = np.sort(np.random.default_rng(0).permutation(len(model.mean))[: options.points])
    both = options.direction == "both"

    def evidence(world: FloatArray, softness: Softness) -> tuple[Pulls, FloatArray]:
        ways = {"sideways": softness.sideways, "reach": softness.reach, "weight": 0.5 if both else 1.0}
        pulls, distances = to_model(world, model.triangles, target, **ways)
        if not both:
            return pulls, distances
        shown = vertices if options.clip is None else vertices[options.clip(world[vertices])]
        normals = vertex_normals(world, model.triangles)
        return joined([pulls, to_target(world, normals, shown, target, **ways)]), distances

    return evidence


def _result(
    model: PlacedModel,
    placed: Placed,
    world: FloatArray,
    evidence: Evidence,
    options: FitOptions,
    marks: Sequence[Pulls],
    taken: int,
) -> FittedShape:
    softness = _softness(options, heat=0.0)
    pulls, distances = evidence(world, softness)
    energy = Energy(model, placed, joined([pulls, *marks]), 0.0, options.scale)
    prior = options.prior * float(placed.theta @ placed.theta) / max(len(placed.theta), 1)
    return FittedShape(
        placed.theta,
        model.pose(placed),
        placed.scale,
        world,
        model.model.triangles,
        float(distances.mean()),
        taken,
        energy.value(energy.first())[0] + prior,
        _uncertainty(model, placed, energy, len(distances)),
    )


def _uncertainty(model: PlacedModel, placed: Placed, energy: Energy, measured: int) -> FloatArray:
    """Laplace's approximation: posterior covariance of shape and pose, seen at every vertex, mm.

    The energy's data term times ``measured / (2 variance)`` is the negative log likelihood of as many independent
    distances; ``variance`` is taken from the fit itself. The prior is the model's own: theta ~ N(0, 1).
    """
    unknowns = energy.first()
    variance = max(energy.value(unknowns)[0], 1e-8)
    precision = energy.hessian(unknowns) * measured / (2 * variance)
    precision[range(energy.modes), range(energy.modes)] += 1.0
    root = np.linalg.inv(np.linalg.cholesky(precision))
    local = placed.scale * (model.model.shape(placed.theta) - model.centre)
    rows = [placed.scale * model.displacements, np.cross(np.eye(3)[:, None], local[None]) / model.radius]
    rows += [np.broadcast_to(np.eye(3)[:, None], (3, *local.shape))]
    rows += [local[None] / model.radius] if energy.scaled else []
    spread = np.tensordot(root, np.concatenate(rows), axes=1)
    return np.sqrt(np.sum(spread**2, axis=(0, 2)))
