"""The panel's short table of an evaluation, from the statistics table in the scene."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

ROW_HEIGHT = 22  # pixels
HEADLINE = (
    ("assd", "ASSD, average distance"),
    ("hd95", "HD95, 95 % lie nearer"),
    ("rms", "RMS"),
    ("hd", "Maximum (Hausdorff)"),
    ("asd_reference_to_result", "Mean, reference to result"),
    ("asd_result_to_reference", "Mean, result to reference"),
    ("nsd_1mm", "Area within 1 mm"),
)
PAPERS = (("vertices_asd", "ASD, vertex to vertex"),)
STRONG = ("assd", "hd95")
PAPERS_TITLE = "As in publications; not comparable with the above"
MAP_TITLE = "Color map, mean over the area"
MAP = (("map_area_mean", "Distance, result to reference"), ("map_signed_area_mean", "Signed: + outside the reference"))


def fillTable(widget: Any, tableNode: Any) -> None:
    """Show the statistics of ``tableNode``; without one the table is hidden."""
    values = statistics(tableNode)
    widget.setVisible(bool(values))
    widget.clearContents()
    widget.setRowCount(0)
    if not values:
        return
    _addRows(widget, HEADLINE, values)
    _addTitle(widget, _(PAPERS_TITLE))
    _addRows(widget, PAPERS, values)
    _addTitle(widget, _(MAP_TITLE))
    _addRows(widget, MAP, values)
    widget.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    widget.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
    widget.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    widget.setFixedHeight(ROW_HEIGHT * widget.rowCount + 2 * widget.frameWidth)


def fillBones(widget: Any, rows: list[tuple[str, dict[str, tuple[float, str, str]]]], shown: str) -> None:
    """A row per bone with the few numbers to see first; hidden where there is one bone or none.

    Args:
        widget: The table.
        rows: A bone's name and its :func:`statistics`, empty before it was measured.
        shown: The bone whose row is marked.
    """
    headers = (_("Bone"), _("ASSD mm"), _("HD95 mm"), _("Max mm"))
    texts = [
        (name, *(f"{values[key][0]:.2f}" if key in values else "–" for key in ("assd", "hd95", "hd")))
        for name, values in rows
    ]
    fillColumns(widget, headers, texts if len(texts) > 1 else [])
    widget.setToolTip(_("Click a bone to see all of its numbers, its histogram and its definitions"))
    widget.clearSelection()
    for row, (name, _values) in enumerate(rows):
        if name == shown and len(rows) > 1:
            widget.selectRow(row)


def fillColumns(widget: Any, headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Texts with numbers at the right, as high as its rows; hidden where there are none."""
    widget.setVisible(bool(rows))
    widget.setColumnCount(len(headers))
    widget.setHorizontalHeaderLabels(list(headers))
    header = widget.horizontalHeader()
    header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    header.setFixedHeight(ROW_HEIGHT)
    widget.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        widget.setRowHeight(row, ROW_HEIGHT)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text if column == 0 else headers[column])
            if column:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            widget.setItem(row, column, item)
    widget.setFixedHeight(ROW_HEIGHT * (len(rows) + 1) + 2 * widget.frameWidth)


def statistics(tableNode: Any) -> dict[str, tuple[float, str, str]]:
    """Value, unit and definition by key; empty for another kind of table."""
    table = tableNode.GetTable() if tableNode is not None else None
    names = ("Key", "Value", "Unit", "Definition")
    if table is None or any(table.GetColumnByName(name) is None for name in names):
        return {}
    rows = [[table.GetValueByName(row, name).ToString() for name in names] for row in range(table.GetNumberOfRows())]
    return {key: (float(value), unit, definition) for key, value, unit, definition in rows}


def _addRows(widget: Any, rows: tuple[tuple[str, str], ...], values: dict[str, tuple[float, str, str]]) -> None:
    for key, title in rows:
        if key not in values:
            continue
        value, unit, definition = values[key]
        row = _newRow(widget)
        number = f"{value:.1f} %" if unit == "%" else f"{value:.2f} {unit}"
        for column, text in enumerate((_(title), number)):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(definition)
            _setBold(item, key in STRONG)
            if column == 1:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            widget.setItem(row, column, item)


def _addTitle(widget: Any, text: str) -> None:
    row = _newRow(widget)
    item = qt.QTableWidgetItem(text)
    font = item.font()
    font.setItalic(True)
    item.setFont(font)
    widget.setItem(row, 0, item)
    widget.setSpan(row, 0, 1, 2)


def _setBold(item: Any, bold: bool) -> None:
    font = item.font()
    font.setBold(bold)
    item.setFont(font)


def _newRow(widget: Any) -> int:
    row = widget.rowCount
    widget.setRowCount(row + 1)
    return row
