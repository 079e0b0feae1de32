"""All places of a bone at one orientation: from one small picture per view to the best place in space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.registration.template_match import CoarseView, Matcher
from XRayTo3DLib.registration.view_position import meeting_point

STEP_PIXELS = 3
"""Distance of the points in space that several views are compared at, coarse pixels; the maps are widened by one."""


class PlaceScan:
    """All places round one, in every view: takes one small picture per view, gives the best place.

    Args:
        views: The coarse views.
        place: (3,) world point at which the small pictures are drawn.
        size_mm: Radius of the bone about its centre, mm.
        reach_mm: How far from ``place``, mm, in steps of a pixel; ``None`` is everywhere in the pictures.

    Attributes:
        place: As given.
        cameras: Per view the camera of the small picture, with the bone's centre at ``place``.

    Raises:
        InputError: No place lies in all the pictures.
    """

    def __init__(self, views: Sequence[CoarseView], place: FloatArray, size_mm: float, reach_mm: float | None) -> None:
        self.place = place
        self._sources = [view.camera.source for view in views]
        self._widened = len(views) > 1 and reach_mm is None
        if len(views) == 1:
            self._points = _points_in_picture(views[0], place, reach_mm)
        else:
            self._points = _points_in_space(views, place, reach_mm)
        self.cameras, self._matchers, self._indices = [], [], []
        for view in views:
            half = np.ceil(size_mm / np.array(view.camera.pixel_size_at(place))).astype(int)
            middle = np.round(view.camera.project(place)).astype(int)
            self.cameras.append(view.camera.cropped(*(middle - half), *(2 * half + 1)))
            pixels = np.round(view.camera.project(self._points)).astype(int)
            # One more on each side for widened maps.
            first, last = pixels.min(axis=0) - half - 1, pixels.max(axis=0) + half + 2
            self._matchers.append(Matcher(view.part(first, last - first), view.energy))
            shift = pixels - half - first
            self._indices.append(shift[:, 1] * self._matchers[-1].shape[1] + shift[:, 0])

    def __call__(self, templates: Sequence[NDArray[np.float32]]) -> tuple[float, FloatArray]:
        """Mean score of the views at the best place, and the place (3,) in world LPS mm."""
        total = np.zeros(len(self._points), np.float32)
        for matcher, template, index in zip(self._matchers, templates, self._indices, strict=True):
            scores = matcher(template)
            total += (_widened(scores) if self._widened else scores).ravel()[index]
        best = int(np.argmax(total))
        return float(total[best]) / len(templates), self._points[best]

    def turn_towards(self, place: FloatArray) -> FloatArray:
        """(3, 3) rotation that shows a bone at ``place`` from the side that the small pictures show it from.

        Exact for one view, the mean for several.
        """
        vector = np.zeros(3)
        for source in self._sources:
            before, after = self.place - source, place - source
            # Small angles: the sine is near enough.
            vector += np.cross(before, after) / (np.linalg.norm(before) * np.linalg.norm(after) * len(self._sources))
        sine = np.linalg.norm(vector)
        if sine < 1e-9:
            return np.eye(3)
        x, y, z = vector / sine
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        return np.eye(3) + sine * cross + (1 - np.sqrt(1 - sine**2)) * cross @ cross


def _points_in_picture(view: CoarseView, place: FloatArray, reach_mm: float | None) -> FloatArray:
    """(N, 3) world points at the depth of ``place`` behind the pixels of the field."""
    rows, columns = np.nonzero(view.field)
    source, camera = view.camera.source, view.camera
    on_detector = camera.pixel_to_world(np.stack([columns, rows], axis=1))
    return _within(source + (on_detector - source) / camera.magnification(place), place, reach_mm)


def _points_in_space(views: Sequence[CoarseView], place: FloatArray, reach_mm: float | None) -> FloatArray:
    """(N, 3) world points on a cubic grid that every view sees in its field."""
    sizes = [view.camera.pixel_size_at(place) for view in views]
    step, middle, reach = float(np.mean(sizes)), place, reach_mm
    if reach is None:
        step *= STEP_PIXELS
        middle = meeting_point([v.camera for v in views], [(np.array(v.camera.size) - 1) / 2 for v in views])
        reach = max(
            0.5 * float(np.hypot(*np.multiply(v.camera.size, size))) for v, size in zip(views, sizes, strict=True)
        )
    count = int(np.ceil(reach / step))
    line = step * np.arange(-count, count + 1)
    points = middle + np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    for view in views:
        pixels = view.camera.project(points)
        inside = np.all((pixels > -0.5) & (pixels < np.array(view.camera.size) - 0.5), axis=1)
        points, pixels = points[inside], np.round(pixels[inside]).astype(int)
        points = points[view.field[pixels[:, 1], pixels[:, 0]]]
    return _within(points, place, reach_mm)


def _within(points: FloatArray, place: FloatArray, reach_mm: float | None) -> FloatArray:
    if reach_mm is not None:
        points = points[np.linalg.norm(points - place, axis=1) <= reach_mm]
    if len(points) == 0:
        raise InputError(
            "global search: no place to look at lies in all the pictures; check the cameras, or give another "
            "place of the bone."
        )
    return points


def _widened(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest of every value and its eight neighbours, round the edges (shifts are modulo the shape)."""
    down = np.maximum(np.maximum(scores, np.roll(scores, 1, 0)), np.roll(scores, -1, 0))
    return np.maximum(np.maximum(down, np.roll(down, 1, 1)), np.roll(down, -1, 1))
