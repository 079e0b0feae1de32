"""Values that nobody else writes, planted in every place of a file that may name a person, and found again.

A text canary is ``ZQ`` + five digits + ``KV``; dates lie before 1950, UIDs under a root of their own. Searching folds
case, drops zero bytes (UTF-16) and opens what is packed: gzip, zip, PNG text, pictures inside pages.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import DicomDictionary, RepeatersDictionary
from pydicom.dataset import Dataset

UID_ROOT = "1.2.826.0.1.7654321."
TEXT = re.compile(rb"ZQ\d{5}KV")
DATE = re.compile(rb"(?<![\d.])1[89]\d{6}(?![\d.])")
UID = re.compile(re.escape(UID_ROOT.encode()) + rb"1\d{5}")
NUMBER = re.compile(rb"(?<![\d.])31337\d{4}(?!\d)")
TEXT_VRS = ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "CS", "AE", "UR")
NESTED = ("PatientName", "StudyInstanceUID")
NESTED_MORE = (*NESTED, "PatientID", "InstitutionName", "PatientBirthDate", "TextValue", "AccessionNumber")
"""What every item of a sequence holds, and items that are looked at by many programs."""
_NEEDED = """Modality SOPClassUID Rows Columns SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored
HighBit PixelRepresentation PlanarConfiguration NumberOfFrames PixelSpacing ImagerPixelSpacing
NominalScannedPixelSpacing PixelAspectRatio DistanceSourceToDetector
DistanceSourceToPatient EstimatedRadiographicMagnificationFactor
PositionerPrimaryAngle PositionerSecondaryAngle PositionerPrimaryAngleIncrement PositionerSecondaryAngleIncrement
ImageOrientationPatient ImagePositionPatient RescaleSlope RescaleIntercept RescaleType ImageType
PixelIntensityRelationshipSign FieldOfViewRotation PixelPaddingValue PixelPaddingRangeLimit SpecificCharacterSet
ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PixelData
DirectoryRecordSequence LossyImageCompression SeriesInstanceUID"""
NEEDED = frozenset(_NEEDED.split())
"""Tags without which the files could not be read: their words are planted one by one instead."""


@dataclass
class Canaries:
    """Every canary planted so far: what, and where."""

    planted: dict[str, str] = field(default_factory=dict)

    def text(self, where: str) -> str:
        return self._new(f"ZQ{len(self.planted):05d}KV", where)

    def uid(self, where: str) -> str:
        return self._new(f"{UID_ROOT}1{len(self.planted):05d}", where)

    def date(self, where: str) -> str:
        return self._new((date(1801, 1, 1) + timedelta(days=len(self.planted))).strftime("%Y%m%d"), where)

    def number(self, where: str) -> str:
        return self._new(f"31337{len(self.planted) % 10000:04d}", where)

    def value(self, vr: str, where: str) -> Any:
        """One of a DICOM value representation; ``None`` for those that hold no text."""
        if vr in TEXT_VRS:
            text = self.text(where)
            return {"PN": f"{text}^ANNA", "UR": f"http://{text.lower()}.example/"}.get(vr, text)
        if vr == "UI":
            return self.uid(where)
        if vr in ("DA", "DT"):
            return self.date(where) + ("120000" if vr == "DT" else "")
        if vr == "TM":
            return "235959.31337" + str(len(self.planted) % 10)
        if vr in ("DS", "IS"):
            return self.number(where)
        return "917Y" if vr == "AS" else None

    def _new(self, canary: str, where: str) -> str:
        self.planted[canary] = where
        return canary

    # ---- planting --------------------------------------------------------------------------------------------------

    def plant(self, dataset: Dataset, name: str) -> None:
        """Into every text-like tag of the dictionary that the file can do without, and into private ones."""
        for tag, (vr, _vm, _title, _retired, keyword) in DicomDictionary.items():
            if (tag >> 16) < 8 or keyword in NEEDED or not keyword or tag in dataset:
                continue
            self._element(dataset, tag, vr, f"{name} {keyword}")
        for mask, (vr, *_rest, keyword) in RepeatersDictionary.items():
            if mask[:2] in ("60", "50") and vr in TEXT_VRS:
                self._element(dataset, int(mask.replace("x", "0"), 16), vr, f"{name} {keyword}")
        self.plant_private(dataset, name)

    def plant_private(self, dataset: Dataset, name: str) -> None:
        block = dataset.private_block(0x0009, self.text(f"{name} private creator"), create=True)
        for offset, vr in enumerate((*TEXT_VRS, "UI", "DA"), start=1):
            block.add_new(offset, vr, self.value(vr, f"{name} private {vr}"))
        block.add_new(0x40, "UN", self.text(f"{name} private UN").encode())
        block.add_new(0x41, "OB", self.text(f"{name} private OB").encode() + b"\0")
        block.add_new(0x42, "SQ", [self._item(f"{name} private sequence", deeper=True)])

    def _element(self, dataset: Dataset, tag: int, vr: str, where: str) -> None:
        if vr == "SQ":
            dataset.add_new(tag, vr, [self._item(where, deeper=where.endswith("RequestAttributesSequence"))])
        elif (value := self.value(vr, where)) is not None:
            dataset.add_new(tag, vr, value)

    def _item(self, where: str, deeper: bool = False) -> Dataset:
        item = Dataset()
        for keyword in NESTED_MORE if deeper else NESTED:
            vr = pydicom.datadict.dictionary_VR(keyword)
            setattr(item, keyword, self.value(vr, f"{where} > {keyword}"))
        if deeper:
            item.ReferencedStudySequence = [self._item(f"{where} > ReferencedStudySequence")]
        return item

    # ---- finding ---------------------------------------------------------------------------------------------------

    def found_in(self, content: bytes) -> dict[str, str]:
        """Canaries in ``content`` and in what is packed into it, with where they were planted."""
        found: dict[str, str] = {}
        for piece in _unpacked(content):
            for variant in (piece, piece.replace(b"\0", b"")) if b"\0" in piece else (piece,):
                upper = variant.upper()
                for pattern in (TEXT, UID, DATE, NUMBER):
                    for match in pattern.findall(upper):
                        if (text := match.decode()) in self.planted:
                            found[text] = self.planted[text]
        return found

    def found_under(self, folder: Path, besides: Iterable[str] = ()) -> dict[str, dict[str, str]]:
        """By file: canaries in its content or its path below ``folder``; ``besides`` are left out."""
        left_out, leaks = set(besides), {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            found = self.found_in(str(name).encode())
            if path.is_file() and not path.is_symlink():
                found |= self.found_in(path.read_bytes())
            if found := {text: where for text, where in found.items() if text not in left_out}:
                leaks[str(name)] = found
        return leaks


def _unpacked(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, and everything that is packed inside."""
    yield content
    if depth > 3:
        return
    if content[:2] == b"PK":
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for each in archive.infolist():
                yield each.filename.encode() + b" " + each.comment
                yield from _unpacked(archive.read(each), depth + 1)
    for start in {0, content.find(b"\n\n") + 2} if content[:4] == b"NRRD" else {0}:
        if content[start : start + 2] == b"\x1f\x8b":
            with suppress(OSError, EOFError, zlib.error):
                yield from _unpacked(gzip.decompress(content[start:]), depth + 1)
    if content[:4] == b"\x89PNG":
        yield from _png_texts(content)
    if b"<VTKFile" in content[:200]:
        yield _vtk_texts(content)
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]{40,})", content):
        with suppress(ValueError):
            yield from _unpacked(base64.b64decode(packed), depth + 1)


