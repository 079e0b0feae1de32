"""How a wrist, a knee or a hip is exposed: cameras for the phantoms' frames."""

from __future__ import annotations

from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera

WRIST_VIEWS = ("PA", "LAT")
KNEE_VIEWS = HIP_VIEWS = ("AP", "LAT")
SDD_MM, OBJECT_DETECTOR_MM = 1000.0, 45.0
CENTRE_Z_MM = -30.0
FIELD_MM = (132.0, 160.0)


@dataclass(frozen=True)
class _Exposure:
    """Distances and field of a leg's exposure, mm; the centre is given for a right leg.

    The largest body stays before the detector, and the ends of the phantoms' volumes stay outside the picture.
    """

    region: str
    sdd: float
    object_detector: float
    field: float
    centre: tuple[float, float, float]


_KNEE = _Exposure("knee", 1150.0, 110.0, 290.0, (-3.0, 2.0, 0.0))
_HIP = _Exposure("hip", 1000.0, 160.0, 290.0, (0.0, 10.0, 0.0))
PELVIS_SDD_MM, PELVIS_FIELD_MM, PELVIS_DETECTOR_MM = 1000.0, 400.0, 130.0
"""Exposure of the whole pelvis: distances from the source and from the heads to the detector, and its width, mm."""
PELVIS_CENTRE_Z_MM = -8.0
"""Height of the central ray over the femoral heads, mm."""


def wrist_camera(
    view: str = "PA", *, side: str = "right", spacing_mm: float = 0.25, angles_deg: tuple[float, float] = (0.0, 0.0)
) -> XRayCamera:
    """Camera of a wrist exposure in the phantom's frame (LPS mm, fingers up, hand near the cassette).

    Args:
        view: "PA" (from the back of the hand to the palm) or "LAT".
        side: "right" or "left" forearm; the picture is centred between radius and ulna.
        spacing_mm: Pixel pitch on the detector, mm.
        angles_deg: Extra C-arm angles (primary, secondary), see :func:`standard_camera`.

    Raises:
        InputError: Another view or side.
    """
    _check("wrist", view, side, WRIST_VIEWS)
    size = (round(FIELD_MM[0] / spacing_mm), round(FIELD_MM[1] / spacing_mm))
    return standard_camera(
        SDD_MM,
        (spacing_mm, spacing_mm),
        size,
        source_isocentre=SDD_MM - OBJECT_DETECTOR_MM,
        view=view,
        isocentre=(-4.0 if side == "right" else 4.0, 0.0, CENTRE_Z_MM),
        angles_deg=angles_deg,
    )


def knee_camera(
    view: str = "AP", side: str = "right", *, spacing_mm: float = 0.6, angles_deg: tuple[float, float] = (0.0, 0.0)
) -> XRayCamera:
    """Camera of a knee exposure in the phantom's frame (LPS mm): SDD 1150 mm, detector 290 mm.

    Args:
        view: "AP", or "LAT" with the beam from the inner to the outer side.
        side: "right" or "left" knee.
        spacing_mm: Pixel pitch on the detector, mm (483 pixels at 0.6 mm).
        angles_deg: Extra C-arm angles (primary, secondary), see :func:`standard_camera`.

    Raises:
        InputError: Another view or side.
    """
    return _leg_camera(_KNEE, view, side, spacing_mm, angles_deg)


def hip_camera(
    view: str = "AP", side: str = "right", *, spacing_mm: float = 0.6, angles_deg: tuple[float, float] = (0.0, 0.0)
) -> XRayCamera:
    """Camera of a hip exposure in the phantom's frame (LPS mm): SDD 1000 mm, detector 290 mm.

    Args:
        view: "AP", or "LAT" with the beam from the inner to the outer side.
        side: "right" or "left" hip.
        spacing_mm: Pixel pitch on the detector, mm (483 pixels at 0.6 mm).
        angles_deg: Extra C-arm angles (primary, secondary), see :func:`standard_camera`.

    Raises:
        InputError: Another view or side.
    """
    return _leg_camera(_HIP, view, side, spacing_mm, angles_deg)


def pelvis_camera(
    view: str = "AP", *, spacing_mm: float = 1.2, angles_deg: tuple[float, float] = (0.0, 0.0)
) -> XRayCamera:
    """Camera of a pelvis radiograph in the frame of :func:`make_hips` (LPS mm): SDD 1000 mm, detector 400 x 400 mm.

    The midpoint of the femoral heads lies 130 mm before the detector, as of a person lying on the table.

    Args:
        view: "AP".
        spacing_mm: Pixel pitch on the detector, mm (333 pixels at 1.2 mm).
        angles_deg: Extra C-arm angles (primary, secondary), see :func:`standard_camera`.

    Raises:
        InputError: Another view.
    """
    if view.upper() != "AP":
        raise InputError(f"pelvis exposure {view!r} is not known; use AP.")
    count = round(PELVIS_FIELD_MM / spacing_mm)
    return standard_camera(
        PELVIS_SDD_MM,
        (PELVIS_FIELD_MM / count, PELVIS_FIELD_MM / count),
        (count, count),
        source_isocentre=PELVIS_SDD_MM - PELVIS_DETECTOR_MM,
        view="AP",
        isocentre=(0.0, 0.0, PELVIS_CENTRE_Z_MM),
        angles_deg=angles_deg,
    )


def _leg_camera(
    exposure: _Exposure, view: str, side: str, spacing_mm: float, angles_deg: tuple[float, float]
) -> XRayCamera:
    _check(exposure.region, view, side, KNEE_VIEWS)
    sign = 1.0 if side == "right" else -1.0
    lateral = "RL" if side == "right" else "LL"
    count = round(exposure.field / spacing_mm)
    return standard_camera(
        exposure.sdd,
        (spacing_mm, spacing_mm),
        (count, count),
        source_isocentre=exposure.sdd - exposure.object_detector,
        view="AP" if view.upper() == "AP" else lateral,
        isocentre=(sign * exposure.centre[0], exposure.centre[1], exposure.centre[2]),
        angles_deg=angles_deg,
    )


def _check(region: str, view: str, side: str, views: tuple[str, ...]) -> None:
    if view.upper() not in views or side not in ("right", "left"):
        known = " or ".join(views)
        raise InputError(f"{region} exposure {view!r} of side {side!r} is not known; use {known}, right or left.")
