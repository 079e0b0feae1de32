"""The fuzzer that coverage guides (Testing/Fuzz/guided.py) finds faults, a crash too, and says what it reached."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

FUZZ = Path(__file__).resolve().parents[1] / "Fuzz"
sys.path.append(str(FUZZ))

import fuzz
import guided
from fuzz_case import Case

PLANTED = '''
import json, os
from pathlib import Path
from fuzz_case import Target
from XRayTo3DLib.errors import InputError

def seeds(folder):
    (folder / "zq_kind.json").write_text('{"kind": "plain", "more": 1}')

def read(path):
    try:
        kind = json.loads(path.read_bytes())["kind"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise InputError(f"{path.name} is damaged.") from error
    kind.upper()
    if kind == "":
        os.abort()

TARGETS = (Target("planted", seeds, read),)
'''


@given(st.text(), st.dictionaries(st.text(), st.binary(max_size=50), max_size=3))
def test_a_case_is_packed_and_unpacked(name: str, files: dict[str, bytes]) -> None:
    case = guided.unpacked(guided.packed(Case(name, files)))
    assert (case.name, case.files) == (name, files)


def test_planted_faults_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value of another type, and a crash, after which the cases go on."""
    pytest.importorskip("atheris", reason="atheris is not installed: make fuzz-guided installs it")
    (tmp_path / "targets_planted.py").write_text(PLANTED, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fuzz, "FOUND", tmp_path / "found")
    (target,) = importlib.import_module("targets_planted").TARGETS
    assert not guided._fuzzed(target, 800, 1)
    said = capsys.readouterr().out
    assert "AttributeError" in said and "CRASH" in said and int(said.split()[1]) >= 800
    kinds = [json.loads(path.read_bytes())["kind"] for path in (tmp_path / "found").glob("planted/*/zq_kind.json")]
    assert "" in kinds and any(not isinstance(kind, str) for kind in kinds)
