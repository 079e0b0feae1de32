"""Pictures of the module panel beside the views of the current layout, as they look in Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtWidgets

from slicerhost.panes import layout_widget

PANEL_WIDTH = 460
MARGIN = 4
HEADER_HEIGHT = 30


def capture(
    path: Path | str,
    panel: Any,
    size: tuple[int, int] = (1600, 1000),
    views: bool = True,
    scroll_to: Any = None,
    full_height: bool = False,
    panel_width: int = PANEL_WIDTH,
) -> Path:
    """Write a PNG and return its path.

    ``panel``: the module widget (Python class or Qt widget), or None for the views alone. ``scroll_to``: a widget of
    the panel to bring into sight. ``full_height``: grow the picture until the whole panel is visible. Every view of
    the current layout is resized (its field of view is kept) and really rendered.
    """
    content = getattr(panel, "parent", panel) if not isinstance(panel, QtWidgets.QWidget) else panel
    window = QtWidgets.QWidget()
    row = QtWidgets.QHBoxLayout(window)
    row.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
    area = add_panel(row, content, panel_width) if content is not None else None
    if views:
        row.addWidget(layout_widget(), 1)
    window.resize(size[0] if views else panel_width + 2 * MARGIN, _height(content, size[1], full_height))
    try:
        return _grab(window, area, scroll_to, Path(path))
    finally:
        if area is not None:
            area.takeWidget().setParent(None)
        window.hide()
        window.deleteLater()


def add_panel(row: QtWidgets.QHBoxLayout, content: Any, width: int) -> QtWidgets.QScrollArea:
    """Put a module panel under Slicer's module selector into a row; returns its scroll area."""
    holder = QtWidgets.QWidget()
    holder.setFixedWidth(width)
    column = QtWidgets.QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(_header(content))
    area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QtWidgets.QFrame.NoFrame)
    area.setWidget(content)
    content.show()
    column.addWidget(area, 1)
    row.addWidget(holder)
    return area


def _header(content: Any) -> QtWidgets.QWidget:
    """Slicer's module selector."""
    name = content.objectName.removesuffix("ModuleWidget")
    module = slicer.app.moduleManager().module(name) if name else None
    header = QtWidgets.QWidget()
    header.setFixedHeight(HEADER_HEIGHT)
    row = QtWidgets.QHBoxLayout(header)
    row.setContentsMargins(4, 2, 4, 2)
    row.addWidget(QtWidgets.QLabel("Modules:"))
    selector = QtWidgets.QComboBox()
    selector.addItem(module.title if module is not None else name)
    row.addWidget(selector, 1)
    return header


def _height(content: Any, wanted: int, full_height: bool) -> int:
    if not full_height or content is None:
        return wanted
    needed = content.sizeHint().height() + HEADER_HEIGHT + 4 * MARGIN
    return max(wanted, needed)


def _grab(window: Any, area: Any, scroll_to: Any, path: Path) -> Path:
    window.show()
    _settle()
    if scroll_to is not None and area is not None:
        area.ensureWidgetVisible(scroll_to, 0, 0)
        _settle()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not window.grab().save(str(path)):
        raise OSError(f"can't write {path}")
    return path


def _settle() -> None:
    """Let layouts, deferred deletions and repaints happen."""
    for _ in range(3):
        slicer.app.processEvents()
