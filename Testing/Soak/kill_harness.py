"""Kills work at random moments (SIGKILL to its whole process group), looks at what lies on disk, and starts it again.

A job is a command of ``xrayto3d`` that writes into one folder and goes on when it is given again. It runs once
undisturbed; then in new folders, killed and started again until it has ended, as often as it takes for all kills. There
are four kinds of moments:

* ``time``: drawn over the job's expected duration;
* ``writing``: as soon as something unfinished (``.writing-*``) is seen in the folder, and a little later;
* ``operation``: just before an operation that changes files, drawn among all of them (write, rename, make, remove);
* ``fresh``: as ``time``, in a process that was started from the command line; the others are forked from this one,
  which has the libraries imported and computes nothing, so that a start costs nothing.

After every kill each file under a final name is read by its own reader; at the end all files are compared with those
of the undisturbed run.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from XRayTo3DLib.files.unfinished import UNFINISHED

LIBRARY = Path(__file__).resolve().parents[2]
MOMENTS = ("operation", "writing", "time")
OPERATIONS = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link"})
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LOOK_S = 0.0005
LONGEST_S = 300.0
"""A run that takes longer hangs."""


@dataclass(frozen=True)
class Job:
    """Work that is killed.

    Attributes:
        name: What the table calls it.
        words: The arguments of ``xrayto3d`` for a folder to work in.
        prepare: Puts into that new folder what is there before the work.
        work: Instead of a command: what a forked child does.
        environment: Variables of the process.
        codes: Exit codes that are no fault at the end.
        faults: After a kill: what is wrong in the folder, one sentence each.
        differences: After the end: how the folder differs from that of an undisturbed run.
        share: Of all kills, compared with the other jobs.
        longest_link: A kill comes before this share of the whole duration has passed, so that several are needed.
    """

    name: str
    words: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None]
    faults: Callable[[Path], list[str]]
    differences: Callable[[Path, Path], list[str]]
    work: Callable[[Path], None] | None = None
    environment: Callable[[Path], Mapping[str, str]] = lambda folder: {}
    codes: tuple[int, ...] = (0,)
    share: float = 1.0
    longest_link: float = 0.6


@dataclass
class Tally:
    """What happened to one job.

    Attributes:
        kills: How many by kind of moment.
        ends: How many times it was let come to its end after kills.
        in_writing: After how many kills something unfinished lay in the folder.
        files: How many files were read after kills.
        seconds: Of the undisturbed run.
        faults: What went wrong, with the moment of the kill.
    """

    kills: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    in_writing: int = 0
    files: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def kill_job(job: Job, place: Path, kills: int, fresh: int, chance: random.Random) -> Tally:
    """Run ``job`` undisturbed, then kill it so often at moments of every kind.

    Args:
        job: The job.
        place: New folder for all its runs.
        kills: Kills of forked children.
        fresh: Kills of processes started from the command line.
        chance: Draws the moments.

    Raises:
        SystemExit: The undisturbed run fails, or a run hangs.
    """
    tally, whole = Tally(), new_folder(job, place / "whole")
    operations = count_operations(job, whole, tally)
    moments = [MOMENTS[number % len(MOMENTS)] for number in range(kills)] + ["fresh"] * fresh
    chance.shuffle(moments)
    while moments and not tally.faults:
        folder = new_folder(job, place / f"run-{tally.ends + 1}")
        code = None
        while code is None and moments and not tally.faults:
            code = _killed_once(job, folder, moments[-1], operations, chance, tally)
            if code is None:
                moments.pop()
        if not tally.faults:
            _compare(job, folder, whole, ended(forked(job, folder)) if code is None else code, tally)
        if not tally.faults:
            shutil.rmtree(folder)
    return tally


def new_folder(job: Job, folder: Path) -> Path:
    """A folder with what is there before the work."""
    folder.mkdir(parents=True)
    job.prepare(folder)
    return folder


def count_operations(job: Job, folder: Path, tally: Tally) -> int:
    """Run undisturbed; returns how many file operations that took in the process that was started."""
    counter = folder.parent / "operations"
    begun = time.monotonic()
    child = forked(job, folder, lambda: _count_into(counter, folder))
    if ended(child) != 0:
        raise SystemExit(f"{job.name}: the undisturbed run failed; see {log_of(folder)}")
    tally.seconds = time.monotonic() - begun
    return counter.stat().st_size


# ---- one process ---------------------------------------------------------------------------------------------------


def forked(job: Job, folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """Process id of a child, leader of its own group, that does the work and ends with its exit code."""

    def work() -> int:
        os.environ.update(job.environment(folder))
        before()
        if job.work is not None:
            job.work(folder)
            return 0
        from XRayTo3DLib.cli.main import main

        return main(list(job.words(folder)))

    return child_of(work, log_of(folder))


def done_in_child(work: Callable[[], object], log: Path) -> None:
    """Do something in a child of its own, for this process must not compute.

    Raises:
        SystemExit: It fails.
    """

    def quietly() -> int:
        work()
        return 0

    if ended(child_of(quietly, log)) != 0:
        raise SystemExit(f"what the work begins with could not be made; see {log}")


def child_of(work: Callable[[], int], log: Path) -> int:
    """Process id of a forked child, leader of its own group, that ends with the code that ``work`` gives."""
    child = os.fork()
    if child:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)  # both do: whoever comes first
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def started(job: Job, folder: Path) -> int:
    """The same as a person does: a new Python, the command line."""
    command = [sys.executable, "-m", "XRayTo3DLib.cli.main", *job.words(folder)]
    with log_of(folder).open("ab") as log:
        environment = {**os.environ, "PYTHONPATH": str(LIBRARY), **job.environment(folder)}
        process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0, cwd=LIBRARY, env=environment)
    process.returncode = 0  # waited for by number, as the forked ones
    return process.pid


def log_of(folder: Path) -> Path:
    """What the work printed."""
    return folder.with_name(f"{folder.name}.log")


def ended(child: int) -> int:
    """How ``child`` ended: its exit code, or -9 where it was killed.

    Raises:
        SystemExit: It hangs.
    """
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    raise SystemExit(f"process {child} has not ended after {LONGEST_S:g} s")


def kill_now(child: int) -> int:
    """Kill the process and its children; how it ended: -9, or its exit code if that came first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return ended(child)


