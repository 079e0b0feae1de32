"""SimpleITK images written as NRRD, whole or not at all: ITK does not notice when the last of a file finds no room."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from XRayTo3DLib.files import atomic_path
from XRayTo3DLib.imaging.decimal_point import decimal_point

BLOCK = 1 << 20
HEADER_END = b"\n\n"
AUTO_HEADER = 32 + zlib.MAX_WBITS
"""``zlib``: gzip or plain, as the header says."""


def write_nrrd(image: Any, path: Path, *, compress: bool = True) -> None:
    """Write a SimpleITK image.

    Args:
        image: Any size and type.
        path: Ends in ``.nrrd``.
        compress: False is many times quicker, for files that are soon read again.

    Raises:
        CannotWrite: The disk is full, or the folder may not be written to; an older file is as it was.
    """
    import SimpleITK as sitk

    needed = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    with atomic_path(path) as temporary:
        with decimal_point():
            sitk.WriteImage(image, str(temporary), useCompression=compress)
        if _data_bytes(temporary, compress) != needed:
            raise OSError(f"{path.name} was not written to its end")


def _data_bytes(path: Path, compressed: bool) -> int:
    """How many bytes of voxels a file holds; fewer than it should where it was cut."""
    with path.open("rb") as stream:
        block = stream.read(BLOCK)
        while HEADER_END not in block and (more := stream.read(BLOCK)):
            block += more
        block = block.partition(HEADER_END)[2]
        if not compressed:
            return len(block) + path.stat().st_size - stream.tell()
        total, unpack = 0, zlib.decompressobj(AUTO_HEADER)
        while block and not unpack.eof:
            total += len(unpack.decompress(block))
            block = stream.read(BLOCK)
        return total if unpack.eof else 0
