"""The energy of a fit and its minimum for pairs held fixed: eq. (5) of 3DDX (Gu et al. 2024, MICCAI) with L-BFGS-B.

    energy(theta, pose, scale) = sum_p weight_p rho(misfit_p) + prior / k * sum_i theta_i^2        (mm^2)

The unknowns are theta (SD), a small rotation (rotation vector times the model's radius, mm), a translation (mm) and,
when asked for, the logarithm of the scale (times the radius, mm). L-BFGS-B runs in coordinates whitened by the
Gauss-Newton Hessian at the start, so that all unknowns have the same curvature and a few steps are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from XRayTo3DLib.geometry.pose import RigidPose, left_jacobian
from XRayTo3DLib.shape.model_fitting_pulls import Pulls
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

FloatArray = NDArray[np.float64]
STIFFNESS = 1e-9
"""Added to the Hessian's diagonal (mm^-2 of the energy), so that what nothing pulls on stays where it is."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A model placed in the world: ``x = scale R (shape(theta) - centre) + place``.

    Attributes:
        theta: (k,) SD.
        rotation: (3, 3).
        place: (3,) where the mean's centre lies, world mm.
        scale: 1 = life size.
    """

    theta: FloatArray
    rotation: FloatArray
    place: FloatArray
    scale: float = 1.0


class PlacedModel:
    """A model with what every round of a fit needs: displacements per SD, centre, radius."""

    def __init__(self, model: ShapeModel) -> None:
        self.model = model
        self.displacements = model.modes * model.deviations[:, None, None]
        self.centre = model.mean.mean(axis=0)
        self.radius = float(np.sqrt(np.mean(np.sum((model.mean - self.centre) ** 2, axis=1))))

    def start(self, pose: RigidPose, scale: float = 1.0) -> Placed:
        """The mean shape under ``pose`` (model to world, applied after ``scale``)."""
        return Placed(np.zeros(self.model.size), pose.rotation.copy(), pose.apply(scale * self.centre), scale)

    def pose(self, placed: Placed) -> RigidPose:
        """Model-to-world pose of ``placed``; its ``scale`` comes before it."""
        matrix = np.eye(4)
        matrix[:3, :3] = placed.rotation
        matrix[:3, 3] = placed.place - placed.scale * placed.rotation @ self.centre
        return RigidPose(matrix)

    def world(self, placed: Placed) -> FloatArray:
        """(n, 3) vertices, world mm."""
        return placed.scale * (self.model.shape(placed.theta) - self.centre) @ placed.rotation.T + placed.place


class Energy:
    """The energy for fixed pulls, in the frame of a placed model (so that modes need not be turned)."""

    def __init__(self, model: PlacedModel, placed: Placed, pulls: Pulls, prior: float, scale: bool) -> None:
        self.modes, self.radius, self.scaled = model.model.size, model.radius, scale
        self.prior = prior / max(self.modes, 1)
        self.placed = placed
        rows = np.einsum("pk,pkd->pd", pulls.shares, model.model.mean[pulls.corners])
        self.mean = rows - model.centre
        self.basis = np.einsum("pk,mpkd->mpd", pulls.shares, model.displacements[:, pulls.corners], optimize=True)
        self.targets = (pulls.targets - placed.place) @ placed.rotation
        self.normals, self.blind = pulls.normals @ placed.rotation, pulls.blind @ placed.rotation
        self.sideways, self.weights = pulls.sideways[:, None], pulls.weights
        self.reach_squared = pulls.reach**2

    def first(self) -> FloatArray:
        """The unknowns at the start of the round: (k + 6,) or (k + 7,)."""
        size = np.log(self.placed.scale) * self.radius
        return np.concatenate([self.placed.theta, np.zeros(6), [size] if self.scaled else []])

    def placement(self, unknowns: FloatArray) -> Placed:
        """What the unknowns say."""
        theta, turn, shift, scale = self._split(unknowns)
        rotation = self.placed.rotation @ Rotation.from_rotvec(turn).as_matrix()
        return Placed(theta, rotation, self.placed.place + self.placed.rotation @ shift, scale)

    def value(self, unknowns: FloatArray) -> tuple[float, FloatArray]:
        """The energy, mm^2, and its gradient."""
        theta, turn, shift, scale = self._split(unknowns)
        rotation = Rotation.from_rotvec(turn).as_matrix()
        local = self.mean + np.tensordot(theta, self.basis, axes=1)
        turned = scale * local @ rotation.T
        misfit, slope = self._misfit(turned + shift - self.targets)
        damped = 1 / (1 + misfit / self.reach_squared)
        pull = (self.weights * damped**2)[:, None] * slope
        back = scale * pull @ rotation
        gradient = np.concatenate(
            [
                np.tensordot(self.basis, back, axes=2) + 2 * self.prior * theta,
                left_jacobian(turn) @ np.cross(local, back).sum(axis=0) / self.radius,
                pull.sum(axis=0),
                [np.sum(pull * turned) / self.radius] if self.scaled else [],
            ]
        )
        return float(self.weights @ (misfit * damped) + self.prior * theta @ theta), gradient

    def hessian(self, unknowns: FloatArray) -> FloatArray:
        """Gauss-Newton approximation of the energy's second derivatives."""
        theta, turn, shift, scale = self._split(unknowns)
        rotation = Rotation.from_rotvec(turn).as_matrix()
        turned = scale * (self.mean + np.tensordot(theta, self.basis, axes=1)) @ rotation.T
        misfit, _ = self._misfit(turned + shift - self.targets)
        jacobian = [scale * self.basis @ rotation.T, np.cross(np.eye(3)[:, None], turned[None]) / self.radius]
        jacobian += [np.broadcast_to(np.eye(3)[:, None], (3, *turned.shape))]
        jacobian += [turned[None] / self.radius] if self.scaled else []
        rows = np.concatenate(jacobian)
        rows = rows - np.einsum("upd,pd->up", rows, self.blind)[:, :, None] * self.blind
        along = np.einsum("upd,pd->up", rows, self.normals)
        weights = 2 * self.weights / (1 + misfit / self.reach_squared) ** 2
        across = weights * self.sideways[:, 0]
        flat = (rows * np.sqrt(across)[:, None]).reshape(len(rows), -1)
        result = flat @ flat.T + (along * (weights - across)) @ along.T
        result[range(self.modes), range(self.modes)] += 2 * self.prior
        return result + STIFFNESS * np.eye(len(result))

    def minimised(self, steps: int) -> Placed:
        """L-BFGS-B from the round's start, at most ``steps`` iterations."""
        first = self.first()
        root = np.linalg.cholesky(self.hessian(first))

        def whitened(coordinates: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = self.value(first + solve_triangular(root, coordinates, lower=True, trans="T"))
            return value, solve_triangular(root, gradient, lower=True)

        found = minimize(whitened, np.zeros(len(first)), jac=True, method="L-BFGS-B", options={"maxiter": steps})
        return self.placement(first + solve_triangular(root, found.x, lower=True, trans="T"))

    def _split(self, unknowns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        k = self.modes
        scale = float(np.exp(unknowns[k + 6] / self.radius)) if self.scaled else self.placed.scale
        return unknowns[:k], unknowns[k : k + 3] / self.radius, unknowns[k + 3 : k + 6], scale

    def _misfit(self, offset: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Squared distances (P,) and their gradients (P, 3) for offsets (P, 3) from the targets."""
        seen = offset - np.einsum("pd,pd->p", offset, self.blind)[:, None] * self.blind
        along = np.einsum("pd,pd->p", seen, self.normals)[:, None]
        sideways = self.sideways
        misfit = sideways[:, 0] * np.einsum("pd,pd->p", seen, seen) + ((1 - sideways) * along**2)[:, 0]
        return misfit, 2 * (sideways * seen + (1 - sideways) * along * self.normals)
