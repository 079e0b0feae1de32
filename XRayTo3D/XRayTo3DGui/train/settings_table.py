"""Every value of the configuration in a table, to be changed one by one; a wrong one is refused and put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from XRayTo3DGui.train.choice import Choice

KEY, VALUE = range(2)


class SettingsTable:
    """Shows the values and tells what was typed.

    Args:
        table: A QTableWidget.
        filterEdit: A QLineEdit: only places that hold its text are shown.
        onTyped: Called with "KEY=VALUE".
    """

    def __init__(self, table: Any, filterEdit: Any, onTyped: Callable[[str], None]) -> None:
        self.table, self._filterEdit, self._onTyped = table, filterEdit, onTyped
        self._choice: Choice | None = None
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("Setting"), _("Value")])
        table.horizontalHeader().setSectionResizeMode(KEY, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(VALUE, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.setWordWrap(False)
        table.connect("itemChanged(QTableWidgetItem*)", self._onItem)
        filterEdit.connect("textChanged(QString)", lambda _text: self._filter())

    def fill(self, choice: Choice | None, again: bool = False) -> None:
        """As it is chosen now."""
        if choice is self._choice and not again:
            return
        self._choice = choice
        settings = choice.settings if choice is not None else ()
        blocked = self.table.blockSignals(True)
        self.table.setRowCount(len(settings))
        for row, setting in enumerate(settings):
            changed = choice.isChanged(setting.key)
            own = next((each.text for each in choice.base if each.key == setting.key), "")
            told = _("{key}; in the file: {own}").format(key=setting.key, own=own)
            for column, text in ((KEY, setting.key), (VALUE, setting.text)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(told)
                font = item.font()
                font.setBold(changed)
                item.setFont(font)
                if column == KEY:
                    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                self.table.setItem(row, column, item)
        self.table.blockSignals(blocked)
        self._filter()

    def _onItem(self, item: Any) -> None:
        if item.column() == VALUE and self._choice is not None:
            self._onTyped(f"{self.table.item(item.row(), KEY).text()}={item.text()}")

    def _filter(self) -> None:
        wanted = str(self._filterEdit.text).strip().lower()
        for row in range(self.table.rowCount):
            self.table.setRowHidden(row, wanted not in self.table.item(row, KEY).text().lower())
