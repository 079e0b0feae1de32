"""The table of loaded radiographs: one row each, a tick for its beam, and words on what was decided about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import plain
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.radiograph_changes import cropOf
from XRayTo3DLib.errors import InputError

COLUMNS = ("Name", "View", "Spacing", "SDD")
SPACING_WORDS = {"detector": "detector plane", "calibrated": "calibrated", "user": "given by you"}
ROW_HEIGHT, HEADER_HEIGHT = 26, 28


class RadiographTable:
    """Fills a QTableWidget; the scene keeps what is in it.

    Args:
        widget: The table.
        onSelection: Called when another row is selected.
        onTick: Called with the radiograph and whether its beam is ticked.
    """

    def __init__(self, widget: Any, onSelection: Callable[[], None], onTick: Callable[[Any, bool], None]) -> None:
        self._widget, self._onSelected, self._onTick = widget, onSelection, onTick
        self.rows: list[str] = []
        self._filling = False
        widget.setColumnCount(len(COLUMNS))
        widget.setHorizontalHeaderLabels([_(name) for name in COLUMNS])
        widget.verticalHeader().setVisible(False)
        header = widget.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)
        widget.connect("itemSelectionChanged()", self._onSelection)
        widget.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)

    def fill(self, nodes: list[Any]) -> None:
        """Show these radiographs; the selected one stays selected."""
        before = self.selected()
        self._filling = True
        try:
            self.rows = [node.GetID() for node in nodes]
            self._widget.setRowCount(len(nodes))
            for row, node in enumerate(nodes):
                for column, text in enumerate(_cells(node)):
                    self._widget.setItem(row, column, _item(text, node if column == 0 else None))
                self._widget.setRowHeight(row, ROW_HEIGHT)
            self._widget.setFixedHeight(HEADER_HEIGHT + ROW_HEIGHT * max(2, len(nodes)) + 4)
            self.select(before if before in nodes else None)
        finally:
            self._filling = False

    def selected(self) -> Any:
        """The selected radiograph, or None."""
        row = self._widget.currentRow()
        return slicer.mrmlScene.GetNodeByID(self.rows[row]) if 0 <= row < len(self.rows) else None

    def select(self, node: Any) -> None:
        """Select a radiograph's row, or none."""
        if node is not None and node.GetID() in self.rows:
            self._widget.selectRow(self.rows.index(node.GetID()))
        else:
            self._widget.clearSelection()
            self._widget.setCurrentCell(-1, -1)

    def _onSelection(self) -> None:
        if not self._filling:
            self._onSelected()

    def _onItemChanged(self, item: Any) -> None:
        if not self._filling and item.column() == 0 and item.row() < len(self.rows):
            node = slicer.mrmlScene.GetNodeByID(self.rows[item.row()])
            self._onTick(node, item.checkState() == qt.Qt.Checked)


def _cells(node: Any) -> tuple[str, ...]:
    """Texts of one row."""
    view = " ".join(p for p in (node.GetAttribute("XRayTo3D.View"), node.GetAttribute("XRayTo3D.Laterality")) if p)
    try:
        camera = radiographs.cameraFromNode(node)
    except InputError:
        return node.GetName(), view or "–", "–", _("no source")
    column, row = camera.spacing
    spacing = f"{column:.3g} mm" if abs(column / row - 1) < 1e-3 else f"{column:.3g} × {row:.3g} mm"
    return node.GetName(), view or "–", spacing, f"{camera.sdd:.0f} mm"


def _item(text: str, node: Any = None) -> Any:
    """A cell; the first one carries the view's colour and the tick for its beam."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(text)
    if node is not None:
        red, green, blue = (round(255 * value) for value in radiographs.colourOf(node))
        swatch = qt.QPixmap(12, 12)
        swatch.fill(qt.QColor(red, green, blue))
        item.setIcon(qt.QIcon(swatch))
        ticked = node.GetAttribute(radiographs.SHOW_BEAM) != "0"
        item.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
    return item


def _croppedText(node: Any) -> str:
    window, keeper = cropOf(node), node.GetNodeReference(radiographs.UNCROPPED)
    if window is None or keeper.GetImageData() is None:
        return ""
    columns, rows, _slices = keeper.GetImageData().GetDimensions()
    text = _("Cropped from {columns} × {rows} pixels, from column {column} and row {row} on.")
    return text.format(columns=columns, rows=rows, column=window.column + 1, row=window.row + 1)


def inPanelWords(text: str) -> str:
    """A sentence of the library without the options of its commands: here they are fields."""
    plain = re.sub(r" \([^()]*--[a-z][^()]*\)", "", text)
    return re.sub(r"--([a-z-]+)", lambda found: found[1].replace("-", " "), plain)


def detailsText(node: Any) -> str:
    """What was decided about a radiograph, as short HTML."""
    size = node.GetImageData().GetDimensions() if node.GetImageData() else (0, 0)
    source = SPACING_WORDS.get(node.GetAttribute("XRayTo3D.SpacingSource") or "", "?")
    lines = [
        f"<b>{_('View {letter}').format(letter=radiographs.viewLetter(node))}</b>  {plain(node.GetName())}",
        _("{columns} × {rows} pixels, spacing: {source}.").format(columns=size[0], rows=size[1], source=source),
        _croppedText(node),
        _("Intensities: {how}").format(how=plain(node.GetAttribute("XRayTo3D.IntensityHow") or "–")),
        *plain(node.GetAttribute("XRayTo3D.Notes") or "").split("\n"),
    ]
    if node.GetAttribute(mrml.SYNTHETIC) == "1":
        lines[0] += f" <b>{_('synthetic')}</b>" if mrml.SYNTHETIC_MARK not in node.GetName() else ""
    return inPanelWords("<br>".join(line for line in lines if line))
