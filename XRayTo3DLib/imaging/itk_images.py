"""SimpleITK images to arrays and matrices."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

VOLUME_SUFFIXES = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
}
"""Formats that carry a voxel geometry."""


def read_image(path: Path, what: str) -> Any:
    """A SimpleITK image.

    Raises:
        InputError: The file cannot be read.
    """
    import SimpleITK as sitk

    try:
        if path.name.lower().endswith(".gz"):
            _check_gzip(path)
        return sitk.ReadImage(str(path))
    except (RuntimeError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{what}: {path.name} cannot be read (truncated, damaged, its data file is missing, or no known format: "
            f"{', '.join(VOLUME_SUFFIXES)}, or a DICOM folder); copy or export it again."
        ) from error


def _check_gzip(path: Path) -> None:
    """Raise where the file was cut off: ITK would fill the rest of a NIfTI with whatever is in memory."""
    with gzip.open(path) as stream:
        while stream.read(1 << 20):
            pass


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
