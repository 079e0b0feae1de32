"""Where each value of a radiograph's geometry came from, and what only its file could say about the picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.spacing import Answers, Pair, SpacingTags

if TYPE_CHECKING:
    from XRayTo3DLib.imaging.radiograph_reader import OpenedRadiograph

YOU, CAMERA_FILE, EDITED, ASSUMED, FILE = "you", "camera file", "edited", "assumed", "file"
"""How a source begins; details follow after a colon."""
OWN_FILE = dict.fromkeys(("spacing_from", "sdd_from", "principal_from", "view_from"), f"{FILE}: header by XRayTo3D")
IMAGER, PIXEL, NOMINAL = "ImagerPixelSpacing (0018,1164)", "PixelSpacing (0028,0030)", "NominalScannedPixelSpacing"


@dataclass(frozen=True)
class RadiographFacts:
    """Sources in words ("you", "camera file", "edited", "assumed: …", "file: <tag>"; "" where it was not recorded).

    Attributes:
        spacing_from: Source of the pixel spacing.
        spacing_kind: Where the number that was given holds: ``detector`` or ``calibrated`` (at the object).
        sdd_from: Source of the source to detector distance.
        isocentre_mm: Source to object distance that the picture was placed with, mm; ``None``: on the detector, or
            not known (then ``isocentre_from`` is "").
        isocentre_from: Source of that distance; "" for cameras that were given as a whole.
        principal_from: Source of the point where the central ray meets the detector.
        view_from: Source of the view.
        laterality_from: Source of the side.
        stated_laterality: What the file says, "L", "R" or "".
        stated_spacings: Spacings of the file, (tag, column mm, row mm) each.
        burned_in: BurnedInAnnotation (0028,0301): "YES", "NO" or "".
        lossy: How the picture was compressed with loss, "" without.
        photometric: Photometric interpretation of a DICOM file.
        intensity_sure: Whether it was clear that bone is bright (or dark) in the file.
        mirrored: Whether the picture's left and right were exchanged after reading.
        body_part: What a DICOM file says it shows (0018,0015), one of the usual words, or "".
    """

    spacing_from: str = ""
    spacing_kind: str = ""
    sdd_from: str = ""
    isocentre_mm: float | None = None
    isocentre_from: str = ""
    principal_from: str = ""
    view_from: str = ""
    laterality_from: str = ""
    stated_laterality: str = ""
    stated_spacings: tuple[tuple[str, float, float], ...] = ()
    burned_in: str = ""
    lossy: str = ""
    photometric: str = ""
    intensity_sure: bool = True
    mirrored: bool = False
    body_part: str = ""

    def to_text(self) -> str:
        """One line of JSON, for headers and node attributes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> RadiographFacts:
        """Inverse of :meth:`to_text`; nothing known for an empty text, and what other versions wrote is left aside."""
        known = parse_json(text, WHERE) if text else {}
        check_fields(known, SHAPE, WHERE)
        named = {field.name: known[field.name] for field in fields(cls) if field.name in known}
        stated = tuple(_stated(*each) for each in named.get("stated_spacings", ()) if len(each) == 3)
        return cls(**{**named, "stated_spacings": stated})


WHERE = "what is kept of a radiograph's geometry"
SHAPE: dict[str, Any] = {
    **{f"{field.name}?": str for field in fields(RadiographFacts) if field.type == "str"},
    "isocentre_mm??": float,
    "stated_spacings?": [list],
    "intensity_sure?": bool,
    "mirrored?": bool,
}


def _stated(tag: Any, column: Any, row: Any) -> tuple[str, float, float]:
    check_fields({"tag": tag, "spacing": [column, row]}, {"tag": str, "spacing": [float]}, WHERE, "stated_spacings")
    return tag, float(column), float(row)


def source_word(source: str) -> str:
    """ "file: PixelSpacing …" is "file"."""
    return source.partition(":")[0]


