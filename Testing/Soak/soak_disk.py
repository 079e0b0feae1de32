"""Full disks and read-only folders, with real file systems: every command that writes, on a disk of its own.

.venv/bin/python Testing/Soak/soak_disk.py --cases 4 --seed 0

The disks are in memory (tmpfs), mounted in a name space of this program's own, which needs root (or user name spaces)
on Linux; elsewhere it says so and does nothing. Each command meets

* ``tight``: a disk with some room left, drawn between none and a little more than it needs;
* ``filled``: a roomy disk that is full from just before an operation that changes files on, drawn among all of them;
* ``read-only``: a folder mounted read-only.

It must end with exit code 2 and one sentence, or succeed; every file under a final name must be whole. Then there is
room again, the same command is given again, and its result must be that of a run that nothing disturbed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kill_checks import differences, digests, faults_of_files
from kill_harness import Job, changes_files, child_of, done_in_child, ended
from kill_program import ARTIFACTS

INSIDE = "XRAYTO3D_SOAK_INSIDE"
DISK_MB = 400
GROUPS = ("bundle", "dataset", "registration", "training", "more")
COLUMNS = ("runs", "refused", "stopped", "succeeded", "read_only")
SPARE_BYTES = 6_000_000
"""Disks are drawn as if a command needed so much more than it writes: it leaves some free."""


@dataclass
class Tally:
    """What happened to one command."""

    runs: int = 0
    refused: int = 0
    stopped: int = 0
    succeeded: int = 0
    read_only: int = 0
    faults: list[str] = field(default_factory=list)


class Disk:
    """A file system in memory that others can fill."""

    def __init__(self, place: Path) -> None:
        self.place, self.folder, self._ballast = place, place / "work", place / "ballast"
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(place)], check=True)

    def empty(self) -> Path:
        """A new folder on the disk, nothing else."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        return self.folder

    def leave(self, free: int) -> None:
        """Fill it but for so many bytes."""
        room = shutil.disk_usage(self.place).free - free
        if room <= 0:
            return
        with self._ballast.open("ab") as stream:
            try:
                os.posix_fallocate(stream.fileno(), self._ballast.stat().st_size, room)
            except OSError:  # somebody was quicker
                return

    def release(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)


# ---- commands that are not killed elsewhere --------------------------------------------------------------------------


def more_jobs(scratch: Path) -> Sequence[Job]:
    """Writing after the fact: a split, a review, another picture, a job folder, an evaluation, a shape model."""
    importlib.import_module("soak_kills_registration").jobs(scratch)  # which makes what these begin with
    done_in_child(lambda: _pair(scratch), scratch / "pair.log")
    dated = ("registration.json",)

    def own(name: str, words: Callable[[Path], Sequence[str]], before: Path | None = scratch / "accepted") -> Job:
        def prepare(folder: Path) -> None:
            if before is not None:
                shutil.copytree(before, folder / "set")

        return Job(name, words, prepare, faults_of_files, lambda whole, other: _undated(whole, other, dated))

    return (
        own("dataset split", lambda folder: ["dataset", "split", str(folder / "set"), "--test", "1"]),
        own(
            "dataset review",
            lambda folder: [
                *("dataset", "review", str(folder / "set"), "case-1", "pa"),
                *("--reject", "--note", "off", "--role", "radiologist"),
            ],
        ),
        own(
            "evaluate",
            lambda folder: [*("evaluate", *_pair(scratch)), "--synthetic", "-o", str(folder / "out")],
            None,
        ),
    )


def _undated(whole: Path, other: Path, dated: Sequence[str]) -> list[str]:
    """Differences, but for the time of a review."""
    for path in [path for folder in (whole, other) for name in dated for path in folder.rglob(name)]:
        content = json.loads(path.read_text(encoding="utf-8"))
        content.get("review", {}).pop("date", None)
        path.write_text(json.dumps(content), encoding="utf-8")
    return differences(whole, other, ("report.html",), dated)


