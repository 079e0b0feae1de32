"""Damages files that XRayTo3D reads, ten thousand times a reader: is each read, or refused in one sentence?

    python Testing/Fuzz/fuzz.py [--cases 10000] [--target NAME ...] [--seed 1]
                                                          a table; exit code 1 on a fault
    python Testing/Fuzz/fuzz.py --replay TARGET PATH      what one file does, with its trace
    python Testing/Fuzz/fuzz.py --corpus [--record]       reads the fixed corpus; --record accepts how its files end
    python Testing/Fuzz/fuzz.py --keep TARGET PATH ...    adds files to the corpus; record them when they are mended

A case is *fine* when the reader takes it, *refused* when it raises an XRayTo3DError whose message is one printable
sentence that names the file, and a *fault* otherwise: another exception, a crash, over 5 s of processor time, over
4 GB, a message without the file's name. Faults are saved under artifacts/fuzz/<target>/. The same seed makes the same
cases. How to add a target: fuzz_case.py.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from pathlib import Path

for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
):
    os.environ.setdefault(_variable, "1")
TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING.parent), str(TESTING / "Lib")]

from fuzz_case import Case, Target, load_targets
from fuzz_corpus import differences, keep
from fuzz_run import Tally, run_target, seeds_of

FOUND = TESTING.parent / "artifacts" / "fuzz"
SAVED_OF_A_KIND = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="cases of each target (default %(default)s)")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default %(default)s)")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "PATH"), help="read one file, show what happens")
    parser.add_argument("--corpus", action="store_true", help="read the fixed corpus")
    parser.add_argument("--record", action="store_true", help="with --corpus: this is how its files should end")
    parser.add_argument("--keep", nargs="+", metavar=("TARGET", "PATH"), help="add files to the corpus")
    args = parser.parse_args(arguments)
    if args.keep:
        for path in args.keep[1:]:
            keep(load_targets(args.keep[:1])[0], Path(path))
        return 0
    if args.corpus:
        count, wrong = differences(args.record)
        print("\n".join([*wrong, f"{count} files of the corpus, {len(wrong)} end otherwise than they should"]))
        return 1 if wrong else 0
    if args.replay:
        print(load_targets([args.replay[0]])[0].read(Path(args.replay[1])))
        return 0
    print(
        f"{'target':<24}{'cases':>8}{'fine':>8}{'refused':>9}{'faults':>8}{'slowest s':>11}{'peak MB':>9}{'CPU s':>8}"
    )
    faulty = [target.name for target in load_targets(args.target) if not _fuzzed(target, args.cases, args.seed)]
    print(f"faults in {', '.join(faulty)}" if faulty else "no faults")
    return 1 if faulty else 0


def _fuzzed(target: Target, cases: int, seed: int) -> bool:
    """Run one target, print its line and its faults; whether there were none."""
    begun = processor_seconds()
    tally = run_target(target, seeds_of(target), cases, seed)
    counts = tally.counts
    numbers = f"{cases:>8}{counts['fine']:>8}{counts['refused']:>9}{counts['fault']:>8}"
    print(
        f"{target.name:<24}{numbers}{tally.slowest:>11.2f}{tally.peak:>9.0f}{processor_seconds() - begun:>8.0f}",
        flush=True,
    )
    save_faults(target, tally, str(seed))
    return not tally.faults


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def save_faults(target: Target, tally: Tally, run: str) -> None:
    """Each kind of fault once on the screen, its first few cases on disk."""
    kinds: dict[str, list[tuple[int, Case, str]]] = {}
    for number, case, verdict in tally.faults:
        kinds.setdefault(verdict.place, []).append((number, case, verdict.text))
    for place, found in kinds.items():
        for number, case, text in found[:SAVED_OF_A_KIND]:
            folder = FOUND / target.name / f"{run}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "fault.txt").write_text(f"{text}\n{place}\n", errors="replace")
            path = case.write(folder)
        print(f"    {len(found)} x {found[0][2]}\n        at {place}\n        e.g. --replay {target.name} {path}")


if __name__ == "__main__":
    sys.exit(main())
