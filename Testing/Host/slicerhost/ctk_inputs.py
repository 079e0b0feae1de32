"""Stand-ins for CTK's check boxes, combo boxes, path and colour inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtGui

from slicerhost.declare import flat_row, parent_of, plain_property, with_setters
from slicerhost.pythonqt import qt

DEFAULT_PATH_FILTERS = 24663  # QDir AllEntries, no dot, readable, ... as CTK sets it
DIRECTORIES, FILES = 1, 2
Property, Signal = QtCore.Property, QtCore.Signal


class ctkCheckBox(qt.QCheckBox):
    """A check box."""


class ctkComboBox(qt.QComboBox):
    """A combo box with a text for the empty state."""

    defaultText = plain_property(str, "defaultText", "")
    forceDefault = plain_property(bool, "forceDefault", False)


class ctkPushButton(qt.QPushButton):
    """A push button."""


class ctkCheckablePushButton(qt.QPushButton):
    """A push button with a check box in it."""

    checkBoxControlsButtonToggleState = plain_property(bool, "checkBoxControlsButtonToggleState", True)


class ctkFittedTextBrowser(qt.QTextBrowser):
    """A text browser."""


class ctkMessageBox(qt.QMessageBox):
    """A message box that can be silenced by a setting."""

    dontShowAgainSettingsKey = plain_property(str, "dontShowAgainSettingsKey", "")


@with_setters
class ctkPathLineEdit(qt.QWidget):
    """A path with history and a browse button."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._combo = qt.QComboBox()
        self._combo.objectName = "qt_path"
        self._combo.setEditable(True)
        self._combo.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        self._combo.setMinimumContentsLength(4)
        self._combo.editTextChanged.connect(self.currentPathChanged)
        self._button = qt.QToolButton()
        self._button.text = "..."
        self._button.clicked.connect(lambda *_: self.browse())
        flat_row(self, self._combo, self._button)

    def setCurrentPath(self, path: str) -> None:
        """Show a path; it need not exist."""
        self._combo.setEditText(str(path))

    def addCurrentPathToHistory(self) -> None:
        """Remember the path in the drop-down."""
        if self._combo.findText(self.currentPath) < 0:
            self._combo.addItem(self.currentPath)

    def browse(self) -> None:
        """Ask with a file or directory dialog."""
        wanted = int(self.filters)
        directory = wanted & DIRECTORIES and not wanted & FILES
        ask = qt.QFileDialog.getExistingDirectory if directory else qt.QFileDialog.getOpenFileName
        chosen = ask(self)
        if chosen:
            self.currentPath = chosen

    def validInput(self) -> bool:
        """Whether the path exists."""
        return Path(self.currentPath).exists()

    currentPath = Property(str, lambda self: self._combo.currentText, setCurrentPath)
    settingKey = plain_property(str, "settingKey", "")
    nameFilters = plain_property("QStringList", "nameFilters", [])
    filters = plain_property(int, "filters", DEFAULT_PATH_FILTERS)
    options = plain_property(int, "options", 0)
    showHistoryButton = plain_property(bool, "showHistoryButton", True)
    showBrowseButton = plain_property(bool, "showBrowseButton", True)
    label = plain_property(str, "label", "")
    sizeAdjustPolicy = plain_property(int, "sizeAdjustPolicy", 0)
    minimumContentsLength = plain_property(int, "minimumContentsLength", 0)


@with_setters
class ctkDirectoryButton(qt.QWidget):
    """A button that shows and changes a directory."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._directory = str(Path.cwd())
        self._button = qt.QPushButton(self._directory)
        self._button.clicked.connect(lambda *_: self.browse())
        flat_row(self, self._button)

    def setDirectory(self, directory: str) -> None:
        """Take a directory; signals only a change."""
        if str(directory) != self._directory:
            self._directory = str(directory)
            self._button.text = self._directory
            self.directoryChanged.emit(self._directory)

    def browse(self) -> None:
        """Ask for a directory."""
        chosen = qt.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if chosen:
            self.setDirectory(chosen)
            self.directorySelected.emit(chosen)

    directory = Property(str, lambda self: self._directory, setDirectory)
    caption = plain_property(str, "caption", "")
    displayAbsolutePath = plain_property(bool, "displayAbsolutePath", True)


@with_setters
class ctkColorPickerButton(qt.QPushButton):
    """A button that shows and changes a colour."""

    colorChanged = Signal(QtGui.QColor)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._color = QtGui.QColor("black")

    def setColor(self, color: QtGui.QColor) -> None:
        """Take a colour; signals only a change."""
        if QtGui.QColor(color) == self._color:
            return
        self._color = QtGui.QColor(color)
        swatch = QtGui.QPixmap(16, 16)
        swatch.fill(self._color)
        self.setIcon(QtGui.QIcon(swatch))
        if self.displayColorName:
            self.text = self._color.name()
        self.colorChanged.emit(self._color)

    color = Property(QtGui.QColor, lambda self: self._color, setColor)
    displayColorName = plain_property(bool, "displayColorName", True)
    dialogOptions = plain_property(int, "dialogOptions", 0)


CLASSES = [
    ctkCheckBox,
    ctkComboBox,
    ctkPushButton,
    ctkCheckablePushButton,
    ctkFittedTextBrowser,
    ctkMessageBox,
    ctkPathLineEdit,
    ctkDirectoryButton,
    ctkColorPickerButton,
]
