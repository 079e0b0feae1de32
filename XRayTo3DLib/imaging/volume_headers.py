"""Is the header of a NRRD, MetaImage or NIfTI file sound? Asked before ITK reads it: false ones crash or stop it.

The first two are text: "key: value" lines up to an empty one (NRRD, https://teem.sourceforge.net/nrrd/format.html), or
"Key = Value" lines up to ElementDataFile (MetaImage). What ITK stumbles over is checked: numbers that are none, sizes
that the data cannot have, and data files that lie elsewhere. All other lines are free.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

MOST_HEADER_BYTES = 4 << 20
"""The segments of a large Slicer segmentation take some 100 kB."""
LONGEST_FIELD = 1000
"""Characters of a line that means something to ITK; key/value lines may be longer."""
MOST_VALUES = 1 << 30
"""Values of an image: 1024 x 1024 x 1024."""
GZIP_MOST = 1100
"""deflate packs at most 1032 bytes into one."""
SAME_SIZE = 0.01
"""Relative difference of two voxel sizes that still counts as rounding."""
LARGEST = 1e7
"""Of any number in a geometry: mm, or parts of a direction."""
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"

NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t", "double"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    "float": 4,
}
"""Bytes of a value."""
NRRD_ENCODINGS = {"raw": 1.0, "gzip": 1 / GZIP_MOST, "gz": 1 / GZIP_MOST, "ascii": 0.0, "text": 0.0, "txt": 0.0}
"""Bytes in the file for a byte of the picture, at least. ASCII: a digit and a space for a value of any size."""
NRRD_FREE = {"content", "labels", "units", "space units", "sample units"}
"""Fields of words in any language."""
NRRD_SPACES = {"left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las"}
"""Of those of NRRD that say where the patient's left is; ITK takes any other for left-posterior-superior."""
MM = re.compile(r"mm|millimet(?:er|re)s?|\??", re.IGNORECASE)
OTHER_LENGTHS = re.compile(r"[kdcuµμn]?m|(?:kilo|deci|centi|micro|nano)?met(?:er|re)s?|microns?|in|inch(?:es)?|ft|feet")
META_TYPES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
    **dict.fromkeys(("MET_LONG", "MET_ULONG"), 4),
}
META_NUMBERS = "Offset Position Origin TransformMatrix Rotation Orientation CenterOfRotation ElementSpacing ElementSize"
META_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
META_PLAIN = {
    "DistanceUnits": ("mm", "?"),
    "ElementToIntensityFunctionSlope": ("1", "1.0"),
    "ElementToIntensityFunctionOffset": ("0", "0.0"),
}
"""What ITK passes over: a scale of lengths or of values would be lost without a word."""
META_READ = f"NDims DimSize ElementType ElementNumberOfChannels ElementDataFile {META_NUMBERS}".split()


NIFTI: dict[int, dict[str, Any]] = {
    348: {"number": "f", "code": "h", "pixdim": 76, "qform_code": 252, "sform_code": 254, "quatern": 256, "srow": 280},
    540: {"number": "d", "code": "i", "pixdim": 104, "qform_code": 344, "sform_code": 348, "quatern": 352, "srow": 400},
}
"""Kinds and places of the header's fields, by its length, which is its first number."""
NIFTI_BYTES = 540


class UnsoundHeader(ValueError):
    """What is wrong with a header, as the end of a sentence that begins with the file."""


@dataclass(frozen=True)
class _Data:
    """Where the values are and what they need: ``bytes_left`` of a file for ``values`` of ``size`` bytes each."""

    values: int
    size: int
    bytes_left: int
    least: float
    """Bytes in the file for each byte of the values, at least; 0 for text."""

    def require_room(self) -> None:
        needed = 2 * self.values - 1 if self.least == 0 else self.values * self.size * self.least
        if self.values > MOST_VALUES:
            raise UnsoundHeader(f"its header states {self.values} values, more than {MOST_VALUES}")
        if self.bytes_left < needed:
            raise UnsoundHeader("its header states more values than the file can hold; it was truncated or changed")


