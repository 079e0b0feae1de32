"""Reading legacy VTK files (.vtk) with surfaces: VTK's own reader crashes on damaged ones.

The format: https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html, versions 1 to 5.1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.surface_parts import Cells, SurfaceDamaged, SurfaceParts, cells_of, polydata_of

TYPES = {
    "char": "i1", "unsigned_char": "u1", "short": "i2", "unsigned_short": "u2", "int": "i4", "unsigned_int": "u4",
    "long": "i8", "unsigned_long": "u8", "float": "f4", "double": "f8", "vtkidtype": "i4", "vtktypeint8": "i1",
    "vtktypeuint8": "u1", "vtktypeint16": "i2", "vtktypeuint16": "u2", "vtktypeint32": "i4", "vtktypeuint32": "u4",
    "vtktypeint64": "i8", "vtktypeuint64": "u8",
}  # fmt: skip
WORD = 16
"""Bytes of a number and its space, about."""
CELLS = ("VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS")
VALUES = {"VECTORS": 3, "NORMALS": 3, "TENSORS": 9, "TENSORS6": 6, "GLOBAL_IDS": 1, "PEDIGREE_IDS": 1}
"""Keywords followed by a name and a type, and how many numbers each vertex has."""


def read_vtk(path: Path) -> vtkPolyData:
    """Polygons and strips, point arrays, and texts of the field data; coordinates as written.

    Raises:
        SurfaceDamaged: Not such a file, no surface, or less in it than it says.
    """
    try:
        return polydata_of(_Reader(path.read_bytes()).parts())
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        if isinstance(error, SurfaceDamaged):
            raise
        raise SurfaceDamaged(f"it is damaged ({error})") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0
        version, _, kind, dataset = (self._line() for _ in range(4))
        if not version.startswith("# vtk DataFile Version") or kind.upper() not in ("ASCII", "BINARY"):
            raise SurfaceDamaged("it is no VTK file")
        self._binary = kind.upper() == "BINARY"
        self._new = float(version.split()[-1]) >= 5.0
        self._of_points, self._count = False, 0
        self._parts = SurfaceParts(np.empty((0, 3)))
        if dataset.upper().split() != ["DATASET", "POLYDATA"]:
            raise SurfaceDamaged("it holds no surface (DATASET POLYDATA)")

    def parts(self) -> SurfaceParts:
        """Everything, section by section."""
        while self._at < len(self._content):
            words = self._line().split()
            if words:
                self._section(words[0].upper(), words[1:])
        return self._parts

    def _section(self, keyword: str, words: list[str]) -> None:
        if keyword == "POINTS":
            self._parts.points = self._array(words[1], 3 * _whole(words[0])).reshape(-1, 3)
            if self._parts.points.dtype.kind != "f":
                self._parts.points = self._parts.points.astype(np.float64)
        elif keyword in CELLS:
            cells = self._cells(_whole(words[0]), _whole(words[1]))
            if keyword in CELLS[2:]:
                (self._parts.polygons if keyword == "POLYGONS" else self._parts.strips).append(cells)
        elif keyword in ("POINT_DATA", "CELL_DATA"):
            self._of_points, self._count = keyword == "POINT_DATA", _whole(words[0])
        elif keyword == "FIELD":
            for _ in range(_whole(words[1])):
                self._field_array()
        elif keyword == "METADATA":
            while self._at < len(self._content) and self._line():
                pass
        else:
            self._attribute(keyword, words)

    def _attribute(self, keyword: str, words: list[str]) -> None:
        """Values of vertices or cells that are told of by a keyword."""
        name, kind, each = unquote(words[0]), words[1] if len(words) > 1 else "", VALUES.get(keyword, 1)
        if keyword == "SCALARS":
            each = _whole(words[2]) if len(words) > 2 else 1
            at = self._at
            if not self._line().upper().startswith("LOOKUP_TABLE"):
                self._at = at
        elif keyword == "TEXTURE_COORDINATES":
            each, kind = _whole(words[1]), words[2]
        elif keyword == "COLOR_SCALARS":
            each, kind = _whole(words[1]), "unsigned_char" if self._binary else "float"
        elif keyword == "LOOKUP_TABLE":
            self._array("unsigned_char" if self._binary else "float", 4 * _whole(words[1]))
            return
        elif keyword not in VALUES:
            raise SurfaceDamaged(f"{keyword[:40]!r} is none of its keywords")
        self._keep(name, self._array(kind, each * self._count), each)
        if keyword == "SCALARS" and self._of_points:
            self._parts.scalars = name

    def _field_array(self) -> None:
        words: list[str] = []
        while not words or words[0] == "METADATA":
            if self._at >= len(self._content):
                raise SurfaceDamaged("it ends before its values do")
            while words and self._line():  # what METADATA says goes to an empty line
                pass
            words = self._line().split()
        each, count, kind = _whole(words[1]), _whole(words[2]), words[3]
        if kind.lower() == "string":
            texts = [self._text() for _ in range(self._fitting(each * count, 1))]
            self._end_of_data()
            if texts:
                self._parts.texts[unquote(words[0])] = texts[0]
        else:
            values = self._array(kind, each * count)
            if self._count == count:
                self._keep(unquote(words[0]), values, each)

    def _keep(self, name: str, values: NDArray[Any], each: int) -> None:
        if self._of_points and each:
            self._parts.arrays[name] = values if each == 1 else values.reshape(-1, each)

    def _cells(self, first: int, second: int) -> Cells:
        if not self._new:
            return cells_of(self._array("int", second).astype(np.int64))
        offsets, connectivity = (self._marked(mark, n) for mark, n in (("OFFSETS", first), ("CONNECTIVITY", second)))
        return (offsets if len(offsets) else np.zeros(1, dtype=np.int64)), connectivity

    def _marked(self, mark: str, count: int) -> NDArray[np.int64]:
        words = self._line().split()
        if words[0].upper() != mark:
            raise SurfaceDamaged(f"{mark} is missing")
        return self._array(words[1], count).astype(np.int64)

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        """So many numbers."""
        if kind.lower() == "bit":
            packed = self._array("unsigned_char", math.ceil(count / 8) if self._binary else count)
            return np.unpackbits(packed)[:count] if self._binary else packed
        dtype = np.dtype(TYPES[kind.lower()])
        if self._binary:
            size = self._fitting(count, dtype.itemsize) * dtype.itemsize
            values = np.frombuffer(self._content, dtype.newbyteorder(">"), count, self._at)
            self._at += size
            self._end_of_data()
            return values
        words = self._words(self._fitting(count, 1))
        return np.array(words, dtype=np.float64 if dtype.kind == "f" else np.int64).astype(dtype)

    def _words(self, count: int) -> list[bytes]:
        """So many words of a text; no more of it is looked at than needed, or many short arrays would take minutes."""
        width = WORD * (count + 1)
        while True:
            part = self._content[self._at : self._at + width]
            words, last = part.split(None, count), self._at + width >= len(self._content)
            if len(words) > count or last:
                break
            width *= 2
        if len(words) < count:
            raise SurfaceDamaged("it holds less than it says")
        self._at += len(part) - (len(words[count]) if len(words) > count else 0)
        return words[:count]

    def _text(self) -> str:
        if not self._binary:
            return unquote(self._line())
        first = self._content[self._at]
        width = {3: 1, 2: 2, 1: 4, 0: 8}[first >> 6]
        length = int.from_bytes(bytes([first & 0x3F]) + self._content[self._at + 1 : self._at + width], "big")
        self._at += width
        text = self._content[self._at : self._at + self._fitting(length, 1)]
        self._at += length
        return text.decode("utf-8", errors="replace")

    def _fitting(self, count: int, size: int) -> int:
        """``count``, if so many values of that size can still follow."""
        if count * size > len(self._content) - self._at:
            raise SurfaceDamaged("it holds less than it says")
        return count

    def _end_of_data(self) -> None:
        if self._binary and self._content[self._at : self._at + 1] == b"\n":
            self._at += 1

    def _line(self) -> str:
        end = self._content.find(b"\n", self._at)
        end = len(self._content) if end < 0 else end
        line = self._content[self._at : min(end, self._at + 4096)].decode("latin-1").strip()
        self._at = end + 1
        return line


def _whole(word: str) -> int:
    number = int(word)
    if number < 0:
        raise SurfaceDamaged("a count is negative")
    return number
