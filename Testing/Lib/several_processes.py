"""Many processes that do the same thing at the same moment: for tests of who gets it."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CONTEXT = multiprocessing.get_context("fork") if os.name != "nt" else None
LONGEST_S = 60.0


def at_once(work: Callable[[int], Any], count: int) -> list[Any]:
    """Call ``work(number)`` in ``count`` processes, all let go at one moment; results in their order.

    What one of them raises is its result; a process that was killed has ``None``.
    """
    assert CONTEXT is not None
    ready, go = CONTEXT.Barrier(count), CONTEXT.SimpleQueue
    ends = [(go(), number) for number in range(count)]
    children = [CONTEXT.Process(target=_child, args=(work, number, ready, end)) for end, number in ends]
    for child in children:
        child.start()
    for child in children:
        child.join(LONGEST_S)
        assert child.exitcode is not None, "a process hangs"
    return [None if end.empty() else end.get() for end, _ in ends]


def _child(work: Callable[[int], Any], number: int, ready: Any, end: Any) -> None:
    ready.wait()
    try:
        end.put(work(number))
    except Exception as error:
        with suppress(Exception):
            end.put(error)
            return
        end.put(RuntimeError(traceback.format_exc()))
