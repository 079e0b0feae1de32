"""As fuzz.py, guided by coverage: a case that takes a new way through the library grows into others (atheris).

    pip install atheris                                          Linux and macOS, Python 3.11 to 3.13
    python Testing/Fuzz/guided.py [--cases 10000] [--target NAME ...] [--seed 1]

Prints how many ways (edges of the library's and the target's bytecode, libFuzzer's "cov") the seeds take and how many
all cases do. Half of the cases are damaged as in fuzz.py, the others by libFuzzer, which tries what the code compares
its input with.
Faults are saved under artifacts/fuzz/<target>/ as there, and replayed by it: ``fuzz.py --replay TARGET PATH``.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import importlib.util
import json
import random
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import SAVED_OF_A_KIND, processor_seconds, save_faults  # sets the number of threads before all else
from fuzz_case import FAULT, Case, Target, Verdict, judge, load_targets
from fuzz_run import LIMIT_BYTES, LIMIT_S, Tally, remove, scratch, seeds_of
from mutators import mutated

LARGEST = 4 << 20
CLOCK_S = 60
"""A case that takes so long on the clock is ended; one that takes LIMIT_S of the processor is a fault, too."""
COUNTS, FAULTS, LOG = "counts.json", "faults.jsonl", "log.txt"
COVERED = re.compile(r"cov: (\d+)")
STARTED = re.compile(r"INITED +cov: (\d+)")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="cases of each target (default %(default)s)")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default %(default)s)")
    parser.add_argument("--child", nargs=3, metavar=("MODULE", "WORK", "CASES"), help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        run_child(args.child[0], args.target[0], Path(args.child[1]), int(args.child[2]), args.seed)
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit("atheris is not installed: .venv/bin/python -m pip install atheris (Linux and macOS).")
    head = f"{'target':<24}{'cases':>8}{'fine':>8}{'refused':>9}{'faults':>8}{'edges: seeds':>14}{'all':>7}{'CPU s':>8}"
    print(head, flush=True)
    faulty = [target.name for target in load_targets(args.target) if not _fuzzed(target, args.cases, args.seed)]
    print(f"faults in {', '.join(faulty)}" if faulty else "no faults")
    return 1 if faulty else 0


def _fuzzed(target: Target, cases: int, seed: int) -> bool:
    """Run one target, print its line and its faults; whether there were none. After a child that died comes another."""
    begun, tally, edges = processor_seconds(), Tally(), (0, 0)
    with scratch() as folder:
        work = Path(folder)
        (work / "corpus").mkdir()
        for number, case in enumerate(seeds_of(target)):
            (work / "corpus" / f"seed-{number}").write_bytes(packed(case))
        while (done := sum(tally.counts.values())) < cases:
            ended = _child(target, work, cases - done, seed + len(tally.faults))
            died = [(done, each) for each in sorted(work.glob("died-*"))]
            _add(tally, work, [(number, _died(path, ended)) for number, path in died])
            edges = _edges(work / LOG, edges)
            if ended and not died:
                raise SystemExit(f"{target.name}: {ended}\n{(work / LOG).read_text(errors='replace')[-2000:]}")
    counts = tally.counts
    numbers = f"{sum(counts.values()):>8}{counts['fine']:>8}{counts['refused']:>9}{counts[FAULT]:>8}"
    print(f"{target.name:<24}{numbers}{edges[0]:>14}{edges[1]:>7}{processor_seconds() - begun:>8.0f}", flush=True)
    save_faults(target, tally, f"guided-{seed}")
    return not counts[FAULT]


def _add(tally: Tally, work: Path, died: list[tuple[int, tuple[Case, Verdict]]]) -> None:
    """What a child counted and wrote down, and what ended it."""
    tally.counts.update(json.loads((work / COUNTS).read_text()))
    tally.counts[FAULT] += len(died)
    tally.faults += [(number, case, verdict) for number, (case, verdict) in died]
    for line in (work / FAULTS).read_text().splitlines():
        number, text, place, case = json.loads(line)
        tally.faults.append((number, unpacked(case.encode()), Verdict(FAULT, text, place)))


def _child(target: Target, work: Path, cases: int, seed: int) -> str:
    """Fuzz in a process of its own, which a crash may end; says how it ended if not well."""
    (work / COUNTS).write_text("{}")
    (work / FAULTS).write_text("")
    words = [sys.executable, __file__, "--target", target.name, "--seed", str(seed)]
    words += ["--child", target.seeds.__module__, str(work), str(cases)]
    with (work / LOG).open("wb") as log:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work, check=False)
    return f"the process ended with {ended.returncode}" if ended.returncode else ""


def _died(artifact: Path, ended: str) -> tuple[Case, Verdict]:
    """The case that ended a child."""
    case = unpacked(artifact.read_bytes())
    artifact.unlink()
    kind = "HANG" if "timeout" in artifact.name else "CRASH"
    return case, Verdict(FAULT, f"{kind}: {ended}", f"{kind} {case.name}")


def _edges(log: Path, before: tuple[int, int]) -> tuple[int, int]:
    text = log.read_text(errors="replace")
    started, covered = STARTED.search(text), COVERED.findall(text)
    most = max([before[1], *map(int, covered)])
    return (before[0] or (int(started[1]) if started else 0), most)


# ---- in the child ------------------------------------------------------------------------------------------------


def run_child(module: str, name: str, work: Path, cases: int, seed: int) -> None:
    """Fuzz one target with instrumented code; libFuzzer ends the process."""
    import atheris

    seeds = [path.read_bytes() for path in sorted((work / "corpus").iterdir())]
    with atheris.instrument_imports(include=["XRayTo3DLib", module]):
        targets = importlib.import_module(module).TARGETS
    (target,) = (each for each in targets if each.name == name)
    loaded = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (loaded + LIMIT_BYTES, resource.RLIM_INFINITY))
    options = [f"-runs={cases + 1}", f"-seed={seed}", f"-timeout={CLOCK_S}", "-rss_limit_mb=0", "-detect_leaks=0"]
    options += [f"-max_len={LARGEST}", "-mutate_depth=1", f"-artifact_prefix={work}/died-", str(work / "corpus")]
    atheris.Setup([sys.argv[0], *options], _reading(target, work), custom_mutator=_mutator(target, seeds))
    atheris.Fuzz()


def _reading(target: Target, work: Path) -> Callable[[bytes], None]:
    """What libFuzzer calls with each case; a fault is written down and the next case comes."""
    folder, counts, places = work / "read", Counter[str](), Counter[str]()
    folder.mkdir(exist_ok=True)

    def read(data: bytes) -> None:
        if not data.startswith(b"{"):  # libFuzzer begins with an empty one, and counts it
            return
        case = unpacked(data)
        path = case.write(folder)
        before = time.process_time()
        verdict = judge(target.read, path, case.names())
        if time.process_time() - before > LIMIT_S:
            verdict = Verdict(FAULT, f"HANG: over {LIMIT_S:g} s of processor time", f"slow {case.name}")
        remove(path)
        counts[verdict.kind] += 1
        if verdict.kind == FAULT:
            places[verdict.place] += 1
            if places[verdict.place] <= SAVED_OF_A_KIND:
                with (work / FAULTS).open("a") as file:
                    told = (counts.total(), verdict.text, verdict.place, packed(case).decode())
                    file.write(json.dumps(told) + "\n")
        (work / COUNTS).write_text(json.dumps(counts))

    return read


def _mutator(target: Target, seeds: list[bytes]) -> Callable[[bytes, int, int], bytes]:
    import atheris

    def changed(data: bytes, largest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        case = unpacked(data if data.startswith(b"{") else rng.choice(seeds))  # libFuzzer may offer an empty line
        try:
            if rng.random() < 0.5:
                grown = mutated(case, rng, target.mutators)
            else:
                name = rng.choice(sorted(case.files))
                content = atheris.Mutate(case.files[name], len(case.files[name]) + 64)
                grown = Case(case.name, {**case.files, name: bytes(content)})
        except MemoryError:  # a large case grew a thousandfold
            return data
        result = packed(grown)
        return result if len(result) <= largest else data

    return changed


# ---- cases as bytes ----------------------------------------------------------------------------------------------


def packed(case: Case) -> bytes:
    """A case as libFuzzer keeps it."""
    files = {name: base64.b85encode(content).decode("ascii") for name, content in case.files.items()}
    return json.dumps({"name": case.name, "files": files}).encode()


def unpacked(data: bytes) -> Case:
    """The case that :func:`packed` made these bytes of."""
    content: dict[str, Any] = json.loads(data)
    return Case(content["name"], {name: base64.b85decode(text) for name, text in content["files"].items()})


if __name__ == "__main__":
    sys.exit(main())
