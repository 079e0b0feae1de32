"""The documentation against the code: commands parse, Python imports, links and pictures exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import pytest

from XRayTo3DLib.cli.main import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def commands() -> list[str]:
    """Every `xrayto3d ...` line in a plain block of a page, continued lines joined, comments dropped."""
    found = []
    for page in PAGES:
        for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
            if language not in ("", "sh", "bash"):
                continue
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                command = re.sub(r"\s+#.*", "", line).strip()
                if re.match(r"(\.venv/bin/)?xrayto3d\s+[a-z]", command):
                    found.append(command)
    return found


def python_blocks() -> list[tuple[str, str]]:
    return [
        (page.name, block)
        for page in PAGES
        for language, block in FENCE.findall(page.read_text(encoding="utf-8"))
        if language == "python"
    ]


def links() -> list[tuple[Path, str]]:
    return [
        (page, target)
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    ]


def test_there_is_something_to_check():
    assert len(commands()) >= 10
    assert len(python_blocks()) >= 3
    assert len(links()) >= 15


@pytest.mark.parametrize("command", commands())
def test_every_documented_command_parses(command):
    build_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize(("page", "block"), python_blocks())
def test_every_documented_import_exists(page, block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("XRayTo3DLib"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{page}: {node.module} has no {alias.name}"


@pytest.mark.parametrize(("page", "target"), links())
def test_every_link_and_picture_is_there(page, target):
    assert (page.parent / target).exists(), f"{page.name} points to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_was_left(page):
    assert not re.findall(r"\b[A-Z]+_(?:LINE|OUTPUT|TODO)\b|\bTODO\b|\bFIXME\b", page.read_text(encoding="utf-8"))
