"""Every text that a person sees in Slicer can be translated: it goes through ``_()`` as a plain literal."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from layout_files import python_trees, shown

TRANSLATORS = {"_", "tr", "translate"}
SHOWING_CALLS = {
    "showStatus", "say", "setText", "setToolTip", "setTitle", "setPlaceholderText", "setStatusTip", "setWindowTitle",
    "errorDisplay", "warningDisplay", "infoDisplay", "confirmOkCancelDisplay", "confirmYesNoDisplay",
    "showStatusMessage",
    "tryWithErrorDisplay", "InputError", "QPushButton", "QLabel", "QCheckBox", "QRadioButton", "QAction", "QGroupBox",
}  # fmt: skip
SHOWING_ATTRIBUTES = {"text", "toolTip", "title", "placeholderText", "windowTitle", "helpText", "acknowledgementText"}
NAMES = {"XRayTo3D"}
"""What has no other word in any language."""


def words(node: ast.AST) -> bool:
    """Whether an expression is a text with letters in it, written down as it is."""
    if isinstance(node, ast.JoinedStr):
        fixed = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        return bool(re.search(r"[A-Za-z]{3,}", re.sub(r"<[^>]*>|https?://\S+", "", fixed)))
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node.value in NAMES:
        return False
    return bool(re.search(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>", "", node.value)))


def untranslated(tree: ast.Module) -> Iterator[str]:
    """What a person would see in English whatever Slicer's language."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in SHOWING_CALLS:
            yield from (f"{node.lineno}: {called(node)}({ast.unparse(each)})" for each in node.args[:2] if words(each))
        if isinstance(node, ast.Assign):
            attributes = [each for each in node.targets if isinstance(each, ast.Attribute)]
            if any(each.attr in SHOWING_ATTRIBUTES for each in attributes) and words(node.value):
                yield f"{node.lineno}: {ast.unparse(node)}"


def called(node: ast.Call) -> str:
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def untranslatable(tree: ast.Module) -> Iterator[str]:
    """Formatted before it is translated: no translation would ever be found."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node) not in TRANSLATORS:
            continue
        for each in node.args:
            formatted = isinstance(each, ast.Call) and called(each) == "format"
            if isinstance(each, ast.JoinedStr | ast.BinOp) or formatted:
                yield f"{node.lineno}: {ast.unparse(node)}"


def unnamed(tree: ast.Module) -> Iterator[str]:
    """Braces without a name: Slicer drops a translation whose braces differ, and nobody can reorder these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in TRANSLATORS:
            for each in node.args:
                if isinstance(each, ast.Constant) and re.search(r"(?<!\{)\{(\d*)(:[^}]*)?\}", str(each.value)):
                    yield f"{node.lineno}: {ast.unparse(node)}"


def found_in_module(check: object) -> dict[str, list[str]]:
    hidden = {"XRayTo3DDICOMPlugin.py"}  # a module without panel: Slicer shows its title nowhere
    trees: dict[Path, ast.Module] = python_trees("XRayTo3D")
    found = {shown(path): list(check(tree)) for path, tree in trees.items() if path.name not in hidden}
    return {path: lines for path, lines in found.items() if lines}


def test_nothing_is_formatted_before_it_is_translated() -> None:
    assert found_in_module(untranslatable) == {}


def test_what_is_filled_in_has_a_name() -> None:
    assert found_in_module(unnamed) == {}


def test_no_text_is_shown_without_translation() -> None:
    assert found_in_module(untranslated) == {}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('showStatus(label, "Load it first")', 1),
        ('showStatus(label, _("Load it first"))', 0),
        ('label.text = f"{name} loaded"', 1),
        ('label.text = f"✓ {column:.0f}, {row:.0f}"', 0),
        ('label.setStyleSheet("color: red")', 0),
        ('raise InputError(f"{name} is empty")', 1),
    ],
)
def test_the_search_for_untranslated_texts(source: str, count: int) -> None:
    assert len(list(untranslated(ast.parse(source)))) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('_(f"{name} loaded")', 1),
        ('_("{name} loaded".format(name=name))', 1),
        ('_("{name} loaded").format(name=name)', 0),
    ],
)
def test_the_search_for_untranslatable_texts(source: str, count: int) -> None:
    assert len(list(untranslatable(ast.parse(source)))) == count


def test_the_search_for_unnamed_braces() -> None:
    tree = ast.parse('_("{} of {0}"); _("{name:.1f} mm"); _("a {{brace}}")')
    assert len(list(unnamed(tree))) == 1
