"""Read a CT in any orientation: NRRD, NIfTI, MetaImage or a DICOM series, with its label map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError, naming
from XRayTo3DLib.files import file_suffix, require_file
from XRayTo3DLib.imaging.ct_labels import read_labels
from XRayTo3DLib.imaging.ct_series import read_series
from XRayTo3DLib.imaging.dicom_files import is_dicom
from XRayTo3DLib.imaging.hounsfield import to_hounsfield
from XRayTo3DLib.imaging.itk_images import VOLUME_SUFFIXES, image_to_lps, is_synthetic, read_image
from XRayTo3DLib.imaging.picture_files import PICTURE_SUFFIXES
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.imaging.volume_headers import require_sound_header
from XRayTo3DLib.plain_words import impersonal

UNKNOWN_SPACING = "Every voxel is 1 mm in the file, as if its spacing were not known: check the size of the bones."

LARGEST_CT_MM = 5000.0
UNKNOWN_SIDES = "The file does not say how its voxels lie in the patient: check left and right, head and feet."
SYNTHETIC = "SYNTHETIC: the file says that this anatomy is simulated."


def read_ct(
    path: Path | str,
    *,
    labels: Path | str | None = None,
    values: str = "auto",
    label_names: Path | str | None = None,
    series: int | None = None,
    name: str | None = None,
) -> CtVolume:
    """Read a CT in Hounsfield units.

    Args:
        path: NRRD, NIfTI or MetaImage file, a folder with a DICOM series, or one file of such a folder, which brings
            its own series.
        labels: Label map or Slicer segmentation (``.seg.nrrd``); resampled to the CT (nearest) if its grid differs.
        values: ``auto``, ``hu`` or ``offset1024``; see :func:`~XRayTo3DLib.imaging.hounsfield.to_hounsfield`. With
            ``auto``, DICOM slices that state a RescaleIntercept are Hounsfield units.
        label_names: JSON (name to value) or Slicer colour table (``.ctbl``) that names the labels.
        series: Which series, counted from 1, where the folder holds several.
        name: Short name for the scene; no patient data.

    Raises:
        MissingInformationError: Several series, or values that may be HU or not.
        InputError: Not a readable three-dimensional CT; the message says what to do.
    """
    with naming(path):
        ct = _read(Path(path), values, series, name)
    return ct if labels is None else read_labels(labels, ct, names=label_names)


def _read(path: Path, values: str, series: int | None, name: str | None) -> CtVolume:
    """The CT without labels."""
    label = name or path.name[: -len(file_suffix(path)) or None]  # for messages; it may be a person's name
    if path.is_dir() or (path.is_file() and path.stat().st_size > 0 and _is_dicom_file(path)):
        stored, to_lps, notes, rescaled = read_series(path, series)
        synthetic, name = False, name or "CT"
        label = name
    else:
        path = require_file(path, "CT")
        stored, to_lps, notes, synthetic = _read_volume(path)
        rescaled, name = False, name or impersonal(label, "scan")
    hu, more = to_hounsfield(stored, "hu" if rescaled and values == "auto" else values, label)
    more = () if rescaled and values == "auto" else more
    ct = CtVolume(hu=hu, voxel_to_lps=to_lps, name=label, notes=notes + more, synthetic=synthetic)
    if (longest := float((ct.spacing * ct.size).max())) > LARGEST_CT_MM:
        raise InputError(f"CT {label}: it is {longest:.0f} mm long, as no CT is; check the unit of its voxel size.")
    return ct if label == name else replace(ct, name=name)


def _is_dicom_file(path: Path) -> bool:
    return file_suffix(path) not in VOLUME_SUFFIXES and is_dicom(path)


def _read_volume(path: Path) -> tuple[NDArray[Any], NDArray[np.float64], tuple[str, ...], bool]:
    """Stored values (slices, rows, columns), voxel to LPS matrix, notes, whether the file says it is synthetic."""
    if file_suffix(path) in PICTURE_SUFFIXES:
        raise InputError(f"CT: {path.name} is a picture without voxel geometry; export the CT as NRRD, NIfTI or DICOM.")
    image = read_image(path, "CT")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"CT: {path.name} has {image.GetNumberOfComponentsPerPixel()} values per voxel, a CT has one.")
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        size = "x".join(map(str, image.GetSize()))
        what = "a time series" if image.GetDimension() > 3 else "a picture (a radiograph?)"
        raise InputError(f"CT: {path.name} has size {size}: {what}, not one three-dimensional volume.")
    import SimpleITK as sitk

    synthetic = is_synthetic(image)
    doubtful = (UNKNOWN_SPACING,) if image.GetSpacing() == (1.0, 1.0, 1.0) else ()
    doubtful += () if require_sound_header(path) else (UNKNOWN_SIDES,)
    notes = (SYNTHETIC,) if synthetic else doubtful  # what we made has the spacing that we gave it
    return sitk.GetArrayFromImage(image), image_to_lps(image), notes, synthetic
