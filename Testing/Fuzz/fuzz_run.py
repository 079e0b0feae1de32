"""Runs cases in forked children: memory limited, hangs killed, crashes named, loud libraries silenced."""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import pickle
import random
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz_case import FAULT, FINE, REFUSED, Case, Target, Verdict, judge
from mutators import mutated

LIMIT_BYTES = 4 << 30
LIMIT_S = 5.0
"""Of the processor's time; on the clock four times as much, as other work may run beside."""
BATCH = 500
MOST_KEPT = 400
SHARED = struct.Struct("<qdd")
"""Number of the case in work, when it began (monotonic clock), the child's processor time then."""


@dataclass
class Tally:
    """What came of a target's cases; ``faults``: (case number, case, verdict), ``slowest`` seconds, ``peak`` MB."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, Case, Verdict]] = field(default_factory=list)
    slowest: float = 0.0
    peak: float = 0.0
    places: set[str] = field(default_factory=set)


def scratch() -> tempfile.TemporaryDirectory:
    """A folder in memory where there is one."""
    return tempfile.TemporaryDirectory(prefix="xrayto3d-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def seeds_of(target: Target) -> list[Case]:
    """The seeds, made in a child: threads that a writer starts do not survive a fork."""

    def made(send: Callable[[Any], None], folder: Path) -> None:
        target.seeds(folder)
        send([Case.load(path) for path in sorted(folder.iterdir())])

    with scratch() as folder:
        child = _Child(lambda send, _: made(send, Path(folder)))
        found = list(child.messages())
    if not found or not found[0]:
        raise SystemExit(f"{target.name}: its seeds cannot be made: {child.ended}")
    return found[0]


def run_target(target: Target, seeds: list[Case], cases: int, seed: int) -> Tally:
    """Damage seeds ``cases`` times and read them. Cases that end in a new place become seeds, too."""
    tally, pool, start = Tally(), list(seeds), -len(seeds)  # first the seeds as they are: they must be fine
    with scratch() as folder:
        while start < cases:
            end = min(start + BATCH, cases)
            start = _batch(target, pool, len(seeds), range(start, end), seed, Path(folder), tally)
    return tally


def case_of(target: Target, pool: list[Case], seeds: int, number: int, seed: int) -> Case:
    """The case of a number; negative ones are seeds as they are. Of two cases, one grows from what was new before."""
    if number < 0:
        return pool[-number - 1]
    rng = random.Random(f"{seed}/{target.name}/{number}")
    grown = rng.choice(pool[:seeds] if rng.random() < 0.5 else pool)
    try:
        return mutated(grown, rng, target.mutators)
    except MemoryError:  # a large case grew a thousandfold
        return grown


def run_cases(read: Callable[[Path], object], cases: list[Case]) -> list[Verdict]:
    """The verdict on each of a few given cases, each by itself: for the fixed corpus and for replays."""
    tally = Tally()
    target = Target("", lambda folder: None, read)
    verdicts: dict[int, Verdict] = {}
    with scratch() as folder:
        start = -len(cases)
        while start < 0:
            start = _batch(target, cases, len(cases), range(start, 0), 0, Path(folder), tally, verdicts)
    return [verdicts[-1 - index] for index in range(len(cases))]


def _batch(
    target: Target,
    pool: list[Case],
    seeds: int,
    numbers: range,
    seed: int,
    folder: Path,
    tally: Tally,
    verdicts: dict[int, Verdict] | None = None,
) -> int:
    """Run cases in one child until it is done or must die; the number to go on with."""
    known, known_pool = set(tally.places), list(pool)

    def work(send: Callable[[Any], None], shared: mmap.mmap) -> None:
        before, previous = _resident_peak(), None
        for number in numbers:
            case = case_of(target, known_pool, seeds, number, seed)
            if previous is not None and previous.name != case.name:
                remove(folder / previous.name)
            previous = case
            path = case.write(folder)
            begun = time.monotonic()
            SHARED.pack_into(shared, 0, number, begun, time.process_time())
            verdict = judge(target.read, path, case.names())
            seconds = time.monotonic() - begun
            new = verdict.place not in known
            known.add(verdict.place)
            tell = case if (new and number >= 0) or verdict.kind == FAULT else None
            send((number, verdict, seconds, tell, max(0.0, _resident_peak() - before)))

    for path in folder.iterdir():
        remove(path)
    child = _Child(work)
    done = numbers.start
    for number, verdict, seconds, case, peak in child.messages():
        done = number + 1
        _note(tally, pool, number, verdict, case)
        tally.slowest, tally.peak = max(tally.slowest, seconds), max(tally.peak, peak)
        if verdicts is not None:
            verdicts[number] = verdict
    if child.ended:
        if done < numbers.stop:  # it died in the case after the last that it told of
            if child.number != done:
                raise SystemExit(f"{target.name}: making case {done} of seed {seed} ended in {child.ended}")
            verdict = Verdict(FAULT, child.ended, child.ended)
            _note(tally, pool, done, verdict, _written(folder))
            tally.slowest = max(tally.slowest, child.last_seconds)
            if verdicts is not None:
                verdicts[done] = verdict
        done += 1
    return min(done, numbers.stop)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _written(folder: Path) -> Case:
    """The case that lies in the folder: the one that a child died of."""
    return Case.load(next(folder.iterdir()))


def _note(tally: Tally, pool: list[Case], number: int, verdict: Verdict, case: Case | None) -> None:
    if number < 0 and verdict.kind == REFUSED:
        verdict = Verdict(FAULT, f"a seed is refused: {verdict.text}", "seed")
    tally.counts["seed" if number < 0 and verdict.kind == FINE else verdict.kind] += 1
    if verdict.kind == FAULT:
        tally.faults.append((number, case or pool[-number - 1], verdict))
    elif case is not None and len(pool) < MOST_KEPT:
        pool.append(case)
    tally.places.add(verdict.place)


class _Child:
    """A forked process that works and sends messages; killed when one piece of work takes too long."""

    def __init__(self, work: Callable[[Callable[[Any], None], mmap.mmap], None]) -> None:
        self._shared = mmap.mmap(-1, SHARED.size)
        SHARED.pack_into(self._shared, 0, 0, time.monotonic(), 0.0)
        self._crash = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        reading, writing = os.pipe()
        self.ended, self.last_seconds, self.number = "", 0.0, 0
        self._process = os.fork()
        if self._process == 0:
            os.close(reading)
            _run_child(work, writing, self._shared, self._crash.fileno())
        os.close(writing)
        self._stream = os.fdopen(reading, "rb", buffering=0)

    def messages(self) -> Iterator[Any]:
        """What the child sends, until it ends; then ``ended`` says how where that was not well."""
        hung, data = "", bytearray()
        while True:
            if select.select([self._stream], [], [], 0.2)[0]:
                piece = self._stream.read(1 << 20)
                if not piece:
                    break
                data += piece
                while len(data) >= 8 and len(data) >= 8 + (size := int.from_bytes(data[:8], "little")):
                    yield pickle.loads(bytes(data[8 : 8 + size]))
                    del data[: 8 + size]
            elif self._too_long():
                hung = f"HANG: over {LIMIT_S:g} s of processor time in one case"
                os.kill(self._process, signal.SIGKILL)
        self._stream.close()
        status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        self.number = SHARED.unpack_from(self._shared)[0]
        self.last_seconds = time.monotonic() - SHARED.unpack_from(self._shared)[1] if status else 0.0
        self.ended = hung or (f"CRASH: {_exit_name(status)}; {self._stack()}" if status else "")

    def _too_long(self) -> bool:
        _, begun, used = SHARED.unpack_from(self._shared)
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{self._process}/stat").read_text().rsplit(")", 1)[1].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if seconds - used > LIMIT_S:
                return True
        return time.monotonic() - begun > 4 * LIMIT_S

    def _stack(self) -> str:
        """The last lines of Python that faulthandler wrote."""
        self._crash.seek(0)
        lines = [line.strip() for line in self._crash.read().decode(errors="replace").splitlines()]
        text = " < ".join(line for line in lines if line.startswith("File"))
        return text if len(text) < 700 else f"{text[:350]} ... {text[-350:]}"


def _run_child(work: Callable[..., None], writing: int, shared: mmap.mmap, crash: int) -> None:
    """In the forked process: limits, silence, work; never returns."""
    code = 1
    try:
        faulthandler.enable(crash)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (loaded + LIMIT_BYTES, resource.RLIM_INFINITY))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)

        def send(message: Any) -> None:
            data = memoryview(_framed(message))
            while data:
                data = data[os.write(writing, data) :]

        work(send, shared)
        code = 0
    except BaseException:
        import traceback

        os.write(crash, ("File " + traceback.format_exc().replace("\n", " | ")).encode(errors="replace"))
    finally:
        os._exit(code)


def _framed(message: Any) -> bytes:
    data = pickle.dumps(message)
    return len(data).to_bytes(8, "little") + data


def _exit_name(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"


def _resident_peak() -> float:
    """Most memory this process ever held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform != "darwin" else 1048576.0)
