"""Distal forearm as a radiologist measures it on PA and lateral radiographs, from landmarks.

Definitions: Medoff, "Essential radiographic evaluation for distal radius fractures", Hand Clin 21 (2005). The
ulnar corner is his central reference point, midway between the volar and the dorsal end of the sigmoid notch. Views
are those of the wrist's anatomical frame (:func:`~XRayTo3DLib.geometry.anatomical_frame.wrist_frame`): a PA radiograph
looks along its y, a lateral one along its x.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS, wrist_frame
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements.types import Definition

MEDOFF = "Medoff, Hand Clin 21 (2005)"
DEFINITIONS = {
    "radial_inclination": Definition(
        "deg",
        "PA view: from the ulnar corner (midway between both ends of the sigmoid notch) to the tip of the radial "
        "styloid, against the perpendicular of the radius' shaft",
        MEDOFF,
    ),
    "volar_tilt": Definition(
        "deg",
        "lateral view: from the dorsal to the volar lip of the lunate fossa, against the perpendicular of the radius' "
        "shaft; positive when the joint faces the palm",
        MEDOFF,
    ),
    "radial_height": Definition(
        "mm", "PA view: from the ulnar corner to the tip of the radial styloid, along the radius' shaft", MEDOFF
    ),
    "ulnar_variance": Definition(
        "mm",
        "PA view: from the ulnar corner to the ulnar head's most distal point beside the styloid, along the radius' "
        "shaft; positive when the ulna is longer",
        MEDOFF,
    ),
}
STYLOID, RIMS, DOME = "radial styloid tip", ("volar rim", "dorsal rim"), "ulnar head dome"
NOTCH, SHAFT = ("volar sigmoid notch", "dorsal sigmoid notch"), ("radial shaft distal", "radial shaft proximal")
RADIUS_LANDMARKS = (*WRIST_LANDMARKS, "dorsal sigmoid notch", *RIMS)
ULNA_LANDMARKS = (DOME,)
LIP_SHARE = 0.28
"""Where between the ulnar corner (0) and the styloid's tip (1) the lips are taken: the middle of the lunate fossa."""
SLAB_MM = 1.0


def forearm_measures(landmarks: Mapping[str, Any]) -> dict[str, float]:
    """What the landmarks at hand allow of :data:`DEFINITIONS`; degrees and mm.

    Args:
        landmarks: Name to point (3,), LPS mm, either side, any pose: :data:`RADIUS_LANDMARKS`, :data:`ULNA_LANDMARKS`.

    Returns:
        By name; nothing without the landmarks that make the wrist's frame.

    Raises:
        InputError: Landmarks so close together that they make no frame.
    """
    if not all(name in landmarks for name in WRIST_LANDMARKS):
        return {}
    frame = wrist_frame(landmarks)
    return measures_in_frame({name: frame.points_from_lps(point) for name, point in landmarks.items()})


def measures_in_frame(landmarks: Mapping[str, Any]) -> dict[str, float]:
    """As :func:`forearm_measures`, with landmarks in the frame of a right wrist (+x radial, -y volar, +z distal)."""
    points = {name: np.asarray(point, dtype=np.float64) for name, point in landmarks.items()}
    _require(points, SHAFT)
    frontal, sagittal = _directions(points)
    found = {}
    if all(name in points for name in NOTCH):
        corner = _corner(points)
        if STYLOID in points:
            rise = along(points[STYLOID] - corner, frontal, 0)
            found["radial_inclination"] = float(np.rad2deg(np.arctan2(rise[1], rise[0])))
            found["radial_height"] = float(rise[1])
        if DOME in points:
            found["ulnar_variance"] = float(along(points[DOME] - corner, frontal, 0)[1])
    if all(name in points for name in RIMS):
        slope = along(points["dorsal rim"] - points["volar rim"], sagittal, 1)
        found["volar_tilt"] = float(np.rad2deg(np.arctan2(slope[1], slope[0])))
    return {name: found[name] for name in DEFINITIONS if name in found}


