"""Slicer's look: Fusion, its light palette, DejaVu fonts."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets

FONT = ("DejaVu Sans", 9)
COLORS = {
    "Window": "#efefef",
    "WindowText": "#000000",
    "Base": "#ffffff",
    "AlternateBase": "#f5f5f5",
    "Text": "#000000",
    "Button": "#efefef",
    "ButtonText": "#000000",
    "ToolTipBase": "#ffffdc",
    "ToolTipText": "#000000",
    "Highlight": "#308cc6",
    "HighlightedText": "#ffffff",
    "Mid": "#b8b8b8",
}
DISABLED_TEXT = "#8c8c8c"


def apply(application: QtWidgets.QApplication) -> None:
    """Give the application Slicer's light look."""
    application.setStyle("Fusion")
    application.setFont(QtGui.QFont(*FONT))
    palette = QtGui.QPalette()
    for role, color in COLORS.items():
        palette.setColor(getattr(QtGui.QPalette, role), QtGui.QColor(color))
    for role in ("WindowText", "Text", "ButtonText"):
        found = getattr(QtGui.QPalette, role)
        palette.setColor(QtGui.QPalette.Disabled, found, QtGui.QColor(DISABLED_TEXT))
    application.setPalette(palette)
