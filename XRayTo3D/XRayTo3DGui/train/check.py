"""Looks at a data set while Slicer goes on: in a thread, for a hundred cases on a network drive take a while."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.panel import BAD, UNSURE
from XRayTo3DGui.train.choice import Choice
from XRayTo3DLib.methods.data_check import DataReport, data_report


class DataCheck:
    """The report of the chosen data set, seen by the chosen configuration.

    Args:
        onDone: Called without argument when there is a new one.
    """

    def __init__(self, onDone: Any) -> None:
        self.report: DataReport | None = None
        self._asked: tuple[str, str, tuple[str, ...]] | None = None
        self._onDone = onDone
        self._steps = StepRunner(self._onStep, onDone, self._onFailed)

    @property
    def running(self) -> bool:
        return self._steps.running

    def ask(self, folder: str, choice: Choice | None, again: bool = False) -> None:
        """Look at ``folder`` if it was not looked at like this before."""
        asked = (folder, str(choice.path), choice.changes) if folder.strip() and choice is not None else None
        if asked == self._asked and not again:
            return
        self._asked, self.report = asked, None
        self._steps.cancel()
        if asked is not None:
            self._steps.start(inThread(partial(data_report, choice.whole, Path(folder))))

    def stop(self) -> None:
        """Nothing of ours may run later."""
        self._steps.cancel()
        self._asked = None

    def _onStep(self, item: DataReport | None) -> None:
        if item is not None:
            self.report = item

    def _onFailed(self, error: Exception) -> None:
        self.report = DataReport("", (str(error),))
        self._onDone()

    def text(self) -> str:
        """What to show below the data set, as rich text."""
        if self.running:
            return escape(_("Looking at the data set…"))
        if self.report is None:
            return ""
        lines = [escape(self.report.summary)] if self.report.summary else []
        lines += [_coloured(each, BAD) for each in self.report.problems]
        lines += [_coloured(each, UNSURE) for each in self.report.doubts]
        return "<br>".join(lines)

    def problem(self) -> str:
        """Why it cannot be trained on, one sentence; empty where it can."""
        if self.running:
            return _("Wait a moment: the data set is being looked at")
        if self.report is None:
            return _("Choose the data set: the folder with dataset.json")
        return self.report.problems[0] if self.report.problems else ""


def _coloured(text: str, colour: str) -> str:
    return f'<span style="color:{colour}">{escape(text)}</span>'
