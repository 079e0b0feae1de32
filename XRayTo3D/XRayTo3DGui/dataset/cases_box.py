"""The cases in the panel: read and shown in slices, filtered, opened in the scene one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.dataset import browse, listing, open_case
from XRayTo3DGui.dataset.table import CaseTable
from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD, GOOD, explaining, showStatus
from XRayTo3DLib.errors import InputError


class CasesBox:
    """Table, filter, views of the selected case, and the buttons that open cases."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.rows: list[listing.CaseRow] = []
        self._reader = listing.Listing()
        self._groups: list[tuple[Any, ...]] = []
        self._shown: tuple[Any, ...] = ()
        self._doing = self._none = ""
        self.table = CaseTable(self.ui.caseTable, self._onSelection, self.open)
        self._reading = StepRunner(onFailed=self._onReadFailed)
        self._opening = StepRunner(self._onStep, self._onOpened, self._onOpenFailed, self._onOpenCancelled)
        self.say("")
        self.ui.openCaseButton.connect("clicked(bool)", self.onOpen)
        self.ui.openNextButton.connect("clicked(bool)", self.openNext)
        self.ui.saveLandmarksButton.connect("clicked(bool)", self.onSaveLandmarks)

    @property
    def opening(self) -> bool:
        """Whether a case is being opened."""
        return self._opening.running

    def stop(self) -> None:
        """Nothing of ours may run later; a case that is half open leaves the scene again."""
        self._reading.cancel()
        self._opening.cancel()

    def say(self, text: str, colour: str = "") -> None:
        """One sentence under the table."""
        showStatus(self.ui.openStatusLabel, text, colour)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def read(self, about: listing.About | None) -> None:
        """Read the cases anew, in slices; views that have not changed are not opened again."""
        self._reading.start(self._readSteps(about))

    def _readSteps(self, about: listing.About | None) -> Iterator[None]:
        rows = []
        for row in self._reader.rowSteps(about) if about is not None else ():
            rows.append(row)
            yield
        changed, self.rows = rows != self.rows, rows
        self._shown = self._shown if not changed else ()
        yield from self._fillSteps()
        self.panel.onRows()

    def _fillSteps(self) -> Iterator[None]:
        parameters = self.panel.parameters
        if parameters is None:
            return
        opened = Path(parameters.caseFolder).name if parameters.caseFolder else ""
        shown = (parameters.datasetFilter, opened, len(self.rows))
        if shown != self._shown or not self._shown:
            yield from self.table.fillSteps(self.rows, parameters.datasetFilter, opened)
            self._shown = shown

    def sync(self) -> None:
        """Another filter, another open case."""
        if not self._reading.running:
            self._reading.start(self._fillSteps())
        self.showLandmarks()

    def _onReadFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error
        self.say(str(error), BAD)

    # ---- what is selected ------------------------------------------------------------------------------------------

    def _onSelection(self) -> None:
        """Views of the selected case, where there are several to choose from."""
        row = self._row(self.table.selected())
        self._groups = self._groupsOf(row) if row is not None and len(row.views) > 1 else []
        self.ui.viewRow.setVisible(len(self._groups) > 1)
        self.ui.viewCombo.clear()
        if len(self._groups) > 1:
            self.ui.viewCombo.addItems([_("First that needs somebody"), *map(open_case.groupText, self._groups)])
        self.panel.updateButtons()

    def _groupsOf(self, row: listing.CaseRow) -> list[tuple[Any, ...]]:
        try:
            return open_case.viewGroups(open_case.caseOf(row.folder))
        except InputError:
            return []  # opening it says what is wrong

    def _row(self, caseId: str) -> listing.CaseRow | None:
        return next((row for row in self.rows if row.id == caseId), None)

    def updateButtons(self) -> None:
        """Greyed with what is missing; the first button cancels while a case is opened."""
        ui, folder = self.ui, self.panel.about is not None
        waiting = sum(listing.TO_REVIEW in row.statuses for row in self.rows)
        missing = _("Choose or make a data set first") if not folder else ""
        nothing = missing or ("" if waiting else _("No registration waits for a review"))
        select = missing or ("" if self.table.selected() else _("Select a case in the table"))
        ready = _("Open the next case that nobody has judged; cases that wait: {count}").format(count=waiting)
        ui.openNextButton.enabled, ui.openNextButton.toolTip = not nothing and not self.opening, nothing or ready
        ui.openCaseButton.text = _("Cancel") if self.opening else _("Open case")
        ui.openCaseButton.enabled = self.opening or not select
        ready = _("Open the selected case in the scene, to be registered and reviewed in section 2")
        ui.openCaseButton.toolTip = _("Stop opening") if self.opening else select or ready
        ui.landmarksRow.setVisible(self._landmarksNode() is not None)

    # ---- opening -----------------------------------------------------------------------------------------------------

    def onOpen(self, *_args: Any) -> None:
        """Open the selected case; pressed again, stop."""
        if self.opening:
            self._opening.cancel()
        elif self.table.selected():
            self.open(self.table.selected())

    def open(self, caseId: str) -> None:
        """Open a case in the place of the one that is open."""
        parameters, number = self.panel.parameters, self.ui.viewCombo.currentIndex
        chosen = self._groups[number - 1][0].name if caseId == self.table.selected() and number > 0 else ""
        if self._leaveOpenCase():
            self._start(browse.openSteps(parameters.datasetFolder, caseId, parameters, chosen))

    def openNext(self, *_args: Any) -> None:
        """Open the next case with a view to review; section 2's "Next case" presses it too."""
        self._openNeighbour(browse.nextSteps, _("Nothing is left to review."))

    def openPrevious(self) -> None:
        """Section 2's "Previous case": the registered one before the open one."""
        self._openNeighbour(browse.previousSteps, _("No registered case comes before this one."))

    def _openNeighbour(self, steps: Callable[..., Iterator[str]], none: str) -> None:
        parameters = self.panel.parameters
        if parameters is None or self.opening:
            return
        if not parameters.datasetFolder and parameters.caseFolder:
            self.panel.openFolder(str(Path(parameters.caseFolder).parent.parent))
        if self._leaveOpenCase():
            self._none = none
            self._start(steps(parameters.datasetFolder, parameters, self._reader))

    def _start(self, steps: Iterator[str]) -> None:
        with explaining(self.say):
            self._opening.start(steps)
        self.panel.updateButtons()

    def _leaveOpenCase(self) -> bool:
        """Whether the open case may leave the scene: what is not in its folder is asked about."""
        parameters = self.panel.parameters
        lost = open_case.unsaved(parameters) if parameters.caseFolder else ""
        if not lost:
            return True
        text = _("{id}: {what} is in the scene only, not in the data set. Open another case all the same?")
        return slicer.util.confirmOkCancelDisplay(text.format(what=lost, id=Path(parameters.caseFolder).name))

    def _onStep(self, text: str) -> None:
        self._doing = text
        self.say(text)

    def _onOpened(self) -> None:
        if not self._doing:
            self.say(self._none, GOOD)
        else:
            self.say(self._doing, GOOD)
            self.panel.showOpenCase()
        self.panel.refresh()

    def _onOpenFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            slicer.util.errorDisplay(_("The case could not be opened."), detailedText=repr(error))
        self.say(str(error), BAD)
        self.panel.updateButtons()

    def _onOpenCancelled(self) -> None:
        self.say(_("Cancelled."))
        self.panel.updateButtons()

    # ---- landmarks ---------------------------------------------------------------------------------------------------

    def _landmarksNode(self) -> Any:
        return open_case.landmarksNode(self.panel.parameters) if self.panel.parameters is not None else None

    def showLandmarks(self) -> None:
        """Or hide them, as it is ticked."""
        node, wanted = self._landmarksNode(), self.panel.parameters.datasetShowLandmarks
        if node is not None and node.GetDisplayNode() is not None and node.GetDisplayVisibility() != wanted:
            node.SetDisplayVisibility(wanted)

    def onSaveLandmarks(self, *_args: Any) -> None:
        """Write the open case's landmarks as the scene has them now."""
        with explaining(self.say):
            path = open_case.saveLandmarks(self.panel.parameters)
            self.say(_("Landmarks written to {path}.").format(path=path), GOOD)
            self.panel.refresh()
