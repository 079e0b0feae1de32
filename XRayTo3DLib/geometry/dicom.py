"""The X-ray geometry a DICOM header states, what it does not state, and the camera that follows.

Tags and their meaning: DICOM PS3.3 C.8.7 (X-ray), C.8.11 (digital X-ray) and 10.7.1.3 (pixel spacing).
DICOM orders spacings (row, column); every pair here is (column, row). Whatever is not a usable number counts as
absent, with a note.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.geometry.calibration import VIEWS, standard_camera
from XRayTo3DLib.geometry.camera import XRayCamera
from XRayTo3DLib.geometry.spacing import Answers, Question, SpacingTags, resolve_spacing, same_pair
from XRayTo3DLib.plain_words import impersonal

LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
DIGITS_KEPT = 12
SDD_MM = (300.0, 10000.0)
"""The smallest C-arms have 350 mm; a hundred or so were written in cm."""


@dataclass(frozen=True)
class DicomGeometry:
    """What a header says about an exposure.

    Attributes:
        spacing: The spacing tags.
        sdd: Source to detector, mm (0018,1110), or ``None``.
        source_patient: Source to patient, mm (0018,1111), or ``None``; not the distance to the object's centre.
        angles_deg: Positioner (primary, secondary) angles of the frame, degrees (0018,1510 and 1511 with the frame's
            increments 1520 and 1521), or ``None``.
        view: View position (0018,5101) as written, upper case, or "".
        columns_towards: Patient direction letter of increasing columns (0020,0020), or "".
        rows_towards: The same of increasing rows.
        notes: What could not be used.
    """

    spacing: SpacingTags = SpacingTags()
    sdd: float | None = None
    source_patient: float | None = None
    angles_deg: tuple[float, float] | None = None
    view: str = ""
    columns_towards: str = ""
    rows_towards: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SolvedGeometry:
    """A camera with where its spacing came from (``detector``, ``calibrated`` or ``user``) and what was assumed."""

    camera: XRayCamera
    spacing_source: str
    notes: tuple[str, ...]


def read_geometry(dataset: Any, frame: int = 0) -> DicomGeometry:
    """Collect the geometry tags of a pydicom data set for a frame, counted from 0; notes bad values, never raises."""
    notes: list[str] = []
    spacing = SpacingTags(
        imager=_pair(dataset, "ImagerPixelSpacing", (0.005, 5.0), notes),
        pixel=_pair(dataset, "PixelSpacing", (0.005, 5.0), notes),
        calibration=_text(dataset, "PixelSpacingCalibrationType"),
        nominal=_pair(dataset, "NominalScannedPixelSpacing", (0.005, 5.0), notes),
        aspect=_pair(dataset, "PixelAspectRatio", (1e-3, 1e6), notes),
        magnification=_number(dataset, "EstimatedRadiographicMagnificationFactor", (1.0, 10.0), notes),
    )
    towards = [letters[:1] for letters in _texts(dataset, "PatientOrientation")]
    known = len(towards) == 2 and all(letter in LETTERS for letter in towards)
    return DicomGeometry(
        spacing=spacing,
        sdd=_number(dataset, "DistanceSourceToDetector", SDD_MM, notes),
        source_patient=_number(dataset, "DistanceSourceToPatient", (20.0, 10000.0), notes),
        angles_deg=_frame_angles(dataset, frame, notes),
        view=impersonal(_text(dataset, "ViewPosition")),
        columns_towards=towards[0] if known else "",
        rows_towards=towards[1] if known else "",
        notes=tuple(notes),
    )


def _frame_angles(dataset: Any, frame: int, notes: list[str]) -> tuple[float, float] | None:
    """(primary, secondary) positioner angles of a frame: those of the first frame and the frame's increments."""
    keywords = ("PositionerPrimaryAngle", "PositionerSecondaryAngle")
    primary, secondary = (_number(dataset, keyword, (-180.0, 180.0), notes) for keyword in keywords)
    if primary is None and secondary is None:
        return None
    increments = [_increment(dataset, f"{keyword}Increment", frame, notes) for keyword in keywords]
    if frame > 0 and increments == [None, None] and _text(dataset, "PositionerMotion") == "DYNAMIC":
        notes.append(
            f"The C-arm moved during the run (PositionerMotion DYNAMIC) but the header does not say how: the angles "
            f"are those of frame 0, not of frame {frame}."
        )
    return (primary or 0.0) + (increments[0] or 0.0), (secondary or 0.0) + (increments[1] or 0.0)


