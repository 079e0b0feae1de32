"""A panel examined as it is drawn: texts that are cut off, width that it needs, tooltips, keyboard. Real Qt layout.

Widgets are asked for what they need (size hints, font metrics) and compared with what they have got.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SCREEN, PANEL, SCROLL_BAR = (1366, 768), 380, 14
"""A small laptop's screen, what a panel may take of its width, and the scroll bar beside it; pixels."""
INPUTS = ("QAbstractSpinBox", "QLineEdit", "QComboBox", "QSlider", "QTextEdit", "QPlainTextEdit", "QListWidget")
WIDE_STYLE = 6
"""Pixels that a frame and its padding take beside a text, at least."""
ARROW = 24
"""Pixels of a drop-down's arrow."""
SLACK = 1
REASON = re.compile(
    r"\b(first|cannot|choose|chosen|load|loaded|wait|mark|tick|nothing|enter|say|no |not |none|needs?|needed|missing|"
    r"already|only|until|while|select|open|add|there is|there are|start|after|runs?|done|pick|place|give|type|make)\b",
    re.IGNORECASE,
)
"""What the tooltip of a disabled button has: a word of what is missing or of what goes on."""


@contextmanager
def shown(content: Any, size: tuple[int, int] = SCREEN, panel: int = PANEL) -> Iterator[Any]:
    """The module's panel in a window of that size, in Slicer's scroll area; gives the scroll area."""
    from PySide6 import QtWidgets
    from slicerhost.screenshots import add_panel

    window = QtWidgets.QWidget()
    row = QtWidgets.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    area = add_panel(row, content, panel + SCROLL_BAR)
    row.addStretch(1)
    window.resize(*size)
    window.show()
    settle()
    try:
        yield area
    finally:
        area.takeWidget().setParent(None)
        window.hide()
        window.deleteLater()


def settle(throttled: bool = False) -> None:
    """Let layouts happen; if asked, throttled updates, too."""
    import slicer
    from module_cases import settle as wait

    for _ in range(3):
        slicer.app.processEvents()
    if throttled:
        wait()


def unfold(section: Any) -> None:
    """Open every part of a section that can be folded."""
    folded = [section]
    while folded:
        for part in folded:
            part.collapsed = False
        settle()
        parts = [section, *section.findChildren(_base("QWidget"))]
        folded = [each for each in parts if getattr(each, "collapsed", False) and each.isVisible()]
    settle(throttled=True)


def pages(section: Any) -> Iterator[str]:
    """Each page of the section's tabs in turn, once where there are none; gives a name for it."""
    tabs = section.findChildren(_base("QTabWidget"))
    if not tabs:
        yield ""
    for tab in tabs:
        for number in range(tab.count):
            tab.setCurrentIndex(number)
            settle()
            yield tab.tabText(number)


def visible_widgets(section: Any) -> list[Any]:
    """All widgets of a section that are drawn now, those inside composed ones too."""
    return [each for each in section.findChildren(_base("QWidget")) if each.isVisible()]


def named(widget: Any) -> str:
    """The object name of the widget, or of the next named one around it, with its text."""
    at, text = widget, ""
    for name in ("text", "title", "currentText"):
        value = getattr(widget, name, "")
        text = text or (value if isinstance(value, str) else "")
    while at is not None and (not at.objectName or at.objectName.startswith("qt_")):
        at = at.parentWidget()
    where = at.objectName if at is not None else "?"
    return f"{type(widget).__name__} {where} {text[:60]!r}"


# ---- texts -----------------------------------------------------------------------------------------------------------


def clipped(widget: Any) -> str:
    """What of the widget's text does not fit, as one sentence; "" where all is seen."""
    kinds = kinds_of(widget)
    width, height = widget.size.width(), widget.size.height()
    if "QLabel" in kinds:
        return _clipped_label(widget, width, height)
    if "QHeaderView" in kinds:
        return _clipped_header(widget)
    needed = 0
    if "ctkCollapsibleButton" in kinds or "QGroupBox" in kinds:
        needed = _advance(widget, widget.title if "QGroupBox" in kinds else widget.text) + ARROW
    elif "QAbstractButton" in kinds:
        needed = _button_width(widget, kinds)
    elif "QComboBox" in kinds:
        # A name that a person gave is read in the tooltip where it is longer; a typed path moves with the cursor.
        whole = widget.currentText in tooltip(widget) or widget.editable
        needed = 0 if whole else _advance(widget, widget.currentText) + ARROW + WIDE_STYLE
    elif "QAbstractSpinBox" in kinds:
        needed = _hint(widget.minimumSizeHint).width()
    elif "QLineEdit" in kinds and not _inside(widget, ("QAbstractSpinBox", "QComboBox")):
        needed = _advance(widget, widget.placeholderText) + WIDE_STYLE if widget.placeholderText else 0
    return f"{named(widget)}: {width} px, its text needs {needed}" if needed > width + SLACK else ""


def _clipped_label(widget: Any, width: int, height: int) -> str:
    if not widget.text or (widget.pixmap is not None and not widget.text):
        return ""
    if widget.wordWrap:
        if widget.heightForWidth(width) > height + SLACK:
            settle(throttled=True)  # shown a moment ago: its row is laid out next
            width, height = widget.size.width(), widget.size.height()
        needed = widget.heightForWidth(width)
        longest = max((_advance(widget, word) for word in _words(widget.text)), default=0)
        if longest > width + SLACK:
            return f"{named(widget)}: {width} px, a word needs {longest}"
        return f"{named(widget)}: {height} px high, its text needs {needed}" if needed > height + SLACK else ""
    needed = _hint(widget.sizeHint).width()
    return f"{named(widget)}: {width} px, its text needs {needed}" if needed > width + SLACK else ""