def _pair(scratch: Path) -> list[str]:
    """Two surfaces to compare."""
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    from XRayTo3DLib.shape.surfaces import write_surface

    paths = [scratch / "a.vtp", scratch / "b.vtp"]
    for radius, path in zip((20.0, 21.0), paths, strict=True):
        if not path.exists():
            sphere = vtkSphereSource()
            sphere.SetRadius(radius)
            sphere.SetThetaResolution(40)
            sphere.SetPhiResolution(40)
            sphere.Update()
            write_surface(sphere.GetOutput(), path)
    return [str(path) for path in paths]


# ---- one command -----------------------------------------------------------------------------------------------------


def work_of(job: Job, folder: Path, before: Callable[[], None]) -> Callable[[], int]:
    """What the child does; a library call ends as a command would."""

    def work() -> int:
        before()
        os.environ.update(job.environment(folder))
        if job.work is None:
            from XRayTo3DLib.cli.main import main

            return main(list(job.words(folder)))
        from XRayTo3DLib.explain import explained

        try:
            job.work(folder)
        except Exception as error:
            sys.stderr.write(f"xrayto3d: error: {explained(error) or 'unexpected: report it'}\n")
            return 2
        return 0

    return work


def run(job: Job, folder: Path, log: Path, before: Callable[[], None] = lambda: None) -> int:
    """Exit code of the job in a child of its own, where ``before`` is called first."""
    log.unlink(missing_ok=True)
    return ended(child_of(work_of(job, folder, before), log))


def at_each_operation(folder: Path, told: Callable[[int], None]) -> None:
    """From now on call ``told`` with the number of each operation (from 1) that is about to change files there."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if changes_files(event, arguments, folder):
            count += 1
            told(count)

    sys.addaudithook(hook)


def faults_of_words(log: Path, code: int, codes: Sequence[int]) -> list[str]:
    """What a person was told that is not one sentence."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    said = [line for line in text.splitlines() if line.startswith("xrayto3d:")]
    found = [f"exit code {code}"] if code not in (2, *codes) else []
    found += [f"{word!r} was shown" for word in ("Traceback", "unexpected", "report it") if word in text]
    if code == 2 and len(said) != 1:
        found.append(f"{len(said)} sentences: {said[:3]} {text[-300:]!r}")
    return found


def soak_job(job: Job, disk: Disk, scratch: Path, cases: int, chance: random.Random) -> Tally:
    """Meet one command with every kind of disk."""
    tally, log = Tally(), scratch / "run.log"
    whole = scratch / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    folder = disk.empty()
    job.prepare(folder)
    before = _used(disk)
    counter = scratch / "operations"
    _note(counter, 1)
    code = run(job, folder, log, lambda: at_each_operation(folder, lambda number: _note(counter, number)))
    needed, operations = max(0, _used(disk) - before), int(counter.read_text(encoding="ascii"))
    if code not in job.codes or faults_of_words(log, code, job.codes):
        tally.faults.append(f"undisturbed: {code}: {log.read_text(encoding='utf-8')[-400:]}")
        return tally
    shutil.copytree(folder, whole)
    for number in range(2 * cases):
        _meet(job, disk, whole, log, chance, tally, operations, needed if number % 2 else None)
    _meet_read_only(job, disk, whole, log, tally)
    return tally


def _note(counter: Path, number: int) -> None:
    counter.write_text(str(number), encoding="ascii")


def _used(disk: Disk) -> int:
    return shutil.disk_usage(disk.place).used


