"""Sharing the parts of a picture among threads: the compiled code leaves Python's lock alone while it works."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_pools: dict[int, ThreadPoolExecutor] = {}


def share(threads: int, count: int, size: int, work: Callable[[int, int], None]) -> None:
    """Run ``work(first, last)`` over range(count), ``size`` at a time, by the calling thread and its helpers.

    Whoever is free takes the next part. Parts must not depend on each other.
    """
    if threads < 2 or count <= size:
        work(0, count)
        return
    starts = itertools.count(0, size)  # next() on it is one step that no other thread interrupts

    def take() -> None:
        while (first := next(starts)) < count:
            work(first, min(first + size, count))

    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1, "shear-warp")
    helpers = [_pools[threads].submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        for helper in helpers:
            helper.result()


# Threads do not survive a fork (workers of a data loader): a child begins with pools of its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)
