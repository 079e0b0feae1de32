"""Small rigid motions about a bone's centre, the six numbers every optimiser here turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray, vector3


class CentredMotion:
    """World motion p -> R (p - c) + c + t with R = exp([rx, ry, rz]) in degrees and t in mm.

    Turning about the bone's own centre keeps rotation and translation apart; about the world's origin they would
    be coupled and no optimiser would thank us.

    Args:
        centre: (3,) centre of rotation in world LPS mm.
    """

    parameter_count = 6

    def __init__(self, centre: Any) -> None:
        self.centre = vector3(centre, "centre of rotation")
        self._centre = torch.as_tensor(self.centre.copy(), dtype=torch.float64)

    def __call__(self, parameters: Tensor) -> Tensor:
        """(4, 4) motion of parameters (6,), differentiable."""
        omega = torch.deg2rad(parameters[:3])
        zero = torch.zeros((), dtype=omega.dtype, device=omega.device)
        cross = torch.stack(
            [
                torch.stack([zero, -omega[2], omega[1]]),
                torch.stack([omega[2], zero, -omega[0]]),
                torch.stack([-omega[1], omega[0], zero]),
            ]
        )
        rotation = torch.linalg.matrix_exp(cross)
        centre = self._centre.to(omega.device)
        shift = parameters[3:] + centre - rotation @ centre
        top = torch.cat([rotation, shift[:, None]], dim=1)
        return torch.cat([top, torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=omega.dtype, device=omega.device)])

    def tangents(self) -> FloatArray:
        """(6, 4, 4) derivatives of the motion by its parameters at zero, per degree and per mm."""
        result = np.zeros((6, 4, 4))
        for axis in range(3):
            turn = np.cross(np.eye(3)[axis], np.eye(3)).T * np.pi / 180
            result[axis, :3, :3], result[axis, :3, 3] = turn, -turn @ self.centre
            result[3 + axis, axis, 3] = 1.0
        return result

    def pose(self, parameters: Any, base: RigidPose) -> RigidPose:
        """``base`` after the motion."""
        parameters = np.asarray(parameters, dtype=np.float64)
        return RigidPose.from_rotation(parameters[:3], parameters[3:], self.centre) @ base
