"""Write a synthetic case as a folder that Slicer opens file by file, and read its parameters again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.dataset.phantoms import (
    HIP_LABELS,
    HIPS_LABELS,
    KNEE_LABELS,
    LABELS,
    ForearmShape,
    HipShape,
    HipsShape,
    KneeShape,
    PersonShape,
    PhantomCase,
)
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.shape.surfaces import write_surface

PHANTOM_FORMAT = "xrayto3d.phantom/1"
SHAPES: dict[str, type[PersonShape | HipsShape]] = {
    "distal forearm": ForearmShape,
    "knee": KneeShape,
    "hip": HipShape,
    "hips": HipsShape,
}
"""Kind of the parameters by the ``anatomy`` that ``phantom.json`` names."""


def write_case(
    case: PhantomCase, folder: Path | str, radiographs: Mapping[str, Radiograph] | None = None
) -> dict[str, Path]:
    """Write a synthetic case.

    ``ct.nrrd``, ``labels.seg.nrrd``, ``landmarks.mrk.json``, ``meshes/<bone>.vtp``, ``phantom.json`` and, per view,
    ``views/<view>/radiograph.nrrd`` and ``camera.json``. ``phantom.json`` is written last, and an old one is removed
    first: a folder that has it is whole. Views and meshes of an earlier case in the folder are removed too.

    Args:
        case: The phantom.
        folder: Made if missing; files in it are replaced.
        radiographs: By view ("PA", "LAT").

    Returns:
        What was written, by its name inside the folder.
    """
    folder = Path(folder)
    _remove_earlier(folder)
    files = {
        "ct.nrrd": write_ct(case.ct, folder / "ct.nrrd"),
        "labels.seg.nrrd": write_labels(case.ct, folder / "labels.seg.nrrd"),
        "landmarks.mrk.json": write_landmarks(case.landmarks, folder / "landmarks.mrk.json", "synthetic phantom"),
    }
    (folder / "meshes").mkdir(exist_ok=True)
    for bone, mesh in case.meshes.items():
        files[f"meshes/{bone}.vtp"] = write_surface(mesh, folder / "meshes" / f"{bone}.vtp")
    for view, radiograph in (radiographs or {}).items():
        files |= _write_view(view.lower(), radiograph, folder)
    files["phantom.json"] = folder / "phantom.json"
    write_json(files["phantom.json"], _description(case, radiographs or {}))
    return files


def read_phantom(path: Path | str) -> tuple[PersonShape | HipsShape, int]:
    """Parameters and texture seed of a ``phantom.json``.

    Raises:
        InputError: Missing, another format, or parameters that make no phantom.
    """
    content = read_json(path, "phantom", PHANTOM_FORMAT, {"anatomy": str, "parameters": dict, "seed": int})
    where = f"phantom: {Path(path).name}"
    if content["anatomy"] not in SHAPES:
        raise InputError(f"{where} is of {content['anatomy']!r}, not of one of {', '.join(SHAPES)}.")
    try:
        return SHAPES[content["anatomy"]](**content["parameters"]), content["seed"]
    except (TypeError, ValueError, AttributeError) as error:  # of the shape that they make
        raise InputError(f"{where} lacks or misnames a parameter ({error}).") from error


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier :func:`write_case` left and the next may not write again; other files stay."""
    (folder / "phantom.json").unlink(missing_ok=True)
    meshes = [folder / "meshes" / f"{bone}.vtp" for bone in LABELS | KNEE_LABELS | HIP_LABELS | HIPS_LABELS]
    for path in (*meshes, *folder.glob("views/*/radiograph.nrrd"), *folder.glob("views/*/camera.json")):
        path.unlink(missing_ok=True)
    for place in (*folder.glob("views/*"), folder / "views"):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _write_view(view: str, radiograph: Radiograph, folder: Path) -> dict[str, Path]:
    place = folder / "views" / view
    place.mkdir(parents=True, exist_ok=True)
    radiograph.camera.save(place / "camera.json")
    return {
        f"views/{view}/radiograph.nrrd": write_radiograph(radiograph, place / "radiograph.nrrd"),
        f"views/{view}/camera.json": place / "camera.json",
    }


def _description(case: PhantomCase, radiographs: Mapping[str, Radiograph]) -> dict[str, object]:
    return {
        "format": PHANTOM_FORMAT,
        "synthetic": True,
        "anatomy": next(name for name, kind in SHAPES.items() if isinstance(case.shape, kind)),
        "name": case.name,
        "notes": list(case.ct.notes),
        "frame": "LPS",
        "unit": "mm",
        "parameters": case.shape.to_dict(),
        "seed": case.seed,
        **({"forearm_turn_deg": case.forearm_turn_deg} if isinstance(case.shape, ForearmShape) else {}),
        "labels": case.ct.label_names,
        "bones": sorted(case.meshes),
        "views": {view.lower(): list(picture.notes[:1]) for view, picture in radiographs.items()},
    }
