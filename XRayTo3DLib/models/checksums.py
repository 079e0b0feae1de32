"""SHA-256 of a bundle's files and of its description, so that a changed byte is noticed before anything is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError

BLOCK = 1 << 20
"""Bytes read at a time."""
AGAIN = "Copy or download the bundle again, from where it was published."


def bytes_sha256(content: bytes) -> str:
    """SHA-256 of ``content`` in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path: Path | str) -> str:
    """SHA-256 of a file in hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def content_sha256(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object but for its own field ``checksum``.

    Keys are sorted and spaces dropped first: line endings, which version control may change, do not count.
    """
    counted = {key: value for key, value in content.items() if key != "checksum"}
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return bytes_sha256(text.encode("ascii"))


def file_entry(path: Path | str) -> dict[str, Any]:
    """What a bundle remembers of a file: ``{"sha256": ..., "bytes": ...}``."""
    return {"sha256": file_sha256(path), "bytes": Path(path).stat().st_size}


def check_file(path: Path, entry: Mapping[str, Any]) -> None:
    """Refuse a file that is not what ``entry`` (see :func:`file_entry`) says.

    Raises:
        InputError: Missing, a folder, of another length, or changed.
    """
    if not path.is_file():
        raise InputError(f"model bundle {path.parent.name}: the file {path.name} is missing. {AGAIN}")
    size, expected = path.stat().st_size, entry["bytes"]
    if size != expected:
        raise InputError(
            f"model bundle {path.parent.name}: {path.name} has {size} bytes instead of {expected}; "
            f"it was cut short or changed. {AGAIN}"
        )
    if file_sha256(path) != entry["sha256"]:
        raise InputError(
            f"model bundle {path.parent.name}: {path.name} was changed after it was written "
            f"(its SHA-256 checksum differs). {AGAIN}"
        )
