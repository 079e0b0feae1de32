"""Propose the landmarks of a wrist from the shape of its radius, for a person to check and correct."""

from __future__ import annotations

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.anatomical_frame import wrist_frame
from XRayTo3DLib.geometry.frames import FloatArray, unit
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

PROPOSED = "proposed by XRayTo3D from the shape of the radius; check it"
SHORTEST_MM = 45.0
"""Least length of the radius: the shaft's direction must show."""
LONGEST_MM = 110.0
"""Only the distal part of a longer bone is used."""
SHAFT_LEVELS = (0.40, 0.85)
"""Where the shaft's middle is taken, as shares of the length proximal of the joint (as on radiographs)."""
END_SECTION_MM = (-7.0, -3.0)
"""Heights of the section below the joint whose middle is the articular centre's, mm."""
NOTCH_DIRECTION = (-0.6, -0.55, 0.6)
"""The volar sigmoid notch is the corner of the joint's edge farthest ulnar, volar and distal."""
NOTCH_HEIGHT_MM = 10.0
CAP_MM, CAP_DEPTH_MM = 6.0, 0.2
BULGE_HEIGHTS_MM = (-14.0, -4.0)
BULGE_BANDS = ((0.35, 0.70), (0.10, 0.25), (0.75, 0.90))
"""Where Lister's tubercle and the edges beside it lie, from the ulnar (0) to the radial side (1)."""
_PASSES = 4


def propose_wrist_landmarks(ct: CtVolume, side: str = "", label: str | int = "radius") -> dict[str, FloatArray]:
    """Landmarks of a wrist from its radius' label, in any orientation of the CT.

    Args:
        ct: With a label of the radius: 45 mm of it or more, with the whole joint surface.
        side: "right", "left", or "" to tell it from Lister's tubercle.
        label: Name or number of the radius' label.

    Returns:
        Name to point (3,), LPS mm: :data:`~XRayTo3DLib.geometry.anatomical_frame.WRIST_LANDMARKS`.

    Raises:
        InputError: No such label, or as for :func:`propose_on_surface`.
    """
    value = ct.label_value(label)
    assert ct.labels is not None  # label_value has seen to it
    from XRayTo3DLib.shape.label_surface import surface_from_labels  # it loads SciPy, which a panel has no use for

    return propose_on_surface(points_of(surface_from_labels(ct.labels, ct.voxel_to_lps, value)), side)


def propose_on_surface(points: FloatArray, side: str = "") -> dict[str, FloatArray]:
    """Landmarks of a wrist from the vertices of its radius.

    The long axis gives distal (the wider end) and the shaft's direction; the most distal point is the styloid's tip,
    which together with ``side`` tells radial and volar. Then everything is found again in the anatomical frame of what
    was found, until it no longer moves.

    Args:
        points: (N, 3) vertices of the radius' outer surface, LPS mm, about evenly spread.
        side: "right", "left", or "" to tell it: Lister's tubercle makes the back bulge, the palmar side is flat.

    Raises:
        InputError: An unknown side or the other one than the bone's, or a bone too short, without a wider end or
            otherwise unlike a distal radius.
    """
    if side not in ("right", "left", ""):
        raise InputError(f"wrist landmarks: side {side!r} is not known; say right or left.")
    points = np.asarray(points, dtype=np.float64)
    sides = (side,) if side else ("right", "left")
    found = {each: _of_side(points, each) for each in sides}
    fitting = {each: landmarks for each, (landmarks, bulge) in found.items() if bulge > 0}
    if len(fitting) != 1:
        what = f"does not look like a {side} one" if side else "shows no dorsal side"
        raise InputError(f"wrist landmarks: the radius {what}; give the side, or place the landmarks by hand.")
    return next(iter(fitting.values()))


def _of_side(points: FloatArray, side: str) -> tuple[dict[str, FloatArray], float]:
    """Landmarks if the radius is of that side, and how much its back bulges more than its palmar side, mm."""
    mirror = np.array([1.0 if side == "right" else -1.0, 1.0, 1.0])
    right = points * mirror
    origin, axes = _first_frame(right)
    found: dict[str, FloatArray] = {}
    for _ in range(_PASSES):
        found = {name: origin + axes @ point for name, point in _landmarks((right - origin) @ axes).items()}
        frame = wrist_frame(found)
        if frame.mirrored:
            return {}, -np.inf
        origin, axes = frame.to_lps[:3, 3], frame.to_lps[:3, :3]
    return {name: point * mirror for name, point in found.items()}, _dorsal_bulge((right - origin) @ axes)


