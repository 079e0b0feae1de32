"""The numbers and texts of a small HDF5 file, read without the HDF5 library, which crashes on damaged files.

Read is what ITK writes transforms in: superblock 2 or 3, groups that name their members in their own headers, and data
in one piece, compressed or not (HDF5 File Format Specification version 3.0, sections II.C, IV.A.1.b and IV.A.2).
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_OBJECTS, MOST_MESSAGES, MOST_BLOCKS, MOST_LEVELS, MOST_VALUES = 1000, 20_000, 100, 8, 100_000
UNDEFINED = 2**64 - 1
DATASPACE, LINK_INFO, DATATYPE, LINK, LAYOUT, FILTERS, CONTINUATION = 0x01, 0x02, 0x03, 0x06, 0x08, 0x0B, 0x10
COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
FLOAT, TEXT, VARIABLE, DEFLATE = 1, 3, 9, 1
Value = NDArray[np.float64] | str


class Hdf5Damaged(InputError):
    """Not such a file, or one of another kind than is read here."""


@dataclass
class _Object:
    """What an object's header says: members by name, or what kind of data lies where."""

    members: dict[str, int] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    kind: tuple[int, int] | None = None
    layout: bytes = b""
    filters: bytes = b""


def hdf5_values(content: bytes) -> dict[str, Value]:
    """Numbers (n,) and texts by their path inside the file ("TransformGroup/0/TransformType").

    Raises:
        Hdf5Damaged: Cut short, damaged, or of another kind than ITK's transforms are.
    """
    if not content.startswith(SIGNATURE):
        raise Hdf5Damaged("it is no HDF5 file")
    try:
        version, offsets, lengths, _ = struct.unpack_from("<4B", content, 8)
        base, _, _, root = struct.unpack_from("<4Q", content, 12)
        if version not in (2, 3) or (offsets, lengths) != (8, 8) or base:
            raise Hdf5Damaged("it has a kind of HDF5 that is not read here")
        return _Reader(content).values(root)
    except (struct.error, zlib.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise Hdf5Damaged(f"its content is damaged ({error})") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._objects, self._messages_left = content, 0, MOST_MESSAGES

    def values(self, address: int, path: str = "", level: int = 0) -> dict[str, Value]:
        """Of an object and all below it."""
        self._objects += 1
        if self._objects > MOST_OBJECTS or level > MOST_LEVELS:
            raise Hdf5Damaged("it holds too many objects")
        found = self._object(address)
        if found.kind is not None:
            return {path: self._data(found)}
        result: dict[str, Value] = {}
        for name, place in found.members.items():
            result |= self.values(place, f"{path}/{name}" if path else name, level + 1)
        return result

    def _object(self, address: int) -> _Object:
        """Read an object's header (version 2) with its continuations."""
        flags = self._part(address, 6, b"OHDR\x02")[5]
        at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(self._part(at, width), "little")
        blocks, found = [(at + width, size)], _Object()
        for start, length in blocks:
            if len(blocks) > MOST_BLOCKS:
                raise Hdf5Damaged("a header goes on without end")
            for kind, data in self._messages(start, length, ordered=bool(flags & 4)):
                if kind == CONTINUATION:
                    place, size = struct.unpack_from("<2Q", data)
                    self._part(place, 4, b"OCHK")
                    blocks.append((place + 4, size - 8))
                else:
                    _note(found, kind, data)
        return found

    def _messages(self, start: int, length: int, ordered: bool) -> list[tuple[int, bytes]]:
        block, at, found = self._part(start, length), 0, []
        head = 6 if ordered else 4
        while at + head <= length:
            self._messages_left -= 1
            if self._messages_left < 0:
                raise Hdf5Damaged("it holds too many messages")
            kind, size = block[at], int.from_bytes(block[at + 1 : at + 3], "little")
            found.append((kind, block[at + head : at + head + size]))
            at += head + size
        return found

    def _data(self, found: _Object) -> Value:
        count = math.prod(found.shape if found.shape is not None else (1,))
        kind, size = found.kind or (0, 0)
        if count > MOST_VALUES or size > MOST_VALUES:
            raise Hdf5Damaged("it holds too many values")
        if kind == FLOAT and size in (4, 8):
            return np.frombuffer(self._raw(found, count * size), f"<f{size}").astype(np.float64)
        if kind == TEXT and count == 1:
            return self._raw(found, size).rstrip(b"\0").decode()
        if kind == VARIABLE and count == 1:
            return self._heap_text(self._raw(found, 16))
        raise Hdf5Damaged("it holds something else than numbers and texts")

    def _raw(self, found: _Object, size: int) -> bytes:
        """A data set's bytes."""
        version, kind = struct.unpack_from("<2B", found.layout)
        if version not in (3, 4) or (version == 4 and kind == CHUNKED):
            raise Hdf5Damaged("its data are laid out in a way that is not read here")
        if size == 0:
            return b""
        if kind == COMPACT:
            return _whole(found.layout[4:], size)
        address = struct.unpack_from("<Q", found.layout, 2 if kind == CONTIGUOUS else 3)[0]
        if kind == CONTIGUOUS:
            return self._part(address, size)
        return self._chunk(address, found.layout[2], size, found.filters)

    def _chunk(self, address: int, dimensions: int, size: int, filters: bytes) -> bytes:
        """Data in one chunk, as small data are."""
        node = self._part(address, 24, b"TREE\x01\x00")
        stored, mask = struct.unpack("<2I", self._part(address + 24, 8))
        if node[6:8] != b"\x01\x00" or mask:
            raise Hdf5Damaged("its data lie in several pieces")
        place = int.from_bytes(self._part(address + 32 + 8 * dimensions, 8), "little")
        data = self._part(place, stored)
        if not filters:
            return _whole(data, size)
        if filters[:2] not in (b"\x01\x01", b"\x02\x01") or filters[8 if filters[0] == 1 else 2] != DEFLATE:
            raise Hdf5Damaged("its data are compressed in a way that is not read here")
        return _whole(zlib.decompressobj().decompress(data, size), size)

    def _heap_text(self, reference: bytes) -> str:
        """A text of variable length, in a collection of the global heap."""
        length, address, index = struct.unpack("<IQI", reference)
        heap = self._part(address, int.from_bytes(self._part(address, 16, b"GCOL\x01")[8:16], "little"))
        at = 16
        while at + 16 <= len(heap):
            number, size = struct.unpack_from("<H6xQ", heap, at)
            if number == index:
                return _whole(heap[at + 16 :], min(length, size)).rstrip(b"\0").decode()
            if number == 0:
                break
            at += 16 + (size + 7) // 8 * 8
        raise Hdf5Damaged("a text is missing")

    def _part(self, start: int, length: int, mark: bytes = b"") -> bytes:
        part = self._content[start : start + length] if 0 <= start <= len(self._content) else b""
        if len(part) != length or not part.startswith(mark):
            raise Hdf5Damaged("it is cut short or damaged")
        return part


def _note(found: _Object, kind: int, data: bytes) -> None:
    """Take one message into account; most are about times, attributes and unused values."""
    if kind == DATASPACE:
        start = {1: 8, 2: 4}[data[0]] if data[0] in (1, 2) else len(data)
        found.shape = struct.unpack_from(f"<{data[1]}Q", data, start)
    elif kind == DATATYPE:
        if data[0] & 0x0F == FLOAT and data[1] & 1:
            raise Hdf5Damaged("its numbers are big-endian, which is not read here")
        found.kind = data[0] & 0x0F, struct.unpack_from("<I", data, 4)[0]
    elif kind == LINK:
        name, address = _link(data)
        found.members[name] = address
    elif kind == LAYOUT:
        found.layout = data
    elif kind == FILTERS:
        found.filters = data
    elif kind == LINK_INFO and struct.unpack_from("<Q", data, 2 + (8 if data[1] & 1 else 0))[0] != UNDEFINED:
        raise Hdf5Damaged("a group has more members than are read here")


def _link(data: bytes) -> tuple[str, int]:
    """Name and address of a hard link."""
    flags, at = data[1], 2
    if flags & 8 and data[at]:
        raise Hdf5Damaged("it names something outside itself")
    at += (1 if flags & 8 else 0) + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(data[at : at + width], "little")
    at += width
    return data[at : at + length].decode(), struct.unpack_from("<Q", data, at + length)[0]


def _whole(data: Any, size: int) -> bytes:
    if len(data) < size:
        raise Hdf5Damaged("it is cut short")
    return bytes(data[:size])
