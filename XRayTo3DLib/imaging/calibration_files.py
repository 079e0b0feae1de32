"""Calibration files of other programs: XMALab / Autoscoper (MayaCam 2.0 text) and OpenCV numbers in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_text
from XRayTo3DLib.files.json_values import parse_json
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import opencv_camera
from XRayTo3DLib.geometry.frames import matrix

SECTIONS = {"image size": (1, 2), "camera matrix": (3, 3), "rotation": (3, 3), "translation": (3, 1)}
"""Headings of a MayaCam 2.0 file and the (lines, numbers per line) below them."""
JSON_FIELDS = ("K", "R", "t", "size")


def read_calibration(path: Path | str, sdd: float, *, from_corner: bool = False, y_up: bool = False) -> XRayCamera:
    """A camera from a calibration file.

    Args:
        path: ``.txt`` as XMALab and Autoscoper write it (headings "image size", "camera matrix", "rotation",
            "translation"), or ``.json`` with K (3x3, pixels), R (3x3, world to camera), t (3, mm) and size (columns,
            rows).
        sdd: Source to detector distance to place the detector at, mm; a pinhole calibration holds for any.
        from_corner: Pixels are counted from the picture's corner, not from the first pixel's centre.
        y_up: Rows are counted upwards from the bottom.

    Raises:
        InputError: Unreadable, incomplete or not a pinhole calibration.
    """
    path = Path(path)
    text = read_text(path, "calibration")
    values = _from_json(text, path.name) if path.suffix.lower() == ".json" else _from_mayacam(text, path.name)
    try:
        k, r, t, size = (values[field] for field in JSON_FIELDS)
        columns, rows = matrix(size, (2,), "size (columns, rows)").tolist()
        return opencv_camera(k, r, t, (int(columns), int(rows)), sdd=sdd, from_corner=from_corner, y_up=y_up)
    except InputError as error:
        raise InputError(f"calibration: {path.name}: {error}") from error


def _from_json(text: str, name: str) -> dict[str, Any]:
    content = parse_json(text, f"calibration: {name}")
    if isinstance(content, dict) and str(content.get("format", "")).startswith("xrayto3d.camera/"):
        raise InputError(f"calibration: {name} is a camera.json already; use it as it is.")
    absent = [field for field in JSON_FIELDS if not isinstance(content, dict) or field not in content]
    if absent:
        raise InputError(f"calibration: {name} lacks {', '.join(absent)}; it needs K, R, t (OpenCV, mm) and size.")
    return content


def _from_mayacam(text: str, name: str) -> dict[str, Any]:
    lines = [line.strip() for line in text.splitlines()]
    found: dict[str, list[list[float]]] = {}
    for heading, (count, width) in SECTIONS.items():
        start = next((i for i, line in enumerate(lines) if line.lower() == heading), None)
        rows = [] if start is None else lines[start + 1 : start + 1 + count]
        try:
            found[heading] = [[float(number) for number in row.split(",")] for row in rows]
        except ValueError as error:
            raise InputError(f'calibration: {name}: under "{heading}" there are not only numbers ({error}).') from error
        if len(found[heading]) != count or any(len(row) != width for row in found[heading]):
            raise InputError(f'calibration: {name}: "{heading}" with {count} lines of {width} numbers is missing.')
    return {
        "K": found["camera matrix"],
        "R": found["rotation"],
        "t": [row[0] for row in found["translation"]],
        "size": found["image size"][0],
    }
