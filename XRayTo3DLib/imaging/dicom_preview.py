"""What a DICOM radiograph's header promises, without reading its pixels: to choose among many files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError, MissingInformationError, naming
from XRayTo3DLib.files import require_file
from XRayTo3DLib.geometry.dicom import camera_from_dicom, placement_view
from XRayTo3DLib.geometry.spacing import Answers
from XRayTo3DLib.imaging.dicom_radiograph import DicomTags, open_radiograph, whole_number
from XRayTo3DLib.imaging.radiograph_reader import dicom_name
from XRayTo3DLib.plain_words import impersonal

RADIOGRAPH_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray, for presentation",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "Digital X-Ray, for processing",
    "1.2.840.10008.5.1.4.1.1.12.1": "X-Ray Angiographic",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "Enhanced XA",
    "1.2.840.10008.5.1.4.1.1.12.2": "X-Ray Radiofluoroscopic",
    "1.2.840.10008.5.1.4.1.1.12.2.1": "Enhanced XRF",
    "1.2.840.10008.5.1.4.1.1.12.3": "X-Ray Angiographic Bi-Plane",
}
"""SOP classes of projections (PS3.4 B.5). The modality alone is not enough: a 3D run of a C-arm is XA too."""
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
"""Transfer syntaxes whose pixels take the room that rows, columns and bits say."""


@dataclass(frozen=True)
class RadiographPreview:
    """What a header says. No patient data.

    Attributes:
        modality: CR, DX, XA, RF or RG.
        body_part: BodyPartExamined (0018,0015), upper case, or "" (also where it is made of words that may be a name).
        view: View position as written, else the one that angles or orientation give, or "".
        laterality: "L", "R" or "".
        size: (columns, rows).
        frames: Frames in the file.
        missing: Arguments of ``read_radiograph`` that must be given, the frame aside.
        advice: What is missing, one sentence; "" when nothing is.
        burned_in: Whether the header declares text in the picture, which may name the patient.
    """

    modality: str
    body_part: str
    view: str
    laterality: str
    size: tuple[int, int]
    frames: int
    missing: tuple[str, ...]
    advice: str
    burned_in: bool = False

    @property
    def name(self) -> str:
        """For people: "DX HAND PA R"."""
        parts = (self.modality, self.body_part, self.view, self.laterality)
        return " ".join(part for part in parts if part) or "radiograph"


def preview_radiograph(path: Path | str) -> RadiographPreview:
    """Look at the header of a DICOM radiograph.

    Raises:
        InputError: Not DICOM, damaged, cut short, or no projection radiograph; the message says what it is.
    """
    with naming(path):
        return _preview(require_file(path, "radiograph"))


def _preview(path: Path) -> RadiographPreview:
    dataset, tags, geometry = open_radiograph(path, pixels=False)
    _require_whole(dataset, tags, path)
    missing, advice = (), ""
    try:
        camera_from_dicom(geometry, tags.size, Answers(), dicom_name(tags, geometry))
    except MissingInformationError as error:
        missing, advice = error.missing, str(error)
    except InputError as error:  # tags that contradict each other: a person says which holds
        missing, advice = ("spacing_kind",), str(error)
    return RadiographPreview(
        modality=tags.modality,
        body_part=impersonal(str(dataset.get("BodyPartExamined", "") or "").strip().upper()),
        view=geometry.view or placement_view(geometry),
        laterality=tags.laterality,
        size=tags.size,
        frames=tags.frames,
        missing=missing,
        advice=advice,
        burned_in=tags.burned_in == "YES",
    )


def _require_whole(dataset: Any, tags: DicomTags, path: Path) -> None:
    """Refuse a file that is smaller than its uncompressed pixels; a compressed one shows only when decoded."""
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax not in UNCOMPRESSED:
        return
    values = tags.size[0] * tags.size[1] * tags.frames * (whole_number(dataset, "SamplesPerPixel") or 1)
    needed = values * ((whole_number(dataset, "BitsAllocated") or 8) // 8)
    if path.stat().st_size < needed:
        raise InputError(f"radiograph: {path.name} is cut short (its pixels are not all there); copy it again.")
