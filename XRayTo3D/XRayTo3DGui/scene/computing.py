"""Some seconds of computing asked for from outside a panel: in a thread, while Slicer goes on drawing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import inThread
from XRayTo3DLib.errors import InputError

Result = TypeVar("Result")
_busy: list[str] = []


def compute(what: str, work: Callable[[], Result]) -> Result:
    """Do it and wait, drawing meanwhile; Slicer's status bar says what is computed.

    Args:
        what: Of what is computed, for the status bar: "the synthetic wrist".
        work: Touches neither scene nor Qt.

    Returns:
        What ``work`` returned; what it raises is raised.

    Raises:
        InputError: Something else is being computed already: a second click while the first goes on.
    """
    if _busy:
        raise InputError(_("Wait a moment: {what} is still being computed.").format(what=_busy[0]))
    with _saying(what):
        steps: list[Any] = []
        for step in inThread(work):
            steps[:] = [step]
            slicer.app.processEvents()
        return steps[0]


@contextmanager
def _saying(what: str) -> Any:
    _busy.append(what)
    slicer.util.showStatusMessage(_("Computing {what}…").format(what=what))
    try:
        yield
    finally:
        _busy.clear()
        slicer.util.showStatusMessage("", 1)
