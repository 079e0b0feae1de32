"""The documentation against the code: commands parse, Python imports, links and pictures exist."""

from __future__ import annotations

import argparse
import ast
import fnmatch
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from XRayTo3DLib.cli.main import build_parser

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PROGRAM = re.compile(r"(?:Testing/)?(?:[A-Z]\w+/)?\b(?:test|bench|soak|make)_[\w*]+\.py")
UNTOLD = {"--help", "--output"}
"""Every command's own, and the long name of -o."""
ELSEWHERE = {"--logdir", "--nnodes", "--nproc-per-node", "--rdzv-endpoint", "--no-main-window", "--python-script"}
"""Options of TensorBoard, torchrun and Slicer."""


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


def anchors() -> list[tuple[Path, str, str]]:
    return [
        (page, target, anchor)
        for page in PAGES
        for target, anchor in ANCHOR.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    ]


def places(page: Path) -> set[str]:
    """What an address may name after its #: the headings as GitHub spells them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def options(parser: argparse.ArgumentParser, name: str = "xrayto3d") -> Iterator[tuple[str, str]]:
    """Every command with each of its long options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield from options(inner, f"{name} {word}")
        else:
            yield from ((name, option) for option in action.option_strings if option.startswith("--"))


def test_there_is_something_to_check():
    assert len(commands()) >= 10
    assert len(python_blocks()) >= 3
    assert len(links()) >= 15
    assert len(anchors()) >= 15
    assert len(list(options(build_parser()))) >= 100


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


def test_every_picture_is_shown_somewhere():
    shown = {(page.parent / target).resolve() for page, target in links()}
    pictures = set((REPOSITORY / "Resources" / "Screenshots").resolve().iterdir())
    assert {path.name for path in pictures - shown} == set()


def test_every_test_and_program_that_a_page_names_is_there():
    """Files by their names, with ``*`` too; of the table in model-safety.md also the tests in them."""
    files = [path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "Testing").rglob("*.py")]
    missing = []
    for page in PAGES:
        for named in PROGRAM.findall(page.read_text(encoding="utf-8")):
            if not any(fnmatch.fnmatch(f"/{file}", f"*/{named}") for file in files):
                missing.append(f"{page.name}: {named}")
    tests = " ".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "Testing" / "Lib").glob("test_*.py"))
    for line in (REPOSITORY / "docs" / "model-safety.md").read_text(encoding="utf-8").splitlines():
        for named in re.findall(r"`([a-z]+(?:_[a-z]+){2,}_?)(?:\.{3})?`", line.rpartition("|")[0].rpartition("|")[2]):
            missing += [] if f"def test_{named}" in tests else [f"model-safety.md: {named}"]
    assert missing == []


def test_the_front_page_leads_to_every_page():
    front = {(page.parent / target).resolve() for page, target in links() if page.name == "README.md"}
    assert {page.name for page in PAGES if page.resolve() not in front} == {"README.md"}


def test_every_place_that_is_linked_to_is_there():
    missing = [
        f"{page.name}: {target}#{anchor}"
        for page, target, anchor in anchors()
        if anchor not in places(page.parent / target if target else page)
    ]
    assert missing == []


def test_every_command_and_option_is_told():
    text = "\n".join(page.read_text(encoding="utf-8") for page in [*PAGES, REPOSITORY / ".github" / "SECURITY.md"])
    told = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    found = list(options(build_parser()))
    assert [f"{name} {option}" for name, option in found if option not in told | UNTOLD] == []
    assert {name for name, _ in found if name not in text} == set()


def test_no_page_tells_of_an_option_that_is_not_there():
    ours = {option for _, option in options(build_parser())} | ELSEWHERE
    programs = [*(REPOSITORY / "Testing").rglob("*.py"), *(REPOSITORY / ".ci").glob("*.py")]
    text = " ".join(path.read_text(encoding="utf-8") for path in programs if path.name != Path(__file__).name)
    ours |= set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    for page in PAGES:
        told = set(re.findall(r"(?<![\w-])--[a-z]\w*(?:-\w+)*(?!-)\b", page.read_text(encoding="utf-8")))
        assert told - ours == set(), page.name


def test_contributing_names_the_layers_as_they_are():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    told = " < ".join(layer.replace(" | ", ", ") for layer in reversed(layers))
    assert told in " ".join((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_was_left(page):
    assert not re.findall(r"\b[A-Z]+_(?:LINE|OUTPUT|TODO)\b|\bTODO\b|\bFIXME\b", page.read_text(encoding="utf-8"))
