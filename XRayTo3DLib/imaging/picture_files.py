"""Pictures without a DICOM header: PNG, TIFF and JPEG (Pillow), NRRD, MetaImage and NIfTI (SimpleITK)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError, MissingInformationError, XRayTo3DError
from XRayTo3DLib.files import file_suffix
from XRayTo3DLib.imaging.intensity import StoredPicture
from XRayTo3DLib.imaging.itk_images import VOLUME_SUFFIXES, header_values, image_to_lps, read_image
from XRayTo3DLib.imaging.whole_picture import require_whole_picture

PICTURE_SUFFIXES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
MOST_PIXELS = 100_000_000
"""Of one picture: 10,000 x 10,000. A whole leg at 0.1 mm has 60 million."""
LONGEST_SIDE = 50_000
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class PictureFile:
    """A decoded file.

    Attributes:
        picture: Its values.
        kind: File format, for people.
        bits: Bits per stored value.
        frames: Pictures in the file.
        header: The file's own key/value header (NRRD, MetaImage).
        spacing: (column, row) of the file's header or ``None``; its meaning is not known.
        to_lps: (4, 4) from (column, row, slice) to LPS mm for NRRD, MetaImage and NIfTI, else ``None``.
    """

    picture: StoredPicture
    kind: str
    bits: int
    frames: int = 1
    header: dict[str, str] = field(default_factory=dict)
    spacing: tuple[float, float] | None = None
    to_lps: NDArray[np.float64] | None = None


def read_picture_file(path: Path, frame: int | None = None) -> PictureFile:
    """Decode one picture.

    Args:
        path: The file; its suffix decides the reader.
        frame: Which page, counted from 0, where there are several.

    Raises:
        MissingInformationError: Several pages and no ``frame``.
        InputError: Unknown format, damaged file, a volume, or colours that are no radiograph.
    """
    suffix = file_suffix(path)
    if suffix in PICTURE_SUFFIXES:
        return _read_pillow(path, PICTURE_SUFFIXES[suffix], frame)
    if suffix in VOLUME_SUFFIXES or suffix == ".seg.nrrd":
        return _read_itk(path, VOLUME_SUFFIXES.get(suffix, "NRRD"))
    known = ", ".join([*PICTURE_SUFFIXES, *VOLUME_SUFFIXES])
    raise InputError(f"radiograph: {path.name} is neither DICOM nor a known picture format ({known}).")


def chosen_frame(frames: int, frame: int | None, name: str) -> int:
    """The frame to read, counted from 0.

    Raises:
        MissingInformationError: More than one frame and none chosen.
        InputError: No such frame.
    """
    if frame is None:
        if frames == 1:
            return 0
        raise MissingInformationError(
            f"radiograph {name} holds {frames} frames; say which one (--frame 0 to {frames - 1}).", ("frame",)
        )
    if not 0 <= frame < frames:
        raise InputError(f"radiograph {name} has frames 0 to {frames - 1}, there is no frame {frame} (--frame).")
    return frame


def grey(values: NDArray[Any], name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """One grey channel of (rows, columns) or (rows, columns, channels) values, and what was done."""
    if values.ndim == 2:
        return values.astype(np.float64), ()
    if values.ndim != 3 or values.shape[2] not in (1, 2, 3, 4):
        raise InputError(f"radiograph {name}: a picture is needed, not an array of shape {values.shape}.")
    notes: list[str] = []
    if values.shape[2] in (2, 4):
        values = values[..., :-1]
        notes.append("The transparency channel was left aside.")
    if values.shape[2] == 1 or np.all(values == values[..., :1]):
        return values[..., 0].astype(np.float64), tuple(notes)
    notes.append("The picture is in colour: its luminance was used; burned-in coloured text stays in the picture.")
    return values.astype(np.float64) @ np.array(LUMINANCE), tuple(notes)


def stored(values: NDArray[Any], name: str, notes: tuple[str, ...] = ()) -> StoredPicture:
    """A stored picture of an array, with the range and grey level of its type."""
    kind = values.dtype
    plain, more = grey(values, name)
    if kind == np.bool_:
        raise InputError(f"radiograph {name} is a black and white mask (1 bit), not a radiograph.")
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        return StoredPicture(plain, float(limits.min), float(limits.max), 1.0, notes=notes + more)
    finite = plain[np.isfinite(plain)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return StoredPicture(plain, low, high, 0.0, notes=notes + more)


@contextlib.contextmanager
def open_picture(path: Path, what: str) -> Iterator[Any]:
    """A picture opened by Pillow (PNG, TIFF or JPEG) of a size that memory can hold.

    Raises:
        InputError: It cannot be opened; also for whatever Pillow raises while the picture is used inside.
    """
    from PIL import Image

    kind = PICTURE_SUFFIXES[file_suffix(path)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=sorted(set(PICTURE_SUFFIXES.values()))) as opened:
                require_size(opened.size, path.name, what)
                yield opened
    except XRayTo3DError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(_too_large(path.name, what)) from error
    except Exception as error:  # its decoders raise whatever they like on damaged files
        raise InputError(
            f"{what}: {path.name} cannot be read: it cannot be decoded as {kind} (truncated, damaged or not {kind}); "
            f"copy or export it again."
        ) from error


def require_size(size: tuple[int, int], name: str, what: str) -> None:
    """Refuse pictures of (columns, rows) that no memory holds.

    Raises:
        InputError: More than :data:`MOST_PIXELS`, or :data:`LONGEST_SIDE` along a side.
    """
    if size[0] * size[1] > MOST_PIXELS or max(size) > LONGEST_SIDE:
        raise InputError(_too_large(name, what))


def _too_large(name: str, what: str) -> str:
    return (
        f"{what}: {name} states more pixels than the {MOST_PIXELS // 10**6} million (or {LONGEST_SIDE} along a side) "
        f"that are read; its header is damaged, or make it smaller."
    )


def _read_pillow(path: Path, kind: str, frame: int | None) -> PictureFile:
    with open_picture(path, "radiograph") as opened:
        frames = int(getattr(opened, "n_frames", 1))
        opened.seek(chosen_frame(frames, frame, path.stem))
        require_size(opened.size, path.name, "radiograph")
        require_whole_picture(opened, path)
        opened.load()
        values = np.asarray(opened.convert("RGB") if opened.mode in ("P", "CMYK", "YCbCr", "LAB") else opened)
    notes = ("JPEG is lossy and 8 bit: use the DICOM file where there is one.",) if kind == "JPEG" else ()
    bits = 1 if values.dtype == np.bool_ else 8 * values.dtype.itemsize
    if values.dtype == np.int32:  # Pillow's mode I: 16 bit files of older versions
        values = _narrowed(values)
        bits = 16
    return PictureFile(stored(values, path.stem, notes), kind, bits, frames)


def _narrowed(values: NDArray[np.int32]) -> NDArray[Any]:
    fits = values.min() >= 0 and values.max() <= 65535
    return values.astype(np.uint16) if fits else values


def _read_itk(path: Path, kind: str) -> PictureFile:
    import SimpleITK as sitk

    image = read_image(path, "radiograph")
    values = sitk.GetArrayFromImage(image)
    if image.GetDimension() > 2:
        if any(size != 1 for size in image.GetSize()[2:]):
            raise InputError(
                f"radiograph: {path.name} has {'x'.join(map(str, image.GetSize()))} voxels: it is a volume, "
                f"not a radiograph; load it as a CT."
            )
        values = values.reshape(values.shape[image.GetDimension() - 2 :])
    header = header_values(image)
    spacing = (float(image.GetSpacing()[0]), float(image.GetSpacing()[1]))
    to_lps = image_to_lps(image) if image.GetDimension() == 3 else None
    picture = stored(values, path.stem)
    return PictureFile(picture, kind, 8 * values.dtype.itemsize, 1, header, spacing, to_lps)
