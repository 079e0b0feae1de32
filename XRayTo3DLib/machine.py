"""The computer that is computed on: cores, memory, disk, graphics card. Standard library; PyTorch only where asked."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

GB = 1e9


def memory_bytes() -> tuple[int | None, int | None]:
    """Main memory, whole and free for programs, in bytes; None where the system does not say."""
    if sys.platform.startswith("linux"):
        return _linux_memory(Path("/proc/meminfo").read_text(encoding="ascii", errors="replace"))
    if sys.platform == "darwin":
        return _mac_memory()
    return _windows_memory() if os.name == "nt" else (None, None)


def _linux_memory(meminfo: str) -> tuple[int | None, int | None]:
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    sizes = [lines.get(name, "").split() for name in ("MemTotal", "MemAvailable")]
    whole, free = (int(size[0]) * 1024 if size else None for size in sizes)
    return whole, free


def _mac_memory() -> tuple[int | None, int | None]:
    asked = subprocess.run(["sysctl", "-n", "hw.memsize"], capture_output=True, text=True, check=False)
    whole = asked.stdout.strip()
    return (int(whole) if whole.isdigit() else None), None


def _windows_memory() -> tuple[int | None, int | None]:
    class Status(ctypes.Structure):
        _fields_ = [  # noqa: RUF012  ctypes wants it so
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "page_free", "virt", "virt_free", "ext")
            ),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
        return None, None
    return int(status.total), int(status.free)


def disk_free_bytes(folder: Path | str) -> int | None:
    """Free space where ``folder`` is, or will be made, in bytes; None where the system does not say."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return usage.free if usage.total else None  # a network drive that does not say has no size at all


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine(folder: Path | str = ".") -> dict[str, Any]:
    """Python, system, cores, memory and disk as plain values; sizes in bytes, None where unknown."""
    whole, free = memory_bytes()
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": usable_cores(),
        "memory_bytes": whole,
        "memory_free_bytes": free,
        "disk_free_bytes": disk_free_bytes(folder),
    }


def describe_device() -> dict[str, Any]:
    """What PyTorch computes on: imports it, so ask for this in a process of its own.

    Returns:
        ``kind`` ("cuda", "mps", "cpu", or "" where PyTorch cannot be loaded), ``name``, ``memory_bytes`` and
        ``memory_free_bytes`` of a graphics card (else None), ``threads``, ``problem`` (a sentence, or "").
    """
    nothing: dict[str, Any] = {"kind": "", "name": "", "memory_bytes": None, "memory_free_bytes": None, "threads": None}
    try:
        import torch
    except ModuleNotFoundError as error:
        text = "PyTorch is missing." if error.name == "torch" else f"PyTorch cannot be loaded: {error}."
        return {**nothing, "problem": text}
    except (ImportError, OSError) as error:
        return {**nothing, "problem": f"PyTorch is installed but cannot be loaded: {error}."}
    found = {**nothing, "kind": "cpu", "name": "processor", "threads": torch.get_num_threads(), "problem": ""}
    if torch.cuda.is_available():
        free, whole = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return {**found, "kind": "cuda", "name": name, "memory_bytes": whole, "memory_free_bytes": free}
    if torch.backends.mps.is_available():
        return {**found, "kind": "mps", "name": "Apple graphics"}
    return found


def gigabytes(size: int | None) -> str:
    """``12.3 GB`` (decimal), "?" where unknown."""
    return "?" if size is None else f"{size / GB:.0f} GB" if size >= 10 * GB else f"{size / GB:.1f} GB"
