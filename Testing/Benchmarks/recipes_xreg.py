"""The registration of xreg: CMA-ES on patch gradient NCC, then BOBYQA.

xreg (Grupp et al., "Automatic annotation of hip anatomy in fluoroscopy for robust and efficient 2D/3D registration",
IJCARS 15:759, 2020; github.com/rg2/xreg) is C++ and on no package index, so that the recipe is **re-made here** from
the source of its two programs (``pelvis_single_view_regi_2d_3d``, and the pelvis of ``frag_multi_view_regi_2d_3d``).
The peers' own code: BOBYQA in NLopt, the library that xreg calls. CMA-ES is the ``cma`` package (xreg: c-cmaes by the
same author). **The projector is ours**, several times as fast as a ray caster on a CPU, so that its seconds flatter it.

* Pixels: a 1536-pixel, 0.194 mm detector over 8 (CMA-ES) and over 4 (BOBYQA): 1.55 and 0.78 mm.
* Similarity: 1 - NCC of Sobel gradients after a Gaussian blur (OpenCV's 5-pixel kernel), in every patch of 11 (21)
  pixels, weighted by the radiograph's variance there, mean of both directions.
* One view: CMA-ES, 100 at a time, spread 15, 15, 30 degrees and 50, 50, 100 mm, until either tolerance of 0.01; cost
  0.9 similarity + 0.1 penalty, normal with 15, 15, 10 degrees and 30, 30, 150 mm. BOBYQA within 2.5 degrees and 5, 5,
  10 mm, tolerances 1e-4.
* Several views: spread 0.3 rad and 5 mm, penalty by the size of the turn (folded normal, 10 and 10 degrees) and of the
  shift (50 and 50 mm); BOBYQA within 5 degrees and 30 mm, then within 2.5 degrees and 10 mm, tolerances 1e-3.

Parameters are se(3) about the volume's middle, axes along the first camera. Deviations: penalties take the rotation
vector for Euler angles, and each view's similarity counts the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cma
import nlopt
import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from scipy.linalg import expm
from torch import Tensor

from XRayTo3DLib.evaluation.registration_trials import Trial
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.engines import make_projector

Vector = NDArray[np.float64]
COARSE_MM, FINE_MM = 8 * 0.194, 4 * 0.194
PATCH = {COARSE_MM: 11, FINE_MM: 21}
"""Sides of patches, pixels: twice the rounded 41 times 1/8 and 1/4, plus one."""
POPULATION, TOLERANCE = 100, 0.01
KERNEL = torch.tensor([0.07076637, 0.24446, 0.36954727, 0.24446, 0.07076637])
"""OpenCV's Gaussian of 5 pixels and no sigma: 1.1."""
SMOOTH, SLOPE = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Plan:
    """Numbers of one of xreg's programs: radians and mm."""

    spread: Vector
    penalty: Callable[[Vector], float]
    bounds: tuple[Vector, ...]
    tolerance: float


def _one_view_penalty(parameters: Vector) -> float:
    return float(0.5 * np.square(parameters / _six(15, 15, 10, 30, 30, 150)).sum())


def _several_views_penalty(parameters: Vector) -> float:
    turn, shift = np.linalg.norm(parameters[:3]), np.linalg.norm(parameters[3:])
    return _folded(turn, np.deg2rad(10)) + _folded(shift, 50.0)


def _folded(value: float, both: float) -> float:
    """Minus the logarithm of a folded normal density with mean and deviation ``both``, without its constant."""
    return -float(np.logaddexp(-0.5 * (value / both - 1) ** 2, -0.5 * (value / both + 1) ** 2))


def _six(*values: float) -> Vector:
    """Three angles in degrees and three lengths in mm, as radians and mm."""
    return np.array([*np.deg2rad(values[:3]), *values[3:]])


ONE_VIEW = Plan(_six(15, 15, 30, 50, 50, 100), _one_view_penalty, (_six(2.5, 2.5, 2.5, 5, 5, 10),), 1e-4)
SEVERAL_VIEWS = Plan(
    np.array([0.3, 0.3, 0.3, 5.0, 5.0, 5.0]),
    _several_views_penalty,
    (_six(5, 5, 5, 30, 30, 30), _six(2.5, 2.5, 2.5, 10, 10, 10)),
    1e-3,
)


