"""A first pose from what a picture is called: PA, lateral or oblique, of a left or right limb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS, standard_camera
from XRayTo3DLib.geometry.frames import FloatArray, matrix, vector3
from XRayTo3DLib.imaging.attenuation import Attenuation

MOMENTS_MM = 2.0
"""How finely a bone is looked at for its moments, mm."""
OBJECT_DETECTOR_MM = 50.0
"""Bone to detector where nothing says: a limb on the cassette."""
OBLIQUES: dict[str, tuple[str, float]] = {
    "LAO": ("PA", 1.0),
    "RAO": ("PA", -1.0),
    "LPO": ("AP", 1.0),
    "RPO": ("AP", -1),
}
"""Obliques by the side next to the detector: the straight view, and the sense of the turn towards the left."""
OBLIQUE_DEG = 45.0
LATEROMEDIAL_PARTS = ("FINGER", "THUMB", "HAND", "WRIST", "FOREARM", "ELBOW")
"""Laid on the cassette with the medial (ulnar) side (DICOM body parts, 0018,0015)."""
MEDIOLATERAL_PARTS = ("HUMERUS", "HIP", "THIGH", "FEMUR", "KNEE", "LEG", "TIBIA", "ANKLE", "FOOT", "TOE")
"""Laid on the cassette with the lateral side."""
KNOWN_VIEWS = (*VIEWS, "ML", "LM", *OBLIQUES)


def pose_for_view(
    cameras: XRayCamera | Sequence[XRayCamera],
    centre_ct: Any,
    *,
    view: str,
    laterality: str = "",
    body_part: str = "",
    angles_deg: tuple[float, float] | None = None,
    at_pixel: Any = None,
    depth_mm: float | None = None,
    axes_ct: Any = None,
) -> RigidPose:
    """A CT-to-world pose that shows the bone as a picture of this view, hung with the head (or fingers) up, would.

    The patient's left, posterior and superior axes are turned so that the first camera's beam runs through them as
    the view's name says (the directions of :func:`~XRayTo3DLib.geometry.calibration.standard_camera`); a picture hung
    mirrored is followed. The bone's centre goes to a pixel's ray, or to where the rays of several views meet.

    Args:
        cameras: The view's camera; or several calibrated in one world frame, the named view first.
        centre_ct: (3,) centre of the bone in CT coordinates, LPS mm.
        view: One of :data:`KNOWN_VIEWS`: AP, PA, LAT, LL, RL, ML and LM (mediolateral, lateromedial: from the first
            side to the second), LAO, RAO, LPO, RPO. LAT is LL, or of a limb whose part and side are given as the limb
            is usually laid.
        laterality: "L", "R" or "".
        body_part: DICOM body part ("WRIST", "KNEE", ...) or "".
        angles_deg: C-arm (primary, secondary) angles as ``standard_camera``'s, or of a named oblique the size of the
            turn and the secondary angle; ``None`` is straight, and 45 degrees for an oblique.
        at_pixel: (column, row) where the bone's centre is seen, one per camera; ``None`` is a picture's middle.
        depth_mm: Source to bone along the detector's normal, mm, for one camera; ``None`` is
            :data:`OBJECT_DETECTOR_MM` before the detector. Several cameras do not need it.
        axes_ct: (3, 3) whose columns are the patient's left, posterior and superior in CT coordinates; ``None`` is
            a CT in standard orientation. See :func:`principal_axes` for a bone without one.

    Raises:
        InputError: An unknown view, a side that is needed and missing, no camera, a pixel or depth out of range.
    """
    views = [cameras] if isinstance(cameras, XRayCamera) else list(cameras)
    pixels = _pixels(at_pixel, views)
    place = point_at(views[0], pixels[0], depth_mm) if len(views) == 1 else meeting_point(views, pixels)
    axes = np.eye(3) if axes_ct is None else _checked_axes(axes_ct)
    rotation = _patient_to_world(views[0], view, laterality, body_part, angles_deg) @ axes.T
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation, place - rotation @ vector3(centre_ct, "centre of the bone")
    return RigidPose(result)


def point_at(camera: XRayCamera, pixel: Any, depth_mm: float | None = None) -> FloatArray:
    """World point (3,) on the ray of ``pixel`` (column, row), ``depth_mm`` from the source along the normal.

    Raises:
        InputError: The depth is not between source and detector.
    """
    depth = max(camera.sdd - OBJECT_DETECTOR_MM, 0.5 * camera.sdd) if depth_mm is None else float(depth_mm)
    if not 0 < depth <= camera.sdd:
        raise InputError(f"depth {depth:g} mm: the bone lies between source and detector; give 0 to {camera.sdd:g} mm.")
    return camera.source + (camera.pixel_to_world(pixel) - camera.source) * depth / camera.sdd


def meeting_point(cameras: Sequence[XRayCamera], pixels: Any) -> FloatArray:
    """World point (3,) nearest to the rays of ``pixels``, one (column, row) per camera.

    Where the rays do not say, as along a single one or parallel ones, it is drawn weakly to :func:`point_at`.
    """
    square, right = np.zeros((3, 3)), np.zeros(3)
    for camera, pixel in zip(cameras, pixels, strict=True):
        ray = camera.rays(pixel)
        across = np.eye(3) - np.outer(ray, ray)
        square += across + 1e-6 * np.eye(3)
        right += across @ camera.source + 1e-6 * point_at(camera, pixel)
    return np.linalg.solve(square, right)


def principal_axes(bone: Attenuation) -> FloatArray:
    """(3, 3) rotation whose columns stand for left, posterior and superior of a bone, in CT coordinates.

    The principal axes of its attenuation (second moments): the longest is taken for the superior axis if it is the
    longest by 20 %, the others and all signs as near as can be to the CT's own axes. A bone does not say where its head
    is: for a CT that is not in standard orientation the answer may be turned by 90 or 180 degrees.
    """
    mu, to_lps = bone.thinned(MOMENTS_MM)
    slices, rows, columns = np.nonzero(mu > 0)
    weights = mu[slices, rows, columns].astype(np.float64)
    points = np.stack([columns, rows, slices], axis=1) @ to_lps[:3, :3].T
    centred = points - np.average(points, axis=0, weights=weights)
    moments, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred / weights.sum())
    orders = [(0, 1, 2), (1, 0, 2)]
    if moments[2] < 1.2**2 * moments[1]:
        orders += [(0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)]
    order = max(orders, key=lambda columns: float(np.abs(np.diag(vectors[:, columns])).sum()))
    axes = vectors[:, order]
    signs = np.where(np.diag(axes) < 0, -1.0, 1.0)
    axes = axes * signs
    if np.linalg.det(axes) < 0:
        axes[:, int(np.argmin(np.abs(np.diag(axes))))] *= -1
    return axes


def _patient_to_world(
    camera: XRayCamera, view: str, laterality: str, body_part: str, angles_deg: tuple[float, float] | None
) -> FloatArray:
    """(3, 3) rotation from the patient's LPS axes to world that shows the view in ``camera``."""
    name, angles = _straight_view(view, laterality, body_part, angles_deg)
    patient = _beam_frame(standard_camera(1000.0, (1.0, 1.0), (1, 1), view=name, angles_deg=angles))
    world = _beam_frame(camera)
    if np.linalg.det(patient) * np.linalg.det(world) < 0:
        # Hung mirrored: left and right changed sides, head and feet did not.
        world[:, 0] *= -1
    return world @ patient.T


