"""``slicer.app``: stand-in for qSlicerApplication over the MRML core and a QApplication."""

from __future__ import annotations

import logging
import os
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from slicerhost import style
from slicerhost.core import MrmlCore
from slicerhost.modules import ModuleManager
from slicerhost.pythonqt import qt
from slicerhost.signals import SignalSource

DOCUMENTATION = "https://slicer.readthedocs.io/en/latest/"

HARMLESS = "This plugin does not support"  # the offscreen platform says so at each window


def _on_qt_message(kind: Any, _context: Any, text: str) -> None:
    if kind == QtCore.QtMsgType.QtFatalMsg:
        os.write(2, f"Qt: {text}\n".encode())  # the process ends here
    if not text.startswith(HARMLESS):
        logging.warning("Qt: %s", text)


class Application(SignalSource):
    """What scripted modules use of the application."""

    SIGNALS = ("startupCompleted()", "lastWindowClosed()", "aboutToQuit()", "mrmlSceneChanged(vtkMRMLScene*)")
    applicationName = "Slicer"
    applicationVersion = "5.12"
    majorVersion, minorVersion = 5, 12
    revision = "slicer-core"
    documentationBaseUrl = DOCUMENTATION

    def __init__(self, testing: bool) -> None:
        super().__init__()
        self._testing = testing
        QtCore.qInstallMessageHandler(_on_qt_message)
        self._qt = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicerhost"])
        self._qt.setApplicationName("slicerhost")
        self._qt.setOrganizationName("slicerhost")
        style.apply(self._qt)
        self._core = MrmlCore()
        self.temporaryPath = self.slicerHome = self._core.temporary_path
        self.logics = self._core.logics
        self.vtk_errors, self.boot_errors = self._core.errors, self._core.boot_errors
        ini = QtCore.QSettings.IniFormat
        QtCore.QSettings.setDefaultFormat(ini)
        QtCore.QSettings.setPath(ini, QtCore.QSettings.UserScope, self.temporaryPath)
        self._settings = qt.QSettings()
        self._modules = ModuleManager()
        self._layouts: Any = None
        self._render_pauses = 0

    def start_views(self) -> None:
        """Host only: make the views. Before any node: legends older than a view are ignored by it."""
        from slicerhost.layouts import LayoutManager

        self._layouts = LayoutManager(self.mrmlScene(), self.applicationLogic())

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._core.scene

    def applicationLogic(self) -> Any:
        """The vtkSlicerApplicationLogic."""
        return self._core.application_logic

    def coreIOManager(self) -> Any:
        """Loading and saving."""
        return self._core.io

    ioManager = coreIOManager

    def moduleManager(self) -> ModuleManager:
        """The module manager."""
        return self._modules

    def layoutManager(self) -> Any:
        """The layout manager."""
        return self._layouts

    def moduleLogic(self, name: str) -> Any:
        """A C++ module's logic."""
        return self.logics.get(name)

    def settings(self) -> Any:
        """QSettings in a temporary folder."""
        return self._settings

    userSettings = revisionUserSettings = settings

    def testingEnabled(self) -> bool:
        """Whether pop-ups are logged instead of shown."""
        return self._testing

    def commandOptions(self) -> Any:
        """Command line options: only the testing flag."""
        return self

    def processEvents(self, *_: Any) -> None:
        """Let Qt handle pending events."""
        self._qt.processEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        """Cursor for the whole application."""
        self._qt.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        """Undo ``setOverrideCursor``."""
        self._qt.restoreOverrideCursor()

    def pauseRender(self) -> None:
        """Hold back rendering requests."""
        self._render_pauses += 1
        self.applicationLogic().PauseRender()

    def resumeRender(self) -> None:
        """Undo ``pauseRender``."""
        if self._render_pauses == 0:
            raise RuntimeError("resumeRender without pauseRender")
        self._render_pauses -= 1
        self.applicationLogic().ResumeRender()

    def topLevelWidgets(self) -> list[Any]:
        """All top-level widgets."""
        return self._qt.topLevelWidgets()

    def focusWidget(self) -> Any:
        """The widget with the keyboard focus."""
        return self._qt.focusWidget()

    def palette(self) -> Any:
        """The application's palette."""
        return self._qt.palette()

    def clipboard(self) -> Any:
        """The clipboard."""
        return self._qt.clipboard()

    def translate(self, _context: str, text: str) -> str:
        """Texts are never translated here."""
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        """Address of a module's documentation."""
        return f"{DOCUMENTATION}user_guide/modules/{name.lower()}.html"

    def exec_(self) -> int:
        """Host only: run Qt's event loop."""
        return self._qt.exec()

    def is_clean(self) -> bool:
        """Host only: no pause of rendering is left over."""
        return self._render_pauses == 0 and slicer.mrmlScene is self.mrmlScene()
