"""Opening DICOM files with pydicom (2.4 and 3.x): is it one, is it whole, decode one frame.

Of a header only :data:`READ` and what describes the pixels is read at all: what is not read is in no message, log or
file. pydicom's own warnings and log lines quote values and are silenced.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", ".dic")
PREAMBLE = 128
READ = """SOPClassUID Modality SeriesInstanceUID ImageType SpecificCharacterSet
BodyPartExamined ViewPosition PatientOrientation ImageLaterality Laterality ImagePositionPatient ImageOrientationPatient
ImagerPixelSpacing NominalScannedPixelSpacing EstimatedRadiographicMagnificationFactor DistanceSourceToDetector
DistanceSourceToPatient PositionerMotion PositionerPrimaryAngle PositionerSecondaryAngle PositionerPrimaryAngleIncrement
PositionerSecondaryAngleIncrement FieldOfViewHorizontalFlip FieldOfViewRotation CollimatorShape ShutterShape
PresentationLUTShape"""
"""Keywords that are read besides the groups 0028 (pixels) and 7FE0 (pixel data)."""
PIXEL_GROUPS = (0x0028, 0x7FE0)
DEFLATED = b"1.2.840.10008.1.2.1.99"
"""Transfer syntax of files whose whole data set is compressed."""
MOST_INFLATED = 1 << 30
"""Bytes of a deflated data set."""
UNREADABLE = "not readable"
"""Stands for a value that pydicom cannot make sense of."""
_QUIET: ContextVar[bool] = ContextVar("pydicom is quiet", default=False)


def is_dicom(path: Path) -> bool:
    """Whether the file carries the DICOM mark, or a suffix that promises it."""
    with path.open("rb") as stream:
        start = stream.read(PREAMBLE + 4)
    return start[PREAMBLE:] == b"DICM" or file_suffix(path) in DICOM_SUFFIXES


def open_dicom(path: Path, what: str, pixels: bool = True, more: Sequence[str] = ()) -> Any:
    """The data set of a file, with those elements alone that XRayTo3D looks at.

    Args:
        path: The file.
        what: What it should hold, for messages ("radiograph", "CT").
        pixels: Read pixel data too.
        more: Keywords of further elements.

    Raises:
        InputError: No DICOM, or damaged beyond reading.
    """
    import pydicom

    try:
        with quiet_pydicom(), _Bounded(path) as stream:
            _require_modest_inflation(stream)
            dataset = pydicom.dcmread(
                stream,
                force=file_suffix(path) in DICOM_SUFFIXES,
                stop_before_pixels=not pixels,
                specific_tags=[*_tags_read(), *more],
            )
            _convert(dataset)
            complete = "Rows" in dataset or "Modality" in dataset or "SOPClassUID" in dataset
    except Exception:  # pydicom raises whatever it likes on damaged files, and quotes the header
        raise InputError(_damaged(path, what)) from None
    if not complete:
        raise InputError(_damaged(path, what))
    return dataset


class _Bounded(io.BufferedReader):
    """A file that is never asked for more than it holds: for a damaged length, memory would be taken first."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._bytes = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file's, of at most the bytes that are left."""
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = min(size, max(0, self._bytes - self.tell()))
        return super().read(size)


def _require_modest_inflation(stream: io.BufferedReader) -> None:
    """Raise ValueError where a deflated file unpacks to more than any picture needs: pydicom unpacks it at once."""
    start = stream.read(4096)
    if DEFLATED in start:
        stream.seek(PREAMBLE + 16 + int.from_bytes(start[PREAMBLE + 12 : PREAMBLE + 16], "little"))
        unpacker, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while piece := unpacker.unconsumed_tail or stream.read(1 << 16):
            total += len(unpacker.decompress(piece, 1 << 20))
            if total > MOST_INFLATED:
                raise ValueError("unpacks to too much")
            if unpacker.eof:
                break
    stream.seek(0)


@contextlib.contextmanager
def quiet_pydicom() -> Iterator[None]:
    """pydicom neither warns nor logs inside: it quotes values of the header, which may name the patient."""
    logger = logging.getLogger("pydicom")
    if _heard not in logger.filters:
        logger.addFilter(_heard)
    token = _QUIET.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _QUIET.reset(token)


def _heard(_record: logging.LogRecord) -> bool:
    return not _QUIET.get()


@functools.cache
def _tags_read() -> tuple[int, ...]:
    from pydicom.datadict import DicomDictionary, tag_for_keyword

    named = [tag_for_keyword(keyword) for keyword in READ.split()]
    return (*(tag for tag in named if tag is not None), *(tag for tag in DicomDictionary if tag >> 16 in PIXEL_GROUPS))


def _convert(dataset: Any) -> None:
    """Have pydicom understand all values now, and put :data:`UNREADABLE` in the place of what it cannot.

    Also in that of sequences where none belongs: as text they would be all that is in them.
    """
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import DataElement

    for tag in list(dataset.keys()):
        try:
            misplaced = dataset[tag].VR == "SQ" and dictionary_VR(tag) != "SQ"
        except Exception:  # it raises what it likes, and quotes the value
            misplaced = True
        if misplaced:
            dataset[tag] = DataElement(tag, "LO", UNREADABLE)


def frame_count(dataset: Any) -> int:
    """Frames in the file, 1 where the header does not say."""
    text = str(dataset.get("NumberOfFrames", "") or "1").strip()
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) > 0 else 1


def transfer_syntax(dataset: Any) -> str:
    """Name of the compression, "" when the file has no meta header."""
    uid = getattr(dataset.file_meta, "TransferSyntaxUID", None) if hasattr(dataset, "file_meta") else None
    if not uid:
        return ""
    name = getattr(uid, "name", uid)  # a text where its value representation is wrong
    return str(name) if name != uid else "an unknown transfer syntax"  # the name of an unknown one is itself


def decode_frame(dataset: Any, frame: int, path: Path, what: str) -> NDArray[Any]:
    """Stored values of one frame, (rows, columns) or (rows, columns, 3) as RGB.

    Raises:
        InputError: No pixel data, truncated data, or a compression that cannot be decoded.
    """
    if "PixelData" not in dataset:
        raise InputError(f"{what}: {path.name} has no pixel data (truncated, or a report); export it again.")
    try:
        with quiet_pydicom():
            values = _decode(dataset, frame)
    except Exception:  # decoders raise whatever they like and quote the header; the sentence is all a user can act on
        raise InputError(
            f"{what}: the pixels of {path.name} ({transfer_syntax(dataset) or 'no transfer syntax'}) cannot be "
            f"decoded: the file is truncated or damaged, or a decoder is missing (pylibjpeg-libjpeg, "
            f"pylibjpeg-openjpeg); copy it again or export it uncompressed."
        ) from None
    return np.asarray(values)


def _decode(dataset: Any, frame: int) -> NDArray[Any]:
    """One frame through pydicom 3's decoders, or pydicom 2's pixel array."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"  # implicit VR, little endian: DICOM's default
    try:
        from pydicom.pixels import pixel_array
    except ImportError:
        return _decode_old(dataset, frame)
    return pixel_array(dataset, index=frame)


def _decode_old(dataset: Any, frame: int) -> NDArray[Any]:
    from pydicom.pixel_data_handlers.util import convert_color_space

    values = dataset.pixel_array
    if frame_count(dataset) > 1:
        values = values[frame]
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    return convert_color_space(values, photometric, "RGB") if photometric.startswith("YBR") else values


def _damaged(path: Path, what: str) -> str:
    return f"{what}: {path.name} is not a readable DICOM file (truncated, damaged or another format); copy it again."
