"""Damage to DICOM files: elements and values through pydicom where it can write them, and the stream's own syntax."""

from __future__ import annotations

import io
import random
import struct
import warnings
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

EVIL_TEXT = [
    "",
    " ",
    "0",
    "-1",
    "nan",
    "NaN",
    "inf",
    "1e308",
    "-1e30",
    "1e-30",
    "0.0",
    "x",
    "1\\2\\3\\4\\5\\6\\7",
    "\\",
    "1\\x",
]
EVIL_TEXT += [
    "99999999999",
    "1,5",
    "A" * 300,
    "L\\F",
    "AP",
    "LIN",
    "YES",
    "\u00fc",
    "\x00\x07",
    "../../etc/passwd",
    "1\n2",
    "\x1b[31m",
]
EVIL_NUMBERS = [0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 32, 64, 255, 256, 4096, 32767, 40000, 65535]
SYNTAXES = [
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
]
SYNTAXES += [
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 93, 100, 102, 107, 201, 203)
]
SYNTAXES += ["1.2.3.4", "", "not a uid"]
KEYWORDS = [
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PlanarConfiguration", "NumberOfFrames", "PhotometricInterpretation", "Modality", "SOPClassUID", "PixelSpacing",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio", "PixelSpacingCalibrationType",
    "EstimatedRadiographicMagnificationFactor", "DistanceSourceToDetector", "DistanceSourceToPatient",
    "PositionerPrimaryAngle", "PositionerSecondaryAngle", "PositionerPrimaryAngleIncrement", "PositionerMotion",
    "ViewPosition", "PatientOrientation", "ImageLaterality", "Laterality", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "PixelIntensityRelationship", "PixelIntensityRelationshipSign", "PresentationLUTShape",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "BurnedInAnnotation", "LossyImageCompression",
    "LossyImageCompressionRatio", "ImagePositionPatient", "ImageOrientationPatient", "SeriesInstanceUID",
    "StudyInstanceUID", "ImageType", "SpecificCharacterSet", "WindowCenter", "WindowWidth", "CollimatorShape",
    "ShutterShape", "InstanceNumber", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "SliceThickness",
    "FrameOfReferenceUID", "SegmentationType", "SegmentSequence", "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence", "DimensionIndexSequence", "RedPaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "ModalityLUTSequence", "PatientName",
]  # fmt: skip


