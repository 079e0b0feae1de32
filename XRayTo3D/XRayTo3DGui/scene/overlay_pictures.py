"""What the overlay shows, computed without scene and Qt, so that a thread can do it: lines, or one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from XRayTo3DGui.parameters import OVERLAY_DIFFERENCE, OVERLAY_EDGES, OVERLAY_OUTLINE
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

OUTLINE_SHARE = 0.08
"""Height of the outline: share of the DRR's brightest pixel, low enough for the thin edge of a bone."""
EDGE_PERCENTILE = 98.0
"""The strength of edges that is drawn in full; the few stronger ones do not dim the others."""
EDGE_LEAST = 0.25
"""Edges weaker than this share of a full one are not drawn."""
BROAD_SHARE = 0.05
"""Standard deviation of what is broad in a picture, in its longer side."""
INSIDE_SHARE = 0.02
"""Where the bone's line integral is above this share of the largest, radiograph and DRR are compared."""


class Drawable(Protocol):
    """A bone ready to be drawn (``XRayTo3DGui.registration.bone.Prepared``)."""

    def cornersLps(self) -> FloatArray:
        """(8, 3) corners of its box in CT coordinates, LPS mm."""
        ...

    def drr(self, camera: XRayCamera, pose: RigidPose) -> np.ndarray:
        """(rows, columns) line integrals."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnBone:
    """A bone and where it is drawn; ``bone`` makes it ready where it is not yet."""

    bone: Callable[[], Any]
    pose: RigidPose


@dataclass(frozen=True, eq=False)
class DrawnView:
    """A radiograph: the node's ID, its camera, and (rows, columns) pixels, where those are needed."""

    nodeId: str
    camera: XRayCamera
    pixels: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn over one radiograph.

    Attributes:
        nodeId: Of the radiograph.
        lines: Per bone its outlines, (n, 3) world points on the detector, LPS mm.
        image: (rows, columns), or None where the mode has none or the bones are beside the picture.
        camera: Of the image.
    """

    nodeId: str
    lines: list[list[FloatArray]] = field(default_factory=list)
    image: np.ndarray | None = None
    camera: XRayCamera | None = None


@dataclass(frozen=True, eq=False)
class Drawing:
    """All that one update draws: the bones ready to be drawn again, and a picture for each radiograph."""

    bones: list[Any]
    pictures: list[Picture]


def draw(views: list[DrawnView], bones: list[DrawnBone], mode: str, width: int) -> Drawing:
    """Draw the bones over every radiograph, with ``width`` pixels along the shadow.

    Raises:
        InputError: A bone cannot be used.
    """
    ready = [each.bone() for each in bones]
    placed = [(bone, each.pose) for bone, each in zip(ready, bones, strict=True)]
    return Drawing(ready, [_picture(view, placed, mode, width) for view in views])


def _picture(view: DrawnView, placed: list[tuple[Drawable, RigidPose]], mode: str, width: int) -> Picture:
    corners = [pose.apply(bone.cornersLps()) for bone, pose in placed]
    if mode == OVERLAY_OUTLINE:
        cameras = [nearCamera(view.camera, each, width) for each in corners]
        parts = zip(placed, cameras, strict=True)
        return Picture(view.nodeId, [_outline(bone, pose, camera) for (bone, pose), camera in parts])
    camera = nearCamera(view.camera, np.concatenate(corners), width)
    if camera is None:
        return Picture(view.nodeId)
    drr = np.sum([bone.drr(camera, pose) for bone, pose in placed], axis=0, dtype=np.float32)
    if mode == OVERLAY_EDGES:
        drr = edges(drr)
    if mode == OVERLAY_DIFFERENCE and view.pixels is not None:
        drr = difference(sampled(view.pixels, view.camera, camera), drr)
    return Picture(view.nodeId, [], drr, camera)


def _outline(bone: Drawable, pose: RigidPose, camera: XRayCamera | None) -> list[FloatArray]:
    from XRayTo3DLib.projection.contours import drr_outline

    image = bone.drr(camera, pose) if camera is not None else np.zeros((1, 1), np.float32)
    brightest = float(image.max())
    if camera is None or brightest <= 0:
        return []
    return [camera.pixel_to_world(line) for line in drr_outline(image, OUTLINE_SHARE * brightest)]


def edges(image: np.ndarray) -> np.ndarray:
    """(rows, columns) float32 from 0 to 1: how steep a DRR is; 1 is among its steepest pixels."""
    if min(image.shape) < 2:
        return np.zeros_like(image)
    steep = np.hypot(*np.gradient(image)).astype(np.float32)
    strong = steep[steep > 0]
    return np.clip(steep / np.percentile(strong, EDGE_PERCENTILE), 0, 1) if strong.size else steep


def difference(radiograph: np.ndarray, drr: np.ndarray) -> np.ndarray:
    """(rows, columns) float32: fine detail of the radiograph less that of the DRR, where the bone is; NaN elsewhere.

    Of both pictures what is broader than :data:`BROAD_SHARE` is taken away first: soft tissue and scatter are in the
    radiograph only. The DRR is then brought to the radiograph's contrast (least squares inside the shadow).
    """
    from scipy.ndimage import gaussian_filter

    inside = drr > INSIDE_SHARE * float(drr.max())
    if np.count_nonzero(inside) < 2:
        return np.full_like(drr, np.nan)
    seen, drawn = (each - gaussian_filter(each, BROAD_SHARE * max(each.shape)) for each in (radiograph, drr))
    gain = float(seen[inside] @ drawn[inside]) / max(float(drawn[inside] @ drawn[inside]), 1e-12)
    return np.where(inside, seen - gain * drawn, np.nan).astype(np.float32)


def sampled(pixels: np.ndarray, camera: XRayCamera, near: XRayCamera) -> np.ndarray:
    """(rows, columns) of ``near``, a part of the same detector with larger pixels: the radiograph's nearest pixels."""
    columns, rows = near.size
    ends = near.pixel_to_world([[0, 0], [columns - 1, rows - 1]])
    (left, top), (right, bottom) = camera.project(ends)
    across = np.clip(np.round(np.linspace(left, right, columns)), 0, pixels.shape[1] - 1).astype(int)
    down = np.clip(np.round(np.linspace(top, bottom, rows)), 0, pixels.shape[0] - 1).astype(int)
    return pixels[np.ix_(down, across)].astype(np.float32)


def nearCamera(camera: XRayCamera, points: np.ndarray, width: int) -> XRayCamera | None:
    """The part of a detector that can see a bone, with at most ``width`` pixels along its longer side.

    Args:
        camera: Of the whole radiograph.
        points: (N, 3) in the world, LPS mm: the bone's, or the corners of its box.
        width: Pixels.
    """
    pixels = camera.project(points)
    if np.isnan(pixels).any():
        return None
    low = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 1, camera.size).astype(int)
    if np.any(high - low < 2):
        return None
    size = high - low
    near = camera.cropped(*low.tolist(), *size.tolist())
    smaller = np.maximum(2, np.round(size * min(1.0, width / size.max()))).astype(int)
    return near.resampled((int(smaller[0]), int(smaller[1])))