def forearm_landmarks(bones: Mapping[str, Any], landmarks: Mapping[str, Any]) -> dict[str, dict[str, FloatArray]]:
    """A person's landmarks by bone: the given ones and those that are found on the bones with their help.

    Args:
        bones: "radius" and, for ulnar variance, "ulna": whole surfaces' vertices (n, 3), LPS mm.
        landmarks: Name to point (3,), LPS mm: :data:`~XRayTo3DLib.geometry.anatomical_frame.WRIST_LANDMARKS` and
            "dorsal sigmoid notch"; "ulnar head centre" for the ulna.

    Raises:
        InputError: A bone or landmark is missing.
    """
    frame = wrist_frame(landmarks)
    own = {name: frame.points_from_lps(point) for name, point in landmarks.items()}
    inside = {label: frame.points_from_lps(points) for label, points in bones.items()}
    found = {**own, **found_in_frame(inside, own)}
    owners = {"radius": RADIUS_LANDMARKS, "ulna": ULNA_LANDMARKS}
    return {
        label: {name: frame.points_to_lps(found[name]) for name in names if name in found}
        for label, names in owners.items()
        if label in bones
    }


def found_in_frame(bones: Mapping[str, FloatArray], landmarks: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Tip of the radial styloid, lips of the lunate fossa and dome of the ulnar head, as on a radiograph.

    Args:
        bones: "radius" and perhaps "ulna", vertices (n, 3) mm in the frame of a right wrist.
        landmarks: In that frame: both ends of the sigmoid notch, two points of the shaft; "ulnar head centre".

    Raises:
        InputError: The radius or one of its landmarks is missing.
    """
    if "radius" not in bones:
        raise InputError("cannot measure the forearm: the radius is missing.")
    points = {name: np.asarray(point, dtype=np.float64) for name, point in landmarks.items()}
    _require(points, (*NOTCH, *SHAFT))
    radius, corner, (frontal, sagittal) = bones["radius"], _corner(points), _directions(points)
    tip = radius[np.argmax(along(radius, frontal, 0)[:, 1])]
    corner_pa, tip_pa = along(corner, frontal, 0)[0], along(tip, frontal, 0)[0]
    slab = radius[np.abs(radius[:, 0] - (corner_pa + LIP_SHARE * (tip_pa - corner_pa))) < SLAB_MM]
    lateral = along(slab, sagittal, 1)
    volar, dorsal = (slab[number] for number in resting_ruler(lateral[:, 0], lateral[:, 1]))
    found = {STYLOID: tip, RIMS[0]: volar, RIMS[1]: dorsal}
    if "ulna" in bones:
        _require(points, ("ulnar head centre",))
        centre, ulna = points["ulnar head centre"], bones["ulna"]
        head = ulna[(ulna[:, 2] > centre[2] - 5.0) & (ulna[:, 0] > centre[0]) & (ulna[:, 1] < centre[1] + 2.0)]
        found[DOME] = head[np.argmax(head[:, 2])]
    return found


def along(points: FloatArray, direction: FloatArray, axis: int) -> FloatArray:
    """Points (..., 2) of the view that shows ``axis`` (0 PA, 1 lateral): across the shaft, along the shaft, mm."""
    across, up = points[..., axis], points[..., 2]
    return np.stack([across * direction[1] - up * direction[0], across * direction[0] + up * direction[1]], axis=-1)


def resting_ruler(across: FloatArray, up: FloatArray) -> tuple[int, int]:
    """Numbers of the two points that a ruler laid on an outline from above rests on, ``across`` increasing.

    The ruler is the longest edge of the upper convex hull (Andrew's monotone chain).
    """
    chain: list[int] = []
    for index in np.lexsort((-up, across)):
        while len(chain) > 1 and _turns_left(across, up, chain[-2], chain[-1], index):
            chain.pop()
        chain.append(int(index))
    longest = int(np.argmax(np.diff(across[chain])))
    return chain[longest], chain[longest + 1]


def _turns_left(across: FloatArray, up: FloatArray, first: int, second: int, third: int) -> bool:
    run = (across[second] - across[first]) * (up[third] - up[first])
    return bool(run >= (up[second] - up[first]) * (across[third] - across[first]))


def _corner(points: Mapping[str, FloatArray]) -> FloatArray:
    return 0.5 * (points[NOTCH[0]] + points[NOTCH[1]])


def _directions(points: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Unit directions (across, distal) of the shaft in the PA and the lateral view."""
    step = points[SHAFT[0]] - points[SHAFT[1]]
    frontal, sagittal = step[[0, 2]], step[[1, 2]]
    return frontal / np.linalg.norm(frontal), sagittal / np.linalg.norm(sagittal)


def _require(points: Mapping[str, FloatArray], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in points]
    if missing:
        raise InputError(f"cannot measure the forearm: {', '.join(missing)} is missing.")
