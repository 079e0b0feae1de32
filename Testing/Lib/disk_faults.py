"""A disk that is full at a moment of one's choice, without a disk: for tests of what is left then.

``full_at`` fails the n-th file, folder or rename below a folder that Python makes (audit hook: nothing is replaced by a
stand-in, and C code of the standard library is caught, too). ``no_file_above`` has the system refuse what would make a
file longer than n bytes, also in VTK, ITK and safetensors.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from XRayTo3DLib.explain import explained
from XRayTo3DLib.files.disk import CannotWrite

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
EVENTS = {"open": 0, "os.mkdir": 0, "os.rename": 1, "os.link": 1}
"""Events of ``sys.audit`` that need room, and which of their arguments says where."""


@dataclass
class Fault:
    """What is to fail: the ``number``-th event below ``folder``; ``after`` it all do, as on a disk that stays full."""

    folder: str
    number: int
    code: int = errno.ENOSPC
    lasting: bool = False
    seen: int = 0
    fired: bool = False
    log: list[str] = field(default_factory=list)


_ACTIVE: list[Fault] = []
_INSTALLED: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _ACTIVE or event not in EVENTS:
        return
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
        return
    place = arguments[EVENTS[event]]
    if not isinstance(place, str | bytes) and not hasattr(place, "__fspath__"):
        return
    fault, path = _ACTIVE[0], str(Path(os.fsdecode(place)).absolute())
    if not path.startswith(fault.folder):
        return
    fault.seen += 1
    fault.log.append(f"{event} {path}")
    if fault.seen == fault.number or (fault.lasting and fault.seen > fault.number and event != "os.rename"):
        fault.fired = True
        raise OSError(fault.code, os.strerror(fault.code), path)


@contextlib.contextmanager
def full_at(number: int, folder: Path, *, code: int = errno.ENOSPC, lasting: bool = False) -> Iterator[Fault]:
    """Within the block the ``number``-th thing (from 1) that is made below ``folder`` fails.

    Args:
        number: Which.
        folder: Where.
        code: With which errno.
        lasting: Everything after it fails, too, but for renames, which need no room.
    """
    if not _INSTALLED:  # it cannot be taken out again
        sys.addaudithook(_hook)
        _INSTALLED.append(True)
    fault = Fault(str(folder.absolute()), number, code, lasting)
    _ACTIVE[:] = [fault]
    try:
        yield fault
    finally:
        _ACTIVE.clear()


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Within the block the system refuses every write behind byte ``size`` of a file (POSIX)."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> dict[str, str]:
    """Checksum of every file below ``folder`` by its name in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True)
class Outcome:
    """What became of an operation on a full disk: which step failed, and the sentence a person was told."""

    step: int
    sentence: str
    left: dict[str, str]


def every_failure(
    operation: Callable[[Path], object], start: Path, work: Path, *, most: int = 400, lasting: bool = False
) -> tuple[list[Outcome], dict[str, str], dict[str, str]]:
    """Run an operation on copies of a folder, with its first, second, ... step failing, until nothing fails any more.

    Args:
        operation: Called with the copy.
        start: The folder as it was before.
        work: Where the copies are made.
        most: More steps than that are a fault of the test.
        lasting: The disk stays full.

    Returns:
        One outcome per step that failed, what was there before, and what is there after the undisturbed operation.
    """
    old, outcomes = contents(start), []
    for step in range(1, most):
        copy = work / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(start, copy)
        with full_at(step, copy, lasting=lasting) as fault:
            try:
                operation(copy)
                sentence = ""
            except Exception as error:
                sentence = told(error)
        if not fault.fired:
            assert sentence == "", sentence
            return outcomes, old, contents(copy)
        outcomes.append(Outcome(step, sentence, contents(copy)))
    raise AssertionError(f"more than {most} steps")


def told(error: Exception) -> str:
    """What a person reads of an error; fails if that is not one sentence about the disk."""
    sentence = explained(error)
    assert sentence, f"told as a bug: {type(error).__name__}: {error}"
    assert "\n" not in sentence and "Traceback" not in sentence
    assert isinstance(error, CannotWrite) or "full" in sentence or "takes no more" in sentence, sentence
    return sentence


def assert_whole(outcome: Outcome, old: dict[str, str], new: dict[str, str], allowed: Callable[[str], bool]) -> None:
    """Every file that is left is the old or the new one, and nothing unfinished is."""
    for name, digest in outcome.left.items():
        if not allowed(name):
            assert digest in (old.get(name), new.get(name)), f"step {outcome.step}: {name} is neither old nor new"
