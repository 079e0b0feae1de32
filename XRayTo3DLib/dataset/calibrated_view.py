"""Real pictures for methods that know each picture's own camera: same source, same rays, a detector of standard size.

Nothing is assumed of where the source is: moving the detector along the rays changes no line integral, so the picture
is exact for every point before it, whatever the angle between the views.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import (
    DETECTOR_AT,
    ROWS_DOWN,
    CanonicalView,
    area_means,
    frame_matrix,
    require_shown,
)
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import Radiograph

STEEPEST = 0.9
"""Cosine between beam and limb above which rows cannot run along the limb."""


def calibrated_view(
    view: CanonicalView, radiograph: Radiograph, frame_to_world: RigidPose, mirrored: bool = False
) -> tuple[NDArray[np.float32], XRayCamera]:
    """A radiograph on a detector of the view's size and pitch, and its own camera in the reconstruction frame.

    Args:
        view: Size, pitch and centre; its columns say which way round the picture hangs.
        radiograph: The picture and its camera.
        frame_to_world: The anatomical frame of the person in the camera's world, LPS mm.
        mirrored: Whether it is a left limb, seen here as a right one.

    Returns:
        (size, size) line integrals, each the mean over its pixel, 0 outside the picture; and the camera, mm.

    Raises:
        InputError: The beam runs along the limb, or the centre is not in the picture.
    """
    to_world = frame_matrix(frame_to_world, mirrored)
    require_shown(radiograph, to_world[:3, :3] @ np.array(view.centre_mm) + to_world[:3, 3])
    own = radiograph.camera.moved(np.linalg.inv(to_world))
    camera = facing_camera(view, own.source, radiograph.name)
    subpixels = int(np.clip(np.ceil(view.pixel_mm / min(own.pixel_size_at(np.array(view.centre_mm)))), 1, 16))
    fine = camera.resampled((view.size * subpixels,) * 2)
    columns, rows = np.meshgrid(np.arange(fine.size[0]), np.arange(fine.size[1]))
    points = fine.pixel_to_world(np.stack([columns, rows], axis=-1))
    return area_means(radiograph.pixels, own.project(points), subpixels), camera


def facing_camera(view: CanonicalView, source: FloatArray, name: str = "radiograph") -> XRayCamera:
    """A camera of the view's size and pitch that looks from ``source`` (3,) at the view's centre, in its frame, mm.

    Raises:
        InputError: The source lies along the limb, or in the centre.
    """
    centre = np.array(view.centre_mm)
    depth = float(np.linalg.norm(centre - source))
    beam = (centre - source) / max(depth, 1e-9)
    if depth < view.size * view.pixel_mm / 2 or abs(float(beam @ ROWS_DOWN)) > STEEPEST:
        raise InputError(
            f"{name}: its source lies {depth:.0f} mm from the bones, {np.rad2deg(np.arccos(abs(beam[2]))):.0f} degrees "
            f"off the limb's axis; check the camera and the pose."
        )
    row = ROWS_DOWN - (ROWS_DOWN @ beam) * beam
    row /= np.linalg.norm(row)
    column = np.cross(row, beam)
    column *= np.sign(column @ np.array(VIEWS[view.view][1], dtype=float)) or 1.0
    pitch = view.pixel_mm * DETECTOR_AT
    half = 0.5 * (view.size - 1) * pitch
    origin = source + DETECTOR_AT * depth * beam - half * (column + row)
    return replace(view.camera(), source=source, origin=origin, column_direction=column, row_direction=row,
                   spacing=(pitch, pitch))  # fmt: skip
