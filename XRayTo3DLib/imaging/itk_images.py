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
from XRayTo3DLib.imaging.decimal_point import decimal_point
from XRayTo3DLib.imaging.volume_headers import MOST_VALUES, UnsoundHeader, require_sound_header

VOLUME_SUFFIXES = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".nii": "NIfTI",
    ".nii.gz": "NIfTI",
}
"""Formats that carry a voxel geometry."""
IMAGE_READERS = {"NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO", "NIfTI": "NiftiImageIO"}
LEAST_MM, MOST_MM = 1e-6, 1e6
"""Of a voxel, and of the distance from the origin."""
LEAST_DETERMINANT = 1e-6
"""Of the directions: less and they lie in one plane."""
SYNTHETIC_KEY = "xrayto3d_synthetic"
"""Header key that is "1" in files of simulated anatomy."""


def read_image(path: Path, what: str) -> Any:
    """A SimpleITK image of a NRRD, MetaImage or NIfTI file, by its suffix.

    The header is checked before ITK sees it, and no other of ITK's readers is tried: they are many, and a damaged file
    should not choose one.

    Raises:
        InputError: The file cannot be read; the sentence says what is wrong.
    """
    import SimpleITK as sitk

    kind = VOLUME_SUFFIXES.get("." + path.name.lower().rsplit(".", 1)[-1], VOLUME_SUFFIXES.get(file_suffix(path)))
    if kind is None:
        raise InputError(
            f"{what}: {path.name} cannot be read: no known format ({', '.join(VOLUME_SUFFIXES)}); export it as one "
            f"(a DICOM segmentation: load it in Slicer and save it as .seg.nrrd)."
        )
    try:
        require_sound_header(path)
        if kind == "NIfTI":
            _require_whole_nifti(path)
        with decimal_point():
            image = sitk.ReadImage(str(path), imageIO=IMAGE_READERS[kind])
    except UnsoundHeader as error:
        raise InputError(f"{what}: {path.name} cannot be read: {error}; copy or export it again.") from error
    except (RuntimeError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{what}: {path.name} cannot be read (truncated, damaged, its data file is missing, or no known format: "
            f"{', '.join(VOLUME_SUFFIXES)}, or a DICOM folder); copy or export it again."
        ) from error
    _require_geometry(image, path, what)
    return image


def _require_geometry(image: Any, path: Path, what: str) -> None:
    """Refuse spacings, directions and origins that are no numbers, zero, or beyond all measure."""
    spacing, origin = np.array(image.GetSpacing()), np.array(image.GetOrigin())
    direction = np.array(image.GetDirection()).reshape(len(origin), len(origin))
    finite = all(np.all(np.isfinite(each)) for each in (spacing, origin, direction))
    measured = finite and spacing.min() > LEAST_MM and spacing.max() < MOST_MM and np.abs(origin).max() < MOST_MM
    lengths = np.linalg.norm(direction, axis=0) if measured else np.zeros(1)
    if lengths.min() > 0.5 and lengths.max() < 2 and abs(np.linalg.det(direction)) > LEAST_DETERMINANT:
        return
    raise InputError(
        f"{what}: {path.name} cannot be read: its voxel size, directions or position are zero, no numbers or beyond "
        f"all measure; export it again."
    )


def _require_whole_nifti(path: Path) -> None:
    """Raise EOFError where a NIfTI was cut off: ITK fills the rest with whatever is in memory."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO(IMAGE_READERS["NIfTI"])
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    header = sitk.Image([1] * reader.GetDimension(), reader.GetPixelID(), reader.GetNumberOfComponents())
    values = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    if values > MOST_VALUES:
        raise UnsoundHeader(f"its header states {values} values, more than {MOST_VALUES}")
    needed = values * header.GetSizeOfPixelComponent()
    if _unpacked_size(path, needed) < needed:
        raise EOFError("NIfTI data cut off")


def _unpacked_size(path: Path, enough: int) -> int:
    """Bytes of a file, unpacked; no more than a little over ``enough`` are counted."""
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size
    total = 0
    with gzip.open(path) as stream:
        while total < enough and (block := stream.read(1 << 20)):
            total += len(block)
    return total


def header_values(image: Any) -> dict[str, str]:
    """The key/value pairs of an image's header; bytes that are no UTF-8 become question marks."""
    found: dict[str, str] = {}
    for key in image.GetMetaDataKeys():
        if key.isprintable():  # not so where a key is no UTF-8, and SimpleITK cannot be asked for it
            found[key] = image.GetMetaData(key).encode("utf-8", "replace").decode("utf-8")
    return found


def one_line(text: str) -> str:
    """A header's text as it may be shown and written: spaces for line ends, no control characters, 200 characters."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:200]


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
