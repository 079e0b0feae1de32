"""Forked children that are killed with SIGKILL just before one of their file operations."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

OPERATIONS = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link"})
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def child_of(work: Callable[[], None]) -> int:
    """Process id of a forked child that does ``work`` and ends with 0, or 1 after an exception."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait_for(child: int) -> int:
    """How ``child`` ended: 0, 1 after an exception, -9 where it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(work: Callable[[], None]) -> int:
    """Do ``work`` in a forked child; how it ended."""
    return wait_for(child_of(work))


def killed_before(operation: int, work: Callable[[], None]) -> None:
    """Do ``work`` until its ``operation``-th operation (from 0) that changes files; the process is killed there."""
    left = operation

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and not (event == "open" and not int(arguments[2]) & TO_WRITE):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    work()
