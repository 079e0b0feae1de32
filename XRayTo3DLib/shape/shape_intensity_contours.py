"""Outlines of a bone as part of a fit to radiographs: how far the model's rim is from them, and how that changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.meshes import vertex_normals
from XRayTo3DLib.shape.model_fitting import Softness
from XRayTo3DLib.shape.model_fitting_contours import Outline, SeenOutline, edges_of
from XRayTo3DLib.shape.model_fitting_pulls import Pulls
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
POINTS = 200
"""Of each outline that take part."""
REACH_MM = 6.0
"""Distances beyond this hardly count (Geman-McClure)."""


class OutlinesOfBone:
    """The outlines of one bone in any number of radiographs.

    Args:
        model: The bone's shape model.
        outlines: Its outlines; none is allowed.
    """

    def __init__(self, model: ShapeModel, outlines: Sequence[Outline]) -> None:
        self._model = model
        self._seen = [SeenOutline(outline, POINTS) for outline in outlines]
        self._edges = edges_of(model.triangles)

    def cost(self, pose: RigidPose, theta: FloatArray) -> float:
        """Mean over outlines of the mean squared distance under the robust kernel, mm^2; 0 without outlines."""
        return float(sum(weights @ distances**2 for _, _, distances, weights in self._found(pose, theta)))

    def linearised(
        self, pose: RigidPose, theta: FloatArray, middle: FloatArray
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """Cost, J^T J and J^T r by rotation about ``middle`` (degrees), translation (mm) and shape (SD).

        The rim's pairs and the robust weights are taken as fixed. None without outlines.
        """
        if not self._seen:
            return None
        model = self._model
        square, gradient, cost = np.zeros((6 + len(theta),) * 2), np.zeros(6 + len(theta)), 0.0
        world = pose.apply(model.shape(theta))
        moves = model.modes[: len(theta)] * model.deviations[: len(theta), None, None]
        for pulls, normals, distances, weights in self._found(pose, theta):
            arms = np.einsum("pk,pkd->pd", pulls.shares, world[pulls.corners]) - middle
            by_shape = np.einsum("pk,mpkd,pd->pm", pulls.shares, moves[:, pulls.corners], normals @ pose.rotation)
            slopes = np.concatenate([np.cross(arms, normals) * (np.pi / 180), normals, by_shape], axis=1)
            cost += float(weights @ distances**2)
            square += slopes.T @ (weights[:, None] * slopes)
            gradient += slopes.T @ (weights * distances)
        return cost, square, gradient

    def _found(self, pose: RigidPose, theta: FloatArray) -> list[tuple[Pulls, FloatArray, FloatArray, FloatArray]]:
        """Per outline its pairs, unit normals (p, 3), signed distances (p,) mm and weights (p,)."""
        if not self._seen:
            return []
        world = pose.apply(self._model.shape(theta))
        normals = vertex_normals(world, self._model.triangles)
        result = []
        for seen in self._seen:
            pulls, _ = seen.pulls(world, normals, self._edges, Softness(0.0, REACH_MM, 0.0), 1 / len(self._seen))
            rim = np.einsum("pk,pkd->pd", pulls.shares, world[pulls.corners])
            distances = np.einsum("pd,pd->p", rim - pulls.targets, pulls.normals)
            kernel = REACH_MM**2 / (REACH_MM**2 + distances**2)
            result.append((pulls, pulls.normals, distances, pulls.weights * kernel))
        return result
