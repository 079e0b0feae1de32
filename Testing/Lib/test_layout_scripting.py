"""docs/scripting.md lists every public method of the logic, and every one of them is documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from layout_files import REPOSITORY, load_program

page = load_program("update_scripting_page")


def test_the_page_is_what_the_sources_say() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_methods(text) == text, "run .ci/update_scripting_page.py"


def test_every_section_has_methods() -> None:
    assert list(page.sections()) == list(page.TITLES)
    assert {name for name, methods in page.sections().items() if not methods} == set()


@pytest.mark.parametrize("section", list(page.TITLES))
def test_every_method_is_documented(section: str) -> None:
    """A sentence; and what its arguments are, where there are more than two."""
    lacking = []
    for name, node in functions(section).items():
        text = ast.get_docstring(node) or ""
        if "." not in text:
            lacking.append(f"{name}: no sentence")
        arguments = [each.arg for each in (*node.args.args, *node.args.kwonlyargs) if each.arg != "self"]
        told = "as in" in text or "rguments" in text or "Args:" in text
        lacking += [name] if len(arguments) > 2 and not told else []
    assert lacking == []


def functions(section: str) -> dict[str, ast.FunctionDef]:
    sources = {}
    for path in (REPOSITORY / "XRayTo3D" / "XRayTo3DGui").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name == section:
                sources = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    assert sources, f"{section} is nowhere"
    return {name: node for name, node in sources.items() if not name.startswith("_")}


def test_what_is_missing_on_the_page_would_be_seen(tmp_path: Path) -> None:
    source = tmp_path / "calls.py"
    source.write_text(
        'class K:\n    def go(self, far: int = 3) -> str:\n        """Go far.\n\n        More."""\n'
        "    def _no(self): ...\n"
    )
    (method,) = page.methods_of(source, "K")
    assert (method.name, method.signature, method.sentence) == ("go", "(far: int=3) -> str", "Go far.")
