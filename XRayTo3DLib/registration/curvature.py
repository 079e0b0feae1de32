"""How sure a found pose is, one number for each degree of freedom, from the curvature of the similarity at its top.

Gauss-Newton's J^T J says how fast the fit worsens when the pose moves. What noise alone would make of that is far too
good: what is left over in a picture (edges of tissue, other bones, a bone that bends the rays a little differently) is
not noise but structures, whole strips of pixels wrong together. So the residuals are summed over square blocks before
they are squared (a cluster-robust "sandwich", White, Econometrica 48:817, 1980; Liang and Zeger, Biometrika 73:13,
1986):

    Cov = (J^T J)^-1  sum_b (J_b^T r_b)(J_b^T r_b)^T  (J^T J)^-1

and the result is widened by a factor found on trials with a known truth (:data:`WIDENED`, :data:`WIDENED_ALONE`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.registration.levels import Level, Poses, ViewLevel
from XRayTo3DLib.registration.motion import CentredMotion
from XRayTo3DLib.registration.similarities.filters import gradients
from XRayTo3DLib.registration.uncertainty import PoseUncertainty

BLOCK_MM = 20.0
"""Side of the blocks whose residuals count as one, mm at the bone."""
WIDENED, WIDENED_ALONE = 1.8, 3.0
"""Standard deviations are multiplied by these: where all that throws a shadow is drawn, and for a bone drawn alone,
at which neighbours and tissue pull. Found on SYNTHETIC trials; docs/register.md has those, and fresh ones."""

FLOOR = 0.02
"""Standard deviation (degrees, mm) that is always added: interpolation, rounding."""
DEPTH_FLOOR = 1e-4
"""Standard deviation of depth in one view, as a share of the distance from the source, that is added: so exactly no
picture's grey values, of which scatter is a part, tell a size. Found on SYNTHETIC trials too."""


def view_axes(camera: XRayCamera) -> FloatArray:
    """(3, 3) columns: column and row direction of a picture, and the detector's normal, for or against the beam."""
    return np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)


def pose_uncertainties(
    level: Level, poses: Poses, active: Sequence[int], widened: float = WIDENED, block_mm: float = BLOCK_MM
) -> list[PoseUncertainty]:
    """The uncertainty of every active body's pose at the top of the similarity, all of them having moved together."""
    motions = [CentredMotion(poses[index].apply(level.bodies[index].centre)) for index in active]
    count = 6 * len(active)
    square, scatter = np.zeros((count, count)), np.zeros((count, count))
    for view in level.views:
        image, derivatives = level.with_jacobian(view, poses, active, motions)
        pixel = view.camera.pixel_size_at(motions[0].centre)
        blocks = _blocks(view, (block_mm / pixel[1], block_mm / pixel[0]))
        for slopes, residuals in _residuals(view, image, derivatives):
            square += (slopes @ slopes.T).numpy()
            scores = torch.zeros(int(blocks.max()) + 1, count, dtype=torch.float64)
            scores.index_add_(0, blocks, (slopes * residuals).T)
            scatter += (scores.T @ scores).numpy()
    inverse = np.linalg.pinv(square, rcond=1e-12, hermitian=True)
    covariance = widened**2 * inverse @ scatter @ inverse
    covariance = covariance + FLOOR**2 * np.eye(count)
    if len(level.views) == 1:
        covariance = covariance + _depth_floor(level.views[0].camera, [motion.centre for motion in motions])
    axes = view_axes(level.views[0].camera)
    turn = np.kron(np.eye(2), axes)
    return [
        PoseUncertainty(axes, turn.T @ covariance[6 * n : 6 * n + 6, 6 * n : 6 * n + 6] @ turn)
        for n in range(len(active))
    ]


def _depth_floor(camera: XRayCamera, centres: Sequence[FloatArray]) -> FloatArray:
    """Covariance of all bodies' parameters (turns, then shifts, of each) from :data:`DEPTH_FLOOR`, mm^2."""
    result = np.zeros((6 * len(centres),) * 2)
    for number, centre in enumerate(centres):
        shift = slice(6 * number + 3, 6 * number + 6)
        away = DEPTH_FLOOR * ((centre - camera.source) @ camera.normal)
        result[shift, shift] = away**2 * np.outer(camera.normal, camera.normal)
    return result


def _blocks(view: ViewLevel, size: tuple[float, float]) -> Tensor:
    """Block number of every compared pixel, rows first."""
    row, column = torch.nonzero(view.weight > 0).T.cpu()
    across = int(view.weight.shape[1] / size[1]) + 1
    return (row / size[0]).long() * across + (column / size[1]).long()


def _residuals(view: ViewLevel, image: Tensor, derivatives: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per direction of the gradient the slopes (P, n) and residuals (n,) of gradient correlation, float64."""
    inside = view.weight > 0
    root = view.weight[inside].double().sqrt().cpu()
    root = root / root.norm()
    found = []
    for feature in gradients(torch.cat([view.picture[None], image[None], derivatives]), 1.0):
        values = feature[:, inside].double().cpu() * root
        values = values - (values @ root)[:, None] * root
        target, moving = (part / (part.norm() + 1e-12) for part in values[:2])
        length = values[1].norm() + 1e-12
        slopes = (values[2:] - (values[2:] @ moving)[:, None] * moving) / length
        found.append((slopes, moving - target))
    return found
