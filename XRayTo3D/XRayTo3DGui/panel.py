"""What every panel of the module offers to the module widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

import qt
import slicer

from XRayTo3DLib.errors import InputError


class Panel(Protocol):
    """One collapsible section. Built once; follows the parameter node; survives an empty or closed scene."""

    ui: Any

    def setup(self) -> Any:
        """Load ``Resources/UI/<Name>.ui``, connect its controls, and return the Qt widget."""
        ...

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; None while the scene closes or the module is left."""
        ...

    def cleanup(self) -> None:
        """Stop everything that runs, remove every observer."""
        ...


ON_LIGHT = ("#1d6b41", "#855500", "#b3261e", "#5c5c5c")
ON_DARK = ("#5fc48c", "#e3a233", "#ff8078", "#a6a6a6")
"""Good, unsure, bad, quiet: each reads on its style with a contrast of 4.5 or more (WCAG 2.2, level AA)."""


def statusColours() -> tuple[str, str, str, str]:
    """The four colours that read on Slicer's present style; Slicer takes another style only at its next start."""
    window = slicer.app.palette().color(qt.QPalette.Window)
    return ON_DARK if window.lightness() < 128 else ON_LIGHT


# Plain words in the panels.
GOOD, UNSURE, BAD, QUIET = statusColours()


LAID_OUT_MS = 100
"""Time for what was just filled in to get its place."""


def bringIntoSight(widget: Any) -> None:
    """Scroll the module's panel, once it is laid out, until a widget of it is seen."""
    area = widget.parentWidget()
    while area is not None and not hasattr(area, "ensureWidgetVisible"):  # a scroll area of whatever class
        area = area.parentWidget()
    if area is not None:
        qt.QTimer.singleShot(LAID_OUT_MS, lambda: area.ensureWidgetVisible(widget, 0, 8) if widget.visible else None)


def rememberPath(pathEdit: Any) -> None:
    """Into the drop-down, for the next time too. ctkPathLineEdit shows other paths meanwhile: nobody is to follow."""
    blocked = pathEdit.blockSignals(True)
    pathEdit.addCurrentPathToHistory()
    pathEdit.blockSignals(blocked)


def showStatus(label: Any, text: str, colour: str = "") -> None:
    """One sentence in a panel's status label; hidden while there is none."""
    label.text = text
    label.setStyleSheet(f"color: {colour}" if colour else "")
    label.setVisible(bool(text))


def showMissing(label: Any, problem: str) -> None:
    """What has to be done before the button above can be pressed: a tooltip alone is not found. Empty hides it."""
    showStatus(label, f"{problem.rstrip('.')}." if problem else "", QUIET)


def plain(text: str) -> str:
    """A text out of a file for a label of rich text: a name with tags in it is no page."""
    return escape(text, quote=False)


@contextmanager
def explaining(say: Callable[..., None]) -> Iterator[None]:
    """What a person can mend is said in the panel, anything else goes on to Slicer's error window.

    Args:
        say: Takes a sentence and a colour.
    """
    say("")
    try:
        yield
    except InputError as error:
        say(str(error), BAD)


def allow(button: Any, problem: str = "") -> None:
    """Enable a control, or grey it with what is missing as its tooltip; the one of its .ui file comes back by itself.

    Args:
        button: Any control with a tooltip.
        problem: Why it cannot be used now, as one sentence; empty where it can.
    """
    ready = button.property("XRayTo3DToolTip")
    if not ready:
        ready = button.toolTip
        button.setProperty("XRayTo3DToolTip", ready)
    button.enabled = not problem
    button.toolTip = problem or ready


def prepareLabels(ui: Any) -> None:
    """Labels name their controls (``sideComboLabel``, ``sideCombo``) for screen readers, and are no pages.

    Those with markup say so in the .ui file; the others would guess, and take a file's name with tags in it for a page.
    """
    for name, widget in vars(ui).items():
        if not hasattr(widget, "setBuddy"):
            continue
        if widget.textFormat == qt.Qt.AutoText:
            widget.setTextFormat(qt.Qt.PlainText)
        named = getattr(ui, name.removesuffix("Label"), None) if name.endswith("Label") else None
        if named is not None:
            widget.setBuddy(named)
