"""Bones outlined in a radiograph: a Slicer segmentation or label map of the picture, or one picture per bone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import require_file
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import apply_matrix
from XRayTo3DLib.imaging.ct_labels import segments_of
from XRayTo3DLib.imaging.itk_images import image_to_lps, read_image
from XRayTo3DLib.imaging.picture_files import PICTURE_SUFFIXES, open_picture
from XRayTo3DLib.imaging.whole_picture import require_whole_picture

SEGMENTATIONS = ("mask.seg.nrrd", "mask.nrrd")
PICTURE_PREFIX = "mask_"
"""Of pictures of one bone each: ``mask_femur.png``, not zero where the bone is."""

SAME_WAY = 0.5
"""Cosine of the angle between directions of which one is the other's."""

Mask = NDArray[np.bool_]


def mask_files(folder: Path | str) -> list[Path]:
    """The files of a view's folder that :func:`picture_masks` reads: a segmentation, or else a picture per bone."""
    folder = Path(folder)
    segmentations = [folder / name for name in SEGMENTATIONS if (folder / name).exists()]
    pictures = sorted(path for path in folder.glob(f"{PICTURE_PREFIX}*") if path.suffix.lower() in PICTURE_SUFFIXES)
    return segmentations[:1] or pictures


def picture_masks(folder: Path | str, camera: XRayCamera) -> dict[str, Mask]:
    """The bones outlined in a view's folder, (rows, columns) of the camera's detector, by name.

    Bones may overlap: a segmentation may have a layer for each. A segmentation that covers only part of the picture (as
    Slicer saves it) is put where its header says it lies on the detector.

    Args:
        folder: With ``mask.seg.nrrd``, ``mask.nrrd`` or ``mask_<bone>.png``.
        camera: Of the picture.

    Returns:
        By the segment's or the file's name; nothing when the folder has none of these files.

    Raises:
        InputError: A file that cannot be read, is of another size, or lies elsewhere.
    """
    files = mask_files(folder)
    if files and files[0].name in SEGMENTATIONS:
        return read_segmented_picture(files[0], camera)
    return {path.stem.removeprefix(PICTURE_PREFIX): _picture_mask(path, camera) for path in files}


def read_segmented_picture(path: Path | str, camera: XRayCamera) -> dict[str, Mask]:
    """Masks of a Slicer segmentation (or label map, "label 1", ...) of a radiograph, as :func:`picture_masks`.

    Raises:
        InputError: As :func:`picture_masks`.
    """
    import SimpleITK as sitk

    path = require_file(path, "mask")
    image = read_image(path, "mask")
    values = sitk.GetArrayFromImage(image)
    if values.ndim == 2:
        values = values[None]
    if image.GetNumberOfComponentsPerPixel() == 1:
        values = values[..., None]
    if values.ndim != 4 or values.shape[0] != 1:
        raise InputError(f"mask: {path.name} is a volume; the segmentation of a radiograph has one slice.")
    on_detector = _on_detector(values[0], image, camera, path)
    labels = [(f"label {value}", 0, int(value)) for value in np.unique(values) if value]
    found = segments_of(image, path, "mask") or labels
    return {name: on_detector[..., layer] == value for name, layer, value in found}


def _on_detector(values: NDArray[Any], image: Any, camera: XRayCamera, path: Path) -> NDArray[Any]:
    """(rows, columns, layers) on the camera's pixels; 0 where the file does not reach."""
    columns, rows = camera.size
    if values.shape[:2] == (rows, columns) and not _turned(image, camera):
        return values
    if image.GetDimension() != 3:
        raise InputError(
            f"mask: {path.name} has {values.shape[1]} x {values.shape[0]} pixels, the radiograph {columns} x {rows}; "
            f"draw it on the radiograph."
        )
    pixels = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    index = apply_matrix(np.linalg.inv(image_to_lps(image)), camera.pixel_to_world(pixels))
    column, row, depth = np.moveaxis(np.round(index, 6), -1, 0)
    where = np.round(column).astype(int), np.round(row).astype(int)
    inside = (where[0] >= 0) & (where[0] < values.shape[1]) & (where[1] >= 0) & (where[1] < values.shape[0])
    if not inside.any() or np.abs(depth[inside]).max() > 0.5:
        raise InputError(f"mask: {path.name} does not lie on the radiograph's detector; draw it on the radiograph.")
    result = np.zeros((rows, columns, values.shape[2]), dtype=values.dtype)
    result[inside] = values[where[1][inside], where[0][inside]]
    return result


def _turned(image: Any, camera: XRayCamera) -> bool:
    """Whether a mask with a place in space is hung otherwise than the picture, or drawn on another view's.

    Where only the place differs the camera was calibrated anew since, and the pixels are the same.
    """
    if image.GetDimension() != 3 or not any(image.GetOrigin()):
        return False
    steps = image_to_lps(image)[:3, :2]
    own = np.stack([camera.column_direction, camera.row_direction], axis=1)
    return bool(np.min(np.sum(steps / np.linalg.norm(steps, axis=0) * own, axis=0)) < SAME_WAY)


def _picture_mask(path: Path, camera: XRayCamera) -> Mask:
    with open_picture(path, "mask") as picture:
        lossy = picture.format == "JPEG"
        require_whole_picture(picture, path)
        # Not as grey ("L"): that would lose a value of 0.5, or one above 255.
        values = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
        with_alpha = picture.mode in ("LA", "RGBA")
    if lossy:
        raise InputError(f"mask: {path.name} is a JPEG, which has grey specks beside every edge; save it as PNG.")
    if values.ndim == 3:
        values = values[..., :-1].any(axis=-1) if with_alpha else values.any(axis=-1)
    if values.shape != camera.size[::-1]:
        raise InputError(
            f"mask: {path.name} has {values.shape[1]} x {values.shape[0]} pixels, the radiograph "
            f"{camera.size[0]} x {camera.size[1]}; draw it on the radiograph."
        )
    return np.asarray(values != 0)