def _increment(dataset: Any, keyword: str, frame: int, notes: list[str]) -> float | None:
    """Degrees from the first frame's angle: one value is the step per frame, several are offsets, one for each frame.

    DICOM PS3.3 C.8.7.5.1.3.
    """
    numbers = _numbers(dataset, keyword)
    if numbers is None:
        return None
    if len(numbers) == 1:
        return numbers[0] * frame
    if len(numbers) != (_numbers(dataset, "NumberOfFrames") or [1.0])[0] or frame >= len(numbers):
        notes.append(f"{keyword} holds neither one number nor one for each frame and was left aside.")
        return None
    return numbers[frame]


def camera_from_dicom(
    geometry: DicomGeometry, size: tuple[int, int], answers: Answers | None = None, name: str = ""
) -> SolvedGeometry:
    """The camera of a header (or of an empty one: a plain picture) and the user's answers.

    Args:
        geometry: What the header says; ``DicomGeometry()`` for pictures without a header.
        size: (columns, rows) of the picture.
        answers: What the user says; it wins over the header.
        name: The picture's name, for messages.

    Raises:
        MissingInformationError: Spacing or SDD is in neither; ``missing`` names them all.
        InputError: Contradictory spacings, or values that are no geometry.
    """
    answers = answers or Answers()
    questions: list[Question] = []
    sdd = answers.sdd or geometry.sdd
    isocentre = answers.source_isocentre
    if isocentre is None and answers.magnification is None:
        isocentre = geometry.source_patient
    magnification = None if sdd is None or isocentre is None else sdd / isocentre
    if sdd is None:
        questions.append(Question("sdd", "the source to detector distance SDD in mm (--sdd)"))
    else:
        _refuse_swapped(sdd, isocentre, name)
    spacing = resolve_spacing(geometry.spacing, answers, magnification, name)
    if isinstance(spacing, Question):
        questions.insert(0, spacing)
    if isinstance(spacing, Question) or sdd is None:
        raise MissingInformationError(_ask(questions, name), tuple(question.field for question in questions))
    notes = list(geometry.notes + spacing.notes)
    if answers.source_isocentre is None and isocentre is not None:
        notes.append(
            f"DistanceSourceToPatient {isocentre:g} mm (0018,1111) was taken as the source to isocentre distance; it "
            f"is measured to the table or patient, not to the bone's centre."
        )
    magnification = answers.magnification or geometry.spacing.magnification
    if isocentre is None and magnification is not None:
        isocentre = sdd / magnification
        notes.append(f"The isocentre was placed where the magnification is {magnification:.4g}.")
    camera = _placed(geometry, size, spacing.pair, sdd, isocentre, answers.view, notes)
    return SolvedGeometry(camera, spacing.source, tuple(notes))


def placement_view(geometry: DicomGeometry, view: str | None = None) -> str:
    """The one of :data:`VIEWS` a picture is placed as, "" when nothing says."""
    for candidate in (view, geometry.view):
        if candidate and candidate.upper() in VIEWS:
            return candidate.upper()
    if geometry.angles_deg is not None:
        return "PA"
    if geometry.columns_towards in ("A", "P") and geometry.rows_towards in ("H", "F"):
        return "LAT"
    return ""


