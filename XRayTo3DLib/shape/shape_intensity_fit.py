"""Shape and intensity models of one or more bones fitted to radiographs: pose, shape and density of all together.

Levenberg-Marquardt on the residuals of ``shape_intensity_similarity``: the bones' pictures add up, so one system has
the unknowns of all. Coarse pictures and few unknowns come first. After Klima et al. (2015); an equivalent, not a copy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.shape.meshes import transformed
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel
from XRayTo3DLib.shape.shape_intensity_options import Bone, IntensityFitOptions, Level
from XRayTo3DLib.shape.shape_intensity_scene import Placed, Scene

FloatArray = NDArray[np.float64]
__all__ = ["Bone", "FittedBone", "IntensityFit", "IntensityFitOptions", "Level", "fit_shape_intensity"]

LONGEST_DEG, LONGEST_MM, LONGEST_SD = 5.0, 8.0, 1.5
"""Of one step: beyond, the straight line that it follows means little."""
TRIALS = 6
"""Of damping, before a level is taken to have ended."""


@dataclass(frozen=True, eq=False)
class FittedBone:
    """One bone of a fit.

    Attributes:
        pose: Model to world.
        theta: (k,) shape coefficients, SD.
        phi: (m,) density coefficients, SD.
        model: What was fitted.
    """

    pose: RigidPose
    theta: FloatArray
    phi: FloatArray
    model: ShapeIntensityModel

    def surface(self) -> vtkPolyData:
        """The bone's surface, world mm."""
        return transformed(self.model.surface(self.theta), self.pose.matrix)


@dataclass(frozen=True, eq=False)
class IntensityFit:
    """What a fit ended with.

    Attributes:
        bones: By name.
        misfit: Mean over views of the squared residuals, at the last level's resolution: 2 - 2 NCC, 2 - 2 NGCC or the
            share of squares.
        iterations: Steps taken.
        pictures: Per view (rows, columns) what the model shows, blurred as ``point_mass_drr`` says.
    """

    bones: dict[str, FittedBone]
    misfit: float
    iterations: int
    pictures: tuple[FloatArray, ...]


def fit_shape_intensity(
    bones: Mapping[str, Bone],
    cameras: Sequence[XRayCamera],
    images: Sequence[Any],
    options: IntensityFitOptions | None = None,
    start: Mapping[str, RigidPose] | None = None,
) -> IntensityFit:
    """Fit all bones to all radiographs.

    Args:
        bones: By name.
        cameras: One per radiograph, in the world of the poses, mm.
        images: (rows, columns) line integrals of these bones; gain and offset matter with "ssd" only.
        options: How.
        start: Model to world of each bone, about right; where they usually lie by default.

    Raises:
        InputError: No bone, no or too few pictures, pictures that do not fit the cameras, or a bone beside a source.
    """
    options = options or IntensityFitOptions()
    _require(bones, cameras, images)
    placed = {
        name: Placed((start or {}).get(name, bone.usual), np.zeros(0), np.zeros(0)) for name, bone in bones.items()
    }
    taken = 0
    for level in options.levels:
        scene = Scene(bones, cameras, images, level, options)
        placed, steps = _minimised(scene, {name: scene.fitting(name, each) for name, each in placed.items()}, options)
        taken += steps
    fitted = {name: FittedBone(each.pose, each.theta, each.phi, bones[name].model) for name, each in placed.items()}
    return IntensityFit(fitted, scene.misfit(placed), taken, tuple(scene.pictures(placed)))


def _require(bones: Mapping[str, Bone], cameras: Sequence[XRayCamera], images: Sequence[Any]) -> None:
    if not bones:
        raise InputError("fit: give at least one bone's model.")
    if not images or len(cameras) != len(images):
        raise InputError(f"fit: {len(images)} radiographs for {len(cameras)} cameras; give at least one of each.")
    for number, (camera, image) in enumerate(zip(cameras, images, strict=True), 1):
        if np.shape(image) != camera.size[::-1]:
            raise InputError(
                f"fit: radiograph {number} is {np.shape(image)} (rows, columns), its camera {camera.size[::-1]}."
            )
        if not np.isfinite(image).all():
            raise InputError(f"fit: radiograph {number} has pixels that are not finite.")


def _minimised(scene: Scene, placed: dict[str, Placed], options: IntensityFitOptions) -> tuple[dict[str, Placed], int]:
    """Levenberg-Marquardt; what it ends with and the steps taken."""
    damping, taken = 1e-3, 0
    while taken < scene.level.iterations:
        cost, square, gradient = scene.linearised(placed)
        for _ in range(TRIALS):
            step = _step(square, gradient, damping, scene)
            candidate = scene.moved(placed, step)
            lower = _cost(scene, candidate)
            if lower < cost:
                break
            damping = max(damping, 1e-4) * 8.0
        else:
            return placed, taken
        placed, taken, damping = candidate, taken + 1, damping * 0.2
        if cost - lower < options.tolerance * cost:
            break
    return placed, taken


def _cost(scene: Scene, candidate: Mapping[str, Placed]) -> float:
    """What is minimised, after a step that is only tried: infinite where it leaves a picture or passes a source."""
    try:
        return scene.cost(candidate)
    except InputError:
        return math.inf


def _step(square: FloatArray, gradient: FloatArray, damping: float, scene: Scene) -> FloatArray:
    """Solve (H + damping diag H) step = -g, shortened to the longest step that is trusted."""
    scale = np.diag(square) + 1e-9 * np.trace(square) / len(square)
    step = -np.linalg.solve(square + damping * np.diag(scale), gradient)
    longest = np.abs(step) / scene.longest(LONGEST_DEG, LONGEST_MM, LONGEST_SD)
    return step / max(1.0, float(longest.max()))