def dicom_elements(content: bytes, rng: random.Random) -> bytes:
    """One to three elements deleted, emptied, given other values, VRs or numbers of values; added; pixels cut."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                _change(_somewhere(dataset, rng), rng)
            if rng.random() < 0.15:
                dataset.file_meta.TransferSyntaxUID = rng.choice(SYNTAXES)
            return _written(dataset)
    except Exception:  # a stream already too damaged for pydicom: damage its bytes
        return dicom_syntax(content, rng)


def _written(dataset: Any) -> bytes:
    made = io.BytesIO()
    little, implicit = dataset.is_little_endian, dataset.is_implicit_VR
    body = io.BytesIO()
    pydicom.dcmwrite(body, Dataset(dataset), little_endian=little, implicit_vr=implicit, enforce_file_format=False)
    meta = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(meta, dataset.file_meta, enforce_standard=False)
    made.write(b"\0" * 128 + b"DICM" + meta.getvalue() + body.getvalue())
    return made.getvalue()


def _somewhere(dataset: Any, rng: random.Random) -> Any:
    """The data set or, where it has sequences, sometimes an item inside."""
    sequences = [element for element in dataset if element.VR == "SQ" and len(element.value)]
    while sequences and rng.random() < 0.5:
        dataset = rng.choice(rng.choice(sequences).value)
        sequences = [element for element in dataset if element.VR == "SQ" and len(element.value)]
    return dataset


def _change(dataset: Any, rng: random.Random) -> None:
    tags = [tag for tag in list(dataset.keys()) if tag != 0x7FE00010]
    tag = Tag(tag_for_keyword(rng.choice(KEYWORDS))) if rng.random() < 0.6 or not tags else rng.choice(tags)
    choice = rng.random()
    if choice < 0.15 and tag in dataset:
        del dataset[tag]
    elif choice < 0.3:
        _raw(dataset, tag, b"")
    elif choice < 0.55:
        _raw(dataset, tag, rng.choice(EVIL_TEXT).encode("latin-1", errors="replace"))
    elif choice < 0.75:
        number = rng.choice(EVIL_NUMBERS)
        _raw(
            dataset,
            tag,
            rng.choice((struct.pack("<H", number), str(number).encode(), struct.pack("<HHH", number, 0, 16))),
        )
    elif choice < 0.83:
        _raw(dataset, tag, b"", rng.choice(("SQ", "OB", "OW", "US", "DS", "IS", "UN", "FD", "PN", "AT", "LO")))
    elif choice < 0.88:
        dataset[tag] = DataElement(tag, "SQ", Sequence(_nested(rng.choice((0, 1, 3, 60)))))
    elif choice < 0.92:
        dataset[0x00091001] = DataElement(0x00091001, "UN", rng.randbytes(rng.choice((0, 3, 40))))
    elif "PixelData" in dataset:
        _pixels(dataset, rng)


def _raw(dataset: Any, tag: Any, value: bytes, vr: str | None = None) -> None:
    """An element that pydicom writes as it is, whatever the dictionary says of it."""
    if vr is None:
        vr = dataset.get_item(tag).VR if tag in dataset else None
        vr = vr or pydicom.datadict.dictionary_VR(tag) if pydicom.datadict.dictionary_has_tag(tag) else (vr or "UN")
    value += b"\0" if len(value) % 2 else b""
    vr = vr.split(" ")[0]
    dataset._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, dataset.is_implicit_VR, dataset.is_little_endian)


def _nested(depth: int) -> list[Any]:
    item = Dataset()
    item.Rows = 4
    if depth:
        item.add_new(0x00081140, "SQ", Sequence(_nested(depth - 1)))
    return [item]


def _pixels(dataset: Any, rng: random.Random) -> None:
    """Cut, doubled, or a few bytes of it others: a compressed stream has a header of its own."""
    data = bytearray(dataset.PixelData)
    choice = rng.randrange(8)
    if choice < 4 and data:
        for _ in range(rng.choice((1, 1, 3, 10))):
            where = rng.randrange(min(len(data), rng.choice((64, 200, 1 << 30))))
            data[where] = rng.choice((0, 1, 255, 127, rng.randrange(256)))
    elif choice == 4:
        data = data[: rng.randrange(len(data) + 1) & ~1]
    elif choice == 5:
        data += data
    elif choice == 6:
        data = bytearray(rng.randbytes(64))
    else:
        data = data[:-2]
    dataset.PixelData = bytes(data)


def dicom_syntax(content: bytes, rng: random.Random) -> bytes:
    """Lengths, VRs and tags in the stream: undefined lengths, delimiters without items, groups out of order."""
    data = bytearray(content)
    places = [at for at in range(132, len(data) - 8, 2) if bytes(data[at + 4 : at + 6]) in _VRS]
    if not places:
        return bytes(data)
    at, choice = rng.choice(places), rng.randrange(7)
    long = bytes(data[at + 4 : at + 6]) in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"UC")
    size = slice(at + 8, at + 12) if long else slice(at + 6, at + 8)
    if choice == 0:
        data[size] = rng.choice((b"\xff\xff\xff\xff", b"\xfe\xff\xff\x7f", b"\0\0\0\0"))[: size.stop - size.start]
    elif choice == 1:
        data[size] = rng.randrange(256 ** min(3, size.stop - size.start)).to_bytes(size.stop - size.start, "little")
    elif choice == 2:
        data[at + 4 : at + 6] = rng.choice((b"SQ", b"OB", b"UN", b"US", b"DS", b"??", b"\0\0", b"FD"))
    elif choice == 3:
        data[at : at + 4] = rng.choice(
            (b"\xfe\xff\xdd\xe0", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\x02\0\x10\0", b"\x28\0\x10\0")
        )
    elif choice == 4:
        del data[at : size.stop]
    elif choice == 5:
        data[at:at] = data[at : rng.choice(places)]
    else:
        data[at:at] = b"\x09\0\x01\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * rng.choice(
            (1, 5, 2000)
        )
    return bytes(data)


_VRS = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OW", b"PN", b"SH"}
_VRS |= {b"SL", b"SQ", b"SS", b"ST", b"TM", b"UI", b"UL", b"UN", b"US", b"UT", b"UC", b"UR", b"OF", b"OD"}
