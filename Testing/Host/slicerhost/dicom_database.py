"""``slicer.dicomDatabase``: what plug-ins use of ctkDICOMDatabase, over pydicom, in memory.

As the real one (CTK's ctkDICOMDatabase.h): patients go by a number in the database, not by their ID; a file that is
not in the database has no values; values are text, several joined by a backslash; pixel data exist but are not given
out; objects without UIDs are not taken in; a file with the SOP instance UID of another takes its place.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

PIXEL_DATA = Tag(0x7FE0, 0x0010)
UNREADABLE = (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError, NotImplementedError)


@dataclass
class Instance:
    """A row of the table Images."""

    path: str
    header: Any
    has_pixels: bool
    uids: tuple[str, str, str, str] = field(default=("", "", "", ""))
    """Patient number, study, series, SOP instance."""


class DicomDatabase:
    """Open from the start, and empty."""

    def __init__(self) -> None:
        self.isOpen = True
        self.databaseFilename, self.databaseDirectory = ":memory:", ""
        self.tagsToPrecache: list[str] = []
        self._instances: dict[str, Instance] = {}
        self._patients: list[tuple[str, str]] = []

    # ---- taking in -----------------------------------------------------------------------------------------------

    def initializeDatabase(self) -> bool:
        """Empty it."""
        self._instances, self._patients = {}, []
        return True

    def insert(self, filePath: str, storeFile: bool = True, generateThumbnail: bool = True) -> None:
        """Take a file in where it lies; what is no DICOM object is passed over, as by Slicer's indexer."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = pydicom.dcmread(filePath, stop_before_pixels=True)
        except UNREADABLE:
            return
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        uids = [str(header.get(name, "") or "") for name in names]
        if not all(uids):
            return
        # A patient without ID goes by the study, as in CTK.
        person = (str(header.get("PatientID", "") or "") or uids[0], str(header.get("PatientName", "") or ""))
        if person not in self._patients:
            self._patients.append(person)
        number = str(self._patients.index(person) + 1)
        instance = Instance(str(filePath), header, "Rows" in header, (number, *uids))
        self._instances[uids[2]] = instance

    def addDirectory(self, directory: str) -> None:
        """Host only: what ctkDICOMIndexer does with a folder."""
        for folder, _folders, names in os.walk(directory):
            for name in sorted(names):
                self.insert(str(Path(folder) / name))

    # ---- what there is -------------------------------------------------------------------------------------------

    def patients(self) -> list[str]:
        """Numbers of the patients."""
        return _once(instance.uids[0] for instance in self._instances.values())

    def studiesForPatient(self, patientUID: str) -> list[str]:
        """Study UIDs of a patient's number."""
        return _once(each.uids[1] for each in self._instances.values() if each.uids[0] == patientUID)

    def seriesForStudy(self, studyUID: str) -> list[str]:
        """Series UIDs."""
        return _once(each.uids[2] for each in self._instances.values() if each.uids[1] == studyUID)

    def instancesForSeries(self, seriesUID: str, hits: int = -1) -> list[str]:
        """SOP instance UIDs, at most ``hits`` where that is positive."""
        found = [each.uids[3] for each in self._instances.values() if each.uids[2] == seriesUID]
        return found[:hits] if hits > 0 else found

    def filesForSeries(self, seriesUID: str, hits: int = -1) -> list[str]:
        """Paths, at most ``hits`` where that is positive."""
        return [self.fileForInstance(uid) for uid in self.instancesForSeries(seriesUID, hits)]

    def allFiles(self) -> list[str]:
        """Paths of everything."""
        return [each.path for each in self._instances.values()]

    def fileForInstance(self, sopInstanceUID: str) -> str:
        """Path, "" for a stranger."""
        found = self._instances.get(sopInstanceUID)
        return found.path if found is not None else ""

    def instanceForFile(self, fileName: str) -> str:
        """SOP instance UID, "" for a file that is not in the database."""
        found = self._of_file(fileName)
        return found.uids[3] if found is not None else ""

    def seriesForFile(self, fileName: str) -> str:
        """Series UID, "" for a file that is not in the database."""
        found = self._of_file(fileName)
        return found.uids[2] if found is not None else ""

    def studyForSeries(self, seriesUID: str) -> str:
        """Study UID of a series."""
        return next((each.uids[1] for each in self._instances.values() if each.uids[2] == seriesUID), "")

    def patientForStudy(self, studyUID: str) -> str:
        """Patient's number of a study."""
        return next((each.uids[0] for each in self._instances.values() if each.uids[1] == studyUID), "")

    # ---- values --------------------------------------------------------------------------------------------------

    def fileValue(self, fileName: str, tag: str) -> str:
        """A header value of a file as text; ``tag`` is "gggg,eeee"."""
        found = self._of_file(fileName)
        return _text(found.header, _tag(tag)) if found is not None else ""

    def instanceValue(self, sopInstanceUID: str, tag: str) -> str:
        """The same by SOP instance UID."""
        return self.fileValue(self.fileForInstance(sopInstanceUID), tag)

    def fileValueExists(self, fileName: str, tag: str) -> bool:
        """Whether the value is there and not empty; the way to ask for pixel data."""
        found = self._of_file(fileName)
        if found is not None and _tag(tag) == PIXEL_DATA:
            return found.has_pixels
        return self.fileValue(fileName, tag) != ""

    def instanceValueExists(self, sopInstanceUID: str, tag: str) -> bool:
        """The same by SOP instance UID."""
        return self.fileValueExists(self.fileForInstance(sopInstanceUID), tag)

    def _of_file(self, fileName: str) -> Instance | None:
        return next((each for each in self._instances.values() if each.path == fileName), None)


def _once(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def _tag(text: str) -> BaseTag:
    group, element = text.split(",")
    return Tag(int(group, 16), int(element, 16))


def _text(header: Any, tag: BaseTag) -> str:
    element = header.get(tag)
    if element is None or element.VR == "SQ" or element.value is None:
        return ""
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return "\\".join(str(value) for value in values)