def facts_of(
    opened: OpenedRadiograph, camera: XRayCamera, answers: Answers, given: bool, sure: bool
) -> RadiographFacts:
    """What is known of a radiograph that has just been settled.

    Args:
        opened: The file.
        camera: Its camera.
        answers: What the user said.
        given: Whether the camera was given as a whole.
        sure: Whether the intensities were clear.
    """
    if opened.saved is not None and camera.is_close(opened.saved.camera, 1e-3):
        return opened.saved.facts if opened.saved.facts.sdd_from else replace(opened.saved.facts, **OWN_FILE)
    tags, geometry = opened.tags, opened.geometry
    side = tags.laterality if tags else (opened.saved.laterality if opened.saved else "")
    about = {
        "stated_laterality": side,
        "laterality_from": f"{FILE}: ImageLaterality (0020,0062)" if side and tags else (FILE if side else ""),
        "stated_spacings": stated_spacings(geometry.spacing),
        "burned_in": tags.burned_in if tags else "",
        "lossy": tags.lossy if tags else ("JPEG" if opened.kind == "JPEG" else ""),
        "photometric": tags.photometric if tags else "",
        "intensity_sure": sure,
        "body_part": tags.body_part if tags else (opened.saved.facts.body_part if opened.saved else ""),
    }
    if given:
        keys = ("spacing_from", "sdd_from", "principal_from")
        view = YOU if answers.view else _view_from(opened, answers)
        return RadiographFacts(**about, **dict.fromkeys(keys, CAMERA_FILE), spacing_kind="detector", view_from=view)
    spacing_from, kind = _spacing_from(geometry.spacing, answers)
    depth = depth_of(camera, (0.0, 0.0, 0.0))
    return RadiographFacts(
        **about,
        spacing_from=spacing_from,
        spacing_kind=kind,
        sdd_from=YOU if answers.sdd else f"{FILE}: DistanceSourceToDetector (0018,1110)",
        isocentre_mm=None if abs(depth - camera.sdd) < 1e-6 else depth,
        isocentre_from=_isocentre_from(opened, answers),
        principal_from=f"{ASSUMED}: the middle of the picture",
        view_from=_view_from(opened, answers),
    )


def depth_of(camera: XRayCamera, point: tuple[float, float, float]) -> float:
    """Distance from the source to a world point (3,) LPS along the detector's normal, mm."""
    towards = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    return float((np.asarray(point) - camera.source) @ towards)


def stated_spacings(tags: SpacingTags) -> tuple[tuple[str, float, float], ...]:
    """Every spacing in mm that the header states, (tag, column, row)."""
    pairs: tuple[tuple[str, Pair | None], ...] = ((IMAGER, tags.imager), (PIXEL, tags.pixel), (NOMINAL, tags.nominal))
    return tuple((tag, *pair) for tag, pair in pairs if pair is not None)


def _spacing_from(tags: SpacingTags, answers: Answers) -> tuple[str, str]:
    """Source and plane of the spacing, in the order of :func:`~XRayTo3DLib.geometry.spacing.resolve_spacing`."""
    if answers.spacing is not None:
        return YOU, answers.spacing_kind or "detector"
    kind = answers.spacing_kind or ("calibrated" if tags.imager is None and tags.calibration else "detector")
    ordered = ((IMAGER, tags.imager), (PIXEL, tags.pixel), (NOMINAL, tags.nominal), ("header", tags.stated))
    found = [tag for tag, pair in ordered if pair is not None and not (tag == IMAGER and kind == "calibrated")]
    said = f"; you said it holds {'on the detector' if kind == 'detector' else 'at the object'}"
    return f"{FILE}: {found[0] if found else 'header'}{said if answers.spacing_kind else ''}", kind


def _isocentre_from(opened: OpenedRadiograph, answers: Answers) -> str:
    geometry = opened.geometry
    if answers.source_isocentre is not None:
        return YOU
    if answers.magnification is not None:
        return f"{YOU}: by the magnification {answers.magnification:g}"
    if geometry.source_patient is not None:
        return f"{FILE}: DistanceSourceToPatient (0018,1111), measured to the table or the skin"
    if geometry.spacing.magnification is not None:
        return f"{FILE}: EstimatedRadiographicMagnificationFactor (0018,1114)"
    return f"{ASSUMED}: the object lies on the detector"


def _view_from(opened: OpenedRadiograph, answers: Answers) -> str:
    from XRayTo3DLib.geometry.dicom import placement_view

    geometry = opened.geometry
    if answers.view is not None:
        return YOU
    if opened.saved is not None and opened.saved.view:
        return FILE
    if geometry.view:
        return f"{FILE}: ViewPosition (0018,5101)"
    if placement_view(geometry):
        return f"{FILE}: positioner angles or PatientOrientation"
    return f"{ASSUMED}: placed as AP"