def require_sound_header(path: Path) -> bool:
    """Whether a file says how its voxels lie in the patient; without that left and right are not known.

    Checked is the header of a ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``, ``.nii`` or ``.nii.gz`` file; other files pass.

    Raises:
        UnsoundHeader: What is wrong.
        OSError, EOFError, zlib.error: The file cannot be read or unpacked.
    """
    checks: dict[str, Callable[[Path, bytes], bool]] = {
        ".nrrd": _check_nrrd,
        ".nhdr": _check_nrrd,
        ".mha": _check_meta,
        ".mhd": _check_meta,
        ".nii": _check_nifti,
        ".gz": _check_nifti,
    }
    check = checks.get(path.suffix.lower())
    if check is not None:
        with gzip.open(path) if check is _check_nifti and path.suffix.lower() == ".gz" else path.open("rb") as stream:
            return check(path, stream.read(NIFTI_BYTES if check is _check_nifti else MOST_HEADER_BYTES))
    return True


# ---- NRRD ---------------------------------------------------------------------------------------------------------


def _check_nrrd(path: Path, start: bytes) -> bool:
    if not start.startswith(b"NRRD000"):
        raise UnsoundHeader("it does not begin as a NRRD file does")
    fields, end = _nrrd_fields(start)
    dimension = _whole(fields, "dimension", 1, 6)
    sizes = [_integer(word, "sizes", 1, 1 << 31) for word in _field(fields, "sizes").split()]
    if len(sizes) != dimension:
        raise UnsoundHeader(f"its header has {len(sizes)} sizes for {dimension} dimensions")
    kind, encoding = _field(fields, "type").lower(), _field(fields, "encoding").lower()
    if kind not in NRRD_TYPES:
        raise UnsoundHeader("its header names a type of values that is not known")
    if encoding not in NRRD_ENCODINGS:
        raise UnsoundHeader("its header names an encoding that is not known; write it as raw or gzip")
    _check_nrrd_geometry(fields, dimension)
    _check_nrrd_units(fields)
    for key in ("line skip", "byte skip", "lineskip", "byteskip"):
        if key in fields and fields[key] not in ("0", "-1" if key.startswith("byte") else "0"):
            raise UnsoundHeader(f'its header skips data ("{key}"), which is not read')
    data = fields.get("data file", fields.get("datafile"))
    left = path.stat().st_size - end if data is None else _beside(path, data).stat().st_size
    _Data(math.prod(sizes), NRRD_TYPES[kind], left, NRRD_ENCODINGS[encoding]).require_room()
    return "space" in fields


def _nrrd_fields(start: bytes) -> tuple[dict[str, str], int]:
    """The fields ("key: value"; key/value pairs "key:=value" are free), and where the data begin."""
    end = re.search(rb"\r?\n\r?\n", start)
    if end is None and len(start) >= MOST_HEADER_BYTES:
        raise UnsoundHeader("its header has no end")
    lines = start[: end.start() if end else None].splitlines()[1:]
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"#") or b":=" in line:
            continue
        key, separator, value = line.partition(b":")
        name = key.decode("latin-1").strip().lower()
        if not separator or len(line) > LONGEST_FIELD or not (line.isascii() or name in NRRD_FREE):
            raise UnsoundHeader("its header holds a line that is none of a NRRD")
        if name in fields:
            raise UnsoundHeader(f'its header states "{_shown(name)}" twice')
        fields[name] = value.decode("latin-1").strip()
    return fields, end.end() if end else len(start)


