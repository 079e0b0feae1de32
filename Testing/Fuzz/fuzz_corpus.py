"""The fixed corpus: files that once did harm, or nearly, and what reading each must come to.

``corpus/<target>/expected.json`` holds for each file or folder beside it "fine" or the sentence that refuses it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fuzz_case import FAULT, FINE, HERE, Case, Target, load_targets
from fuzz_run import run_cases

CORPUS = HERE / "corpus"
EXPECTED = "expected.json"
SCRATCH = re.compile(r"[^\s'\"]*/xrayto3d-fuzz-[^/\s]*/")
"""Where cases lie while they are read; another place each time."""


def differences(record: bool = False) -> tuple[int, list[str]]:
    """How many files there are, and a line for each that ends otherwise than it should; ``record`` accepts that."""
    targets = {target.name: target for target in load_targets()}
    count, lines = 0, []
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        if folder.name not in targets:
            lines.append(f"{folder.name}: no such target")
            continue
        found = _endings(folder, targets[folder.name])
        expected = json.loads((folder / EXPECTED).read_text()) if (folder / EXPECTED).exists() else {}
        count += len(found)
        for name in sorted({*found, *expected}):
            ends, should = found.get(name, "(no such file)"), expected.get(name, "(not recorded)")
            if ends.startswith(FAULT) or (ends != should and not record):
                lines.append(f"{folder.name}/{name}: {ends}; expected: {should}")
        if record:
            (folder / EXPECTED).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return count, lines


def keep(target: Target, path: Path) -> None:
    """Copy a file or folder (as fuzz.py saved it) into the corpus, in a folder of its own where its name is taken."""
    place = CORPUS / target.name
    place.mkdir(parents=True, exist_ok=True)
    case = Case.load(path)
    stem, _, suffix = case.name.partition(".")
    number = 1
    while (place / case.name).exists():
        number += 1
        case = Case(f"{stem}_{number}" + (f".{suffix}" if suffix else ""), case.files)
    case.write(place)


def _endings(folder: Path, target: Target) -> dict[str, str]:
    """Name of each file of a target's corpus and how reading it ends."""
    paths = sorted(path for path in folder.iterdir() if path.name != EXPECTED)
    verdicts = run_cases(target.read, [Case.load(path) for path in paths])
    texts = ["fine" if each.kind == FINE else SCRATCH.sub("", each.text) for each in verdicts]
    faulty = [f"{FAULT}: " if each.kind == FAULT else "" for each in verdicts]
    return {path.name: fault + text for path, fault, text in zip(paths, faulty, texts, strict=True)}