def _beam_frame(camera: XRayCamera) -> FloatArray:
    """(3, 3) columns: along columns, along rows, from source to detector; left-handed where the picture is mirrored."""
    beam = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    return np.stack([camera.column_direction, camera.row_direction, beam], axis=1)


def _straight_view(
    view: str, laterality: str, body_part: str, angles_deg: tuple[float, float] | None
) -> tuple[str, tuple[float, float]]:
    """The one of :data:`VIEWS` and the C-arm angles that together are the view."""
    name, side, part = (text.strip().upper() for text in (view, laterality, body_part))
    if name not in KNOWN_VIEWS:
        raise InputError(f"view {view!r} is not known; use one of {', '.join(KNOWN_VIEWS)}.")
    if side not in ("", "L", "R"):
        raise InputError(f"laterality {laterality!r} is not known; use L or R.")
    if name in OBLIQUES:
        straight, sense = OBLIQUES[name]
        turn, tilt = (OBLIQUE_DEG, 0.0) if angles_deg is None else angles_deg
        return straight, (sense * abs(turn), tilt)
    if name == "LAT" and side and part in LATEROMEDIAL_PARTS + MEDIOLATERAL_PARTS:
        name = "LM" if part in LATEROMEDIAL_PARTS else "ML"
    if name in ("ML", "LM"):
        if not side:
            raise InputError(f"view {name} needs the side of the body; give the laterality L or R.")
        name = "LL" if (name == "ML") == (side == "L") else "RL"
    return name, (0.0, 0.0) if angles_deg is None else angles_deg


def _pixels(at_pixel: Any, cameras: Sequence[XRayCamera]) -> list[FloatArray]:
    if not cameras:
        raise InputError("a pose for a view needs at least one camera.")
    middles = [(np.array(camera.size) - 1) / 2 for camera in cameras]
    if at_pixel is None:
        return middles
    given = [at_pixel] if len(cameras) == 1 and np.ndim(at_pixel) == 1 else list(at_pixel)
    if len(given) != len(cameras):
        raise InputError(f"{len(given)} pixels for {len(cameras)} cameras; give one (column, row) each, or None.")
    return [
        middle if pixel is None else matrix(pixel, (2,), "pixel (column, row)")
        for pixel, middle in zip(given, middles, strict=True)
    ]


def _checked_axes(axes_ct: Any) -> FloatArray:
    axes = matrix(axes_ct, (3, 3), "axes of the patient in the CT")
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-4 or np.linalg.det(axes) < 0:
        raise InputError("axes of the patient in the CT must be a rotation: columns left, posterior, superior.")
    return axes
