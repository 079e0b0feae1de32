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
GONE_BYTES = 1_000_000
"""No such list of names is longer."""
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
    for path in _unfinished_in(folder, below):
        if path.is_symlink():  # none of ours
            continue
        gone = is_gone(path.name.removeprefix(UNFINISHED).rpartition("-")[0])
        if gone or (gone is None and _is_old(path)):
            yield path


def remove_unfinished(folder: Path) -> None:
    """Remove all that is unfinished in ``folder``, whosever; only where nobody else may be writing."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if not path.is_symlink():
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
        if _holds_links(scratch):
            return
        if (scratch / REPLACED).is_dir():
            come = _folders_in_place(scratch)
        elif (scratch / READY).is_dir():
            come = _files_in_place(scratch)
        else:
            return
        if come:
            names = ", ".join(come)
            LOG.warning("%s: %s, being replaced when the writer was killed, is the new one now.", scratch.parent, names)


def _folders_in_place(scratch: Path) -> list[str]:
    names = [path.name for path in scratch.iterdir() if path.name != REPLACED]
    missing = [name for name in names if not (scratch.parent / name).exists()]
    for name in missing:
        (scratch / name).replace(scratch.parent / name)
    return missing


def _files_in_place(scratch: Path) -> list[str]:
    """The folder may be a stranger's, made to look like a killed writer's: a name that leads out of it is none."""
    ready = scratch / READY
    if (ready / GONE).stat().st_size > GONE_BYTES:
        return []
    going = (ready / GONE).read_text(encoding="utf-8", errors="replace").splitlines()
    if not all(_is_plain(name) for name in going):
        return []
    for name in going:
        (scratch.parent / name).unlink(missing_ok=True)
    names = [path.name for path in ready.iterdir() if path.name != GONE]
    for name in names:
        (ready / name).replace(scratch.parent / name)
    return names


def _is_plain(name: str) -> bool:
    """Whether ``name`` is one of something in the very folder, on every system."""
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\:\0")


def _holds_links(scratch: Path) -> bool:
    """No writer of ours makes links; a stranger's could bring files in from elsewhere, or lead writing out."""
    return any(path.is_symlink() for path in (*scratch.glob("*"), *(scratch / READY).glob("*")))


def _unfinished_in(folder: Path, below: bool) -> Iterator[Path]:
    """Not ``Path.rglob``: it raises where a folder that it has seen is gone when it comes to look into it."""
    for top, folders, _ in os.walk(folder):
        yield from (Path(top) / name for name in folders if name.startswith(UNFINISHED))
        folders[:] = [name for name in folders if below and not name.startswith(UNFINISHED)]


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > OLD_S
    except FileNotFoundError:  # its writer has just finished
        return False
