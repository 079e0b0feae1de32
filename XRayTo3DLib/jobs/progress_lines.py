"""JSON lines that one process appends and others read meanwhile; a line cut by a kill harms no other."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

LAST_BYTES = 65_536
"""Where the newest record is looked for: this far from the file's end."""


def append_line(path: Path, text: str) -> None:
    """Append ``text`` and a line end in one write; where the disk has no room for all of it, none of it stays.

    Raises:
        OSError: No room.
    """
    line = text.encode("utf-8") + b"\n"
    with path.open("ab", buffering=0) as stream:
        written = stream.write(line) or 0
        if written < len(line):
            stream.truncate(stream.seek(0, os.SEEK_END) - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def end_last_line(path: Path) -> None:
    """End a line that a killed process left half written, so that the next one is read."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as stream:
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":
                stream.write(b"\n")


def lines_since(path: Path, since: int) -> tuple[list[dict[str, Any]], int]:
    """Whole records after byte ``since``, and the byte to go on from; from the start if the file became shorter."""
    if not path.exists():
        return [], 0
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        since = since if 0 <= since <= size else 0
        stream.seek(since)
        whole, end, _ = stream.read().rpartition(b"\n")
    return _records(whole), since + len(whole) + len(end)


def last_line(path: Path) -> dict[str, Any] | None:
    """The newest whole record."""
    if not path.exists():
        return None
    records, _ = lines_since(path, max(0, path.stat().st_size - LAST_BYTES))
    return records[-1] if records else None


def _records(content: bytes) -> list[dict[str, Any]]:
    found = []
    for line in content.split(b"\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # empty, cut by a kill, zeros after a power cut, or made to harm
            continue
        if isinstance(record, dict):
            found.append(record)
    return found
