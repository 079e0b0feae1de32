"""Walks docs/tutorial.md in the host: each sentence of its steps is done with the real widgets, or looked for on them.

The page's sentences (bold are words on the screen)::

    In Sample Data, press **name**.           Open **section**.            Unfold **part**.
    Press **button**.                         Tick **box**.                Wait until it is done.
    Choose **value** in **label**.            Type **text** into **label**.
    You see **text**.                         You see **name**: about **1.2 mm**.
    Close the scene.

A sentence of a step that has something bold in it and is none of these is an error: the page is walked word by word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |^#|^!\[|^$|\Z)", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
WITHIN = 0.15
"""How far a number on the screen may lie from the page's, as a share of it; and never nearer than a last digit."""
SECTIONS = ("radiographs", "registration", "dataset", "train", "reconstruct", "evaluation", "setup")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a step."""

    step: int
    text: str


def steps_of(page: str) -> list[list[Sentence]]:
    """The numbered steps of the page, each cut into its sentences."""
    found = []
    for number, match in enumerate(STEP.finditer(page), 1):
        text = " ".join(match.group(1).split())
        found.append([Sentence(number, each) for each in sentences_of(text)])
    return found


def sentences_of(text: str) -> list[str]:
    """Cut at full stops outside bold words and numbers, and behind bold words that end with one."""
    parts, bold, start = [], False, 0
    for place, sign in enumerate(text):
        if text.startswith("**", place) and not text.startswith("**", place - 1):
            bold = not bold
        ended = sign == "." and not bold and text[place + 1 : place + 2] in ("", " ")
        ended = ended or (
            not bold and text[place - 2 : place + 1] == ".**" and text[place + 1 : place + 2] in ("", " ")
        )
        if ended:
            parts.append(text[start : place + 1].strip())
            start = place + 1
    return [part for part in [*parts, text[start:].strip()] if part]


class Walker:
    """A person at the module's panel.

    Args:
        widget: The module's widget, entered.
    """

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.done: list[str] = []
        self._rules: list[tuple[str, Callable[..., None]]] = [
            (r"In Sample Data, press \*\*(.+?)\*\*\.", self.sample),
            (r"Open \*\*(.+?)\*\*\.", self.open),
            (r"Unfold \*\*(.+?)\*\*\.", self.unfold),
            (r"Press \*\*(.+?)\*\*\.", self.press),
            (r"Tick \*\*(.+?)\*\*\.", self.tick),
            (r"Choose \*\*(.+?)\*\* in \*\*(.+?)\*\*\.", self.choose),
            (r"Type \*\*(.+?)\*\* into \*\*(.+?)\*\*\.", self.type),
            (r"Wait until it is done\.", self.wait),
            (r"Close the scene\.", self.close),
            (r"You see \*\*(.+?)\*\*: about \*\*(.+?)\*\*\.", self.number),
            (r"You see \*\*(.+?)\*\*\.?", self.see),
        ]

    def walk(self, page: Path) -> None:
        """Do all the steps of a page."""
        for step in steps_of(page.read_text(encoding="utf-8")):
            for sentence in step:
                self.do(sentence)

    def do(self, sentence: Sentence) -> None:
        """One sentence; what a person only reads is passed over."""
        for pattern, action in self._rules:
            match = re.fullmatch(pattern, sentence.text)
            if match:
                try:
                    action(*match.groups())
                except AssertionError as error:
                    raise AssertionError(f"step {sentence.step}, {sentence.text!r}: {error}") from error
                self.done.append(sentence.text)
                return
        assert "**" not in sentence.text, f"step {sentence.step}: nobody can do {sentence.text!r}"

    # ---- what a person does ------------------------------------------------------------------------------------------

    def sample(self, name: str) -> None:
        import XRayTo3D as module

        (method,) = [row[2] for row in module.sampleTable() if row[1] == name]
        module._computeSample(method)
        self.settle()

    def open(self, title: str) -> None:
        sections = {section.text.replace("  ", " "): section for section in self.widget.sections}
        assert title in sections, f"the sections are {sorted(sections)}"
        sections[title].collapsed = False
        self.settle()

    def unfold(self, title: str) -> None:
        part = self._one(lambda each: hasattr(each, "collapsed") and _text(each) == title, title)
        part.collapsed = False
        self.settle()

    def press(self, text: str) -> None:
        button = self._one(lambda each: "QAbstractButton" in _kinds(each) and _text(each) == text, text)
        assert button.enabled, f"it is greyed: {button.toolTip}"
        button.click()
        self.settle()

    def tick(self, text: str) -> None:
        box = self._one(lambda each: "QCheckBox" in _kinds(each) and _text(each) == text, text)
        assert box.enabled and not box.checked, f"enabled {box.enabled}, ticked {box.checked}"
        box.click()
        self.settle()

    def choose(self, value: str, label: str) -> None:
        field = self._field(label)
        assert field.enabled, f"it is greyed: {field.toolTip}"
        if hasattr(field, "setCurrentNode"):
            nodes = {node.GetName(): node for node in _nodes_of(field)}
            assert value in nodes, f"the choices are {sorted(nodes)}"
            field.setCurrentNode(nodes[value])
        else:
            items = [field.itemText(number) for number in range(field.count)]
            assert value in items, f"the choices are {items}"
            field.currentIndex = items.index(value)
        self.settle()

    def type(self, text: str, label: str) -> None:
        field = self._field(label)
        field.text = text
        field.editingFinished.emit()
        self.settle()

    def wait(self) -> None:
        from module_cases import wait_until
        from slicerhost.pythonqt import work_waits

        wait_until(lambda: not self.busy() and not work_waits(), 300)
        self.settle()

    def close(self) -> None:
        import slicer

        slicer.mrmlScene.Clear()
        self.settle()

    def see(self, text: str) -> None:
        seen = self.screen()
        assert _plain(text) in seen, f"the section shows: {seen}"

    def number(self, name: str, value: str) -> None:
        wanted = float(NUMBER.search(value).group())
        digits = len(value.partition(".")[2].split(" ")[0])
        found = [float(NUMBER.search(each).group()) for each in self._rows(name)]
        assert found, f"no row begins with {name!r}; the section shows: {self.screen()}"
        allowed = max(WITHIN * abs(wanted), 10.0**-digits)
        assert abs(found[0] - wanted) <= allowed, f"it is {found[0]}, the page says {wanted}"

    # ---- what a person looks at --------------------------------------------------------------------------------------

    def busy(self) -> bool:
        """Whether any section still works."""
        for panel in self.widget.panels:
            for part in (panel, *vars(panel).values()):
                if any(getattr(part, doing, False) is True for doing in ("running", "drawing", "watching")):
                    return True
        return False

    def section(self) -> Any:
        """The one that is open."""
        (found,) = [each for each in self.widget.sections if not each.collapsed]
        return found

    def screen(self) -> str:
        """All text that the open section shows now."""
        return " | ".join(filter(None, (_plain(_shown(each)) for each in self._visible())))

    def settle(self) -> None:
        from module_cases import settle

        settle()

    def _visible(self) -> list[Any]:
        from PySide6 import QtWidgets

        return [each for each in self.section().findChildren(QtWidgets.QWidget) if each.isVisible()]

    def _one(self, fits: Callable[[Any], bool], name: str) -> Any:
        found = [each for each in self._visible() if fits(each)]
        texts = sorted({_text(each) for each in self._visible() if _text(each)})
        assert len(found) == 1, f"{len(found)} have the name {name!r}; there are {texts}"
        return found[0]

    def _field(self, label: str) -> Any:
        found = self._one(lambda each: "QLabel" in _kinds(each) and _text(each).rstrip(":") == label, label)
        name = found.objectName.removesuffix("Label")
        (field,) = [each for each in self._visible() if each.objectName == name]
        return field

    def _rows(self, name: str) -> list[str]:
        rows = []
        for each in self._visible():
            if "QTableWidget" in _kinds(each):
                for row in range(each.rowCount):
                    cells = [each.item(row, column) for column in range(each.columnCount)]
                    texts = [_plain(cell.text()) if cell is not None else "" for cell in cells]
                    if texts and texts[0] == name:
                        rows += [text for text in texts[1:] if NUMBER.search(text)][:1]
            elif "QLabel" in _kinds(each):
                rows += re.findall(rf"{re.escape(name)}:? ({NUMBER.pattern})", _plain(each.text))
        return rows


def _shown(widget: Any) -> str:
    kinds = _kinds(widget)
    if "QTableWidget" in kinds:
        cells = [widget.item(row, column) for row in range(widget.rowCount) for column in range(widget.columnCount)]
        return " ".join(cell.text() for cell in cells if cell is not None)
    if "QTextEdit" in kinds or "QTextBrowser" in kinds:
        return widget.toPlainText()
    return str(_text(widget) or getattr(widget, "currentText", "") or "")


def _text(widget: Any) -> str:
    text = getattr(widget, "text", "") or getattr(widget, "title", "")
    return text.replace("&", "") if isinstance(text, str) else ""


def _plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).replace("&nbsp;", " ").split())


def _kinds(widget: Any) -> set[str]:
    return {each.__name__ for each in type(widget).__mro__}


def _nodes_of(selector: Any) -> list[Any]:
    """What a person finds in a node selector."""
    return [selector.nodeFromIndex(number) for number in range(selector.nodeCount())]
