"""The table of packages: one row per purpose, a tick where something can be installed."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, GOOD, QUIET
from XRayTo3DGui.setup.packages import Row, rows

PURPOSE, STATE = range(2)


class PackageTable:
    """Shows the rows and tells which are ticked.

    Args:
        table: A QTableWidget.
    """

    def __init__(self, table: Any) -> None:
        self.table = table
        self.rows: list[Row] = []
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("For"), _("Installed")])
        table.horizontalHeader().setSectionResizeMode(PURPOSE, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(STATE, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.setSelectionMode(qt.QAbstractItemView.NoSelection)
        table.setWordWrap(False)

    def fill(self) -> None:
        """As it stands now; what everyday work needs is ticked where it is missing."""
        self.rows = rows()
        blocked = self.table.blockSignals(True)
        self.table.setRowCount(len(self.rows))
        for number, row in enumerate(self.rows):
            self.table.setItem(number, PURPOSE, self._purposeItem(row))
            item = qt.QTableWidgetItem(row.state)
            item.setForeground(qt.QBrush(qt.QColor(GOOD if row.ready else BAD if row.needed else QUIET)))
            item.setToolTip(row.details)
            self.table.setItem(number, STATE, item)
        self.table.blockSignals(blocked)
        self._fitHeight()

    def _purposeItem(self, row: Row) -> Any:
        item = qt.QTableWidgetItem(row.title)
        item.setToolTip(row.details)
        flags = qt.Qt.ItemIsEnabled
        if row.installable:
            flags = flags | qt.Qt.ItemIsUserCheckable
            item.setCheckState(qt.Qt.Checked if row.needed else qt.Qt.Unchecked)
        item.setFlags(flags)
        return item

    def _fitHeight(self) -> None:
        table = self.table
        table.resizeRowsToContents()
        rowsHeight = sum(table.rowHeight(number) for number in range(table.rowCount))
        table.setFixedHeight(rowsHeight + table.horizontalHeader().height + 4)

    def chosen(self) -> list[Row]:
        """The rows that are ticked."""
        ticked = []
        for number, row in enumerate(self.rows):
            item = self.table.item(number, PURPOSE)
            if row.installable and item.checkState() == qt.Qt.Checked:
                ticked.append(row)
        return ticked
