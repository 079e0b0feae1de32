"""Opening DICOM files with pydicom (2.4 and 3.x): is it one, is it whole, decode one frame."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", ".dic")
PREAMBLE = 128


def is_dicom(path: Path) -> bool:
    """Whether the file carries the DICOM mark, or a suffix that promises it."""
    with path.open("rb") as stream:
        start = stream.read(PREAMBLE + 4)
    return start[PREAMBLE:] == b"DICM" or file_suffix(path) in DICOM_SUFFIXES


def open_dicom(path: Path, what: str, pixels: bool = True) -> Any:
    """The data set of a file.

    Args:
        path: The file.
        what: What it should hold, for messages ("radiograph", "CT").
        pixels: Read pixel data too.

    Raises:
        InputError: No DICOM, or damaged beyond reading.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom quotes values of the header, which may name the patient
            dataset = pydicom.dcmread(path, force=file_suffix(path) in DICOM_SUFFIXES, stop_before_pixels=not pixels)
            complete = "Rows" in dataset or "Modality" in dataset or "SOPClassUID" in dataset
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise InputError(_damaged(path, what)) from error
    if not complete:
        raise InputError(_damaged(path, what))
    return dataset


def frame_count(dataset: Any) -> int:
    """Frames in the file, 1 where the header does not say."""
    text = str(dataset.get("NumberOfFrames", "") or "1").strip()
    return int(text) if text.isdigit() and int(text) > 0 else 1


def transfer_syntax(dataset: Any) -> str:
    """Name of the compression, "" when the file has no meta header."""
    uid = getattr(dataset.file_meta, "TransferSyntaxUID", None) if hasattr(dataset, "file_meta") else None
    return "" if uid is None else str(uid.name)


def decode_frame(dataset: Any, frame: int, path: Path, what: str) -> NDArray[Any]:
    """Stored values of one frame, (rows, columns) or (rows, columns, 3) as RGB.

    Raises:
        InputError: No pixel data, truncated data, or a compression that cannot be decoded.
    """
    if "PixelData" not in dataset:
        raise InputError(f"{what}: {path.name} has no pixel data (truncated, or a report); export it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = _decode(dataset, frame)
    except Exception as error:  # decoders raise whatever they like; the sentence below is all a user can act on
        raise InputError(
            f"{what}: the pixels of {path.name} ({transfer_syntax(dataset) or 'no transfer syntax'}) cannot be "
            f"decoded: the file is truncated or damaged, or a decoder is missing (pylibjpeg-libjpeg, "
            f"pylibjpeg-openjpeg); copy it again or export it uncompressed."
        ) from error
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
