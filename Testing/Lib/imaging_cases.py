"""Synthetic radiographs and DICOM files for the imaging tests. Row and column spacing always differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
    "RF": "1.2.840.10008.5.1.4.1.1.12.2",
    "SC": "1.2.840.10008.5.1.4.1.1.7",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
}
PATIENT = {"PatientName": "Secretname^Anna", "PatientID": "SECRETID7", "StudyDate": "19870605"}
ROWS, COLUMNS = 96, 80
SDD = 1100.0


def limb(rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Line integrals (rows, columns) 0..about 3: air, soft tissue, and a bone with a bright cortex off the middle."""
    column = np.arange(columns)[None, :] / columns
    row = np.arange(rows)[:, None] / rows
    centre = 0.45 + 0.1 * row
    tissue = 1.2 * np.sqrt(np.clip(1 - ((column - centre) / 0.3) ** 2, 0, None))
    outer = np.sqrt(np.clip(1 - ((column - centre - 0.05) / 0.12) ** 2, 0, None))
    inner = np.sqrt(np.clip(1 - ((column - centre - 0.05) / 0.08) ** 2, 0, None))
    return tissue + 2.2 * outer - 1.1 * inner


def dicom_header(modality: str = "DX", **tags: Any) -> FileDataset:
    """A header with patient data in it, to see that it never comes out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CLASSES.get(modality, CLASSES["SC"])
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    for keyword, value in {**PATIENT, **tags}.items():
        setattr(dataset, keyword, value)
    return dataset


def write_dicom(
    path: Path,
    stored: np.ndarray,
    modality: str = "DX",
    *,
    bits: int = 12,
    photometric: str = "MONOCHROME2",
    **tags: Any,
) -> Path:
    """Write stored values (rows, columns) or (frames, rows, columns) uncompressed."""
    dataset = dicom_header(modality, **tags)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0
    if stored.ndim == 3:
        dataset.NumberOfFrames = stored.shape[0]
    dataset.PixelData = np.ascontiguousarray(stored.astype("<u2")).tobytes()
    return save(dataset, path)


def save(dataset: FileDataset, path: Path) -> Path:
    """Save with pydicom 2 or 3."""
    if int(pydicom.__version__.split(".")[0]) >= 3:
        dataset.save_as(path, enforce_file_format=True)
    else:
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(path, write_like_original=False)
    return path


def shown(bits: int = 12) -> np.ndarray:
    """The limb as a display picture (bone bright), whole numbers of ``bits``."""
    picture = limb()
    return np.round(picture / picture.max() * 0.8 * (2**bits - 1) + 0.05 * (2**bits - 1))


def transmitted(i0: float = 3500.0) -> np.ndarray:
    """The limb as detector counts (bone dark)."""
    return np.round(i0 * np.exp(-limb()))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of two pictures."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