def _check_nrrd_geometry(fields: dict[str, str], dimension: int) -> None:
    """Directions, origin and spacing are numbers, of as many dimensions as they should."""
    space = fields.get("space", "").lower()
    if space and space not in NRRD_SPACES:
        raise UnsoundHeader("its header names a space that is not known; write it as left-posterior-superior")
    world = 3 if space else _whole(fields, "space dimension", 1, 6) if "space dimension" in fields else 0
    vector = rf"\(\s*{NUMBER}(?:\s*,\s*{NUMBER}){{{max(world - 1, 0)}}}\s*\)"
    patterns = {
        "space directions": rf"(?:(?:none|{vector})(?:\s+|$)){{{dimension}}}",
        "space origin": vector,
        "measurement frame": rf"(?:(?:none|{vector})(?:\s+|$)){{{max(world, 1)}}}",
        "spacings": rf"(?:(?:nan|NaN|{NUMBER})(?:\s+|$)){{{dimension}}}",
        "kinds": rf"(?:[-\w?]+(?:\s+|$)){{{dimension}}}",
        "endian": "little|big",
    }
    for key, pattern in patterns.items():
        if key in fields and not (re.fullmatch(pattern, fields[key]) and _measured(fields[key])):
            raise UnsoundHeader(f'the "{key}" in its header cannot be')
    if world and ("space directions" not in fields or "spacings" in fields):
        raise UnsoundHeader('its header names a space but gives no "space directions"')


def _check_nrrd_units(fields: dict[str, str]) -> None:
    """Lengths are mm: ITK passes over any unit, and a bone would be ten or a thousand times as large."""
    space, axes = (re.findall(r'"([^"]*)"', fields.get(key, "")) for key in ("space units", "units"))
    if not all(map(MM.fullmatch, space)) or any(map(OTHER_LENGTHS.fullmatch, axes)):
        raise UnsoundHeader("its header states lengths in another unit than mm, which is not read; convert it to mm")


# ---- MetaImage ------------------------------------------------------------------------------------------------------


def _check_meta(path: Path, start: bytes) -> bool:
    fields, end = _meta_fields(start)
    dimensions = _whole(fields, "NDims", 2, 4)
    sizes = [_integer(word, "DimSize", 1, 1 << 31) for word in _field(fields, "DimSize").split()]
    if len(sizes) != dimensions:
        raise UnsoundHeader(f"its header has {len(sizes)} sizes for {dimensions} dimensions")
    channels = _whole(fields, "ElementNumberOfChannels", 1, 1000) if "ElementNumberOfChannels" in fields else 1
    size = META_TYPES.get(_field(fields, "ElementType"))
    if size is None:
        raise UnsoundHeader("its header names a type of values that is not known")
    for key in META_NUMBERS.split():
        count = dimensions**2 if key in META_DIRECTIONS else dimensions
        numbers = rf"(?:{NUMBER}(?:\s+|$)){{{count}}}"
        if key in fields and not (re.fullmatch(numbers, fields[key]) and _measured(fields[key])):
            raise UnsoundHeader(f'the "{key}" in its header cannot be')
    for key, plain in META_PLAIN.items():
        if fields.get(key, plain[0]) not in plain:
            raise UnsoundHeader(f'its header states a "{key}" of its own, which is not read; write it without')
    for key in ("HeaderSize", "CompressedDataSize"):
        if key in fields:
            _whole(fields, key, -1 if key == "HeaderSize" else 0, 1 << 40)
    name = _field(fields, "ElementDataFile")
    left = path.stat().st_size - end if name.upper() == "LOCAL" else _beside(path, name).stat().st_size
    packed = fields.get("CompressedData", "").lower() in ("true", "1")
    text = fields.get("BinaryData", "True").lower() in ("false", "0")
    _Data(math.prod(sizes) * channels, size, left, 1 / GZIP_MOST if packed else float(not text)).require_room()
    return any(key in fields for key in META_DIRECTIONS)


