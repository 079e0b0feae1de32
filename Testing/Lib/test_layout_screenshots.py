"""`make screenshots` finds every script, and makes every picture of a panel that the pages show."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from layout_files import REPOSITORY, shown

SCRIPTS = sorted((REPOSITORY / "Testing" / "Module").glob("make_*screenshots.py"))
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
OF_THE_MODULE = re.compile(r"Screenshots/((?:panel|tutorial|scene)_\w+\.png|registration\.png)\)")
ELSEWHERE = {"scene_demo.png"}
"""Made by make_demo_screenshot.py, of what `make demo` leaves."""


def test_there_are_scripts_and_make_runs_them() -> None:
    assert len(SCRIPTS) >= 6
    assert "$(wildcard Testing/Module/make_*screenshots.py)" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_runs_alone_into_a_folder(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert len(main.args.args) == 1, "main(folder)"
    assert any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


def test_every_picture_of_a_panel_is_made_by_one_of_them() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    wanted = {name: shown(page) for page in PAGES for name in OF_THE_MODULE.findall(page.read_text(encoding="utf-8"))}
    made = {name for name in wanted if Path(name).stem in sources or name.startswith("tutorial_")}
    assert {name: page for name, page in wanted.items() if name not in made | ELSEWHERE} == {}