def _clipped_header(widget: Any) -> str:
    from PySide6 import QtCore

    if widget.orientation != QtCore.Qt.Horizontal or widget.model() is None:
        return ""
    for section in range(widget.count()):
        text = str(widget.model().headerData(section, QtCore.Qt.Horizontal) or "")
        needed, got = _advance(widget, text) + WIDE_STYLE, widget.sectionSize(section)
        if got and needed > got + SLACK:
            return f"{named(widget)}: column {text!r} is {got} px, its text needs {needed}"
    return ""


def _button_width(widget: Any, kinds: set[str]) -> int:
    text = widget.text.replace("&", "")
    icon = 0 if widget.icon.isNull() else widget.iconSize.width() + 4
    box = 20 if kinds & {"QCheckBox", "QRadioButton"} else WIDE_STYLE
    return _advance(widget, text) + icon + box if text else 0


def _words(text: str) -> list[str]:
    return re.sub(r"<[^>]*>|&\w+;", " ", text).split()


def _advance(widget: Any, text: str) -> int:
    return max((widget.fontMetrics().horizontalAdvance(line) for line in text.splitlines()), default=0)


def widest(section: Any, count: int = 4) -> str:
    """The rows that need most width, for whoever has to mend it."""
    leaves = [each for each in visible_widgets(section) if each.layout() is not None]
    needs = {named(each): each.layout().totalMinimumSize().width() for each in leaves}
    for each in visible_widgets(section):
        if each.layout() is None:
            needs[named(each)] = max(each.minimumWidth, _hint(each.minimumSizeHint).width())
    ordered = sorted(needs.items(), key=lambda item: -item[1])[:count]
    return "; ".join(f"{name} {width}" for name, width in ordered)


def _hint(hint: Any) -> Any:
    return hint() if callable(hint) else hint


# ---- controls --------------------------------------------------------------------------------------------------------


def controls(section: Any) -> list[Any]:
    """What a person presses, types into or chooses from: drawn now, composed ones as one."""
    found = []
    for each in visible_widgets(section):
        kinds = kinds_of(each)
        if not kinds & {"QAbstractButton", "QAbstractItemView", *INPUTS} or kinds & {"QHeaderView", "QScrollBar"}:
            continue
        if "ctkCollapsibleButton" in kinds or _inner(each):
            continue
        found.append(each)
    return found


def _inner(widget: Any) -> bool:
    """Whether the widget is a part of a composed one (a slider's spin box), which answers for it."""
    at = widget.parentWidget()
    while at is not None and not kinds_of(at) & {"ctkCollapsibleButton", "qMRMLWidget", "QTabWidget"}:
        composed = kinds_of(at) & {"QAbstractSpinBox", "QComboBox", "QAbstractItemView", "QTabBar"}
        stand_in = any(name.startswith(("ctk", "qMRML", "qSlicer")) for name in kinds_of(at))
        if composed or (stand_in and not kinds_of(at) & {"QGroupBox"}):
            return True
        at = at.parentWidget()
    return bool(kinds_of(widget) & {"QTabBar"}) or (widget.objectName or "").startswith("qt_")


def composed(section: Any) -> list[Any]:
    """Slicer's and CTK's composed controls, drawn now."""
    folds = {"ctkCollapsibleButton", "ctkCollapsibleGroupBox", "qMRMLWidget", "ctkExpandableWidget"}
    return [
        each
        for each in visible_widgets(section)
        if type(each).__name__.startswith(("ctk", "qMRML", "qSlicer")) and type(each).__name__ not in folds
    ]


def tooltip(widget: Any) -> str:
    """The tooltip that a person gets over the widget: its own, or the one around it."""
    at = widget
    while at is not None and "qMRMLWidget" not in kinds_of(at):
        if at.toolTip:
            return at.toolTip
        at = at.parentWidget()
    return ""


def reachable(widget: Any) -> bool | None:
    """Whether the Tab key gets there; None where it is greyed, or a list that the arrows move in."""
    from PySide6 import QtCore

    if not widget.enabled or "QAbstractItemView" in kinds_of(widget):
        return None
    policy = widget.focusPolicy
    takes = int(getattr(policy, "value", policy)) & QtCore.Qt.TabFocus.value
    at, seen = widget.nextInFocusChain(), 0
    while at is not widget and seen < 5000:
        at, seen = at.nextInFocusChain(), seen + 1
    return bool(takes) and at is widget


def disabled_by_itself(widget: Any) -> bool:
    """Whether it is greyed though what is around it is not."""
    return not widget.enabled and (widget.parentWidget() is None or widget.parentWidget().enabled)


# ---- colours ---------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2): 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _base(name: str) -> Any:
    from PySide6 import QtWidgets

    return getattr(QtWidgets, name)


def kinds_of(widget: Any) -> set[str]:
    """Names of its classes, from its own to QObject."""
    return {each.__name__ for each in type(widget).__mro__}


def _inside(widget: Any, kinds: tuple[str, ...]) -> bool:
    at = widget.parentWidget()
    while at is not None:
        if kinds_of(at) & set(kinds):
            return True
        at = at.parentWidget()
    return False
