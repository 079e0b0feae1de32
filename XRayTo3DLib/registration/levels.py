"""One resolution of every view: the radiographs around a bone, ready for DRRs of all that moves there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from torch import Tensor

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.bodies import Body
from XRayTo3DLib.registration.motion import CentredMotion
from XRayTo3DLib.registration.response import METAL_SCATTER, Response, fitted_response
from XRayTo3DLib.registration.similarity import GradientCorrelation

Poses = tuple[RigidPose, ...]
"""One pose for each body."""

BORDER_PIXELS, WIDE_BORDER_PIXELS = 4, 14
"""Margin round the mask so that filters see real pixels: of gradient correlation, and of other measures."""
SHADOW_SHARE = 1e-3
"""Share of a DRR's largest value above which a pixel counts as the bone's shadow."""
CUT_SHARE = 0.05
"""Share of a DRR's largest value above which the shadow of a cut end is left out."""
COLLIMATOR_MARGIN_MM = 3.0
"""How far from the collimator's shadow pixels are left out, mm at the bone: its edge is the strongest of all."""


@dataclass
class ViewLevel:
    """One view at one resolution: the camera of the compared window, its pixels, and the similarity to them.

    Attributes:
        camera: Of the window.
        picture: (rows, columns) line integrals of the radiograph.
        weight: (rows, columns) 1 where pixels are compared.
        similarity: To those pixels.
        response: What becomes of line integrals in this picture.
        drawn: Per body the last pose drawn and its DRR: bodies at rest are drawn once.
    """

    camera: XRayCamera
    picture: Tensor
    weight: Tensor
    similarity: Any
    response: Response = Response()
    drawn: dict[int, tuple[RigidPose, Tensor]] = field(default_factory=dict)


