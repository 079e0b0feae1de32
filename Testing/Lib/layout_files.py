"""What the layout tests share: the tree's files, and .ci/update_cmake_lists.py as a module."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]


def _load_cmake_lists() -> ModuleType:
    spec = importlib.util.spec_from_file_location("update_cmake_lists", REPOSITORY / ".ci" / "update_cmake_lists.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cmake_lists = _load_cmake_lists()


def tree_files(under: str = ".") -> list[Path]:
    """Tracked files and new ones that git does not ignore, absolute."""
    return [REPOSITORY / name for name in cmake_lists.tree_files(REPOSITORY, under)]


def python_trees(under: str) -> dict[Path, ast.Module]:
    """Syntax tree by Python file under the folder ``under``."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in tree_files(under) if path.suffix == ".py"}


def shown(path: Path) -> str:
    """``path`` relative to the repository, for messages."""
    return str(path.relative_to(REPOSITORY))
