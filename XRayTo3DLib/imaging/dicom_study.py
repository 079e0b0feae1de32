"""Whose a DICOM object is that was made from radiographs, and how it refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.dicom_files import open_dicom

NOBODY = "Anonymous^XRayTo3D"
PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")
OPTIONAL = ("IssuerOfPatientID", "PatientAge", "StudyDescription")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
SEGMENTATION, SOURCE = ("113076", "Segmentation"), ("121322", "Source image for image processing operation")
"""Codes of DICOM's own scheme (DCM): what was done, and what the radiographs were for it."""


def new_uid() -> str:
    """A DICOM UID that nothing else has (2.25 and a random number, PS3.5 B.2)."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=None))


def coded(code: tuple[str, str], scheme: str) -> Any:
    """A coded concept: (value, meaning) of a coding scheme."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code[0], scheme, code[1]
    return item


def radiograph_headers(radiographs: Sequence[Path | str]) -> list[Any]:
    """Headers of the DICOM radiographs that are of the first one's study.

    Raises:
        InputError: A file cannot be read or lacks its UIDs, or they are of different people.
    """
    wanted = (*PATIENT, *STUDY, *OPTIONAL, *UIDS)
    headers = [open_dicom(Path(path), "radiograph", pixels=False, more=wanted) for path in radiographs]
    for path, header in zip(radiographs, headers, strict=True):
        if not all(header.get(name) for name in UIDS):
            raise InputError(f"radiograph: {Path(path).name} has no study, series or instance UID; export it again.")
    people = {(str(header.get("PatientID", "")), str(header.get("PatientName", ""))) for header in headers}
    if len(people) > 1:
        raise InputError(
            "The radiographs are of different patients by their DICOM headers, and no object can be of both: export "
            "without the patient, or load the right radiographs."
        )
    return [header for header in headers if header.StudyInstanceUID == headers[0].StudyInstanceUID]


def patient_and_study(headers: Sequence[Any]) -> Any:
    """A data set with patient and study: those of the first header, else a new study of nobody.

    Raises:
        ValueError: The header holds what its value representation forbids; the message may quote it.
    """
    from pydicom.dataset import Dataset

    now, made = datetime.now(), Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for name in PATIENT + STUDY:
        setattr(made, name, "")
    for name in PATIENT + STUDY + OPTIONAL if headers else ():
        if headers[0].get(name):
            setattr(made, name, str(headers[0].get(name)))
    if headers:
        return made
    made.StudyInstanceUID, made.StudyID = new_uid(), "XRAYTO3D"
    made.StudyDate, made.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.PatientName = NOBODY
    made.PatientID = f"XRayTo3D-{made.StudyInstanceUID[-12:]}"  # archives join what has the same ID
    return made


def refer_to(made: Any, headers: Sequence[Any]) -> None:
    """Make a multi-frame object refer to the radiographs it came from, and to nothing else.

    No frame lies on a radiograph: the derivation is said once, for all frames, with "spatial locations preserved: NO".
    """
    from pydicom.dataset import Dataset

    for name in ("SourceImageSequence", "ReferencedSeriesSequence"):
        made.pop(name, None)
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.pop("DerivationImageSequence", None)
    if not headers:
        return
    series: dict[str, list[Any]] = {}
    for header in headers:
        series.setdefault(str(header.SeriesInstanceUID), []).append(_instance(header))
    made.ReferencedSeriesSequence = [_series(uid, instances) for uid, instances in series.items()]
    derivation = Dataset()
    derivation.DerivationCodeSequence = [coded(SEGMENTATION, "DCM")]
    derivation.SourceImageSequence = [_source(header) for header in headers]
    made.SharedFunctionalGroupsSequence[0].DerivationImageSequence = [derivation]


def _series(uid: str, instances: list[Any]) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.SeriesInstanceUID, item.ReferencedInstanceSequence = uid, instances
    return item


def _instance(header: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item


def _source(header: Any) -> Any:
    item = _instance(header)
    item.PurposeOfReferenceCodeSequence = [coded(SOURCE, "DCM")]
    item.SpatialLocationsPreserved = "NO"
    return item
