#!/usr/bin/env python3
"""Writes the list of the logic's methods into docs/scripting.md; --check only compares, and a test does too.

Read from the sources, so that neither Slicer nor the test host is needed.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "XRayTo3D" / "XRayTo3D.py"
PAGE = REPOSITORY / "docs" / "scripting.md"
BEGIN, END = "<!-- methods: written by .ci/update_scripting_page.py -->", "<!-- end of methods -->"
TITLES = {
    "SampleCalls": "Samples (synthetic, computed on your computer)",
    "RadiographCalls": "1 Radiographs",
    "RegistrationCalls": "2 Registration",
    "DatasetCalls": "3 Data set",
    "TrainCalls": "4 Train",
    "ReconstructCalls": "5 Reconstruct",
    "EvaluationCalls": "6 Evaluation",
    "SetupCalls": "Set-up",
}
BASE = "ScriptedLoadableModuleLogic"


@dataclass(frozen=True)
class Method:
    """One public method of the logic."""

    name: str
    signature: str
    sentence: str


def sections() -> dict[str, list[Method]]:
    """Public methods by the class that brings them, in the order of ``XRayTo3DLogic``'s bases."""
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    logic = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "XRayTo3DLogic")
    names = [base.id for base in logic.bases if isinstance(base, ast.Name) and base.id != BASE]
    sources = {
        alias.name: MODULE.parent.joinpath(*node.module.split(".")).with_suffix(".py")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return {name: methods_of(sources[name], name) for name in names}


def methods_of(path: Path, class_name: str) -> list[Method]:
    """Public methods of a class, also those of its bases in the same file or imported into it from ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    methods: list[Method] = []
    for base in found.bases:
        if isinstance(base, ast.Name):
            methods += methods_of(_source_of(tree, path, base.id), base.id)
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            methods.append(Method(node.name, signature(node), first_sentence(node)))
    return methods


def _source_of(tree: ast.Module, path: Path, name: str) -> Path:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return MODULE.parent.joinpath(*node.module.split(".")).with_suffix(".py")
    return path


def signature(node: ast.FunctionDef) -> str:
    """``(arguments) -> result`` without self."""
    arguments = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return f"({arguments}){returns}"


def first_sentence(node: ast.FunctionDef) -> str:
    """Of the docstring; empty where there is none."""
    text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    return text


def written() -> str:
    """The list as Markdown."""
    parts = []
    for name, methods in sections().items():
        parts.append(f"### {TITLES.get(name, name)}\n")
        for method in methods:
            text = textwrap.fill(method.sentence, 118, initial_indent="  ", subsequent_indent="  ")
            parts.append(f"- `{method.name}{method.signature}`\n{text}")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def with_methods(page: str) -> str:
    """The page with the list between its marks."""
    head, rest = page.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    return f"{head}{BEGIN}\n\n{written()}\n{END}{tail}"


def main() -> int:
    """Write, or compare."""
    page = PAGE.read_text(encoding="utf-8")
    new = with_methods(page)
    if "--check" in sys.argv:
        return 0 if new == page else 1
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
