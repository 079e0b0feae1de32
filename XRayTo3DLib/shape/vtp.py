"""Reading VTK's XML files with surfaces (.vtp): VTK's own reader believes the counts in them, and may end the program.

The format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html. Uncompressed, zlib and LZMA.
"""

from __future__ import annotations

import base64
import binascii
import lzma
import math
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.surface_parts import Cells, SurfaceDamaged, SurfaceParts, polydata_of

TYPES = {f"{sign}Int{bits}": f"{sign.lower() or 'i'}{bits // 8}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
TYPES |= {"Float32": "f4", "Float64": "f8", "String": "u1"}
COMPRESSORS = {"": None, "vtkZLibDataCompressor": zlib.decompressobj, "vtkLZMADataCompressor": lzma.LZMADecompressor}
MOST_BYTES = 500_000_000
"""Of one array, unpacked: ten million triangles."""
FAULTS = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    zlib.error,
    lzma.LZMAError,
    ElementTree.ParseError,
)


def read_vtp(path: Path) -> vtkPolyData:
    """Polygons and strips, point arrays, and texts of the field data; coordinates as written.

    Raises:
        SurfaceDamaged: Not such a file, compressed by LZ4, or less in it than it says.
    """
    try:
        return polydata_of(_Reader(path.read_bytes()).parts())
    except SurfaceDamaged:
        raise
    except FAULTS as error:
        raise SurfaceDamaged(f"it is damaged ({error})") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        head, appended, tail = content.partition(b"<AppendedData")
        if b"<!" in head or b"\0" in head:  # nothing that VTK writes: entities can blow a file up
            raise SurfaceDamaged("it declares a document type")
        self._file = ElementTree.fromstring(head + (b"</VTKFile>" if appended else b""))
        self._raw = b'encoding="raw"' in tail[:100]
        self._blob = tail[tail.find(b"_") + 1 :] if appended else b""
        if appended and b"</VTKFile>" not in tail[-256:]:
            raise SurfaceDamaged("it is cut short")
        if self._file.tag != "VTKFile" or self._file.get("type") != "PolyData":
            raise SurfaceDamaged("it holds no surface (PolyData)")
        self._order = ">" if self._file.get("byte_order") == "BigEndian" else "<"
        self._header = np.dtype(self._order + {"UInt32": "u4", "UInt64": "u8"}[self._file.get("header_type", "UInt32")])
        compressor = self._file.get("compressor", "")
        if compressor not in COMPRESSORS:
            raise SurfaceDamaged(f"it is compressed by {compressor[:40]}; save it without, or with zlib")
        self._unpacker: Any = COMPRESSORS[compressor]

    def parts(self) -> SurfaceParts:
        """All pieces as one surface."""
        pieces = [self._piece(piece) for piece in self._file.findall("PolyData/Piece")]
        points = np.concatenate([np.empty((0, 3), np.float32), *(piece.points for piece in pieces)])
        result, before = SurfaceParts(points, texts=self._texts()), 0
        for piece in pieces:
            for target, cells in ((result.polygons, piece.polygons), (result.strips, piece.strips)):
                target += [(offsets, numbers + before) for offsets, numbers in cells]
            before += len(piece.points)
        shared = set.intersection(*(set(piece.arrays) for piece in pieces)) if pieces else set()
        names = [name for name in pieces[0].arrays if name in shared] if pieces else []
        result.scalars = pieces[0].scalars if pieces else ""
        result.arrays = {name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in names}
        return result

    def _piece(self, piece: ElementTree.Element) -> SurfaceParts:
        count = int(piece.get("NumberOfPoints", "0"))
        stored = piece.find("Points/DataArray")
        points = np.empty((0, 3), np.float32) if stored is None or not count else self._values(stored).reshape(-1, 3)
        if len(points) != count:
            raise SurfaceDamaged("it has another number of vertices than it says")
        result = SurfaceParts(points if points.dtype.kind == "f" else points.astype(np.float64))
        for tag, target in (("Polys", result.polygons), ("Strips", result.strips)):
            if int(piece.get(f"NumberOf{tag}", "0")):
                target.append(self._cells(piece, tag))
        described = piece.find("PointData")
        result.scalars = "" if described is None else described.get("Scalars", "")
        for array in piece.findall("PointData/DataArray"):
            values, each = self._values(array), int(array.get("NumberOfComponents", "1") or 1)
            result.arrays[array.get("Name", "")] = values if each == 1 else values.reshape(-1, each)
        return result

    def _cells(self, piece: ElementTree.Element, tag: str) -> Cells:
        stored = {each.get("Name"): self._values(each).astype(np.int64) for each in piece.findall(f"{tag}/DataArray")}
        return np.concatenate([np.zeros(1, dtype=np.int64), stored["offsets"]]), stored["connectivity"]

    def _texts(self) -> dict[str, str]:
        """Of the file's string arrays the first text each."""
        found = {}
        for place in ("PolyData/FieldData", "FieldData"):
            for array in self._file.findall(f"{place}/Array"):
                if array.get("type") == "String":
                    codes = self._values(array).astype(np.uint8).tobytes()
                    found[array.get("Name", "")] = codes.partition(b"\0")[0].decode("utf-8", errors="replace")
        return found

    def _values(self, array: ElementTree.Element) -> NDArray[Any]:
        dtype, kind = np.dtype(self._order + TYPES[array.get("type", "")]), array.get("format")
        if kind == "ascii":
            words = (array.text or "").split()
            return np.array(words, dtype=np.float64 if dtype.kind == "f" else np.int64).astype(dtype)
        if kind == "binary":
            content = self._unpacked(b"".join((array.text or "").encode().split()), raw=False)
        else:
            content = self._unpacked(self._blob[int(array.get("offset", "")) :], raw=self._raw)
        return np.frombuffer(content, dtype)

    def _unpacked(self, data: bytes, raw: bool) -> bytes:
        """One array's bytes from where it begins."""
        size = self._header.itemsize
        if self._unpacker is None:
            length = int(self._numbers(data, 1, raw)[0])
            return self._bytes(data, size, length, raw)
        blocks = int(self._numbers(data, 1, raw)[0])
        header = self._numbers(data, 3 + blocks, raw).tolist()
        _, whole, last, *packed = header
        if blocks * whole > MOST_BYTES or last > whole:
            raise SurfaceDamaged("an array is too large")
        body = self._bytes(data, size * len(header), sum(packed), raw, apart=True)
        found, at = [], 0
        for number, length in enumerate(packed, 1):
            wanted = last if number == blocks and last else whole
            found.append(_exactly(self._unpacker().decompress(body[at : at + length], wanted), wanted))
            at += length
        return b"".join(found)

    def _numbers(self, data: bytes, count: int, raw: bool) -> NDArray[Any]:
        """The first so many numbers of a header."""
        size = count * self._header.itemsize
        head = data[:size] if raw else _decoded(data[: 4 * math.ceil(size / 3)])
        return np.frombuffer(_exactly(head[:size], size), self._header)

    def _bytes(self, data: bytes, skip: int, length: int, raw: bool, apart: bool = False) -> bytes:
        """``length`` bytes after a header of ``skip``; in base64 both are encoded together, or each by itself."""
        if length > MOST_BYTES:
            raise SurfaceDamaged("an array is too large")
        if raw:
            return _exactly(data[skip : skip + length], length)
        head = 4 * math.ceil(skip / 3)
        if apart or data[head - 1 : head] == b"=":
            return _exactly(_decoded(data[head : head + 4 * math.ceil(length / 3)])[:length], length)
        return _exactly(_decoded(data[: 4 * math.ceil((skip + length) / 3)])[skip : skip + length], length)


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise SurfaceDamaged("an array is no base64") from error


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise SurfaceDamaged("an array is cut short")
    return data