def _placed(
    geometry: DicomGeometry,
    size: tuple[int, int],
    spacing: tuple[float, float],
    sdd: float,
    isocentre: float | None,
    view: str | None,
    notes: list[str],
) -> XRayCamera:
    """The standard camera of the view, turned by the positioner angles and hung as the header says."""
    placed = placement_view(geometry, view)
    if not placed:
        placed = "AP"
        notes.append("The view is not known to the program; the camera was placed as for AP (change it with --view).")
    stated = geometry.angles_deg or (0.0, 0.0)
    angles = stated if view is None else (0.0, 0.0)
    if angles != stated:
        notes.append(
            f"The view {placed} was given, so the header's positioner angles {stated[0]:g} and {stated[1]:g} degrees "
            f"were left aside; leave out the view to apply them."
        )
    if angles != (0.0, 0.0) or (view is None and geometry.angles_deg is not None and not geometry.view):
        notes.append(
            f"Positioner angles {angles[0]:g} (LAO +) and {angles[1]:g} degrees (CRA +) were applied to a detector "
            f"in front of a supine patient."
        )
    camera = standard_camera(sdd, spacing, size, source_isocentre=isocentre, view=placed, angles_deg=angles)
    if angles == (0.0, 0.0) and geometry.columns_towards:
        camera = _hung(camera, geometry, notes)
    return camera


def _hung(camera: XRayCamera, geometry: DicomGeometry, notes: list[str]) -> XRayCamera:
    """Columns and rows as PatientOrientation says, about the same detector centre, where it fits the view."""
    column = np.array(LETTERS[geometry.columns_towards], dtype=float)
    row = np.array(LETTERS[geometry.rows_towards], dtype=float)
    said = f"PatientOrientation {geometry.columns_towards}\\{geometry.rows_towards}"
    if abs(column @ row) > 0.5 or max(abs(column @ camera.view_direction), abs(row @ camera.view_direction)) > 0.5:
        notes.append(f"{said} does not fit the view and was left aside.")
        return camera
    if np.allclose(column, camera.column_direction) and np.allclose(row, camera.row_direction):
        return camera
    notes.append(f"{said}: the picture is hung mirrored or turned; the camera's columns and rows follow it.")
    half = (np.array(camera.size) - 1) / 2 * camera.spacing
    origin = camera.centre - column * half[0] - row * half[1]
    return replace(camera, origin=origin, column_direction=column, row_direction=row)


def _refuse_swapped(sdd: float, isocentre: float | None, name: str) -> None:
    if isocentre is not None and isocentre > sdd:
        raise InputError(
            f"radiograph {name}: the source to isocentre (or patient) distance {isocentre:g} mm is larger than the "
            f"source to detector distance {sdd:g} mm; give the right ones (--sdd, --source-isocentre)."
        )


def _ask(questions: list[Question], name: str) -> str:
    wanted = " and ".join(question.text for question in questions)
    return f"radiograph {name}: the file does not say {wanted}; give what is missing, or a camera.json."


def _text(dataset: Any, keyword: str) -> str:
    return str(dataset.get(keyword, "") or "").strip().upper()


def _texts(dataset: Any, keyword: str) -> list[str]:
    value = dataset.get(keyword, None)
    if value is None or isinstance(value, str):
        return []
    return [str(part).strip().upper() for part in value]


def _pair(dataset: Any, keyword: str, limits: tuple[float, float], notes: list[str]) -> tuple[float, float] | None:
    """A DICOM (row, column) pair as (column, row), or ``None``."""
    numbers = _numbers(dataset, keyword)
    if numbers is None:
        return None
    if len(numbers) != 2 or not all(limits[0] <= number <= limits[1] for number in numbers):
        notes.append(f"{keyword} holds no usable pair of numbers and was left aside.")
        return None
    return numbers[1], numbers[0]


def _number(dataset: Any, keyword: str, limits: tuple[float, float], notes: list[str]) -> float | None:
    numbers = _numbers(dataset, keyword)
    if numbers is None:
        return None
    if len(numbers) != 1 or not limits[0] <= numbers[0] <= limits[1]:
        notes.append(f"{keyword} is not a plausible number and was left aside.")
        return None
    return numbers[0]


def _numbers(dataset: Any, keyword: str) -> list[float] | None:
    """The element's numbers, ``None`` when absent or empty, an empty list when they are no numbers."""
    if keyword not in dataset:
        return None
    try:
        value = dataset[keyword].value
        parts = list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
        if value is None or value == "" or not parts:
            return None
        numbers = [round(float(part), DIGITS_KEPT) for part in parts]
    except (TypeError, ValueError, ArithmeticError):
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


__all__ = [
    "Answers",
    "DicomGeometry",
    "SolvedGeometry",
    "camera_from_dicom",
    "placement_view",
    "read_geometry",
    "same_pair",
]
