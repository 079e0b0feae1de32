"""``qt.QUiLoader``: builds a .ui file from qt, ctk and qMRML classes and makes its <connections>."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from PySide6 import QtCore, QtUiTools, QtWidgets

from slicerhost.pythonqt import qt

Connection = tuple[str, str, str, str]


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file as Slicer's loader does; an unknown widget class is an error."""

    loading: ClassVar[int] = 0
    find_class: ClassVar[Callable[[str], type | None]] = staticmethod(lambda name: None)
    _made: ClassVar[list[Any]] = []

    def createWidget(self, className: str, parent: Any = None, name: str = "") -> Any:
        """One widget of a named class."""
        cls = QUiLoader.find_class(className) or getattr(qt, className, None)
        if cls is None:
            raise RuntimeError(f".ui: the test host has no stand-in for widget class {className}")
        return self._named(cls(parent), name)

    def createAction(self, parent: Any = None, name: str = "") -> Any:
        """A QAction."""
        return self._named(qt.QAction(parent), name)

    def createActionGroup(self, parent: Any = None, name: str = "") -> Any:
        """A QActionGroup or QButtonGroup."""
        return self._named(qt.QActionGroup(parent), name)

    def createLayout(self, className: str, parent: Any = None, name: str = "") -> Any:
        """A layout; only a widget may be its parent here, layouts are added by the loader."""
        arguments = [parent] if isinstance(parent, QtWidgets.QWidget) else []
        return self._named(getattr(qt, className)(*arguments), name)

    def _named(self, made: Any, name: str) -> Any:
        made.objectName = name
        QUiLoader._made.append(made)
        return made

    def load(self, device: Any, parent: Any = None) -> Any:
        """The top widget of the .ui text that ``device`` (a QFile) gives."""
        text, wanted = _without_connections(bytes(device.readAll().data()))
        QUiLoader._made = []
        widget = self._build(text, parent)
        widget._made = QUiLoader._made  # PySide6 forgets the Python side of objects that only C++ holds
        objects = {child.objectName: child for child in [widget, *widget.findChildren(QtCore.QObject)]}
        for sender, signal, receiver, slot in wanted:
            objects[sender].connect(signal, getattr(objects[receiver], slot.partition("(")[0]))
        return widget

    def _build(self, text: bytes, parent: Any) -> Any:
        buffer = QtCore.QBuffer()
        buffer.setData(text)
        buffer.open(QtCore.QIODevice.ReadOnly)
        QUiLoader.loading += 1
        try:
            widget = super().load(buffer, parent)
        finally:
            QUiLoader.loading -= 1
        if widget is None:
            raise RuntimeError(self.errorString())
        return widget


@cache
def _without_connections(text: bytes) -> tuple[bytes, list[Connection]]:
    """A .ui file without its <connections>, and these: QUiLoader can't connect Python slots. A panel is made often."""
    root = ElementTree.fromstring(text)
    found = root.find("connections")
    if found is None:
        return text, []
    root.remove(found)
    keys = ("sender", "signal", "receiver", "slot")
    return ElementTree.tostring(root), [tuple(each.findtext(key, "") for key in keys) for each in found]


qt.QUiLoader = QUiLoader