# ---- moments -------------------------------------------------------------------------------------------------------


def _killed_once(
    job: Job, folder: Path, moment: str, operations: int, chance: random.Random, tally: Tally
) -> int | None:
    """Start the work and kill it at such a moment; its exit code if it had ended by then."""
    if moment == "operation":
        last = max(1, int(operations * job.longest_link))
        number = chance.randrange(1, last + 1)
        child = forked(job, folder, lambda: _kill_before(number, folder))
        code, when = ended(child), f"file operation {number} of {operations}"
    else:
        child = started(job, folder) if moment == "fresh" else forked(job, folder)
        begun = time.monotonic()
        _wait_for(moment, child, folder, tally.seconds * job.longest_link, chance)
        when = f"{moment}, {time.monotonic() - begun:.3f} s"
        code = kill_now(child)
    if code != -signal.SIGKILL:
        return code
    tally.kills[moment] += 1
    _look(job, folder, when, tally)
    return None


def _wait_for(moment: str, child: int, folder: Path, longest_s: float, chance: random.Random) -> None:
    """Until the moment has come, or the process has ended."""
    if moment == "fresh":
        longest_s += START_S
    until = time.monotonic() + chance.uniform(0.0, longest_s)
    if moment == "writing":
        while time.monotonic() < until and not gone(child):
            time.sleep(LOOK_S)
        while not unfinished(folder) and not gone(child):
            time.sleep(LOOK_S)
        time.sleep(chance.choice((0.0, 0.001, 0.004)))
        return
    while time.monotonic() < until and not gone(child):
        time.sleep(LOOK_S)


START_S = 2.5
"""What starting Python and importing takes."""


def gone(child: int) -> bool:
    """Whether a child has ended; it stays to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_before(number: int, folder: Path) -> None:
    """In a child: its group is killed just before its ``number``-th file operation in ``folder``."""
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if changes_files(event, arguments, folder):
            left -= 1
            if left == 0:
                os.killpg(os.getpgid(0), signal.SIGKILL)

    sys.addaudithook(hook)


def _count_into(counter: Path, folder: Path) -> None:
    """In a child: one byte in ``counter`` for every file operation in ``folder``."""
    handle = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if changes_files(event, arguments, folder):
            os.write(handle, b".")

    sys.addaudithook(hook)


def changes_files(event: str, arguments: tuple[object, ...], folder: Path) -> bool:
    """Whether an audit event is about a change in ``folder``."""
    if event not in OPERATIONS or (event == "open" and not int(str(arguments[2])) & TO_WRITE):
        return False
    inside = any(isinstance(each, str | os.PathLike) and str(each).startswith(str(folder)) for each in arguments)
    relative = event in ("os.remove", "os.rmdir") and arguments[-1] not in (-1, None)  # rmtree: relative to its folder
    return inside or relative


# ---- what is found -------------------------------------------------------------------------------------------------


def unfinished(folder: Path) -> list[Path]:
    """Everything below ``folder`` that has no final name."""
    return [Path(where) / name for where, names, _ in os.walk(folder) for name in names if name.startswith(UNFINISHED)]


def final_files(folder: Path) -> list[Path]:
    """Every file below ``folder`` under a final name, relative to it; an empty lock is none."""
    found = []
    for where, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith(UNFINISHED))
        found += [(Path(where) / name).relative_to(folder) for name in sorted(files) if not name.endswith(".lock")]
    return found


def _look(job: Job, folder: Path, when: str, tally: Tally) -> None:
    """What a kill has left behind."""
    tally.in_writing += bool(unfinished(folder))
    tally.files += len(final_files(folder))
    tally.faults += [f"killed ({when}): {fault}" for fault in job.faults(folder)]


def _compare(job: Job, folder: Path, whole: Path, code: int, tally: Tally) -> None:
    """The work has come to its end, which is the same as without any kill."""
    tally.ends += 1
    if code not in job.codes:
        said = log_of(folder).read_text(errors="replace").strip().splitlines()[-3:]
        tally.faults.append(f"it did not go on after the kills (exit code {code}): {' / '.join(said)}")
        return
    tally.faults += [f"left behind at the end: {path.relative_to(folder)}" for path in unfinished(folder)]
    tally.faults += job.faults(folder)
    tally.faults += job.differences(whole, folder)
