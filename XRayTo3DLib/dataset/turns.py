"""Who changes a data set takes turns: commands, panels and machines at work on one lose nothing of each other's.

Reading needs no turn: every file is whole at any time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from XRayTo3DLib.files.locks import LOOK_S, Holder, Lock, only_one

MOMENT_S = 30.0
"""A list of cases or a view is written in less."""
CASE_S = 900.0
"""So is a synthetic case made."""
_MINE = threading.local()


def changing_list(folder: Path) -> AbstractContextManager[None]:
    """Within the block nobody else changes ``dataset.json``; raises InputError if somebody holds it for long."""
    text = f"dataset {folder.name}: another process is changing its list of cases; try again when it has ended."
    return only_one(folder / ".dataset.lock", text, MOMENT_S)


@contextlib.contextmanager
def changing_view(folder: Path) -> Iterator[None]:
    """Within the block nobody else writes a view's registration or review; blocks may be within each other.

    Args:
        folder: The view's.

    Raises:
        InputError: Somebody else writes it for long.
    """
    mine: set[Path] = _MINE.__dict__.setdefault("views", set())
    if folder in mine:
        yield
        return
    text = f"view {folder.name} of case {folder.parent.parent.name}: another process is writing it; try again."
    with only_one(folder / ".view.lock", text, MOMENT_S):
        mine.add(folder)
        try:
            yield
        finally:
            mine.discard(folder)


def wait_for_view(folder: Path) -> None:
    """Until nobody writes a view any more, half a minute at most; nothing is written."""
    if folder in _MINE.__dict__.get("views", ()):
        return
    lock, ends = Lock(folder / ".view.lock"), time.monotonic() + MOMENT_S
    while lock.holder() is Holder.SOMEBODY and time.monotonic() < ends:
        time.sleep(LOOK_S)


def making_case(folder: Path) -> AbstractContextManager[None]:
    """Within the block nobody else makes this case; whoever comes second waits, and finds it made."""
    text = f"case {folder.name}: another process has been making it for long; see whether that one still works."
    return only_one(folder.parent / f".{folder.name}.lock", text, CASE_S)


def registering(folder: Path, report: str) -> AbstractContextManager[None]:
    """Within the block nobody else registers the same cases; ``report`` is the name of what is written about it."""
    text = (
        f"register: another process registers these cases of {folder.name}; wait for its end or cancel it, or let both "
        f"have shards of their own (--shard 1/2, --shard 2/2)."
    )
    return only_one(folder / f".{report}.lock", text, 1.0)
