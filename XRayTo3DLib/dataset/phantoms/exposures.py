"""How a wrist is exposed: cameras for the phantom's frame."""

from __future__ import annotations

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera

WRIST_VIEWS = ("PA", "LAT")
SDD_MM, OBJECT_DETECTOR_MM = 1000.0, 45.0
CENTRE_Z_MM = -30.0
FIELD_MM = (132.0, 160.0)


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
    if view.upper() not in WRIST_VIEWS or side not in ("right", "left"):
        raise InputError(f"wrist exposure {view!r} of side {side!r} is not known; use PA or LAT, right or left.")
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
