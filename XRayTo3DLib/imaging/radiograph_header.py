"""The NRRD form of a radiograph: a one-slice volume that lies on its detector, with its source in the header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.image_writer import write_nrrd
from XRayTo3DLib.imaging.picture_files import PictureFile
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

FORMAT = "xrayto3d.radiograph/1"
PREFIX = "xrayto3d_"


@dataclass(frozen=True)
class SavedRadiograph:
    """What the header of a file written by :func:`write_radiograph` restores; fields as in ``Radiograph``."""

    camera: XRayCamera
    intensity: IntensityNote
    spacing_source: SpacingSource
    view: str
    laterality: str
    name: str
    notes: tuple[str, ...]
    synthetic: bool
    assumed_placement: bool = False
    facts: RadiographFacts = RadiographFacts()


def write_radiograph(radiograph: Radiograph, path: Path | str, compress: bool = True) -> Path:
    """Write line integrals as NRRD (one slice, LPS mm): origin, directions and spacing are the detector's pose.

    Slicer shows it where the detector was. The source is stored relative to the detector (mm along column, row and
    normal), so that a rigid transform hardened onto the image carries both. Camera files are written apart
    (``radiograph.camera.save``).

    Args:
        radiograph: The picture and its camera.
        path: Ends in ``.nrrd``.
        compress: False is many times quicker, for files that are soon read again.

    Raises:
        InputError: ``path`` does not end in ``.nrrd``.
    """
    import SimpleITK as sitk

    path = Path(path)
    if file_suffix(path) != ".nrrd":
        raise InputError(f"radiograph: write it as .nrrd, not {path.name}.")
    camera = radiograph.camera
    image = sitk.GetImageFromArray(radiograph.pixels[None])
    image.SetOrigin(camera.origin.tolist())
    image.SetSpacing((*camera.spacing, 1.0))
    directions = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    image.SetDirection(directions.ravel().tolist())
    for key, value in _fields(radiograph).items():
        image.SetMetaData(PREFIX + key, value)
    write_nrrd(image, path, compress=compress)
    return path


def saved_radiograph(file: PictureFile, name: str) -> SavedRadiograph | None:
    """What our header says, or ``None`` for files of others.

    Raises:
        InputError: Our format in a version that is not known, or a header that is no camera.
    """
    version = file.header.get(PREFIX + "format")
    if version is None:
        return None
    if version != FORMAT:
        raise InputError(f'radiograph {name}: format {version!r} is not known, expected "{FORMAT}"; update XRayTo3D.')
    if file.to_lps is None:
        raise InputError(f"radiograph {name}: the header has lost the detector's pose; write it again.")
    fields = {key[len(PREFIX) :]: value for key, value in file.header.items() if key.startswith(PREFIX)}
    try:
        return _restored(file, fields)
    except (KeyError, ValueError) as error:
        raise InputError(f"radiograph {name}: its header is damaged ({error}); write it again.") from error


def _fields(radiograph: Radiograph) -> dict[str, str]:
    note = radiograph.intensity
    return {
        "format": FORMAT,
        "frame": "LPS",
        "source_detector_mm": " ".join(repr(float(number)) for number in _source_on_detector(radiograph.camera)),
        "intensity_mode": note.mode,
        "intensity_i0": "" if note.i0 is None else repr(float(note.i0)),
        "intensity_absolute": str(int(note.absolute)),
        "intensity_how": _line(note.how),
        "spacing_source": radiograph.spacing_source.value,
        "view": radiograph.view,
        "laterality": radiograph.laterality,
        "name": _line(radiograph.name),
        "notes": " | ".join(_line(text) for text in radiograph.notes),
        "synthetic": str(int(radiograph.synthetic)),
        "facts": radiograph.facts.to_text(),
        "assumed_placement": str(int(radiograph.assumed_placement)),
    }


def _restored(file: PictureFile, fields: dict[str, str]) -> SavedRadiograph:
    i0 = fields.get("intensity_i0", "").strip()
    absolute = fields["intensity_absolute"] == "1"
    note = IntensityNote(fields["intensity_mode"], float(i0) if i0 else None, absolute, fields["intensity_how"])
    notes = tuple(text for text in fields.get("notes", "").split(" | ") if text)
    return SavedRadiograph(
        camera=_camera(file, [float(number) for number in fields["source_detector_mm"].split()]),
        intensity=note,
        spacing_source=SpacingSource(fields["spacing_source"]),
        view=fields.get("view", ""),
        laterality=fields.get("laterality", ""),
        name=fields.get("name", "") or "radiograph",
        notes=notes,
        synthetic=fields["synthetic"] == "1",
        facts=RadiographFacts.from_text(fields.get("facts")),
        assumed_placement=fields.get("assumed_placement") == "1",
    )


def _source_on_detector(camera: XRayCamera) -> NDArray[np.float64]:
    """(3,) mm from the first pixel's centre to the source, along column, row and normal (column x row)."""
    axes = np.stack([camera.column_direction, camera.row_direction, camera.normal])
    return axes @ (camera.source - camera.origin)


def _camera(file: PictureFile, source: list[float]) -> XRayCamera:
    """The camera of a detector image, and a source (3,) mm along its column, row and normal."""
    assert file.to_lps is not None
    if len(source) != 3:
        raise ValueError("the source needs three numbers")
    origin, steps = file.to_lps[:3, 3], file.to_lps[:3, :2]
    spacing = np.linalg.norm(steps, axis=0)
    column, row = (steps / spacing).T
    rows, columns = file.picture.values.shape
    where = origin + np.stack([column, row, np.cross(column, row)], axis=1) @ source
    return XRayCamera(where, origin, column, row, (float(spacing[0]), float(spacing[1])), (columns, rows))


def _line(text: str) -> str:
    """One line: the NRRD header is line based."""
    return " ".join(text.split())
