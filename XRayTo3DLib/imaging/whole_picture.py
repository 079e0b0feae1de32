"""Are all pixels of a PNG or TIFF there? Pillow leaves black, and says nothing, where data end too early.

A radiograph whose lower half is black has a bone that ends there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type (PNG, 11.2.2)."""
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""(first column, first row, column step, row step) of the passes of an interlaced PNG (8.2)."""


def require_whole_picture(opened: Any, path: Path) -> None:
    """Check a picture that Pillow has opened but not yet decoded.

    Raises:
        ValueError: Pixels are missing.
    """
    columns, rows = opened.size
    covered = sum((right - left) * (lower - upper) for _, (left, upper, right, lower), *_ in opened.tile)
    if covered < columns * rows:
        raise ValueError("strips or tiles are missing")
    if opened.format == "PNG":
        _require_png_data(path)


def _require_png_data(path: Path) -> None:
    """The image data must unpack to as many bytes as the header says."""
    content = path.read_bytes()
    needed, unpacker, total = 0, zlib.decompressobj(), 0
    for kind, data in _png_chunks(content):
        if kind == b"IHDR":
            needed = _png_bytes(data)
        elif kind == b"IDAT":
            while data and total < needed:
                total += len(unpacker.decompress(data, 1 << 20))
                data = unpacker.unconsumed_tail
    if total < needed:
        raise ValueError("image data end too early")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, data) of the chunks (PNG, 5.3)."""
    at = 8
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        at += 12 + size


def _png_bytes(header: bytes) -> int:
    """Bytes of all filtered rows, by the IHDR chunk: each row begins with one for its filter."""
    columns, rows = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * PNG_CHANNELS[header[9]]
    passes = ADAM7 if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, upper, across, down in passes:
        width, height = -(-max(columns - left, 0) // across), -(-max(rows - upper, 0) // down)
        total += height * (1 + (width * bits + 7) // 8) if width else 0
    return total
