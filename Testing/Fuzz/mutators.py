"""Ways to damage a file: by its bytes, and by what it is made of (JSON, text with a header, gzip, zip, PNG, DICOM)."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from fuzz_case import Case
from mutators_dicom import dicom_elements, dicom_syntax
from mutators_json import json_text, json_tree

Mutator = Callable[[bytes, random.Random], bytes]

LARGEST = 2_000_000
"""Bytes of a damaged file: larger ones take time and find nothing that these do not."""
NUMBERS = b"0 1 -1 2 3 4 7 65535 65536 2147483647 2147483648 -2147483648 4294967296 99999999999999999999 1e308 1e999"
NUMBERS += b" -1e300 1e-300 nan NaN -nan inf -Infinity 0.0 -0 0x10 1,5 1_000 1e 1..2 - + . 1e5 100000 3000000000"
NASTY_NUMBERS = NUMBERS.split()
NASTY_WORDS = [
    b"",
    b" ",
    b"None",
    b"null",
    b"true",
    b"\x00",
    b"\xff\xfe",
    "ü".encode(),
    "\u202e\u0007".encode(),
    b"%s%n",
]
NASTY_WORDS += [
    b"/etc/passwd",
    b"../../x",
    b"LIST",
    b"LOCAL",
    b"(1,0,0)",
    b"(nan,0,0)",
    b"(0,0,0)",
    b"none",
    b"A" * 5000,
]
NASTY_WORDS += [b"gzip", b"raw", b"ascii", b"bzip2", b"hex", b"big", b"little", b"float", b"double", b"short", b"block"]
NASTY_WORDS += [b"uchar", b"ushort", b"longlong", b"MET_FLOAT", b"MET_UCHAR", b"MET_DOUBLE_ARRAY", b"True", b"False"]
MAGIC = [0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 10_000, 100_000]


OTHERS = [b"", b"\n", b"\0" * 200, b"{}", b"[]", b"null", b"<html><body>404</body></html>\n", b"NRRD0004\n\n"]
OTHERS += [
    b"\x89PNG\r\n\x1a\n",
    b"PK\x05\x06" + b"\0" * 18,
    b"\0" * 128 + b"DICM",
    b"II*\0\x08\0\0\0\0\0",
    b"\x1f\x8b\x08\0",
]


def mutated(case: Case, rng: random.Random, own: tuple[Mutator, ...] = ()) -> Case:
    """A damaged copy: of one file, seldom of several, or with files of its folder removed, emptied or exchanged."""
    files = dict(case.files)
    for _ in range(1 if rng.random() < 0.7 else rng.randint(2, 4)):
        if len(files) > 1 and rng.random() < 0.1:
            _folder(files, rng)
        else:
            name = rng.choice(sorted(files))
            files[name] = damaged(files[name], rng, own)
    return Case(case.name, files)


def damaged(content: bytes, rng: random.Random, own: tuple[Mutator, ...] = ()) -> bytes:
    """One change of one content, of a kind that fits it."""
    kinds = [*fitting(content), *own]
    mutator = rng.choice(kinds) if rng.random() < 0.75 else rng.choice(BYTES)
    return mutator(content, rng)[:LARGEST]


def fitting(content: bytes) -> list[Mutator]:
    """The mutators that know what the content is made of."""
    start = content.lstrip()[:1]
    if content[128:132] == b"DICM":
        return [dicom_elements, dicom_elements, dicom_elements, dicom_syntax]
    if start in (b"{", b"["):
        return [json_tree, json_tree, json_tree, json_text]
    if content[:2] == b"\x1f\x8b":
        return [_gzip]
    if content[:4] == b"PK\x03\x04":
        return [_zip]
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return [_png]
    if header_end(content) > 20:
        return [words, words, lines]
    return BYTES


# ---- bytes ----------------------------------------------------------------


def flips(content: bytes, rng: random.Random) -> bytes:
    """Single bits and bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            where = rng.randrange(min(len(data), rng.choice((64, 512, 1 << 30))))
            data[where] = data[where] ^ (1 << rng.randrange(8)) if rng.random() < 0.5 else rng.randrange(256)
    return bytes(data)


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is missing, or a piece in the middle."""
    if not content:
        return content
    first = rng.randrange(len(content))
    return content[:first] if rng.random() < 0.6 else content[:first] + content[first + rng.randint(1, 64) :]


def inserted(content: bytes, rng: random.Random) -> bytes:
    """Random bytes, zeros, or a block of its own in a second place."""
    where, size = rng.randint(0, len(content)), rng.choice((1, 2, 4, 16, 300, 4096))
    first = rng.randrange(len(content) + 1)
    piece = rng.choice((rng.randbytes(size), b"\0" * size, content[first : first + size], b"\xff" * size))
    keep = where if rng.random() < 0.5 else where + len(piece)
    return content[:where] + piece + content[keep:]


def magic(content: bytes, rng: random.Random) -> bytes:
    """A number that programs stumble over in place of 1, 2, 4 or 8 bytes: lengths, counts, offsets."""
    size = rng.choice((1, 2, 2, 4, 4, 8))
    if len(content) < size:
        return content
    where = rng.randrange(min(len(content) - size + 1, rng.choice((256, 1024, 1 << 30))))
    value = rng.choice(MAGIC) & (2 ** (8 * size) - 1)
    number = value.to_bytes(size, rng.choice(("little", "big")))
    if rng.random() < 0.15 and size >= 4:
        number = struct.pack("<d" if size == 8 else "<f", rng.choice((float("nan"), float("inf"), -1e30, 1e-30)))
    return content[:where] + number + content[where + size :]


def swapped(content: bytes, rng: random.Random) -> bytes:
    """Two pieces of the same length change places."""
    size = rng.choice((1, 2, 4, 8, 32))
    if len(content) < 2 * size + 1:
        return content
    first, second = sorted((rng.randrange(len(content) - size), rng.randrange(len(content) - size)))
    second = max(second, first + size)
    one, two = content[first : first + size], content[second : second + size]
    return content[:first] + two + content[first + size : second] + one + content[second + size :]


def other_file(content: bytes, rng: random.Random) -> bytes:
    """Something else under its name."""
    return rng.choice([*OTHERS, b"\xef\xbb\xbf" + content, content[::-1], content + content, rng.randbytes(512)])


BYTES: list[Mutator] = [flips, flips, cut, inserted, magic, magic, swapped, other_file]


# ---- text, with or without binary data after it -----------------------------


def header_end(content: bytes) -> int:
    """Length of the text at the beginning of a content: all of it, or up to binary data."""
    found = re.search(rb"[^\t\n\r\x20-\x7e\xc2-\xf4\x80-\xbf]", content[:100_000])
    end = found.start() if found else min(len(content), 100_000)
    return content.rfind(b"\n", 0, end) + 1 if found else end


def words(content: bytes, rng: random.Random) -> bytes:
    """A number or word of the text becomes another."""
    end = header_end(content)
    found = list(re.finditer(rb"[-+.\w]+", content[:end]))
    if not found:
        return flips(content, rng)
    numbers = [each for each in found if each.group()[:1] in b"-+.0123456789"]
    each = rng.choice(numbers if numbers and rng.random() < 0.6 else found)
    old = each.group()
    choice = rng.random()
    if choice < 0.45:
        new = rng.choice(NASTY_NUMBERS)
    elif choice < 0.7:
        new = rng.choice(NASTY_WORDS)
    elif choice < 0.85:
        new = rng.choice(found).group()
    else:
        new = rng.choice((old + b" " + old, old[:-1], b"-" + old, old + b"0", old + b"000000", b""))
    return content[: each.start()] + new + content[each.end() :]


def lines(content: bytes, rng: random.Random) -> bytes:
    """A line of the text is missing, doubled, moved, or repeated very often."""
    end = header_end(content)
    parts = content[:end].splitlines(keepends=True)
    if not parts:
        return content
    one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    choice = rng.randrange(5)
    if choice == 0:
        del parts[one]
    elif choice == 1:
        parts.insert(other, parts[one])
    elif choice == 2:
        parts[one], parts[other] = parts[other], parts[one]
    elif choice == 3:
        parts[one] = parts[one] * min(rng.choice((3, 1000)), 1 + LARGEST // max(1, len(parts[one])))
    else:
        parts[one] = parts[one].rstrip(b"\r\n") + rng.choice((b"\r\n", b"\n\n", b"", b" \n", b"\0\n"))
    return b"".join(parts) + content[end:]


# ---- containers: damage inside, whole outside --------------------------------


def _gzip(content: bytes, rng: random.Random) -> bytes:
    try:
        inside = zlib.decompressobj(31).decompress(content, LARGEST)
    except zlib.error:
        return flips(content, rng)
    return gzip.compress(damaged(inside, rng), 1, mtime=0)


def _zip(content: bytes, rng: random.Random) -> bytes:
    """A member is damaged, missing, doubled or renamed (npz and the like)."""
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as archive:
            warnings.simplefilter("ignore")
            members = [(info.filename, archive.read(info)) for info in archive.infolist() if info.file_size < LARGEST]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError):
        return flips(content, rng)
    if not members:
        return content
    number, choice = rng.randrange(len(members)), rng.random()
    name, inside = members[number]
    if choice < 0.7:
        members[number] = (name, damaged(inside, rng))
    elif choice < 0.8:
        del members[number]
    elif choice < 0.9:
        members.append((name, rng.choice(members)[1]))
    else:
        members[number] = (rng.choice(("../" + name, "/" + name, "x" + name, name[:-4], "ü" + name)), inside)
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")
        for name, inside in members:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), inside)
    return made.getvalue()


def _png(content: bytes, rng: random.Random) -> bytes:
    """A chunk is damaged, missing, doubled or of another kind, with a right check sum."""
    chunks: list[list[bytes]] = []
    at = 8
    while at + 12 <= len(content) and len(chunks) < 200:
        size = int.from_bytes(content[at : at + 4], "big")
        chunks.append([content[at + 4 : at + 8], content[at + 8 : at + 8 + size]])
        at += 12 + size
    if not chunks:
        return flips(content, rng)
    number, choice = rng.randrange(len(chunks)), rng.random()
    kind, inside = chunks[number]
    if choice < 0.6:
        chunks[number][1] = rng.choice((magic, magic, flips, cut))(inside, rng)
    elif choice < 0.7:
        chunks[number][0] = rng.choice(
            (b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"acTL", b"fdAT", b"IDAT", b"IHDR")
        )
    elif choice < 0.8:
        del chunks[number]
    elif choice < 0.9:
        chunks.insert(rng.randrange(len(chunks) + 1), [rng.choice((kind, b"tRNS", b"PLTE", b"zTXt")), inside])
    else:
        chunks[number][1] = zlib.compress(b"\0" * rng.choice((10, 1000, 20_000_000)), 1)
    parts = [_chunk(kind, inside) for kind, inside in chunks]
    return content[:8] + b"".join(parts)


def _chunk(kind: bytes, inside: bytes) -> bytes:
    return len(inside).to_bytes(4, "big") + kind + inside + zlib.crc32(kind + inside).to_bytes(4, "big")


# ---- folders ------------------------------------------------------------------


def _folder(files: dict[str, bytes], rng: random.Random) -> None:
    one, other = rng.choice(sorted(files)), rng.choice(sorted(files))
    choice = rng.randrange(4)
    if choice == 0:
        del files[one]
    elif choice == 1:
        files[one] = b""
    elif choice == 2:
        files[one], files[other] = files[other], files[one]
    else:
        files[one] = files[other]


def as_json(content: bytes) -> Any:
    """For own mutators: the content as JSON, ``None`` where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
