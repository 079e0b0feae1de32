"""Read a radiograph of any kind: line integrals, camera, and a note on everything that was decided."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError, naming
from XRayTo3DLib.files import require_file
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.dicom import DicomGeometry, camera_from_dicom, placement_view
from XRayTo3DLib.geometry.spacing import Answers, SpacingTags
from XRayTo3DLib.imaging.burned_in_text import text_note
from XRayTo3DLib.imaging.dicom_files import is_dicom
from XRayTo3DLib.imaging.dicom_radiograph import DicomTags, open_radiograph, stored_picture
from XRayTo3DLib.imaging.intensity import WEAK, StoredPicture, check_values, to_line_integrals
from XRayTo3DLib.imaging.picture_files import PictureFile, chosen_frame, read_picture_file, stored
from XRayTo3DLib.imaging.radiograph_facts import facts_of
from XRayTo3DLib.imaging.radiograph_header import SavedRadiograph, saved_radiograph
from XRayTo3DLib.imaging.types import Radiograph, SpacingSource
from XRayTo3DLib.plain_words import impersonal

LEAST_PIXELS = 2
SAME_CAMERA_MM = 1e-3
"""A given camera this close to the one in the file's header is that one, and placed as that one was."""


@dataclass(frozen=True, eq=False)
class OpenedRadiograph:
    """A file opened and decoded, before its geometry and intensities are settled.

    ``tags`` is set for DICOM, ``file`` for pictures, ``saved`` for NRRD files that ``write_radiograph`` wrote.
    ``label`` is what messages call a picture whose file's name is not taken over, for it may be a person's.

    Raises:
        InputError: A picture of a single row or column.
    """

    picture: StoredPicture
    geometry: DicomGeometry
    name: str
    tags: DicomTags | None = None
    file: PictureFile | None = None
    saved: SavedRadiograph | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if min(self.size) < LEAST_PIXELS:
            raise InputError(
                f"radiograph {self.label or self.name}: a picture of {self.size[0]} x {self.size[1]} pixels shows "
                f"nothing; export it again."
            )

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        return self.picture.values.shape[1], self.picture.values.shape[0]

    @property
    def frames(self) -> int:
        """Pictures in the file."""
        return self.tags.frames if self.tags else (self.file.frames if self.file else 1)

    @property
    def kind(self) -> str:
        """What the file is, for people."""
        if self.tags is not None:
            return "DICOM secondary capture" if self.tags.secondary_capture else "DICOM"
        return "XRayTo3D radiograph (NRRD)" if self.saved else (self.file.kind if self.file else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading noticed so far."""
        return (self.tags.notes if self.tags else ()) + self.picture.notes


def read_radiograph(
    path: Path | str,
    *,
    camera: XRayCamera | None = None,
    frame: int | None = None,
    intensity: str = "auto",
    i0: float | None = None,
    spacing: tuple[float, float] | None = None,
    spacing_kind: str | None = None,
    sdd: float | None = None,
    source_isocentre: float | None = None,
    magnification: float | None = None,
    view: str | None = None,
    name: str | None = None,
) -> Radiograph:
    """Read one radiograph: DICOM (CR, DX, XA, RF), PNG, TIFF, JPEG, NRRD, MetaImage or NIfTI.

    Args:
        path: The file.
        camera: The exposure's geometry; it wins over everything the file says.
        frame: Frame or page, counted from 0; needed where there are several.
        intensity: ``auto``, ``transmitted`` (bone dark as displayed), ``attenuation`` (bone bright, arbitrary scale)
            or ``line-integral``.
        i0: Stored value of the unattenuated beam.
        spacing: (column, row) pixel spacing, mm.
        spacing_kind: Where the spacing holds: ``detector`` or ``calibrated`` (at the object).
        sdd: Source to detector distance, mm.
        source_isocentre: Source to isocentre distance, mm.
        magnification: SDD over source to object distance; carries a calibrated spacing to the detector.
        view: AP, PA, LAT, LL or RL: how the camera is placed in LPS.
        name: Short name for the scene; no patient data.

    Raises:
        MissingInformationError: Neither file nor arguments say what is needed; ``missing`` names the arguments.
        InputError: The file cannot be used or contradicts itself; the message says what to do.
    """
    answers = Answers(spacing, spacing_kind, sdd, source_isocentre, magnification, view)
    with naming(path):
        return settle_radiograph(open_any(path, frame), answers, camera=camera, intensity=intensity, i0=i0, name=name)


def settle_radiograph(
    opened: OpenedRadiograph,
    answers: Answers,
    *,
    camera: XRayCamera | None = None,
    intensity: str = "auto",
    i0: float | None = None,
    name: str | None = None,
) -> Radiograph:
    """The radiograph of an opened file (or array) and what the user says; arguments and errors as read_radiograph."""
    label, name = name or opened.label or opened.name, name or opened.name
    check_values(opened.picture.measured, label)
    mode = "line-integral" if intensity == "auto" and opened.saved is not None else intensity
    pixels, note = to_line_integrals(opened.picture, mode, i0)
    if opened.saved is not None and mode == "line-integral":
        note = opened.saved.intensity
    assumed_placement = camera is None and opened.saved is None
    given = camera is not None
    camera, source, notes = settle_geometry(opened, camera, answers, label)
    saved = opened.saved
    if saved is not None and camera.is_close(saved.camera, SAME_CAMERA_MM):
        assumed_placement = saved.assumed_placement
    return Radiograph(
        pixels=pixels,
        camera=camera,
        intensity=note,
        spacing_source=source,
        view=(
            answers.view or (saved.view if saved else "") or opened.geometry.view or placement_view(opened.geometry)
        ).upper(),
        laterality=opened.tags.laterality if opened.tags else (saved.laterality if saved else ""),
        name=name,
        notes=opened.notes + notes + text_notes(opened),
        synthetic=bool(saved and saved.synthetic),
        assumed_placement=assumed_placement,
        facts=facts_of(opened, camera, answers, given, WEAK not in note.how),
    )


def open_any(path: Path | str, frame: int | None = None) -> OpenedRadiograph:
    """Open and decode a file of any known kind.

    Raises:
        InputError: As :func:`read_radiograph`, geometry aside.
    """
    with naming(path):
        return _open_file(require_file(path, "radiograph"), frame)


def _open_file(path: Path, frame: int | None) -> OpenedRadiograph:
    if is_dicom(path):
        return _open_dicom(path, frame)
    file = read_picture_file(path, frame)
    saved = saved_radiograph(file, path.stem)
    geometry = DicomGeometry(spacing=SpacingTags(stated=file.spacing))
    name = saved.name if saved else impersonal(path.stem, "radiograph")  # exports are often named after the person
    return OpenedRadiograph(file.picture, geometry, name, file=file, saved=saved, label=path.stem)


def open_array(
    values: NDArray[np.generic],
    name: str,
    *,
    frame: int | None = None,
    spacing: tuple[float, float] | None = None,
    kind: str = "volume",
) -> OpenedRadiograph:
    """A picture that a program holds already, as if it were a file.

    Args:
        values: (rows, columns), (frames, rows, columns) or (frames, rows, columns, 3 or 4 colours).
        name: Short name.
        frame: Which, counted from 0, where there are several.
        spacing: (column, row) mm that the program states; where it holds is asked. 1 x 1 mm means none.
        kind: What to call it.

    Raises:
        MissingInformationError: Several frames and no ``frame``.
        InputError: Another shape, or no such frame.
    """
    values = np.asarray(values)
    stack = values[None] if values.ndim == 2 else values
    if stack.ndim not in (3, 4) or stack.size == 0:
        raise InputError(f"radiograph {name}: a picture is needed, not an array of shape {values.shape}.")
    picture = stored(stack[chosen_frame(len(stack), frame, name)], name)
    file = PictureFile(picture, kind, 8 * values.dtype.itemsize, len(stack), spacing=spacing)
    return OpenedRadiograph(picture, DicomGeometry(spacing=SpacingTags(stated=spacing)), name, file=file)


def _open_dicom(path: Path, frame: int | None) -> OpenedRadiograph:
    dataset, tags, geometry = open_radiograph(path, frame or 0)
    picture = stored_picture(dataset, tags, chosen_frame(tags.frames, frame, path.stem), path)
    return OpenedRadiograph(picture, geometry, dicom_name(tags, geometry), tags=tags)


def text_notes(opened: OpenedRadiograph) -> tuple[str, ...]:
    """The warning of burned-in text; what XRayTo3D has written itself carries it in its notes."""
    if opened.saved is not None:
        return ()
    note = text_note(opened.tags.burned_in if opened.tags else "", opened.picture.values)
    return (note,) if note else ()


def dicom_name(tags: DicomTags, geometry: DicomGeometry) -> str:
    """A name without patient data: file names of DICOM exports often hold it."""
    parts = (tags.modality or "radiograph", geometry.view or placement_view(geometry), tags.laterality)
    return " ".join(part for part in parts if part)


def settle_geometry(
    opened: OpenedRadiograph, camera: XRayCamera | None, answers: Answers, name: str
) -> tuple[XRayCamera, SpacingSource, tuple[str, ...]]:
    """The given camera, else the file's own, else the one that header and answers make; with notes.

    Raises:
        MissingInformationError: Not enough is said.
        InputError: The header contradicts itself, or the camera is of another size.
    """
    if camera is not None:
        _require_size(camera, opened.size, name)
        return camera, SpacingSource.USER, ("The given camera was used; spacing and distances of the file were not.",)
    if opened.saved is not None and answers == Answers(view=answers.view):
        return opened.saved.camera, opened.saved.spacing_source, opened.saved.notes
    solved = camera_from_dicom(opened.geometry, opened.size, answers, name)
    return solved.camera, SpacingSource(solved.spacing_source), solved.notes


def _require_size(camera: XRayCamera, size: tuple[int, int], name: str) -> None:
    """The camera must be this picture's; say what to do where the picture was binned or cropped."""
    if camera.size == size:
        return
    factors = np.array(camera.size) / size
    if factors[0] == factors[1] and factors[0] == round(factors[0]):
        hint = f"the picture is the camera's binned by {factors[0]:.0f}: pass camera.binned({factors[0]:.0f})"
    elif factors[0] == factors[1] and factors[0] < 1:
        hint = f"the picture has been enlarged: pass camera.resampled(({size[0]}, {size[1]}))"
    else:
        hint = "use the camera of this picture, cropped or resampled as the picture was"
    raise InputError(
        f"radiograph {name} has {size[0]} x {size[1]} pixels (columns x rows) but the camera {camera.size[0]} x "
        f"{camera.size[1]}; {hint}."
    )
