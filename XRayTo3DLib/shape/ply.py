"""Reading PLY files in numpy: VTK's own reader crashes on a file that was cut short, and drops point arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.surface_parts import SurfaceDamaged, SurfaceParts, polydata_of

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str
    count_kind: str | None = None


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)

    @property
    def has_list(self) -> bool:
        return any(p.count_kind for p in self.properties)


def read_ply(path: Path) -> vtkPolyData:
    """Polygons of a PLY file, with every further vertex property (quality, red, ...) as a point array.

    Coordinates are returned as written in the file. Texture and edge elements are skipped.

    Raises:
        SurfaceDamaged: The file is not PLY or holds less than its header promises.
    """
    content = path.read_bytes()
    try:
        order, elements, body = _parse_header(content, path.name)
        tables = _read_ascii(content[body:], elements) if order == "" else _read_binary(content, body, order, elements)
        return _polydata(tables)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        if isinstance(error, SurfaceDamaged):
            raise
        raise SurfaceDamaged("it holds less than its header promises") from error


def _parse_header(content: bytes, name: str) -> tuple[str, list[_Element], int]:
    end = re.search(rb"end_header\r?\n", content)
    if not content.startswith(b"ply") or end is None:
        raise SurfaceDamaged("it has no complete PLY header")
    order, elements = None, []
    for line in content[: end.start()].decode("latin-1").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            order = _ORDERS.get(words[1])
        elif words[:1] == ["element"]:
            elements.append(_Element(words[1], int(words[2])))
        elif words[:2] == ["property", "list"]:
            elements[-1].properties.append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1].properties.append(_Property(words[2], _TYPES[words[1]]))
    if order is None:
        raise SurfaceDamaged("it does not say whether it is ASCII or binary")
    if any(not 0 <= each.count <= len(content) for each in elements):
        raise SurfaceDamaged("it holds less than its header promises")
    return order, elements, end.end()


def _read_binary(content: bytes, start: int, order: str, elements: list[_Element]) -> dict[str, dict]:
    tables = {}
    for element in elements:
        table, start = _binary_element(content, start, order, element)
        tables[element.name] = table
    return tables


def _binary_element(content: bytes, start: int, order: str, element: _Element) -> tuple[dict, int]:
    """Read one element at once if all its lists are as long as in its first row, else row by row."""
    lengths = _row_list_lengths(content, start, order, element) if element.count else {}
    fields: list[tuple] = []
    for p in element.properties:
        if p.count_kind:
            fields += [(f"#{p.name}", order + p.count_kind), (p.name, order + p.kind, (lengths.get(p.name, 0),))]
        else:
            fields.append((p.name, order + p.kind))
    row = np.dtype(fields)
    enough = start + row.itemsize * element.count <= len(content)
    if enough or not element.has_list:
        rows = np.frombuffer(content, row, element.count, start)
        if all(np.all(rows[f"#{name}"] == length) for name, length in lengths.items()):
            return {p.name: rows[p.name] for p in element.properties}, start + row.itemsize * element.count
    return _binary_rows(content, start, order, element)


def _row_list_lengths(content: bytes, start: int, order: str, element: _Element) -> dict[str, int]:
    lengths = {}
    for p in element.properties:
        if p.count_kind:
            lengths[p.name] = _list_length(content, order + p.count_kind, start)
            start += np.dtype(p.count_kind).itemsize + np.dtype(p.kind).itemsize * lengths[p.name]
        else:
            start += np.dtype(p.kind).itemsize
    return lengths


def _list_length(content: bytes, kind: str, start: int) -> int:
    length = int(np.frombuffer(content, kind, 1, start)[0])
    if not 0 <= length <= len(content):
        raise ValueError("a list has no such length")
    return length


def _binary_rows(content: bytes, start: int, order: str, element: _Element) -> tuple[dict, int]:
    table: dict[str, list] = {p.name: [] for p in element.properties}
    for _ in range(element.count):
        for p in element.properties:
            count = 1
            if p.count_kind:
                count = _list_length(content, order + p.count_kind, start)
                start += np.dtype(p.count_kind).itemsize
            table[p.name].append(np.frombuffer(content, order + p.kind, count, start))
            start += np.dtype(p.kind).itemsize * count
    return table, start


def _read_ascii(body: bytes, elements: list[_Element]) -> dict[str, dict]:
    words, at, tables = body.split(), 0, {}
    for element in elements:
        if element.has_list:
            tables[element.name], at = _ascii_rows(words, at, element)
            continue
        width = len(element.properties)
        values = np.array(words[at : at + width * element.count], dtype=np.float64).reshape(element.count, width)
        tables[element.name] = {p.name: values[:, k].astype(p.kind) for k, p in enumerate(element.properties)}
        at += width * element.count
    return tables


def _ascii_rows(words: list[bytes], at: int, element: _Element) -> tuple[dict, int]:
    table: dict[str, list] = {p.name: [] for p in element.properties}
    for _ in range(element.count):
        for p in element.properties:
            count = 1
            if p.count_kind:
                count, at = int(words[at]), at + 1
            if count < 0:
                raise ValueError("a list has no such length")
            row = np.array(words[at : at + count], dtype=np.float64)
            if len(row) != count:
                raise ValueError("a row is incomplete")
            table[p.name].append(row.astype(p.kind))
            at += count
    return table, at


def _polydata(tables: dict[str, dict]) -> vtkPolyData:
    vertices = {
        name: np.asarray(v).astype(np.asarray(v).dtype.newbyteorder("=")) for name, v in tables["vertex"].items()
    }
    faces = tables.get("face", {})
    rows = next((faces[name] for name in ("vertex_indices", "vertex_index") if name in faces), [])
    points = np.stack([vertices.pop(axis) for axis in "xyz"], axis=1)
    parts = SurfaceParts(points if points.dtype.kind == "f" else points.astype(np.float64))
    if len(rows):
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        parts.polygons.append((offsets, np.concatenate(list(rows)).astype(np.int64)))
    parts.arrays = {name: values for name, values in vertices.items() if values.ndim == 1}
    return polydata_of(parts)
