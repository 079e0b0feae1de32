"""Programs that no test runs (soak, benchmarks, fuzzing, pictures) ask only for what there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTING = Path(__file__).resolve().parents[1]
REPOSITORY = TESTING.parent
HOMES = ("Soak", "Benchmarks", "Fuzz", "Lib", "Module", "Host")
PROGRAMS = sorted(
    path for folder in (TESTING / "Soak", TESTING / "Benchmarks", TESTING / "Fuzz") for path in folder.glob("*.py")
)


@cache
def file_of(module: str) -> Path | None:
    """The file of one of our modules; None of anybody else's."""
    inside = Path(*module.split("."))
    places = [TESTING / home / inside for home in HOMES] + [REPOSITORY / inside, REPOSITORY / "XRayTo3D" / inside]
    files = [path for place in places for path in (place.with_suffix(".py"), place / "__init__.py")]
    return next((path for path in files if path.is_file()), None)


@cache
def names_in(path: Path) -> frozenset[str]:
    """What a module has at its top, and the modules beside it if it is a package."""
    found = {each.stem for each in path.parent.iterdir()} if path.name == "__init__.py" else set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def asked_for(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of each ``from module import name``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, each.name) for each in node.names)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_a_program_imports_of_ours_is_there(path: Path) -> None:
    missing = []
    for module, name in asked_for(path):
        file = file_of(module)
        if (file is None and module.startswith("XRayTo3D")) or (file is not None and name not in names_in(file)):
            missing.append(f"{module}.{name}")
    assert missing == []
