"""What the layout tests share: the tree's files, and the programs of .ci as modules."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]


def load_program(name: str) -> ModuleType:
    """The program .ci/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / ".ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


cmake_lists = load_program("update_cmake_lists")


def tree_files(under: str = ".") -> list[Path]:
    """Tracked files and new ones that git does not ignore, absolute."""
    return [REPOSITORY / name for name in cmake_lists.tree_files(REPOSITORY, under)]


def python_trees(under: str) -> dict[Path, ast.Module]:
    """Syntax tree by Python file under the folder ``under``."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in tree_files(under) if path.suffix == ".py"}


def shown(path: Path) -> str:
    """``path`` relative to the repository, for messages."""
    return str(path.relative_to(REPOSITORY))