class XregRecipe:
    """xreg's two levels for one volume: attenuation (1/mm) of everything in the beam."""

    def __init__(self, attenuation: Attenuation) -> None:
        half = (np.array(attenuation.mu.shape[::-1]) - 1) / 2
        self._middle = attenuation.voxel_to_lps[:3, :3] @ half + attenuation.voxel_to_lps[:3, 3]
        self._project = make_projector(attenuation.mu, attenuation.voxel_to_lps)

    def solve(self, trial: Trial) -> RigidPose:
        """CT-to-world pose."""
        plan = ONE_VIEW if len(trial.views) == 1 else SEVERAL_VIEWS
        pose = self._cmaes(trial.views, trial.start, plan)
        for bounds in plan.bounds:
            pose = self._bobyqa(trial.views, pose, bounds, plan.tolerance)
        return pose

    def _cmaes(self, views: Sequence[Radiograph], start: RigidPose, plan: Plan) -> RigidPose:
        compare, chart = self._comparison(views, COARSE_MM), _Chart(views[0].camera, start, self._middle)
        options = {"popsize": POPULATION, "CMA_stds": plan.spread, "tolx": TOLERANCE, "tolfun": TOLERANCE}
        options |= {"CMA_active": False, "seed": 1, "verbose": -10, "verb_log": 0}
        search = cma.CMAEvolutionStrategy(np.zeros(6), 1.0, options)
        while not search.stop():
            steps = search.ask()
            search.tell(steps, [0.9 * compare(chart.pose(step)) + 0.1 * plan.penalty(step) for step in steps])
        return chart.pose(np.asarray(search.result.xfavorite))

    def _bobyqa(self, views: Sequence[Radiograph], start: RigidPose, bounds: Vector, tolerance: float) -> RigidPose:
        compare, chart = self._comparison(views, FINE_MM), _Chart(views[0].camera, start, self._middle)
        search = nlopt.opt(nlopt.LN_BOBYQA, 6)
        search.set_min_objective(lambda step, _: compare(chart.pose(step)))
        search.set_lower_bounds(-bounds)
        search.set_upper_bounds(bounds)
        search.set_ftol_rel(tolerance)
        search.set_xtol_rel(tolerance)
        try:
            return chart.pose(search.optimize(np.zeros(6)))
        except nlopt.RoundoffLimited:  # as xreg does: keep what it had
            return start

    def _comparison(self, views: Sequence[Radiograph], pixel_mm: float) -> Callable[[RigidPose], float]:
        fixed = []
        for view in views:
            columns, rows = (round(count * view.camera.spacing[0] / pixel_mm) for count in view.camera.size)
            pixels = torch.from_numpy(view.pixels)[None, None]
            coarse = functional.interpolate(pixels, size=(rows, columns), mode="bilinear", antialias=True)[0, 0]
            fixed.append((view.camera.resampled((columns, rows)), PatchGradients(coarse, PATCH[pixel_mm])))

        def compare(pose: RigidPose) -> float:
            return float(np.mean([similarity(self._project(camera, pose)) for camera, similarity in fixed]))

        return compare


class PatchGradients:
    """1 - weighted mean of the NCCs in every patch of Sobel's derivatives, by box sums."""

    def __init__(self, picture: Tensor, side: int) -> None:
        self._side = side
        contrast = self._box(picture[None].square()) - self._box(picture[None]).square()
        self._share = contrast.clamp(min=0) / contrast.clamp(min=0).sum()
        self._fixed = _derivatives(picture)
        self._mean = self._box(self._fixed)
        self._variance = self._spread(self._fixed, self._mean)

    def __call__(self, drawn: Tensor) -> float:
        moving = _derivatives(drawn)
        mean = self._box(moving)
        together = self._box(moving * self._fixed) - mean * self._mean
        likeness = together / (self._spread(moving, mean) * self._variance).sqrt()
        return 1.0 - float((likeness * self._share).sum()) / 2

    def _spread(self, values: Tensor, mean: Tensor) -> Tensor:
        squared = self._box(values.square())
        return (squared - mean.square()).clamp(min=0) + 1e-6 * squared.mean()

    def _box(self, values: Tensor) -> Tensor:
        across = functional.avg_pool2d(values[None], (1, self._side), 1)
        return functional.avg_pool2d(across, (self._side, 1), 1)[0]


def _derivatives(picture: Tensor) -> Tensor:
    """(2, rows, columns) Sobel's derivatives of the blurred picture; edges are mirrored."""
    blurred = _along(_along(picture[None, None], KERNEL, 3), KERNEL, 2)
    return torch.cat([_along(_along(blurred, SLOPE, axis), SMOOTH, 5 - axis) for axis in (3, 2)])[:, 0]


def _along(image: Tensor, kernel: Tensor, axis: int) -> Tensor:
    half = len(kernel) // 2
    padded = functional.pad(image, (half, half, 0, 0) if axis == 3 else (0, 0, half, half), mode="reflect")
    return functional.conv2d(padded, kernel.view((1, 1, 1, -1) if axis == 3 else (1, 1, -1, 1)))


class _Chart:
    """Poses from se(3) about a CT point, axes along a camera's columns, rows and beam."""

    def __init__(self, camera: XRayCamera, start: RigidPose, middle: Vector) -> None:
        self._frame = np.eye(4)
        self._frame[:3, :2] = np.stack([camera.column_direction, camera.row_direction], axis=1)
        self._frame[:3, 2] = np.cross(camera.column_direction, camera.row_direction)
        self._frame[:3, 3] = start.apply(middle)
        self._inside = np.linalg.inv(self._frame) @ start.matrix

    def pose(self, parameters: Vector) -> RigidPose:
        x, y, z = parameters[:3]
        twist = np.zeros((4, 4))
        twist[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
        twist[:3, 3] = parameters[3:]
        return RigidPose(self._frame @ expm(twist) @ self._inside)
