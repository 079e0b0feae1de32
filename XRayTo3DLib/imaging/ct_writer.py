"""Write CTs and label maps so that Slicer opens them with geometry, names and colours."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix
from XRayTo3DLib.imaging.image_writer import write_nrrd
from XRayTo3DLib.imaging.itk_images import SYNTHETIC_KEY, lps_image
from XRayTo3DLib.imaging.types import CtVolume

BONE_COLOUR = (0.94, 0.84, 0.57)
"""Slicer's colour of bone; further segments turn around the colour circle from there."""


def write_ct(ct: CtVolume, path: Path | str) -> Path:
    """Write Hounsfield units as NRRD (int16 where they are whole numbers), without the labels.

    A synthetic CT says so in the header (``xrayto3d_synthetic=1``), and ``read_ct`` believes it.

    Raises:
        InputError: ``path`` does not end in ``.nrrd``.
    """
    path = _nrrd(path, ".nrrd", "CT")
    whole = np.all(ct.hu == np.round(ct.hu)) and np.abs(ct.hu).max() < 32767
    image = lps_image(ct.hu.astype(np.int16) if whole else ct.hu, ct.voxel_to_lps)
    if ct.synthetic:
        image.SetMetaData(SYNTHETIC_KEY, "1")
    write_nrrd(image, path)
    return path


def write_labels(ct: CtVolume, path: Path | str) -> Path:
    """Write the labels of a CT as a Slicer segmentation (``.seg.nrrd``) with names and colours.

    Raises:
        InputError: The CT has no labels, or ``path`` does not end in ``.seg.nrrd``.
    """
    path = _nrrd(path, ".seg.nrrd", "label map")
    if ct.labels is None or not ct.labels.any():
        raise InputError(f"CT {ct.name} has no labels to write.")
    image = lps_image(ct.labels.astype(np.uint8 if ct.labels.max() < 256 else np.uint16), ct.voxel_to_lps)
    for key, value in _segment_fields(ct).items():
        image.SetMetaData(key, value)
    write_nrrd(image, path)
    return path


def _segment_fields(ct: CtVolume) -> dict[str, str]:
    """Header of a Slicer segmentation, one layer."""
    assert ct.labels is not None
    names = {value: name for name, value in ct.label_names.items()}
    values = [int(value) for value in np.unique(ct.labels) if value != 0]
    whole = " ".join(f"0 {size - 1}" for size in ct.size)
    fields = {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    if ct.synthetic:
        fields[SYNTHETIC_KEY] = "1"
    for number, value in enumerate(values):
        segment = f"Segment{number}_"
        fields |= {
            segment + "ID": f"Segment_{value}",
            segment + "Name": names.get(value, f"label {value}"),
            segment + "Color": " ".join(f"{part:.4f}" for part in segment_colour(number)),
            segment + "Extent": whole,
            segment + "LabelValue": str(value),
            segment + "Layer": "0",
        }
    return fields


def segment_colour(number: int) -> tuple[float, float, float]:
    """Red, green, blue (0..1) of the n-th segment: bone first, then well-separated hues."""
    if number == 0:
        return BONE_COLOUR
    return colorsys.hsv_to_rgb((0.12 + number * 0.618034) % 1.0, 0.55, 0.9)


def _nrrd(path: Path | str, suffix: str, what: str) -> Path:
    path = Path(path)
    if file_suffix(path) != suffix:
        raise InputError(f"{what}: write it as *{suffix}, not {path.name}.")
    return path
