"""Which pixels of a radiograph to keep: the exposed field, or what a box in the scene covers; and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.collimation import usable_field
from XRayTo3DLib.imaging.radiograph_edit import crop_radiograph
from XRayTo3DLib.imaging.types import Radiograph

SMALLEST = 16
"""Pixels a side of a crop must have: less is a slip of the hand."""
LOOKED_AT = 2048


@dataclass(frozen=True)
class Window:
    """Pixels [row : row + rows, column : column + columns]."""

    column: int
    row: int
    columns: int
    rows: int

    @classmethod
    def whole(cls, size: tuple[int, int]) -> Window:
        """All of a picture of (columns, rows)."""
        return cls(0, 0, *size)

    def inside(self, outer: Window) -> Window:
        """This window of a picture that was itself cut out as ``outer``, counted in the first picture."""
        return Window(outer.column + self.column, outer.row + self.row, self.columns, self.rows)

    def to_text(self) -> str:
        """Four numbers."""
        return f"{self.column} {self.row} {self.columns} {self.rows}"

    @classmethod
    def from_text(cls, text: str) -> Window:
        """Inverse of :meth:`to_text`."""
        return cls(*(int(number) for number in text.split()))


def crop_to(radiograph: Radiograph, window: Window) -> Radiograph:
    """The window of a radiograph, with the camera that sees it: every pixel keeps its place in the world.

    Raises:
        InputError: The window reaches beyond the picture, or is smaller than 16 x 16 pixels.
    """
    if min(window.columns, window.rows) < SMALLEST:
        raise InputError(
            f"radiograph {radiograph.name}: the crop would be {window.columns} x {window.rows} pixels; at least "
            f"{SMALLEST} x {SMALLEST} are needed."
        )
    return crop_radiograph(radiograph, window.column, window.row, window.columns, window.rows)


def uncropped_camera(camera: XRayCamera, window: Window, size: tuple[int, int]) -> XRayCamera:
    """The camera of the whole picture of (columns, rows) that ``window`` was cut out of."""
    return camera.cropped(-window.column, -window.row, *size)


def exposed_window(radiograph: Radiograph) -> Window:
    """The smallest window that holds what the beam reached: inside the blades, without the surround.

    A picture of more than 2048 pixels is looked at in every n-th.
    """
    size = radiograph.camera.size
    step = -(-max(size) // LOOKED_AT)
    pixels = radiograph.pixels[::step, ::step]
    small = replace(radiograph, pixels=pixels, camera=radiograph.camera.resampled(pixels.shape[::-1]))
    found = np.argwhere(usable_field(small))[:, ::-1] * step
    # The last of every n pixels stands for those after it.
    last = np.minimum(found + step - 1, np.array(size) - 1) if step > 1 else found
    return _window(np.concatenate([found, last]), size)


def window_of_box(camera: XRayCamera, corners: Any) -> Window:
    """The pixels that a box covers, cut off at the picture's sides.

    A box that reaches the detector's plane was drawn on the picture: its outline there counts. One that lies before
    it (around a bone) counts with its shadow, as the source casts it.

    Args:
        camera: The exposure.
        corners: (8, 3) LPS mm.

    Raises:
        InputError: The box lies beside the picture, or not between source and detector.
    """
    corners = np.asarray(corners, dtype=np.float64)
    heights = (corners - camera.origin) @ camera.normal
    if heights.min() <= 0 <= heights.max():
        offsets = corners - camera.origin
        pixels = np.column_stack([offsets @ camera.column_direction, offsets @ camera.row_direction]) / camera.spacing
    else:
        pixels = camera.project(corners)
    columns, rows = camera.size
    visible = np.all(np.isfinite(pixels)) and np.all(pixels.max(axis=0) > -0.5)
    if not visible or np.any(pixels.min(axis=0) > (columns - 0.5, rows - 0.5)):
        raise InputError("the box does not lie on the radiograph or between it and its source; move it there.")
    # A pixel belongs to the box where its centre does: a box from edge to edge of n pixels gives those n.
    first = np.clip(np.ceil(pixels.min(axis=0) - 1e-6), 0, (columns - 1, rows - 1))
    last = np.clip(np.floor(pixels.max(axis=0) + 1e-6), first, (columns - 1, rows - 1))
    return _window(np.stack([first, last]), camera.size)


def box_of_window(camera: XRayCamera, window: Window) -> NDArray[np.float64]:
    """(4, 3) LPS mm: the window's corners on the detector at the pixels' outer edges; top left, then clockwise."""
    left, top = window.column - 0.5, window.row - 0.5
    right, bottom = left + window.columns, top + window.rows
    return camera.pixel_to_world([[left, top], [right, top], [right, bottom], [left, bottom]])


def _window(pixels: NDArray[Any], size: tuple[int, int]) -> Window:
    """The smallest window with all of (n, 2) pixels; the whole picture without any."""
    if len(pixels) == 0:
        return Window.whole(size)
    column, row = (int(value) for value in pixels.min(axis=0))
    last_column, last_row = (int(value) for value in pixels.max(axis=0))
    return Window(column, row, last_column - column + 1, last_row - row + 1)
