"""Which process something belongs to, and whether it still lives; without a third-party package, on every system."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import platform
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.context import SpawnContext

WINDOWS = os.name == "nt"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROCESSES = Path("/proc/self/ns/pid")


def own_mark() -> str:
    """This process in a few letters that may be part of a file's name: machine, number, start."""
    return _mark_of(os.getpid())


def is_gone(mark: str) -> bool | None:
    """Whether the process that :func:`own_mark` told of has ended; None where that cannot be known from here.

    Args:
        mark: From :func:`own_mark`, of this or another machine; any other text is not known either.
    """
    host, _, rest = mark.partition("-")
    number, _, started = rest.partition("-")
    if host != machine_digest()[: len(host)] or len(host) != _HOST_DIGITS:
        return None
    try:
        alive = is_alive(int(number, 16), str(int(started, 16)) if started else "")
    except ValueError:
        return None
    return None if alive is None else not alive


def is_alive(pid: int, started: str) -> bool | None:
    """Whether a process of this machine lives; None where the system cannot tell it from a later one.

    Args:
        pid: Its number.
        started: When it started, see :func:`process_state`; empty where the system did not say.
    """
    if started:
        state, since = process_state(pid)
        return since == started and state not in ("Z", "X")
    return _alive_by_signal(pid)


def process_state(pid: int) -> tuple[str, str]:
    """State letter and start time (clock ticks since boot) from Linux's /proc; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # the program's name, in brackets before, may hold anything
    return fields[0], fields[19]


def process_pool(workers: int) -> ProcessPoolExecutor:
    """So many processes, begun :func:`anew`, that end with this one."""
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(workers, anew(), end_with_parent)


def anew() -> SpawnContext:
    """How processes of ours begin, on every system.

    A forked one hangs where a thread (of ITK, OpenMP, a watched job) held a lock just then, and loses CUDA.
    """
    context = multiprocessing.get_context("spawn")
    real = real_python(Path(sys.executable or "python"))
    if str(real) != sys.executable:
        context.set_executable(str(real))
    return context


def real_python(program: Path) -> Path:
    """The interpreter that processes of ours are to run on.

    Slicer's PythonSlicer is a launcher: a process that ``multiprocessing`` starts with it dies, and its parent waits
    for ever (Slicer issue 7445). The interpreter lies beside it.
    """
    real = program.with_name(program.name.replace("PythonSlicer", "python-real"))
    return real if real.is_file() else program


def end_with_parent() -> None:
    """For a pool's processes, at their start: they end when whoever started them does, however that came.

    One that was killed cannot tell its pool to stop, which would wait for more work for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def machine_digest() -> str:
    """A digest of machine, boot and container: compared, never shown, and no person's computer's name in a file."""
    return _digest_in(os.getpid())


_HOST_DIGITS = 6


@cache
def _mark_of(pid: int) -> str:
    started = process_state(pid)[1]
    return f"{machine_digest()[:_HOST_DIGITS]}-{pid:x}-{f'{int(started):x}' if started else ''}"


@cache
def _digest_in(_pid: int) -> str:
    """A container has process numbers of its own, also where it shares its machine's name."""
    boot = BOOT_ID.read_text(encoding="ascii") if BOOT_ID.is_file() else ""
    try:
        container = str(PROCESSES.readlink())
    except OSError:  # no Linux
        container = ""
    return hashlib.sha256(f"{platform.node()}|{boot}|{container}".encode()).hexdigest()[:16]


def _alive_by_signal(pid: int) -> bool | None:
    """False if there surely is no such process. On Windows signal 0 would interrupt it: never sent there."""
    if WINDOWS:
        return None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return None
    return None  # a process has that number, perhaps a later one
