"""Which process works on a job, and whether it still lives; without a third-party package, on every system."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json

MARK_FORMAT = "xrayto3d.worker/1"
WINDOWS = os.name == "nt"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessMark:
    """One process on one machine.

    Attributes:
        pid: Its number.
        started: When the system says it started (clock ticks since boot), empty where the system does not say; a later
            process that was given the same number has another.
        host: A digest of machine name and boot: compared, never shown, and no person's computer's name in a file.
    """

    pid: int
    started: str
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """The mark of a process of this machine that runs now."""
        return cls(pid, _stat(pid)[1], _host())

    @classmethod
    def load(cls, path: Path) -> ProcessMark:
        """Read it; see :meth:`save`.

        Raises:
            InputError: Not such a file.
        """
        content = read_json(path, "job's worker", MARK_FORMAT)
        pid, started, host = (content.get(name) for name in ("pid", "started", "host"))
        if not (isinstance(pid, int) and isinstance(started, str) and isinstance(host, str)):
            raise InputError(f"job's worker: {path} is broken; delete it and start the job again.")
        return cls(pid, started, host)

    def save(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        content: dict[str, Any] = {"format": MARK_FORMAT, **asdict(self)}
        write_json(path, content)

    def alive(self) -> bool | None:
        """Whether the process lives; None where that cannot be known from here (other machine, other system)."""
        if self.host != _host():
            return None
        if self.started:
            state, started = _stat(self.pid)
            return started == self.started and state not in ("Z", "X")
        return _alive_by_signal(self.pid)


def _stat(pid: int) -> tuple[str, str]:
    """State letter and start time from Linux's /proc; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the program's name, in brackets before, may hold anything
    return fields[0], fields[19]


def _alive_by_signal(pid: int) -> bool | None:
    """False if there surely is no such process. On Windows signal 0 would interrupt it: never sent there."""
    if WINDOWS:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return None
    return None  # a process has that number, perhaps a later one


def _host() -> str:
    boot = BOOT_ID.read_text(encoding="ascii") if BOOT_ID.is_file() else ""
    return hashlib.sha256(f"{platform.node()}|{boot}".encode()).hexdigest()[:16]