def _png_texts(content: bytes) -> Iterator[bytes]:
    place = 8
    while place + 8 <= len(content):
        size, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        body = content[place + 8 : place + 8 + size]
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            for start in range(len(body)):
                if body[start : start + 1] == b"\x78":
                    with suppress(zlib.error):
                        yield zlib.decompressobj().decompress(body[start:])
        place += 12 + size


def _vtk_texts(content: bytes) -> bytes:
    """Names of the arrays of a .vtp file, and texts on the whole of it: they are stored compressed."""
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    reader = vtkXMLPolyDataReader()
    reader.ReadFromInputStringOn()
    reader.SetInputString(content.decode("latin-1"))
    reader.Update()
    texts, surface = [], reader.GetOutput()
    for data in (surface.GetFieldData(), surface.GetPointData(), surface.GetCellData()):
        for array in (data.GetAbstractArray(index) for index in range(data.GetNumberOfArrays())):
            texts.append(array.GetName() or "")
            texts += [str(array.GetVariantValue(index)) for index in range(min(20, array.GetNumberOfValues()))]
    return "\n".join(texts).encode()


@contextmanager
def overheard() -> Iterator[io.StringIO]:
    """Everything that is printed, warned of or logged inside."""
    import logging

    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    logging.getLogger("pydicom").addHandler(handler)
    try:
        with redirect_stdout(text), redirect_stderr(text), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_more, **_kept: text.write(f"{message}\n")
            yield text
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("pydicom").removeHandler(handler)
