"""Room and rights to write, asked for before work begins, and what to say when writing fails all the same."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from XRayTo3DLib.errors import InputError, XRayTo3DError
from XRayTo3DLib.machine import disk_free_bytes

FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
LARGE = frozenset({errno.EFBIG})
FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
LOST = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, getattr(errno, "ESTALE", errno.EIO), errno.ENOTCONN})
FULL_WORDS = ("no space left", "quota exceeded", "disk full", "not enough space")
"""How libraries that have no errno tell that a disk is full."""
LARGE_WORDS = ("file too large",)
WRITE_WORDS = ("writ", "save", "creat", "i/o error", "input/output error", "ioerror")
"""Words of errors of SimpleITK, VTK, safetensors and libpng that are about writing."""
KEPT_BYTES = 5_000_000
"""So much is left free beside what is asked for: progress, logs, the system's own."""
HARDLY_BYTES = 1_000_000
"""A disk with less room than this is full, whatever a library says of a failed write."""


class CannotWrite(InputError, OSError):
    """A file or folder could not be written: the disk is full, forbidden, or gone. What was there before is as it was.

    It is an ``OSError``, too: work on many cases stops at it, for it meets every case.
    """

    def __new__(cls, message: object = "") -> CannotWrite:
        """ValueError's own is not for an OSError."""
        return OSError.__new__(cls, message)

    def __str__(self) -> str:
        return str(self.args[0])


class HalfInPlace(CannotWrite):
    """Files that belong together are neither all old nor all new; what is missing is put there by who comes next."""


def require_room(folder: Path | str, needed_bytes: float = 0, what: str = "output") -> None:
    """Refuse a folder that cannot be written to or has too little room, before work begins; nothing is left there.

    Args:
        folder: Where to write; it, and folders above it, may be missing.
        needed_bytes: About how much will be written.
        what: What is to be written, for the message ("training").

    Raises:
        CannotWrite: Names the folder, how much room there is and about how much is needed.
    """
    folder = Path(folder).absolute()
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not place.is_dir():
        raise InputError(f"{what}: {place} is a file; choose another folder.")
    free = disk_free_bytes(place)
    if free is not None and free < needed_bytes + KEPT_BYTES:
        needed = size_text(needed_bytes + KEPT_BYTES)
        raise CannotWrite(
            f"{what}: the disk of {folder} has {size_text(free)} free, about {needed} are needed. "
            f"Free some space, or choose a folder on another disk."
        )
    try:
        with tempfile.TemporaryFile(dir=place):  # without a name, where the system can: nothing stays after a kill
            pass
    except OSError as error:
        raise CannotWrite(f"{what}: {sentence(error, folder)}") from error


def size_text(size: float) -> str:
    """``12.3 GB``, ``350 MB``, ``12 kB`` (decimal); never less than 1 kB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size / unit:.0f} {name}"
    return f"{max(size / 1e3, 1 if size else 0):.0f} kB"


@contextlib.contextmanager
def writing_into(folder: Path | str) -> Iterator[None]:
    """Turn a write into ``folder`` that fails within the block into a :class:`CannotWrite`; other errors go on."""
    folder = Path(folder)
    try:
        yield
    except Exception as error:
        if isinstance(error, XRayTo3DError) or not _is_of_writing(error, folder):
            raise
        raise CannotWrite(sentence(error, folder)) from error


def _is_of_writing(error: Exception, folder: Path) -> bool:
    """Whether an error, of Python or of a library without errno, was met when writing into ``folder``."""
    text = str(error).lower()
    if isinstance(error, OSError) and error.errno is not None:
        named = _named(error)
        if named is not None and folder.absolute() not in (named.absolute(), *named.absolute().parents):
            return error.errno in FULL | LARGE  # what is copied from elsewhere may not be readable
        return error.errno in FULL | LARGE | FORBIDDEN | LOST
    if any(words in text for words in (*FULL_WORDS, *LARGE_WORDS)):
        return True
    foreign = isinstance(error, OSError | RuntimeError) or type(error).__name__ == "SafetensorError"
    return foreign and any(words in text for words in WRITE_WORDS)


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full, whoever wrote to it."""
    if isinstance(error, CannotWrite):
        return True
    number = getattr(error, "errno", None)
    return number in FULL | LARGE | {errno.EROFS} or any(words in str(error).lower() for words in FULL_WORDS)


def _named(error: BaseException) -> Path | None:
    """The file that an error tells of; the second where there are two, for that is written."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    return Path(os.fsdecode(named)) if isinstance(named, str | bytes) or hasattr(named, "__fspath__") else None


def sentence(error: BaseException, folder: Path | str | None = None) -> str:
    """What to say of a write that failed: where, why, and what to do.

    Args:
        error: Of the write.
        folder: Where; by default the folder of the file that the error names.
    """
    if isinstance(error, CannotWrite):
        return str(error)
    named = _named(error)
    place = Path(folder) if folder is not None else named.parent if named is not None else None
    where = "the folder" if place is None else str(place)
    number, text = getattr(error, "errno", None), str(error).lower()
    free = disk_free_bytes(place) if place is not None else None
    full = number in FULL or any(words in text for words in FULL_WORDS)
    if number in LARGE or any(words in text for words in LARGE_WORDS):
        return f"{where}: a file would be larger than its disk or this account allows. Choose a folder on another disk."
    if full or (number is None and free is not None and free < HARDLY_BYTES):
        return (
            f"the disk of {where} {_fullness(free)}, or choose a folder on another disk; what was whole there still is."
        )
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if number in FORBIDDEN:
        return f"{where} cannot be written to ({why}). Choose another folder, or see to the right to write there."
    return f"{where}: writing failed ({why}). Is its drive still there? Try again, or choose another folder."


def _fullness(free: int | None) -> str:
    if free is not None and free > KEPT_BYTES:
        return f"takes no more, though {size_text(free)} are free (a quota, or too many files?). Remove files"
    return "is full" + ("" if free is None else f" ({size_text(free)} free)") + ". Free some space"
