"""Landmarks as a Slicer markups file (``.mrk.json``), LPS mm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix, read_json_values, require_file, write_json
from XRayTo3DLib.files.json_values import check_fields
from XRayTo3DLib.geometry.frames import LPS_TO_RAS, FloatArray, apply_matrix, vector3

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)

DEFINED = "defined"
"""Status of a point that was placed; one that was not stands at 0 0 0, or anywhere, in the file."""


def write_landmarks(
    landmarks: Mapping[str, Any], path: Path | str, description: str = "", *, locked: bool = True
) -> Path:
    """Write points (3,) LPS mm by name as one Slicer point list; Slicer opens it by double click.

    Args:
        landmarks: Name to point.
        path: File ending in ``.mrk.json``.
        description: Kept with every point, for instance that it is synthetic.
        locked: Whether Slicer keeps the points from being dragged; proposals are for correcting, so not locked.

    Raises:
        InputError: Another suffix, or a point that is not three finite numbers.
    """
    path = Path(path)
    if file_suffix(path) != ".mrk.json":
        raise InputError(f"landmarks: write them as *.mrk.json, not {path.name}.")
    points = [
        {
            "id": str(number),
            "label": name,
            "description": description,
            "position": vector3(point, f"landmark {name}").round(6).tolist(),
            "selected": True,
            "locked": locked,
            "visibility": True,
            "positionStatus": DEFINED,
        }
        for number, (name, point) in enumerate(landmarks.items(), 1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": points}
    write_json(path, {"@schema": MARKUPS_SCHEMA, "markups": [markup]})
    return path


def read_landmarks(path: Path | str) -> dict[str, FloatArray]:
    """Points (3,) LPS mm by label of a Slicer point list (LPS or RAS; turned to LPS), of those that were placed.

    Raises:
        InputError: Missing, not a point list, without coordinate system, or a label twice.
    """
    path = require_file(path, "landmarks")
    where = f"landmarks: {path.name} is not a Slicer point list"
    content = read_json_values(path, f"landmarks: {path.name}")
    check_fields(content, {"markups": [dict]}, where)
    if not content["markups"]:
        raise InputError(f"{where}: it holds none; save it again.")
    markup = content["markups"][0]
    point = {"label": str, "positionStatus?": str}
    shape = {"coordinateSystem": str, "coordinateUnits?": str, "controlPoints": [point]}
    check_fields(markup, shape, where, "markups[0]")
    points = [each for each in markup["controlPoints"] if each.get("positionStatus", DEFINED) == DEFINED]
    check_fields(points, [{"position": [float]}], where, "markups[0].controlPoints")
    system = markup["coordinateSystem"]
    if markup.get("coordinateUnits", "mm") != "mm":
        raise InputError(f"landmarks: {path.name} is not in mm; save it again from Slicer.")
    named = [(each["label"], vector3(each["position"], f"{path.name}: landmark {each['label']}")) for each in points]
    if system not in ("LPS", "RAS"):
        raise InputError(f"landmarks: {path.name} has coordinate system {system!r}; LPS or RAS is needed.")
    if len(dict(named)) != len(named):
        raise InputError(f"landmarks: {path.name} uses a label twice; give every point its own name.")
    return {name: point if system == "LPS" else apply_matrix(LPS_TO_RAS, point) for name, point in named}
