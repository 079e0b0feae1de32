"""One resolution of every view: the radiographs around the bone, ready to be compared with its DRRs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.engines import Projector
from XRayTo3DLib.registration.motion import CentredMotion
from XRayTo3DLib.registration.similarity import GradientCorrelation

BORDER_PIXELS = 4
"""Margin round the mask so that the derivative filter sees real pixels."""
SHADOW_SHARE = 1e-3
"""Share of a DRR's largest value above which a pixel counts as the bone's shadow."""
COLLIMATOR_MARGIN_MM = 3.0
"""How far from the collimator's shadow pixels are left out, mm at the bone: its edge is the strongest of all."""


@dataclass(frozen=True)
class ViewLevel:
    """One view at one resolution: the camera of the compared window and the similarity to its pixels."""

    camera: XRayCamera
    similarity: GradientCorrelation


class Level:
    """All views at one resolution.

    Args:
        projector: Projects the bone.
        radiographs: The views.
        fields: Per view a (rows, columns) mask of what the beam reached (``imaging.radiograph_edit.exposed_field``).
        pose: Where the bone is about now; pixels within ``margin_mm`` of its shadow are compared.
        centre: (3,) centre of the bone in CT coordinates, LPS mm.
        pixel_mm: Wanted pixel size at the bone, mm, along columns and rows; whole-number binning comes nearest.
        margin_mm: How far beyond the bone's shadow to look, mm at the bone.
        sigma: Width of the derivative filter, pixels.

    Raises:
        InputError: The bone's shadow misses a radiograph.
    """

    def __init__(
        self,
        projector: Projector,
        radiographs: Sequence[Radiograph],
        fields: Sequence[NDArray[np.bool_]],
        pose: RigidPose,
        centre: NDArray[np.float64],
        pixel_mm: float,
        margin_mm: float,
        sigma: float = 1.0,
    ) -> None:
        self._projector, self._centre = projector, centre
        self.views = [
            _view_level(projector, radiograph, field, pose, centre, pixel_mm, margin_mm, sigma)
            for radiograph, field in zip(radiographs, fields, strict=True)
        ]

    def similarities(self, pose: RigidPose) -> list[float]:
        """Gradient correlation per view."""
        with torch.no_grad():
            return [float(view.similarity(self._projector(view.camera, pose)[None])) for view in self.views]

    def similarity(self, pose: RigidPose) -> float:
        """Mean gradient correlation over the views."""
        return float(np.mean(self.similarities(pose)))

    def normal_equations(self, pose: RigidPose) -> tuple[float, NDArray, NDArray, CentredMotion]:
        """Mean similarity, J^T J (6, 6), J^T r (6,) over all views, and the motion they are about."""
        motion = CentredMotion(pose.apply(self._centre))
        value, square, gradient = 0.0, np.zeros((6, 6)), np.zeros(6)
        for view in self.views:
            image, derivatives = self._projector.with_jacobian(view.camera, pose, motion)
            similarity, view_square, view_gradient = view.similarity.normal_equations(image, derivatives)
            value += similarity / len(self.views)
            square += view_square.cpu().numpy()
            gradient += view_gradient.cpu().numpy()
        return value, square, gradient, motion


def _view_level(
    projector: Projector,
    radiograph: Radiograph,
    field: NDArray[np.bool_],
    pose: RigidPose,
    centre: NDArray[np.float64],
    pixel_mm: float,
    margin_mm: float,
    sigma: float,
) -> ViewLevel:
    where = pose.apply(centre)
    if not np.isfinite(radiograph.camera.project(where)).all():
        raise InputError(
            f"radiograph {radiograph.name}: at the initial pose the bone lies beside or behind the X-ray source; "
            f"move the CT onto the bone first (by hand or by landmarks), or check the camera."
        )
    fine = radiograph.camera.pixel_size_at(where)
    factor = (max(1, round(pixel_mm / fine[0])), max(1, round(pixel_mm / fine[1])))
    camera = radiograph.camera.binned(factor)
    device = projector.device
    picture = _binned(torch.as_tensor(radiograph.pixels, device=device), factor)
    with torch.no_grad():
        image = projector(camera, pose)
        # Not simply above zero: the compiled engine's splines ring faintly a few pixels beyond the bone.
        shadow = (image > SHADOW_SHARE * image.max()).float()
    here = camera.pixel_size_at(where)
    blocked = (_binned(torch.as_tensor(~field, device=device), factor) > 0).float()
    weight = _dilated(shadow, margin_mm, here) * (1 - _dilated(blocked, COLLIMATOR_MARGIN_MM, here))
    window = _window(weight, radiograph.name)
    rows, columns = window
    near = camera.cropped(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
    return ViewLevel(near, GradientCorrelation(picture[window], weight[window], sigma))


def _binned(picture: Tensor, factor: tuple[int, int]) -> Tensor:
    """Mean of blocks of (columns, rows) pixels; consistent with :meth:`XRayCamera.binned`."""
    return functional.avg_pool2d(picture[None, None].float(), (factor[1], factor[0]))[0, 0]


def _dilated(mask: Tensor, reach_mm: float, pixel_mm: tuple[float, float]) -> Tensor:
    """``mask`` grown by ``reach_mm`` along columns and rows (a rectangle), in two cheap passes."""
    across, down = round(reach_mm / pixel_mm[0]), round(reach_mm / pixel_mm[1])
    wide = functional.max_pool2d(mask[None, None], (1, 2 * across + 1), 1, (0, across))
    return functional.max_pool2d(wide, (2 * down + 1, 1), 1, (down, 0))[0, 0]


def _window(weight: Tensor, name: str) -> tuple[slice, slice]:
    """Rows and columns that hold everything above zero, with a small border."""
    filled = torch.nonzero(weight)
    if len(filled) == 0:
        raise InputError(
            f"radiograph {name}: the bone's shadow at the initial pose misses the picture; "
            f"move the CT onto the bone first (by hand or by landmarks), or check the camera."
        )
    low = (filled.amin(dim=0) - BORDER_PIXELS).clamp(min=0).tolist()
    high = (filled.amax(dim=0) + 1 + BORDER_PIXELS).tolist()
    return slice(low[0], min(high[0], weight.shape[0])), slice(low[1], min(high[1], weight.shape[1]))