def _dorsal_bulge(points: FloatArray) -> float:
    """How much farther the back's middle stands out beside its edges than the palmar side's, mm (real bones: 4)."""
    low, high = BULGE_HEIGHTS_MM
    end = points[(points[:, 2] > low) & (points[:, 2] < high)]
    across = (end[:, 0] - end[:, 0].min()) / np.ptp(end[:, 0])
    bulges = []
    for height in (end[:, 1], -end[:, 1]):
        middle, ulnar, radial = (height[(across > a) & (across < b)].max(initial=-np.inf) for a, b in BULGE_BANDS)
        bulges.append(middle - 0.5 * (ulnar + radial))
    return float(bulges[0] - bulges[1]) if np.all(np.isfinite(bulges)) else -np.inf


def _first_frame(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rough origin (3,) and axes (3, 3) in columns: distal from the wider end, radial towards the styloid."""
    middle = points.mean(axis=0)
    along = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    height = (points - middle) @ along
    length = float(np.ptp(height))
    if length < SHORTEST_MM:
        raise InputError(
            f"wrist landmarks: the radius is {length:.0f} mm long; {SHORTEST_MM:g} mm are needed to see its direction."
        )
    reach = min(0.2 * length, 15.0)
    top, bottom = _width(points[height > height.max() - reach]), _width(points[height < height.min() + reach])
    if max(top, bottom) < 1.15 * min(top, bottom):
        raise InputError("wrist landmarks: neither end of the radius is wider, as its joint end is; check the label.")
    axis = along if top > bottom else -along
    height = (points - middle) @ axis
    end = points[height > height.max() - reach]
    styloid = points[np.argmax(height)]
    radial = styloid - end.mean(axis=0)
    radial = unit(radial - axis * (radial @ axis), "direction of the styloid")
    joint = end.mean(axis=0) + axis * (height.max() - 8.0 - (end.mean(axis=0) - middle) @ axis)
    return joint, np.stack([radial, np.cross(axis, radial), axis], axis=1)


def _width(points: FloatArray) -> float:
    """Spread of a slab of the bone along its widest direction, mm."""
    return float(np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[1][0] / np.sqrt(len(points)))


def _landmarks(points: FloatArray) -> dict[str, FloatArray]:
    """Landmarks in a frame near the anatomical one: +x radial, +y dorsal, +z distal, origin near the joint."""
    points = points[points[:, 2] > -LONGEST_MM]
    length = -float(points[:, 2].min())
    centre = _articular_centre(points)
    below = points[:, 2] - centre[2]
    edge = points[(below > -NOTCH_HEIGHT_MM) & (points[:, 0] < centre[0] - 5.0)]
    if len(edge) == 0:
        raise InputError("wrist landmarks: the joint end has no ulnar edge; check that the label is a whole radius.")
    near, far = (_middle(points, -share * length, 1.5) for share in SHAFT_LEVELS)
    return {
        "articular centre": centre,
        "radial styloid tip": _extreme(points, (0.0, 0.0, 1.0)),
        "volar sigmoid notch": _extreme(edge, NOTCH_DIRECTION),
        "radial shaft distal": near,
        "radial shaft proximal": far,
    }


def _extreme(points: FloatArray, direction: tuple[float, float, float]) -> FloatArray:
    """The point farthest along a direction; across it the mean of the cap round it, which no voxel moves."""
    towards = unit(direction)
    height = points @ towards
    highest = int(np.argmax(height))
    near = np.linalg.norm(points - points[highest], axis=1) < CAP_MM
    weights = np.exp((height[near] - height[highest]) / CAP_DEPTH_MM)
    mean = np.average(points[near], axis=0, weights=weights)
    return mean + (height[highest] - mean @ towards) * towards


def _articular_centre(points: FloatArray) -> FloatArray:
    """Where the line along z through the middle of the joint end leaves the bone."""
    top = float(points[np.hypot(points[:, 0], points[:, 1]) < 2.0, 2].max(initial=-np.inf))
    top = top if np.isfinite(top) else 0.0
    low, high = END_SECTION_MM
    height, half = top + 0.5 * (low + high), 0.5 * (high - low)
    end = _middle(points, height, half)
    # Lister's tubercle, on the radial half of the back, does not count for the depth.
    end[1] = _middle(points[points[:, 0] < end[0]], height, half)[1]
    column = points[np.hypot(*(points[:, :2] - end[:2]).T) < 1.5]
    column = column[column[:, 2] > column[:, 2].max(initial=0.0) - 2.0]
    return np.array([end[0], end[1], float(np.median(column[:, 2])) if len(column) else top])


def _middle(points: FloatArray, height: float, half: float) -> FloatArray:
    """Middle (3,) of the bone's outline in a slab across z."""
    slab = points[np.abs(points[:, 2] - height) < half]
    if len(slab) < 8:
        raise InputError("wrist landmarks: the radius has a gap along its length; check the label.")
    low, high = slab[:, :2].min(axis=0), slab[:, :2].max(axis=0)
    return np.array([*(0.5 * (low + high)), height])
