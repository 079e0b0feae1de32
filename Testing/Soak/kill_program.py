"""The command line and the table of the programs that kill (``soak_kills_*.py``)."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kill_harness import LIBRARY, Job, Tally, kill_job

ARTIFACTS = LIBRARY / "artifacts" / "soak"


def soak(title: str, jobs: Callable[[Path], Sequence[Job]], arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, kill every job of ``jobs(scratch folder)``, print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--kills", type=int, default=60, help="in all, without the fresh ones (60)")
    parser.add_argument("--fresh", type=int, default=4, help="further ones of processes from the command line (4)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--keep", action="store_true", help="keep the folders, to look at")
    parser.add_argument("--only", default="", metavar="TEXT", help="jobs whose name holds this text (default: all)")
    args = parser.parse_args(arguments)
    chance, begun = random.Random(args.seed), time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="xrayto3d-soak-"))
    made = [job for job in jobs(scratch) if args.only in job.name]
    whole = sum(job.share for job in made)
    tallies = {}
    for number, job in enumerate(made):
        kills = max(1, round(args.kills * job.share / whole)) if args.kills else 0
        fresh = len(range(number, args.fresh, len(made))) if job.work is None else 0
        tallies[job.name] = kill_job(job, scratch / f"job-{number}", kills, fresh, chance)
        _print_row(job.name, tallies[job.name], first=number == 0)
    faults = sum(len(tally.faults) for tally in tallies.values())
    count = sum(sum(tally.kills.values()) for tally in tallies.values())
    seconds = time.monotonic() - begun
    print(f"{title}: {count} kills, {faults} faults, seed {args.seed}, {seconds:.0f} s")
    _save(title, tallies, args.seed, seconds)
    if faults or args.keep:
        print(f"the folders are kept: {scratch}")
    else:
        shutil.rmtree(scratch)
    return 1 if faults else 0


COLUMNS = ("operation", "writing", "time", "fresh")


def _print_row(name: str, tally: Tally, first: bool) -> None:
    if first:
        print(f"{'job':<28}" + "".join(f"{each:>10}" for each in (*COLUMNS, "unfinished", "files", "ends", "faults")))
    cells = [*(tally.kills[each] for each in COLUMNS), tally.in_writing, tally.files, tally.ends, len(tally.faults)]
    print(f"{name:<28}" + "".join(f"{each:>10}" for each in cells), flush=True)
    for fault in tally.faults:
        print(f"    {fault}", flush=True)


def _save(title: str, tallies: dict[str, Tally], seed: int, seconds: float) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    content = {name: {**vars(tally), "kills": dict(tally.kills)} for name, tally in tallies.items()}
    name = title.lower().replace(" ", "_").replace(",", "")
    path = ARTIFACTS / f"{name}.json"
    path.write_text(json.dumps({"seed": seed, "seconds": round(seconds), "jobs": content}, indent=2) + "\n")
