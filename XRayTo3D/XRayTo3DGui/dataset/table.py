"""The table of cases: one row each, coloured words for how its views stand; filled in slices, for there may be many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import qt
from slicer.i18n import tr as _

from XRayTo3DGui.dataset.listing import BROKEN, REJECTED, TO_REVIEW, CaseRow, ViewRow, matches
from XRayTo3DGui.panel import BAD, GOOD, QUIET, UNSURE
from XRayTo3DLib.dataset.case_views import UNREGISTERED

ROW_HEIGHT, HEADER_HEIGHT, FEWEST, MOST = 24, 26, 3, 10
AT_ONCE = 20
"""Rows that are filled in one step."""
WORST_FIRST = (BROKEN, TO_REVIEW, REJECTED, UNREGISTERED)


class CaseTable:
    """Fills a QTableWidget with cases.

    Args:
        widget: The table.
        onSelection: Called when another row is selected.
        onOpen: Called with the case's id when its row is double-clicked.
    """

    def __init__(self, widget: Any, onSelection: Callable[[], None], onOpen: Callable[[str], None]) -> None:
        self._widget, self._onSelected, self._onOpen = widget, onSelection, onOpen
        self.rows: list[CaseRow] = []
        self._filling = False
        headers = [_("Case"), _("Side"), _("Split"), _("Lacks"), _("Views")]
        widget.setColumnCount(len(headers))
        widget.setHorizontalHeaderLabels(headers)
        widget.verticalHeader().setVisible(False)
        header = widget.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)
        header.setResizeContentsPrecision(MOST)  # else the widths of a thousand rows are asked at every change
        widget.connect("itemSelectionChanged()", self._onSelection)
        widget.connect("cellDoubleClicked(int,int)", self._onDoubleClick)

    def fillSteps(self, rows: list[CaseRow], wanted: str, opened: str) -> Iterator[None]:
        """Show the rows that the filter lets through; the selected case stays selected, the open one is bold.

        Args:
            rows: All of the data set.
            wanted: One of ``parameters.CASE_FILTERS``.
            opened: Id of the case that is open in the scene, or "".
        """
        before = self.selected()
        self._filling = True
        try:
            self.rows = [row for row in rows if matches(row, wanted)]
            self._widget.setRowCount(len(self.rows))
            shown = min(MOST, max(FEWEST, len(self.rows)))
            self._widget.setFixedHeight(HEADER_HEIGHT + ROW_HEIGHT * shown + 2 * self._widget.frameWidth)
            for number, row in enumerate(self.rows):
                self._fillRow(number, row, row.id == opened)
                if number % AT_ONCE == AT_ONCE - 1:
                    yield
            self.select(before)
        finally:
            self._filling = False
        self._onSelected()

    def _fillRow(self, number: int, row: CaseRow, opened: bool) -> None:
        said, colour = viewsText(row.views)
        lacks = row.lacks[0] if row.lacks else "–"
        lacks = f"{lacks} +{len(row.lacks) - 1}" if len(row.lacks) > 1 else lacks
        side = {"right": _("R"), "left": _("L")}.get(row.side, "–")
        cells = ((row.id, ""), (side, ""), (row.split, ""), (lacks, UNSURE if row.lacks else ""), (said, colour))
        toolTip = rowToolTip(row)
        self._widget.setRowHeight(number, ROW_HEIGHT)
        for column, (text, ink) in enumerate(cells):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(toolTip)
            if ink:
                item.setForeground(qt.QBrush(qt.QColor(ink)))
            if opened:
                font = item.font()
                font.setBold(True)
                item.setFont(font)
            self._widget.setItem(number, column, item)

    def selected(self) -> str:
        """Id of the selected case, or ""."""
        number = self._widget.currentRow()
        return self.rows[number].id if 0 <= number < len(self.rows) else ""

    def select(self, caseId: str) -> None:
        """Select a case's row, or none where it is not shown."""
        numbers = [number for number, row in enumerate(self.rows) if row.id == caseId]
        if numbers:
            self._widget.selectRow(numbers[0])
        else:
            self._widget.clearSelection()
            self._widget.setCurrentCell(-1, -1)

    def _onSelection(self) -> None:
        if not self._filling:
            self._onSelected()

    def _onDoubleClick(self, number: int, _column: int) -> None:
        if 0 <= number < len(self.rows):
            self._onOpen(self.rows[number].id)


def viewsText(views: tuple[ViewRow, ...]) -> tuple[str, str]:
    """What stands in the column "Views", and its colour: the state that most needs somebody, with how many have it."""
    if not views:
        return _("none"), QUIET
    words = {
        BROKEN: (_("unreadable"), BAD),
        TO_REVIEW: (_("to review"), UNSURE),
        REJECTED: (_("rejected"), BAD),
        UNREGISTERED: (_("not registered"), QUIET),
    }
    for state in WORST_FIRST:
        count = sum(view.status == state for view in views)
        if count:
            text, colour = words[state]
            return (text if count == len(views) else f"{count}/{len(views)} {text}"), colour
    return _("accepted"), GOOD


def rowToolTip(row: CaseRow) -> str:
    """Everything about a case, line by line."""
    words = {BROKEN: _("cannot be read"), UNREGISTERED: _("not registered"), TO_REVIEW: _("to review")}
    lines = [_("{id}, person {person}").format(id=row.id, person=row.patient)]
    lines += [_("Lacks: {what}").format(what=", ".join(row.lacks))] if row.lacks else []
    for view in row.views:
        more = f" ({view.verdict})" if view.verdict else f": {view.why}" if view.why else ""
        lines.append(f"{view.name}: {words.get(view.status, view.status)}{more}")
    lines += [] if row.views else [_("No radiographs")]
    return "\n".join([*lines, _("Double click opens it")])
