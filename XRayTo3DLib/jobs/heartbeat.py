"""A worker's sign of life: the time stamp of a file, renewed while the process lives.

Clocks are not trusted: they are set, jump, and differ between computers and file servers. That a stamp changes is a
sign of life, whatever time it tells, and how long it has not is measured with the watcher's own clock that never jumps.
Only the first look has to compare times.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path

BEAT_S = 2.0
STALE_S = 30.0
"""Seconds of silence after which a process that cannot be asked for counts as dead."""
WATCHED_S = 3 * BEAT_S + 1.0
"""So long somebody who must be sure looks for a beat."""
LOOK_S = 0.1


class Heartbeat:
    """Renews ``path``'s time stamp every two seconds, from a thread that ends with the process."""

    def __init__(self, path: Path, every_s: float = BEAT_S) -> None:
        self._path, self._every = path, every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No beat after this."""
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(self._every):
            with contextlib.suppress(OSError):  # a network drive's hiccup: the next beat comes
                os.utime(self._path)


class SignsOfLife:
    """The same seen from a watcher: how long ago the stamp last changed. Keep it: what it has seen counts.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: int | None = None
        self._seen_at = self._age_then = 0.0

    def silent_s(self) -> float:
        """Seconds since the last change; never negative.

        Raises:
            FileNotFoundError: There is no such file.
        """
        stamp, now = self._path.stat().st_mtime_ns, time.monotonic()
        if stamp != self._stamp:
            self._age_then = self._age(stamp) if self._stamp is None else 0.0
            self._stamp, self._seen_at = stamp, now
        return self._age_then + now - self._seen_at

    def beats(self, for_s: float = WATCHED_S) -> bool:
        """Wait until the stamp changes; False if it does not for ``for_s`` seconds, or is gone."""
        ends = time.monotonic() + for_s
        try:
            before = self._path.stat().st_mtime_ns
            while time.monotonic() < ends:
                time.sleep(LOOK_S)
                if self._path.stat().st_mtime_ns != before:
                    return True
        except FileNotFoundError:
            pass
        return False

    def _age(self, stamp: int) -> float:
        """As the clocks tell, s: this computer's if that makes sense, else that of the folder, a file server's perhaps.

        A stamp of the future tells nothing: it counts as one of now, and whoever goes on looking will see.
        """
        age = time.time() - stamp / 1e9
        if not 0.0 <= age < STALE_S:
            age = _time_in(self._path.parent) - stamp / 1e9
        return max(0.0, age)


def _time_in(folder: Path) -> float:
    """What time it is as the folder's time stamps have it; this computer's where nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
