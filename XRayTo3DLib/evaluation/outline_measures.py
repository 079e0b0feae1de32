"""How near the shadows of reconstructed bones come to the true ones: Dice of the shadows, Chamfer of their outlines.

A radiograph whose bones somebody has outlined is enough; no CT is needed. Millimetres are those of one plane: through
the middle of the reconstruction grid, facing the detector. Whole bones are projected, and only that part of the picture
counts whose rays stay inside the grid, so that a shaft which the grid cut short is no error.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.volume_measures import dice
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.projection.contours import drr_outline
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.shape.meshes import points_of, triangles_of

Mask = NDArray[np.bool_]
FINE_MM = 0.5
"""Pixels that shadows are drawn with, in the plane they are measured in."""
SMOOTHING_PIXELS = 1.0
"""Takes the steps out of outlines: the nearest point of a staircase is a fifth of a pixel too near."""
ACROSS = 0.5
"""Sides of the grid whose normal has this cosine to the beam, or less, are such as no counted ray may cross."""


@dataclass(frozen=True)
class OutlineOutcome:
    """How near one reconstructed bone's shadow came to the true one in one view.

    Attributes:
        case: Which case.
        patient: Whose.
        method: What reconstructed it.
        bone: Which bone.
        view: Name of the view.
        shown: Whether the method was shown that view.
        dice: Of the filled outlines in the part of the picture that counts; NaN without a truth there.
        chamfer_mm: Mean of the two directed means below.
        to_truth_mm: Mean distance from the result's outline to the nearest point of the true one.
        from_truth_mm: The other way.
        empty: The method gave no such bone; the numbers are those of what stands in for it, NaN without.
        seconds: Time the reconstruction of the whole case took; NaN if not measured.
    """

    case: str
    patient: str
    method: str
    bone: str
    view: str
    shown: bool
    dice: float
    chamfer_mm: float
    to_truth_mm: float
    from_truth_mm: float
    empty: bool = False
    seconds: float = math.nan


@dataclass(frozen=True)
class OutlineNumbers:
    """Two shadows compared; attributes as of :class:`OutlineOutcome`."""

    dice: float
    to_truth_mm: float
    from_truth_mm: float

    @property
    def chamfer_mm(self) -> float:
        """Mean of both directions."""
        return (self.to_truth_mm + self.from_truth_mm) / 2


def fine_camera(camera: XRayCamera, middle: FloatArray, pixel_mm: float = FINE_MM) -> XRayCamera:
    """The same exposure with square pixels of about ``pixel_mm`` in the plane through ``middle`` (3,), mm."""
    size = np.array(camera.size) * camera.pixel_size_at(middle) / pixel_mm
    columns, rows = (max(1, int(round(count))) for count in size)
    return camera.resampled((columns, rows))


def field_window(camera: XRayCamera, low: FloatArray, high: FloatArray) -> Mask:
    """Pixels whose rays stay inside a box as deep as it reaches, (rows, columns).

    A ray may enter and leave by the sides that face the source and the detector; bones that cross the box's other sides
    are not on it. In a view at 45 degrees four of the sides face neither: rays may then cut the corner.

    Args:
        camera: In the frame of the box.
        low: (3,) corner, mm.
        high: (3,) opposite corner, mm.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    columns, rows = camera.size
    ends = camera.pixel_to_world(np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)) - camera.source
    towards = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    across = np.abs(towards) <= ACROSS
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    depths = (corners - camera.source) @ towards
    inside = np.ones((rows, columns), dtype=bool)
    for depth in (depths.min(), depths.max()):
        points = camera.source + ends * (depth / camera.sdd)
        inside &= ((points >= low) & (points <= high))[..., across].all(axis=-1)
    return inside


def shadow(camera: XRayCamera, surface: vtkPolyData) -> Mask:
    """(rows, columns) which pixels a surface covers; none when it has no triangle.

    Raises:
        InputError: Part of it beside or behind the source.
    """
    if surface.GetNumberOfPolys() == 0:
        return np.zeros(camera.size[::-1], dtype=bool)
    return mesh_silhouette(camera, points_of(surface), triangles_of(surface))


