"""Which process works on a job, and whether it still lives; without a third-party package, on every system."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.processes import is_alive, machine_digest, process_state

MARK_FORMAT = "xrayto3d.worker/1"
CHILDREN: list[subprocess.Popen[bytes]] = []
"""Workers that this process started; kept until they end: a child nobody asks after would stay in the process list."""


@dataclass(frozen=True)
class ProcessMark:
    """One process on one machine.

    Attributes:
        pid: Its number.
        started: When the system says it started (clock ticks since boot), empty where the system does not say; a later
            process that was given the same number has another.
        host: A digest of the machine and its boot: compared, never shown, and no person's computer's name in a file.
    """

    pid: int
    started: str
    host: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """The mark of a process of this machine that runs now."""
        return cls(pid, process_state(pid)[1], machine_digest())

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
        if self.host != machine_digest():
            return None
        alive = is_alive(self.pid, self.started)
        if alive is None:  # its parent is told by every system
            alive = next((child.poll() is None for child in CHILDREN if child.pid == self.pid), None)
        return alive
