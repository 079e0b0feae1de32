"""Choosing starts: many turned poses of a bone, each shifted at once to where it fits best, and scored.

For one DRR the fit at every shift in the picture comes from Fourier transforms (``template_match``), so a search over
six numbers becomes one over three angles (and the depth, in a single view). Shifts of several views are brought
together along the first view's rays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.registration.levels import Level, Poses, ViewLevel
from XRayTo3DLib.registration.template_match import Matcher, gradient_field

PEAKS = 6
"""Best places in the first view that are tried against the others."""
TIE_BREAK = np.float32(1e-3)
"""Share of a pixel's own score that is added to the best of its neighbourhood."""


class Screen:
    """Finds the place of one turned body, the others staying where they are.

    Args:
        level: A coarse level whose margin is the reach of the search.
        index: Which body is looked for.
        poses: Of all bodies; what the others draw is taken off the pictures first.
        reach_mm: Largest shift across the first view's rays, mm.
        depth_mm: Largest shift along them; with one view it is not searched.
    """

    def __init__(self, level: Level, index: int, poses: Poses, reach_mm: float, depth_mm: float) -> None:
        self._level, self._index, self._poses = level, index, poses
        self._reach_mm, self._depth_mm = reach_mm, depth_mm
        self._matchers = [self._matcher(view) for view in level.views]

    def place(self, pose: RigidPose) -> tuple[RigidPose, float]:
        """``pose`` shifted to the best place, and the mean correlation there (0 to 1)."""
        maps = [self._map(view, matcher, pose) for view, matcher in zip(self._level.views, self._matchers, strict=True)]
        centre = pose.apply(self._level.bodies[self._index].centre)
        first = self._level.views[0].camera
        size = first.pixel_size_at(centre)
        steps, scores = self._peaks(maps[0], size)
        shifts = steps @ np.stack([first.column_direction * size[0], first.row_direction * size[1]])
        if len(maps) == 1:
            best = int(np.argmax(scores))
            return _shifted(pose, shifts[best]), float(scores[best])
        ray = centre - first.source
        ray /= np.linalg.norm(ray)
        depths = np.arange(-self._depth_mm, self._depth_mm + min(size), min(size))
        places = shifts[:, None, :] + depths[None, :, None] * ray
        total = np.repeat(scores[:, None], len(depths), axis=1)
        for view, other in zip(self._level.views[1:], maps[1:], strict=True):
            total = total + _looked_up(other, view, centre, places)
        peak, depth = np.unravel_index(int(np.argmax(total)), total.shape)
        return _shifted(pose, places[peak, depth]), float(total[peak, depth] / len(maps))

    def _matcher(self, view: ViewLevel) -> Matcher:
        rest = [index for index in range(len(self._poses)) if index != self._index]
        weight = view.weight.cpu().numpy()
        gradient = gradient_field(view.picture.cpu().numpy()) * weight
        if rest:
            with torch.no_grad():
                others = view.response(
                    sum(self._level.drawn(view, index, self._poses[index]) for index in rest)  # type: ignore[arg-type]
                )
            known = gradient_field(others.cpu().numpy()) * weight
            gradient = gradient - known * (np.vdot(known, gradient).real / max(np.vdot(known, known).real, 1e-12))
        energy = float((np.abs(gradient) ** 2).sum() / max(weight.sum(), 1))
        # Air as wide as the reach: templates shifted off the picture must not come in again on its other side.
        across, down = (int(self._reach_mm / size) + 1 for size in self._pixel_mm(view))
        gradient = np.pad(gradient, ((0, down), (0, across)))
        return Matcher(gradient.astype(np.complex64), energy)

    def _pixel_mm(self, view: ViewLevel) -> tuple[float, float]:
        centre = self._poses[self._index].apply(self._level.bodies[self._index].centre)
        return view.camera.pixel_size_at(centre)

    def _map(self, view: ViewLevel, matcher: Matcher, pose: RigidPose) -> NDArray[np.float32]:
        with torch.no_grad():
            return matcher(view.response(self._level.drawn(view, self._index, pose)).cpu().numpy())

    def _peaks(self, scores: NDArray[np.float32], pixel_mm: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
        """Shifts (N, 2) in pixels (column, row) of the best distinct places within reach, and their scores (N,)."""
        across, down = (max(1, int(self._reach_mm / size)) for size in pixel_mm)
        near = _around(scores, down, across)
        tops = np.where(near == maximum_filter(near, size=3), near, -1.0)
        best = np.argsort(-tops, axis=None)[:PEAKS]
        rows, columns = np.unravel_index(best, near.shape)
        return np.stack([columns - across, rows - down], axis=1).astype(np.float64), near[rows, columns]


def _around(scores: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
    """Scores of shifts -down .. down and -across .. across, from a map of shifts modulo its size."""
    rows = np.arange(-down, down + 1) % scores.shape[0]
    columns = np.arange(-across, across + 1) % scores.shape[1]
    return scores[np.ix_(rows, columns)]


def _looked_up(scores: NDArray[np.float32], view: ViewLevel, centre: FloatArray, shifts: FloatArray) -> FloatArray:
    """Scores in another view of world shifts (..., 3), the best of the neighbouring pixels too."""
    moved = view.camera.project(centre + shifts) - view.camera.project(centre)
    steps = np.round(np.nan_to_num(moved)).astype(int)
    inside = (np.abs(steps) < np.array(view.camera.size)).all(axis=-1)
    # A pixel's own score decides among equals: the first of them would always be the one nearest to the source.
    soft = maximum_filter(scores, size=3, mode="wrap") + TIE_BREAK * scores
    found = soft[steps[..., 1] % scores.shape[0], steps[..., 0] % scores.shape[1]]
    return np.where(inside, found, -1.0)


def _shifted(pose: RigidPose, shift: Any) -> RigidPose:
    return RigidPose.from_rotation([0.0] * 3, shift) @ pose