def _meta_fields(start: bytes) -> tuple[dict[str, str], int]:
    """The fields up to ElementDataFile, which is the last one, and where the data begin."""
    fields: dict[str, str] = {}
    at = 0
    for line in start.splitlines(keepends=True):
        at += len(line)
        key, separator, value = line.partition(b"=")
        name = key.decode("latin-1").strip()
        if not separator or not re.fullmatch(r"[ -~]{1,200}", name):
            raise UnsoundHeader("its header holds a line that is none of a MetaImage")
        if name in META_READ and (name in fields or len(line) > LONGEST_FIELD):
            raise UnsoundHeader(f'the "{name}" in its header cannot be, or is stated twice')
        fields[name] = value.decode("latin-1").strip()
        if name == "ElementDataFile":
            return fields, at
    raise UnsoundHeader("its header has no end")


# ---- NIfTI ----------------------------------------------------------------------------------------------------------


def _check_nifti(_path: Path, start: bytes) -> bool:
    """The geometry that holds has only numbers of a measure (nifti1.h, nifti2.h); sizes are the caller's."""
    for order in ("<", ">"):
        length = struct.unpack(f"{order}i", start[:4].ljust(4, b"\0"))[0]
        if length in NIFTI and len(start) >= length:
            break
    else:
        raise UnsoundHeader("it does not begin as a NIfTI file does")
    layout, fields = NIFTI[length], {"pixdim": 4}
    for key, count in {"quatern": 6, "srow": 12}.items():
        code = layout["qform_code" if key == "quatern" else "sform_code"]
        if struct.unpack_from(f"{order}{layout['code']}", start, code)[0] > 0:
            fields[key] = count
    for key, count in fields.items():
        values = struct.unpack_from(f"{order}{count}{layout['number']}", start, layout[key])
        if not all(abs(value) <= LARGEST for value in values):
            raise UnsoundHeader(f'the "{key}" in its header cannot be')
        if key == "srow":
            _check_nifti_size(values, struct.unpack_from(f"{order}4{layout['number']}", start, layout["pixdim"])[1:])
    return len(fields) > 1


def _check_nifti_size(rows: tuple[float, ...], stated: tuple[float, ...]) -> None:
    """The voxel size that the matrix has is the stated one: which of two holds, programs see differently."""
    sizes = [math.sqrt(sum(rows[column + 4 * row] ** 2 for row in range(3))) for column in range(3)]
    if any(abs(size - abs(other)) > SAME_SIZE * abs(other) for size, other in zip(sizes, stated, strict=True)):
        raise UnsoundHeader('its header contradicts itself: "pixdim" and "srow" have voxels of different size')


# ---- both -----------------------------------------------------------------------------------------------------------


def _beside(path: Path, name: str) -> Path:
    """The data file of a header: one file, in its folder or below."""
    parts = PurePosixPath(name), PureWindowsPath(name)
    if not name or len(name) > 255 or any(each.is_absolute() or each.drive or ".." in each.parts for each in parts):
        raise UnsoundHeader("its header names a data file outside its folder")
    if re.match(r"LIST\b", name, re.IGNORECASE) or "%" in name or not name.isprintable():
        raise UnsoundHeader("its header names several data files; write it as one")
    found = path.parent / name
    if not found.is_file():
        raise UnsoundHeader("its data file is missing")
    if path.parent.resolve() not in found.resolve().parents:
        raise UnsoundHeader("its header names a data file outside its folder")
    return found


def _field(fields: dict[str, str], key: str) -> str:
    if not fields.get(key):
        raise UnsoundHeader(f'its header lacks "{key}"')
    return fields[key]


def _whole(fields: dict[str, str], key: str, least: int, most: int) -> int:
    return _integer(_field(fields, key), key, least, most)


def _integer(word: str, key: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[-+]?\d{1,18}", word) or not least <= int(word) <= most:
        raise UnsoundHeader(f'the "{key}" in its header cannot be')
    return int(word)


def _measured(text: str) -> bool:
    """Whether no number of a text is beyond all measure: ITK may never end with the directions of one that is."""
    return all(abs(float(number)) <= LARGEST for number in re.findall(NUMBER, text))


def _shown(name: str) -> str:
    """A key of the file, for a sentence."""
    return name if len(name) < 40 and name.isprintable() else f"{name[:30]!a}..."
