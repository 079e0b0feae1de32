"""What a radiograph file is, what it says about its geometry, and what a user still has to say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError, MissingInformationError, naming
from XRayTo3DLib.geometry.spacing import Answers, SpacingTags
from XRayTo3DLib.imaging.intensity import check_values, choose_mode
from XRayTo3DLib.imaging.radiograph_reader import OpenedRadiograph, open_any, settle_geometry, text_notes

INFO_FORMAT = "xrayto3d.radiograph-info/1"
CALIBRATED = "at the object plane (calibrated): smaller than on the detector by the magnification"
UNKNOWN_PLANE = "not said whether on the detector or at the object"


@dataclass(frozen=True)
class SpacingFact:
    """One statement of a pixel spacing: where it stands, (column, row) in mm, and what it means."""

    tag: str
    value: tuple[float, float]
    meaning: str


@dataclass(frozen=True)
class RadiographInfo:
    """Everything known about a file without asking. No patient data.

    Attributes:
        kind: File format ("DICOM", "PNG", ...).
        name: Name the reader will give it.
        size: (columns, rows).
        frames: Pictures in the file.
        bits: Bits per stored value.
        modality: DICOM modality, or "".
        photometric: DICOM photometric interpretation, or "".
        compression: DICOM transfer syntax, or "".
        intensity_relation: DICOM pixel intensity relationship with its sign, or "".
        spacings: Every pixel spacing the file states.
        sdd: Source to detector distance, mm, or ``None``.
        source_patient: Source to patient distance, mm (not to the object's centre), or ``None``.
        magnification: Estimated radiographic magnification factor, or ``None``.
        angles_deg: Positioner (primary, secondary) angles, degrees, or ``None``.
        view: View position as written, or "".
        laterality: "L", "R" or "".
        intensity: Mode that ``intensity="auto"`` will take.
        intensity_reason: Why.
        intensity_confident: Whether that is clear.
        missing: Arguments of ``read_radiograph`` that are needed ("spacing", "sdd", "frame", ...).
        advice: One sentence on what to do, "" when nothing is missing.
        notes: What was noticed.
        synthetic: Whether the picture says it is simulated.
    """

    kind: str
    name: str
    size: tuple[int, int]
    frames: int
    bits: int
    modality: str
    photometric: str
    compression: str
    intensity_relation: str
    spacings: tuple[SpacingFact, ...]
    sdd: float | None
    source_patient: float | None
    magnification: float | None
    angles_deg: tuple[float, float] | None
    view: str
    laterality: str
    intensity: str
    intensity_reason: str
    intensity_confident: bool
    missing: tuple[str, ...]
    advice: str
    notes: tuple[str, ...]
    synthetic: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return {"format": INFO_FORMAT, **asdict(self)}


def inspect_radiograph(path: Path | str) -> RadiographInfo:
    """Look at a radiograph without needing its geometry (of several frames, at the first).

    Raises:
        InputError: The file cannot be read as a radiograph at all.
    """
    with naming(path):
        return inspect_opened(_opened(path))


def inspect_opened(opened: OpenedRadiograph) -> RadiographInfo:
    """:func:`inspect_radiograph` of what has been opened, or of an array (``open_array``)."""
    check_values(opened.picture.measured, opened.label or opened.name)
    missing, advice, geometry_notes = _missing(opened)
    tags, saved, geometry = opened.tags, opened.saved, opened.geometry
    mode, reason, confident = _intensity(opened)
    return RadiographInfo(
        kind=opened.kind,
        name=opened.name,
        size=opened.size,
        frames=opened.frames,
        bits=tags.bits if tags else (opened.file.bits if opened.file else 0),
        modality=tags.modality if tags else "",
        photometric=tags.photometric if tags else "",
        compression=tags.compression if tags else "",
        intensity_relation=_relation(opened),
        spacings=spacing_facts(geometry.spacing) if saved is None else _saved_spacing(opened),
        sdd=saved.camera.sdd if saved else geometry.sdd,
        source_patient=geometry.source_patient,
        magnification=geometry.spacing.magnification,
        angles_deg=geometry.angles_deg,
        view=saved.view if saved else geometry.view,
        laterality=tags.laterality if tags else (saved.laterality if saved else ""),
        intensity=mode,
        intensity_reason=reason,
        intensity_confident=confident,
        missing=missing,
        advice=advice,
        notes=opened.notes + geometry_notes + text_notes(opened),
        synthetic=bool(saved and saved.synthetic),
    )


def spacing_facts(tags: SpacingTags) -> tuple[SpacingFact, ...]:
    """Every spacing the file states, with its meaning in words."""
    calibrated = tags.calibration in ("GEOMETRY", "FIDUCIAL")
    if calibrated:
        pixel = f"{CALIBRATED}, type {tags.calibration}"
    elif tags.imager is not None and tags.pixel is not None and tags.imager != tags.pixel:
        pixel = CALIBRATED
    else:
        pixel = "on the detector, as ImagerPixelSpacing" if tags.imager is not None else UNKNOWN_PLANE
    rows = (
        ("ImagerPixelSpacing (0018,1164)", tags.imager, "on the detector plane"),
        ("PixelSpacing (0028,0030)", tags.pixel, pixel),
        ("NominalScannedPixelSpacing (0018,2010)", tags.nominal, "on the digitised film"),
        ("PixelAspectRatio (0028,0034)", tags.aspect, "only the ratio of the two means anything"),
        ("file header", tags.stated, UNKNOWN_PLANE),
    )
    return tuple(SpacingFact(tag, value, meaning) for tag, value, meaning in rows if value is not None)


def _saved_spacing(opened: OpenedRadiograph) -> tuple[SpacingFact, ...]:
    assert opened.saved is not None
    source = opened.saved.spacing_source.value
    return (SpacingFact("file header", opened.saved.camera.spacing, f"on the detector plane (from: {source})"),)


def _opened(path: Path | str) -> OpenedRadiograph:
    """The only picture of the file, or the first of several."""
    try:
        return open_any(path)
    except MissingInformationError as error:
        if error.missing != ("frame",):
            raise
    return open_any(path, 0)


def _missing(opened: OpenedRadiograph) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Fields to ask for, one sentence, and the notes of the geometry where it can be settled."""
    frame = ("frame",) if opened.frames > 1 else ()
    ask = f"The file holds {opened.frames} frames: choose one (--frame)." if frame else ""
    try:
        _, _, notes = settle_geometry(opened, None, Answers(), opened.label or opened.name)
    except MissingInformationError as error:
        return frame + error.missing, f"{ask} {error}".strip(), opened.geometry.notes
    except InputError as error:  # contradictory tags: shown, not raised, so that all of them can be seen
        return (*frame, "spacing_kind"), f"{ask} {error}".strip(), opened.geometry.notes
    return frame, ask, notes


def _intensity(opened: OpenedRadiograph) -> tuple[str, str, bool]:
    if opened.saved is not None:
        return "line-integral", "written by XRayTo3D", True
    guess = choose_mode(opened.picture)
    return guess.mode, guess.reason, guess.confident


def _relation(opened: OpenedRadiograph) -> str:
    if opened.tags is None or not opened.tags.relation:
        return ""
    sign = "" if opened.tags.sign is None else f" {opened.tags.sign:+d}"
    return opened.tags.relation + sign
