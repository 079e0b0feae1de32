"""Cameras from standard radiographic geometry, OpenCV calibrations and projection matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.camera import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, matrix, unit, vector3

# (beam direction, column direction) in LPS; rows always run from head to foot, as pictures are hung.
VIEWS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "AP": ((0, 1, 0), (1, 0, 0)),
    "PA": ((0, -1, 0), (1, 0, 0)),
    "LAT": ((1, 0, 0), (0, 1, 0)),
    "LL": ((1, 0, 0), (0, 1, 0)),
    "RL": ((-1, 0, 0), (0, 1, 0)),
}
"""Beam and column directions by view: AP, PA, LL (left side at the detector; also LAT), RL (right side)."""


def standard_camera(
    sdd: float,
    spacing: tuple[float, float],
    size: tuple[int, int],
    *,
    source_isocentre: float | None = None,
    view: str = "AP",
    isocentre: Any = (0.0, 0.0, 0.0),
    principal_point: tuple[float, float] | None = None,
    angles_deg: tuple[float, float] = (0.0, 0.0),
) -> XRayCamera:
    """A camera whose central ray meets the detector at right angles.

    Args:
        sdd: Source to detector distance (SDD; DICOM calls it SID), mm.
        spacing: (column, row) pixel pitch on the detector, mm.
        size: (columns, rows).
        source_isocentre: Source to isocentre distance (SOD, SAD), mm; ``None`` puts the isocentre on the
            detector, as for an extremity that lies on the cassette.
        view: One of :data:`VIEWS`.
        isocentre: (3,) world point on the central ray, LPS mm.
        principal_point: (column, row) where the central ray meets the detector; ``None`` is its middle.
        angles_deg: C-arm (primary, secondary) positioner angles: primary turns the beam about the
            superior axis towards the patient's left (LAO +), secondary then tilts it to the head (CRA +).

    Raises:
        InputError: Distances not positive, SDD not beyond the isocentre, or an unknown view.
    """
    if view.upper() not in VIEWS:
        raise InputError(f"view {view!r} is not known; use one of {', '.join(VIEWS)}.")
    isocentre_distance = sdd if source_isocentre is None else source_isocentre
    if not (np.isfinite(sdd) and np.isfinite(isocentre_distance)) or sdd <= 0 or isocentre_distance <= 0:
        raise InputError("source to detector and source to isocentre distances must be greater than zero (mm).")
    if isocentre_distance > sdd:
        raise InputError(
            f"the source to isocentre distance ({isocentre_distance:g} mm) is larger than the source to "
            f"detector distance ({sdd:g} mm); they may be swapped."
        )
    beam, columns, rows = _directions(view.upper(), angles_deg)
    source = vector3(isocentre, "isocentre") - beam * isocentre_distance
    foot = ((size[0] - 1) / 2, (size[1] - 1) / 2) if principal_point is None else principal_point
    origin = source + beam * sdd - columns * foot[0] * spacing[0] - rows * foot[1] * spacing[1]
    return XRayCamera(source, origin, columns, rows, spacing, size)


def opencv_camera(
    intrinsics: Any,
    rotation: Any,
    translation: Any,
    size: tuple[int, int],
    *,
    sdd: float,
    y_up: bool = False,
    from_corner: bool = False,
) -> XRayCamera:
    """A camera from an OpenCV pinhole calibration: X_cam = R X_world + t (mm), w (u, v, 1) = K X_cam.

    u runs right, v down, and pixel (0, 0) is the centre of the top left pixel. A pinhole calibration does not
    know the size of a pixel in mm: any ``sdd`` gives the same projections, a scaled detector.

    Args:
        intrinsics: K (3, 3), pixels.
        rotation: R (3, 3), world to camera.
        translation: t (3,), mm.
        size: (columns, rows).
        sdd: Source to detector distance to place the detector at, mm.
        y_up: The calibration counts v upwards from the bottom row (as XMALab and Autoscoper files may).
        from_corner: The calibration counts from the first pixel's outer corner, not its centre (as JointTrack
            does): half a pixel. With ``y_up`` that is the bottom left pixel's lower corner.

    Raises:
        InputError: K with skew or unusable focal lengths, or R not a rotation.
    """
    k = matrix(intrinsics, (3, 3), "camera matrix K")
    r = matrix(rotation, (3, 3), "rotation R")
    if np.abs(r.T @ r - np.eye(3)).max() > 1e-4 or np.linalg.det(r) < 0:
        raise InputError("rotation R of the calibration is not a rotation matrix (R^T R = 1, determinant 1).")
    projection = k @ np.hstack([r, vector3(translation, "translation t")[:, None]])
    if from_corner:
        projection = np.array([[1.0, 0, -0.5], [0, 1.0, -0.5], [0, 0, 1.0]]) @ projection
    if y_up:
        flip = np.array([[1.0, 0, 0], [0, -1.0, size[1] - 1.0], [0, 0, 1.0]])
        projection = flip @ projection
    return projection_matrix_camera(projection, size, sdd=sdd)


def projection_matrix_camera(
    projection: Any, size: tuple[int, int], *, sdd: float | None = None, column_spacing: float | None = None
) -> XRayCamera:
    """A camera from a 3x4 projection matrix P: w (column, row, 1) = P (x, y, z, 1), w > 0 before the source.

    Exactly one length places the detector: ``sdd`` or ``column_spacing``, both in mm.

    Raises:
        InputError: P is singular, has skewed pixel axes, or not exactly one length is given.
    """
    p = matrix(projection, (3, 4), "projection matrix")
    if (sdd is None) == (column_spacing is None):
        raise InputError(
            "a projection matrix does not say how large a pixel is: give sdd or column_spacing (mm), one of them."
        )
    if not np.linalg.cond(p[:, :3]) < 1e12:  # NaN of numbers too large is no comparison
        raise InputError("projection matrix is singular: it has no X-ray source.")
    inverse = np.linalg.inv(p[:, :3])
    source = -inverse @ p[:, 3]
    column, row, to_origin = inverse.T
    lengths = np.linalg.norm(column), np.linalg.norm(row)
    _refuse_skew(column / lengths[0], row / lengths[1], size)
    normal = np.cross(column, row) / np.linalg.norm(np.cross(column, row))
    scale = column_spacing / lengths[0] if column_spacing is not None else sdd / abs(float(to_origin @ normal))
    return XRayCamera(source, source + scale * to_origin, column, row, (scale * lengths[0], scale * lengths[1]), size)


def _refuse_skew(column: FloatArray, row: FloatArray, size: tuple[int, int]) -> None:
    """Skew that moves any pixel by more than a tenth of a pixel is an error, less is rounding."""
    shift = abs(float(column @ row)) * max(size)
    if shift > 0.1:
        raise InputError(
            f"the calibration's pixel axes are skewed ({shift:.2g} pixels over the image); "
            f"undistort the image or calibrate without skew."
        )


def _directions(view: str, angles_deg: tuple[float, float]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Beam, column and row directions of a view after the C-arm's two rotations."""
    beam, columns = (np.array(v, dtype=np.float64) for v in VIEWS[view])
    rows = np.array([0.0, 0.0, -1.0])
    primary, secondary = np.deg2rad(angles_deg)
    turn = _rotation_about(np.array([0.0, 0.0, -1.0 if view == "AP" else 1.0]), primary)
    beam, columns = turn @ beam, turn @ columns
    tilt = _rotation_about(np.cross(beam, [0.0, 0.0, 1.0]), secondary)
    return unit(tilt @ beam), unit(columns), unit(tilt @ rows)


def _rotation_about(axis: FloatArray, angle: float) -> FloatArray:
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
