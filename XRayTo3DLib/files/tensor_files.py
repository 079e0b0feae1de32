"""Safetensors from anywhere: the header is checked against the bytes before a tensor is made of them.

The format (https://github.com/huggingface/safetensors): eight bytes with the header's length, little-endian; the
header, a JSON object with the type, shape and place of each tensor; the tensors' bytes, one after the other. Nothing
in it can run code. A pickle or an archive under that name is told apart by its first bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.json_values import parse_json

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
BYTES_OF = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
"""Bytes of a number by type; rarer types are none of ours."""
LARGEST_HEADER = 16_000_000
"""Bytes; a network of 100 000 tensors needs less."""
LONGEST_SIDE = 1 << 40
"""Of an empty tensor; of others the bytes say how long they can be."""
MOST_AXES = 16
LENGTH_BYTES = 8
AGAIN = "Copy or download it again."
OTHER_FORMATS = {b"\x80": "a pickle", b"PK\x03\x04": "a .zip, as PyTorch's checkpoints are", b"\x89HDF": "an HDF5 file"}
CONVERT = (
    "Where you trust its author, convert it elsewhere: "
    'python -c "import sys, torch, safetensors.torch as s; '
    's.save_file(torch.load(sys.argv[1], weights_only=True), sys.argv[2])" OLD.pth NEW.safetensors'
)
"""What to do with a pickled checkpoint; docs/model-safety.md says more."""


def checked_shapes(content: bytes, what: str) -> dict[str, tuple[int, ...]]:
    """Shapes by name of the tensors in the whole bytes of a safetensors file.

    Args:
        content: All of the file.
        what: How messages begin: the file's name and what it is.

    Raises:
        InputError: A pickle or another format, a header that is cut, too large or no JSON, a type that is not known,
            or tensors that overlap, leave gaps, have another size than their shape, or are named twice.
    """
    length = header_length(content[:LENGTH_BYTES], len(content), what)
    begin = LENGTH_BYTES + length
    return _shapes(content[LENGTH_BYTES:begin], len(content) - begin, what)


def shapes_in(path: Path, what: str) -> dict[str, tuple[int, ...]]:
    """As :func:`checked_shapes`, reading no more of a file than its header.

    Raises:
        InputError: As there, or the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            length = header_length(stream.read(LENGTH_BYTES), size, what)
            return _shapes(stream.read(length), size - LENGTH_BYTES - length, what)
    except OSError as error:
        raise InputError(f"{what} cannot be read ({error.strerror}).") from error


def read_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """All tensors of a file by name, on the CPU.

    Args:
        path: Ends in .safetensors.
        what: How messages begin: what the file is for.

    Raises:
        InputError: Another suffix, or as :func:`checked_shapes`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    if path.suffix.lower() != SUFFIX:
        raise InputError(
            f"{what}: {path.name} is no {SUFFIX} file; other formats of weights can run code and are never opened. "
            f"{CONVERT}"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{what}: {path.name} cannot be read ({error.strerror}).") from error
    checked_shapes(content, f"{what}: {path.name}")
    try:
        return load(content)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise InputError(f"{what}: {path.name} cannot be read as weights ({error}).") from error


def require_shapes(
    found: Mapping[str, Sequence[int]], wanted: Mapping[str, Sequence[int]], what: str, then: str = "Train it again."
) -> None:
    """Refuse tensors that are not those of a network.

    Args:
        found: Shapes by name in a file.
        wanted: Shapes by name of the network's state.
        what: How the message begins.
        then: What to do.

    Raises:
        InputError: A tensor is missing, left over, or of another shape; the first one is named.
    """
    for name in sorted(set(found) ^ set(wanted)):
        raise InputError(f"{what} {'lacks' if name in wanted else 'has an unknown'} {name[:80]}. {then}")
    for name, shape in wanted.items():
        if tuple(found[name]) != tuple(shape):
            raise InputError(f"{what} has {name[:80]} of {_by(found[name])}, needs {_by(shape)}. {then}")


def header_length(first: bytes, size: int, what: str) -> int:
    """Bytes of the header, from the first eight of a file of ``size`` bytes.

    Raises:
        InputError: Another format, or a header that is longer than the file or than any of ours.
    """
    length = int.from_bytes(first, "little") if len(first) == LENGTH_BYTES else 0
    if 2 <= length <= min(size - LENGTH_BYTES, LARGEST_HEADER):
        return length
    for mark, kind in OTHER_FORMATS.items():
        if first.startswith(mark):
            raise InputError(f"{what} is {kind}, under another name, which can run code; it is not opened. {CONVERT}")
    raise InputError(f"{what} is not a safetensors file: its header would have {length} of {size} bytes. {AGAIN}")


def _shapes(header: bytes, data: int, what: str) -> dict[str, tuple[int, ...]]:
    """Of a header, with ``data`` bytes after it."""
    about = parse_json(header, what)
    if not isinstance(about, dict):
        raise InputError(f"{what} is not a safetensors file: its header is no JSON object. {AGAIN}")
    about.pop("__metadata__", None)
    places = []
    for name, entry in about.items():
        begin, end, count = _place(name, entry, what)
        if end - begin != count:
            raise InputError(f"{what}: {name[:80]} has {end - begin} bytes, but its shape needs {count}. {AGAIN}")
        places.append((begin, end))
    at = 0
    for begin, end in sorted(places):
        if begin != at:
            raise InputError(f"{what}: its tensors overlap or leave gaps at byte {min(begin, at)}. {AGAIN}")
        at = end
    if at != data:
        raise InputError(f"{what}: its tensors take {at} bytes, but {data} are there. {AGAIN}")
    return {name: tuple(entry["shape"]) for name, entry in about.items()}


def _place(name: str, entry: Any, what: str) -> tuple[int, int, int]:
    """Where a tensor begins and ends, and the bytes that its shape needs."""
    entry = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [-1]
    usable = isinstance(kind, str) and len(numbers) <= MOST_AXES + 2
    if not usable or not all(type(each) is int and 0 <= each <= LONGEST_SIDE for each in numbers) or len(offsets) != 2:
        raise InputError(f"{what}: the header says nothing usable of {name[:80]}. {AGAIN}")
    if kind not in BYTES_OF:
        raise InputError(f"{what}: {name[:80]} is of a kind {str(kind)[:20]!r} that XRayTo3D does not read.")
    return offsets[0], offsets[1], math.prod(shape) * BYTES_OF[kind]


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"
