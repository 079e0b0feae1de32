"""SimpleITK images to arrays and matrices."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix

VOLUME_SUFFIXES = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
}
"""Formats that carry a voxel geometry."""
SYNTHETIC_KEY = "xrayto3d_synthetic"
"""Header key that is "1" in files of simulated anatomy."""


def read_image(path: Path, what: str) -> Any:
    """A SimpleITK image.

    Raises:
        InputError: The file cannot be read.
    """
    import SimpleITK as sitk

    try:
        if VOLUME_SUFFIXES.get(file_suffix(path)) == "NIfTI":
            _require_whole_nifti(path)
        return sitk.ReadImage(str(path))
    except (RuntimeError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{what}: {path.name} cannot be read (truncated, damaged, its data file is missing, or no known format: "
            f"{', '.join(VOLUME_SUFFIXES)}, or a DICOM folder); copy or export it again."
        ) from error


def _require_whole_nifti(path: Path) -> None:
    """Raise EOFError where a NIfTI was cut off: ITK fills the rest with whatever is in memory."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    header = sitk.Image([1] * reader.GetDimension(), reader.GetPixelID(), reader.GetNumberOfComponents())
    needed = math.prod(reader.GetSize()) * header.GetSizeOfPixelComponent() * reader.GetNumberOfComponents()
    if _unpacked_size(path) < needed:
        raise EOFError("NIfTI data cut off")


def _unpacked_size(path: Path) -> int:
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size
    total = 0
    with gzip.open(path) as stream:
        while block := stream.read(1 << 20):
            total += len(block)
    return total


def is_synthetic(image: Any) -> bool:
    """Whether the header of a SimpleITK image says that what it shows is simulated."""
    return image.HasMetaDataKey(SYNTHETIC_KEY) and image.GetMetaData(SYNTHETIC_KEY).strip() == "1"


def image_to_lps(image: Any) -> NDArray[np.float64]:
    """(4, 4) from voxel centres (column, row, slice, 1) to LPS mm of a three-dimensional SimpleITK image."""
    result = np.eye(4)
    result[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    result[:3, 3] = image.GetOrigin()
    return result


def lps_image(values: NDArray[Any], to_lps: NDArray[np.float64]) -> Any:
    """A SimpleITK image of (slices, rows, columns) values with a geometry."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((to_lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(to_lps[:3, 3].tolist())
    return image
