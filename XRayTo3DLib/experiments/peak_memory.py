"""How much memory this process has held at most."""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float | None:
    """Most memory that this process held at once so far (resident set), MB of 10^6 bytes; ``None`` if unknown.

    Linux: VmHWM. ``getrusage`` would not do: a process that is started inherits the maximum of the one that starts it.
    """
    if STATUS.exists():
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return None
