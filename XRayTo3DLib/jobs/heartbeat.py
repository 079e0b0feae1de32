"""A worker's sign of life: the time stamp of a file, renewed while the process lives."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

BEAT_S = 2.0
STALE_S = 30.0
"""Seconds of silence after which a process that cannot be asked for counts as dead."""


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