def outline_points(mask: Any) -> FloatArray:
    """Points along the edge of a mask, (n, 2) as (column, row), about half a pixel apart, without its pixels' steps.

    The picture's border is no edge: a bone that leaves the picture has no outline there.
    """
    mask = np.asarray(mask, dtype=bool)
    sharp = mask.astype(np.float32)
    pieces = [np.empty((0, 2))]
    for line in drr_outline(gaussian_filter(sharp, SMOOTHING_PIXELS, mode="nearest"), 0.5) or drr_outline(sharp, 0.5):
        start, end = line[:-1], line[1:]
        pieces += [start, (start + end) / 2]
    points = np.concatenate(pieces)
    inside = (points >= 0).all(axis=1) & (points <= np.array(mask.shape[::-1]) - 1).all(axis=1)
    return points[inside]


def outline_numbers(
    truth: Any, result: Any, pixel_mm: tuple[float, float], window: Any | None = None
) -> OutlineNumbers | None:
    """Compare two shadows.

    Args:
        truth: (rows, columns) mask.
        result: (rows, columns) mask.
        pixel_mm: (column, row) of one pixel in the plane that is measured in, mm.
        window: (rows, columns), the pixels that count: Dice is of them, and distances are measured from outlines in
            them to outlines anywhere. All if ``None``.

    Returns:
        The numbers; ``None`` when there is no truth in the window. Distances are NaN when there is no result.

    Raises:
        InputError: Masks of different shapes.
    """
    truth, result = np.asarray(truth, dtype=bool), np.asarray(result, dtype=bool)
    window = np.ones_like(truth) if window is None else np.asarray(window, dtype=bool)
    if not truth.shape == result.shape == window.shape:
        raise InputError(f"outlines of pictures of {truth.shape}, {result.shape} and {window.shape} pixels differ.")
    if not (truth & window).any():
        return None
    lines = [outline_points(mask) for mask in (truth, result)]
    inner = [line[_in_window(line, window)] for line in lines]
    there, back = (
        _mean_distance(one, other, np.asarray(pixel_mm)) for one, other in ((inner[0], lines[1]), (inner[1], lines[0]))
    )
    return OutlineNumbers(dice(truth & window, result & window), to_truth_mm=back, from_truth_mm=there)


def _in_window(points: FloatArray, window: Mask) -> NDArray[np.bool_]:
    columns, rows = np.round(points).astype(int).T
    return np.asarray(window[rows, columns])


def _mean_distance(points: FloatArray, targets: FloatArray, pixel_mm: FloatArray) -> float:
    if not len(points) or not len(targets):
        return math.nan
    return float(cKDTree(targets * pixel_mm).query(points * pixel_mm)[0].mean())


def outline_outcomes(
    truth: Mapping[str, Mask],
    result: Mapping[str, vtkPolyData],
    camera: XRayCamera,
    box: tuple[FloatArray, FloatArray],
    *,
    case: str,
    patient: str,
    method: str,
    view: str,
    shown: bool,
    empty: Collection[str] = (),
    seconds: float = math.nan,
) -> list[OutlineOutcome]:
    """One outcome per bone whose true shadow is in the picture.

    Args:
        truth: True shadows by bone, (rows, columns) of ``camera``.
        result: Reconstructed surfaces by bone in the camera's frame, mm.
        camera: Whose pixels the masks have.
        box: Opposite corners, lowest and highest: where the reconstruction can be, mm.
        case: For the outcomes.
        patient: For the outcomes.
        method: For the outcomes.
        view: For the outcomes.
        shown: For the outcomes.
        empty: Bones for which the method gave nothing, and ``result`` holds a stand-in.
        seconds: For the outcomes.

    Raises:
        InputError: A mask of another size than the camera's.
    """
    pixel_mm = camera.pixel_size_at((np.asarray(box[0]) + np.asarray(box[1])) / 2)
    window = field_window(camera, *box)
    outcomes = []
    for bone, mask in truth.items():
        surface = result.get(bone)
        drawn = np.zeros(camera.size[::-1], dtype=bool) if surface is None else shadow(camera, surface)
        numbers = outline_numbers(mask, drawn, pixel_mm, window)
        if numbers is None:
            continue
        lost = bone in empty or math.isnan(numbers.to_truth_mm)
        outcomes.append(
            OutlineOutcome(
                case, patient, method, bone, view, shown, numbers.dice, numbers.chamfer_mm, numbers.to_truth_mm,
                numbers.from_truth_mm, lost, seconds,
            )
        )  # fmt: skip
    return outcomes
