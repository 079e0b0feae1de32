"""The fixed corpus of damaged files ends as it should, and the fuzzer sees every kind of fault (Testing/Fuzz)."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[1] / "Fuzz"
sys.path.insert(0, str(FUZZ))

import fuzz_run
from fuzz_case import FAULT, FINE, REFUSED, Case, Target
from fuzz_run import run_cases, run_target
from mutators import mutated

from XRayTo3DLib.errors import InputError

LARGEST_CORPUS = 300_000
CASE = Case("zq_file.json", {"": b'{"a": [1, 2, 3], "b": "text"}'})


def test_the_corpus_ends_as_recorded() -> None:
    """In a process of its own: one of its files may crash it."""
    command = [sys.executable, str(FUZZ / "fuzz.py"), "--corpus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    files = re.match(r"(\d+) files", done.stdout)
    assert files is not None and int(files[1]) == sum(len(json.loads(each.read_text())) for each in _records())


def test_the_corpus_is_small_and_recorded() -> None:
    """Every file has its ending, and every ending names its file."""
    files = [path for path in (FUZZ / "corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_CORPUS
    assert len(_records()) >= 9
    for record in _records():
        for name, ending in json.loads(record.read_text(encoding="utf-8")).items():
            assert (record.parent / name).exists() and ending and not ending.startswith(FAULT), name


def _records() -> list[Path]:
    return sorted((FUZZ / "corpus").glob("*/expected.json"))


def _refusing(message: str) -> Callable[[Path], None]:
    def read(_path: Path) -> None:
        error = InputError("")
        error.args = (message,)  # InputError itself would make one printable line of it
        raise error

    return read


def _out_of_memory(_path: Path) -> None:
    try:
        bytearray(5 << 30)
    except MemoryError as error:
        raise InputError("zq_file.json cannot be read.") from error


def _hangs(_path: Path) -> None:
    while True:
        pass


KINDS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "read": (lambda path: path.read_bytes(), FINE, ""),
    "refused": (_refusing("mesh: zq_file.json is empty."), REFUSED, "zq_file.json is empty"),
    "by its stem": (_refusing("radiograph zq_file is empty."), REFUSED, "is empty"),
    "nameless": (_refusing("mesh: a file is empty."), FAULT, "does not name the file"),
    "two lines": (_refusing("zq_file.json:\nempty"), FAULT, "several lines"),
    "terminal escape": (_refusing("zq_file.json: \x1b[31m"), FAULT, "control characters"),
    "very long": (_refusing("zq_file.json " + 2000 * "x"), FAULT, "characters"),
    "other error": (lambda path: 1 / 0, FAULT, "ZeroDivisionError"),
    "memory": (lambda path: bytearray(5 << 30), FAULT, "MemoryError"),
    "memory behind a refusal": (_out_of_memory, FAULT, "memory ran out"),
    "crash": (lambda path: os.kill(os.getpid(), signal.SIGSEGV), FAULT, "CRASH: SIGSEGV"),
    "exit": (lambda path: os._exit(3), FAULT, "CRASH: exit code 3"),
    "hang": (_hangs, FAULT, "HANG"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_ending_is_seen(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after it: the case that follows a crash is read."""
    monkeypatch.setattr(fuzz_run, "LIMIT_S", 0.3)
    read, ending, words = KINDS[kind]
    first, after = run_cases(lambda path: read(path) if path.name == CASE.name else None, [CASE, Case("b", {"": b"x"})])
    assert (first.kind, after.kind) == (ending, FINE) and words in first.text


def test_a_run_is_repeatable_and_finds_a_planted_fault(tmp_path: Path) -> None:
    """A reader that stumbles over one value only: found, and the same cases again with the same seed."""

    def stumbles(path: Path) -> None:
        try:
            found = json.loads(path.read_bytes())["b"]
        except (ValueError, RecursionError, LookupError, TypeError) as error:
            raise InputError(f"{path.name} is damaged.") from error
        found.upper()

    target = Target("planted", lambda folder: None, stumbles)
    runs = [run_target(target, [CASE], 150, seed) for seed in (1, 1, 2)]
    assert runs[0].faults and all("AttributeError" in verdict.text for _, _, verdict in runs[0].faults)
    assert [number for number, *_ in runs[0].faults] == [number for number, *_ in runs[1].faults]
    assert [number for number, *_ in runs[0].faults] != [number for number, *_ in runs[2].faults]
    assert sum(runs[0].counts.values()) == 150 + 1  # the seed itself


@pytest.mark.parametrize("content", [b"", b"{", b"NRRD0004\ndimension: 3\n\n\0\0", b"\x1f\x8b\x08", b"a,b\n1,2\n"])
def test_mutators_take_any_content(content: bytes) -> None:
    case = Case("x", {"": content})
    made = {mutated(case, random.Random(seed)).files[""] for seed in range(60)}
    assert len(made) > 10


def test_a_folder_is_written_and_read_back(tmp_path: Path) -> None:
    case = Case("zq", {"a.json": b"1", "inside/b.nrrd": b"\0"})
    assert Case.load(case.write(tmp_path)).files == case.files
    assert Case.load(case.write(tmp_path)).names() == ["zq", "a.json", "b.nrrd"]