class Level:
    """All views at one resolution.

    Args:
        bodies: Everything whose shadow is drawn.
        radiographs: The views.
        fields: Per view a (rows, columns) mask of what the beam reached (``imaging.radiograph_edit.exposed_field``).
        poses: Where the bodies are about now; pixels within ``margin_mm`` of the shadows of ``focus`` are compared.
        pixel_mm: Wanted pixel size at the bone, mm; whole-number binning comes nearest.
        margin_mm: How far beyond the shadow to look, mm at the bone.
        focus: Indices of the bodies looked at.
        measure: Makes the similarity from a picture and its weights.

    Raises:
        InputError: The bone's shadow misses a radiograph.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        radiographs: Sequence[Radiograph],
        fields: Sequence[NDArray[np.bool_]],
        poses: Poses,
        pixel_mm: float,
        margin_mm: float,
        focus: Sequence[int] = (0,),
        measure: Callable[[Tensor, Tensor], Any] = GradientCorrelation,
    ) -> None:
        self.bodies, self.pixel_mm, self._measure = tuple(bodies), pixel_mm, measure
        self._projectors = [body.projector(pixel_mm) for body in bodies]
        self.views = [
            self._view(radiograph, exposed, poses, margin_mm, focus)
            for radiograph, exposed in zip(radiographs, fields, strict=True)
        ]

    def drr(self, view: ViewLevel, poses: Poses) -> Tensor:
        """(rows, columns) of all bodies together, as the picture would show them."""
        return view.response(_sum([self.drawn(view, index, pose) for index, pose in enumerate(poses)]))

    def fit_responses(self, poses: Poses) -> None:
        """Fit every picture's response; only where the bodies are all that there is do line integrals mean anything."""
        for view in self.views:
            total = _sum([self.drawn(view, index, pose) for index, pose in enumerate(poses)])
            view.response = fitted_response(total, view.similarity)

    def similarities(self, poses: Poses) -> list[float]:
        """Similarity per view."""
        with torch.no_grad():
            return [float(view.similarity(self.drr(view, poses)[None])) for view in self.views]

    def gradient_correlations(self, poses: Poses) -> list[float]:
        """Gradient correlation per view, whatever is climbed: what a verdict's thresholds are about."""
        with torch.no_grad():
            return [float(_gradient_correlation(view)(self.drr(view, poses)[None])) for view in self.views]

    def similarity(self, poses: Poses) -> float:
        """Mean similarity over the views."""
        return float(np.mean(self.similarities(poses)))

    def similarities_of(self, candidates: Sequence[Poses]) -> NDArray[np.float64]:
        """(B,) mean similarity of many candidates, compared as one batch."""
        with torch.no_grad():
            scores = [
                view.similarity(torch.stack([self.drr(view, poses) for poses in candidates])) for view in self.views
            ]
        return torch.stack(scores).mean(dim=0).double().cpu().numpy()

    def normal_equations(
        self, poses: Poses, active: Sequence[int]
    ) -> tuple[float, NDArray, NDArray, list[CentredMotion]]:
        """Mean similarity, J^T J and J^T r (6 rows per active body) over all views, and the motions they are about."""
        motions = [CentredMotion(poses[index].apply(self.bodies[index].centre)) for index in active]
        value, count = 0.0, 6 * len(active)
        square, gradient = np.zeros((count, count)), np.zeros(count)
        for view in self.views:
            image, derivatives = self.with_jacobian(view, poses, active, motions)
            similarity, view_square, view_gradient = view.similarity.normal_equations(image, derivatives)
            value += similarity / len(self.views)
            square += view_square.cpu().numpy()
            gradient += view_gradient.cpu().numpy()
        return value, square, gradient, motions

    def with_jacobian(
        self, view: ViewLevel, poses: Poses, active: Sequence[int], motions: Sequence[CentredMotion]
    ) -> tuple[Tensor, Tensor]:
        """(rows, columns) as :meth:`drr`, and (6 per active body, rows, columns) derivatives."""
        parts, slopes = [], []
        for index, pose in enumerate(poses):
            if index in active:
                motion = motions[list(active).index(index)]
                image, derivatives = self._projectors[index].with_jacobian(view.camera, pose, motion)
                view.drawn[index] = pose, image
                slopes.append(derivatives)
            else:
                image = self.drawn(view, index, pose)
            parts.append(image)
        total, derivatives = _sum(parts), torch.cat(slopes)
        if view.response.scatter == 0:
            return total, derivatives
        return view.response(total), derivatives * view.response.slope(total)

    def drawn(self, view: ViewLevel, index: int, pose: RigidPose) -> Tensor:
        """(rows, columns) of one body alone; drawn once as long as it rests."""
        last = view.drawn.get(index)
        if last is None or last[0] is not pose:
            last = pose, self._projectors[index](view.camera, pose)
            view.drawn[index] = last
        return last[1]

    def _view(
        self,
        radiograph: Radiograph,
        exposed: NDArray[np.bool_],
        poses: Poses,
        margin_mm: float,
        focus: Sequence[int],
    ) -> ViewLevel:
        where = _in_front(radiograph, self.bodies[focus[0]], poses[focus[0]])
        fine = radiograph.camera.pixel_size_at(where)
        factor = (max(1, round(self.pixel_mm / fine[0])), max(1, round(self.pixel_mm / fine[1])))
        camera = _deepened(radiograph.camera.binned(factor))
        here = camera.pixel_size_at(where)
        device = self._projectors[0].device
        picture = _binned(torch.as_tensor(radiograph.pixels, device=device), factor)
        with torch.no_grad():
            weight = sum(self._near_shadow(camera, index, poses[index], margin_mm, here) for index in focus)
            weight = (weight > 0).float()
            for index in focus:
                weight = weight * (1 - self._cut_ends(camera, index, poses[index], here))
        blocked = (_binned(torch.as_tensor(~exposed, device=device), factor) > 0).float()
        weight = weight * (1 - dilated(blocked, COLLIMATOR_MARGIN_MM, here))
        border = BORDER_PIXELS if self._measure is GradientCorrelation else WIDE_BORDER_PIXELS
        rows, columns = _window(weight, radiograph.name, border)
        near = camera.cropped(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        picture, weight = picture[rows, columns], weight[rows, columns]
        metal = any(body.part.metal for body in self.bodies)
        response = Response(scatter=METAL_SCATTER) if metal else Response()
        return ViewLevel(near, picture, weight, self._measure(picture, weight), response)

    def _near_shadow(
        self, camera: XRayCamera, index: int, pose: RigidPose, margin_mm: float, here: tuple[float, float]
    ) -> Tensor:
        image = self._projectors[index](camera, pose)
        # Not simply above zero: the compiled engine's splines ring faintly a few pixels beyond the bone.
        return dilated((image.abs() > SHADOW_SHARE * image.abs().max()).float(), margin_mm, here)

    def _cut_ends(self, camera: XRayCamera, index: int, pose: RigidPose, here: tuple[float, float]) -> Tensor:
        """Where the volume's border cuts the bone: there its DRR ends and the patient's shadow does not."""
        beam = pose.rotation.T @ camera.view_direction
        ends = torch.zeros(camera.size[::-1], device=self._projectors[0].device)
        for projector in self.bodies[index].cut_projectors(self.pixel_mm, beam):
            image = projector(camera, pose)
            ends = torch.maximum(ends, (image > CUT_SHARE * image.max()).float())
        return dilated(ends, 2.5 * max(here), here)


def _gradient_correlation(view: ViewLevel) -> GradientCorrelation:
    """The view's own measure if it is that, else another of the same pixels."""
    own = view.similarity
    return own if isinstance(own, GradientCorrelation) else GradientCorrelation(view.picture, view.weight)


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _in_front(radiograph: Radiograph, body: Body, pose: RigidPose) -> NDArray[np.float64]:
    """The body's centre in the world, which must lie before the source."""
    where = pose.apply(body.centre)
    if not np.isfinite(radiograph.camera.project(where)).all():
        raise InputError(
            f"radiograph {radiograph.name}: at the initial pose the bone lies beside or behind the X-ray source; "
            f"move the CT onto the bone first (by hand or by landmarks), or check the camera."
        )
    return where


def _deepened(camera: XRayCamera) -> XRayCamera:
    """The same rays and pixels with the detector twice as far away: a body close to it, or past it while it is still
    looked for, is drawn whole."""
    origin = camera.source + 2 * (camera.origin - camera.source)
    return replace(camera, origin=origin, spacing=(2 * camera.spacing[0], 2 * camera.spacing[1]))


def _binned(picture: Tensor, factor: tuple[int, int]) -> Tensor:
    """Mean of blocks of (columns, rows) pixels; consistent with :meth:`XRayCamera.binned`."""
    return functional.avg_pool2d(picture[None, None].float(), (factor[1], factor[0]))[0, 0]


def dilated(mask: Tensor, reach_mm: float, pixel_mm: tuple[float, float]) -> Tensor:
    """``mask`` grown by ``reach_mm`` along columns and rows (a rectangle), in two passes whatever the reach."""
    grown = mask.cpu().numpy()
    for axis, size in ((1, pixel_mm[0]), (0, pixel_mm[1])):
        grown = maximum_filter1d(grown, 2 * round(reach_mm / size) + 1, axis=axis, mode="constant")
    return torch.from_numpy(grown).to(mask.device)


def _window(weight: Tensor, name: str, border: int) -> tuple[slice, slice]:
    """Rows and columns that hold everything above zero, with a small border."""
    filled = torch.nonzero(weight)
    if len(filled) == 0:
        raise InputError(
            f"radiograph {name}: the bone's shadow at the initial pose misses the picture; "
            f"move the CT onto the bone first (by hand or by landmarks), or check the camera."
        )
    low = (filled.amin(dim=0) - border).clamp(min=0).tolist()
    high = (filled.amax(dim=0) + 1 + border).tolist()
    return slice(low[0], min(high[0], weight.shape[0])), slice(low[1], min(high[1], weight.shape[1]))
