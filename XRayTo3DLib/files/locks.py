"""One process at a time: locks of the system, which lets go of them itself when their holder ends or is killed.

A lock is an empty file that its holder removes at the end; one that a killed process left locks nothing. Where a file
system knows no locks, a lock is always free: whoever needs more there has to look at signs of life.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import weakref
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import writing_into

LOOK_S = 0.02
"""Seconds between two tries to take a lock that somebody holds."""
UNKNOWN = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
"""How a file system says that it knows no locks."""
GONE = frozenset({errno.ENOENT, getattr(errno, "ESTALE", errno.ENOENT)})
OWN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A lock is neither made nor held where a link leads, and a pipe that stands in its place is not waited for."""
_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


class Holder(Enum):
    """Who holds a lock: ``UNKNOWN`` where its file is not there, or the file system knows no locks."""

    SOMEBODY = "somebody"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class Lock:
    """One lock, for whoever must say himself when he takes it and lets go; mostly :func:`only_one` does.

    Args:
        path: The lock's file; its folder must be there while it is held.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._handle: int | None = None

    @property
    def taken(self) -> bool:
        """Whether it was taken with this very object, and not freed since."""
        return self._handle is not None

    def take(self, wait_s: float = 0.0) -> bool:
        """Take it; False if somebody, of this process or another one, still holds it after ``wait_s`` seconds.

        Raises:
            OSError: The lock's file cannot be made.
        """
        until = time.monotonic() + wait_s
        while not self._take_now():
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_S)
        return True

    def free(self) -> None:
        """Let go of it and remove its file; nothing happens if it is not held."""
        handle, self._handle = self._handle, None
        _HELD.discard(self)
        if handle is None:
            return
        if os.name == "nt":  # an open file cannot be removed there, and one that somebody else has opened is not
            os.close(handle)
            with contextlib.suppress(OSError):
                self.path.unlink()
            return
        with contextlib.suppress(OSError):  # its folder may have been removed
            self.path.unlink()
        os.close(handle)

    def holder(self) -> Holder:
        """Whether anybody holds it now; nothing is written."""
        try:
            handle = os.open(self.path, (os.O_RDONLY if os.name != "nt" else os.O_RDWR) | OWN)
        except OSError:
            return Holder.UNKNOWN
        try:
            return {None: Holder.UNKNOWN, True: Holder.NOBODY, False: Holder.SOMEBODY}[_locked(handle, shared=True)]
        finally:
            os.close(handle)

    def _take_now(self) -> bool:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | OWN, 0o666)
        except OSError as error:
            if error.errno in GONE and self.path.parent.is_dir():  # removed by its holder at this moment
                return False
            raise
        try:
            taken = _locked(handle) is not False and _is_there(handle, self.path)
        except BaseException:
            os.close(handle)
            raise
        if not taken:
            os.close(handle)
            return False
        self._handle = handle
        _HELD.add(self)
        return True


@contextlib.contextmanager
def only_one(path: Path | str, refusal: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock ``path`` within the block; its folder is made, and removed again if it stayed empty.

    Args:
        path: The lock's file.
        refusal: What to say if somebody else holds it: one sentence.
        wait_s: Seconds to wait for it.

    Raises:
        InputError: Somebody else holds it.
        CannotWrite: The lock's file cannot be made.
    """
    lock = Lock(path)
    made = [folder for folder in (lock.path.parent, *lock.path.parent.parents) if not folder.exists()]
    try:
        with writing_into(lock.path.parent):
            lock.path.parent.mkdir(parents=True, exist_ok=True)
            taken = lock.take(wait_s)
        if not taken:
            raise InputError(refusal)
        try:
            yield
        finally:
            lock.free()
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # something was written into it
                folder.rmdir()


def _is_there(handle: int, path: Path) -> bool:
    """Whether the file that was opened still is the one of that name: its holder before may have just removed it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError as error:
        if error.errno in GONE:
            return False
        raise


if os.name == "nt":
    import msvcrt

    def _locked(handle: int, shared: bool = False) -> bool | None:
        """Whether this handle has the lock now; None where the file system knows no locks."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            return None if error.errno in UNKNOWN else False
        return True

else:
    import fcntl

    def _locked(handle: int, shared: bool = False) -> bool | None:
        """Whether this handle has the lock now; None where the file system knows no locks."""
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in UNKNOWN else False
        return True

    def _let_go_in_child() -> None:
        """A forked process has its parent's handles: its parent's death would not free the locks."""
        for lock in list(_HELD):
            handle, lock._handle = lock._handle, None
            if handle is not None:
                os.close(handle)
        _HELD.clear()

    os.register_at_fork(after_in_child=_let_go_in_child)
