"""Where a limb lies in its radiographs' world: a given pose, or where each radiograph shows the joint."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from XRayTo3DLib.dataset.canonical_view import CanonicalView
    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.imaging.types import Radiograph

OBJECT_DETECTOR_MM = 45.0
APART_MM = 20.0
"""Rays through the same joint that pass each other farther than this are not of one world."""


def add_placement_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the limb lies."""
    add = parser.add_argument
    add("--origin", action="append", metavar="COLUMN,ROW", help="middle of the joint, once per radiograph")
    add("--pose", type=Path, metavar="POSE.tfm", help="instead of --origin: the limb's frame (world to frame, ITK)")
    add(
        "--object-detector",
        type=float,
        default=OBJECT_DETECTOR_MM,
        metavar="MM",
        help=f"one view: assumed distance of the joint from the detector (default {OBJECT_DETECTOR_MM:g})",
    )
    add(
        "--up",
        type=float,
        nargs=2,
        default=(0.0, -1.0),
        metavar=("COL", "ROW"),
        help="where the frame's +z is in the first picture: distal of a wrist, the thigh of a knee (0 -1: up)",
    )


def origin_pixels(args: argparse.Namespace, count: int | None = None) -> list[tuple[float, float]]:
    """The ``--origin`` options as (column, row).

    Raises:
        InputError: Another form, or not ``count`` of them, where that is given.
    """
    pixels = [_pixel(text) for text in args.origin]
    if count is not None and len(pixels) != count:
        raise InputError(f"give --origin once per radiograph: there are {count} radiographs and {len(pixels)} origins.")
    return pixels


def _pixel(text: str) -> tuple[float, float]:
    try:
        column, row = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--origin {text!r} is not COLUMN,ROW; give two numbers such as 264,190.") from error
    return column, row


def views_of(canonical: Sequence[CanonicalView], radiographs: Sequence[Radiograph]) -> list[CanonicalView | None]:
    """What each radiograph shows: as its file or --view-position says, else as the model's view in its place."""
    found: list[CanonicalView | None] = []
    for number, radiograph in enumerate(radiographs):
        usual = canonical[number] if number < len(canonical) else None
        found.append(usual if not radiograph.view else replace(canonical[0], view=radiograph.view))
    return found


def frame_of_any_views(
    canonical: Sequence[CanonicalView], radiographs: Sequence[Radiograph], args: argparse.Namespace, mirrored: bool
) -> RigidPose:
    """The frame to the world of radiographs at any angle; the first one says how the limb is turned.

    Raises:
        InputError: Origins that are no pixels, not one per radiograph, or whose rays do not meet.
    """
    from XRayTo3DLib.registration.view_position import meeting_point

    pixels = origin_pixels(args, len(radiographs))
    first, camera = views_of(canonical, radiographs)[0], radiographs[0].camera
    assert first is not None  # a model has a view
    if len(radiographs) == 1:
        return first.frame_from_landmark(
            camera, pixels[0], object_detector_mm=args.object_detector, up=tuple(args.up), mirrored=mirrored
        )
    cameras = [each.camera for each in radiographs]
    place = meeting_point(cameras, pixels)
    apart = max(
        float(np.linalg.norm((each.project(place) - pixel) * each.pixel_size_at(place)))
        for each, pixel in zip(cameras, pixels, strict=True)
    )
    if apart > APART_MM:
        raise InputError(
            f"the radiographs' origins do not belong to one point: the rays pass it by up to {apart:.0f} mm; check "
            "origins and cameras, or give --uncalibrated where the cameras do not share one world."
        )
    depth = float((place - camera.source) @ camera.normal) * np.sign((camera.origin - camera.source) @ camera.normal)
    return first.frame_from_landmark(
        camera, camera.project(place), object_detector_mm=camera.sdd - depth, up=tuple(args.up), mirrored=mirrored
    )


def positioned(
    canonical: Sequence[CanonicalView], radiographs: Sequence[Radiograph], args: argparse.Namespace, mirrored: bool
) -> tuple[RigidPose, list[Radiograph]]:
    """The frame, and radiographs whose cameras are put into one world as standard positioning has them.

    Each limb is taken to lie in each picture as the picture's view shows it; the world is the first radiograph's.

    Raises:
        InputError: A radiograph whose view is not known, or what ``frame_of_any_views`` refuses.
    """
    pixels = origin_pixels(args, len(radiographs))
    frames = []
    for radiograph, view, pixel in zip(radiographs, views_of(canonical, radiographs), pixels, strict=True):
        if view is None:
            raise InputError(f"radiograph {radiograph.name}: what view is it? The model names {len(canonical)} only.")
        up = tuple(args.up) if not frames else (0.0, -1.0)
        frames.append(
            view.frame_from_landmark(
                radiograph.camera, pixel, object_detector_mm=args.object_detector, up=up, mirrored=mirrored
            )
        )
    moved = [
        replace(each, camera=each.camera.moved((frames[0] @ frame.inverse()).matrix), assumed_placement=False)
        for each, frame in zip(radiographs, frames, strict=True)
    ]
    return frames[0], moved
