"""What is being written has another name until it is whole; what a killed process left of that is found and removed.

The name tells the process, so that nobody takes away what another one, of this or another computer, still writes. A
folder that takes another one's place needs two renames, and files that belong together one each: where a process was
killed between them, what is new, which was whole before the first, is put in its place by whoever comes next.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from XRayTo3DLib.files.disk import writing_into
from XRayTo3DLib.processes import is_gone, own_mark

LOG = logging.getLogger(__name__)
UNFINISHED = ".writing-"
"""How names begin of what is being written; a process that was killed leaves some behind."""
OLD_S = 86_400.0
"""Seconds without a change after which something unfinished is nobody's, where its process cannot be asked for."""
REPLACED = ".replaced"
"""Beside a new folder: the one whose place it takes."""
READY, GONE = "ready", ".gone"
"""Files that take their places together, all of them whole; and in it the names of those that go when they come."""
_TIDIED: set[tuple[int, str]] = set()
"""Folders that this process has looked through."""


def unfinished_folder(parent: Path) -> Path:
    """A new empty folder in ``parent`` (made if missing) for what gets its own name only when it is whole.

    Once a process and folder, what others left in ``parent`` when they were killed is removed first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    key = (os.getpid(), str(parent.absolute()))
    if key not in _TIDIED:
        _TIDIED.add(key)
        remove_abandoned(parent)
    return Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{own_mark()}-", dir=parent))


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``folder`` that takes its place, with all that is in it, if the block succeeds.

    Args:
        folder: New, or one whose files all go. Found there is the old one or the new one; a process that is killed just
            between the two renames leaves none, and :func:`finish_replacing` puts the new one there.

    Raises:
        CannotWrite: The disk is full, or the folder may not be written to; ``folder`` is as it was.
    """
    folder = folder.absolute()
    remove_abandoned(folder.parent)
    with writing_into(folder.parent):
        scratch = unfinished_folder(folder.parent)
        new, old = scratch / folder.name, scratch / REPLACED
        new.mkdir()
        try:
            yield new
            for path in (*new.rglob("*"), new):
                to_disk(path)
            if folder.exists():
                folder.replace(old)
            try:
                new.replace(folder)
            except OSError:
                if old.exists():
                    old.replace(folder)
                raise
        finally:
            if folder.exists() or not old.exists():  # else all there is of it is here: put in place later
                shutil.rmtree(scratch, ignore_errors=True)


def finish_replacing(folder: Path) -> None:
    """As :func:`remove_abandoned`, for whoever only wants to read; where ``folder`` may not be written to, nothing."""
    if os.access(folder, os.W_OK):
        remove_abandoned(folder)


def remove_abandoned(folder: Path, *, below: bool = False) -> None:
    """Remove what processes that have ended left unfinished in ``folder``; what a living one writes is left alone.

    What had begun to take another folder's place, or other files', does so first; the log tells.

    Args:
        folder: May be missing.
        below: In all folders below it, too.
    """
    for path in list(abandoned(folder, below=below)):
        _put_in_place(path)
        shutil.rmtree(path, ignore_errors=True)  # another process may be at it, too


def abandoned(folder: Path, *, below: bool = False) -> Iterator[Path]:
    """Folders of :func:`unfinished_folder` in ``folder`` that nobody works on any more."""
    for path in (folder.rglob if below else folder.glob)(f"{UNFINISHED}*"):
        gone = is_gone(path.name.removeprefix(UNFINISHED).rpartition("-")[0])
        if gone or (gone is None and _is_old(path)):
            yield path


def remove_unfinished(folder: Path) -> None:
    """Remove all that is unfinished in ``folder``, whosever; only where nobody else may be writing."""
    for path in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(path)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it so that nobody ever finds half of it under its name."""
    beside = unfinished_folder(folder.absolute().parent)
    folder.replace(beside / "removed")
    shutil.rmtree(beside)


def to_disk(path: Path) -> None:
    """Wait until ``path``, a file or (not on Windows) a folder's entries, is on the disk itself."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(scratch: Path) -> None:
    """The end of :func:`whole_folder` and of ``files.written_together``, where the process was killed before it."""
    with contextlib.suppress(FileNotFoundError):  # another process does the same just now
        if (scratch / REPLACED).is_dir():
            folders = [scratch.parent / path.name for path in scratch.iterdir() if path.name != REPLACED]
            missing = [folder for folder in folders if not folder.exists()]
            for folder in missing:
                (scratch / folder.name).replace(folder)
        elif (scratch / READY).is_dir():
            for name in (scratch / READY / GONE).read_text(encoding="utf-8").splitlines():
                (scratch.parent / name).unlink(missing_ok=True)
            missing = [scratch.parent / path.name for path in (scratch / READY).iterdir() if path.name != GONE]
            for path in missing:
                (scratch / READY / path.name).replace(path)
        else:
            return
        if missing:
            names = ", ".join(path.name for path in missing)
            LOG.warning("%s: %s, being replaced when the writer was killed, is the new one now.", scratch.parent, names)
        shutil.rmtree(scratch, ignore_errors=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > OLD_S
    except FileNotFoundError:  # its writer has just finished
        return False
