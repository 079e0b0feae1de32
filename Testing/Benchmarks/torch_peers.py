"""nanodrr and DiffDRR, set up once for every benchmark: their geometry, the same as our camera, and a projection."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from diffdrr.drr import DRR as DiffDrr
    from diffdrr.pose import RigidTransform
    from nanodrr.data import Subject as NanoSubject
    from nanodrr.drr import render as nano_render
    from torchio import ScalarImage, Subject

from XRayTo3DLib.geometry import XRayCamera

Projection = Callable[[Tensor], Tensor]
"""From a (4, 4) volume-to-world motion, float32, differentiable, to (rows, columns) line integrals."""


def nanodrr_projector(volume: np.ndarray, grid: np.ndarray, camera: XRayCamera, samples: int) -> Projection:
    """nanodrr with so many trilinear samples per ray; it clips rays to the volume first."""
    frame, corner = _frame(camera)
    # Camera coordinates run along columns, rows and the beam; its pixels have their centres at 0.5.
    to_ray = np.eye(3)
    to_ray[:2] = np.column_stack([np.diag(camera.spacing), corner[:2] - 0.5 * np.array(camera.spacing)]) / corner[2]
    subject = NanoSubject.from_images(_image(volume, grid), convert_to_mu=False)
    k_inv, depth = torch.from_numpy(to_ray).float()[None], torch.tensor([corner[2]], dtype=torch.float32)

    def project(motion: Tensor) -> Tensor:
        pose = (torch.linalg.inv(motion) @ frame).float()[None]
        return nano_render(subject, k_inv, pose, depth, camera.size[1], camera.size[0], samples)[0, 0]

    return project


def diffdrr_projector(
    volume: np.ndarray, grid: np.ndarray, camera: XRayCamera, renderer: str, samples: int = 0, patch: int | None = None
) -> Projection:
    """DiffDRR, "siddon" or "trilinear" (so many samples per ray); ``patch``: its way to bound memory, rays in turn."""
    columns, rows = camera.size
    frame, corner = _frame(camera)
    image = _image(volume, grid)
    subject = Subject(volume=image, density=image, mask=None, reorient=torch.eye(4))
    centre = corner[:2] + 0.5 * np.array(camera.spacing) * (np.array(camera.size) - 1)
    # Its rows run up: a negative pixel height turns them.
    drr = DiffDrr(
        subject,
        float(corner[2]),
        height=rows,
        width=columns,
        delx=float(camera.spacing[0]),
        dely=-float(camera.spacing[1]),
        x0=float(centre[0]),
        y0=float(centre[1]),
        reverse_x_axis=False,
        patch_size=patch,
        renderer=renderer,
    )
    arguments = {"n_points": samples} if renderer == "trilinear" else {}

    def project(motion: Tensor) -> Tensor:
        pose = RigidTransform((torch.linalg.inv(motion) @ frame).float())
        return drr(pose, **arguments)[0, 0]

    return project


def pose_gradient(project: Projection, motion: Any, weights: Tensor) -> Tensor:
    """(P,) derivatives of the weighted sum of a picture by a motion's parameters: picture and one backward pass."""
    parameters = torch.zeros(int(motion.parameter_count), dtype=torch.float64, requires_grad=True)
    (project(motion(parameters)) * weights).sum().backward()
    assert parameters.grad is not None
    return parameters.grad


def _frame(camera: XRayCamera) -> tuple[Tensor, np.ndarray]:
    """(4, 4) camera (along columns, rows, beam; source at 0) to world, and where pixel [0, 0] is in it."""
    matrix = np.eye(4)
    axes = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    corner = axes.T @ (camera.origin - camera.source)
    axes[:, 2] *= np.sign(corner[2])
    matrix[:3, :3], matrix[:3, 3] = axes, camera.source
    return torch.from_numpy(matrix), np.array([corner[0], corner[1], abs(corner[2])])


def _image(volume: np.ndarray, grid: np.ndarray) -> ScalarImage:
    return ScalarImage(tensor=torch.from_numpy(volume.transpose(2, 1, 0))[None], affine=grid)