def _meet(
    job: Job,
    disk: Disk,
    whole: Path,
    log: Path,
    chance: random.Random,
    tally: Tally,
    operations: int,
    needed: int | None,
) -> None:
    """One disk that is tight (``needed`` given) or is filled meanwhile."""
    folder = disk.empty()
    job.prepare(folder)
    start = digests(folder)
    if needed is not None:
        free = int(chance.uniform(0, 1.1 * needed + SPARE_BYTES))
        where = f"tight, {free / 1e3:.0f} kB"
        disk.leave(free)
        code = run(job, folder, log)
    else:
        first = chance.randint(1, operations)
        where = f"filled before operation {first}"

        def told(number: int) -> None:
            if number >= first:
                disk.leave(0)

        code = run(job, folder, log, lambda: at_each_operation(folder, told))
    faults = faults_of_words(log, code, job.codes)
    left = digests(folder)
    tally.runs += 1
    tally.succeeded += code in job.codes and left != start
    tally.refused += code == 2 and left == start
    tally.stopped += code == 2 and left != start
    disk.release()
    faults += [f"afterwards {fault}" for fault in job.faults(folder)]
    code = run(job, folder, log) if code != 0 else 0
    faults += [f"again, with room: exit code {code}: {_end(log)}"] if code not in job.codes else []
    faults += [f"at the end {each}" for each in job.differences(whole, folder)]
    tally.faults += [f"{job.name}, {where}: {fault}" for fault in faults]


def _meet_read_only(job: Job, disk: Disk, whole: Path, log: Path, tally: Tally) -> None:
    """A folder that is mounted read-only."""
    folder = disk.empty()
    job.prepare(folder)
    start = digests(folder)
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    try:
        code = run(job, folder, log)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    faults = faults_of_words(log, code, ())
    faults += ["it is said to have succeeded"] if code != 2 else []
    faults += ["the folder was changed"] if digests(folder) != start else []
    tally.read_only += 1
    tally.faults += [f"{job.name}, read-only: {fault}: {_end(log)}" for fault in faults]


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-300:] if log.exists() else ""


# ---- all of them -----------------------------------------------------------------------------------------------------


def jobs(scratch: Path, groups: Sequence[str]) -> list[Job]:
    """Every command that writes and goes on: those that are killed, and more."""
    found: list[Job] = []
    for name in GROUPS:
        if name in groups:
            (scratch / name).mkdir()
            found += (more_jobs if name == "more" else importlib.import_module(f"soak_kills_{name}").jobs)(
                scratch / name
            )
    return found


def main() -> int:
    """Run the table; 1 on a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4, help="tight and as many filled disks per command (4)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--of", nargs="+", choices=GROUPS, default=GROUPS, help="only these groups of commands (all)")
    args = parser.parse_args()
    if INSIDE not in os.environ:
        return _in_own_name_space()
    began, chance = time.monotonic(), random.Random(args.seed)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory(prefix="soak-disk-") as name:
        scratch = Path(name)
        disk = Disk(scratch / "disk")
        todo = jobs(scratch, args.of)
        print(f"{'Full disks':28}" + "".join(f"{each:>10}" for each in (*COLUMNS, "faults")))
        for job in todo:
            tally = tallies[job.name] = soak_job(job, disk, scratch, args.cases, chance)
            cells = [*(getattr(tally, each) for each in COLUMNS), len(tally.faults)]
            print(f"{job.name:28}" + "".join(f"{each:>10}" for each in cells), flush=True)
            for fault in tally.faults:
                print(f"    {fault}", flush=True)
        subprocess.run(["umount", str(disk.place)], check=True)
    return _summary(tallies, args.seed, time.monotonic() - began)


def _summary(tallies: dict[str, Tally], seed: int, seconds: float) -> int:
    faults = sum(len(tally.faults) for tally in tallies.values())
    cells = [*(sum(getattr(tally, each) for tally in tallies.values()) for each in COLUMNS), faults]
    print(f"{'all':28}" + "".join(f"{each:>10}" for each in cells) + f"   ({seconds:.0f} s, seed {seed})")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    content = {"seed": seed, "seconds": seconds, "jobs": {name: asdict(tally) for name, tally in tallies.items()}}
    (ARTIFACTS / "disk.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    return 1 if faults else 0


def _in_own_name_space() -> int:
    """The same program where mounting touches nobody else's files."""
    command = [sys.executable, *sys.argv]
    for options in (["-m"], ["-r", "-m"]):
        unshare = ["unshare", *options]
        if (
            shutil.which("unshare")
            and subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
        ):
            return subprocess.run([*unshare, *command], env={**os.environ, INSIDE: "1"}, check=False).returncode
    print("Full disks: not done, this system lets nobody mount one here (Linux, root or user name spaces).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
