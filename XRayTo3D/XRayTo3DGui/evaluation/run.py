"""The Measure button and the report: work in steps, Cancel at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.evaluation.measure import Evaluation, measureSteps
from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.panel import showMissing
from XRayTo3DGui.scene import layouts
from XRayTo3DLib.errors import XRayTo3DError
from XRayTo3DLib.evaluation.comparison import Comparison

BUSY = ("evaluationInputs", "evaluationShownWidget", "evaluationBonesTable")


class EvaluationRun:
    """One measurement or one report at a time; keeps what this session measured, for the report."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.comparisons: dict[str, Comparison] = {}
        self._found: Evaluation | None = None
        self._page: Path | None = None
        self._measuring = self._first = False
        self._runner = StepRunner(self._onStep, self._onDone, self._onFailed, self._onCancelled)
        self.ui.evaluationMeasureButton.connect("clicked(bool)", self.onButton)
        self.ui.evaluationProgressBar.setVisible(False)

    @property
    def running(self) -> bool:
        return self._runner.running

    def onButton(self, *_args: Any) -> None:
        """Measure, or Cancel while something runs."""
        if self.running:
            self.cancel()
            return
        node = self.panel.parameters
        self._measuring, self._first = True, not self.panel.maps()
        steps = measureSteps(
            node.evaluationReference,
            node.evaluationResult,
            node.evaluationSegment,
            ignoreBoundary=node.evaluationIgnoreBoundary,
            align=node.evaluationAlign,
            maximum=node.evaluationMaximum,
            signed=node.evaluationSigned,
        )
        self._start(steps, _("Measuring…"))

    def writeReport(self, folder: Path) -> None:
        """metrics.json, distance.vtp, distance.png and report.html into ``folder``; of several bones one page."""
        self._measuring = False
        self._start(reportSteps(self.comparisons, folder, self.panel.parameters.evaluationMaximum), _("Writing…"))

    def cancel(self) -> None:
        """Stop now; what was measured so far stays."""
        self._runner.cancel()

    def forget(self) -> None:
        """What was measured is no longer true."""
        self.comparisons = {}

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _start(self, steps: Iterator[Any], text: str) -> None:
        self._found = self._page = None
        self.panel.say(text)
        self._runner.start(steps)
        self._show(True)

    def _onStep(self, item: Any) -> None:
        if isinstance(item, Evaluation):
            self._found = item
            self.panel.say(item.doing)
            bar = self.ui.evaluationProgressBar
            bar.maximum = 100 if item.share else 0
            bar.setValue(round(100 * item.share))
        elif isinstance(item, Path):
            self._page = item

    def _onDone(self) -> None:
        self._show(False)
        if not self._measuring:
            self.panel.onReportWritten(self._page)
            return
        self.comparisons = dict(self._found.comparisons)
        self.panel.onMeasured(self._found)
        if self._first:
            layouts.lookAt(self.panel.maps())

    def _onFailed(self, error: Exception) -> None:
        self._show(False)
        if self._measuring:
            self.forget()
        if isinstance(error, ModuleNotFoundError):
            text = _("The report needs the Python package {name}: install it in the section Set-up.")
            self.panel.onFailed(text.format(name=error.name))
        elif isinstance(error, (XRayTo3DError, OSError)):
            self.panel.onFailed(str(error))
        else:
            self.panel.onFailed(_("That did not work; Slicer's error log has the rest."))
            slicer.util.errorDisplay(_("The surfaces could not be measured."), detailedText=repr(error))

    def _onCancelled(self) -> None:
        self._show(False)
        self.panel.onFailed(_("Cancelled."))

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def _show(self, running: bool) -> None:
        bar = self.ui.evaluationProgressBar
        bar.setVisible(running)
        bar.maximum = 0
        for name in BUSY:
            getattr(self.ui, name).enabled = not running
        self.updateButton("")

    def updateButton(self, problem: str) -> None:
        """Measure, Cancel, or greyed with what is missing."""
        button = self.ui.evaluationMeasureButton
        button.text = _("Cancel") if self.running else _("Measure")
        button.enabled = self.running or not problem
        ready = _("Measure both ways, color the result and fill the table (a second or two per bone)")
        button.toolTip = _("Stop now") if self.running else problem or ready
        showMissing(self.ui.evaluationHint, "" if self.running else problem)


def reportSteps(comparisons: dict[str, Comparison], folder: Path, maximum: float) -> Iterator[Any]:
    """Write the report of one bone, or of several with one page over them; the last item is the page's path.

    Args:
        comparisons: By the bone's name.
        folder: Made where missing.
        maximum: Top of the color bar, mm.
    """
    from XRayTo3DLib.evaluation.comparison_files import write_comparison, write_comparisons

    def work() -> Path:
        if len(comparisons) == 1:
            return write_comparison(next(iter(comparisons.values())), folder, range_mm=maximum)["report"]
        return write_comparisons(comparisons, folder, range_mm=maximum)

    yield from inThread(work)
